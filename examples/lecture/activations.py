"""Activation functions with their derivatives, which the engine computes by a pullback.

    python examples/lecture/activations.py

`ag.vjp(f, x)` gives f(x) and the pullback; applied to ones it gives f'(x) for an elementwise f.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag

SLOPE = 0.1  # of the leaky ReLU; the usual 0.01 could not be told from 0 in the figure

# The function, its formula, and whether it has a kink at 0.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], str, bool]] = {
    "sigmoid": (ag.sigmoid, r"$1 / (1 + e^{-x})$", False),
    "tanh": (ag.tanh, r"$2\,\sigma(2x) - 1$", False),
    "softplus": (ag.softplus, r"$\log(1 + e^x)$", False),
    "ReLU": (ag.relu, r"$\max(x, 0)$", True),
    "leaky ReLU": (lambda x: ag.leaky_relu(x, slope=SLOPE), rf"$\max(x, {SLOPE}\,x)$", True),
    "ELU": (ag.elu, r"$e^x - 1$ where $x \leq 0$", True),
    "swish": (ag.swish, r"$x\,\sigma(x)$", False),
    "GELU": (ag.gelu, r"$x\,\Phi(x)$", False),
    "mish": (ag.mish, r"$x\,\tanh(\mathrm{softplus}\,x)$", False),
}


def slope(f: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """Return f'(x), elementwise."""
    _, pullback = ag.vjp(f, x)
    (derivative,) = pullback(np.ones_like(x))
    return np.asarray(derivative)


def draw_panel(axes: Any, name: str) -> float:
    """Draw one function and its derivative; return the slope at 0."""
    f, formula, kink = FUNCTIONS[name]
    left, right = np.linspace(-4.0, -1e-9, 200), np.linspace(1e-9, 4.0, 200)
    x = np.concatenate([left, right])
    # At a kink the derivative jumps: no line across.
    gap = np.full(int(kink), np.nan)
    axes.plot(x, np.asarray(f(x)), color=style.BLUE, label="$f(x)$")
    pieces = [slope(f, left), gap, slope(f, right)]
    at = np.concatenate([left, gap, right])
    axes.plot(at, np.concatenate(pieces), color=style.VERMILION, ls=(0, (4, 1.5)), label="$f'(x)$")
    at_zero = float(slope(f, np.zeros(1))[0])
    axes.plot(0.0, at_zero, "o", ms=4.5, color=style.VERMILION)
    axes.set_title(name)
    style.corner(axes, formula, x=0.03, y=0.96)
    style.corner(axes, f"$f'(0) = {at_zero:.3g}$", x=0.97, y=0.04, color=style.VERMILION)
    return at_zero


def draw(quick: bool) -> Figure:
    """Draw nine functions."""
    figure = style.figure(6.6)
    grid = figure.subplots(3, 3, sharex=True, sharey=True)
    slopes = {
        name: draw_panel(axes, name) for axes, name in zip(grid.flat, FUNCTIONS, strict=True)
    }
    grid[0, 0].set(xlim=(-4, 4), ylim=(-1.25, 2.25), yticks=[-1, 0, 1, 2])
    for axes in grid[-1]:
        axes.set_xlabel("$x$")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    print("activations: slope at 0: " + ", ".join(f"{n} {s:.3g}" for n, s in slopes.items()))
    print("  At a kink the engine picks one side: ReLU has the slope 0 there. Where f' is near 0")
    print("  on both sides (sigmoid, tanh), gradients vanish with depth: see gradient_flow.")
    return figure


if __name__ == "__main__":
    style.script(draw)
