"""Joining, rolling, triangles, diagonals and conversions: each element is copied once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..body import Body
from ..layout import Place, collapse, contiguous
from ..record import Apply
from .elements import zeros
from .registry import arrays_only, lowering


@lowering("concatenate", integers=True)
def concatenate(body: Body, step: Apply) -> None:
    """Copy each array to where the last one ends."""
    axis, out = step.attributes["axis"], body.allot(step.result)
    for x in step.parts:
        if axis is None:
            place, shape = body.rows(x)._replace(strides=(1,)), (x.size,)
            stride = 1
        else:
            place, shape = body.place(x), x.shape
            stride = out.strides[axis]
        body.copy(place, shape, out)
        length = shape[axis or 0]
        out = out._replace(offset=out.offset + length * stride)


@lowering("stack", integers=True)
def stack(body: Body, step: Apply) -> None:
    """Copy each array to its place along the new axis."""
    out = body.allot(step.result)
    axis = step.attributes["axis"] % len(out.strides)
    strides = out.strides[:axis] + out.strides[axis + 1 :]
    for i, x in enumerate(step.parts):
        begin = out._replace(offset=out.offset + i * out.strides[axis], strides=strides)
        body.copy(body.place(x), x.shape, begin)


# ------------------------------------------------------------------------------------- rolling


@lowering("roll", integers=True)
def roll(body: Body, step: Apply) -> None:
    """Copy what comes to the beginning of an axis and what comes to its end, one after another."""
    (x,) = step.parts
    axis, out = step.attributes["axis"], body.allot(step.result)
    if axis is None:
        place, shape, axis = body.rows(x)._replace(strides=(1,)), (x.size,), 0
        out = out._replace(strides=(1,))
    else:
        place, shape = body.place(x), x.shape
    shifts = [0] * len(shape)
    for one, by in np.broadcast(axis, step.attributes["shift"]):
        shifts[one] += int(by)
    for pieces in itertools.product(*map(_pieces, shape, shifts)):
        froms, tos, lengths = zip(*pieces, strict=True) if pieces else ((), (), ())
        body.copy(_from(place, froms), lengths, _from(out, tos))


def _pieces(size: int, shift: int) -> list[tuple[int, int, int]]:
    """Return where the pieces of an axis are, where they go, and their lengths.

    >>> _pieces(5, 2)
    [(3, 0, 2), (0, 2, 3)]
    """
    shift %= size
    return [piece for piece in ((size - shift, 0, shift), (0, shift, size - shift)) if piece[2]]


def _from(place: Place, starts: tuple[int, ...]) -> Place:
    shift = sum(i * stride for i, stride in zip(starts, place.strides, strict=True))
    return place._replace(offset=place.offset + shift)


# ----------------------------------------------------------------------- triangles, diagonals


@lowering("tril", "triu", integers=True)
def triangle(body: Body, step: Apply) -> None:
    """Copy the part of each row that is on this side of the diagonal, over zeros."""
    *batch, rows, columns = shape = step.result.shape
    place, strides = body.read(step.parts[0], shape)
    out = zeros(body, body.allot(step.result), step.result.size)
    sizes, found = collapse(batch, {"from": strides[:-2], "to": out.strides[:-2]})
    depth = len(sizes)
    x = body.at(place, [*found["from"], *strides[-2:]])
    lower = step.name == "tril"
    edge = f"min(max(i{depth} + {step.attributes['k'] + lower}, 0), {columns})"
    bounds = edge if lower else f"{edge}, {columns}"
    body.nest(
        [*sizes, rows],
        [
            f"for i{depth + 1} in range({bounds}):",
            f"    {body.at(out, [*found['to'], *out.strides[-2:]])} = {x}",
        ],
    )


@lowering("put_diagonal", integers=True)
def put_diagonal(body: Body, step: Apply) -> None:
    """Copy to the diagonal of zeros."""
    (x,) = step.parts
    labels = step.attributes["labels"]
    out = zeros(body, body.allot(step.result), step.result.size)
    kept = dict.fromkeys(labels, 0)
    sizes = dict(zip(labels, step.result.shape, strict=True))
    for label, stride in zip(labels, out.strides, strict=True):
        kept[label] += stride
    shape = tuple(sizes[label] for label in kept)
    place, strides = body.read(x, shape)
    diagonal = out._replace(strides=tuple(kept.values()))
    body.copy(place._replace(strides=strides), shape, diagonal)


# --------------------------------------------------------------------------------- conversions


def _converts(step: Apply) -> bool:
    """Whether a conversion is the same everywhere: for numbers too large it is not defined."""
    before, after = step.parts[0].dtype, step.result.dtype
    return arrays_only(step) and not (before.kind == "f" and after == np.uint64)


@lowering("astype", fits=_converts, integers=True, floats=True)
def astype(body: Body, step: Apply) -> None:
    """Convert each element."""
    (x,) = step.parts
    out, place = body.allot(step.result), body.place(x)
    sizes, found = collapse(x.shape, {"from": place.strides, "to": contiguous(x.shape)})
    element = body.at(place, found["from"])
    body.nest(sizes, [f"{body.at(out, found['to'])} = {_converted(element, x, step.result)}"])


def _converted(text: str, before: Any, after: Any) -> str:
    if after.dtype.kind == "b":
        return f"{text} != int(0)"
    if before.dtype.kind == "f" and after.dtype.kind in "iu":
        return f"np.int64({text})"  # and from there to fewer digits, as NumPy
    return text
