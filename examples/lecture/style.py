"""How all figures of the lecture look, and how each script is run.

A figure is 720 pixels wide on a page, and its text 11 or 12 pixels high there. The colours are
after Okabe and Ito (2008): they stay apart for the colour-blind, and are dark enough for text.
Colour is never the only sign: lines differ in dashes, or carry their names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograd_core.errors import explain

try:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler
except ImportError:
    do = 'Install it: pip install "autograd-core[viz]", or pip install matplotlib'
    sys.exit("error: " + explain("figures: the package matplotlib", "none", do))

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#AA4499"
GOLD, BLACK, GREY = "#A67600", "#222222", "#767676"
SKY, ORANGE = "#56B4E9", "#E69F00"  # too bright for text
PALETTE = [BLUE, VERMILION, GREEN, PURPLE, GOLD, BLACK]
PAPER = "white"
WIDTH = 7.5  # inches, 720 pixels at the 96 of a screen

matplotlib.rcParams.update(
    {
        "figure.dpi": 96,
        "savefig.dpi": 192,  # sharp on screens with two pixels in place of one
        "svg.hashsalt": "lecture",  # the same picture is the same file
        "font.size": 9,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.labelsize": 9,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.fontsize": 8.5,
        "legend.frameon": False,
        "legend.handlelength": 2.2,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.labelcolor": BLACK,
        "text.color": BLACK,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": BLACK,
        "ytick.labelcolor": BLACK,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "axes.prop_cycle": cycler(color=PALETTE),
    }
)


def figure(height: float) -> Figure:
    """Return an empty figure of the common width, so many inches high."""
    drawn = Figure(figsize=(WIDTH, height))
    drawn.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    return drawn


def note(axes: Any, text: str, x: float, y: float, **options: Any) -> Any:
    """Write on the figure at a point of the data, readable across lines and grid."""
    box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    return axes.text(x, y, text, **{"fontsize": 8.5, "bbox": box, "zorder": 5, **options})


def corner(axes: Any, text: str, x: float = 0.97, y: float = 0.95, **options: Any) -> Any:
    """Write into a corner of the axes, the upper right one by default."""
    place = {
        "transform": axes.transAxes,
        "ha": "right" if x > 0.5 else "left",
        "va": "top" if y > 0.5 else "bottom",
    }
    return note(axes, text, x, y, **{**place, **options})


def name_ends(axes: Any, ends: dict[str, float], colors: list[str], gap: float = 0.085) -> None:
    """Write names beside the ends of lines, right of the axes, apart from each other.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With limits and scale as they will stay.
    ends : dict of str to float
        The last value of each line, by name.
    colors : list of str
    gap : float
        The least distance between two names, as a part of the height.
    """
    place = axes.transScale + axes.transLimits
    heights = {name: float(place.transform((1.0, y))[1]) for name, y in ends.items()}
    by_name = dict(zip(ends, colors, strict=False))
    lowest = -1.0
    for name in sorted(heights, key=heights.__getitem__):
        lowest = max(heights[name], lowest + gap)
        look = {"transform": axes.transAxes, "va": "center", "color": by_name[name]}
        note(axes, name, 1.012, lowest, **look)


def arguments() -> argparse.Namespace:
    """Read the command line, the same for all scripts."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--out", type=Path, default=Path("out/lecture"), help="where to write (out/lecture)"
    )
    parser.add_argument("--format", choices=["svg", "png", "pdf"], default="svg")
    parser.add_argument("--quick", action="store_true", help="fewer steps, a rougher figure")
    return parser.parse_args()


def save(drawn: Figure, name: str, args: argparse.Namespace) -> None:
    """Write a figure as the command line asks, and say where."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{name}.{args.format}"
    # Without the date, drawing again gives the same file.
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    drawn.savefig(path, metadata=undated.get(args.format), facecolor=PAPER)
    print(f"  -> {path}")


def script(draw: Callable[[bool], Figure]) -> None:
    """Run one script of the lecture: draw its figure and write it under the script's name."""
    args = arguments()
    save(draw(args.quick), Path(sys.argv[0]).stem, args)
