"""Which matrix products are done in tiles of our own (`tiles`), and how they are cut.

Known when a program is generated; `plain` is the product for running a text uncompiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import blas, exact

__all__ = [
    "Machine",
    "Plan",
    "Sizes",
    "Turn",
    "fills",
    "is_narrow",
    "lanes",
    "machine",
    "matrix",
    "panels",
    "plain",
    "plain_turn",
    "room",
    "worth",
]

LARGE = 1 << 24  # multiplications from which wider tiles pay, and copies of A would
MOST = 1 << 27  # multiplications from which the BLAS's care for the outer caches pays
BY_COLUMNS = 1 << 26  # and where A is read by columns
PANEL = 49152  # bytes of B that are worked on at a time, at most: they stay in the near caches
CROWDED = 1024  # bytes from row to row that fill few sets of a cache, and multiples of them
SPREAD = 1 << 18  # bytes from the first row of a panel to its last that are too many pages
NEAR, FAR = 1 << 18, 1 << 20  # bytes of B that a second cache has, and more than it has
FEW_TERMS = 16
FEW_ROWS = 8  # too few to make up for the transposition of B


class Machine(NamedTuple):
    """What a processor has: bytes of a vector, and how many vectors in registers."""

    width: int
    registers: int

    def lanes(self, dtype: str) -> int:
        """Return how many numbers a vector has."""
        return self.width // np.dtype(dtype).itemsize


class Sizes(NamedTuple):
    """C ← op(A) op(B), or C ← C + op(A) op(B); lda, ldb, ldc are distances between rows.

    Of a `checked` product Σ 0 c over all elements is returned: 0 if they are finite, else NaN.
    One that is `shared` does some of its `panels`, columns that are worked on together.
    """

    dtype: str
    m: int
    n: int
    k: int
    transpose_a: bool
    transpose_b: bool
    lda: int
    ldb: int
    ldc: int
    accumulate: bool
    checked: bool = False
    shared: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return 4 if self.dtype == "float32" else 8

    @property
    def work(self) -> int:
        """Multiplications."""
        return self.m * self.n * self.k


class Turn(NamedTuple):
    """C ← Tᵀ, for C of m rows and n columns; ldt and ldc are distances between rows."""

    dtype: str
    m: int
    n: int
    ldt: int
    ldc: int


@functools.cache
def machine() -> Machine | None:
    """Return what this processor has; None where it cannot multiply and add in one go."""
    import llvmlite.binding  # the documented lazy import: LLVM knows the processor

    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return Machine(64, 32)
    if features.get("avx2") and features.get("fma"):
        return Machine(32, 16)
    return Machine(16, 32) if features.get("neon") else None


def lanes(dtype: str) -> int:
    """Return how many numbers a vector of this processor has, which must have some."""
    known = machine()
    assert known is not None
    return known.lanes(dtype)


def worth(sizes: Sizes, shared: bool = False) -> bool:
    """Whether tiles, if threads share them, are at least as fast as a BLAS.

    `python -m benchmarks.products` measures.
    """
    known = machine()
    if known is None or not sizes.work or (sizes.transpose_a and sizes.transpose_b):
        return False
    # Of several threads a BLAS makes use, tiles only if they are shared.
    alone = shared or blas.is_alone()
    most = LARGE if not alone else BY_COLUMNS if sizes.transpose_a else MOST
    if sizes.work > most:
        return False
    return not is_narrow(sizes) and not (sizes.transpose_b and sizes.m < FEW_ROWS)


def is_narrow(sizes: Sizes) -> bool:
    """Whether there are fewer columns than a vector has, and much work."""
    known = machine()
    return known is not None and sizes.n < known.lanes(sizes.dtype) and sizes.work > 1 << 15


def fills(sizes: Sizes) -> bool:
    """Whether the columns fill vectors, mostly."""
    known = machine()
    wide = known.lanes(sizes.dtype) if known else sizes.n + 1
    return wide <= sizes.n and 2 * -(-sizes.n // wide) * wide <= 3 * sizes.n


def room(sizes: Sizes) -> int:
    """Return how many numbers the copy of a panel of B needs, and sums by length of vectors."""
    plan = Plan(sizes)
    sums = 2 * plan.lanes - 1 if sizes.checked else 0
    return plan.depth * plan.columns * plan.copies + sums


def panels(sizes: Sizes) -> int:
    """Return in how many panels the columns are worked on."""
    plan = Plan(sizes)
    return -(-sizes.n // (plan.vectors * plan.lanes))


def plain(*sizes: Any) -> Callable[..., np.floating | None]:
    """Return the product as a function of the addresses of A, B, C and room to work in."""
    known = Sizes(*sizes)
    m, n, k, dtype = known.m, known.n, known.k, np.dtype(known.dtype)

    def multiply(a: Any, b: Any, c: Any, _: Any) -> np.floating | None:
        stored_a = (k, m) if known.transpose_a else (m, k)
        stored_b = (n, k) if known.transpose_b else (k, n)
        x, y = matrix(a, stored_a, known.lda, dtype), matrix(b, stored_b, known.ldb, dtype)
        x, y = x.T if known.transpose_a else x, y.T if known.transpose_b else y
        z = matrix(c, (m, n), known.ldc, dtype)
        z[...] = z + x @ y if known.accumulate else x @ y
        return (z * dtype.type(0)).sum() if known.checked else None

    return multiply


def plain_turn(*sizes: Any) -> Callable[..., None]:
    """Return the transposition as a function of the addresses of T and C."""
    known = Turn(*sizes)
    dtype = np.dtype(known.dtype)

    def turn(t: Any, c: Any) -> None:
        x = matrix(t, (known.n, known.m), known.ldt, dtype)
        matrix(c, (known.m, known.n), known.ldc, dtype)[...] = x.T

    return turn


def matrix(
    address: Any, shape: tuple[int, int], distance: int, dtype: np.dtype[Any]
) -> np.ndarray:
    """Return the matrix at an address whose rows are so many elements apart."""
    high, wide = shape
    numbers = exact.view(address, (high - 1) * distance + wide, dtype)
    strides = (distance * dtype.itemsize, dtype.itemsize)
    return np.lib.stride_tricks.as_strided(numbers, shape, strides)


class Plan:
    """How a product is cut: how many vectors a tile has side by side, how many terms at a time."""

    def __init__(self, sizes: Sizes) -> None:
        known = machine()
        assert known is not None
        self.registers = known.registers
        self.lanes = known.lanes(sizes.dtype)
        self.vectors = 3 if sizes.work > LARGE else 2
        self.columns = min(self.vectors * self.lanes, sizes.n)
        blocks = -(-sizes.k * self.vectors * known.width // PANEL)
        self.depth = min(sizes.k, -(-sizes.k // blocks // 16) * 16)
        crowded = sizes.ldb * sizes.itemsize % CROWDED == 0 and sizes.k > 16
        far = sizes.k * sizes.n * sizes.itemsize
        # Few terms: C, which is most of the memory, is written row by row, and not in stripes.
        few = sizes.k <= FEW_TERMS and far <= NEAR
        # All rows in one tile: B is read but once, a few of its rows at a time.
        once = sizes.m <= self.most_rows(self.vectors) and far > FAR
        self.by_rows = not sizes.transpose_b and (few or once)
        if self.by_rows:
            self.depth = min(sizes.k, FEW_TERMS)
        spread = self.depth * sizes.ldb * sizes.itemsize > SPREAD
        again = sizes.m > 2 * self.most_rows(self.vectors)  # so often is the panel read
        awkward = crowded or (spread and again)
        self.copies = sizes.transpose_b or (awkward and not self.by_rows)

    def most_rows(self, parts: int) -> int:
        """Return how many rows of a tile find room in the registers."""
        return min(14, (self.registers - parts - 1) // parts)
