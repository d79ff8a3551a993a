"""The gradient of a network's loss: reverse mode against finite differences.

    python -m benchmarks.finite_differences [--quick] [--out FILE.png]

One sweep backwards costs a small multiple of one evaluation, whatever the number of parameters n;
forward differences cost n + 1 evaluations, central differences 2n. An evaluation itself costs in
proportion to n, so the time of reverse mode grows like n and that of differences like n squared.
Differences are run in full as long as all of them together take less than a minute; beyond that
they are run for a few parameters and extrapolated, which the table marks by `~`.

The error is the largest deviation from the truth over a few parameters, relative to the largest
derivative among them. The truth is the complex step, which subtracts nothing and is exact to
rounding (Squire and Trapp, 1998).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import autograd_core as ag
from benchmarks.harness import table

__all__ = ["main"]

SIZES = [round(10 ** (k / 2)) for k in range(4, 13)]  # two sizes a decade, 10^2 to 10^6
BATCH = 512
WIDTH = 32  # hidden units at most
METHODS = {"reverse": "reverse mode", "forward": "forward diff.", "central": "central diff."}
MINUTE = 60.0
# The exponents are fitted where arithmetic, not the calls of functions, takes the time.
FITTED_FROM = 10_000


class Problem:
    """A perceptron d-h-1 with tanh and squared error, and about so many parameters.

    Most of the parameters connect the inputs, as they do with images, and from some size on it is
    the inputs that grow: nearly all of the arithmetic is in the products with the weights then, a
    fixed amount for each of them.
    """

    def __init__(self, parameters: int) -> None:
        hidden = min(WIDTH, max(1, round((parameters / 16) ** 0.5)))
        inputs = max(1, round((parameters - 1) / hidden - 2))
        rng = np.random.default_rng(0)
        self.shapes = [(inputs, hidden), (hidden,), (hidden, 1), (1,)]
        self.ends = np.cumsum([np.prod(shape) for shape in self.shapes])
        self.theta = rng.standard_normal(self.ends[-1]) / inputs**0.5
        self.x = rng.standard_normal((BATCH, inputs))
        self.y = rng.standard_normal((BATCH, 1))
        self.constants = ag.tensor(self.x), ag.tensor(self.y)
        count = min(len(self.theta), 8)
        self.sample = np.sort(rng.choice(len(self.theta), count, replace=False))

    def blocks(self, theta: np.ndarray) -> list[np.ndarray]:
        """Return weights and biases as views of the flat vector."""
        parts = np.split(theta, self.ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def loss(self, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        """Evaluate on arrays of any kind, or on tensors."""
        error = ag.tanh(x @ w1 + b1) @ w2 + b2 - y
        return ag.mean(error * error)

    def reverse(self) -> np.ndarray:
        """Return the gradient by one sweep."""
        gradient = ag.grad(lambda blocks: self.loss(*self.constants, *blocks))
        return np.concatenate([np.ravel(part) for part in gradient(self.blocks(self.theta))])

    def differences(self, which: np.ndarray, method: str) -> np.ndarray:
        """Return the derivatives by some of the parameters, numerically."""

        def moved(values: np.ndarray) -> Any:
            theta = self.theta.astype(values.dtype)
            theta[which] = values
            return self.loss(self.x, self.y, *self.blocks(theta))

        return ag.numerical_gradient(moved, self.theta[which], method=method)


@dataclass
class Row:
    """What was measured for one number of parameters."""

    parameters: int
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    extrapolated: set[str] = field(default_factory=set)


def clock(function: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(problem: Problem, budget: float) -> Row:
    """Time and check every method on one problem, spending at most `budget` on differences."""
    row = Row(len(problem.theta))
    truth = problem.differences(problem.sample, "complex")
    found = problem.reverse()[problem.sample]
    row.errors["reverse"] = deviation(found, truth)
    row.seconds["reverse"] = statistics.median(clock(problem.reverse) for _ in range(15))
    for method in ("forward", "central"):
        found = problem.differences(problem.sample, method)
        row.errors[method] = deviation(found, truth)
        row.seconds[method] = time_differences(problem, method, budget / 2, row)
    return row


def time_differences(problem: Problem, method: str, budget: float, row: Row) -> float:
    """Return the seconds of the whole gradient, run in full if `budget` allows, else scaled up."""
    n = len(problem.theta)
    some = problem.sample
    estimate = min(clock(lambda: problem.differences(some, method)) for _ in range(3))
    estimate *= n / len(some)
    if estimate > budget:
        row.extrapolated.add(method)
        return estimate
    return clock(lambda: problem.differences(np.arange(n), method))


def deviation(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the largest deviation, relative to the largest derivative."""
    return float(np.abs(found - truth).max() / np.abs(truth).max())


def large(rows: list[Row]) -> list[Row]:
    """Return the rows whose time is spent on arithmetic, three at least."""
    return rows[-max(3, sum(row.parameters >= FITTED_FROM for row in rows)) :]


def exponents(rows: list[Row]) -> dict[str, float]:
    """Return the slope of log time against log parameters, by least squares."""
    n = np.log([row.parameters for row in rows])
    return {
        method: float(np.polyfit(n, np.log([row.seconds[method] for row in rows]), 1)[0])
        for method in METHODS
    }


def duration(seconds: float) -> str:
    """Return a time with a fitting unit."""
    units = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))
    for unit, length in units:
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def report(rows: list[Row], slopes: dict[str, float]) -> str:
    """Return the table of times and errors, the exponents in its last line."""
    header = ["parameters", *METHODS.values(), *(f"error, {m}" for m in METHODS)]
    lines = []
    for row in rows:
        times = [
            ("~" if method in row.extrapolated else "") + duration(row.seconds[method])
            for method in METHODS
        ]
        errors = [f"{row.errors[method]:.0e}" for method in METHODS]
        lines.append([f"{row.parameters:,}".replace(",", " "), *times, *errors])
    lines.append(["exponent", *(f"{slopes[m]:.2f}" for m in METHODS), "", "", ""])
    return table(header, lines)


def draw(rows: list[Row], slopes: dict[str, float], path: Path) -> None:
    """Draw time and error against the number of parameters, both axes logarithmic."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    times, errors = figure.subplots(1, 2)
    n = [row.parameters for row in rows]
    for method, color in zip(METHODS, ("tab:blue", "tab:orange", "tab:green"), strict=True):
        label = f"{METHODS[method]}, exponent {slopes[method]:.2f}"
        times.plot(n, [row.seconds[method] for row in rows], color=color, label=label)
        for row in rows:
            face = "white" if method in row.extrapolated else color
            times.plot(row.parameters, row.seconds[method], "o", color=color, mfc=face)
        found = [max(row.errors[method], 1e-17) for row in rows]
        errors.plot(n, found, "o-", color=color, label=METHODS[method])
    times.set(title="Time of one gradient (hollow: extrapolated)", ylabel="seconds")
    errors.set(title="Error of the gradient", ylabel="relative to the largest derivative")
    for axes in (times, errors):
        axes.set(xscale="log", yscale="log", xlabel="parameters")
        axes.grid(which="major", alpha=0.3)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print the table, draw the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finite_differences",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="up to 10^4 parameters, 5 seconds")
    parser.add_argument("--out", type=Path, default=Path("out/finite_differences.png"))
    args = parser.parse_args()
    sizes, remaining = (SIZES[:5], 5.0) if args.quick else (SIZES, MINUTE)
    rows: list[Row] = []
    for size in sizes:
        rows.append(measure(Problem(size), remaining))
        spent = {m: s for m, s in rows[-1].seconds.items() if m not in rows[-1].extrapolated}
        remaining -= sum(spent.values())
    fitted = large(rows)
    slopes = exponents(fitted)
    print(report(rows, slopes))
    draw(rows, slopes, args.out)
    print(f"times marked ~ are extrapolated; exponents from {fitted[0].parameters} parameters on")
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
