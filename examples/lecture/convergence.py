"""The convergence bound of gradient descent against what is measured, and rates under noise.

    python examples/lecture/convergence.py

For a convex loss whose gradient has the Lipschitz constant K, and a rate α ≤ 1/K,

    |L(θ*) - L(θₙ)| ≤ ‖θ* - θ₀‖² / (2 α n).

With noisy gradients a constant rate cannot converge. The rates of Robbins and Monro do: their sum
is infinite, that of their squares is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import nn
import optim

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)) * [1.0, 0.7, 0.4, 0.2, 0.1]
LABELS = (X @ [1.0, -2.0, 3.0, 1.0, -1.0] + RNG.normal(size=60) > 0) * 1.0
VALUES = X @ [1.0, -2.0, 3.0, 1.0, -1.0] + 0.3 * RNG.normal(size=60)
BCE = nn.BCEWithLogitsLoss()
Loss = Callable[[Any], Any]


def quadratic(theta: Any) -> Any:
    """Return the mean of (xᵀθ - y)² / 2."""
    return 0.5 * ag.mean(ag.square(ag.matmul(X, theta) - VALUES))


def logistic(theta: Any) -> Any:
    """Return the mean cross-entropy of logistic regression."""
    return BCE(ag.matmul(X, theta), LABELS)


def newton(loss: Loss) -> np.ndarray:
    """Return the minimizer, by Newton's method."""
    theta = np.zeros(X.shape[1])
    for _ in range(20):
        theta = theta - np.linalg.solve(ag.hessian(loss)(theta), ag.grad(loss)(theta))
    return theta


def gaps(loss: Loss, best: np.ndarray, alpha: float, steps: int) -> np.ndarray:
    """Return L(θₙ) - L(θ*) for n = 1, 2, ... of gradient descent from 0."""
    theta = ag.tensor(np.zeros(len(best)), requires_grad=True)
    optimizer = optim.SGD([theta], lr=alpha)
    losses = []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        value = loss(theta)
        losses.append(value.item())
        value.backward()
        optimizer.step()
    return np.array(losses[1:]) - float(loss(best))


def draw_bound(axes: Any, name: str, loss: Loss, lipschitz: float, steps: int) -> float:
    """Draw gap and bound at two rates; return the largest quotient of the two."""
    best, n = newton(loss), np.arange(1, steps + 1)
    worst = 0.0
    for share, color in ((1.0, style.BLUE), (0.1, style.VERMILION)):
        alpha = share / lipschitz
        bound = best @ best / (2.0 * alpha * n)
        gap = gaps(loss, best, alpha, steps)
        worst = max(worst, float(np.max(gap / bound)))
        label = r"$\alpha = 1/K$" if share == 1.0 else r"$\alpha = 0.1/K$"
        axes.plot(n, gap, color=color, label=label)
        axes.plot(n, bound, color=color, ls=(0, (4, 1.5)), label="its bound")
    axes.set(xscale="log", yscale="log", xlim=(1, steps), xlabel="step $n$", title=name)
    return worst


# The rate at step n, and whether Robbins and Monro's conditions hold.
RATES: dict[str, Callable[[int], float]] = {
    "$1/n$": lambda n: 1.0 / n,
    "$0.3$": lambda n: 0.3,
    "$1/(n + 1)^2$": lambda n: 1.0 / (n + 1) ** 2,
}


def errors_under_noise(rate: Callable[[int], float], steps: int) -> np.ndarray:
    """Return the root mean square of θₙ - 1 over many runs from 0 on (θ - 1)² / 2 with noise."""
    rng = np.random.default_rng(1)
    theta = ag.tensor(np.zeros(300), requires_grad=True)  # one number for each run
    optimizer = optim.SGD([theta])
    found = []
    for n in range(1, steps + 1):
        optimizer.lr = rate(n)
        optimizer.zero_grad()
        noise = rng.normal(size=theta.shape)
        ag.sum(0.5 * ag.square(theta - 1.0) + noise * theta).backward()
        optimizer.step()
        found.append(np.sqrt(np.mean((theta.numpy() - 1.0) ** 2)))
    return np.array(found)


def draw_noise(axes: Any, steps: int) -> dict[str, float]:
    """Draw the error by step for each choice of rates; return the last errors."""
    n, last = np.arange(1, steps + 1), {}
    looks = ((style.BLUE, "-"), (style.VERMILION, (0, (4, 1.5))), (style.GREEN, (0, (1, 1.2))))
    for (name, rate), (color, dashes) in zip(RATES.items(), looks, strict=True):
        errors = errors_under_noise(rate, steps)
        axes.plot(n, errors, color=color, ls=dashes, label=rf"$\alpha_n =$ {name}")
        last[name] = float(errors[-1])
    axes.plot(n, 1.0 / np.sqrt(n), color=style.GREY, lw=0.9, label=r"$1/\sqrt{n}$")
    axes.set(xscale="log", yscale="log", xlim=(1, steps), xlabel="step $n$")
    axes.set(title="noisy gradients", ylabel=r"error of $\theta_n$, root mean square")
    return last


def draw(quick: bool) -> Figure:
    """Draw both bounds, and the noise."""
    steps = 200 if quick else 3000
    squares = X.T @ X / len(X)
    steepest = float(np.linalg.eigvalsh(squares)[-1])
    figure = style.figure(3.6)
    first, second, third = figure.subplots(1, 3)
    second.sharey(first)
    losses = {
        "quadratic": (first, quadratic, steepest),
        "logistic regression": (second, logistic, 0.25 * steepest),
    }
    first.set(ylabel=r"$L(\theta_n) - L(\theta^*)$", ylim=(1e-10, 1e3))
    for name, (axes, loss, lipschitz) in losses.items():
        worst = draw_bound(axes, name, loss, lipschitz, steps)
        if worst > 1.0:
            raise AssertionError(f"the bound is crossed: {name}, {worst:.3f}")
        print(f"convergence: {name}: never crossed, the gap is at most {worst:.0%} of the bound")
    last = draw_noise(third, steps)
    for axes in (first, second, third):
        axes.legend(loc="lower left", handlelength=1.8)
    for name, error in last.items():
        print(f"  noise, rate {name.strip('$'):<11} error {error:.4f} after {steps} steps")
    return figure


if __name__ == "__main__":
    style.script(draw)
