"""Loops of elementwise steps: values live in registers unless somebody else needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .body import Body
from .integers import expression, register
from .layout import collapse
from .record import Apply, Value

__all__ = ["loop"]


def loop(body: Body, group: Sequence[Apply], needed: Callable[[Value], bool]) -> None:
    """Write the loop of elementwise steps of one shape; `needed` tells what to store."""
    inside = {step.result: None for step in group}
    kept = [value for value in inside if needed(value)]
    read = [x for step in group for x in step.reads]
    outer = [x for x in dict.fromkeys(read) if x not in inside]
    shape = group[0].result.shape
    places, strides = {}, {}
    for value in outer:
        places[value], strides[value] = body.read(value, shape)
    for value in kept:
        places[value] = body.allot(value)
        strides[value] = places[value].strides
    sizes, collapsed = collapse(shape, strides)
    lines = [f"{x.name}_ = {register(x)}({body.at(places[x], collapsed[x])})" for x in outer]
    lines += [f"{step.result.name}_ = {expression(step)}" for step in group]
    for value in kept:
        stored = f"{value.name}_ != 0.0" if value.dtype == bool else f"{value.name}_"
        lines.append(f"{body.at(places[value], collapsed[value])} = {stored}")
    body.nest(sizes, lines)
