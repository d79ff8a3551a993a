"""Leaving: results of strips that are larger than the caches are written past them.

Where strips of rows write a large result, line after line of it is fetched from memory only to be
overwritten, in each call. But if the strips alone touch it, they can write to a room near by, and
copy that at the end of each strip in stores that bypass the caches:

    for r0 in range(8):
        for i0 in range(min(128, 1000 - r0 * 128)):
            work_float64[64 + i0] = sqrt(x0[r0 * 128 + i0])
        leave_float64(v1[r0 * 128:r0 * 128 + 128], work_float64[64:64 + 128])
    drained()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from .body import Body
from .layout import Place
from .record import Value

__all__ = ["Leaving", "leaving"]

LARGE = 1 << 22  # bytes of all such results: more than a cache of one processor holds
DTYPES = ("float32", "float64")
LEAVE = """
streamed_{0} = streamed("{0}")

@inline
def leave_{0}(x, y):
    streamed_{0}(x.ctypes.data, y.ctypes.data, x.size)
"""


class Leaving(NamedTuple):
    """A result, and the room for a strip of it.

    Attributes
    ----------
    name : str
        Of the result's array.
    pitch : int
        How many numbers a row of it has.
    place : Place
        Where the room is, in a block of its own.
    dtype : str
    """

    name: str
    pitch: int
    place: Place
    dtype: str

    @property
    def itemsize(self) -> int:
        """The bytes of a number."""
        return np.dtype(self.dtype).itemsize

    def line(self, step: int, room: int) -> str:
        """Return the copy of strip `r0`, of so many rows; each lane has so many bytes of room."""
        each = step * self.pitch
        rows = f"{self.name}[r0 * {each}:r0 * {each} + {each}]"
        lane = f" + lane * {room // self.itemsize}" if room else ""
        begin = f"{self.place.offset}{lane}"
        return f"leave_{self.dtype}({rows}, {self.place.buffer}[{begin}:{begin} + {each}])"


def leaving(
    body: Body,
    given: Iterable[Value],
    pitches: Mapping[str, int],
    rows: int,
    others: Iterable[str],
    moments: tuple[int, int],
) -> dict[str, Leaving]:
    """Return which results, by their names, strips write past the caches.

    Parameters
    ----------
    body : Body
        Where they find room.
    given : iterable of Value
        The results that nobody sees before the end.
    pitches : mapping of str to int
        How many numbers of a row strips write, by the names of arrays.
    rows : int
    others : iterable of str
        The lines that are not in the strips.
    moments : (int, int)
        The first and the last one of the strips.
    """
    words = set(re.findall(r"\w+", " ".join(others)))
    found = [
        value
        for value in given
        if value.dtype.name in DTYPES
        and value.name not in words
        and value.size == rows * pitches.get(value.name, 0)  # then strips write all of it
    ]
    if sum(value.size * value.dtype.itemsize for value in found) < LARGE:
        return {}
    return {value.name: _entered(body, value, pitches[value.name], moments) for value in found}


def _entered(body: Body, value: Value, pitch: int, moments: tuple[int, int]) -> Leaving:
    """Return a result with its room, which the strips' packing makes as large as they need."""
    place = body.scratch((pitch,), value.dtype)
    block = body.blocks[place.block]
    block.first, block.last = moments
    body.definitions[LEAVE.format(value.dtype.name)] = None
    return Leaving(value.name, pitch, place, value.dtype.name)
