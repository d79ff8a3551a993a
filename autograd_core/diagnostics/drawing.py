"""Drawing a tape: as SVG, and as text for Mermaid and Graphviz (DOT)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ShapeError, explain
from .graph import Box, Graph
from .layout import Layout, rows
from .reading import Reading, names_of
from .svg import (
    BLACK,
    BLUE,
    GREY,
    PALE_BLUE,
    PALE_GREY,
    PALE_RED,
    RED,
    Picture,
    path,
    picture,
    rectangle,
    text,
    text_width,
)

__all__ = ["TapePicture", "draw"]

MARGIN, LINE_HEIGHT, ROW_GAP = 16.0, 15.0, 34.0
NARROWEST = 96.0
FAR = {"leaf": 4, "rest": 1}  # rows that an arrow may span; the reader names what is farther
FARTHEST = 12
# Of each kind of box: fill, edge, words of the legend.
LOOK = {
    "leaf": (PALE_BLUE, BLUE, "leaf"),
    "op": ("white", GREY, "operation"),
    "result": ("white", BLACK, "result"),
    "dead": (PALE_GREY, GREY, "cotangent is zero"),
    "bad": (PALE_RED, RED, "not finite"),
    "rest": (PALE_GREY, "none", "not drawn one by one"),
}
COLOURED = ("leaf", "dead", "bad")


class TapePicture(Picture):
    """A tape as a picture; notebooks show it. ``save(path)`` writes .svg, .mmd or .dot.

    Attributes
    ----------
    svg, mermaid, dot : str
    """

    def __init__(self, graph: Graph) -> None:
        self.mermaid = _mermaid(graph)
        self.dot = _dot(graph)
        super().__init__(_svg(graph))

    def formats(self) -> dict[str, str]:
        """Return the picture as text, by the suffix of a file."""
        return {".svg": self.svg, ".mmd": self.mermaid, ".dot": self.dot}


def draw(
    loss: Any,
    *args: Any,
    seed: Any = None,
    model: Any = None,
    most: int = 50,
    path: str | Path | None = None,
) -> TapePicture:
    r"""Draw all that a tensor depends on, with values and cotangents.

    Parameters
    ----------
    loss, *args, seed, model
        As `table` has them.
    most : int
        The most boxes to draw. In a larger tape, nodes that only lead to one another share a box;
        if there are still too many, the picture shows those next to the result and says how many
        come before.
    path : str or Path, optional
        Where to write the picture: a name in .svg, .mmd or .dot.

    Returns
    -------
    TapePicture

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> print(ag.diagnostics.draw(x * ag.exp(x)).dot)  # doctest: +ELLIPSIS
    digraph tape {
      node [shape=box, fontname="sans-serif", fontsize=11];
      n0 [label="leaf\n#0, single number\nvalue 2\ncotangent 22.2", style=filled, ...];
      n1 [label="exp\n#1, single number\nvalue 7.39\ncotangent 2"];
      n2 [label="multiply\n#2, single number\nvalue 14.8\ncotangent 1"];
      n0 -> n1;
      n0 -> n2;
      n1 -> n2;
    }
    """
    if not isinstance(most, int) or most < 2:
        do = "Pass how many boxes fit"
        raise ShapeError(explain("diagnostics.draw: most, an integer from 2 on", most, do))
    reading = Reading("diagnostics.draw", loss, args, seed)
    return TapePicture(Graph(reading, most, names_of(model))).save(path)


def _mermaid(graph: Graph) -> str:
    lines = ["flowchart TD"]
    for i, box in enumerate(graph.boxes):
        words = "<br/>".join([box.title, *box.lines]).replace('"', "'")
        lines.append(f'    n{i}["{words}"]')
    lines += [f"    n{i} --> n{j}" for i, j in graph.edges]
    for kind in COLOURED:
        boxes = [f"n{i}" for i, box in enumerate(graph.boxes) if box.kind == kind]
        if boxes:
            fill, edge, _ = LOOK[kind]
            lines.append(f"    classDef {kind} fill:{fill},stroke:{edge}")
            lines.append(f"    class {','.join(boxes)} {kind}")
    return "\n".join([*lines, *(f"    %% {note}" for note in graph.notes)]) + "\n"


def _dot(graph: Graph) -> str:
    lines = ["digraph tape {", '  node [shape=box, fontname="sans-serif", fontsize=11];']
    for i, box in enumerate(graph.boxes):
        words = "\\n".join([box.title, *box.lines]).replace('"', "'")
        fill, edge, _ = LOOK[box.kind]
        look = f', style=filled, fillcolor="{fill}", color="{edge}"'
        lines.append(f'  n{i} [label="{words}"{look if box.kind in COLOURED else ""}];')
    lines += [f"  n{i} -> n{j};" for i, j in graph.edges]
    return "\n".join([*lines, *(f"  // {note}" for note in graph.notes), "}"])


# ---------------------------------------------------------------------------------- as SVG


def _width(box: Box) -> float:
    words = max(text_width(box.title, 13.5), *(text_width(words, 10.5) for words in box.lines))
    return max(words + 14.0, NARROWEST)


def _height(box: Box) -> float:
    return LINE_HEIGHT * (1 + len(box.lines)) + 10.0


def _near(graph: Graph) -> list[tuple[int, int]]:
    """Return the arrows to draw; boxes say in words what else they read from far away."""
    row = rows(len(graph.boxes), graph.edges)
    near = []
    for i, j in graph.edges:
        if row[j] - row[i] <= FAR.get(graph.boxes[i].kind, FARTHEST):
            near.append((i, j))
        else:
            words = ", ".join(f"#{index}" for index in graph.read[i, j][:3])
            graph.boxes[j].lines.append(f"reads {words} from above")
    return near


def _svg(graph: Graph) -> str:
    edges = _near(graph)
    layout = Layout([_width(box) for box in graph.boxes], edges)
    tops, bottom = _tops(graph, layout)
    right = max(x + 0.5 * w for x, w in zip(layout.x, layout.widths, strict=True))
    legend, wide = _legend(graph, bottom + 18.0)
    height = bottom + 34.0 + LINE_HEIGHT * len(graph.notes)
    shapes = [_arrow(layout.routes[edge], graph, layout, tops) for edge in edges]
    for i, box in enumerate(graph.boxes):
        shapes += _drawn(box, MARGIN + layout.x[i], tops[layout.row[i]])
    return picture([*shapes, *legend], max(right, wide) + 2 * MARGIN, height)


def _tops(graph: Graph, layout: Layout) -> tuple[list[float], float]:
    """Return the upper end of each row, and the lower end of the last one."""
    tops, y = [], MARGIN
    for row in layout.rows:
        tops.append(y)
        heights = [_height(graph.boxes[i]) for i in row if i < len(graph.boxes)]
        y += max(heights, default=LINE_HEIGHT) + ROW_GAP
    return tops, y - ROW_GAP


def _drawn(box: Box, x: float, top: float) -> list[str]:
    fill, edge, _ = LOOK[box.kind]
    width = _width(box)
    shapes = [rectangle(x - 0.5 * width, top, width, _height(box), fill, edge, 5.0)]
    shapes.append(text(box.title, x, top + 17.0, "middle", 12.5, bold=True))
    for i, words in enumerate(box.lines):
        y = top + 17.0 + LINE_HEIGHT * (i + 1)
        shapes.append(text(words, x, y, "middle", 10.5, GREY if i else BLACK))
    return shapes


def _arrow(route: list[int], graph: Graph, layout: Layout, tops: list[float]) -> str:
    """Draw a curve from box to box, straight down past the rows between."""
    start, *passed, end = route
    x, y = MARGIN + layout.x[start], tops[layout.row[start]] + _height(graph.boxes[start])
    steps = [f"M {x:.1f} {y:.1f}"]
    for place in passed:
        row = layout.row[place]
        lower = tops[row + 1] - ROW_GAP
        x, y = _curve(steps, x, y, MARGIN + layout.x[place], tops[row])
        steps.append(f"L {x:.1f} {lower:.1f}")
        y = lower
    x, y = _curve(steps, x, y, MARGIN + layout.x[end], tops[layout.row[end]])
    steps.append(f"M {x - 4:.1f} {y - 7:.1f} L {x:.1f} {y:.1f} L {x + 4:.1f} {y - 7:.1f}")
    return path(" ".join(steps), GREY, 1.2)


def _curve(steps: list[str], x: float, y: float, x2: float, y2: float) -> tuple[float, float]:
    middle = 0.5 * (y + y2)
    steps.append(f"C {x:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}")
    return x2, y2


def _legend(graph: Graph, y: float) -> tuple[list[str], float]:
    """Return a line that says what the colours mean, and how wide it is."""
    shapes, x = [], MARGIN
    kinds = dict.fromkeys(box.kind for box in graph.boxes)
    for kind in (kind for kind in LOOK if kind in kinds and kind != "rest"):
        fill, edge, words = LOOK[kind]
        shapes.append(rectangle(x, y - 9.0, 11.0, 11.0, fill, edge, 2.0))
        shapes.append(text(words, x + 16.0, y, size=10.5, color=GREY))
        x += 30.0 + text_width(words, 10.5)
    for i, note in enumerate(graph.notes):
        shapes.append(text(note, MARGIN, y + LINE_HEIGHT * (i + 1), size=10.5, color=GREY))
    return shapes, max([x, *(text_width(note, 10.5) for note in graph.notes)])
