"""What machine code can do otherwise than the host: five changes of a segment's steps.

* `accumulated`: the sum of an array and a scattered one adds to some elements of the first.
* `pieced` (`pieces`): slices that are scattered to one array are written where it lies.
* `watched`: where a check of the gradients would find a NaN, no strong zero needs to be selected.
* `checked_where_made` (`finite`): what makes a large gradient tells whether it is finite.
* `sparse_products` (`zeros`): of a factor with many zeros these are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..declare import OPS
from .finite import checked_where_made
from .pieces import pieced
from .record import Apply, Finite, Step, Value
from .rewriting import Made, changed, meaning, rewritten
from .simplify import live
from .zeros import sparse_products

__all__ = ["is_pointwise", "prepared"]


def prepared(steps: Sequence[Step], needed: Collection[Value]) -> list[Step]:
    """Return steps that do the same; `needed` are the values that others read afterwards."""
    scattering = pieced(accumulated(steps, needed), needed)
    return sparse_products(checked_where_made(watched(scattering, needed)))


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
