"""What machine code can do otherwise than the host: three changes of a segment's steps.

* `accumulated`: the sum of an array and a scattered one adds to some elements of the first.
* `watched`: where a check of the gradients would find a NaN, no strong zero needs to be selected.
* `checked_in_loops`: a loop that makes a large gradient finds out whether it is finite, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..declare import OPS
from .fuse import LARGE
from .record import Apply, Finite, Step, Value
from .rewriting import Made, changed, meaning, rewritten
from .simplify import live

__all__ = ["is_pointwise", "prepared"]


def prepared(steps: Sequence[Step], needed: Collection[Value]) -> list[Step]:
    """Return steps that do the same; `needed` are the values that others read afterwards."""
    return checked_in_loops(watched(accumulated(steps, needed), needed))


def is_pointwise(step: Step) -> bool:
    """Whether a step is an elementwise operation."""
    return isinstance(step, Apply) and step.op.pointwise


def accumulated(steps: Sequence[Step], needed: Collection[Value]) -> list[Step]:
    """Add what is scattered to what it is added to: cotangents of slices meet in one array.

    Zeros that are not added leave a minus zero as it is, which is all that changes.
    """
    readers = Counter(x for step in steps for x in step.reads)

    def rule(step: Step, made: Made) -> Step:
        if not isinstance(step, Apply) or meaning(step) != "add":
            return step
        for out, x in (step.parts, step.parts[::-1]):
            maker = made.get(x) if isinstance(x, Value) and x not in needed else None
            if maker is None or meaning(maker) != "scatter" or readers[x] > 1:
                continue
            if isinstance(out, Value) and _alike(out, x, step.result):
                parts, index = (out, *maker.parts), {"index": maker.attributes["index"]}
                return changed(step, op=OPS["scatter_add"], parts=parts, attributes=index)
        return step

    kept, _ = rewritten(steps, [], rule)
    return live(kept, list(needed))


def _alike(*values: Value) -> bool:
    return len({(value.shape, value.dtype) for value in values}) == 1


def watched(steps: Sequence[Step], needed: Collection[Value]) -> list[Step]:
    """Mark what only gradients depend on that are checked: the check finds a NaN."""
    checked = {x for step in steps if isinstance(step, Finite) for x in step.parts}
    seen = {x for step in steps if not isinstance(step, Apply) for x in step.reads}
    unchecked = (seen | set(needed)) - checked
    found: list[Step] = []
    for step in reversed(steps):
        marked = isinstance(step, Apply) and step.result not in unchecked
        found.append(changed(step, watched=True) if marked else step)
        if not marked:
            unchecked.update(x for x in step.reads if x not in checked)
    return found[::-1]


def checked_in_loops(steps: Sequence[Step]) -> list[Step]:
    """Let loops that make large gradients take Σ 0 g, too: finite if they all are."""
    made = {s.result for s in steps if is_pointwise(s)}  # type: ignore[attr-defined]
    index = max((s.result.index for s in steps if isinstance(s, Apply)), default=0)
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Finite):
            sums = {}
            for x in (x for x in step.parts if x in made and x.size >= LARGE):
                zeros, total = Value(index + 1, x.shape, x.dtype), Value(index + 2, (), x.dtype)
                found.append(Apply(OPS["multiply"], (x, 0.0), {}, zeros))
                found.append(Apply(OPS["sum"], (zeros,), dict(OPS["sum"].attributes), total))
                sums[x], index = total, index + 2
            step = step.on(tuple(sums.get(x, x) for x in step.parts))
        found.append(step)
    return found
