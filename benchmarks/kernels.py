"""The activation kernels against the plain NumPy expressions, one thread.

    python -m benchmarks.kernels [--quick] [name ...]

For value and derivative, 10³ to 10⁶ elements, float32 and float64: the time of the kernel over the
time of the expression (`autograd_core.kernels.expressions`); of the minima, and in brackets of the
medians. Below 1.00 the kernel is faster. Kernel and expression take turns, so whatever disturbs
the machine disturbs both, and each is timed as a whole call: checks, allocation, loop. Neither
uses a thread pool, so they may share a process.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from autograd_core.kernels import activations

SIZES = (10**3, 10**4, 10**5, 10**6)
DTYPES = (np.float32, np.float64)
ELEMENTS_PER_SAMPLE = 2 * 10**5

Call = Callable[[], object]


def contest(kernel: Call, expression: Call, size: int, rounds: int) -> tuple[float, float]:
    """Return the ratio of the minima and the ratio of the medians."""
    repeats = max(1, ELEMENTS_PER_SAMPLE // size)
    samples: tuple[list[float], list[float]] = [], []
    kernel(), expression()
    for _ in range(rounds):
        for call, times in zip((kernel, expression), samples, strict=True):
            times.append(_seconds(call, repeats))
    ours, plain = samples
    return min(ours) / min(plain), statistics.median(ours) / statistics.median(plain)


def _seconds(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def calls(name: str, what: str, size: int, dtype: type) -> tuple[Call, Call]:
    """Return kernel and expression, each as a call without arguments."""
    rng = np.random.default_rng(0)
    x, ct = (2.0 * rng.normal(size=(2, size))).astype(dtype)
    if what == "value":
        kernel, plain = activations.value_kernel(name), activations.expression(name)
        return lambda: kernel(x), lambda: plain(x)
    pull, slope = activations.pull_kernel(name), activations.derivative_expression(name)
    return lambda: pull(ct, x), lambda: slope(ct, x)


def row(name: str, what: str, rounds: int) -> list[tuple[float, float]]:
    """Return the ratios of one line of the table."""
    return [
        contest(*calls(name, what, size, dtype), size, rounds)
        for dtype in DTYPES
        for size in SIZES
    ]


def main() -> None:
    """Print the table, and the largest ratio in it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(activations.NAMES))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    columns = [f"{dtype.__name__[5:]}b {size:.0e}" for dtype in DTYPES for size in SIZES]
    print("kernel / NumPy expression: minima (medians)".ljust(22))
    print(" " * 23 + "".join(f"{column:>13}" for column in columns))
    worst = 0.0
    for name in options.names:
        for what in ("value", "derivative"):
            ratios = row(name, what, 7 if options.quick else 25)
            worst = max(worst, *(least for least, _ in ratios))
            cells = "".join(f"{least:6.2f} ({middle:4.2f})" for least, middle in ratios)
            print(f"{name:<13}{what:<10}{cells}", flush=True)
    print(f"largest ratio of minima: {worst:.2f}")


if __name__ == "__main__":
    main()
