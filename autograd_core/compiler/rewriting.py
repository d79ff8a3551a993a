"""Rewriting a list of steps: one walk, in which a rule says what each application becomes.

Steps belong to a recording that others compare with theirs, so none is changed: what becomes
another one is a copy. What a rule must not do is a question of memory, which `Facts` answers: an
update or an assignment overwrites arrays, and whoever reads one of them, or a view of it, reads
something else afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Container, Sequence
from typing import Any

import numpy as np

from ..declare import OPS
from .record import Apply, Overwrite, Step, Update, Value
from .steps import changed

__all__ = ["Facts", "Made", "changed", "joined", "meaning", "rewritten"]

Made = dict[Value, Apply]  # the step, as it is now, that makes a value
Rule = Callable[[Step, Made], "Step | Value"]


class Facts:
    """What holds for the values of a program throughout.

    Attributes
    ----------
    constants : set of Value
        Captured arrays of which nobody can change the content.
    overwritten : set of Value
        All that may look at memory into which a step writes.
    """

    def __init__(
        self, steps: Sequence[Step], results: Sequence[Value], constants: Collection[Value] = ()
    ) -> None:
        self.overwritten = overwritten(steps, constants)
        self.constants = set(constants)
        if self.constants & self.overwritten:  # and others may be views of the same array
            self.constants = set()
        made = [step.result for step in steps if isinstance(step, Apply)]
        known = [*results, *made, *(x for step in steps for x in step.reads)]
        self._indices = itertools.count(1 + max((x.index for x in known), default=0))

    def constant(self, array: np.ndarray) -> Value:
        """Return a new value that is a copy of an array at every run."""
        held = np.array(array, order="C")
        held.flags.writeable = False
        value = Value(next(self._indices), held.shape, held.dtype, held)
        self.constants.add(value)
        return value

    def same(self, one: Value, other: Value) -> bool:
        """Whether a value equal to another stays so, that is: can be read in its place."""
        return one.view or not {one, other} & self.overwritten


def overwritten(steps: Sequence[Step], constants: Collection[Value]) -> set[Value]:
    """Return the values that may look at memory into which a step writes."""
    # An update may write into more than it says: clipping does, into gradients.
    found = {x for step in steps if isinstance(step, Update) for x in step.reads}
    read = {x for step in steps for x in step.reads}
    outside = {x for x in read if x.holder is not None or x.place >= 0} - set(constants)
    if any(isinstance(step, Overwrite) and not step.replaces for step in steps):
        found |= outside
    return joined(found, steps, outside)  # arrays from outside may be views of one another


def joined(
    values: Collection[Value], steps: Sequence[Step], together: Collection[Value] = ()
) -> set[Value]:
    """Return values with all that may look at their memory, each of `together` at any other's."""
    applied = (step for step in steps if isinstance(step, Apply))
    groups = [{step.result, *step.reads} for step in applied if step.result.view]
    groups.append(set(together))
    found, size = set(values), -1
    while len(found) > size:
        size = len(found)
        found.update(*(group for group in groups if group & found))
    return found


def meaning(step: Step) -> str:
    """Return the name of the op that is applied, if it is one of ours; else nothing.

    The twin in which zero wins over infinity has the name with "strong_" before it.
    """
    if not isinstance(step, Apply):
        return ""
    name: str = step.op.name
    if OPS.get(name) is step.op:
        return name
    strong: Any = getattr(OPS.get(name.removeprefix("strong_")), "strong", None)
    return name if step.op is strong else ""


def rewritten(
    steps: Sequence[Step],
    results: Sequence[Value],
    rule: Rule,
    known: Container[Step] = (),
) -> tuple[list[Step], list[Value]]:
    """Return the steps and results after a walk with a rule.

    The rule is asked about each step, whose operands are already those of the walk. It returns
    the step, another one with the same result, or a value to be read in place of the result. It
    is not asked again about `known` steps, which an earlier walk left behind, as long as what
    they read, broadcast or not, is made by such.
    """
    made: Made = {}
    instead: dict[Value, Value] = {}
    fresh: set[Value] = set()  # what is not made by a known step
    kept: list[Step] = []
    for step in steps:
        old = step in known
        same = old and fresh.isdisjoint(step.reads)
        found = step if same else rule(_reading(step, instead), made)
        if isinstance(found, Step):
            kept.append(found)
        if isinstance(found, Apply):
            made[found.result] = found
        elif isinstance(found, Value) and isinstance(step, Apply):
            instead[step.result] = found
        if not same and isinstance(step, Apply):
            if found is not step or not old or step.op.name == "broadcast_to":
                fresh.add(step.result)
    return kept, [instead.get(value, value) for value in results]


def _reading(step: Step, instead: dict[Value, Value]) -> Step:
    """Return a step that reads other values in place of some."""
    if not instead or instead.keys().isdisjoint(step.reads):
        return step
    parts = tuple(instead.get(x, x) if isinstance(x, Value) else x for x in step.parts)
    return changed(step, parts=parts)
