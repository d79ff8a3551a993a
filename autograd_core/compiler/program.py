"""Program: the steps that two recordings have in common, ready to run on other arrays.

A run has two halves. In the first nothing outside changes: values are computed, and what the
recordings took for granted is checked. Where that fails, the run stops with `Stale`, and the
function can be called as if nothing had been. In the second half the updates happen, and
gradients are handed to their leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..guard import wrote
from ..tape import clock
from .compare import alike, content
from .record import Apply, Collect, Finite, Guard, Host, Overwrite, Step, Trace, Update, Value

__all__ = ["Program", "Stale", "objection"]

Environment = dict[Any, Any]
COMMITS = (Host, Update, Overwrite)


class Stale(Exception):  # noqa: N818
    """What was recorded does not hold for this call; nothing has been changed."""


def objection(trace: Trace) -> str | None:
    """Say why no program can be made of a recording; None if one can."""
    if trace.refusal is not None:
        return trace.refusal
    committed = False
    for step in trace.steps:
        committed = committed or isinstance(step, COMMITS)
        if committed and isinstance(step, Guard | Finite):
            return f"a value is looked at after an update ({step.line})"
    return None


class Program:
    """What a recording computes and changes, for inputs of the same shapes.

    Attributes
    ----------
    steps : list of Step
        What a run does, in order; results that nobody needs are left out.
    """

    def __init__(self, trace: Trace, outputs: Sequence[Value]) -> None:
        self.outputs = tuple(outputs)
        self.inputs = tuple(trace.inputs)
        self.final = {s.leaf: s.value for s in trace.steps if isinstance(s, Collect)}
        needed = [*self.outputs, *(value for value in self.final.values() if value is not None)]
        self.steps = _live(trace.steps, needed)
        self.captured = [v for v in trace.values if v.holder is not None and v.place < 0]
        self._acts = [_act(step) for step in self.steps]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on input arrays; return the outputs, which nobody else has."""
        found: Environment = {value: content(value) for value in self.captured}
        found.update(zip(self.inputs, arrays, strict=True))
        with np.errstate(all="ignore"):
            for act in self._acts:
                act(found)
        for leaf, value in self.final.items():
            leaf.grad = None if value is None else _own(found[value])
        return [_own(found[value]) for value in self.outputs]

    def __str__(self) -> str:
        return "\n".join(f"{number:4}  {step}" for number, step in enumerate(self.steps))


def _own(array: np.ndarray) -> np.ndarray:
    """Return an array that shares its memory with nobody: results may be handed out twice."""
    return np.array(array)


def _live(steps: Sequence[Step], outputs: Sequence[Value]) -> list[Step]:
    """Return the steps without the applications whose results are not needed."""
    needed = set(outputs)
    kept: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Collect) or (isinstance(step, Apply) and step.result not in needed):
            continue
        kept.append(step)
        needed.update(x for x in _reads(step) if isinstance(x, Value))
    return kept[::-1]


def _reads(step: Step) -> Sequence[Any]:
    if isinstance(step, Apply | Update):
        return step.operands
    if isinstance(step, Finite):
        return step.values
    return (step.value,) if isinstance(step, Guard | Overwrite) else ()


# -------------------------------------------------------------- what is done at each step


def _act(step: Step) -> Callable[[Environment], None]:
    """Return the function that does a step."""
    return ACTS[type(step)](step)


def _applying(step: Apply) -> Callable[[Environment], None]:
    places = [(x, None) if isinstance(x, Value) else (None, x) for x in step.operands]
    compute, attributes, result = step.op.compute, step.attributes, step.result

    def apply(found: Environment) -> None:
        given = [number if value is None else found[value] for value, number in places]
        found[result] = compute(*given, **attributes)

    return apply


def _guarding(step: Guard) -> Callable[[Environment], None]:
    def guard(found: Environment) -> None:
        if not alike(found[step.value], step.content):
            raise Stale(f"what the host read at {step.line} is another value now")

    return guard


def _checking(step: Finite) -> Callable[[Environment], None]:
    def check(found: Environment) -> None:
        if not all(math.isfinite(np.vdot(found[v], found[v])) for v in step.values):
            raise Stale(f"a gradient at {step.line} is not finite")

    return check


def _hosting(step: Host) -> Callable[[Environment], None]:
    def host(found: Environment) -> None:
        if not step.valid():
            raise Stale(f"the update at {step.line} is another one now")
        found[step] = step.function()

    return host


def _updating(step: Update) -> Callable[[Environment], None]:
    def update(found: Environment) -> None:
        arrays = [found[value] for value in step.operands]
        numbers: Mapping[str, Any] = step.attributes
        if step.source is not None:
            host, position = step.source
            numbers = found[host][position]
        step.function(*arrays, **numbers)
        position = next(clock)
        for i in step.written:
            wrote(arrays[i], position)

    return update


def _overwriting(step: Overwrite) -> Callable[[Environment], None]:
    def overwrite(found: Environment) -> None:
        step.tensor.assign(found[step.value])

    return overwrite


ACTS: dict[type[Step], Callable[[Any], Callable[[Environment], None]]] = {
    Apply: _applying,
    Guard: _guarding,
    Finite: _checking,
    Host: _hosting,
    Update: _updating,
    Overwrite: _overwriting,
}
