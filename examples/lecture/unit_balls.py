"""A quadratic loss, and its minimum within the unit balls of the L1 and of the L2 norm.

    python examples/lecture/unit_balls.py

At the constrained minimum the level set touches the ball: the diamond at a corner, where a
coordinate is 0; the circle where the gradient is parallel to θ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag

CENTRE = np.array([1.6, 0.75])
CURVATURE = np.array([[1.0, 0.35], [0.35, 0.8]])


def loss(theta: Any) -> Any:
    """Return ½ (θ - c)ᵀ A (θ - c), for points along the last axis."""
    difference = theta - CENTRE
    return 0.5 * ag.sum(ag.matmul(difference, CURVATURE) * difference, axis=-1)


def sphere(order: int, count: int) -> np.ndarray:
    """Return points on the unit sphere of a norm; the corners of the diamond are among them."""
    angle = np.linspace(0.0, 2.0 * np.pi, 4 * count + 1)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1).round(15)
    return points / np.linalg.norm(points, order, axis=1, keepdims=True)


def draw_ball(axes: Any, order: int, count: int) -> np.ndarray:
    """Draw the landscape with one ball; return the constrained minimum."""
    ball = sphere(order, count)
    values = loss(ball)
    best = ball[np.argmin(values)]
    grid = np.stack(np.meshgrid(np.linspace(-1.5, 3, 181), np.linspace(-1.5, 2, 141)), axis=-1)
    levels = float(values.min()) * np.array([0.1, 0.4, 1.0, 1.9, 3.1, 4.6, 6.4, 8.5])
    axes.contour(*np.moveaxis(grid, -1, 0), loss(grid), levels, colors="#A9BFD3", linewidths=1.0)
    axes.contour(
        *np.moveaxis(grid, -1, 0), loss(grid), levels[2:3], colors=style.BLUE, linewidths=1.8
    )
    axes.fill(*ball.T, facecolor=style.ORANGE, alpha=0.25)
    axes.plot(*ball.T, color=style.ORANGE)
    descent = -ag.grad(loss)(best)
    tip = best + 0.6 * descent / np.linalg.norm(descent)
    arrow = {"arrowstyle": "-|>", "color": style.BLACK, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", tip, best, arrowprops=arrow)
    style.note(axes, r"$-\nabla L$", *(tip + (-0.05, 0.06)), ha="right", va="bottom")
    axes.plot(*CENTRE, "+", ms=9, mew=1.8, color=style.BLUE)
    axes.plot(*best, "o", ms=7, color=style.VERMILION, mec="white", zorder=6)
    axes.set(aspect="equal", xlim=(-1.4, 2.7), ylim=(-1.4, 1.9), xlabel=r"$\theta_1$")
    axes.axhline(0.0, color=style.GREY, lw=0.8, zorder=0.6)
    axes.axvline(0.0, color=style.GREY, lw=0.8, zorder=0.6)
    return best


def draw(quick: bool) -> Figure:
    """Draw both balls."""
    figure = style.figure(3.35)
    panels = figure.subplots(1, 2, sharey=True)
    count = 90 if quick else 9000
    found = [draw_ball(axes, order, count) for axes, order in zip(panels, (1, 2), strict=True)]
    for axes, best, name in zip(panels, found, (r"\|\theta\|_1", r"\|\theta\|_2"), strict=True):
        axes.set_title(rf"$L(\theta)$ within ${name} \leq 1$")
        at = rf"$\theta = ({best[0]:.2f},\ {best[1]:.2f})$"
        style.note(axes, at, *(best + (-0.1, -0.12)), ha="right", va="top", color=style.VERMILION)
        style.note(axes, "free\nminimum", *(CENTRE + (0.12, 0.06)), color=style.BLUE, va="bottom")
    panels[0].set_ylabel(r"$\theta_2$")
    gradient = ag.grad(loss)(found[1])
    cosine = -gradient @ found[1] / np.linalg.norm(gradient)
    print(f"unit balls: with L1 the minimum is {found[0]}, sparse; with L2 {found[1].round(3)},")
    print(f"  where -∇L is parallel to θ: the cosine of the angle between them is {cosine:.6f}.")
    return figure


if __name__ == "__main__":
    style.script(draw)
