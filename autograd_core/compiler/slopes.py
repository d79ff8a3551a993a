"""Slopes: what a derivative needs of a function is computed with its value.

tanh and its slope share an exponential, sin and cos a reduction of the angle; LLVM finds it once
where both stand in one loop. But the loop that goes backward is another one, and would compute it
again from the operand. So the loop that computes the value computes the slope as well, and keeps
that in the place of the operand: as much memory, and half the work. Where others need the operand,
it stays, and the slope lies beside it if both are small.
"""

from __future__ import annotations

import copy
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..declare import primitive
from ..kernels.jit import is_series
from .fuse import is_sum
from .record import Apply, Overwrite, Step, Update, Value
from .rewriting import changed

__all__ = ["with_slopes"]

SMALL = 1 << 14  # elements that lie in a cache until the slope is needed
PULL = re.compile(r"pulled\(ct, (.*)\)")


@primitive(pointwise=True, scalar="pulled(ct, slope)", register=False, internal=True)
def pulled(ct, slope):  # type: ignore[no-untyped-def]
    """ct slope, in which an exact zero wins over an infinity."""
    zero = (ct == 0.0) | ((slope == 0.0) & (ct == ct))
    return np.where(zero, 0.0, ct * slope)


class Series(NamedTuple):
    """A costly function of one operand: all of a step, or the slope by which it multiplies."""

    x: Value
    kind: Hashable
    is_slope: bool


def with_slopes(units: Sequence[list[Step]], needed: Collection[Value]) -> list[list[Step]]:
    """Return loops that do the same, with slopes where the values are computed.

    Parameters
    ----------
    units : sequence of list of Step
        Steps that share a loop, and others, in the order in which they run.
    needed : collection of Value
        What others read afterwards.
    """
    steps = [step for unit in units for step in unit]
    series, makers = _pairs(steps)
    if not makers:
        return list(units)
    homes = {step: i for i, unit in enumerate(units) for step in unit}
    apart: dict[Apply, list[Apply]] = defaultdict(list)
    added = {x for step in steps if is_sum(step) for x in step.reads}  # in the loop, maybe
    for later, maker in makers.items():
        stays = later.result in added and not series[later].is_slope
        if homes[maker] < homes[later] and not stays:
            apart[maker].append(later)
    readers: dict[Value, list[Step]] = {series[maker].x: [] for maker in apart}
    for step in steps:
        for x in step.reads:
            if x in readers:
                readers[x].append(step)
    made = {step.result for step in steps if isinstance(step, Apply)}.difference(needed)

    def is_spared(maker: Apply) -> bool:
        """Whether one slope is kept in the place of the operand, or that is small."""
        x, found = series[maker].x, apart[maker]
        others = {step for step in readers[x] if homes[step] > homes[maker]}.difference(found)
        one = not others and len({series[step].kind for step in found}) == 1
        return (one and x in made and not x.view) or x.size <= SMALL

    chosen = {maker: found for maker, found in apart.items() if is_spared(maker)}
    return _written(units, series, chosen)


def _pairs(steps: Sequence[Step]) -> tuple[dict[Apply, Series], dict[Apply, Apply]]:
    """Return the costly steps, and of some of them the first that has the same operand."""
    series: dict[Apply, Series] = {}
    first: dict[Value, Apply] = {}
    makers: dict[Apply, Apply] = {}
    for step in steps:
        if not isinstance(step, Apply):
            if isinstance(step, Update | Overwrite):
                first.clear()  # what was computed before may be of other numbers
            continue
        found = _series(step)
        if found is None:
            continue
        series[step] = found
        if found.x in first:
            makers[step] = first[found.x]
        elif not found.is_slope:
            first[found.x] = step
    return series, makers


def _series(step: Apply) -> Series | None:
    """Return the costly function of one operand in a step, if there is one."""
    scalar = step.op.facets.get("scalar")
    if not isinstance(scalar, str) or (found := _costly(scalar)) is None:
        return None
    text, is_slope = found
    operands = step.parts[is_slope:]
    if len(operands) > 1 or not isinstance(operands[0], Value):
        return None
    return Series(operands[0], (text, *step.attributes.items()), is_slope)


@functools.cache
def _costly(text: str) -> tuple[str, bool] | None:
    """Return the expression of a costly function, and whether it is multiplied by."""
    match = PULL.fullmatch(text)
    inner = match[1] if match else text
    costly = any(map(is_series, re.findall(r"(\w+)\(", inner)))
    return (inner, match is not None) if costly else None


def _written(
    units: Sequence[Sequence[Step]],
    series: Mapping[Apply, Series],
    chosen: Mapping[Apply, Sequence[Apply]],
) -> list[list[Step]]:
    """Write slopes behind the values, and multiply by them; what has no cotangent moves there."""
    made = (step.result for unit in units for step in unit if isinstance(step, Apply))
    indices = itertools.count(1 + max((value.index for value in made), default=0))
    behind: dict[Step, list[Step]] = {}
    instead: dict[Step, list[Step]] = {}
    for maker, followers in chosen.items():
        behind[maker] = []
        slopes: dict[Hashable, Value] = {}
        for step in followers:
            x, kind, is_slope = series[step]
            if not is_slope:
                behind[maker].append(step)
                instead[step] = []
                continue
            if kind not in slopes:
                slopes[kind] = Value(next(indices), x.shape, step.result.dtype)
                slope = changed(step, op=_slope(step.op), parts=(x,), result=slopes[kind])
                behind[maker].append(slope)
            parts = step.parts[0], slopes[kind]
            instead[step] = [changed(step, op=pulled, parts=parts, attributes={})]
    found = [
        [other for step in unit for other in (*instead.get(step, [step]), *behind.get(step, ()))]
        for unit in units
    ]
    return [unit for unit in found if unit]


@functools.cache
def _slope(op: Any) -> Any:
    """Return the op that computes the slope by which another one multiplies."""
    match = PULL.fullmatch(op.facets["scalar"])
    assert match is not None
    text = match[1]
    slope = copy.copy(op)
    slope.name, slope.operands = text.partition("(")[0], op.operands[1:]
    slope.facets = {"pointwise": True, "scalar": text}
    slope.forward = functools.partial(op.forward, 1.0)
    return slope
