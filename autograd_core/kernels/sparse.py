"""Which matrix products leave out the zeros of A, and how they are cut (`skipping` emits them).

relu makes zeros, and its derivative does: of a layer's outputs and of their gradients about half
are zero, and nobody knows beforehand which. Each row of C is a sum of rows of B, one for each
number of A's row; where that is zero, the row of B is left out. One bit of a word tells of each
number whether it is zero, so that finding the next one that is not takes two instructions.

That pays if there are zeros enough, which the bits tell, too: the product is done as others are
if not. And 0 · ∞ is NaN, as is 0 · NaN: where B has such a number, nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .tiling import Sizes, lanes, machine, matrix, plain

__all__ = [
    "ROWS",
    "TERMS",
    "has_many",
    "most",
    "panels",
    "plain_nonzeros",
    "plain_skipping",
    "vectors",
    "words",
    "worth",
]

TERMS = 64  # of a sum, as many as a word has bits
ROW = 512  # bytes of a panel's rows: so many rows of them fill a near cache
ROWS = 512  # of C that are worked on together: they stay in the second cache
FEWEST = 4  # vectors in a row of C, else finding the next number takes longer than using it
WORK = 1 << 19  # multiplications from which it pays
FEW_TERMS = 32
DENSE = 0.7  # of the numbers of A, from which leaving out the others takes longer


def worth(sizes: Sizes) -> bool:
    """Whether leaving out half of A pays (`python -m benchmarks.products` measures)."""
    known = machine()
    if known is None or sizes.work < WORK or sizes.k < FEW_TERMS:
        return False
    return sizes.n >= FEWEST * known.lanes(sizes.dtype)


def has_many(array: np.ndarray) -> bool:
    """Whether an array of numbers has zeros enough for a product to leave them out."""
    large = array.ndim > 1 and array.dtype.kind == "f" and array.size >= FEW_TERMS * FEW_TERMS
    return bool(large and np.count_nonzero(array) <= DENSE * array.size)


def vectors(sizes: Sizes) -> int:
    """Return how many vectors a panel has: they are alike, and find room in the registers."""
    known = machine()
    assert known is not None
    count = -(-sizes.n // lanes(sizes.dtype))
    widest = min(ROW // known.width, known.registers - 4)
    return -(-count // -(-count // widest))


def panels(sizes: Sizes) -> int:
    """Return in how many panels the columns are worked on."""
    return -(-sizes.n // (vectors(sizes) * lanes(sizes.dtype)))


def words(sizes: Sizes) -> int:
    """Return how many words tell what is zero: for each 64 terms, one for each row."""
    return sizes.m * -(-sizes.k // TERMS)


def most(sizes: Sizes) -> int:
    """Return how many numbers of A may be other than zero for it to be worthwhile."""
    return int(DENSE * sizes.m * sizes.k)


def plain_nonzeros(*given: Any) -> Callable[..., int]:
    """Return the count of numbers that are not zero, as a function of A's address."""
    sizes = Sizes(*given)

    def nonzeros(a: Any, _: Any) -> int:
        found = matrix(a, (sizes.m, sizes.k), sizes.lda, np.dtype(sizes.dtype))
        return int(np.count_nonzero(found))

    return nonzeros


def plain_skipping(*given: Any) -> Callable[..., np.floating | None]:
    """Return the product, all of it, as a function of the addresses of A, words, B and C."""
    multiply = plain(*given)

    def skipping(a: Any, _: Any, b: Any, c: Any, *__: Any) -> np.floating | None:
        return multiply(a, b, c, 0)

    return skipping
