"""Momentum's two forms: one path at a constant rate, two under a schedule.

    python examples/lecture/momentum.py

The lecture keeps the rate inside the velocity, V ← βV - α g, θ ← θ + V; PyTorch and the default
here keep it outside, v ← βv + g, θ ← θ - α v. When the rate falls, the lecture's velocity still
carries steps of the larger rates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import optim

RATE, BETA = 0.01, 0.9
Make = Callable[[optim.Optimizer], optim.Schedule]
SCHEDULES: dict[str, Make] = {
    "constant rate": lambda o: optim.ConstantLR(o, 1.0),
    "rate times 0.1 at step 12": lambda o: optim.StepLR(o, 12, 0.1),
}


def descend(make: Make, lr_in_velocity: bool, steps: int) -> np.ndarray:
    """Return θ₀, θ₁, ... on the loss θ² from 1."""
    theta = ag.tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([theta], lr=RATE, momentum=BETA, lr_in_velocity=lr_in_velocity)
    schedule = make(optimizer)
    path = [theta.item()]
    for _ in range(steps):
        optimizer.zero_grad()
        ag.square(theta).backward()
        optimizer.step()
        schedule.step()
        path.append(theta.item())
    return np.array(path)


def draw(quick: bool) -> Figure:
    """Draw both forms, with and without a schedule."""
    figure = style.figure(2.8)
    panels = figure.subplots(1, 2, sharey=True)
    print("momentum: the largest distance between the lecture's form and PyTorch's")
    for axes, (name, make) in zip(panels, SCHEDULES.items(), strict=True):
        ours, lecture = (descend(make, form, 50) for form in (False, True))
        axes.plot(ours, color=style.BLUE, label=r"$\theta \leftarrow \theta - \alpha v$ (PyTorch)")
        label = r"$\theta \leftarrow \theta + V$ (lecture)"
        axes.plot(lecture, color=style.VERMILION, ls=(0, (3, 2)), label=label)
        axes.set(title=name, xlabel="step $n$", xlim=(0, 50))
        print(f"  {name}: {np.abs(ours - lecture).max():.1e}")
    panels[0].set_ylabel(r"$\theta_n$")
    panels[0].legend(loc="upper right")
    return figure


if __name__ == "__main__":
    style.script(draw)
