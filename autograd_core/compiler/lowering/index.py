"""Indexing with arrays and scattering; taking at positions that are an operand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..body import Body
from ..layout import Place, contiguous, stretched
from ..record import Apply, Value
from .elements import Elements, listed, move, zeros
from .registry import arrays_only, lowering
from .views import view

# Where positions lie that are data: false where one does not exist.
POSITIONS = """
@inline
def positions_{mode}(given, size, stride, positions):
    good = True
    for i in range(given.size):
        k = np.int64(given[i])
        {rule}
        good = good & (k >= 0) & (k < size)
        positions[i] = k * stride
    return good
"""
RULES = {
    "raise": "k += size if k < 0 else 0",
    "wrap": "k %= size",
    "clip": "k = min(max(k, 0), size - 1)",
}

ARRAYS = (bool, np.bool_, list, tuple, np.ndarray)  # what makes a copy, in an index


# ----------------------------------------------------------- positions that are an attribute


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _is_basic(step: Apply) -> bool:
    return not any(isinstance(part, ARRAYS) for part in _parts(step.attributes["index"]))


def _may_repeat(index: Any) -> bool:
    arrays = (np.asarray(part) for part in _parts(index) if isinstance(part, ARRAYS))
    return any(array.dtype != bool for array in arrays)


def _coordinates(shape: tuple[int, ...], index: Any) -> list[np.ndarray]:
    """Return for each axis where the selected elements are."""
    axes = np.indices(shape, np.int64, sparse=True)
    return [np.broadcast_to(axis, shape)[index] for axis in axes]


@lowering("getitem", integers=True, moves=_is_basic)
def getitem(body: Body, step: Apply) -> None:
    """Look where strides tell the elements; else copy them."""
    (x,) = step.parts
    index = step.attributes["index"]
    if _is_basic(step):
        whole = any(part is Ellipsis for part in _parts(index))
        view(body, step, index=index if whole else (*_parts(index), ...))  # a view, no number
        return
    found = listed(body, body.place(x), _coordinates(x.shape, index))
    if found.table is None:
        body.bind(step.result, found.place)
    else:
        move(body, step.result.shape, found, Elements(body.allot(step.result)))


def _is_like_its_places(step: Apply) -> bool:
    """Whether what is scattered has no axes that its places have not."""
    if not arrays_only(step):
        return False
    places = np.broadcast_to(np.int8(0), step.result.shape)[step.attributes["index"]]
    return len(step.parts[-1].shape) <= np.ndim(places)


@lowering("scatter", fits=_is_like_its_places, integers=True)
def scatter(body: Body, step: Apply) -> None:
    """Add to zeros, or assign where no place can be meant twice."""
    piece, out = step.piece, body.allot(step.result if step.piece is None else step.piece.whole)
    if piece is None or not piece.covered:
        zeros(body, out, step.result.size)
    if piece is not None and piece.whole is not step.result:
        body.bind(step.result, out)
    _put(body, step, out, "+=" if _may_repeat(step.attributes["index"]) else "=")


@lowering("scatter_add", fits=_is_like_its_places, integers=True)
def scatter_add(body: Body, step: Apply) -> None:
    """Add to an array where it lies, if nobody else needs it as it was."""
    given = step.parts[0]
    before = body.place(given)
    if step.piece is not None:  # which lies where all of them do
        if step.piece.whole is not step.result:
            body.bind(step.result, before)
        _put(body, step, before, "=" if step.piece.fresh else "+=")
        return
    out = body.allot(step.result, [before])
    body.copy_first(before, given.shape, out)
    _put(body, step, out, "+=")


def _put(body: Body, step: Apply, out: Place, sign: str) -> None:
    coordinates = _coordinates(step.result.shape, step.attributes["index"])
    shape = np.shape(coordinates[0]) if coordinates else ()
    source, strides = body.read(step.parts[-1], shape)
    target = listed(body, out, coordinates)
    move(body, shape, Elements(source._replace(strides=strides)), target, sign)


# -------------------------------------------------------------- positions that are an operand


def _positions(body: Body, indices: Value, size: int, stride: int, mode: str, name: str) -> Place:
    """Write the positions of a step, times a stride, to memory; give up where one is not there."""
    given = body.flat(body.rows(indices), indices.size)
    place = body.scratch(indices.shape, np.int64)
    body.definitions[POSITIONS.format(mode=mode, rule=RULES[mode])] = None
    to = body.flat(place, indices.size)
    call = f"positions_{mode}({given}, int({size}), {_integer(stride)}, {to})"
    body.give_up(f"not {call}", f"{name} refuses its positions")
    return place


def _integer(number: int) -> str:
    return f"-int({-number})" if number < 0 else f"int({number})"


def _flattened(axis: int | None, shape: tuple[int, ...]) -> bool:
    return axis is None or not shape


def _one_axis(
    body: Body, step: Apply, place: Place, shape: tuple[int, ...]
) -> tuple[Elements, tuple[int, ...]]:
    """Return the elements at positions along an axis, and their shape."""
    indices, chosen = step.parts[1], step.attributes
    if _flattened(chosen["axis"], shape):
        shape, place = (math.prod(shape),), place._replace(strides=(1,))
    axis = (chosen["axis"] or 0) % len(shape)
    size, stride = shape[axis], place.strides[axis]
    table = _positions(body, indices, size, stride, chosen["mode"], step.name)
    before, after = place.strides[:axis], place.strides[axis + 1 :]
    many, few = (0,) * len(indices.shape), (0,) * axis
    elements = Elements(
        place._replace(strides=before + many + after),
        table._replace(strides=few + contiguous(indices.shape) + (0,) * len(after)),
    )
    return elements, shape[:axis] + indices.shape + shape[axis + 1 :]


@lowering("take", integers=True)
def take(body: Body, step: Apply) -> None:
    """Copy the elements at positions."""
    x = step.parts[0]
    place = body.rows(x) if _flattened(step.attributes["axis"], x.shape) else body.place(x)
    source, shape = _one_axis(body, step, place, x.shape)
    move(body, shape, source, Elements(_as(body.allot(step.result), shape)))


@lowering("take_pull", integers=True)
def take_pull(body: Body, step: Apply) -> None:
    """Add to the elements at positions."""
    out = zeros(body, body.allot(step.result), step.result.size)
    target, shape = _one_axis(body, step, out, step.result.shape)
    place, strides = body.read(step.parts[0], shape)
    move(body, shape, Elements(place._replace(strides=strides)), target, "+=")


def _as(place: Place, shape: tuple[int, ...]) -> Place:
    return place._replace(strides=contiguous(shape))


def _along(
    body: Body, step: Apply, place: Place, shape: tuple[int, ...]
) -> tuple[Elements, tuple[int, ...]]:
    """Return the elements at positions in each line along an axis, and their shape."""
    indices, axis = step.parts[1], step.attributes["axis"]
    if axis is None:
        shape, place, axis = (math.prod(shape),), place._replace(strides=(1,)), 0
    axis %= len(shape)
    size, stride = shape[axis], place.strides[axis]
    table = _positions(body, indices, size, stride, "raise", step.name)
    lines = (*shape[:axis], 1, *shape[axis + 1 :])
    full = np.broadcast_shapes(lines, indices.shape)
    elements = Elements(
        place._replace(strides=stretched(place, lines, full)),
        table._replace(strides=stretched(table, indices.shape, full)),
    )
    return elements, full


@lowering("take_along_axis", integers=True)
def take_along_axis(body: Body, step: Apply) -> None:
    """Copy the elements at positions in each line."""
    x = step.parts[0]
    place = body.rows(x) if step.attributes["axis"] is None else body.place(x)
    source, shape = _along(body, step, place, x.shape)
    move(body, shape, source, Elements(body.allot(step.result)))


@lowering("take_along_axis_pull", integers=True)
def take_along_axis_pull(body: Body, step: Apply) -> None:
    """Add to the elements at positions in each line."""
    out = zeros(body, body.allot(step.result), step.result.size)
    target, shape = _along(body, step, out, step.result.shape)
    place, strides = body.read(step.parts[0], shape)
    move(body, shape, Elements(place._replace(strides=strides)), target, "+=")
