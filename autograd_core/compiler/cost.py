"""What steps cost, roughly: enough to tell a step of a small model from an epoch."""

from __future__ import annotations

from collections.abc import Iterable

from .record import Apply, Step, Update

__all__ = ["flops", "seconds"]

PRODUCTS = ("linear", "matmul")
FLOP = 1e-11  # seconds of one in a matrix product
ELEMENT = 0.25e-9  # of one in a loop
OTHER = 1e-8  # of an element of what is neither


def flops(step: Step) -> int:
    """Return the multiplications and additions of a matrix product; 0 of other steps."""
    if not isinstance(step, Apply) or step.name not in PRODUCTS:
        return 0
    first = step.parts[0]
    return 2 * int(step.result.size) * int(first.shape[-1]) if first.shape else 0


def seconds(steps: Iterable[Step]) -> float:
    """Return how long steps take in machine code."""
    return 1e-6 + sum(map(_seconds, steps))


def _seconds(step: Step) -> float:
    if isinstance(step, Apply):
        if step.op.pointwise:
            return ELEMENT * step.result.size
        if step.result.view:
            return 0.0
        if step.name in PRODUCTS:
            return FLOP * flops(step)
    elements = sum(value.size for value in step.reads)
    return elements * (4 * ELEMENT if isinstance(step, Update) else OTHER)
