"""Pictures as SVG text: the few shapes that they are made of, and the colours.

The colours are after Okabe and Ito (2008): they stay apart for the colour-blind.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ..errors import UnknownNameError, explain

__all__ = [
    "BLACK",
    "BLUE",
    "GOLD",
    "GREEN",
    "GREY",
    "LINE",
    "PALE_BLUE",
    "PALE_GREY",
    "PALE_RED",
    "RED",
    "Picture",
    "circle",
    "line",
    "path",
    "picture",
    "rectangle",
    "text",
    "text_width",
]

BLUE, RED, GREEN, GOLD = "#0072B2", "#D55E00", "#009E73", "#A67600"
BLACK, GREY, LINE = "#222222", "#6B6B6B", "#DADADA"
PALE_BLUE, PALE_RED, PALE_GREY = "#E3F0F8", "#FBE3D5", "#F3F3F3"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


class Picture:
    """A picture as text in the format SVG; notebooks show it.

    Attributes
    ----------
    svg : str
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def formats(self) -> dict[str, str]:
        """Return the picture as text, by the suffix of a file."""
        return {".svg": self.svg}

    def save(self, path: str | Path | None) -> Self:
        """Write the picture to a file, in the format that its name ends in, if there is one."""
        if path is None:
            return self
        target = Path(path)
        formats = self.formats()
        if target.suffix not in formats:
            what = f"save: a file name that ends in {', '.join(formats)}"
            raise UnknownNameError(explain(what, repr(str(path)), "Choose one of these formats"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(formats[target.suffix], encoding="utf-8")
        return self


def picture(shapes: Sequence[str], width: float, height: float) -> str:
    """Return an SVG of so many pixels."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}">'
    )
    return "\n".join([head, rectangle(0, 0, width, height, "white", "none"), *shapes, "</svg>\n"])


def text_width(words: str, size: float = 11.0) -> float:
    """Return about how wide words are."""
    return 0.57 * size * len(words)


def text(
    words: str,
    x: float,
    y: float,
    anchor: str = "start",
    size: float = 11.0,
    color: str = BLACK,
    bold: bool = False,
    more: str = "",
) -> str:
    """Write words at the baseline y, and more in grey behind them."""
    rest = f' <tspan fill="{GREY}">{html.escape(more)}</tspan>' if more else ""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="{color}"{weight}>{html.escape(words)}{rest}</text>'
    )


def rectangle(
    x: float, y: float, width: float, height: float, fill: str, stroke: str, radius: float = 0.0
) -> str:
    """Draw a box."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius:g}" fill="{fill}" stroke="{stroke}"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, color: str = LINE, width: float = 1.0) -> str:
    """Draw a straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{color}" stroke-width="{width:g}"/>'
    )


def circle(x: float, y: float, radius: float, color: str) -> str:
    """Draw a dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{color}"/>'


def path(steps: str, color: str, width: float = 1.0) -> str:
    """Draw a curve."""
    return f'<path d="{steps}" fill="none" stroke="{color}" stroke-width="{width:g}"/>'
