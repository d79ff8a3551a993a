"""The text of one matrix product, chosen by its shape when a program is generated.

A call of the BLAS costs 20 to 150 ns however small the matrices are. Where two of the three sizes
are tiny, a loop along the longest with the rest written out takes a tenth to a half of that. From
there on the BLAS would win, whose product serves for vectors and outer products, too: `gemv` and
`ger` were not faster (`python -m benchmarks.products` measures).

From there on tiles of our own are faster (`tiling` decides), and the BLAS for large matrices and
where the processor's vectors are of no use.

    product = product_source("float32", 32, 3, 3, "x", "w", "y", transpose_b=True)
    product.definition        # once in the module: the loop's function, or the BLAS's declaration
    product.call              # the statement; x, w and y are addresses there
    product.checked           # whether the statement is an expression: Σ 0 c, if asked for
    product.room              # if not 0: the statement needs memory for so many numbers,
                              # and says ROOM where their address belongs
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from . import blas
from .tiling import Sizes, Turn, room, worth

__all__ = [
    "ROOM",
    "Product",
    "nonzeros_source",
    "of_blas",
    "product_source",
    "shared_tiles",
    "skipping_source",
    "turn_source",
]

ROOM = "ROOM"  # in a call, the address of memory to work in

# The two shorter sizes are written out if neither is above SHORT nor their product above TERMS.
# Rows by rows (A Bᵀ) are what the BLAS is slowest at: there the limit is further away.
SHORT = 8
TERMS = 16
TERMS_ROWS_BY_ROWS = 64

Index = int | str


class Product(NamedTuple):
    """A matrix product as text."""

    definition: str
    call: str
    room: int = 0
    checked: bool = False


def product_source(
    dtype: str,
    m: int,
    n: int,
    k: int,
    a: str,
    b: str,
    c: str,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    lda: int | None = None,
    ldb: int | None = None,
    ldc: int | None = None,
    accumulate: bool = False,
    general: bool = False,
    checked: bool = False,
) -> Product:
    """Return the text of C ← op(A) op(B), or of C ← C + op(A) op(B).

    Parameters
    ----------
    dtype : {"float32", "float64"}
    m, n, k : int
        op(A) is m×k, op(B) k×n, C m×n. Sizes may be zero.
    a, b, c : str
        Expressions for the addresses of the first elements, in the text.
    transpose_a, transpose_b : bool
        Whether A is stored as k×m, B as n×k.
    lda, ldb, ldc : int, optional
        Elements from one row to the next, as stored; by default the rows are contiguous.
    accumulate : bool
        Whether to add to C.
    general : bool
        Whether the text shall differ in the sizes only from that for others: the BLAS's, if
        there is one.
    checked : bool
        Whether to return Σ 0 c over the elements of C, where that costs little: 0 or NaN.

    Returns
    -------
    Product
        `definition`, a module text that equal products share, and `call`, one statement.

    Examples
    --------
    >>> product = product_source("float64", 32, 2, 2, "p", "q", "r + 64")
    >>> print(product.definition, product.call, sep="")
    @inline_reordered
    def dproduct_32x2x2_nn_2_2_2(a, b, c):
        A, B, C = view(a, 64, np.float64), view(b, 4, np.float64), view(c, 64, np.float64)
        b_0_0, b_0_1, b_1_0, b_1_1 = B[0], B[1], B[2], B[3]
        for i in range(32):
            a_0, a_1 = A[i * 2 + 0], A[i * 2 + 1]
            C[i * 2 + 0] = a_0 * b_0_0 + a_1 * b_1_0
            C[i * 2 + 1] = a_0 * b_0_1 + a_1 * b_1_1
    dproduct_32x2x2_nn_2_2_2(p, q, r + 64)
    """
    lda = (m if transpose_a else k) if lda is None else lda
    ldb = (k if transpose_b else n) if ldb is None else ldb
    ldc = n if ldc is None else ldc
    shape = _Shape(dtype, m, n, k, transpose_a, transpose_b, lda, ldb, ldc, accumulate)
    given = blas.available() and shape.work > 0
    if not (general and given):
        if not shape.is_tiny() and worth(shape):
            return _tiled(shape._replace(checked=checked), a, b, c)
        given = given and not shape.is_tiny()
    if not given:
        return Product(_function(shape), f"{shape.name()}({a}, {b}, {c})")
    return Product(blas.declaration(dtype), of_blas(shape, a, b, c))


def shared_tiles(sizes: Sizes, a: str, b: str, c: str) -> Product:
    """Return a product in tiles, of which the call does the panels from `begin` to `end`."""
    shape = _Shape(*sizes._replace(shared=True))
    definition = f"{shape.name()} = tiled{tuple(shape)}\n"
    return Product(definition, f"{shape.name()}({a}, {b}, {c}, begin, end)", 0, shape.checked)


def nonzeros_source(sizes: Sizes, a: str, words: str) -> Product:
    """Return what writes words of what is not zero in A; its call is the count of that."""
    dtype, m, _, k, transpose_a, _, lda, *_ = sizes
    shape = _Shape(dtype, m, 0, k, transpose_a, False, lda, 0, 0, False)  # whatever B and C are
    name = shape.name("nonzeros")
    return Product(f"{name} = nonzeros{tuple(shape)}\n", f"{name}({a}, {words})")


def skipping_source(sizes: Sizes, *given: str) -> Product:
    """Return a product that leaves out zeros of A, by expressions for A, the words, B and C.

    Two more are for the panels that it begins and ends with.
    """
    shape = _Shape(*sizes)
    name = shape.name("skipping")
    definition = f"{name} = skipping{tuple(shape)}\n"
    return Product(definition, f"{name}({', '.join(given)})", 0, shape.checked)


def turn_source(turn: Turn, t: str, c: str) -> Product:
    """Return the text of C ← Tᵀ, of expressions for the addresses of T and C."""
    name = f"{blas.LETTERS[turn.dtype]}turned_{turn.m}x{turn.n}_{turn.ldt}_{turn.ldc}"
    return Product(f"{name} = turned{tuple(turn)}\n", f"{name}({t}, {c})")


def of_blas(sizes: Sizes, a: str, b: str, c: str, m: Index = 0, n: Index = 0) -> str:
    """Return the call of the BLAS, for all rows and columns of C or as many as `m`, `n` say."""
    shape = f"{sizes.transpose_a}, {sizes.transpose_b}, {m or sizes.m}, {n or sizes.n}, {sizes.k}"
    x, y, z = f"{a}, {sizes.lda}", f"{b}, {sizes.ldb}", f"{c}, {sizes.ldc}"
    return f"{blas.LETTERS[sizes.dtype]}gemm({shape}, 1, {x}, {y}, {int(sizes.accumulate)}, {z})"


def _tiled(shape: _Shape, a: str, b: str, c: str) -> Product:
    copied = room(shape)
    definition = f"{shape.name()} = tiled{tuple(shape)}\n"
    call = f"{shape.name()}({a}, {b}, {c}, {ROOM if copied else a})"
    return Product(definition, call, copied, shape.checked)


class _Shape(Sizes):
    """The sizes, with the texts of elements."""

    __slots__ = ()

    def is_tiny(self) -> bool:
        first, second, longest = sorted((self.m, self.n, self.k))
        by_rows = self.transpose_b and self.m == longest
        limit = TERMS_ROWS_BY_ROWS if by_rows else TERMS
        return second <= SHORT and 0 < first * second <= limit

    def name(self, kind: str = "product") -> str:
        flags = "nt"[self.transpose_a] + "nt"[self.transpose_b]
        rows = f"{self.lda}_{self.ldb}_{self.ldc}" + "_add" * self.accumulate
        rows += "_checked" * self.checked + "_shared" * self.shared
        return f"{blas.LETTERS[self.dtype]}{kind}_{self.m}x{self.n}x{self.k}_{flags}_{rows}"

    def a(self, i: Index, p: Index) -> str:
        return _at("A", p, self.lda, i) if self.transpose_a else _at("A", i, self.lda, p)

    def b(self, p: Index, j: Index) -> str:
        return _at("B", j, self.ldb, p) if self.transpose_b else _at("B", p, self.ldb, j)

    def c(self, i: Index, j: Index) -> str:
        return _at("C", i, self.ldc, j)

    def views(self) -> str:
        """Return the statement that makes arrays of the addresses."""
        high_a, wide_a = (self.k, self.m) if self.transpose_a else (self.m, self.k)
        high_b, wide_b = (self.n, self.k) if self.transpose_b else (self.k, self.n)
        sizes = (high_a, self.lda, wide_a), (high_b, self.ldb, wide_b), (self.m, self.ldc, self.n)
        counts = [(high - 1) * row + wide if high * wide else 0 for high, row, wide in sizes]
        views = [f"view({x}, {n}, np.{self.dtype})" for x, n in zip("abc", counts, strict=True)]
        return f"A, B, C = {', '.join(views)}"


def _at(name: str, row: Index, distance: int, column: Index) -> str:
    if isinstance(row, int):
        row = row * distance
        return f"{name}[{row + column if isinstance(column, int) else f'{row} + {column}'}]"
    return f"{name}[{row} * {distance} + {column}]"


def _function(shape: _Shape) -> str:
    """Return an inline function of three addresses, with loops of our own."""
    longest = max(shape.m, shape.n, shape.k)
    if not shape.is_tiny():
        lines = _plain(shape)
    elif longest == shape.m:
        lines = _along_rows(shape)
    elif longest == shape.n:
        lines = _along_columns(shape)
    else:
        lines = _along_terms(shape)
    head = f"@inline_reordered\ndef {shape.name()}(a, b, c):"
    return "\n    ".join([head, shape.views(), *lines]) + "\n"


def _along_rows(shape: _Shape) -> list[str]:
    ps, js = range(shape.k), range(shape.n)
    return [
        _load((f"b_{p}_{j}", shape.b(p, j)) for p in ps for j in js),
        f"for i in range({shape.m}):",
        _load(((f"a_{p}", shape.a("i", p)) for p in ps), indent=4),
        *(_store(shape, "i", j, [f"a_{p} * b_{p}_{j}" for p in ps], indent=4) for j in js),
    ]


def _along_columns(shape: _Shape) -> list[str]:
    ps, is_ = range(shape.k), range(shape.m)
    return [
        _load((f"a_{i}_{p}", shape.a(i, p)) for i in is_ for p in ps),
        f"for j in range({shape.n}):",
        _load(((f"b_{p}", shape.b(p, "j")) for p in ps), indent=4),
        *(_store(shape, i, "j", [f"a_{i}_{p} * b_{p}" for p in ps], indent=4) for i in is_),
    ]


def _along_terms(shape: _Shape) -> list[str]:
    is_, js = range(shape.m), range(shape.n)
    pairs = [(i, j) for i in is_ for j in js]
    return [
        *(f"c_{i}_{j} = np.{shape.dtype}(0)" for i, j in pairs),
        f"for p in range({shape.k}):",
        _load(((f"a_{i}", shape.a(i, "p")) for i in is_), indent=4),
        _load(((f"b_{j}", shape.b("p", j)) for j in js), indent=4),
        *(f"    c_{i}_{j} += a_{i} * b_{j}" for i, j in pairs),
        *(_store(shape, i, j, [f"c_{i}_{j}"]) for i, j in pairs),
    ]


def _plain(shape: _Shape) -> list[str]:
    """Return the loops for a machine without a BLAS, and for empty matrices."""
    c = shape.c("i", "j")
    return [
        f"for i in range({shape.m}):",
        f"    for j in range({shape.n}):",
        f"        {c} {'+' * shape.accumulate}= np.{shape.dtype}(0)",
        f"    for p in range({shape.k}):",
        f"        a_p = {shape.a('i', 'p')}",
        f"        for j in range({shape.n}):",
        f"            {c} += a_p * {shape.b('p', 'j')}",
    ]


def _load(pairs: Iterable[tuple[str, str]], indent: int = 0) -> str:
    names, values = map(", ".join, zip(*pairs, strict=True))
    return f"{' ' * indent}{names} = {values}"


def _store(shape: _Shape, i: Index, j: Index, terms: list[str], indent: int = 0) -> str:
    old = [shape.c(i, j)] * shape.accumulate
    return f"{' ' * indent}{shape.c(i, j)} = {' + '.join(old + terms)}"
