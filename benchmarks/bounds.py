"""Are the checker's error bounds honest: derivatives known to fifty digits against the report.

    python -m benchmarks.bounds [--entries N] [--seed N]

Functions of many kinds, at random points of many scales, are checked with their true derivative,
rounded to double precision, as the claim. The error of what was measured, which mpmath gives to
fifty digits, should be below the bound that is reported, and not too far below. Entries without a
bound (ill-conditioned) are counted apart; a true derivative that is called wrong is a false alarm.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

import autograd_core as ag
from benchmarks.harness import table

__all__ = ["FUNCTIONS", "Function", "Tally", "main", "measure"]

DIGITS = 50
LEAST = 1e-300  # in place of an error of zero


class Function(NamedTuple):
    """A function of NumPy with its gradient in mpmath, and what draws a point.

    `slopes` takes one number of mpmath for each entry of the point and returns the derivatives.
    """

    f: Callable[[np.ndarray], Any]
    slopes: Callable[..., Any]
    draw: Callable[[np.random.Generator], Any]


def uniform(low: float, high: float) -> Callable[[np.random.Generator], Any]:
    """Draw one number, all equally likely."""
    return lambda rng: rng.uniform(low, high)


def scales(low: float, high: float, signed: bool = False) -> Callable[[np.random.Generator], Any]:
    """Draw one number, all powers of ten equally likely."""

    def draw(rng: np.random.Generator) -> Any:
        size = 10.0 ** rng.uniform(low, high)
        return size * rng.choice([-1.0, 1.0]) if signed else size

    return draw


def several(count: int, low: float, high: float) -> Callable[[np.random.Generator], Any]:
    """Draw a vector."""
    return lambda rng: rng.uniform(low, high, count)


def softmax(x: Any) -> list[Any]:
    """Return exp(x), scaled to sum to one, of numbers of mpmath."""
    e = [mp.exp(v) for v in x]
    return [v / mp.fsum(e) for v in e]


def logsumexp(x: np.ndarray) -> Any:
    """Return log Σ exp(x)."""
    return x.max() + np.log(np.sum(np.exp(x - x.max())))


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def horner(x: np.ndarray) -> np.ndarray:
    """Return (x - 1)⁷ as it must not be evaluated: multiplied out."""
    return np.polyval([1, -7, 21, -35, 35, -21, 7, -1], x)


def oscillator(x: np.ndarray) -> Any:
    """Return the position after 50 steps of a pendulum of length x[0] from the angle x[1]."""
    angle, speed = x[1], 0.0
    for _ in range(50):
        speed = speed - 0.05 * np.sin(angle) / x[0]
        angle = angle + 0.05 * speed
    return angle


def oscillator_slopes(length: Any, start: Any) -> list[Any]:
    """Return the derivatives of the same steps."""
    angle, speed, step = start, mpf(0), mpf(0.05)
    angles, speeds = [mpf(0), mpf(1)], [mpf(0), mpf(0)]
    for _ in range(50):
        sine, cosine = mp.sin(angle), mp.cos(angle)
        by_length, by_start = (cosine * a / length for a in angles)
        speeds = [speeds[0] - step * (by_length - sine / length**2), speeds[1] - step * by_start]
        speed -= step * sine / length
        angle += step * speed
        angles = [a + step * s for a, s in zip(angles, speeds, strict=True)]
    return angles


FUNCTIONS: dict[str, Function] = {
    "sin": Function(np.sin, mp.cos, uniform(-5, 5)),
    "sin, all scales": Function(np.sin, mp.cos, scales(-12, 6, signed=True)),
    "cos": Function(np.cos, lambda x: -mp.sin(x), scales(-3, 3, signed=True)),
    "tan": Function(np.tan, lambda x: mp.sec(x) ** 2, uniform(-1.5, 1.5)),
    "exp": Function(np.exp, mp.exp, uniform(-30, 30)),
    "expm1": Function(np.expm1, mp.exp, scales(-10, 1, signed=True)),
    "log": Function(np.log, lambda x: 1 / x, scales(-200, 200)),
    "log near 1": Function(np.log, lambda x: 1 / x, uniform(0.9, 1.1)),
    "log1p": Function(np.log1p, lambda x: 1 / (1 + x), scales(-10, 5)),
    "sqrt": Function(np.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), scales(-100, 100)),
    "root": Function(
        lambda x: x ** (1 / 3), lambda x: x ** (mpf(1 / 3) - 1) / 3, scales(-3, 2)
    ),
    "cube": Function(lambda x: x**3, lambda x: 3 * x**2, scales(-5, 5, signed=True)),
    "reciprocal": Function(lambda x: 1 / x, lambda x: -1 / x**2, scales(-50, 50, signed=True)),
    "tanh": Function(np.tanh, lambda x: mp.sech(x) ** 2, uniform(-6, 6)),
    "sinh": Function(np.sinh, mp.cosh, uniform(-8, 8)),
    "arctan": Function(np.arctan, lambda x: 1 / (1 + x * x), scales(-4, 4, signed=True)),
    "arcsin": Function(np.arcsin, lambda x: 1 / mp.sqrt(1 - x * x), uniform(-0.999, 0.999)),
    "arccosh": Function(np.arccosh, lambda x: 1 / mp.sqrt(x * x - 1), uniform(1.001, 5)),
    "logistic": Function(
        logistic, lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2, uniform(-15, 15)
    ),
    "softplus": Function(
        lambda x: np.logaddexp(0.0, x), lambda x: 1 / (1 + mp.exp(-x)), uniform(-20, 20)
    ),
    "bell": Function(
        lambda x: np.exp(-x * x), lambda x: -2 * x * mp.exp(-x * x), uniform(-4, 4)
    ),
    "runge": Function(
        lambda x: 1 / (1 + 25 * x * x), lambda x: -50 * x / (1 + 25 * x * x) ** 2, uniform(-2, 2)
    ),
    "cancelling": Function(
        lambda x: (1 - np.cos(x)) / x**2,
        lambda x: (x * mp.sin(x) - 2 * (1 - mp.cos(x))) / x**3,
        scales(-3, 0),
    ),
    "offset": Function(lambda x: np.sin(x) + 1e3, mp.cos, uniform(-3, 3)),
    "large offset": Function(lambda x: np.sin(x) + 1e8, mp.cos, uniform(-3, 3)),
    "wiggle": Function(
        lambda x: np.sin(x * x), lambda x: 2 * x * mp.cos(x * x), uniform(-6, 6)
    ),
    "rapid": Function(
        lambda x: np.sin(1e3 * x), lambda x: 1000 * mp.cos(1000 * x), uniform(-3, 3)
    ),
    "steep": Function(
        lambda x: np.exp(-1 / x), lambda x: mp.exp(-1 / x) / x**2, uniform(0.05, 3)
    ),
    "sinc": Function(
        lambda x: np.sin(x) / x, lambda x: (x * mp.cos(x) - mp.sin(x)) / x**2, scales(-2, 2)
    ),
    "xlogx": Function(lambda x: x * np.log(x), lambda x: mp.log(x) + 1, scales(-20, 5)),
    "self power": Function(lambda x: x**x, lambda x: x**x * (mp.log(x) + 1), uniform(0.1, 5)),
    "x|x|": Function(lambda x: x * np.abs(x), lambda x: 2 * abs(x), scales(-6, 3, signed=True)),
    "multiplied out": Function(horner, lambda x: 7 * (x - 1) ** 6, uniform(0, 3)),
    "two scales": Function(
        lambda x: np.sin(x) + 1e-3 * np.sin(300 * x),
        lambda x: mp.cos(x) + mpf(1e-3) * 300 * mp.cos(300 * x),
        uniform(-3, 3),
    ),
    "near a pole": Function(lambda x: 1 / (x - 1), lambda x: -1 / (x - 1) ** 2, uniform(1.001, 2)),
    "near a jump": Function(
        lambda x: np.tanh(50 * x), lambda x: 50 * mp.sech(50 * x) ** 2, uniform(-0.2, 0.2)
    ),
    "tiny": Function(
        lambda x: 1e-200 * np.sin(x), lambda x: mpf(1e-200) * mp.cos(x), uniform(-3, 3)
    ),
    "huge": Function(
        lambda x: 1e200 * np.sin(x), lambda x: mpf(1e200) * mp.cos(x), uniform(-3, 3)
    ),
    "hypot": Function(
        lambda x: np.hypot(x[0], x[1]),
        lambda x, y: [x / mp.hypot(x, y), y / mp.hypot(x, y)],
        several(2, -3, 3),
    ),
    "arctan2": Function(
        lambda x: np.arctan2(x[0], x[1]),
        lambda y, x: [x / (x * x + y * y), -y / (x * x + y * y)],
        several(2, 0.1, 3),
    ),
    "power": Function(
        lambda x: x[0] ** x[1],
        lambda x, y: [y * x ** (y - 1), x**y * mp.log(x)],
        several(2, 0.2, 4),
    ),
    "logsumexp": Function(logsumexp, lambda *x: softmax(x), several(8, -6, 6)),
    "sum of squares": Function(
        lambda x: np.sum(x * x), lambda *x: [2 * v for v in x], several(20, -3, 3)
    ),
    "product": Function(
        np.prod, lambda *x: [mp.fprod(x) / v for v in x], several(6, 0.3, 3)
    ),
    "deviation": Function(
        lambda x: np.mean((x - x.mean()) ** 2),
        lambda *x: [2 * (v - mp.fsum(x) / len(x)) / len(x) for v in x],
        several(10, 0, 10),
    ),
    "rosenbrock": Function(
        lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
        lambda x, y: [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)],
        several(2, -2, 2),
    ),
    "determinant": Function(
        lambda x: np.linalg.det(x.reshape(2, 2)),
        lambda a, b, c, d: [d, -c, -b, a],
        several(4, -3, 3),
    ),
    "pendulum": Function(oscillator, oscillator_slopes, several(2, 0.5, 2)),
}  # fmt: skip


@dataclass
class Tally:
    """What was seen of one function, or of all."""

    ratios: list[float] = field(default_factory=list)  # bound over true error
    undecided: int = 0
    alarms: int = 0

    @property
    def beyond(self) -> int:
        """How many errors are beyond their bounds."""
        return sum(ratio < 1.0 for ratio in self.ratios)

    def add(self, other: Tally) -> None:
        """Count another's with one's own."""
        self.ratios += other.ratios
        self.undecided += other.undecided
        self.alarms += other.alarms

    def row(self, name: str) -> list[str]:
        """Return the line of a table."""
        ratios = self.ratios or [np.nan]
        numbers = (f"{np.median(ratios):.0f}", f"{min(ratios):.1f}")
        return [name, str(len(self.ratios)), str(self.beyond), *numbers, str(self.undecided),
                str(self.alarms)]  # fmt: skip


def measure(function: Function, rng: np.random.Generator) -> Tally:
    """Check one function at one random point."""
    x = np.asarray(function.draw(rng), float)
    with mp.workdps(DIGITS):
        found = function.slopes(*(mpf(float(v)) for v in x.ravel()))
        truths = list(found) if isinstance(found, list) else [found]
        claim = np.array([float(t) for t in truths]).reshape(x.shape)
        report = ag.gradcheck_callable(function.f, x, grad=lambda _: claim)
        tally = Tally()
        for entry in report.entries:
            truth = truths[entry.index[0] if entry.index else 0]
            if entry.verdict in ("wrong", "kink"):
                tally.alarms += 1
            if not np.isfinite(entry.error) or entry.verdict == "ill-conditioned":
                tally.undecided += 1
                continue
            error = float(abs(mpf(entry.measured) - truth))
            tally.ratios.append(entry.error / max(error, LEAST))
    return tally


def sweep(entries: int, seed: int) -> Iterator[tuple[str, Tally]]:
    """Check all functions in turn until there are so many entries."""
    rng = np.random.default_rng(seed)
    count = 0
    while count < entries:
        for name, function in FUNCTIONS.items():
            tally = measure(function, rng)
            count += len(tally.ratios) + tally.undecided
            yield name, tally


def main() -> None:
    """Measure and print a line for each function, and one for all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bounds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start, total = time.perf_counter(), Tally()
    tallies: dict[str, Tally] = defaultdict(Tally)
    for name, tally in sweep(args.entries, args.seed):
        tallies[name].add(tally)
        total.add(tally)
    header = ["function", "entries", "beyond", "median bound/error", "least", "undecided",
              "alarms"]  # fmt: skip
    rows = [tally.row(name) for name, tally in tallies.items()]
    print(table(header, [*rows, total.row("all")]))
    share = total.beyond / len(total.ratios)
    print(f"{share:.4%} of the errors beyond their bounds; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
