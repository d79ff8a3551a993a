"""What the text of a program calls while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arena import Arena

__all__ = ["MOVED", "Stale", "in_rows", "own", "rebind"]

MOVED = "a captured array has another shape, dtype or layout now"


class Stale(Exception):  # noqa: N818
    """What was recorded does not hold for this call; nothing has been changed.

    `lasting` says whether it will not hold for the calls to come either.
    """

    def __init__(self, reason: str, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


def in_rows(array: np.ndarray) -> np.ndarray:
    """Return an array in row order."""
    return array if array.flags.c_contiguous else array.copy()


def own(array: np.ndarray) -> np.ndarray:
    """Return an array of which nobody else can see the memory."""
    private = array.base is None and array.flags.writeable
    return array if private else array.copy()


def rebind(arena: Arena, arrays: Sequence[np.ndarray]) -> None:
    """Take other captured arrays, or give up the run."""
    if not arena.rebind(arrays):
        raise Stale(MOVED, lasting=True)
