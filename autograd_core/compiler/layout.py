"""Where values lie in buffers: strides, and loops over several arrays at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Place", "address", "collapse", "contiguous", "index", "leading", "stretched"]


class Place(NamedTuple):
    """Where a value is: a buffer, the first element, and a stride for each axis, in elements.

    `block` is the number of the block of the workspace, or -1.
    """

    buffer: str
    offset: int
    strides: tuple[int, ...]
    block: int = -1


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of an array in row order.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def address(array: np.ndarray) -> int:
    """Return the address of an array's first element."""
    return int(array.__array_interface__["data"][0])


def leading(strides: Sequence[int], shape: Sequence[int]) -> Any:
    """Return whether a matrix is stored transposed, and its rows' distance; None if neither."""
    rows, columns = strides
    high, wide = shape
    if (columns == 1 or wide == 1) and (rows >= wide or high == 1):
        return False, max(rows, wide)
    if (rows == 1 or high == 1) and (columns >= high or wide == 1):
        return True, max(columns, high)
    return None


def stretched(place: Place, shape: Sequence[int], target: Sequence[int]) -> tuple[int, ...]:
    """Return the strides with which a value is read as if it had another shape."""
    lacking = len(target) - len(shape)
    pairs = zip(shape, place.strides, strict=True)
    return (0,) * lacking + tuple(0 if size == 1 else stride for size, stride in pairs)


def collapse(shape: Sequence[int], strides: dict[Any, Any]) -> tuple[list[int], dict[Any, Any]]:
    """Join axes that lie one after the other in all arrays; axes of length one vanish.

    >>> collapse((2, 3, 4), {"a": (12, 4, 1), "b": (4, 0, 1)})
    ([2, 3, 4], {'a': [12, 4, 1], 'b': [4, 0, 1]})
    >>> collapse((2, 3, 4), {"a": (12, 4, 1), "b": (0, 0, 0)})
    ([24], {'a': [1], 'b': [0]})
    """
    sizes: list[int] = []
    found: dict[Any, list[int]] = {name: [] for name in strides}
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        joins = sizes and all(found[n][-1] == s[axis] * size for n, s in strides.items())
        if joins:
            sizes[-1] *= size
        else:
            sizes.append(size)
        for name, given in strides.items():
            found[name][-1:] = [given[axis]] if joins else [*found[name][-1:], given[axis]]
    return sizes, found


def index(offset: int, strides: Sequence[int]) -> str:
    """Return the text of a position.

    >>> index(5, (4, 0, 1))
    '5 + i0 * 4 + i2'
    """
    terms = [f"i{d} * {s}" if s != 1 else f"i{d}" for d, s in enumerate(strides) if s]
    return " + ".join([str(offset)] * (bool(offset) or not terms) + terms)
