"""The memory plan: where in one workspace each block lies, so that dead ones make room."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LINE", "Block", "plan", "rounded"]

LINE = 64  # bytes of a cache line; blocks begin at one


@dataclass(slots=True)
class Block:
    """Bytes that are in use from one moment to another, both included."""

    size: int
    first: int
    last: float


def rounded(size: int) -> int:
    """Return a size in whole cache lines."""
    return -(-size // LINE) * LINE


def plan(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """Return an offset for each block, in order of their first moments, and the size of all.

    Blocks that live at the same moment do not overlap. Each goes into the smallest gap that
    holds it.

    >>> plan([Block(64, 0, 1), Block(128, 1, 2), Block(64, 2, 3)])
    ([0, 64, 0], 192)
    """
    offsets: list[int] = []
    living: list[tuple[float, int, int]] = []
    gaps: dict[int, int] = {}  # where free room begins: where it ends
    end = 0
    for block in blocks:
        while living and living[0][0] < block.first:
            _, begin, size = heapq.heappop(living)
            _free(gaps, begin, begin + size)
        fitting = [(e - b, b) for b, e in gaps.items() if e - b >= block.size]
        begin = min(fitting)[1] if fitting else _at_the_end(gaps, end)
        _take(gaps, begin, begin + block.size)
        end = max(end, begin + block.size)
        offsets.append(begin)
        heapq.heappush(living, (block.last, begin, block.size))
    return offsets, end


def _at_the_end(gaps: dict[int, int], end: int) -> int:
    """Return where a block begins that the gaps cannot hold; the last gap may be its beginning."""
    return next((begin for begin, stop in gaps.items() if stop == end), end)


def _take(gaps: dict[int, int], begin: int, end: int) -> None:
    stop = gaps.pop(begin, begin)
    if stop > end:
        gaps[end] = stop


def _free(gaps: dict[int, int], begin: int, end: int) -> None:
    """Add a gap, joined with those that it touches."""
    end = gaps.pop(end, end)
    before = next((b for b, e in gaps.items() if e == begin), None)
    gaps[begin if before is None else before] = end
