"""What products in machine code of our own have in common: C is worked on by panels of columns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .tiling import Sizes
from .vectors import INDEX, Vectors, begins, declared, parts_of

__all__ = ["Panels", "product"]

CHAINS = 4
ALIGNED = 64  # bytes of a cache line


def product(name: str, sizes: Sizes, words: str, kind: Callable[..., Panels]) -> Any:
    """Declare a product, by the names of its words and what emits it.

    It returns Σ 0 c, if it is checked.
    """
    number = types.float32 if sizes.dtype == "float32" else types.float64
    returned = number if sizes.checked else types.void
    return declared(name, sizes, words, returned, lambda *given: kind(sizes, *given).returned())


class Panels(Vectors):
    """A product while it is being emitted, in panels of `vectors` of `lanes` numbers.

    It does the panels from `first` to `end`. `panel` is where a panel of B can be copied to,
    `spot`, counted in numbers from there, where the sums of 0 c are, as many as `sums`.
    """

    first: Any
    end: Any
    panel: Any
    spot: int

    def __init__(self, sizes: Sizes, builder: Any, lanes: int, vectors: int) -> None:
        super().__init__(builder, sizes.dtype)
        self.sizes, self.lanes, self.vectors = sizes, lanes, vectors
        self.wide = vectors * lanes
        self.full, self.rest = divmod(sizes.n, self.wide)
        self.count = self.full + bool(self.rest)
        # One for each number of each length of vectors.
        self.sums = sizes.checked * (2 * lanes - 1)
        self.b_strides = (1, sizes.ldb) if sizes.transpose_b else (sizes.ldb, 1)

    def _panels(self) -> Iterator[tuple[Any, list[int]]]:
        """Yield the first column and the vectors of a panel, within a loop over panels alike."""
        builder = self.builder
        if self.full:
            before = builder.icmp_signed("<", self.end, INDEX(self.full))
            last = builder.select(before, self.end, INDEX(self.full))
            with cgutils.for_range(builder, last, start=self.first) as loop:
                yield builder.mul(loop.index, INDEX(self.wide)), [self.lanes] * self.vectors
        if self.rest:
            with builder.if_then(builder.icmp_signed(">", self.end, INDEX(self.full))):
                yield INDEX(self.full * self.wide), parts_of(self.rest, self.lanes)

    def _copied(self, b: Any, count: Any, parts: Sequence[int], distance: int) -> None:
        """Copy some columns of B, one beside the other, into the panel."""
        if not self.sizes.transpose_b:
            with cgutils.for_range(self.builder, count) as loop:
                source = self._beyond(b, loop.index, self.sizes.ldb)
                target = self._beyond(self.panel, loop.index, distance)
                for begin, part in begins(parts):
                    self._store(self._load(source, begin, part), target, begin)
            return
        whole = sum(part == self.lanes for part in parts)
        with cgutils.for_range(self.builder, INDEX(whole)) as loop:
            begin = self.builder.mul(loop.index, INDEX(self.lanes))
            self._column(b, begin, count, self.lanes, distance)
        for begin, part in begins(parts)[whole:]:
            self._column(b, INDEX(begin), count, part, distance)

    def _column(self, b: Any, begin: Any, count: Any, part: int, distance: int) -> None:
        """Copy one vector of each row of B, whose columns lie side by side."""
        source = self._beyond(b, begin, self.sizes.ldb)
        target = self._beyond(self.panel, begin, 1)
        self._turned(source, self.sizes.ldb, target, distance, count, part)

    def _on_stack(self, size: int) -> Any:
        """Return the address of memory that each thread has for itself.

        Numba's `alloca_once` would fill it with zeros, number by number: seconds to compile.
        """
        with self.builder.goto_entry_block():
            memory = self.builder.alloca(ir.ArrayType(self.number, max(size, 1)))
        memory.align = ALIGNED
        return self.builder.ptrtoint(memory, INDEX)

    # ----------------------------------------------------------------------------- checks

    def _clear_sums(self) -> None:
        """Set the sums of 0 c to zero."""
        for i in range(self.sums):
            self._store(self.number(0.0), self.panel, self.spot + i)

    def _check(self, found: Sequence[Any]) -> None:
        """Add 0 times what is in vectors to the sums."""
        for part in sorted({x.type.count for x in found}):
            offset, zero = part - 1 + self.spot, ir.VectorType(self.number, part)(None)
            start = self._load(self.panel, offset, part)
            numbers = [x for x in found if x.type.count == part]
            self._store(self._zeros(numbers, start, zero), self.panel, offset)

    def _zeros(self, numbers: Sequence[Any], start: Any, zero: Any) -> Any:
        """Return a vector and 0 times others, in chains that do not wait for each other."""
        chains = [start, *[zero] * (CHAINS - 1)]
        for i, x in enumerate(numbers):
            chains[i % CHAINS] = self._fma(x, zero, chains[i % CHAINS])
        return functools.reduce(self.builder.fadd, chains)

    def returned(self) -> Any:
        """Return the sum over all vectors, if the product is checked."""
        found = self.number(0.0)
        for i in range(self.sums):
            found = self.builder.fadd(found, self._load(self.panel, self.spot + i, 0))
        return found
