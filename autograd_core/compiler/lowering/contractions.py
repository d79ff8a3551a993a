"""Contractions of labelled axes: a matrix product once the axes are in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..body import Body
from ..layout import Place, collapse, contiguous, leading
from ..record import Apply, Value
from .products import products
from .registry import arrays_only, lowering

Labels = Sequence[Any]


def _is_real(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)


@lowering("contract", fits=_is_real)
def contract(body: Body, step: Apply) -> None:
    """Sum of products over the labels that the result lacks."""
    of_x, of_y, of_out = step.attributes["labels"]
    if set(of_x) | set(of_y) == set(of_out):
        _all_products(body, step)
        return
    x, y = step.parts
    stack = [i for i in of_out if i in of_x and i in of_y]
    summed = [i for i in of_x if i not in of_out]
    rows, columns = ([i for i in of_out if i in a and i not in b] for a, b in _pairs(of_x, of_y))
    if rows and tuple(of_out[-len(rows) :]) == tuple(rows):  # the transposed product, then
        x, y, of_x, of_y, rows, columns = y, x, of_y, of_x, columns, rows
    sizes = dict(zip((*of_x, *of_y), (*x.shape, *y.shape), strict=True))
    left = _in_order(body, x, of_x, (stack, rows, summed), sizes)
    right = _in_order(body, y, of_y, (stack, summed, columns), sizes)
    m, n, k = (math.prod(sizes[i] for i in part) for part in (rows, columns, summed))
    order = [*stack, *rows, *columns]
    out = _room(body, step.result, order, of_out, sizes)
    shape = [sizes[i] for i in stack]
    whole = out._replace(strides=contiguous((*shape, m, n)))
    products(body, shape, left, right, (m, n, k), whole)
    if order != list(of_out):
        strides = tuple(out.strides[order.index(i)] for i in of_out)
        body.bind(step.result, out._replace(strides=strides))


def _pairs(x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (x, y), (y, x)


def _room(
    body: Body, result: Value, order: Labels, of_out: Labels, sizes: dict[Any, int]
) -> Place:
    """Return memory for the result with its axes in an order: it may be a view of that."""
    if list(order) == list(of_out):
        return body.allot(result)
    return body.scratch([sizes[i] for i in order])


def _in_order(
    body: Body,
    value: Value,
    labels: Labels,
    groups: tuple[Labels, Labels, Labels],
    sizes: dict[Any, int],
) -> Place:
    """Return a place where a value is a stack of matrices that the BLAS can read."""
    stack, rows, columns = groups
    order = [*stack, *rows, *columns]
    place = body.place(value)
    strides = tuple(place.strides[labels.index(i)] for i in order)
    place = place._replace(strides=strides)
    shape = tuple(math.prod(sizes[i] for i in part) for part in (rows, columns))
    found = _joined(strides[len(stack) :], [sizes[i] for i in order][len(stack) :], len(rows))
    if found is not None and leading(found, shape) is not None:
        return place._replace(strides=(*strides[: len(stack)], *found))
    lengths = [sizes[i] for i in order]
    copied = body.scratch(lengths)
    body.copy(place, lengths, copied)
    return copied._replace(strides=contiguous((*lengths[: len(stack)], *shape)))


def _joined(strides: Sequence[int], lengths: Sequence[int], rows: int) -> tuple[int, int] | None:
    """Return the strides of a matrix whose rows are the first axes; None if these do not join."""
    found = []
    for part in slice(rows), slice(rows, None):
        sizes, joined = collapse(lengths[part], {0: strides[part]})
        if len(sizes) > 1:
            return None
        found.append(joined[0][0] if sizes else 1)
    high, wide = math.prod(lengths[:rows]), math.prod(lengths[rows:])
    row, column = found
    return (wide * column if high == 1 else row), (high * row if wide == 1 else column)


def _all_products(body: Body, step: Apply) -> None:
    """Write the product of each element with each that it meets: nothing is summed."""
    of_x, of_y, of_out = step.attributes["labels"]
    strides, places = {}, {}
    for name, value, labels in zip("xy", step.parts, (of_x, of_y), strict=True):
        place = places[name] = body.place(value)
        known = dict(zip(labels, place.strides, strict=True))
        strides[name] = tuple(known.get(i, 0) for i in of_out)
    places["out"] = body.allot(step.result)
    strides["out"] = places["out"].strides
    sizes, found = collapse(step.result.shape, strides)
    x, y, out = (body.at(places[name], found[name]) for name in ("x", "y", "out"))
    body.nest(sizes, [f"{out} = {x} * {y}"])
