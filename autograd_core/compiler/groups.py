"""Each piece of machine code in a program, against the operations that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .compare import close, content
from .draws import unused
from .emit import Emission
from .fuse import units
from .native import Segment, moves
from .program import Program
from .record import Apply, Draw, Step, Value
from .running import Stale

__all__ = ["Disagreement", "disagreements"]


class Disagreement(NamedTuple):
    """A result of machine code that is not what its operation gives.

    Attributes
    ----------
    op, line : str
        The first operation whose result differs, and the user's line that applied it.
    group : tuple of str
        The operations that share a loop with it, or itself alone.
    segment, step : int
        The native function, and which step of the program the operation is, both counted from 0.
    element : tuple of int
        Where they differ most.
    got, want : float
        What machine code and the operation give.
    """

    op: str
    line: str
    group: tuple[str, ...]
    segment: int
    step: int
    element: tuple[int, ...]
    got: float
    want: float

    def __str__(self) -> str:
        at = f" at [{', '.join(map(str, self.element))}]" if self.element else ""
        numbers = f"machine code gives {self.got:.9g}{at}, the operation {self.want:.9g}"
        group = f" in the loop of {', '.join(self.group)}" if len(self.group) > 1 else ""
        where = f"step {self.step}, native function {self.segment}{group}, {self.line}"
        return f"{self.op}: {numbers} ({where})"


def disagreements(program: Program, arrays: Sequence[np.ndarray]) -> list[Disagreement]:
    """Run every operation on its own, and every segment on what the operations gave.

    Updates are left out, so that nothing changes.
    """
    known: dict[Value, Any] = dict(zip(program.emission.inputs, arrays, strict=True))
    with np.errstate(all="ignore"):
        for step in program.steps:
            _compute(step, known)
        found = [_judged(program, i, known) for i in range(len(program.segments))]
    return [disagreement for disagreement in found if disagreement is not None]


def _compute(step: Step, known: dict[Value, Any]) -> None:
    """Compute the result of a step as the operation does."""
    known.update({v: content(v) for v in step.reads if v not in known and v.holder is not None})
    if isinstance(step, Apply):
        operands = [known[x] if isinstance(x, Value) else x for x in step.parts]
        known[step.result] = step.op.compute(*operands, **step.attributes)
    elif isinstance(step, Draw):
        known[step.result] = unused(step)


def _judged(program: Program, number: int, known: dict[Value, Any]) -> Disagreement | None:
    """Return the first operation of a segment that machine code does differently."""
    segment = program.segments[number]
    applied = [step for step in segment.steps if isinstance(step, Apply)]
    others = {x for step in segment.steps if not isinstance(step, Apply) for x in step.reads}
    made = {step.result: step for step in applied}
    needed = {v for v in made if v in segment.results or v in others}
    wrong = _differing(applied, needed, segment.dtype, known)
    if not wrong:
        return None
    # With every result in memory, the first that differs is of the operation to blame.
    wrong = _differing(applied, set(made), segment.dtype, known) or wrong
    value = next(v for v in made if v in wrong)
    step, group = made[value], [u for u in units(applied, moves) if made[value] in u]
    names = tuple(s.name for s in group[0] if isinstance(s, Apply)) if group else (step.name,)
    index = _worst(wrong[value], known[value])
    numbers = float(wrong[value][index]), float(known[value][index])
    place = number, program.steps.index(step), index
    return Disagreement(step.name, step.line, names, *place, *numbers)


def _differing(
    steps: Sequence[Apply], needed: set[Value], dtype: str, known: dict[Value, Any]
) -> dict[Value, np.ndarray]:
    """Run steps as machine code; return the results that differ from those that are known."""
    if not needed:
        return {}
    segment = Segment(steps, needed, dtype)
    emission = Emission(segment.arrays, segment.captured, [segment], segment.results, {})
    try:
        found = emission.run(*(known[value] for value in segment.arrays))
    except Stale:  # machine code has left it to the operations
        return {}
    pairs = zip(segment.results, found, strict=True)
    return {value: got for value, got in pairs if not close(got, np.asarray(known[value]))}


def _worst(got: np.ndarray, want: np.ndarray) -> tuple[int, ...]:
    """Return the index of the element that differs most."""
    apart = np.abs(np.asarray(got, float) - np.asarray(want, float))
    place = np.unravel_index(int(np.nan_to_num(apart, nan=np.inf).argmax()), apart.shape)
    return tuple(int(i) for i in place)
