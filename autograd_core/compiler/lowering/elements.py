"""Moving elements: between places in a buffer, some of which only a table of positions tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..body import Body
from ..layout import Place, collapse, contiguous, index

__all__ = ["Elements", "listed", "move", "zeros"]


class Elements(NamedTuple):
    """Elements of a buffer: where their place says, and so much further as a table says.

    Both places have a stride for each axis of what is moved.
    """

    place: Place
    table: Place | None = None


def listed(body: Body, place: Place, coordinates: Sequence[np.ndarray]) -> Elements:
    """Return the elements with these coordinates, one array for each axis of the place.

    Along axes where the positions are evenly spaced a stride tells them; the rest is a table.
    """
    pairs = zip(coordinates, place.strides, strict=True)
    positions = np.asarray(sum((c * stride for c, stride in pairs), np.int64(0)))
    strides = [0] * positions.ndim
    for axis, size in enumerate(positions.shape):
        steps = np.diff(positions, axis=axis)
        if size > 1 and (steps == steps.flat[0]).all():
            strides[axis] = int(steps.flat[0])
            positions = positions.take([0], axis)
    first = place._replace(strides=tuple(strides))
    if positions.size == 1:
        return Elements(first._replace(offset=place.offset + int(positions.flat[0])))
    name = body.outside(np.ascontiguousarray(positions))
    along = zip(positions.shape, contiguous(positions.shape), strict=True)
    table = Place(name, 0, tuple(stride if size > 1 else 0 for size, stride in along))
    return Elements(first, table)


def zeros(body: Body, out: Place, size: int) -> Place:
    """Write zeros to all of a result."""
    body.nest((size,), [f"{body.at(out, (1,))} = int(0)"])
    return out


def move(
    body: Body, shape: Sequence[int], source: Elements, target: Elements, sign: str = "="
) -> None:
    """Write the loops over a shape that assign, or with the sign ``+=`` add, elements."""
    pairs = {"from": source, "to": target}
    strides: dict[Any, Any] = {name: e.place.strides for name, e in pairs.items()}
    tables = {f"k_{name}": e.table for name, e in pairs.items() if e.table is not None}
    strides |= {name: table.strides for name, table in tables.items()}
    sizes, found = collapse(shape, strides)
    texts = {name: _text(name, pairs[name].place, found[name], tables) for name in pairs}
    lines = [f"{name} = {body.at(table, found[name])}" for name, table in tables.items()]
    depth = max((_depth(found[name]) for name in tables), default=len(sizes))
    lines += _nest(sizes, depth, f"{texts['to']} {sign} {texts['from']}")
    if sign == "=":
        body.shared(sizes[:depth], lines, math.prod(shape))
    else:  # threads would meet at one place
        body.nest(sizes[:depth], lines)


def _text(name: str, place: Place, strides: Sequence[int], tables: dict[str, Place]) -> str:
    further = f" + k_{name}" if f"k_{name}" in tables else ""
    return f"{place.buffer}[{index(place.offset, strides)}{further}]"


def _depth(strides: Sequence[int]) -> int:
    """Return how many loops a position depends on."""
    return max((axis + 1 for axis, stride in enumerate(strides) if stride), default=0)


def _nest(sizes: Sequence[int], depth: int, inner: str) -> list[str]:
    """Return the loops from `depth` on: positions are read before them, but once."""
    rest = [f"for i{axis} in range({sizes[axis]}):" for axis in range(depth, len(sizes))]
    return [f"{'    ' * i}{line}" for i, line in enumerate([*rest, inner])]
