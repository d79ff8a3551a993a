"""Slopes: what a derivative needs of an activation is computed with its value.

A value and its slope share their expensive part, an exponential; LLVM finds it once where both
stand in one loop. But the loop that multiplies a cotangent by the slope comes later, and would
compute it again from the operand. So the loop that computes the value computes the slope as well,
and keeps that in the place of the operand: as much memory, and half the exponentials.
"""

from __future__ import annotations

import copy
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ..declare import primitive
from ..kernels.jit import is_series
from .fuse import units
from .record import Apply, Overwrite, Step, Update, Value
from .rewriting import changed
from .scalars import scalar_text

__all__ = ["with_slopes"]

SMALL = 1 << 14  # elements that lie in a cache until the slope is needed
PULL = re.compile(r"pulled\(ct, ((\w+)_slope)(\(.*\))\)")


@primitive(pointwise=True, scalar="pulled(ct, slope)", register=False, internal=True)
def pulled(ct, slope):  # type: ignore[no-untyped-def]
    """ct slope, in which an exact zero wins over an infinity."""
    zero = (ct == 0.0) | ((slope == 0.0) & (ct == ct))
    return np.where(zero, 0.0, ct * slope)


def with_slopes(
    steps: Sequence[Step], needed: Collection[Value], moves: Callable[[Step], bool]
) -> list[Step]:
    """Return steps that do the same, with slopes where the values are computed.

    Parameters
    ----------
    steps : sequence of Step
    needed : collection of Value
        What others read afterwards.
    moves : callable
        Says of a step that it is a view.
    """
    pulls = _pulls(steps)
    if not pulls:
        return list(steps)
    homes = {step: i for i, unit in enumerate(units(steps, moves)) for step in unit}
    apart: dict[Apply, list[Apply]] = defaultdict(list)
    for pull, maker in pulls.items():
        if homes[maker] < homes[pull]:
            apart[maker].append(pull)
    readers: dict[Value, list[Step]] = defaultdict(list)
    for step in steps:
        for x in step.reads:
            readers[x].append(step)
    made = {step.result for step in steps if isinstance(step, Apply)}.difference(needed)

    def is_spared(maker: Apply) -> bool:
        """Whether the operand need not be kept, or is small."""
        (x,) = maker.parts
        later = (step for step in readers[x] if homes[step] > homes[maker])
        alone = x in made and not x.view and set(apart[maker]).issuperset(later)
        return alone or x.size <= SMALL

    return _written(steps, {maker: found for maker, found in apart.items() if is_spared(maker)})


def _pulls(steps: Sequence[Step]) -> dict[Apply, Apply]:
    """Return the steps that multiply by a slope, with those that compute the value."""
    known: dict[Hashable, Apply] = {}
    found: dict[Apply, Apply] = {}
    for step in steps:
        if isinstance(step, Update | Overwrite):
            known.clear()  # what was computed before may be of other numbers
        if not isinstance(step, Apply) or not step.op.pointwise:
            continue
        text = scalar_text(step)
        match = PULL.fullmatch(text or "")
        if match is None:
            known.setdefault(_key(text, step.parts, step), step)
            continue
        maker = known.get(_key(match[2] + match[3], step.parts[1:], step))
        if maker is not None and maker.reads and is_series(match[1]):
            found[step] = maker
    return found


def _key(text: str | None, operands: tuple[object, ...], step: Apply) -> Hashable:
    """Return what is equal for steps that compute the same, if they are expressions."""
    return text and (text, operands, *step.attributes.items())


def _written(steps: Sequence[Step], followers: Mapping[Apply, Sequence[Apply]]) -> list[Step]:
    """Write slopes after the values, and multiply by them."""
    made = (step.result for step in steps if isinstance(step, Apply))
    indices = itertools.count(1 + max((value.index for value in made), default=0))
    slopes: dict[Step, Value] = {}
    found: list[Step] = []
    for step in steps:
        if step in slopes and isinstance(step, Apply):
            parts = step.parts[0], slopes[step]
            step = changed(step, op=pulled, parts=parts, attributes={})
        found.append(step)
        if isinstance(step, Apply) and step in followers:
            pulls = followers[step]
            result = Value(next(indices), step.result.shape, step.result.dtype)
            found.append(changed(step, op=_slope(pulls[0].op), result=result))
            slopes |= dict.fromkeys(pulls, result)
    return found


@functools.cache
def _slope(op: Any) -> Any:
    """Return the op that computes the slope by which another one multiplies."""
    text = op.facets["scalar"].removeprefix("pulled(ct, ").removesuffix(")")
    slope = copy.copy(op)
    slope.name, slope.operands = text.partition("(")[0], op.operands[1:]
    slope.facets = {"pointwise": True, "scalar": text}
    slope.forward = functools.partial(op.forward, 1.0)
    return slope
