"""Loops of elementwise steps: values live in registers unless somebody else needs them.

Sums along the last axes of what a loop computes are taken in it: it writes blocks of summands,
adds each up with vectors, and the blocks in double precision. A loop over many elements is a
part of its own, which several threads can share; its results do not depend on how many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .body import Body
from .integers import expression, register
from .layout import Place, collapse, contiguous
from .record import Apply, Value

__all__ = ["loop", "reduced_axes"]

BLOCK = 512
TOTAL = """
@inline_reordered
def total_of(x):
    total = np.float64(0)
    for i in range(x.size):
        total += x[i]
    return total
"""
Strides = dict[Value, tuple[int, ...]]


def reduced_axes(step: Apply) -> int | None:
    """Return how many of the first axes a reduction keeps; None if it keeps a later one."""
    shape, axis = step.parts[0].shape, step.attributes["axis"]
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    summed = sorted(a % len(shape) for a in axes)
    first = len(shape) - len(summed)
    return first if summed == list(range(first, len(shape))) else None


def loop(
    body: Body, group: Sequence[Apply], sums: Sequence[Apply], needed: Callable[[Value], bool]
) -> None:
    """Write the loop of elementwise steps of one shape, with sums over the same last axes.

    `needed` tells what to store.
    """
    plan = _plan(group, needed, body.dtype)
    shape = group[0].result.shape
    places: dict[Value, Place] = {}
    strides: Strides = {}
    for value in plan.read:
        places[value], strides[value] = body.read(value, shape)
    for value, own in zip(plan.kept, plan.own, strict=True):
        places[value] = body.allot(value, [places[x] for x in own])
        strides[value] = places[value].strides
    writer = _Loop(body, plan, places)
    if sums:
        writer.summing(shape, strides, sums)
    else:
        sizes, collapsed = collapse(shape, strides)
        body.shared(sizes, writer.lines(collapsed), math.prod(shape))


class _Plan(NamedTuple):
    """What is the same whenever a loop is written, wherever its values lie.

    The lines that read begin and end with `ends`; a result can lie in the place of its `own`
    operands, and of theirs where these are in registers only.
    """

    read: list[Value]
    ends: list[tuple[str, str]]
    assignments: list[str]
    kept: list[Value]
    own: list[list[Value]]


def _plan(group: Sequence[Apply], needed: Callable[[Value], bool], dtype: str) -> _Plan:
    made = {step.result: step for step in group}
    shape = group[0].result.shape
    read = [x for x in dict.fromkeys(x for step in group for x in step.reads) if x not in made]
    kept = [value for value in made if needed(value)]
    there = {x for x in read if x.shape == shape}
    own: list[list[Value]] = []
    for value in kept:
        nearest = made[value].reads
        inner = [x for x in nearest if x in made and not needed(x)]
        further = [y for x in inner for y in made[x].reads]
        own.append([x for x in dict.fromkeys([*nearest, *further]) if x in there])
    ends = [
        (f"{x.name}_ = ", "") if x.dtype == dtype else (f"{x.name}_ = {register(x)}(", ")")
        for x in read
    ]
    assignments = [f"{step.result.name}_ = {expression(step)}" for step in group]
    return _Plan(read, ends, assignments, kept, own)


class _Loop:
    def __init__(self, body: Body, plan: _Plan, places: dict[Value, Place]) -> None:
        self.body = body
        self.plan = plan
        self.places = places

    def lines(self, strides: Strides) -> list[str]:
        """Return the lines for one element."""
        body, places = self.body, self.places
        pairs = zip(self.plan.read, self.plan.ends, strict=True)
        lines = [f"{begin}{body.at(places[x], strides[x])}{end}" for x, (begin, end) in pairs]
        lines += self.plan.assignments
        for value in self.plan.kept:
            stored = f"{value.name}_ != 0.0" if value.dtype == bool else f"{value.name}_"
            lines.append(f"{body.at(places[value], strides[value])} = {stored}")
        return lines

    def summing(self, shape: tuple[int, ...], strides: Strides, sums: Sequence[Apply]) -> None:
        """Write the loop in blocks, the sums of which are added up."""
        first = reduced_axes(sums[0]) or 0
        outside, before = collapse(shape[:first], {v: s[:first] for v, s in strides.items()})
        inside, within = collapse(shape[first:], {v: s[first:] for v, s in strides.items()})
        joined = {v: (*before[v], *within[v]) for v in strides}
        if not inside:  # of one element each
            inside, joined = [1], {v: (*s, 0) for v, s in joined.items()}
        elements = math.prod(shape)
        names = [f"t{i}" for i in range(len(sums))]
        results = [self.body.allot(step.result) for step in sums]
        if outside:
            stride = contiguous(outside)
            stores = [self.body.at(place, stride) for place in results]
            lines = self._summed(inside, len(outside), self.lines(joined), names, sums)
            lines += _stored(stores, sums, names)
            self.body.shared(outside, lines, elements)
            return
        if len(inside) == 1:  # the blocks are what is shared
            joined = {v: (0, *s) for v, s in joined.items()}
            rows = -(-inside[0] // BLOCK)
            block = f"range(i0 * {BLOCK}, min(i0 * {BLOCK} + {BLOCK}, {inside[0]}))"
            lines = _block(names, f"for i1 in {block}:", self.lines(joined), sums)
        else:
            rows, *inside = inside
            lines = self._summed(inside, 1, self.lines(joined), names, sums)
        totals = [self.body.scratch((rows,), np.float64) for _ in sums]
        lines += [f"{self.body.at(p, (1,))} = {n}" for n, p in zip(names, totals, strict=True)]
        self.body.shared([rows], lines, elements)
        self.body.definitions[TOTAL] = None
        found = [f"total_of({self.body.flat(place, rows)})" for place in totals]
        self.body.lines += _stored(map(self.body.at, results), sums, found)

    def _summed(
        self,
        sizes: Sequence[int],
        depth: int,
        element: Sequence[str],
        names: Sequence[str],
        sums: Sequence[Apply],
    ) -> list[str]:
        """Return lines that add up all elements of the last axes."""
        *rows, length = sizes
        lines = [f"{name} = np.float64(0)" for name in names]
        indent = 0
        for i, size in enumerate(rows):
            lines.append(f"{'    ' * indent}for i{depth + i} in range({size}):")
            indent += 1
        last = f"i{depth + len(rows)}"
        head = f"for {last} in range({length}):"
        if length > BLOCK:
            lines.append(f"{'    ' * indent}for b in range(0, {length}, {BLOCK}):")
            head = f"for {last} in range(b, min(b + {BLOCK}, {length})):"
            indent += 1
        sums_of_block = _block([f"b{name}" for name in names], head, element, sums)
        sums_of_block += [f"{name} += b{name}" for name in names]
        return lines + [f"{'    ' * indent}{line}" for line in sums_of_block]


def _block(
    names: Sequence[str], head: str, element: Sequence[str], sums: Sequence[Apply]
) -> list[str]:
    """Return lines that add up one block, with vectors, and widen the sums."""
    lines = [f"{name} = F(0)" for name in names]
    lines.append(head)
    lines += [f"    {line}" for line in element]
    for name, step in zip(names, sums, strict=True):
        lines.append(f"    {name} = sum_reordered({name}, {step.parts[0].name}_)")
    return lines


def _stored(targets: Iterable[str], sums: Sequence[Apply], totals: Sequence[str]) -> list[str]:
    """Return lines that store sums, or means."""
    lines = []
    for target, step, total in zip(targets, sums, totals, strict=True):
        count = step.parts[0].size // step.result.size
        mean = f" / np.float64({count})" if step.op.name == "mean" else ""
        lines.append(f"{target} = F({total}{mean})")
    return lines
