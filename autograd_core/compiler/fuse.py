"""Fusion: which elementwise steps share a loop.

Steps may change places as long as each comes after what it reads. An elementwise step joins the
last loop over its shape that does not come before one of its operands; there the operands that
the loop computes are in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .loops import reduced_axes
from .record import Apply, Step, Value

__all__ = ["is_sum", "units"]

LARGE = 2048  # elements from which a sum is taken in the loop that makes its summands


def units(steps: Sequence[Step], moves: Callable[[Step], bool]) -> list[list[Step]]:
    """Return the steps in a new order, those together that share a loop.

    `moves` says of a step that it is a view: it costs nothing, and joins what made its operand.
    """
    found: list[list[Step]] = []
    ready: dict[Value, int] = {}  # the first unit that can read a value from memory
    loops: dict[tuple[int, ...], list[int]] = {}
    barrier = 0  # before it are reads of what was overwritten since
    for step in steps:
        earliest = max([barrier, *(ready.get(x, 0) for x in step.reads)])
        if not isinstance(step, Apply):
            found.append([step])
            barrier = len(found)
        elif step.op.pointwise:
            shape = step.result.shape
            joined = _loop_to_join(step, loops.get(shape, ()), earliest, found, ready)
            if joined is None:
                joined = len(found)
                found.append([])
                loops.setdefault(shape, []).append(joined)
            found[joined].append(step)
            ready[step.result] = joined + 1
        elif _sums_in_loop(step, earliest, found):
            found[earliest - 1].append(step)
            ready[step.result] = earliest
        elif moves(step) and earliest:
            found[earliest - 1].append(step)
            ready[step.result] = earliest
        else:
            found.append([step])
            ready[step.result] = len(found)
    return found


def _sums_in_loop(step: Apply, earliest: int, found: list[list[Step]]) -> bool:
    """Whether a sum is taken in the loop that computes what it adds."""
    if step.op.name not in ("sum", "mean") or not earliest:
        return False
    (x,) = step.parts
    unit = found[earliest - 1]
    made = any(isinstance(s, Apply) and s.op.pointwise and s.result is x for s in unit)
    if not made or x.dtype.kind != "f" or x.size < LARGE or not x.shape:
        return False
    kept = reduced_axes(step)
    others = {reduced_axes(s) for s in unit if is_sum(s)}  # type: ignore[arg-type]
    return kept is not None and others <= {kept}


def is_sum(step: Step) -> bool:
    """Whether a step of a loop's unit is a sum that it takes."""
    return isinstance(step, Apply) and step.op.name in ("sum", "mean")


def _loop_to_join(
    step: Apply,
    loops: Sequence[int],
    earliest: int,
    found: list[list[Step]],
    ready: dict[Value, int],
) -> int | None:
    """Return the last loop that a step can be part of."""
    if not loops:
        return None
    last = loops[-1]
    if last >= earliest:
        return last
    inside = {s.result for s in found[last] if isinstance(s, Apply) and s.op.pointwise}
    others = max([0, *(ready.get(x, 0) for x in step.reads if x not in inside)])
    return last if last == earliest - 1 and others <= last else None
