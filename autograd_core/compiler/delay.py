"""Delay: what is changed outside is changed as late as it can be, behind the checks.

A layer may assign to its running averages long before the gradients are there that are checked. A
run that is given up must have changed nothing, so assignments and updates wait. They wait for
each other, and for nobody who would see that they do:

* a constant tensor is assigned another array, and the recording knows whoever reads it afterwards
  as a reader of the assigned value: nobody sees;
* what is overwritten in place is seen by whoever reads it, or something from outside, or a view.
"""

from __future__ import annotations

from collections.abc import Sequence

from .rewriting import joined
from .steps import Collect, Host, Overwrite, Step, Update, Value

__all__ = ["COMMITS", "delayed"]

COMMITS = (Host, Update, Overwrite)


def delayed(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with each change outside as late as can be, in the same order.

    Of several assignments to a constant tensor only the last is left, if all can wait.
    """
    if not any(isinstance(step, COMMITS) for step in steps):
        return list(steps)
    unsafe = _unsafe(steps)
    found: list[Step] = []
    waiting: list[Step] = []
    for step in steps:
        if isinstance(step, COMMITS):
            waiting = [s for s in waiting if not _is_undone(s, step)] + [step]
            continue
        in_place = any(isinstance(s, Update) or _is_in_place(s) for s in waiting)
        if in_place and not isinstance(step, Collect) and not unsafe.isdisjoint(step.reads):
            found += waiting
            waiting = []
        found.append(step)
    return found + waiting


def _unsafe(steps: Sequence[Step]) -> set[Value]:
    """Return the values that may look at memory from outside, or at what an update overwrites."""
    found = {x for step in steps for x in step.reads if x.holder is not None or x.place >= 0}
    found.update(x for step in steps if isinstance(step, Update) for x in step.reads)
    return joined(found, steps)


def _is_in_place(step: Step) -> bool:
    return isinstance(step, Overwrite) and not step.replaces


def _is_undone(step: Step, later: Step) -> bool:
    """Whether a later assignment leaves nothing of an earlier one, which nobody reads."""
    if not isinstance(step, Overwrite) or not isinstance(later, Overwrite):
        return False
    return later.replaces and later.tensor is step.tensor
