"""The paths of six optimizers on one landscape, a curved and narrow valley.

    python examples/lecture/optimizers.py

All start at the same point. The rates are chosen for this landscape, one for each method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

import autograd_core as ag
import optim

START = np.array([-1.45, 1.67])
MINIMUM = np.array([1.0, 1.0])
EVERY = 5  # steps from dot to dot

OPTIMIZERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "SGD": (optim.SGD, {"lr": 0.02}),
    "momentum": (optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    "Nesterov": (optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "RMSprop": (optim.RMSprop, {"lr": 0.03, "alpha": 0.9}),
    "Adam": (optim.Adam, {"lr": 0.1}),
    "Lion": (optim.Lion, {"lr": 0.03, "weight_decay": 0.0}),
}


def loss(theta: Any) -> Any:
    """Return (1 - x)² + 5 (y - x²)², Rosenbrock's valley made less steep; minimum 0 at (1, 1)."""
    x, y = theta[..., 0], theta[..., 1]
    return ag.square(1.0 - x) + 5.0 * ag.square(y - ag.square(x))


def descend(name: str, steps: int) -> np.ndarray:
    """Return the points that an optimizer visits, the start first."""
    kind, settings = OPTIMIZERS[name]
    theta = ag.tensor(START.copy(), requires_grad=True)
    optimizer = kind([theta], **settings)
    path = [theta.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(theta).backward()
        optimizer.step()
        path.append(theta.numpy().copy())
    return np.array(path)


def draw_path(axes: Any, path: np.ndarray, color: str) -> None:
    """Draw the landscape and one path in it, a dot every few steps."""
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 161), np.linspace(-1, 2.6, 145)), axis=-1)
    levels = [0.1, 0.5, 1.5, 4.0, 9.0, 18.0, 32.0, 55.0]
    axes.contour(*np.moveaxis(grid, -1, 0), loss(grid), levels, colors="#C3CDD6", linewidths=0.8)
    axes.plot(*path.T, color=color, lw=1.2)
    axes.plot(*path[::EVERY].T, "o", ms=3, color=color)
    axes.plot(*START, "o", ms=6, mfc="white", mec=style.BLACK)
    axes.plot(*MINIMUM, "*", ms=10, color=style.BLACK, mec="white", mew=0.6, zorder=5)
    axes.set(xlim=(-2, 2), ylim=(-0.9, 2.5), xticks=[-1, 0, 1], yticks=[0, 1, 2])
    axes.grid(visible=False)


def draw(quick: bool) -> Figure:
    """Draw six paths, and below them the losses."""
    steps = 60 if quick else 150
    figure = style.figure(7.2)
    grid = figure.add_gridspec(3, 3, height_ratios=(1, 1, 1.05))
    below = figure.add_subplot(grid[2, :])
    ends: dict[str, float] = {}
    print(f"optimizers: loss after {steps} steps")
    for i, name in enumerate(OPTIMIZERS):
        path = descend(name, steps)
        axes = figure.add_subplot(grid[i // 3, i % 3])
        draw_path(axes, path, style.PALETTE[i])
        settings = OPTIMIZERS[name][1]
        axes.set_title(rf"{name}, $\alpha = {settings['lr']}$")
        axes.tick_params(labelbottom=i >= 3, labelleft=i % 3 == 0)
        if i >= 3:
            axes.set_xlabel(r"$\theta_1$")
        if i % 3 == 0:
            axes.set_ylabel(r"$\theta_2$")
        values = loss(path)
        below.plot(values, color=style.PALETTE[i], lw=1.5)
        ends[name] = float(values[-1])
        print(f"  {name:<9} {values[-1]:.1e}   {OPTIMIZERS[name][1]}")
    below.set(yscale="log", xlim=(0, steps), xlabel="step $n$", ylabel=r"$L(\theta_n)$")
    below.set(ylim=(1e-8, 30), title=f"loss; above, a dot every {EVERY} steps")
    below.yaxis.set_minor_locator(NullLocator())
    style.name_ends(below, ends, style.PALETTE)
    return figure


if __name__ == "__main__":
    style.script(draw)
