"""What a compiled step leaves behind in memory: nothing but its result.

    python -m benchmarks.allocations

Columns: bytes and blocks that a step leaves behind once its result is dropped; those of its
result, while that is held; and the most that there is beside it at any time within a step. All of
it as tracemalloc sees it, NumPy's arrays included, garbage collected. The workspace of a program
was allocated before.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.contenders.compiled import ours
from benchmarks.contenders.ours import Compiled, Eager
from benchmarks.harness import table

__all__ = ["WARM", "Allocations", "compare", "measure"]

WARM = 12  # calls; after the tenth the next audit is at the hundredth


class Allocations(NamedTuple):
    """What a step allocates."""

    left: float  # bytes a step, without its result
    blocks_left: float
    result: int  # bytes
    result_blocks: int
    most: int  # bytes beside the result


def measure(step: Callable[[], Any], steps: int = 60) -> Allocations:
    """Measure a step after some calls; fewer than 100 in all."""
    for _ in range(WARM):
        step()
    tracemalloc.start()
    try:
        for _ in range(3):  # what lives on from one step to the next is no loss
            step()
        before = _living()
        for _ in range(steps):
            step()
        after = _living()
        kept = step()
        held = _living()
        del kept
        most = min(_most(step) for _ in range(3))  # others may allocate meanwhile
    finally:
        tracemalloc.stop()
    left, blocks_left = ((a - b) / steps for a, b in zip(after, before, strict=True))
    size, blocks = (h - a for h, a in zip(held, after, strict=True))
    return Allocations(left, blocks_left, size, blocks, most)


def _most(step: Callable[[], Any]) -> int:
    """Return how many bytes a call needs for a moment, beside what it returns."""
    tracemalloc.reset_peak()
    kept = step()
    now, peak = tracemalloc.get_traced_memory()
    del kept
    return peak - now


def _living() -> tuple[int, int]:
    """Return the bytes and blocks in use, without those of the measurement."""
    gc.collect()
    own = [tracemalloc.Filter(False, path) for path in (tracemalloc.__file__, __file__)]
    found = tracemalloc.take_snapshot().filter_traces(own).statistics("filename")
    return sum(s.size for s in found), sum(s.count for s in found)


def training(bench: Eager) -> Callable[[], Any]:
    """Return the training step that returns its loss."""

    def step() -> Any:
        bench.step()
        loss = bench.loss
        del bench.loss
        return loss

    return step


STEPS: dict[str, Callable[[], Callable[[], Any]]] = {
    "value and gradient, 10-32-1": lambda: ours.mlp().evaluate,
    "value and gradient, chain": lambda: ours.chain().evaluate,
    "training step, 64-32-10": lambda: training(Compiled("digits")),
    "the same, eager": lambda: training(Eager("digits")),
}


def compare() -> None:
    """Measure and print the table."""
    header = [
        "a step",
        "left: bytes",
        "blocks",
        "result: bytes",
        "blocks",
        "most beside it: bytes",
    ]
    rows = [[name, *(f"{x:.0f}" for x in measure(make()))] for name, make in STEPS.items()]
    print(table(header, rows))


if __name__ == "__main__":
    compare()
