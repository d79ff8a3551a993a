"""Rows: which kind of call a batch of rows of whole arrays is, found once and then looked up."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..modes import current
from .arena import Arena
from .batches import Batches, Settings, fits
from .environment import Surroundings
from .kind import Kind
from .running import Stale
from .watch import Watch

__all__ = ["Rows", "run", "with_batches"]

Done = tuple[int, np.ndarray]


class Seen(NamedTuple):
    """What was seen of a kind before its surroundings were asked for."""

    kind: Kind | None
    watch: Watch | None
    words: Sequence[int] | None

    def by(self, kind: Kind) -> tuple[Watch | None, Sequence[int] | None]:
        """Return the watch and what it has seen, if it is of this kind."""
        return (self.watch, self.words) if kind is self.kind else (None, None)


NOTHING = Seen(None, None, None)


class Known(NamedTuple):
    """A kind of calls, and what must be as it was for one to be like the last."""

    kind: Kind
    batches: Batches
    watch: Watch


class Found:
    """A kind, and what it was found for.

    Parameters
    ----------
    kind : Kind
    arrays : sequence of ndarray
    key : object
        Of the surroundings.
    """

    def __init__(self, kind: Kind, arrays: Sequence[np.ndarray], key: Any) -> None:
        self.kind = kind
        self.arrays = [*arrays]
        self.given = _given(arrays)
        self.key = key
        self.recording = current().recording
        self.batches: Batches | None = None  # of which the watch is, if there can be one
        self.watch: Watch | None = None

    def takes(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether these are the same arrays, in the same mode."""
        tape = current()
        if tape.trace is not None or tape.rules or tape.recording is not self.recording:
            return False
        same = map(operator.is_, arrays, self.arrays)
        return len(arrays) == len(self.arrays) and all(same)

    def look_out(self, around: Surroundings) -> Watch | None:
        """Return the watch for calls that are like the one that it was found for."""
        batches = self.kind.batches
        if batches is not None and batches is not self.batches:
            self.batches = batches
            self.watch = batches.watch(self.kind, self.arrays, around)
        return self.watch


class Rows:
    """The kinds of calls on rows, as they were found last.

    Parameters
    ----------
    around : Surroundings
        Of the function, for calls without other objects.
    """

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._known: dict[int, Found] = {}  # by how many rows

    def again(
        self, arrays: Sequence[np.ndarray], order: np.ndarray, settings: Settings | None
    ) -> Done | None:
        """Do calls that are so much like the last ones that words can tell; None otherwise."""
        found = self.known(arrays, order.shape[1])
        steps = 0 if found is None else _most(found.kind, order)
        if found is None or steps <= 0:
            return None
        kind, batches, watch = found
        with kind.lock:
            done = batches.again(arrays, order[:steps], settings, watch)
        if done is not None:
            kind.runs += done[0]
        return done

    def known(self, arrays: Sequence[np.ndarray], count: int) -> Known | None:
        """Return what words can tell about calls on so many rows, if they can tell anything."""
        found = self._known.get(count)
        if found is None or found.watch is None or not found.takes(arrays):
            return None
        kind, batches = found.kind, found.batches
        if batches is None or batches is not kind.batches:
            return None
        return Known(kind, batches, found.watch)

    def can_go_back(self, count: int) -> bool:
        """Whether words may tell about calls on so many rows, and what they overwrite is known."""
        found = self._known.get(count)
        if found is None or found.watch is None or found.batches is None:
            return False
        return found.batches.program.is_reversible

    def asked(self, known: Known, arrays: Sequence[np.ndarray], count: int) -> Arena | None:
        """Return memory for calls of a kind if Python finds, after all, that it may run."""
        seen = self.seen(count)
        found = with_batches(self.find(arrays, count))
        watch, words = seen.by(known.kind)
        if found is not known.kind or watch is not known.watch or words is None:
            return None
        if not all(array.flags.c_contiguous for array in arrays):
            return None
        try:
            return known.batches.asked(arrays, watch, words)
        except Stale as stale:
            known.kind.leave(stale)
            return None

    def seen(self, count: int) -> Seen:
        """Return what words say before it is asked in Python whether all is as it was."""
        found = self._known.get(count)
        if found is None or not self.around.knows(found.key):
            return NOTHING
        watch = found.look_out(self.around)
        return NOTHING if watch is None else Seen(found.kind, watch, watch.seen())

    def find(self, arrays: Sequence[np.ndarray], count: int) -> Kind | None:
        """Return the kind of calls on so many rows; None if something is not as it was."""
        found = self._known.get(count)
        if found is None or not found.takes(arrays) or found.given != _given(arrays):
            return None
        same = self.around.key() is found.key and found.kind.fits()
        return found.kind if same else None

    def note(self, kind: Kind | None, arrays: Sequence[np.ndarray], count: int) -> None:
        """Remember what was found."""
        if kind is not None and not current().rules:
            self._known[count] = Found(kind, arrays, self.around.key())

    def clear(self) -> None:
        """Forget it: there are other kinds now."""
        self._known = {}


def with_batches(kind: Kind | None) -> Kind | None:
    """Return a kind if it has a program for its next call, for many of them if it can be."""
    if kind is None or kind.program is None or kind.due():
        return None
    if kind.batches is None and fits(kind.program):
        kind.batches = Batches(kind.program)
    return kind


def run(
    kind: Kind | None,
    arrays: Sequence[np.ndarray],
    order: np.ndarray,
    settings: Settings | None,
    seen: Seen,
) -> Done:
    """Do as many calls of a kind as its program can take."""
    steps = 0 if kind is None else _most(kind, order)
    if kind is None or steps <= 0 or kind.batches is None:
        return 0, np.empty((0, 0))
    try:
        with kind.lock:
            done, figures = kind.batches.run(arrays, order[:steps], settings, *seen.by(kind))
    except Stale as stale:
        kind.leave(stale)
        return 0, np.empty((0, 0))
    kind.runs += done
    return done, figures


def _most(kind: Kind, order: np.ndarray) -> int:
    """Return how many calls there are until the next that is recorded."""
    return int(min(len(order), kind.limit - kind.runs - 1))


def _given(arrays: Sequence[np.ndarray]) -> list[Any]:
    return [(array.shape, array.dtype) for array in arrays]
