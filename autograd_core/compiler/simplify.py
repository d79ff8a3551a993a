"""Simplification: what a recording did more than once, in vain, or with constants alone.

The rules of how to compute a derivative know nothing of each other: both use the same difference,
one negates what the next negates again, and what the sweep starts from is a constant. Four passes
take that out of the steps, none of which changes a bit of any result (NaN counts as one number):

* `live`: results that nobody needs,
* `constants`: what can be computed beforehand (`folding`),
* `identities`: what is the operand itself, or one step less (`algebra`),
* `repeats`: the same operation on the same operands (`repeats`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .algebra import algebra
from .folding import fold, number_in_place
from .record import Apply, Collect, Step, Value
from .repeats import Repeats
from .rewriting import Facts, Made, rewritten

__all__ = ["Simplified", "constants", "identities", "live", "repeats", "simplify"]

Part = tuple[list[Step], list[Value]]


class Simplified(NamedTuple):
    """Steps and results after simplification, and how many applications each pass removed."""

    steps: list[Step]
    results: list[Value]
    removed: dict[str, int]

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


def simplify(
    steps: Sequence[Step], results: Sequence[Value], fresh: Collection[Value] = ()
) -> Simplified:
    """Return fewer steps that compute the same.

    Parameters
    ----------
    steps : sequence of Step
        As recorded; they stay as they are.
    results : sequence of Value
        What is needed at the end, in order. In the same order, what is to be read for it is in
        the results: a step's, an input, or a captured value.
    fresh : collection of Value
        Captured arrays that are constants; other captured arrays are read at every run.
    """
    facts = Facts(steps, results, fresh)
    left, wanted = live(steps, results), list(results)
    removed = {"unused": _applied(steps) - _applied(left)}
    removed |= dict.fromkeys(PASSES, 0)
    known: dict[str, set[Step]] = dict.fromkeys(PASSES, set())  # what a pass has left as it was
    before = None
    while before != (left, wanted):  # steps are compared by identity: until none changes
        before = left, wanted
        for name, one_pass in PASSES.items():
            given = left, wanted
            found = one_pass(left, wanted, facts, known[name])
            known[name] = set(left).intersection(found[0])
            if found != given:
                left, wanted = live(*found), found[1]
            removed[name] += len(given[0]) - len(left)
    return Simplified(left, wanted, removed)


def _applied(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, Apply) for step in steps)


def live(steps: Sequence[Step], results: Sequence[Value]) -> list[Step]:
    """Return the steps without the applications whose results are not needed."""
    needed = set(results)
    kept: list[Step] = []
    for step in reversed(steps):
        if step.result not in needed if isinstance(step, Apply) else isinstance(step, Collect):
            continue
        kept.append(step)
        needed.update(step.reads)
    return kept[::-1]


def constants(
    steps: Sequence[Step], results: Sequence[Value], facts: Facts, known: Collection[Step] = ()
) -> Part:
    """Compute beforehand what depends on constants alone, and put numbers in their place."""

    def rule(step: Step, made: Made) -> Step | Value:
        found = fold(step, made, facts)
        return number_in_place(step, made, facts) if found is step else found

    return rewritten(steps, results, rule, known)


def identities(
    steps: Sequence[Step], results: Sequence[Value], facts: Facts, known: Collection[Step] = ()
) -> Part:
    """Leave out what gives its operand back, and join two steps that one can do."""
    return rewritten(steps, results, lambda step, made: algebra(step, made, facts), known)


def repeats(
    steps: Sequence[Step], results: Sequence[Value], facts: Facts, known: Collection[Step] = ()
) -> Part:
    """Leave out applications that repeat an earlier one; among known ones there are none."""
    if known and all(map(known.__contains__, steps)):
        return list(steps), list(results)
    return rewritten(steps, results, Repeats(facts))


PASSES = {"constant": constants, "identity": identities, "repeated": repeats}
