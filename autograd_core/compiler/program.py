"""Program: the steps that two recordings have in common, ready to run on other arrays.

A run has two halves. In the first nothing outside changes: values are computed, and what the
recordings took for granted is checked. Where that fails, the run stops with `Stale`, and the
function can be called as if nothing had been. In the second half the updates happen, and
gradients are handed to their leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .compare import content
from .emit import Stale, emit
from .record import (
    Apply,
    Collect,
    Draw,
    Finite,
    Guard,
    Host,
    Overwrite,
    Step,
    Trace,
    Update,
    Value,
)

__all__ = ["Program", "objection"]

COMMITS = (Host, Update, Overwrite)


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
    source : str
        The text of the function that runs.
    segments : list of Segment
        The parts of it that are machine code; each has a `source`, too.
    """

    def __init__(self, trace: Trace, outputs: Sequence[Value], native: bool = True) -> None:
        final = {step.leaf: step.parts[0] for step in trace.steps if isinstance(step, Collect)}
        self.forgotten = [leaf for leaf, value in final.items() if value is None]
        collected = {leaf: value for leaf, value in final.items() if value is not None}
        self.collecting = list(collected)
        results = [*outputs, *collected.values()]
        self.steps = _live(trace.steps, results)
        read = {x for step in self.steps for x in step.reads} | set(results)
        captured = [v for v in trace.values if v in read and v.holder is not None and v.place < 0]
        self.captured = captured
        emitted = emit(trace.inputs, captured, self.steps, results, native)
        self.source, self._function, self.segments = emitted
        # What no step has made belongs to somebody else, and what goes to two places to both.
        made = {step.result for step in self.steps if isinstance(step, Apply | Draw)}
        self._shared = [v not in made or results.count(v) > 1 for v in results]

        drawn = {id(step.rng): step.rng for step in self.steps if isinstance(step, Draw)}
        self._random = [rng.bit_generator for rng in drawn.values()]

    def holds(self) -> bool:
        """Whether updates and captured arrays are still of the kind that was recorded."""
        arrays = ((value, content(value)) for value in self.captured)
        alike = all((v.shape, v.dtype) == (a.shape, a.dtype) for v, a in arrays)
        return alike and all(step.valid() for step in self.steps if isinstance(step, Host))

    @property
    def islands(self) -> list[str]:
        """The operations that run one by one, by name."""
        inside = {id(step) for segment in self.segments for step in segment.steps}
        applied = (step for step in self.steps if isinstance(step, Apply))
        return [step.op.name for step in applied if id(step) not in inside]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on input arrays; return the outputs, which nobody else has."""
        states = [source.state for source in self._random]
        try:
            with np.errstate(all="ignore"):
                found = self._function(*arrays)
        except Stale:  # the ordinary call that follows draws the same numbers
            for source, state in zip(self._random, states, strict=True):
                source.state = state
            raise
        own = [_own(a, shared) for a, shared in zip(found, self._shared, strict=True)]
        count = len(own) - len(self.collecting)
        for leaf in self.forgotten:
            leaf.grad = None
        for leaf, gradient in zip(self.collecting, own[count:], strict=True):
            leaf.grad = gradient
        return own[:count]


def _own(array: np.ndarray, shared: bool) -> np.ndarray:
    """Return an array of which nobody else can see the memory."""
    private = not shared and array.base is None and array.flags.writeable
    return array if private else array.copy()


def _live(steps: Sequence[Step], outputs: Sequence[Value]) -> list[Step]:
    """Return the steps without the applications whose results are not needed."""
    needed = set(outputs)
    kept: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Collect) or (isinstance(step, Apply) and step.result not in needed):
            continue
        kept.append(step)
        needed.update(step.reads)
    return kept[::-1]
