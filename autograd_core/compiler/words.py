"""Words in memory that say whether objects are what they were.

Where an object has an attribute, what a closure's cell holds, which entries a list has: that is a
word at a known place, the address of another object. Dicts count their changes, in all of Python
up to 3.13: one word for all that is in one. Whether a word is where it is looked for is tried out
before any is relied on; where it is not, there are no words, and all is asked in Python.
"""

from __future__ import annotations

import ctypes
import gc
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import CellType, MemberDescriptorType
from typing import Any, NamedTuple

import numpy as np

from ..kernels.jit import is_compiled

__all__ = [
    "AXES",
    "DATA",
    "DTYPE",
    "FLAGS",
    "ITEMS",
    "SIZE",
    "SIZES",
    "STRIDES",
    "TYPE",
    "Check",
    "Entries",
    "Tag",
    "Thing",
    "Word",
    "attribute",
    "cell",
    "changes",
    "entries",
    "of_class",
    "readable",
    "slot",
    "word",
]

TYPE, SIZE, ITEMS = 8, 16, 24  # of any object, and of a tuple; a list has an address at ITEMS
CELL, VERSION = 16, 24  # what a cell holds, and the number of a dict's last change
DATA, AXES, SIZES, STRIDES, DTYPE, FLAGS = 16, 24, 32, 40, 56, 64  # of an array


class Thing(NamedTuple):
    """The address of an object at a place in another one; or of any other if it `differs`."""

    owner: Any
    offset: int
    thing: Any
    differs: bool = False


class Tag(NamedTuple):
    """A word that is another one after every change; what it is has to be seen.

    `things` are what the dict holds, keys and values, where a change may have been taken back.
    """

    owner: Any
    offset: int
    things: tuple[Any, ...] = ()


class Entries(NamedTuple):
    """What a list holds."""

    owner: list[Any]
    things: tuple[Any, ...]


Word = Thing | Tag | Entries


class Check(NamedTuple):
    """An expression of Python, and the words that are the same as long as it is true.

    Without words there is no way but to ask.
    """

    text: str
    words: Sequence[Word] | None = None


def word(address: int) -> int:
    """Return the word at an address."""
    return ctypes.c_int64.from_address(address).value


def slot(owner: Any, name: str, thing: Any, differs: bool = False) -> Thing | None:
    """Return the word that is an attribute of an object whose class has slots."""
    kind: Any = type(owner)
    offset = offset_of(kind, name) if readable() else None
    return None if offset is None else Thing(owner, offset, thing, differs)


def cell(owner: CellType, thing: Any) -> Sequence[Word] | None:
    """Return the word that says what a cell holds."""
    return (Thing(owner, CELL, thing),) if readable() else None


def entries(owner: list[Any], things: Sequence[Any]) -> Sequence[Word] | None:
    """Return the words that say what a list holds."""
    return (Entries(owner, tuple(things)),) if type(owner) is list and readable() else None


def changes(owner: dict[Any, Any], things: tuple[Any, ...] = ()) -> Sequence[Word] | None:
    """Return the word that is another one after any change to a dict."""
    return (Tag(owner, VERSION, things),) if type(owner) is dict and counts_changes() else None


def attribute(owner: Any, name: str, thing: Any) -> Sequence[Word] | None:
    """Return the word that says what attribute an object has by itself."""
    if name in getattr(owner, "__dict__", ()) and not hasattr(type(owner), name):
        return changes(vars(owner))
    found = slot(owner, name, thing)
    return found and (found,)


def of_class(kind: type) -> Sequence[Word] | None:
    """Return the words that say what attributes a class has."""
    if type(kind) is not type or not counts_changes():
        return None
    bases, offset = kind.__mro__, _order()
    spaces = [_space(base) for base in bases[:-1]]  # `object` stays what it is
    if offset is None or not all(spaces):
        return None
    return [Thing(kind, offset, bases), *(Tag(space, VERSION) for space in spaces)]


@cache
def offset_of(kind: type, name: str) -> int | None:
    """Return where the objects of a class have an attribute, or None."""
    if type(getattr(kind, name, None)) is not MemberDescriptorType:
        return None
    sample: Any = object.__new__(kind)
    sign = object()
    setattr(sample, name, sign)
    return _found(sample, kind.__basicsize__, sign)


@cache
def readable() -> bool:
    """Whether machine code may look for words where they are looked for."""
    usual = sys.implementation.name == "cpython" and struct.calcsize("P") == 8
    if not usual or sysconfig.get_config_var("Py_GIL_DISABLED") or not is_compiled():
        return False
    return all(_tried())


@cache
def counts_changes() -> bool:
    """Whether a dict has a word that any change makes another one."""
    if not readable():
        return False
    sample: Any = _Sample()
    space: dict[str, Any] = vars(sample)
    seen: set[int] = set()
    for change in CHANGES * 3:
        change(sample, space)
        seen.add(word(id(space) + VERSION))
    before = word(id(space) + VERSION)
    space.get("a"), len(space), list(space), sample.b, space.update(b=sample.b)  # no changes
    return len(seen) == 3 * len(CHANGES) and before == word(id(space) + VERSION)


class _Sample:
    a: Any
    b: Any


def _store(sample: Any, space: Any) -> None:
    for _ in range(100):  # as often as it takes until the interpreter has a short cut
        sample.a = object()


CHANGES: tuple[Callable[[Any, dict[str, Any]], Any], ...] = (
    _store,
    lambda x, space: space.update(b=object()),
    lambda x, space: space.pop("a"),
    lambda x, space: setattr(x, "a", object()),
    lambda x, space: delattr(x, "a"),
    lambda x, space: space.setdefault("a", object()),
    lambda x, space: space.popitem(),
    lambda x, space: space.clear(),
    lambda x, space: space.update(a=1, b=2),
    lambda x, space: space.__ior__({"b": 3}),
    lambda x, space: space.__delitem__("a"),
    lambda x, space: space.__setitem__("a", 5),
)


def _tried() -> Iterator[bool]:
    """Try out where things are."""
    first, second = object(), object()
    pair, row, held = (first, second), [first, second], CellType(first)
    yield word(id(pair) + TYPE) == id(tuple)
    yield word(id(pair) + SIZE) == word(id(row) + SIZE) == 2
    yield word(id(pair) + ITEMS + 8) == id(second)
    yield word(word(id(row) + ITEMS) + 8) == id(second)
    row.clear()
    yield word(id(row) + SIZE) == 0
    yield word(id(held) + CELL) == id(first)
    held.cell_contents = second
    yield word(id(held) + CELL) == id(second)
    yield from _tried_array()


def _tried_array() -> Iterator[bool]:
    array = np.zeros((3, 5, 7), np.float32)[::2]
    at, half = id(array), ctypes.c_int32.from_address
    yield word(at + DATA) == array.ctypes.data
    yield half(at + AXES).value == 3
    yield tuple(word(word(at + SIZES) + 8 * i) for i in range(3)) == array.shape
    yield tuple(word(word(at + STRIDES) + 8 * i) for i in range(3)) == array.strides
    yield word(at + DTYPE) == id(array.dtype)
    yield half(at + FLAGS).value == array.flags.num


def _found(thing: Any, size: int, sign: Any) -> int | None:
    """Return where in an object of a size the address of another is."""
    words = (offset for offset in range(16, size, 8) if word(id(thing) + offset) == id(sign))
    return next(words, None)


@cache
def _order() -> int | None:
    """Return where a class has the order of its bases."""
    kind: Any = type
    return _found(_Sample, kind.__basicsize__, _Sample.__mro__)


def _space(kind: type) -> dict[str, Any] | None:
    """Return the dict behind a class's attributes."""
    found = [x for x in gc.get_referents(vars(kind)) if type(x) is dict]
    return found[0] if len(found) == 1 else None
