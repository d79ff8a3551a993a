"""Rows: which kind of call a batch of rows of whole arrays is, found once and then looked up."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..modes import current
from .environment import Surroundings
from .kind import Kind

__all__ = ["Rows"]


class Rows:
    """The kinds of calls on rows, as they were found last.

    Parameters
    ----------
    around : Surroundings
        Of the function, for calls without other objects.
    """

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._known: dict[int, tuple[Any, ...]] = {}  # by how many rows

    def find(self, arrays: Sequence[np.ndarray], count: int) -> Kind | None:
        """Return the kind of calls on so many rows; None if something is not as it was."""
        found, tape = self._known.get(count), current()
        if found is None or tape.trace is not None or tape.rules:
            return None
        kind, before, given, key, mode = found
        same = len(arrays) == len(before) and all(map(operator.is_, arrays, before))
        same = same and given == _given(arrays) and mode is tape.recording
        return kind if same and self.around.key() is key and kind.fits() else None

    def note(self, kind: Kind | None, arrays: Sequence[np.ndarray], count: int) -> None:
        """Remember what was found."""
        if kind is not None and not current().rules:
            given = [*arrays], _given(arrays), self.around.key(), current().recording
            self._known[count] = kind, *given

    def clear(self) -> None:
        """Forget it: there are other kinds now."""
        self._known = {}


def _given(arrays: Sequence[np.ndarray]) -> list[Any]:
    return [(array.shape, array.dtype) for array in arrays]
