"""Matrix products that leave out the zeros of A, in machine code of our own.

    words[t, i] = bits of A[i, 64 t : 64 t + 64] that are not zero          (`nonzeros`)
    C[i, j:j+columns] += Σ A[i, k] B[k, j:j+columns], over these k          (`skipping`)

A panel of B, 64 rows of some columns, is copied to the nearest cache, and a row of C as wide stays
in registers. As many numbers of B are read as are multiplied, which a processor just manages.
The numbers of a row of A lie side by side: where Aᵀ is stored, it has to be turned before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from . import sparse
from .panels import Panels, product
from .sparse import ROWS, TERMS
from .tiling import Sizes, lanes
from .vectors import INDEX, Vectors, begins, declared, parts_of, pieces

__all__ = ["nonzeros", "skipping"]

WORD = ir.IntType(64)
BYTES = 8  # of a word


def nonzeros(*given: Any) -> Any:
    """Declare what writes the words, of the addresses of A and the words.

    It returns how many numbers are not zero.
    """
    sizes = Sizes(*given)

    def write(*given: Any) -> Any:
        return _Words(sizes, *given).count()

    return declared("nonzeros", sizes, "a words", types.intp, write)


def skipping(*given: Any) -> Any:
    """Declare a product, by its `Sizes`, of the addresses of A, the words, B and C.

    Two more words are its first panel and where it ends. It returns Σ 0 c, if it is checked.
    """
    return product("skipping", Sizes(*given), "a words b c first end", _Skipping)


def _word(builder: Any, words: Any, i: Any) -> Any:
    """Return a pointer to a word."""
    place = builder.add(words, builder.mul(i, INDEX(BYTES)))
    return builder.inttoptr(place, WORD.as_pointer())


def _is_not_zero(builder: Any, bits: Any) -> Any:
    return builder.icmp_signed("!=", bits, bits.type(0))


class _Words(Vectors):
    """The words while their text is being emitted."""

    def __init__(self, sizes: Sizes, builder: Any, a: Any, words: Any) -> None:
        super().__init__(builder, sizes.dtype)
        self.sizes, self.words = sizes, words
        whole, rest = divmod(sizes.k, TERMS)
        with cgutils.for_range(builder, INDEX(sizes.m)) as rows:
            row = self._beyond(a, rows.index, sizes.lda)
            with cgutils.for_range(builder, INDEX(whole)) as loop:
                self._row(self._beyond(row, loop.index, TERMS), loop.index, rows.index, TERMS)
            if rest:
                self._row(self._beyond(row, INDEX(whole), TERMS), INDEX(whole), rows.index, rest)

    def _row(self, a: Any, chunk: Any, row: Any, count: int) -> None:
        """Write one word, of numbers side by side."""
        builder, word = self.builder, WORD(0)
        for begin, part in begins(parts_of(count, lanes(self.sizes.dtype))):
            numbers = self._load(a, begin, part)
            differs = builder.fcmp_unordered("!=", numbers, numbers.type(None))
            bits = builder.zext(builder.bitcast(differs, ir.IntType(part)), WORD)
            word = builder.or_(word, builder.shl(bits, WORD(begin)))
        place = builder.add(builder.mul(chunk, INDEX(self.sizes.m)), row)
        builder.store(word, _word(builder, self.words, place))

    def count(self) -> Any:
        """Return how many bits are set."""
        builder = self.builder
        total = cgutils.alloca_once_value(builder, INDEX(0))
        with cgutils.for_range(builder, INDEX(sparse.words(self.sizes))) as loop:
            bits = builder.ctpop(builder.load(_word(builder, self.words, loop.index)))
            builder.store(builder.add(builder.load(total), bits), total)
        return builder.load(total)


class _Skipping(Panels):
    """One product while it is being emitted; addresses are integers."""

    def __init__(
        self, sizes: Sizes, builder: Any, a: Any, words: Any, b: Any, c: Any, first: Any, end: Any
    ) -> None:
        super().__init__(sizes, builder, lanes(sizes.dtype), sparse.vectors(sizes))
        self.a, self.words, self.b, self.c = a, words, b, c
        self.first, self.end = first, end
        self.spot = TERMS * self.wide
        self.panel = self._on_stack(self.spot + self.sums)
        self._clear_sums()
        for column, parts in self._panels():
            self._panel(column, parts)

    def _panel(self, column: Any, parts: Sequence[int]) -> None:
        """Write some columns of C: some rows at a time, 64 terms at a time."""
        builder, sizes = self.builder, self.sizes
        b, c = self._beyond(self.b, column, self.b_strides[1]), self._beyond(self.c, column, 1)
        for _, first, rows in pieces(builder, sizes.m, ROWS):
            for chunk, start, count in pieces(builder, sizes.k, TERMS):
                self._copied(self._beyond(b, start, self.b_strides[0]), count, parts, sum(parts))
                a = self._beyond(self.a, start, 1)
                before = builder.mul(chunk, INDEX(sizes.m))  # so many words
                always = self._to_be_kept(count, parts)
                fresh = builder.icmp_signed("==", chunk, INDEX(0))
                with cgutils.for_range(builder, rows) as loop:
                    row = builder.add(first, loop.index)
                    bits = builder.load(_word(builder, self.words, builder.add(before, row)))
                    here, there = self._beyond(a, row, sizes.lda), self._beyond(c, row, sizes.ldc)
                    self._row(here, builder.or_(bits, always), there, parts, fresh)

    def _to_be_kept(self, count: Any, parts: Sequence[int]) -> Any:
        """Return the bits of all terms if the panel has a number that is not finite, else none."""
        builder, number = self.builder, self.number
        sums = [(begin, part, ir.VectorType(number, part)(None)) for begin, part in begins(parts)]
        cells = [cgutils.alloca_once_value(builder, zero) for _, _, zero in sums]
        with cgutils.for_range(builder, count) as loop:
            here = self._beyond(self.panel, loop.index, sum(parts))
            for cell, (begin, part, zero) in zip(cells, sums, strict=True):
                found = self._fma(self._load(here, begin, part), zero, builder.load(cell))
                builder.store(found, cell)
        bits: Any = WORD(0)
        for cell, (_, part, zero) in zip(cells, sums, strict=True):
            found = builder.load(cell)
            differs = builder.fcmp_unordered("!=", found, zero)
            some = _is_not_zero(builder, builder.bitcast(differs, ir.IntType(part)))
            bits = builder.or_(bits, builder.zext(some, WORD))
        every = builder.lshr(WORD(-1), builder.sub(WORD(TERMS), count))
        return builder.select(_is_not_zero(builder, bits), every, WORD(0))

    def _row(self, a: Any, word: Any, c: Any, parts: Sequence[int], fresh: Any) -> None:
        """Add the products of the numbers of A that a word tells to a row of C."""
        builder, places = self.builder, begins(parts)
        first = [self._start(c, *place, fresh) for place in places]
        before, body = builder.block, builder.append_basic_block("terms")
        after = builder.append_basic_block("stored")
        builder.cbranch(_is_not_zero(builder, word), body, after)
        builder.position_at_end(body)
        bits, sums = builder.phi(WORD), [builder.phi(x.type) for x in first]
        k = builder.cttz(bits, ir.IntType(1)(1))
        x = self._load(self._beyond(a, k, 1), 0, 0)
        b = self._beyond(self.panel, k, sum(parts))
        found = [
            self._fma(self._splat(x, total), self._load(b, *place), total)
            for total, place in zip(sums, places, strict=True)
        ]
        others = builder.and_(bits, builder.sub(bits, WORD(1)))
        for phi, start, end in zip([bits, *sums], [word, *first], [others, *found], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, body)
        builder.cbranch(_is_not_zero(builder, others), body, after)
        builder.position_at_end(after)
        ends = [builder.phi(x.type) for x in first]
        for phi, start, end in zip(ends, first, found, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, body)
        for (begin, _), end in zip(places, ends, strict=True):
            self._store(end, c, begin)
        if self.sizes.checked:
            self._check(ends)

    def _start(self, c: Any, begin: int, part: int, fresh: Any) -> Any:
        """Return what is added to: what C has, unless these are the first terms and nothing is."""
        if self.sizes.accumulate:
            return self._load(c, begin, part)
        zero = ir.VectorType(self.number, part)(None)
        if self.sizes.k <= TERMS:
            return zero
        return self.builder.select(fresh, zero, self._load(c, begin, part))
