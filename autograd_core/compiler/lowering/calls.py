"""Calls of matrix products, as text: addresses, sizes, and shares of several threads."""

from __future__ import annotations

import re

from ...kernels import tiling
from ...kernels.products import turn_source
from ..body import Body
from ..layout import Place, index, leading

__all__ = ["address", "flipped", "in_types", "shared_panels", "stored", "turn"]

NUMBER = re.compile(r"\b\d+(?=[,)])")  # an argument that is a size


def in_types(call: str) -> str:
    """Return a call in which bare numbers are sizes."""
    return NUMBER.sub(r"int(\g<0>)", call)


def address(place: Place) -> str:
    """Return the text of the address of a matrix, of a stack's that which `i0`, ... count."""
    return f"{place.buffer}[{index(place.offset, place.strides[:-2])}:].ctypes.data"


def stored(place: Place, shape: tuple[int, int]) -> tuple[bool, int]:
    """Return whether a matrix is stored transposed, and how far its rows are apart."""
    found: tuple[bool, int] = leading(place.strides[-2:], shape)
    return found


def flipped(place: Place) -> Place:
    """Return the place of the transposed matrix."""
    return place._replace(strides=place.strides[::-1])


def turn(body: Body, t: Place, out: Place, shape: tuple[int, int]) -> None:
    """Write out ← tᵀ, of a shape."""
    m, n = shape
    if tiling.machine() is None:
        body.nest(shape, [f"{body.at(out)} = {body.at(flipped(t))}"])
        return
    rows = stored(t, (n, m))[1], stored(out, shape)[1]
    found = turn_source(tiling.Turn(body.dtype, m, n, *rows), address(t), address(out))
    body.definitions[found.definition] = None
    body.lines.append(found.call)


def shared_panels(body: Body, call: str, panels: int, zero: Place | None) -> None:
    """Write the call of a product from panel `begin` to `end`, of which threads do some each.

    What it returns, if it is checked, is added up in one place.
    """
    if zero is None:
        body.shared_lines([in_types(call)], panels)
        return
    zeros = body.scratch((panels,))
    body.nest((panels,), [f"{body.at(zeros)} = 0.0"])
    first = body.at(zeros).replace("i0", "begin")
    body.shared_lines([f"{first} = {in_types(call)}"], panels)
    body.lines.append(f"{body.at(zero)} = 0.0")
    body.nest((panels,), [f"{body.at(zero)} = {body.at(zero)} + {body.at(zeros)}"])
