"""Matrix products of moderate size in machine code of our own, for sizes known beforehand.

A BLAS finds out at each call what sizes it has, copies both matrices into an order that suits it,
and has a few kernels for all. Where the sizes are known, one can do without most of that: a tile
of the result stays in registers, C[i:i+rows, j:j+columns] += Σₖ A[i:i+rows, k] B[k, j:j+columns],
one number of A times one or two vectors of B at a time, while A is read where it lies. A panel of
B, so many columns as a tile has, is copied only where its rows lie in columns (Bᵀ is stored), or
at distances that would have them displace each other in the cache.

After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34
(2008), and Heinecke et al., "LIBXSMM", SC 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from .panels import Panels, product
from .tiling import Plan, Sizes, room
from .vectors import INDEX, begins, pieces

__all__ = ["tiled"]


def tiled(*given: Any) -> Any:
    """Declare a product, by its `Sizes`, of the addresses of A, B, C and the panel.

    Of a shared product, instead of the panel's address, its first panel and where it ends.
    It returns Σ 0 c, if the product is checked.
    """
    sizes = Sizes(*given)
    place = "first end" if sizes.shared else "room"
    return product("tiled", sizes, f"a b c {place}", _Product)


class _Product(Panels):
    """One product while it is being emitted; addresses are integers."""

    def __init__(self, sizes: Sizes, builder: Any, a: Any, b: Any, c: Any, *place: Any) -> None:
        self.plan = Plan(sizes)
        super().__init__(sizes, builder, self.plan.lanes, self.plan.vectors)
        self.a_strides = (1, sizes.lda) if sizes.transpose_a else (sizes.lda, 1)
        self.accumulate = sizes.accumulate
        self.a, self.b, self.c = a, b, c
        if sizes.shared:
            self.first, self.end = place
            self.panel = self._on_stack(room(sizes))
        else:
            self.first, self.end = INDEX(0), INDEX(self.count)
            (self.panel,) = place
        self.spot = room(sizes._replace(checked=False))
        self._clear_sums()
        self._all()

    # ---------------------------------------------------------------------------- loops

    def _all(self) -> None:
        k, depth = self.sizes.k, self.plan.depth
        if k == depth:
            self._block(INDEX(0), INDEX(k))
            return
        if not self.accumulate:
            self._clear()
            self.accumulate = True
        for _, start, count in pieces(self.builder, k, depth):
            self._block(start, count)

    def _block(self, start: Any, count: Any) -> None:
        """Add the terms from `start` on, so many, to all of C."""
        a = self._beyond(self.a, start, self.a_strides[1])
        if self.plan.by_rows:
            self._by_rows(a, start, count)
            return
        for column, parts in self._panels():
            self._panel(a, start, count, column, parts)

    def _by_rows(self, a: Any, start: Any, count: Any) -> None:
        """Add the terms to some rows of C, all their columns, then to the next ones."""
        sizes = self.sizes
        b = self._beyond(self.b, start, sizes.ldb)
        for i, rows in self._rows(self.plan.most_rows(self.plan.vectors)):
            here, there = self._beyond(a, i, self.a_strides[0]), self._beyond(self.c, i, sizes.ldc)
            for column, parts in self._panels():
                places = self._beyond(b, column, 1), self._beyond(there, column, 1)
                self._tile(here, *places, count, rows, parts, sizes.ldb)

    def _panel(self, a: Any, start: Any, count: Any, column: Any, parts: Sequence[int]) -> None:
        """Add the terms to some columns of C."""
        sizes, c = self.sizes, self._beyond(self.c, column, 1)
        b = self._beyond(self._beyond(self.b, start, self.b_strides[0]), column, self.b_strides[1])
        distance = sizes.ldb
        if self.plan.copies:
            distance = sum(parts)
            self._copied(b, count, parts, distance)
            b = self.panel
        for i, rows in self._rows(self.plan.most_rows(len(parts))):
            here = self._beyond(a, i, self.a_strides[0])
            self._tile(here, b, self._beyond(c, i, sizes.ldc), count, rows, parts, distance)

    def _rows(self, most: int) -> Iterator[tuple[Any, int]]:
        """Yield the first row and the rows of a tile, within loops over tiles alike."""
        row = 0
        for rows, times in _runs(self.sizes.m, most):
            with cgutils.for_range(self.builder, INDEX(times)) as loop:
                yield self.builder.add(INDEX(row), self.builder.mul(loop.index, INDEX(rows))), rows
            row += rows * times

    # ----------------------------------------------------------------------------- tiles

    def _tile(
        self, a: Any, b: Any, c: Any, count: Any, rows: int, parts: Sequence[int], distance: int
    ) -> None:
        """Add products of `rows` rows of A with the panel to a tile of C."""
        builder, size, ldc = self.builder, self.sizes.itemsize, self.sizes.ldc
        places = [[(i * ldc + begin, part) for begin, part in begins(parts)] for i in range(rows)]
        if self.accumulate:
            first = [[self._load(c, *place) for place in row] for row in places]
        else:
            first = [[ir.VectorType(self.number, p)(None) for p in parts] for _ in range(rows)]
        before, body = builder.block, builder.append_basic_block("terms")
        after = builder.append_basic_block("stored")
        builder.branch(body)
        builder.position_at_end(body)
        k = builder.phi(INDEX)
        k.add_incoming(INDEX(0), before)
        sums = [[builder.phi(x.type) for x in row] for row in first]
        a_k = builder.add(a, builder.mul(k, INDEX(self.a_strides[1] * size)))
        b_k = builder.add(b, builder.mul(k, INDEX(distance * size)))
        vectors = [self._load(b_k, *place) for place in begins(parts)]
        found = []
        for i, row in enumerate(sums):
            x = self._load(a_k, i * self.a_strides[0], 0)
            found.append(
                [self._fma(self._splat(x, y), y, z) for y, z in zip(vectors, row, strict=True)]
            )
        following = builder.add(k, INDEX(1))
        k.add_incoming(following, body)
        for phis, starts, ends in zip(sums, first, found, strict=True):
            for phi, start, end in zip(phis, starts, ends, strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(end, body)
        builder.cbranch(builder.icmp_signed("<", following, count), body, after)
        builder.position_at_end(after)
        for row, ends in zip(places, found, strict=True):
            for (offset, _), end in zip(row, ends, strict=True):
                self._store(end, c, offset)
        if self.sizes.checked:
            self._check([x for ends in found for x in ends])

    def _clear(self) -> None:
        """Set C to zero."""
        with cgutils.for_range(self.builder, INDEX(self.sizes.m)) as loop:
            row = self._beyond(self.c, loop.index, self.sizes.ldc)
            for column, parts in self._panels():
                here = self._beyond(row, column, 1)
                for begin, part in begins(parts):
                    self._store(ir.VectorType(self.number, part)(None), here, begin)


def _runs(count: int, most: int) -> list[tuple[int, int]]:
    """Split rows evenly: the rows of a tile, and how many tiles in a row have so many."""
    tiles = -(-count // most)
    rows, more = divmod(count, tiles)
    return [(r, t) for r, t in ((rows + 1, more), (rows, tiles - more)) if t]
