"""Operations that move no element: the result is a place in the operand's buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..body import Body
from ..layout import Place, address, contiguous
from ..record import Apply
from .registry import arrays_only, lowering


def _is_basic(step: Apply) -> bool:
    index = step.attributes["index"]
    parts = index if isinstance(index, tuple) else (index,)
    basic = all(
        isinstance(part, int | slice | None) and not isinstance(part, bool) or part is Ellipsis
        for part in parts
    )
    return basic and arrays_only(step)


def _index(step: Apply) -> Any:
    """Return a basic index that gives a view, also of a single element."""
    index = step.attributes["index"]
    parts = index if isinstance(index, tuple) else (index,)
    return parts if Ellipsis in parts else (*parts, Ellipsis)


@lowering("flip", "transpose", integers=True, moves=True)
def view(body: Body, step: Apply) -> None:
    """Do to the strides what the operation does to an array of them."""
    (x,) = step.parts
    place = body.place(x)
    seen = as_strided(np.empty(1, np.int8), x.shape, place.strides)
    moved = (
        seen[_index(step)]
        if step.op.name == "getitem"
        else step.op.forward(seen, **step.attributes)
    )
    shift = address(moved) - address(seen)
    body.bind(step.result, place._replace(offset=place.offset + shift, strides=moved.strides))


lowering("getitem", fits=_is_basic, integers=True, moves=True)(view)


@lowering("broadcast_to", integers=True, moves=True)
def broadcast_to(body: Body, step: Apply) -> None:
    """Repeat by strides of zero."""
    place, strides = body.read(step.parts[0], step.result.shape)
    body.bind(step.result, place._replace(strides=strides))


@lowering("reshape", integers=True, moves=True)
def reshape(body: Body, step: Apply) -> None:
    """Read in row order; what does not lie so is copied."""
    place: Place = body.rows(step.parts[0])
    body.bind(step.result, place._replace(strides=contiguous(step.result.shape)))
