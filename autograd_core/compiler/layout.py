"""Where values lie in buffers: strides, and loops over several arrays at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Place",
    "address",
    "collapse",
    "contiguous",
    "index",
    "leading",
    "name_of",
    "stretched",
]


class Place(NamedTuple):
    """Where a value is: a buffer, the first element, and a stride for each axis, in elements.

    `block` is the number of the block of the workspace, or -1.
    """

    buffer: str
    offset: int
    strides: tuple[int, ...]
    block: int = -1


@functools.cache
def name_of(dtype: np.dtype[Any]) -> str:
    """Return a dtype's name, which NumPy puts together each time."""
    return dtype.name


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of an array in row order.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    return _contiguous(tuple(shape))


@functools.lru_cache(4096)
def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
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
    if not lacking and 1 not in shape:
        return place.strides
    pairs = zip(shape, place.strides, strict=True)
    return (0,) * lacking + tuple([0 if size == 1 else stride for size, stride in pairs])


def collapse(shape: Sequence[int], strides: dict[Any, Any]) -> tuple[list[int], dict[Any, Any]]:
    """Join axes that lie one after the other in all arrays; axes of length one vanish.

    >>> collapse((2, 3, 4), {"a": (12, 4, 1), "b": (4, 0, 1)})
    ([2, 3, 4], {'a': [12, 4, 1], 'b': [4, 0, 1]})
    >>> collapse((2, 3, 4), {"a": (12, 4, 1), "b": (0, 0, 0)})
    ([24], {'a': [1], 'b': [0]})
    """
    sizes, found = _collapsed(tuple(shape), tuple(map(tuple, strides.values())))
    return list(sizes), dict(zip(strides, map(list, found), strict=True))


@functools.lru_cache(4096)  # a loop of the host has the same shapes in every round
def _collapsed(
    shape: tuple[int, ...], strides: tuple[tuple[int, ...], ...]
) -> tuple[list[int], list[list[int]]]:
    sizes: list[int] = []
    found: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        pairs = list(zip(found, strides, strict=True))
        joins = sizes and all(f[-1] == s[axis] * size for f, s in pairs)
        if joins:
            sizes[-1] *= size
        else:
            sizes.append(size)
        for row, given in pairs:
            row[-1:] = [given[axis]] if joins else [*row[-1:], given[axis]]
    return sizes, found


def index(offset: int, strides: Sequence[int]) -> str:
    """Return the text of a position.

    >>> index(5, (4, 0, 1))
    '5 + i0 * 4 + i2'
    """
    terms = _terms(tuple(strides))
    return f"{offset} + {terms}" if offset and terms else terms or str(offset)


@functools.lru_cache(4096)
def _terms(strides: tuple[int, ...]) -> str:
    terms = [f"i{d} * {s}" if s != 1 else f"i{d}" for d, s in enumerate(strides) if s]
    return " + ".join(terms)
