"""Positions in a text that is written before anybody knows where blocks lie.

A block's first element has a number that no array reaches, its own: the second block begins at
20000000000000000000000. So a position tells the block and how far into it, whatever is added to
it on the way, and the same text serves for every plan of the memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["FAR", "Positions", "is_far"]

DIGITS = 22  # more than integers of 64 bits have
FAR = 10**DIGITS  # elements between two blocks
POSITION = re.compile(
    rf"(?<![\w.])(int\()?(\d+)(\d{{{DIGITS}}})(?(1)\))(?![\w.])( \+ (?=[ir]\d|lane))?"
)


def is_far(number: str) -> bool:
    """Whether a number in a text is a position in a block."""
    return len(number) > DIGITS


class Positions:
    """Where blocks begin.

    Parameters
    ----------
    starts : sequence of int
        The first element of each block.
    """

    def __init__(self, starts: Sequence[int]) -> None:
        self._starts = [0, *starts]  # what is no position is as if it had a block at 0
        self._array = np.array(self._starts, np.int64)

    def number(self, position: int) -> int:
        """Return where a position is.

        >>> Positions([64, 128]).number(2 * FAR + 5)
        133
        """
        block, rest = divmod(position, FAR)
        return self._starts[block] + rest

    def numbers(self, blocks: np.ndarray, rests: np.ndarray) -> np.ndarray:
        """Return where positions are that `divmod` by `FAR` has split."""
        found: np.ndarray = self._array[blocks] + rests
        return found

    def written(self, text: str, zeros: bool = False) -> str:
        """Return a text with the positions in it; what begins at 0 says so if `zeros`.

        >>> Positions([0, 128]).written(f"x[{FAR} + i0] = y[{2 * FAR + 5} + i0]")
        'x[i0] = y[133 + i0]'
        """

        def position(found: re.Match[str]) -> str:
            integer, block, rest, more = found.groups("")
            number = self._starts[int(block)] + int(rest)
            if more and not (number or zeros):
                return ""
            return f"int({number}){more}" if integer else f"{number}{more}"

        return POSITION.sub(position, text)
