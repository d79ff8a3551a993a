"""Stacks of matrices as LAPACK works on them: one after the other, by columns, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...kernels import lapack
from ..body import Body
from ..layout import Place, contiguous
from ..record import Apply, Value
from .registry import arrays_only

__all__ = ["address", "by_columns", "columns", "deliver", "deliver_parts", "invoke", "is_real"]
__all__ += ["numbers", "symmetric", "turned"]


def is_real(step: Apply) -> bool:
    """Whether LAPACK can compute with a step's operands."""
    return (
        lapack.available() and arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)
    )


def by_columns(stack: Sequence[int], rows: int, columns: int) -> tuple[int, ...]:
    """Return the strides of a stack of matrices that are stored by columns.

    >>> by_columns((5,), 3, 2)
    (6, 1, 3)
    """
    return (*(stride * rows * columns for stride in contiguous(stack)), 1, rows)


def columns(body: Body, place: Place, shape: Sequence[int]) -> Place:
    """Write a copy of matrices for LAPACK, which works in place; return where it is."""
    copied = body.scratch(shape, "float64")._replace(strides=by_columns(shape[:-2], *shape[-2:]))
    body.copy(place, shape, copied)
    return copied


def turned(place: Place) -> Place:
    """Return where the transposed matrices are."""
    return place._replace(strides=(*place.strides[:-2], *place.strides[:-3:-1]))


def symmetric(body: Body, value: Value) -> Place:
    """Write (a + aᵀ)/2 for LAPACK; return where it is."""
    place, shape = body.place(value), value.shape
    out = body.scratch(shape, "float64")
    halves = f"({body.at(place)} + {body.at(turned(place))}) / 2.0"
    body.nest(shape, [f"{body.at(out)} = {halves}"])
    return out


def deliver(body: Body, result: Value, place: Place) -> None:
    """Let a result be the float64 numbers at a place, in its own type."""
    if result.dtype == "float64":
        body.bind(result, place)
    else:
        body.copy(place, result.shape, body.allot(result))


def deliver_parts(body: Body, result: Value, *parts: tuple[Place, Sequence[int]]) -> None:
    """Lay the parts of a decomposition, each with its shape, side by side in the result."""
    out, stack = body.allot(result), result.shape[:-1]
    for place, shape in parts:
        strides = (*out.strides[:-1], *contiguous(shape))
        body.copy(place, (*stack, *shape), out._replace(strides=strides))
        out = out._replace(offset=out.offset + math.prod(shape))


def address(place: Place) -> str:
    """Return the text of the address where a place begins."""
    return f"{place.buffer}[{place.offset}:].ctypes.data"


def numbers(body: Body, count: int) -> Place:
    """Return memory for LAPACK's integers."""
    return body.scratch((count,), lapack.integer())


def invoke(
    body: Body,
    text: str,
    *arguments: Place | int | float,
    needs: Sequence[str] = (),
    calls: Sequence[str] = (),
) -> str:
    """Return the call of a text's function with places and numbers.

    `needs` are the routines of LAPACK that it calls; then it gets as its last argument the memory
    for their arguments. `calls` are other texts that it calls.
    """
    memory = [numbers(body, 16)] if needs else []
    body.definitions.update(dict.fromkeys(lapack.declaration(name) for name in needs))
    body.definitions.update(dict.fromkeys((*calls, text)))
    name = text.split("(")[0].split()[-1]
    return f"{name}({', '.join(map(_argument, (*arguments, *memory)))})"


def _argument(x: Place | int | float) -> str:
    if isinstance(x, Place):
        return address(x)
    return f"int({x})" if isinstance(x, int) else f"np.float64({x!r})"
