"""Operations that move no element: the result is a place in the operand's buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..body import Body
from ..layout import Place, address, contiguous
from ..record import Apply
from .registry import lowering


def view(body: Body, step: Apply, **instead: Any) -> None:
    """Do to the strides what the operation does to an array of them."""
    (x,) = step.parts
    place = body.place(x)
    seen = as_strided(np.empty(1, np.int8), x.shape, place.strides)
    moved = step.op.forward(seen, **(step.attributes | instead))
    shift = address(moved) - address(seen)
    body.bind(step.result, place._replace(offset=place.offset + shift, strides=moved.strides))


lowering("flip", "take_diagonal", "transpose", integers=True, moves=True)(view)


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
