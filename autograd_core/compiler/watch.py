"""Watch: what must be as it was for a call to be like the last one, as the words of a gate.

A call that the gate does not pass is checked in Python. When those checks have passed, the words
are *certified*: what they must be is written down anew. Words that count changes are read before
the checks begin; a change meanwhile shows at the next call.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from .arena import Arena
from .environment import FAILING, Surroundings
from .gate import ALIGNED, Entry, gate, record
from .record import Value
from .recorded import is_array
from .statements import Text
from .words import ITEMS, SIZE, Check, Entries, Tag, Thing, Word, slot

__all__ = ["Watch", "watched", "watched_rows"]

MOST_IN_VAIN = 16  # certificates, besides one for each so many runs:
RUNS_FOR_ONE = 64


Place = tuple[Thing, int]


class Watch:
    """The words of one quick way.

    Parameters
    ----------
    kind : Kind
        Its `runs` are counted.
    entry : Entry
        Of the program.
    arguments : Arguments
    words : sequence of Word
    places : sequence of (Thing, int)
        Words that must be some array that the arena holds.
    marks : sequence of (Thing, int), optional
        Those that should be what the arena lends; at -1 never.
    runs : bool
        Whether the gate goes on to the program.

    Attributes
    ----------
    asks : callable or None
        Asks in Python what no words tell.
    """

    def __init__(
        self,
        kind: Any,
        entry: Entry,
        arguments: Arguments,
        words: Sequence[Word],
        places: Sequence[Place],
        marks: Sequence[Place] = (),
        runs: bool = True,
    ) -> None:
        self.kind = kind
        self.alive = entry, arguments
        self.words = list({(type(w), _place(w)): w for w in words}.values())
        self.places, self.marks = places, marks
        self.certified = 0
        self.asks: Callable[[], bool] | None = None
        self._changing = [
            ctypes.c_int64.from_address(_place(w)) for w in self.words if not isinstance(w, Thing)
        ]
        tests = len(self.words) + len(places)
        for known in self.words:
            if isinstance(known, Entries):
                tests += len(known.things) + bool(known.things)
        counts = arguments.arrays, len(arguments.constants) // 2, tests, len(marks)
        self._begin = [arguments.count, entry.code * runs, *entry.head, *counts]
        self._begin += arguments.records + arguments.constants
        self._dicts: list[tuple[ctypes.c_int64, int, Tag]] = []

    def seen(self) -> list[int] | None:
        """Return the words that count changes; None where a certificate is not worth while."""
        if self.certified > MOST_IN_VAIN + self.kind.runs // RUNS_FOR_ONE:
            return None
        return [place.value for place in self._changing]

    def certify(self, arena: Arena, seen: list[int] | None) -> None:
        """Note that all checks have passed since something was seen."""
        if seen is not None:
            arena.watch, arena.words = self, self.certificate(arena, seen)

    def certificate(self, arena: Arena, seen: Sequence[int]) -> np.ndarray:
        """Return the words of a gate, if all checks have passed since something was seen."""
        self.certified += 1
        self._dicts = []
        found, left = [*self._begin], iter(seen)
        for known in self.words:
            if isinstance(known, Thing):
                found += _test(known, id(known.thing))
            elif isinstance(known, Tag):
                if known.things:
                    count = ctypes.c_int64.from_address(_place(known))
                    self._dicts.append((count, len(found) + 1, known))
                found += [id(known.owner) + known.offset, next(left), 1]
            else:
                found += _of_list(known, next(left))
        for place, i in self.places:
            found += _test(place, id(arena.held[i]))
        for place, i in self.marks:
            found += [id(place.owner) + place.offset, id(arena.lent[i]) if i >= 0 else 0]
        return np.array(found, np.int64)

    def renewed(self, words: np.ndarray) -> bool:
        """Certify anew what has changed since and changed back, such as ``model.training``.

        Returns False if something is another thing now.
        """
        for count, place, known in self._dicts:
            now = count.value  # before it is looked at what there is
            if words[place] != now:
                things = [*known.owner, *known.owner.values()]
                if len(things) != len(known.things):
                    return False
                if not all(map(operator.is_, things, known.things)):
                    return False
                words[place] = now
        return True


def watched(kind: Any, args: Sequence[Any], checks: Sequence[Check]) -> Watch | None:
    """Return what the gate of such calls looks at; None if it cannot see all that counts.

    Parameters
    ----------
    kind : Kind
        Its program is one segment.
    args : sequence
    checks : sequence of Check
        Those that have words, and others.
    """
    emission = kind.program.emission
    (segment,) = emission.segments
    if gate() is None or set(emission.inputs) != set(segment.arrays):
        return None
    entry = segment.run
    slots = {value: entry.first + i for i, value in enumerate(segment.arrays)}
    arguments, inputs = Arguments(slots), iter(emission.inputs)
    for i, x in enumerate(args):
        if i in kind.floats:
            arguments.count += 1
        elif not arguments.take(x, inputs):
            return None
    for value in inputs:  # made of floats
        arguments.add(value)
    marks = [(_own(leaf, "_grad"), i) for leaf, i in emission.lent().items()]
    return Watch(kind, entry, arguments, *_seen_outside(kind, checks), marks)


def watched_rows(
    kind: Any, arrays: Sequence[np.ndarray], begin: int, around: Surroundings
) -> Watch | None:
    """Return what a gate looks at before many steps on rows of arrays; None as for `watched`.

    Parameters
    ----------
    kind : Kind
        Its program is one segment.
    arrays : sequence of ndarray
    begin : int
        Where the table has their addresses.
    around : Surroundings
        Which have to be what they are now.
    """
    emission = kind.program.emission
    (segment,) = emission.segments
    values, checks = segment.arrays, emission.words()
    if gate() is None or checks is None or any(v.place < 0 for v in values):
        return None
    if not all(type(x) is np.ndarray and x.flags.c_contiguous for x in arrays):
        return None
    checks += around.words(partial(emission.text.named, "o"))
    arguments = Arguments({})
    arguments.count = len(arrays)
    for i, value in enumerate(values):
        array = arrays[value.place]
        whole = Value(value.index, array.shape, array.dtype)
        slot = begin + i
        arguments.records += record(value.place, whole, slot, flags=ALIGNED)
        arguments.alive.append(array.dtype)
        arguments.arrays += 1
    entry = segment.run
    watch = Watch(kind, entry, arguments, *_seen_outside(kind, checks), runs=False)
    watch.asks = _asking(checks, emission.text)
    return watch


def _asking(checks: Sequence[Check], text: Text) -> Callable[[], bool] | None:
    """Return a function that asks what no words tell, if there is something."""
    asked = " and ".join(check.text for check in checks if check.words is None)
    lines = ["try:", f"    return {asked}", f"except {FAILING}:", "    return False"]
    found: Callable[[], bool] | None = None
    if asked:
        found = text.defined("asks", "\n    ".join(["def asks():", *lines]))
    return found


def _seen_outside(kind: Any, checks: Sequence[Check]) -> tuple[list[Word], list[Place]]:
    """Return words that must be what they were, and others that are of arrays in the arena."""
    (segment,) = kind.program.segments
    found = [word for check in checks for word in check.words or ()]
    bare = kind.recording.trace.bare
    found += [_own(x, "_grad", differs=not was) for x, was in bare.items()]
    held = [(v.holder, i) for i, v in enumerate(segment.captured) if isinstance(v.holder, Tensor)]
    return found, [(_own(tensor, "_value"), i) for tensor, i in held]


class Arguments:
    """The words about the arguments of a call.

    Parameters
    ----------
    slots : mapping of Value to int
        Where the table has the addresses of arrays.

    Attributes
    ----------
    count, arrays : int
        How many arguments there are, and how many of them are arrays.
    records : list of int
        The words about arrays.
    constants : list of int
        Where the others are in the tuple, and their addresses.
    alive : list
        What they are about.
    """

    def __init__(self, slots: Mapping[Value, int]) -> None:
        self.slots = slots
        self.count = self.arrays = 0
        self.records: list[int] = []
        self.constants: list[int] = []
        self.alive: list[Any] = []

    def take(self, x: Any, inputs: Iterator[Value]) -> bool:
        """Add what is to be like `x`; False if there are no words for that."""
        if isinstance(x, dict | tuple | list):
            return False
        if type(x) is np.ndarray or isinstance(x, Tensor):
            self.add(next(inputs), _of_tensor(x))
        elif is_array(x):
            return False
        else:
            self.constants += [ITEMS + 8 * self.count, id(x)]
            self.count += 1
        self.alive.append(type(x) if is_array(x) else x)
        return True

    def add(self, value: Value, tensor: Sequence[int] = ()) -> None:
        """Add an array, or a tensor with one."""
        self.records += record(self.count, value, self.slots[value], tensor, ALIGNED)
        self.alive.append(value.dtype)
        self.arrays += 1
        self.count += 1


def _of_tensor(x: Any) -> list[int]:
    """Return the words about the tensor that has an array, if one has it."""
    if not isinstance(x, Tensor):
        return []
    return [id(type(x)), _own(x, "node").offset, _own(x, "_value").offset, id(None)]


def _own(owner: Any, name: str, differs: bool = False) -> Thing:
    """Return the word for a slot of a tensor or leaf, which is None, or to be filled in."""
    found = slot(owner, name, None, differs)
    assert found is not None
    return found


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
