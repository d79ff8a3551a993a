"""The pictures of gradient flow: one report by layer, and many of them by layer and time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .report import number
from .svg import (
    BLACK,
    BLUE,
    GOLD,
    GREEN,
    GREY,
    LINE,
    PALE_BLUE,
    RED,
    Picture,
    circle,
    line,
    path,
    picture,
    rectangle,
    text,
    text_width,
)

__all__ = ["flow_picture", "history_picture"]

ROW, TOP, PANEL, GUTTER, MARGIN = 20.0, 62.0, 150.0, 40.0, 14.0
MOST, FEW = 60, 20  # layers that are drawn; of how many more the picture may grow
Records = Sequence[dict[str, Any]]


class LogAxis:
    """Powers of ten from left to right."""

    def __init__(self, values: Sequence[float], left: float, width: float) -> None:
        logs = [math.log10(v) for v in values] or [0.0]
        self.low, self.high = math.floor(min(logs)), math.ceil(max(logs))
        if self.high - self.low < 2:  # less would make noise look like a trend
            self.low, self.high = self.low - 1, max(self.high, self.low + 1)
        self.left, self.width = left, width

    def at(self, value: float) -> float:
        """Return where a value is."""
        return self.left + self.width * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and names of a few powers."""
        step = max(1, math.ceil((self.high - self.low) / 4))
        powers = range(self.low, self.high + 1, step)
        return [(self.at(10.0**p), _power(p)) for p in powers]


def _power(exponent: int) -> str:
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}" if exponent not in (0, 1) else str(10**exponent)


def flow_picture(records: Records, title: str) -> Picture:
    """Draw a report: a row for each layer, and a panel for each kind of figure."""
    shown = list(records)[: MOST if len(records) > MOST + FEW else None]
    names = 12.0 + max([text_width(f"{r['layer']} {r['kind']}") for r in shown], default=80.0)
    left = MARGIN + names
    bottom = TOP + ROW * len(shown)
    shapes = [text(title, MARGIN, 22.0, size=13.0, bold=True)]
    for i, record in enumerate(shown):
        shapes += _name(record, _middle(i))
    panels = [_gradients, _activations, _slopes]
    panels += [_updates] if any(_positive(r["update"]) for r in shown) else []
    for panel in panels:
        shapes += panel(shown, left, bottom)
        left += PANEL + GUTTER
    if len(records) > len(shown):
        words = f"the last {len(records) - len(shown)} layers are not drawn"
        shapes.append(text(words, MARGIN, bottom + 34.0, size=10.5, color=GREY))
    return Picture(picture(shapes, left, bottom + 44.0))


def _middle(i: int) -> float:
    return TOP + ROW * (i + 0.5)


def _name(record: dict[str, Any], y: float) -> list[str]:
    return [text(record["layer"], MARGIN, y + 4.0, more=record["kind"])]


def _positive(x: Any) -> bool:
    return x is not None and 0.0 < x < math.inf


def _frame(heading: str, left: float, bottom: float, ticks: Sequence[tuple[float, str]]) -> Any:
    shapes = [text(heading, left, TOP - 20.0, size=11.5, bold=True)]
    for x, name in ticks:
        shapes.append(line(x, TOP - 6.0, x, bottom))
        shapes.append(text(name, x, bottom + 14.0, "middle", 10.0, GREY))
    return shapes


def _curve(
    records: Records, key: str, heading: str, color: str, left: float, bottom: float
) -> Any:
    """Draw one figure of each layer on a logarithmic axis; zero and infinity at its ends."""
    axis = LogAxis([r[key] for r in records if _positive(r[key])], left, PANEL)
    shapes = _frame(heading, left, bottom, axis.ticks())
    steps: list[str] = []
    pen = "M"  # lifted where a value has no place on the axis
    for i, record in enumerate(records):
        value, y = record[key], _middle(i)
        if _positive(value):
            steps.append(f"{pen} {axis.at(value):.1f} {y:.1f}")
            shapes.append(circle(axis.at(value), y, 3.4, color))
            pen = "L"
        elif value is not None:
            word = "0" if value == 0 else "not finite"
            shapes.append(text(word, left + 2.0, y + 4.0, size=10.5, color=RED, bold=True))
            pen = "M"
    return [*shapes, *([path(" ".join(steps), color, 1.4)] if steps else [])]


def _gradients(records: Records, left: float, bottom: float) -> Any:
    return _curve(records, "gradient", "gradient ‖∂L/∂h‖", BLUE, left, bottom)


def _activations(records: Records, left: float, bottom: float) -> Any:
    return _curve(records, "activation", "activation rms", GREEN, left, bottom)


def _updates(records: Records, left: float, bottom: float) -> Any:
    return _curve(records, "update", "update ‖Δθ‖/‖θ‖", GOLD, left, bottom)


def _slopes(records: Records, left: float, bottom: float) -> Any:
    """Draw which parts of the units are flat and dead."""
    ticks = [(left + PANEL * part, f"{100 * part:.0f} %") for part in (0.0, 0.5, 1.0)]
    shapes = _frame("", left, bottom, ticks)
    for x, word, fill, edge in ((0.0, "flat", PALE_BLUE, BLUE), (52.0, "dead", RED, RED)):
        shapes.append(rectangle(left + x, TOP - 29.0, 10.0, 10.0, fill, edge))
        shapes.append(text(word, left + x + 15.0, TOP - 20.0, size=11.5, bold=True))
    for i, record in enumerate(records):
        if record["flat"] is not None:
            y = _middle(i) - 6.0
            flat, dead = PANEL * record["flat"], PANEL * record["dead"]
            shapes.append(rectangle(left, y, flat, 12.0, PALE_BLUE, BLUE))
            if dead:
                shapes.append(rectangle(left, y, dead, 12.0, RED, RED))
    return shapes


# --------------------------------------------------------------------------------- history

# From little to much, as light falls: readable in grey, too.
SCALE = ("#FCFDBF", "#FEC287", "#FB8761", "#E55064", "#B63679", "#812581", "#4F127B", "#1D1147")


def history_picture(
    times: Sequence[str], reports: Sequence[Records], heading: str, key: str
) -> Picture:
    """Draw one figure of all layers over time: a field for each, dark where it is large."""
    rows = [record["layer"] for record in reports[0]][:MOST]
    step = max(1, math.ceil(len(reports) / MOST))
    chosen = range(0, len(reports), step)
    values = [r[key] for report in reports for r in report if _positive(r[key])]
    logs = [math.log10(v) for v in values] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    high = max(high, low + 1)
    left = MARGIN + 12.0 + max(text_width(name) for name in rows)
    cell = max(8.0, min(40.0, 480.0 / len(chosen)))
    bottom = TOP + ROW * len(rows)
    words = heading if key in heading else f"{key} {heading}"
    shapes = [text(f"{words} by layer and epoch", MARGIN, 22.0, size=13.0, bold=True)]
    shapes += [text(name, MARGIN, _middle(i) + 4.0) for i, name in enumerate(rows)]
    for column, at in enumerate(chosen):
        x = left + cell * column
        for i, record in enumerate(reports[at][: len(rows)]):
            fill = _shade(record[key], low, high)
            shapes.append(rectangle(x, TOP + ROW * i, cell, ROW, fill, "white"))
        if column % max(1, math.ceil(34.0 / cell)) == 0:
            name = times[at]
            shapes.append(text(name, x + 0.5 * cell, bottom + 14.0, "middle", 10.0, GREY))
    shapes += _scale(left, 34.0, low, high)
    wide = max(left + cell * len(chosen), left + 21.0 * len(SCALE) + 110.0)
    return Picture(picture(shapes, wide + MARGIN, bottom + 28.0))


def _shade(value: Any, low: int, high: int) -> str:
    if not _positive(value):
        return LINE
    part = (math.log10(value) - low) / (high - low)
    return SCALE[min(int(part * len(SCALE)), len(SCALE) - 1)]


def _scale(x: float, y: float, low: int, high: int) -> list[str]:
    """Draw what the shades mean."""
    shapes = [text(_power(low), x, y + 11.0, size=10.5, color=GREY)]
    x += 34.0
    for i, color in enumerate(SCALE):
        shapes.append(rectangle(x + 20.0 * i, y, 20.0, 13.0, color, LINE))
    end = x + 20.0 * len(SCALE) + 6.0
    return [*shapes, text(_power(high), end, y + 11.0, size=10.5, color=BLACK)]


def summary(records: Records) -> str:
    """Return a line for a terminal: the gradient's norm by layer, as a row of bars."""
    logs = [math.log10(r["gradient"]) if _positive(r["gradient"]) else None for r in records]
    known = [x for x in logs if x is not None]
    if not known:
        return "no gradient"
    low, span = min(known), max(max(known) - min(known), 1.0)
    bars = "".join(
        " " if x is None else "▁▂▃▄▅▆▇█"[min(int(8 * (x - low) / span), 7)] for x in logs
    )
    ends = [r["gradient"] for r in records if _positive(r["gradient"])]
    return f"gradient {number(ends[0])} {bars} {number(ends[-1])}"
