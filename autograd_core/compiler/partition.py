"""Partition: which steps of a program run together as machine code.

A segment is a run of steps that all have machine code for one float type. A single operation is
not worth a call of its own, and views never are; an optimizer's update is. Where one tensor of an
update has no recipe, the host does the whole update: its numbers are computed together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from .layout import name_of
from .native import Segment, lowers, moves
from .record import Apply, Draw, Host, Overwrite, Step, Update, Value
from .rewriting import joined

__all__ = ["FLOATS", "float_type", "held_back", "partition"]

FLOATS = ("float32", "float64")  # either will do for steps without floats
CERTAIN = ("linear", "matmul", "max", "mean", "min", "sum")  # never given up
LARGE = 1 << 16  # bytes of an output from which it is given away, not copied
SHORTEST = 2  # operations that are worth a call


def partition(
    steps: Sequence[Step],
    outputs: Sequence[Value],
    gradients: Collection[Value] = (),
    repeats: bool = False,
    general: bool = False,
) -> list[Step | Segment]:
    """Return the steps with those that can run natively gathered in segments.

    `repeats` if a segment that is all of the program shall be able to do many steps in a call,
    `general` if machine code shall be for other sizes, too.
    """
    draws = [step for step in steps if isinstance(step, Draw)]  # they read nothing: first they go
    steps = [step for step in steps if not isinstance(step, Draw)]
    results = {*outputs, *gradients}
    large = (v for v in results if v.size * v.dtype.itemsize >= LARGE and v not in gradients)
    given = {v for v in large if list(outputs).count(v) == 1}
    by_hand = set(held_back(steps, results))
    readers = _readers(steps)
    parts: list[Step | Segment] = [*draws]
    position = 0
    while position < len(steps):
        run, dtype = _native_run(steps, position, by_hand)
        if dtype == FLOATS[0]:  # what it begins with may fit into double precision, too
            other = _native_run(steps, position, by_hand, FLOATS[1])
            run, dtype = max((run, dtype), other, key=lambda found: len(found[0]))
        end = position + len(run)
        work = [s for s in run if isinstance(s, Apply) and not moves(s)]
        if len(work) >= SHORTEST or any(isinstance(s, Update) for s in run):
            inside = _readers(run)
            made = (step.result for step in run if isinstance(step, Apply))
            needed = {v for v in made if v in results or readers[v] > inside[v]}
            alone = len(run) == len(steps)
            parts.append(Segment(run, needed, dtype, given, repeats and alone, general, draws))
        else:
            end = max(end, position + 1)
            parts += steps[position:end]
        position = end
    return parts


def held_back(steps: Sequence[Step], results: set[Value]) -> dict[Step, str]:
    """Return the steps that must not run natively whatever they are, and why."""
    found = dict.fromkeys(_assigned_by_hand(steps, results), "what it overwrites is needed later")
    found |= dict.fromkeys(_moving_views(steps, results), "a view of what is updated")
    found |= dict.fromkeys(_doubtful(steps), "it might be given up, after an update")
    updates = "an update, of which a part has no machine code"
    return found | dict.fromkeys(_updates_by_hand(steps), updates)


def _readers(steps: Sequence[Step]) -> Counter[Value]:
    """Return how often each value is read."""
    return Counter(x for step in steps for x in step.reads)


def _updates_by_hand(steps: Sequence[Step]) -> set[Step]:
    """Return the hosts, with their updates, of which a part cannot run natively."""
    updates = [step for step in steps if isinstance(step, Update)]
    found: set[Step] = set()
    for step in updates:
        if step.source is None or not lowers(step, float_type(step)):
            found |= {step} if step.source is None else {step.source[0]}
    return found | {step for step in updates if step.source and step.source[0] in found}


def _doubtful(steps: Sequence[Step]) -> set[Step]:
    """Return the operations after an update that machine code might give up: it is too late."""
    updated, found = False, set()
    for step in steps:
        updated = updated or isinstance(step, Update | Overwrite)
        certain = not isinstance(step, Apply) or step.op.pointwise or step.op.name in CERTAIN
        if updated and not (certain or moves(step)):
            found.add(step)
    return found


def _assigned_by_hand(steps: Sequence[Step], results: set[Value]) -> set[Step]:
    """Return the assignments to tensors whose memory, or what is in it, is needed afterwards."""
    targets = Counter(step.target for step in steps if isinstance(step, Overwrite))
    found: set[Step] = set()
    later = set(results)
    for step in reversed(steps):
        if isinstance(step, Overwrite):
            memory = joined([step.target], steps)
            alone = targets[step.target] == 1 and step.target.holder is step.tensor
            if not alone or step.parts[1] in memory or not memory.isdisjoint(later):
                found.add(step)
        later.update(step.reads)
    return found


def _moving_views(steps: Sequence[Step], results: set[Value]) -> set[Step]:
    """Return the steps whose results are views of what an update overwrites.

    They show what is there in the end, not what was there in the middle.
    """
    updates = (step for step in steps if isinstance(step, Update))
    memory = {step.parts[i] for step in updates for i in step.written}
    found: set[Step] = set()
    for step in steps:
        if isinstance(step, Apply) and step.result.view and not memory.isdisjoint(step.reads):
            memory.add(step.result)
            found |= {step} if step.result in results else set()
    return found


def _native_run(
    steps: Sequence[Step], start: int, by_hand: set[Step], dtype: str = ""
) -> tuple[list[Step], str]:
    """Return the steps from `start` on that one segment can take, and its float type.

    Without one it is that of the first step which has any.
    """
    run: list[Step] = []
    for step in steps[start:]:
        dtype = dtype or float_type(step)
        native = step not in by_hand and (isinstance(step, Host) or lowers(step, dtype))
        if not native or (isinstance(step, Host) and not run):
            break
        run.append(step)
    return run, dtype or FLOATS[-1]  # truths and integers alone do not say


def float_type(step: Step) -> str:
    """Return the float type in which a step could work natively, or nothing."""
    values = [*step.reads, step.result] if isinstance(step, Apply) else step.reads
    return next((name_of(v.dtype) for v in values if name_of(v.dtype) in FLOATS), "")
