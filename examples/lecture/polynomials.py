"""A polynomial of degree 9 through few noisy points: without a penalty, with L1, and with L2.

    python examples/lecture/polynomials.py

The model is one `nn.Linear` without bias on the powers of x. Its squared error is quadratic in the
coefficients, so one Newton step is exact: without a penalty and with L2 that is what is done. L1
has no second derivative; it is minimised by gradient steps, each followed by the soft threshold
of `nn.L1.decay`, which makes coefficients exactly 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import nn
import optim

DEGREE = 9
LAMBDA_1, LAMBDA_2 = 0.01, 0.002
LOSS = nn.MSELoss()


def truth(x: np.ndarray) -> np.ndarray:
    """Return the function behind the data."""
    return np.sin(2.5 * x)


def powers(x: np.ndarray) -> np.ndarray:
    """Return 1, x, ..., one row for each point."""
    return x[:, None] ** np.arange(DEGREE + 1)


def sample(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return powers and noisy values at points spread over [-1, 1]."""
    x = np.linspace(-1.0, 1.0, count) + rng.uniform(-0.04, 0.04, count)
    return powers(x), (truth(x) + 0.25 * rng.normal(size=count))[:, None]


def model() -> nn.Linear:
    """Return the polynomial 0."""
    linear = nn.Linear(DEGREE + 1, 1, bias=False, rng=0, dtype=np.float64)
    nn.init.zeros_(linear.weight)
    return linear


def newton(x: np.ndarray, y: np.ndarray, lam: float) -> nn.Linear:
    """Return the minimum of the squared error and λ‖θ‖², by one Newton step from 0."""

    def objective(theta: Any) -> Any:
        return LOSS(ag.matmul(x, theta), y[:, 0]) + lam * ag.sum(ag.square(theta))

    start, polynomial = np.zeros(DEGREE + 1), model()
    step = np.linalg.solve(ag.hessian(objective)(start), ag.grad(objective)(start))
    polynomial.weight.assign((start - step)[None])
    return polynomial


def proximal(x: np.ndarray, y: np.ndarray, lam: float, steps: int) -> nn.Linear:
    """Return the minimum of the squared error and λ‖θ‖₁, by proximal gradient descent from 0."""
    polynomial, penalty = model(), nn.L1(lam)
    steepest = 2.0 * np.linalg.eigvalsh(x.T @ x / len(x))[-1]
    optimizer = optim.SGD(polynomial.parameters(), lr=1.0 / steepest)
    for _ in range(steps):
        optimizer.zero_grad()
        LOSS(polynomial(x), y).backward()
        optimizer.step()
        penalty.decay(polynomial, optimizer.lr)
    return polynomial


def draw_fit(axes: Any, polynomial: nn.Linear, data: tuple[np.ndarray, np.ndarray]) -> None:
    """Draw the polynomial among the points."""
    at = np.linspace(-1.06, 1.06, 400)
    axes.plot(at, truth(at), color=style.GREY, ls=":", label="truth")
    axes.plot(at, polynomial(powers(at)).numpy(), color=style.BLUE, label="polynomial")
    axes.plot(data[0][:, 1], data[1], "o", ms=4, color=style.BLACK, label="data")
    axes.set(xlabel="$x$", ylim=(-2.3, 2.3))


def draw_coefficients(axes: Any, theta: np.ndarray) -> None:
    """Draw the coefficients as bars; a ring for a coefficient that is exactly 0."""
    k = np.arange(DEGREE + 1)
    axes.bar(k, theta, color=style.VERMILION, width=0.65)
    axes.plot(k[theta == 0], theta[theta == 0], "o", ms=5, mfc="white", color=style.VERMILION)
    axes.axhline(0.0, color=style.GREY, lw=0.8, zorder=0)
    axes.set(xlabel="power $k$", xticks=k)
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.8)
    axes.set(ylim=(-150, 150), yticks=[-100, -10, -1, 0, 1, 10, 100])
    axes.set_yticklabels(["−100", "−10", "−1", "0", "1", "10", "100"])


def draw(quick: bool) -> Figure:
    """Fit three times and draw."""
    rng = np.random.default_rng(3)
    (x, y), (x_test, y_test) = sample(11, rng), sample(300, rng)
    fits = {
        "no penalty": newton(x, y, 0.0),
        rf"L1, $\lambda = {LAMBDA_1}$": proximal(x, y, LAMBDA_1, 300 if quick else 10_000),
        rf"L2, $\lambda = {LAMBDA_2}$": newton(x, y, LAMBDA_2),
    }
    figure = style.figure(5.2)
    grid = figure.subplots(2, 3, sharey="row")
    print("polynomials:  training    test     |θ|₁     |θ|²  zeros")
    for name, polynomial, (above, below) in zip(fits, fits.values(), grid.T, strict=True):
        theta = polynomial.weight.numpy()[0]
        train, test = (float(LOSS(polynomial(a), b)) for a, b in ((x, y), (x_test, y_test)))
        l1, l2 = float(np.abs(theta).sum()), float(theta @ theta)
        above.set_title(name)
        draw_fit(above, polynomial, (x, y))
        style.corner(above, f"training loss {train:.3f}\ntest loss {test:.3f}", x=0.97, y=0.04)
        draw_coefficients(below, theta)
        squares = f"{l2:.3g}" if l2 < 1000 else f"{l2:,.0f}"
        norms = rf"$\|\theta\|_1 = {l1:.3g},\ \ \|\theta\|^2 = {squares}$"
        below.set_title(norms, fontweight="normal")
        zeros = int((theta == 0).sum())
        plain = name.split(",")[0]
        print(f"  {plain:<11} {train:8.4f} {test:8.4f} {l1:8.2f} {l2:8.1f} {zeros:4d}")
    grid[0, 0].set_ylabel("$y$")
    grid[1, 0].set_ylabel(r"coefficient $\theta_k$")
    grid[0, 0].legend(loc="upper left")
    print("  A penalty costs training loss and wins test loss; L1 makes coefficients exactly 0.")
    return figure


if __name__ == "__main__":
    style.script(draw)
