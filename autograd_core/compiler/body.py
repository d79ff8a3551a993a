"""The text of a native function under construction, and where its values lie.

A lowering (`lowering/`) reads the places of a step's operands, asks for room for its result, and
writes lines. What lies in the workspace is written with a number of its block (`positions`), until
all is written and memory is planned. Lines stand in a function that works in one float type,
called F, where bare numbers are of this type: sizes and positions stand in ``range``, in brackets,
or in ``int(...)``.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, NamedTuple

import numpy as np

from .layout import Place, collapse, contiguous, index, name_of, stretched
from .memory import Block, rounded
from .positions import FAR, Positions
from .record import Value

__all__ = ["Body", "Part"]

PARALLEL = 1 << 16  # elements from which threads share a loop
GRAIN = 1 << 14  # elements that one of them takes at a time


class Part(NamedTuple):
    """Lines that run at once; those of a loop of `extent` rounds that threads share if not 0.

    Where no name is alive, before the lines `cuts`, they can be cut. A `product` is done by a
    BLAS that is to use one thread.
    """

    lines: list[str]
    extent: int = 0
    grain: int = 0
    cuts: Sequence[int] = ()
    product: bool = False


class Body:
    """Lines, definitions that they call, and memory.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        The float type.
    outside : mapping of Value to Place
        The values that are there before.
    kept : collection of Value
        Those that are needed afterwards; each lies in row order, in a block of its own.
    sharing : bool
        Whether threads share loops.
    general : bool
        Whether the text shall differ in numbers only from that for other sizes.
    """

    def __init__(
        self,
        dtype: str,
        outside: Mapping[Value, Place],
        kept: Collection[Value],
        sharing: bool = True,
        general: bool = False,
    ) -> None:
        self.dtype = dtype
        self.kept = kept
        self.parts = [Part([])]
        self.definitions: dict[str, None] = {}  # in the text's own types
        self.functions: dict[str, None] = {}  # written for any float type
        self.reasons: dict[str, int] = {}  # why a run may be given up, and what it returns
        self.blocks: list[Block] = []
        self.arrays: dict[str, np.ndarray] = {}  # that are neither values nor workspace
        self.scalars: dict[tuple[str, str, int], tuple[str, str]] = {}  # of updates: cell, name
        self.dtypes: set[np.dtype[Any]] = set()  # of the blocks
        self.settings: dict[str, np.ndarray] = {}  # of optimizers, by the arrays' names
        self.skips = 0  # products that leave out zeros
        self.now = -1
        self.marks: list[tuple[int, int, int]] = []  # parts, lines and blocks before each unit
        self.sharing = sharing
        self.general = general
        self._itemsizes: list[int] = []  # of the blocks
        self._wishes: list[tuple[int, int, list[int]]] = []  # blocks, moments, better places
        self._copies: list[tuple[int, list[str], range]] = []  # in vain if a wish is granted
        self._offers: dict[Hashable, Place] = {}
        self._names: dict[int, str] = {}  # of the arrays
        self._places = dict(outside)

    @property
    def lines(self) -> list[str]:
        """The lines of the part that is being written."""
        return self.parts[-1].lines

    @lines.setter
    def lines(self, lines: list[str]) -> None:
        if lines is not self.lines:  # as it is after +=
            self.lines[:] = lines

    def bound(self, swap: Callable[[Any], Any]) -> Body:
        """Return what is finished for other arrays, which have the same layout."""
        other = copy.copy(self)
        other.arrays = {name: swap(array) for name, array in self.arrays.items()}
        other.settings = {name: swap(array) for name, array in self.settings.items()}
        other._places = {v: place for v, place in self._places.items() if v.holder is None}
        other._offers = {}
        return other

    def unit(self) -> None:
        """Begin a unit: all that a moment of the memory plan is for."""
        self.marks.append((len(self.parts) - 1, len(self.lines), len(self.blocks)))
        self.now += 1

    # ---------------------------------------------------------------------------- memory

    def place(self, value: Value) -> Place:
        """Return where a value is."""
        place = self._places[value]
        if place.block >= 0:
            block = self.blocks[place.block]
            block.uses = block.uses + 1 if block.last == self.now else 1
            block.last = max(block.last, self.now)
        return place

    def bind(self, value: Value, place: Place) -> None:
        """Let a value be what is at a place: a view; one that is kept or given away is copied."""
        if value in self.kept or value in self._places:
            self.copy(place, value.shape, self.allot(value))
        else:
            self._places[value] = place

    def allot(self, value: Value, over: Sequence[Place] = ()) -> Place:
        """Give a result memory, in row order: that of one of the places, if nobody needs it.

        The places are those of operands that are read element by element as the result is written.
        What is given away has its memory already.
        """
        if value in self._places:
            return self._places[value]
        place = self._places[value] = self.scratch(value.shape, value.dtype, over)
        if value in self.kept:
            self.blocks[place.block].last = math.inf
        return place

    def scratch(
        self, shape: Sequence[int], dtype: Any = None, over: Sequence[Place] = ()
    ) -> Place:
        """Return memory for this step alone, in row order."""
        dtype = np.dtype(self.dtype if dtype is None else dtype)
        self.dtypes.add(dtype)
        size = rounded(math.prod(shape) * dtype.itemsize)
        number = len(self.blocks)
        place = Place(f"work_{name_of(dtype)}", (number + 1) * FAR, contiguous(shape), number)
        better = [x.block for x in over if self._is_alike(x, place, size)] if over else []
        if better:
            self._wishes.append((number, self.now, better))
        self.blocks.append(Block(size, self.now, self.now))
        self._itemsizes.append(dtype.itemsize)
        return place

    def _is_alike(self, place: Place, target: Place, size: int) -> bool:
        """Whether a block, of the same size, is read as another one is to be written."""
        whole = place.block >= 0 and place.offset == (place.block + 1) * FAR
        alike = place.buffer == target.buffer and place.strides == target.strides
        return whole and alike and self.blocks[place.block].size == size

    def plan(self) -> None:
        """Let results take the place of operands that nobody needs any more."""
        given: set[int] = set()  # blocks that have a successor in their place
        for number, now, better in self._wishes:
            free = (i for i in better if i not in given and self.blocks[i].is_read_last(now))
            found = next(free, None)
            if found is not None:
                given.add(found)
                root = self.blocks[found].root
                self.blocks[number].root = found if root < 0 else root
        for block in (block for block in self.blocks if block.root >= 0):
            first = self.blocks[block.root]
            first.last = max(first.last, block.last)
        for number, lines, where in self._copies:
            for i in where if self.blocks[number].root >= 0 else ():
                lines[i] = ""

    def buffers(self) -> list[str]:
        """Return the names of the arrays that the text may work on."""
        return [*dict.fromkeys(x.buffer for x in self._places.values()), *self.arrays]

    def positions(self, offsets: Sequence[int]) -> Positions:
        """Return where the blocks begin, in elements, that lie at offsets in bytes."""
        pairs = zip(offsets, self._itemsizes, strict=True)
        return Positions([offset // itemsize for offset, itemsize in pairs])

    def settle(self, positions: Positions) -> None:
        """Let places be known of what is kept, or was there before."""
        known = ((v, x) for v, x in self._places.items() if x.block < 0 or v in self.kept)
        self._places = {v: x._replace(offset=positions.number(x.offset)) for v, x in known}
        self._wishes, self._copies = [], []

    def offer(self, key: Hashable, place: Place) -> None:
        """Keep what a step computed on the way for a later one that asks for it."""
        self._offers[key] = place

    def offered(self, key: Hashable) -> Place | None:
        """Return where an earlier step has left something, if any did."""
        place = self._offers.get(key)
        if place is not None:
            self.blocks[place.block].last = self.now
        return place

    def rows(self, value: Value) -> Place:
        """Return a place where a value lies in row order, copying it there if need be."""
        place = self.place(value)
        if place.strides == contiguous(value.shape):
            return place
        target = self.scratch(value.shape, value.dtype)
        self.copy(place, value.shape, target)
        return target

    def outside(self, array: np.ndarray) -> str:
        """Return the name of an array that is no value."""
        name = self._names.setdefault(id(array), f"a{len(self.arrays)}")
        self.arrays[name] = array
        return name

    # ------------------------------------------------------------------------------ text

    def at(self, place: Place, strides: Sequence[int] | None = None) -> str:
        """Return the text of an element; `i0`, `i1`, ... count along the strides."""
        given = place.strides if strides is None else strides
        return f"{place.buffer}[{index(place.offset, given)}]"

    def flat(self, place: Place, size: int) -> str:
        """Return the text of a place in row order as a flat array."""
        return f"{place.buffer}[{place.offset}:{place.offset + size}]"

    def nest(self, sizes: Sequence[int], body: Iterable[str]) -> None:
        """Write loops over `i0`, `i1`, ... around lines."""
        for depth, size in enumerate(sizes):
            self.lines.append(f"{'    ' * depth}for i{depth} in range({size}):")
        self.lines += ["    " * len(sizes) + line for line in body]

    def shared(self, sizes: Sequence[int], body: Iterable[str], elements: int) -> None:
        """Write loops; one over many elements is a part of its own, which threads share."""
        if not self.shares(elements) or not sizes or sizes[0] == 1:
            self.nest(sizes, body)
            return
        with self.rounds(sizes[0], elements):
            self.lines.append("for i0 in range(begin, end):")
            for depth, size in enumerate(sizes[1:], 1):
                self.lines.append(f"{'    ' * depth}for i{depth} in range({size}):")
            self.lines += ["    " * len(sizes) + line for line in body]

    def shares(self, elements: int) -> bool:
        """Whether threads share a loop over so many elements."""
        return self.sharing and elements >= PARALLEL

    @contextlib.contextmanager
    def rounds(self, extent: int, elements: int) -> Iterator[None]:
        """Let threads share what is written meanwhile: rounds from `begin` to `end`."""
        self.parts.append(Part([], extent, max(1, GRAIN * extent // elements)))
        yield
        self.parts.append(Part([]))

    @contextlib.contextmanager
    def where(self, condition: str) -> Iterator[None]:
        """Let what is written meanwhile be done only where a condition holds, and stays so."""
        first, begin = len(self.parts) - 1, len(self.lines)
        yield
        for part in self.parts[first:]:
            written = part.lines[begin:]
            if written:
                part.lines[begin:] = [f"if {condition}:", *(f"    {line}" for line in written)]
            begin = 0

    def shared_product(self, line: str, size: int, grain: int) -> None:
        """Write a product that threads share: the line is for `i0` and so many `rows`."""
        rows = f"rows = min(end * int({grain}), int({size})) - begin * int({grain})"
        self.shared_lines(["i0 = begin", rows, line], -(-size // grain), product=True)

    def shared_lines(self, lines: list[str], extent: int, product: bool = False) -> None:
        """Write lines from `begin` to `end` of a range that threads share."""
        self.parts += [Part(lines, extent, 1, product=product), Part([])]

    def copy(self, source: Place, shape: Sequence[int], target: Place) -> None:
        """Write a copy of a value from one place to another."""
        strides = {"from": source.strides, "to": target.strides}
        sizes, found = collapse(shape, strides)
        self.nest(sizes, [f"{self.at(target, found['to'])} = {self.at(source, found['from'])}"])

    def copy_first(self, source: Place, shape: Sequence[int], target: Place) -> None:
        """Write a copy, unless the target, allotted over the source, lies in its place."""
        begin = len(self.lines)
        self.copy(source, shape, target)
        if target.block >= 0:
            self._copies.append((target.block, self.lines, range(begin, len(self.lines))))

    def read(self, value: Value, shape: Sequence[int]) -> tuple[Place, tuple[int, ...]]:
        """Return where a value is, and its strides as if it had another shape."""
        place = self.place(value)
        return place, stretched(place, value.shape, shape)

    def give_up(self, condition: str, reason: str) -> None:
        """Write that a run ends where a condition holds."""
        self.reasons.setdefault(reason, len(self.reasons) + 1)
        self.lines += [f"if {condition}:", f"    return int({self.reasons[reason]})"]
