"""Watch: what must be as it was for a call to be like the last one, as the words of a gate.

A call that the gate does not pass is checked in Python. When those checks have passed, the words
are *certified*: what they must be is written down anew. Words that count changes are read before
the checks begin; a change meanwhile shows at the next call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .arena import Arena
from .words import ITEMS, SIZE, Entries, Tag, Thing, Word

__all__ = ["Watch"]

MOST_IN_VAIN = 16  # certificates, besides one for each so many runs:
RUNS_FOR_ONE = 64


class Watch:
    """The words of one quick way.

    Parameters
    ----------
    kind : Kind
        Its `runs` are counted.
    begin : list of int
        What its gate's words begin with: arguments, address, owners, and number of arrays.
    records : list of int
        The words about arrays.
    constants : list of int
        Pairs: where a constant is among the arguments, and its address.
    words : iterable of Word
    places : sequence of (Thing, int)
        Words that must be some array that the arena holds.
    marks : sequence of (Thing, int)
        Those that should be what the arena lends; at -1 never.
    alive : object
        What else the words are about.
    """

    def __init__(
        self,
        kind: Any,
        begin: Sequence[int],
        records: Sequence[int],
        constants: Sequence[int],
        words: Iterable[Word],
        places: Sequence[tuple[Thing, int]],
        marks: Sequence[tuple[Thing, int]],
        alive: Any,
    ) -> None:
        self.kind = kind
        self.alive = alive
        self.words = list({(type(w), _place(w)): w for w in words}.values())
        self.places, self.marks = places, marks
        self.certified = 0
        seen = [w for w in self.words if not isinstance(w, Thing)]
        self._seen = [ctypes.c_int64.from_address(_place(w)) for w in seen]
        lists = sum(1 + bool(w.things) + len(w.things) for w in seen if isinstance(w, Entries))
        others = sum(not isinstance(w, Entries) for w in self.words)
        tests = lists + others + len(places)
        counts = begin[3], len(constants) // 2, tests, len(marks)
        self._begin = [*begin[:3], *counts, *records, *constants]

    def seen(self) -> list[int] | None:
        """Return the words that count changes; None where a certificate is not worth while."""
        if self.certified > MOST_IN_VAIN + self.kind.runs // RUNS_FOR_ONE:
            return None
        return [place.value for place in self._seen]

    def certify(self, arena: Arena, seen: list[int] | None) -> None:
        """Note that all checks have passed since something was seen."""
        if seen is None:
            return
        self.certified += 1
        found, left = [*self._begin], iter(seen)
        for known in self.words:
            if isinstance(known, Thing):
                found += _test(known, id(known.thing))
            elif isinstance(known, Tag):
                found += [id(known.owner) + known.offset, next(left), 1]
            else:
                found += _of_list(known, next(left))
        for place, i in self.places:
            found += _test(place, id(arena.held[i]))
        for place, i in self.marks:
            found += [id(place.owner) + place.offset, id(arena.lent[i]) if i >= 0 else 0]
        arena.watch, arena.words = self, np.array(found, np.int64)


def _place(known: Word) -> int:
    """Return the address of a word; of a list, that of the address of its entries."""
    return id(known.owner) + (ITEMS if isinstance(known, Entries) else known.offset)


def _test(known: Thing, thing: int) -> list[int]:
    return [id(known.owner) + known.offset, thing, int(not known.differs)]


def _of_list(known: Entries, begin: int) -> list[int]:
    """Return the tests of a list: its entries are read only where they are."""
    words = [id(known.owner) + SIZE, len(known.things), 1]
    if known.things:
        words += [id(known.owner) + ITEMS, begin, 1]
    for i, thing in enumerate(known.things):
        words += [begin + 8 * i, id(thing), 1]
    return words
