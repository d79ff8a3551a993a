"""The memory plan: where in one workspace each block lies, so that dead ones make room."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["LINE", "Block", "one_by_one", "plan", "rounded"]

LINE = 64  # bytes of a cache line; blocks begin at one


@dataclass(slots=True)
class Block:
    """Bytes that are in use from one moment to another, both included.

    `uses` counts the reads at the last moment. A block in the place of one that nobody needs any
    more has its number as `root`; the other's last moment is then that of both.
    """

    size: int
    first: int
    last: float
    uses: int = 0
    root: int = -1

    def is_read_last(self, now: int) -> bool:
        """Whether it is older than this moment, read once in it, and then never."""
        return self.first < now == self.last and self.uses == 1


def rounded(size: int) -> int:
    """Return a size in whole cache lines."""
    return -(-size // LINE) * LINE


def one_by_one(blocks: Sequence[Block]) -> list[int]:
    """Return an offset for each block, one after the other, for those with a root the root's."""
    sizes = [block.size if block.root < 0 else 0 for block in blocks]
    own = list(accumulate(sizes, initial=0))
    return [own[i if block.root < 0 else block.root] for i, block in enumerate(blocks)]


def plan(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """Return an offset for each block, in order of their first moments, and the size of all.

    Blocks that live at the same moment do not overlap. Each goes into the smallest gap that
    holds it.

    >>> plan([Block(64, 0, 1), Block(128, 1, 2), Block(64, 2, 3)])
    ([0, 64, 0], 192)
    """
    offsets: list[int] = []
    living: list[tuple[float, int, int]] = []
    room = _Room()
    for block in blocks:
        while living and living[0][0] < block.first:
            _, begin, size = heapq.heappop(living)
            room.free(begin, begin + size)
        begin = room.take(block.size)
        offsets.append(begin)
        heapq.heappush(living, (block.last, begin, block.size))
    return offsets, room.end


class _Room:
    """The gaps below `end`, by their sizes, and by where they begin and end."""

    def __init__(self) -> None:
        self.end = 0
        self._sizes: list[tuple[int, int]] = []
        self._stops: dict[int, int] = {}
        self._starts: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Return where room of a size begins, which is no gap any more."""
        fitting = bisect.bisect_left(self._sizes, (size, 0))
        if fitting < len(self._sizes):
            begin = self._sizes[fitting][1]
        else:  # at the end; the last gap may be the beginning
            begin = self._starts.get(self.end, self.end)
        stop = self._remove(begin) if begin in self._stops else begin
        if stop > begin + size:
            self._add(begin + size, stop)
        self.end = max(self.end, begin + size)
        return begin

    def free(self, begin: int, end: int) -> None:
        """Add a gap, joined with those that it touches."""
        if end in self._stops:
            end = self._remove(end)
        if begin in self._starts:
            begin = self._starts[begin]
            self._remove(begin)
        self._add(begin, end)

    def _add(self, begin: int, end: int) -> None:
        self._stops[begin], self._starts[end] = end, begin
        bisect.insort(self._sizes, (end - begin, begin))

    def _remove(self, begin: int) -> int:
        end = self._stops.pop(begin)
        del self._starts[end]
        del self._sizes[bisect.bisect_left(self._sizes, (end - begin, begin))]
        return end
