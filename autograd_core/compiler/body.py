"""The text of a native function under construction, and where its values lie.

A lowering (`lowering/`) reads the places of a step's operands, asks for room for its result, and
writes lines. Lines stand in a function that works in one float type, called F, where bare
numbers are of this type: sizes and positions stand in ``range``, in brackets, or in ``int(...)``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .layout import Place, collapse, contiguous, index, name_of, stretched
from .memory import Block, rounded
from .record import Value

__all__ = ["GRAIN", "PARALLEL", "Body", "Part"]

PARALLEL = 1 << 17  # elements from which threads share a loop
GRAIN = 1 << 15  # elements that one of them takes at a time


class Part(NamedTuple):
    """Lines that run at once; those of a loop of `extent` rounds that threads share if not 0.

    Where no name is alive, before the lines `cuts`, they can be cut.
    """

    lines: list[str]
    extent: int = 0
    grain: int = 0
    cuts: Sequence[int] = ()


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
    offsets : sequence of int, optional
        Where the blocks of the workspace lie, in bytes. Without, one after the other: a
        rehearsal, after which `blocks` tells how long each is needed.
    rehearsed : sequence of Block, optional
        The blocks after a rehearsal: in another one, results take the place of operands that
        nobody needs any more.
    sharing : bool
        Whether threads share loops.
    plans : dict, optional
        What earlier writings have found out that does not depend on places; it is added to.
    general : bool
        Whether the text shall differ in numbers only from that for other sizes.
    """

    def __init__(
        self,
        dtype: str,
        outside: Mapping[Value, Place],
        kept: Collection[Value],
        offsets: Sequence[int] | None = None,
        rehearsed: Sequence[Block] = (),
        sharing: bool = True,
        plans: dict[Hashable, Any] | None = None,
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
        self.now = -1
        self.marks: list[tuple[int, int, int]] = []  # parts, lines and blocks before each unit
        self.sharing = sharing
        self.general = general
        self.plans = {} if plans is None else plans
        self._offsets = offsets
        self._rehearsed = rehearsed
        self.begins: list[int] = []  # of the blocks, in bytes
        self._offers: dict[Hashable, Place] = {}
        self._given: set[int] = set()  # blocks that have a successor in their place
        self._names: dict[int, str] = {}  # of the arrays
        self._total = 0
        self._places = dict(outside)

    @property
    def lines(self) -> list[str]:
        """The lines of the part that is being written."""
        return self.parts[-1].lines

    @lines.setter
    def lines(self, lines: list[str]) -> None:
        if lines is not self.lines:  # as it is after +=
            self.lines[:] = lines

    @property
    def names(self) -> set[str]:
        """The names of the arrays that lines may work on."""
        return {place.buffer for place in self._places.values()} | self.arrays.keys()

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
            if block.root >= 0:
                root = self.blocks[block.root]
                root.last = max(root.last, self.now)
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
            block = self.blocks[place.block]
            root = block if block.root < 0 else self.blocks[block.root]
            block.last = root.last = math.inf
        return place

    def scratch(
        self, shape: Sequence[int], dtype: Any = None, over: Sequence[Place] = ()
    ) -> Place:
        """Return memory for this step alone, in row order."""
        dtype = np.dtype(self.dtype if dtype is None else dtype)
        self.dtypes.add(dtype)
        size = rounded(math.prod(shape) * dtype.itemsize)
        number = len(self.blocks)
        buffer, strides = f"work_{name_of(dtype)}", contiguous(shape)
        root = self._free_root(Place(buffer, 0, strides, number), size, over) if over else -1
        if self._offsets is not None:
            begin = self._offsets[number]
        else:
            begin = self._total if root < 0 else self.begins[root]
        self._total += size if root < 0 else 0
        self.begins.append(begin)
        self.blocks.append(Block(size, self.now, self.now, root=root))
        return Place(buffer, begin // dtype.itemsize, strides, number)

    def _free_root(self, target: Place, size: int, over: Sequence[Place]) -> int:
        """Return the block that was first where a result can overwrite an operand; or -1."""
        for place in over if self._rehearsed else ():
            known = self._rehearsed[place.block] if place.block >= 0 else None
            alike = place.buffer == target.buffer and place.strides == target.strides
            if not known or not alike or known.size != size:
                continue
            begins = place.offset * np.dtype(place.buffer[5:]).itemsize == self.begins[place.block]
            if begins and self._is_read_last(known, place.block):
                self._given.add(place.block)
                root = self.blocks[place.block].root
                root = place.block if root < 0 else root
                self.blocks[root].last = max(self.blocks[root].last, self.now)
                return root
        return -1

    def _is_read_last(self, known: Block, number: int) -> bool:
        """Whether a block is read once in this unit, and then never."""
        older = known.first < self.now == known.last
        return older and known.uses == 1 and number not in self._given

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
        if not self.sharing or elements < PARALLEL or not sizes or sizes[0] == 1:
            self.nest(sizes, body)
            return
        grain = max(1, GRAIN * sizes[0] // elements)
        self.parts.append(Part(["for i0 in range(begin, end):"], sizes[0], grain))
        inner = [f"    {line}" for line in body]
        for depth, size in enumerate(sizes[1:], 1):
            self.lines.append(f"{'    ' * depth}for i{depth} in range({size}):")
        self.lines += ["    " * (len(sizes) - 1) + line for line in inner]
        self.parts.append(Part([]))

    def copy(self, source: Place, shape: Sequence[int], target: Place) -> None:
        """Write a copy of a value from one place to another."""
        strides = {"from": source.strides, "to": target.strides}
        sizes, found = collapse(shape, strides)
        self.nest(sizes, [f"{self.at(target, found['to'])} = {self.at(source, found['from'])}"])

    def read(self, value: Value, shape: Sequence[int]) -> tuple[Place, tuple[int, ...]]:
        """Return where a value is, and its strides as if it had another shape."""
        place = self.place(value)
        return place, stretched(place, value.shape, shape)

    def give_up(self, condition: str, reason: str) -> None:
        """Write that a run ends where a condition holds."""
        self.reasons.setdefault(reason, len(self.reasons) + 1)
        self.lines += [f"if {condition}:", f"    return int({self.reasons[reason]})"]
