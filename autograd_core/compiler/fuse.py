"""Fusion: which elementwise steps share a loop.

Steps may change places as long as each comes after what it reads. An elementwise step joins the
last loop over its shape that does not come before one of its operands; there the operands that
the loop computes are in registers.

A loop of the host over elementwise steps alone would be one long text; it is cut into rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import numpy as np

from .loops import reduced_axes
from .record import Apply, Step, Value
from .reroll import stretches

__all__ = ["LARGE", "is_sum", "units"]

LARGE = 2048  # elements from which a sum is taken in the loop that makes its summands
LONG = 128  # steps from which a loop is cut where it repeats
ROUND = 32  # steps of a piece, if a shorter round fits more than once


def units(steps: Sequence[Step], moves: Callable[[Step], bool]) -> list[list[Step]]:
    """Return the steps in a new order, those together that share a loop.

    `moves` says of a step that it is a view: it costs nothing, and joins what made its operand.
    """
    found: list[list[Step]] = [[]]  # first views of what comes from outside
    ready: dict[Value, int] = {}  # the first unit that can read a value from memory
    loops: dict[tuple[int, ...], list[int]] = {}
    makers: dict[Value, int] = {}  # the units of elementwise results
    barrier = 1  # before it are reads of what was overwritten since
    for step in steps:
        earliest = max([barrier, *[ready.get(x, 0) for x in step.reads]])
        if not isinstance(step, Apply):
            found.append([step])
            barrier = len(found)
        elif step.op.pointwise:
            shape = step.result.shape
            joined = _loop_to_join(step, loops.get(shape, ()), earliest, makers, ready)
            if joined is None:
                joined = len(found)
                found.append([])
                loops.setdefault(shape, []).append(joined)
            found[joined].append(step)
            ready[step.result] = joined + 1
            makers[step.result] = joined
        elif _sums_in_loop(step, earliest, found, makers):
            found[earliest - 1].append(step)
            ready[step.result] = earliest
        elif moves(step):
            made = max((ready.get(x, 1) for x in step.reads), default=1)
            found[made - 1].append(step)
            ready[step.result] = made
        else:
            found.append([step])
            ready[step.result] = len(found)
    return [piece for unit in found if unit for piece in _pieces(unit)]


def _sums_in_loop(
    step: Apply, earliest: int, found: list[list[Step]], makers: dict[Value, int]
) -> bool:
    """Whether a sum is taken in the loop that computes what it adds."""
    if step.op.name not in ("sum", "mean"):
        return False
    (x,) = step.parts
    unit = found[earliest - 1]
    made = makers.get(x) == earliest - 1
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
    makers: dict[Value, int],
    ready: dict[Value, int],
) -> int | None:
    """Return the last loop that a step can be part of."""
    if not loops:
        return None
    last = loops[-1]
    if last >= earliest:
        return last
    others = max([0, *(ready.get(x, 0) for x in step.reads if makers.get(x) != last)])
    return last if last == earliest - 1 and others <= last else None


# ------------------------------------------------------------------------------------ long loops


def _pieces(unit: list[Step]) -> list[list[Step]]:
    """Cut a long unit where its elementwise steps repeat; sums and views stay with operands."""
    steps = [s for s in unit if isinstance(s, Apply) and s.op.pointwise]
    if len(steps) < LONG:
        return [unit]
    cuts = sorted({0, *_cuts(steps), len(steps)})
    pieces: list[list[Step]] = [list(steps[i:j]) for i, j in pairwise(cuts)]
    home = {s.result: piece for piece in pieces for s in piece}  # type: ignore[attr-defined]
    for step in unit:
        if isinstance(step, Apply) and not step.op.pointwise:
            home[step.result] = home[step.reads[0]]
            home[step.result].append(step)
    return pieces


def _cuts(steps: Sequence[Apply]) -> set[int]:
    """Return where rounds begin that repeat, and where the last one ends."""
    places = {step.result: i for i, step in enumerate(steps)}
    known: dict[Hashable, int] = {}
    kinds = [known.setdefault(_kind(s, i, places), len(known)) for i, s in enumerate(steps)]
    row = np.array(kinds)
    free = np.ones(len(row), bool)
    found: set[int] = set()
    for period in _distances(kinds):
        same = (row[:-period] == row[period:]) & free[:-period] & free[period:]
        for begin, end in stretches(same, max(LONG // 2, 2 * period)):
            stop = end + period
            free[begin:stop] = False
            found.update(range(begin, stop, period * max(1, ROUND // period)), [stop])
    return found


def _distances(kinds: Sequence[int]) -> list[int]:
    """Return at which distances many kinds appear again, the shortest first."""
    seen: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for i, kind in enumerate(kinds):
        counts[i - seen.get(kind, i)] += 1
        seen[kind] = i
    return sorted(p for p, count in counts.items() if p and count >= max(LONG // 2, 2 * p))


def _kind(step: Apply, i: int, places: dict[Value, int]) -> Hashable:
    """Return what is equal for steps that do the same with steps as far before them.

    What is far away, as forward from backward, counts like what comes from outside.
    """
    near = {x: i - places[x] for x in step.reads if i - places.get(x, -LONG) < LONG}
    parts = (near.get(x, x.shape) if isinstance(x, Value) else repr(x) for x in step.parts)
    return step.op.name, repr(step.attributes), *parts
