"""Program: the steps that two recordings have in common, ready to run on other arrays.

A run has two halves. In the first nothing outside changes: values are computed, and what the
recordings took for granted is checked. Where that fails, the run stops with `Stale`, and the
function can be called as if nothing had been. In the second half the updates happen, and
gradients are handed to their leaves.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..guard import Lent
from ..tape import Leaf
from ..tensor import Tensor
from .compare import content
from .delay import COMMITS, delayed
from .draws import put_back, sources, states
from .emit import Emission
from .native import Segment
from .partition import held_back, partition
from .postmortem import postmortem
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
    Value,
)
from .running import Stale
from .simplify import simplify
from .swap import Swap

__all__ = ["Program", "objection"]


def objection(trace: Trace) -> str | None:
    """Say why no program can be made of a recording; None if one can."""
    if trace.refusal is not None:
        return trace.refusal
    committed = False
    for step in delayed(trace.steps):
        committed = committed or isinstance(step, COMMITS)
        if committed and isinstance(step, Guard | Finite):
            return f"a value is looked at after an update ({step.line})"
    return None


class Program:
    """What a recording computes and changes, for inputs of the same shapes.

    `general` if its machine code shall be for other shapes, too.

    Attributes
    ----------
    steps : list of Step
        What a run does, in order, after `simplify`.
    removed : dict
        How many recorded applications `simplify` has left out, by the reason for it.
    is_reversible : bool
        Whether all that a call overwrites, gradients aside, is known: `snapshot` has it.
    source : str
        The text of the function that runs.
    segments : list of Segment
        The parts of it that are machine code; each has a `source`, too.
    is_native : bool
        Whether there is nothing else but draws of random numbers.
    random : list of Source
        The generators that it draws from.
    native : bool
        Whether machine code was asked for.
    held : dict of Step to str
        Why some steps must not be machine code.
    """

    def __init__(
        self,
        trace: Trace,
        outputs: Sequence[Value],
        native: bool = True,
        fresh: Collection[Value] = (),
        general: bool = False,
    ) -> None:
        final = {step.leaf: step.parts[0] for step in trace.steps if isinstance(step, Collect)}
        collected = {leaf: value for leaf, value in final.items() if value is not None}
        recorded = [*outputs, *collected.values()]
        self.steps, results, self.removed = simplify(delayed(trace.steps), recorded, fresh)
        left = iter(results[len(outputs) :])
        self.gradients: dict[Any, Value | None] = {
            leaf: next(left) if leaf in collected else None for leaf in final
        }
        read = dict.fromkeys([*(x for step in self.steps for x in step.reads), *results])
        captured = [v for v in read if v.holder is not None and v.place < 0]
        self.captured = captured
        self._nodes = [(v.holder, v.holder.node) for v in captured if isinstance(v.holder, Tensor)]
        given, handed = results[: len(outputs)], results[len(outputs) :]
        repeats = all(not v.shape and v.dtype.kind == "f" for v in given)
        parts: list[Step | Segment] = list(self.steps)
        if native:
            parts = partition(self.steps, given, handed, repeats, general)
        self.native = native
        self.held = held_back(self.steps, set(results))
        self.segments = [part for part in parts if isinstance(part, Segment)]
        self.is_native = all(isinstance(part, Segment | Draw) for part in parts)
        grads = any(isinstance(value.holder, Leaf) for value in captured)
        once = any(isinstance(step, Guard | Draw | Overwrite) for step in self.steps)
        self.is_reversible = self.is_native and not grads and not once
        self.emission = Emission(trace.inputs, captured, parts, given, self.gradients)
        self.random = sources([step for step in self.steps if isinstance(step, Draw)])

    def bound(self, swap: Swap) -> Program:
        """Return the same program on other objects, with memory of its own."""
        other = copy.copy(self)
        other.segments = [segment.bound(swap) for segment in self.segments]
        other.steps = list(map(swap.step, self.steps))
        other.captured = list(map(swap.value, self.captured))
        other.gradients = {swap(leaf): swap.value(v) for leaf, v in self.gradients.items()}
        other.emission = self.emission.bound(swap)
        other._nodes = [(swap(holder), swap(node)) for holder, node in self._nodes]
        other.random = [source.bound(swap) for source in self.random]
        return other

    @property
    def source(self) -> str:
        """The text of the function that runs."""
        return self.emission.source

    def holds(self) -> bool:
        """Whether updates and captured arrays are still of the kind that was recorded."""
        arrays = ((value, content(value)) for value in self.captured)
        alike = all((v.shape, v.dtype) == (a.shape, a.dtype) for v, a in arrays)
        alike = alike and all(tensor.node is node for tensor, node in self._nodes)
        return alike and all(step.valid() for step in self.steps if isinstance(step, Host))

    @property
    def alone(self) -> list[Apply]:
        """The operations that run one by one."""
        inside = {id(step) for segment in self.segments for step in segment.steps}
        applied = (step for step in self.steps if isinstance(step, Apply))
        return [step for step in applied if id(step) not in inside]

    @property
    def islands(self) -> list[str]:
        """The names of these operations."""
        return [step.name for step in self.alone]

    @property
    def memory(self) -> int:
        """The bytes that a run needs: the workspace, and the results that it hands out."""
        handed = [*self.emission.outputs, *filter(None, self.gradients.values())]
        results = sum(value.size * value.dtype.itemsize for value in handed)
        return results + sum(segment.size for segment in self.segments)

    @property
    def is_pure(self) -> bool:
        """Whether it changes nothing outside."""
        return not self.gradients and not any(isinstance(step, COMMITS) for step in self.steps)

    def snapshot(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the arrays that a run of a reversible program overwrites, with copies of them."""
        arrays = [array for segment in self.segments for array in segment.overwritten()]
        return [(array, array.copy()) for array in arrays]

    def run(self, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Run on input arrays; return the outputs, which nobody else has."""
        before = states(self.random)
        try:
            with np.errstate(all="ignore"):
                found: tuple[np.ndarray, ...] = self.emission.run(*arrays)
                return found
        except Stale:  # the ordinary call that follows draws the same numbers
            put_back(self.random, before)
            self._forget()
            raise

    def postmortem(self, arrays: Sequence[np.ndarray]) -> str:
        """Say which operation first makes NaN or infinity of finite operands.

        The steps run one by one on input arrays, and on captured ones as they are now. Nothing is
        updated.
        """
        return postmortem(self.steps, self.emission.inputs, arrays)

    def _forget(self) -> None:
        """Forget gradients of the last run, if they may be overwritten: the function does, too."""
        for leaf in self.gradients:
            if leaf._grad.__class__ is Lent:
                leaf._grad = None
