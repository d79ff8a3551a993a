"""Learning-rate schedules: the rate at each step, as the optimizer would use it.

python examples/lecture/schedules.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import optim

STEPS = 100
Make = Callable[[optim.Optimizer], optim.Schedule]


def rates(make: Make) -> np.ndarray:
    """Return the rates that a schedule sets in an optimizer whose own rate is 1."""
    optimizer = optim.SGD([ag.tensor(0.0, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    found = []
    for _ in range(STEPS + 1):
        found.append(optimizer.lr)
        schedule.step()
    return np.array(found)


def plateaus() -> tuple[np.ndarray, np.ndarray]:
    """Return the rates that drop when the loss stalls, and the loss.

    The loss is the mean of θ² in θ ← θ - a (θ + noise), which settles at a height proportional to
    the rate, roughly: that is why dropping the rate helps.
    """
    optimizer = optim.SGD([ag.tensor(0.0, requires_grad=True)], lr=1.0)
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.4, patience=10, threshold=0.01)
    loss, found = 1.0, []
    for _ in range(STEPS + 1):
        found.append((optimizer.lr, loss))
        a = 0.2 * optimizer.lr
        loss = (1.0 - a) ** 2 * loss + a**2 * 4.0
        schedule.step(loss)
    return np.array([lr for lr, _ in found]), np.array([loss for _, loss in found])


def cosine_after_warm_up(optimizer: optim.Optimizer) -> optim.Schedule:
    """Return a composition: linear warm-up, then half a cosine."""
    return optim.warm_up(optim.CosineAnnealingLR(optimizer, T_max=80), steps=20)


def falling_waves(optimizer: optim.Optimizer) -> optim.Schedule:
    """Return another composition: the product of a wave and an exponential."""
    wave = optim.CosineAnnealingWarmRestarts(optimizer, T_0=20)
    return optim.ChainedScheduler([wave, optim.ExponentialLR(optimizer, 0.98)])


# Title, formula, and the curves: label and schedule.
PANELS: list[tuple[str, str, dict[str, Make]]] = [
    (
        "linear warm-up",
        r"$\min(n / 40,\ 1)$",
        {"$T = 40$": lambda o: optim.LinearLR(o, 0.0, total_iters=40)},
    ),
    (
        "step",
        r"$\gamma^{\lfloor n / 25 \rfloor}$",
        {
            r"$\gamma = 0.5$": lambda o: optim.StepLR(o, 25, 0.5),
            r"$\gamma = 0.2$": lambda o: optim.StepLR(o, 25, 0.2),
        },
    ),
    (
        "exponential",
        r"$\log \alpha_n = -a\,n + b$",
        {
            "$a = 0.02$": lambda o: optim.ExponentialLR(o, float(np.exp(-0.02))),
            "$a = 0.06$": lambda o: optim.ExponentialLR(o, float(np.exp(-0.06))),
        },
    ),
    (
        "power of the step",
        r"$(1 + n/10)^{-a} \sim 1/n^a$",
        {
            "$a = 0.5$": lambda o: optim.InverseTimeLR(o, 0.1, 0.5),
            "$a = 1$": lambda o: optim.InverseTimeLR(o, 0.1, 1.0),
        },
    ),
    (
        "polynomial",
        "$(1 - n/T)^a$",
        {
            "$a = 1$": lambda o: optim.PolynomialLR(o, STEPS, 1.0),
            "$a = 3$": lambda o: optim.PolynomialLR(o, STEPS, 3.0),
        },
    ),
    (
        "cosine",
        r"$(1 + \cos(\pi n / 100)) / 2$",
        {"$T = 100$": lambda o: optim.CosineAnnealingLR(o, STEPS)},
    ),
    (
        "cosine with restarts",
        "waves of 14, 28, 56 steps",
        {"waves of 14, 28, 56 steps": lambda o: optim.CosineAnnealingWarmRestarts(o, 14, 2)},
    ),
    (
        "compositions",
        "",
        {"warm-up, cosine": cosine_after_warm_up, r"restarts $\times$ exp.": falling_waves},
    ),
]


def draw_panel(axes: Any, title: str, formula: str, curves: dict[str, Make]) -> None:
    """Draw the curves of one family."""
    for (label, make), color, dashes in zip(
        curves.items(), (style.BLUE, style.VERMILION), ("-", (0, (4, 1.5))), strict=False
    ):
        axes.step(range(STEPS + 1), rates(make), where="post", color=color, ls=dashes, label=label)
    axes.set_title(title)
    if formula:
        style.corner(axes, formula, y=0.97)
    if len(curves) > 1:
        axes.legend(loc="upper right", bbox_to_anchor=(1.02, 0.86 if formula else 1.03))


def draw_plateau(axes: Any) -> None:
    """Draw the rate that drops when the loss has not fallen for a while, below the loss."""
    n = np.arange(STEPS + 1)
    dropping, loss = plateaus()
    axes.step(n, dropping, where="post", color=style.BLUE, label=r"rate $\alpha_n$")
    axes.plot(n, loss, color=style.GREY, ls=":", label="loss")
    axes.set_title("drop on a plateau")
    axes.legend(loc="upper right", bbox_to_anchor=(1.02, 1.03))


def draw(quick: bool) -> Figure:
    """Draw nine families."""
    figure = style.figure(6.0)
    grid = figure.subplots(3, 3, sharex=True, sharey=True)
    for axes, panel in zip(grid.flat, PANELS, strict=False):
        draw_panel(axes, *panel)
    draw_plateau(grid[2, 2])
    grid[0, 0].set(xlim=(0, STEPS), ylim=(0, 1.35), yticks=[0, 0.5, 1])
    for axes in grid[2]:
        axes.set_xlabel("step $n$")
    for axes in grid[:, 0]:
        axes.set_ylabel(r"$\alpha_n / \alpha_0$")
    slope = np.diff(np.log(rates(PANELS[2][2]["$a = 0.02$"])))
    print(f"schedules: nine families; log αₙ of the exponential falls by {-slope.mean():.4f} each")
    print("  step. Schedules compose: one after the other (warm_up), or as a product.")
    return figure


if __name__ == "__main__":
    style.script(draw)
