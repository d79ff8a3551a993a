"""Matrix products: the BLAS, or written out where a size is tiny; and the vector product."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from ...kernels import blas, team, tiling
from ...kernels.products import ROOM, of_blas, product_source, shared_tiles
from ...kernels.sparse import worth
from ..body import Body
from ..layout import Place, collapse, contiguous, leading, stretched
from ..record import Apply, Value
from .calls import address, flipped, in_types, shared_panels, stored, turn
from .registry import arrays_only, lowering
from .skipping import skipped

__all__ = ["matrix", "product", "products"]

Sizes = tuple[int, int, int]

SMALL_PRODUCT = 1_000_000  # up to here OpenBLAS has kernels of their own
FIRST_CACHE = 32768  # bytes
SHARED = 1 << 23  # multiplications from which threads share a product of the BLAS
TILED = 1 << 20  # and one in tiles
FEWEST = 4  # panels of one that is worth it
MANY, LONG = 128, 256  # rows, and terms, from which y xᵀ is faster than x yᵀ with few columns
LONG_ENOUGH = 128  # terms from which it is faster than x yᵀ with few rows
UNIT = 16  # rows or columns that stay together: what a BLAS's kernels have in registers


def product(
    body: Body,
    x: Place,
    y: Place,
    sizes: Sizes,
    out: Place,
    add: bool = False,
    checked: Value | None = None,
    sparse: bool = False,
) -> None:
    """Write out ← x y, or out ← out + x y, for matrices of sizes m×k and k×n.

    Zeros of x are left out if it is said to be `sparse`, and turns out to be.

    Rows by rows, x yᵀ as in a layer, are what a BLAS is slowest at. Where tiles of our own are not
    worth it, with y copied by columns, or with the transposed product turned back, it takes 65 to
    95 % of the time at the sizes that are chosen here (OpenBLAS on AVX-512, one thread). The
    transposed product can be the better one for tiles, too.
    """
    m, n, k = sizes
    known = _known(body, x, y, sizes, out, add, checked is not None)
    if sparse and not body.general and worth(known):
        dense = functools.partial(product, body, x, y, sizes, out, add, checked)
        shared = _is_shared(body, known, TILED)
        skipped(body, known._replace(shared=shared), (x, y, out), checked, dense)
        return
    if _is_turned_in_tiles(body, known):
        _turned(body, x, y, sizes, out, add, product)
        return
    if _is_shared(body, known, TILED) and _tiles(body, x, y, known, out, checked):
        return
    if body.general or tiling.worth(known):
        body.lines.append(_line(body, x, y, sizes, out, add, checked=checked))
    elif known.transpose_a or not known.transpose_b:
        _large(body, x, y, sizes, out, add)
    elif _is_worth_a_copy(body.dtype, *sizes):
        columns = body.scratch((k, n))
        body.copy(y, (k, n), columns)
        body.lines.append(_line(body, x, columns, sizes, out, add))
    elif _is_turned_for_blas(body.dtype, *sizes):
        _turned(body, x, y, sizes, out, add, _large)
    else:
        _large(body, x, y, sizes, out, add)


def _turned(
    body: Body,
    x: Place,
    y: Place,
    sizes: Sizes,
    out: Place,
    add: bool,
    write: Callable[[Body, Place, Place, Sizes, Place, bool], None],
) -> None:
    """Write the transposed product, and turn it back; it rounds as the other does."""
    m, n, k = sizes
    turned = body.scratch((n, m))
    if add:
        turn(body, out, turned, (n, m))
    write(body, flipped(y), flipped(x), (n, m, k), turned, add)
    turn(body, turned, out, (m, n))


def _is_shared(body: Body, sizes: tiling.Sizes, least: int) -> bool:
    """Whether threads share a product."""
    return body.sharing and not body.general and sizes.work >= least and team.shares_products()


def _tiles(
    body: Body, x: Place, y: Place, known: tiling.Sizes, out: Place, checked: Value | None
) -> bool:
    """Write a product in tiles that threads share, if it is worth it and has panels enough."""
    if not tiling.worth(known, shared=True) or (panels := tiling.panels(known)) < FEWEST:
        return False
    found = shared_tiles(known, *map(address, (x, y, out)))
    body.definitions[found.definition] = None
    zero = None if checked is None else body.scratch(())
    shared_panels(body, found.call, panels, zero)
    if zero is not None:
        body.offer(("zero", checked), zero)
    return True


def _known(
    body: Body, x: Place, y: Place, sizes: Sizes, out: Place, add: bool, checked: bool = False
) -> tiling.Sizes:
    """Return what is known of a product."""
    m, n, k = sizes
    (flip_x, lda), (flip_y, ldb) = stored(x, (m, k)), stored(y, (k, n))
    rows = lda, ldb, stored(out, (m, n))[1]
    return tiling.Sizes(body.dtype, m, n, k, flip_x, flip_y, *rows, add, checked)


def _large(body: Body, x: Place, y: Place, sizes: Sizes, out: Place, add: bool = False) -> None:
    """Write a product that threads share, if it is large: each does some rows or columns of it."""
    m, n, _ = sizes
    by_rows = m >= n  # the smaller matrix is what all of them read
    known = _known(body, x, y, sizes, out, add)
    if not _is_shared(body, known, SHARED):
        body.lines.append(_line(body, x, y, sizes, out, add))
        return
    steps = [x.strides[0], 0, out.strides[0]] if by_rows else [0, y.strides[1], out.strides[1]]
    places = zip((x, y, out), steps, strict=True)
    found = [p._replace(strides=(UNIT * step, *p.strides)) for p, step in places]
    count = {"m": "rows"} if by_rows else {"n": "rows"}
    call = in_types(of_blas(known, *map(address, found), **count))
    body.definitions[blas.declaration(body.dtype)] = None
    body.shared_product(call, max(m, n), UNIT)


def _is_worth_a_copy(dtype: str, m: int, n: int, k: int) -> bool:
    copy = n * k * np.dtype(dtype).itemsize
    small = m * n * k <= SMALL_PRODUCT and copy <= FIRST_CACHE
    return small and n > 8 and k > 8 and m >= (64 if n >= 32 else 128)


def _is_turned_in_tiles(body: Body, known: tiling.Sizes) -> bool:
    """Whether x yᵀ is done as y xᵀ, of which tiles copy x by columns and not y.

    That is less to copy if x has few rows; and x yᵀ may have too few columns for tiles.
    """
    m, n, k = known.m, known.n, known.k
    turned = known._replace(m=n, n=m, lda=known.ldb, ldb=known.lda)
    rows_by_rows = known.transpose_b and not known.transpose_a
    if body.general or not rows_by_rows or not tiling.worth(turned):
        return False
    if tiling.is_narrow(known):
        return m >= MANY and k >= LONG
    few = 2 * m <= n and k >= max(LONG_ENOUGH, 4 * m)
    return few and tiling.fills(turned) and not _is_shared(body, known, TILED)


def _is_turned_for_blas(dtype: str, m: int, n: int, k: int) -> bool:
    long = dtype == "float32" and n >= 128 and k >= 64
    return long and 16 <= m <= min(n // 4, max(32, k // 8))


def products(
    body: Body,
    stack: Sequence[int],
    x: Place,
    y: Place,
    sizes: Sizes,
    out: Place,
    dtype: str | None = None,
    checked: Value | None = None,
    sparse: bool = False,
) -> None:
    """Write out ← x y for stacks of matrices, which lie along the last two strides.

    A gradient that is `checked` is looked at while it is in registers, where it ever is.
    """
    places = (x, y, out)
    stack, strides = collapse(stack, dict(enumerate(p.strides[:-2] for p in places)))
    matrices = [p.strides[-2:] for p in places]
    if stack and not strides[1][-1] and (rows := _rows(stack[-1], strides, matrices, sizes)):
        sizes = (stack[-1] * sizes[0], *sizes[1:])
        matrices[0], matrices[2] = (rows[0], matrices[0][1]), (rows[1], matrices[2][1])
        stack, strides = stack[:-1], {i: s[:-1] for i, s in strides.items()}
    x, y, out = (p._replace(strides=(*strides[i], *matrices[i])) for i, p in enumerate(places))
    if stack or dtype:
        body.nest(stack, [_line(body, x, y, sizes, out, dtype=dtype)])
    else:
        product(body, x, y, sizes, out, checked=checked, sparse=sparse)


def _rows(
    count: int, strides: dict[int, list[int]], matrices: list[tuple[int, ...]], sizes: Sizes
) -> tuple[int, ...] | None:
    """Return the strides of rows if the matrices of a stack can be rows of one: x's and out's."""
    m, n, k = sizes
    found = []
    for i, columns in (0, k), (2, n):
        joined, rows = collapse((count, m), {0: (strides[i][-1], matrices[i][0])})
        shape = (count * m, columns)
        if len(joined) > 1 or leading((rows[0][0], matrices[i][1]), shape) is None:
            return None
        found.append(rows[0][0])
    return tuple(found)


def _line(
    body: Body,
    x: Place,
    y: Place,
    sizes: Sizes,
    out: Place,
    add: bool = False,
    dtype: str | None = None,
    checked: Value | None = None,
) -> str:
    """Return the statement for one matrix of a stack, or for all there is."""
    m, n, k = sizes
    flip_x, lda = stored(x, (m, k))
    flip_y, ldb = stored(y, (k, n))
    found = product_source(
        dtype or body.dtype,
        m,
        n,
        k,
        *map(address, (x, y, out)),
        transpose_a=flip_x,
        transpose_b=flip_y,
        lda=lda,
        ldb=ldb,
        accumulate=add,
        general=body.general,
        checked=checked is not None,
    )
    body.definitions[found.definition] = None
    call = in_types(found.call)
    if found.room:
        call = call.replace(ROOM, address(body.scratch((found.room,), dtype or body.dtype)))
    if found.checked:
        zero = body.scratch(())
        body.offer(("zero", checked), zero)
        call = f"{body.at(zero)} = {call}"
    return call


def matrix(body: Body, value: Value) -> Place:
    """Return a place where the matrices of a value lie as the BLAS can read them."""
    place = body.place(value)
    return place if leading(place.strides[-2:], value.shape[-2:]) else body.rows(value)


def _is_product(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)


@lowering("matmul", fits=_is_product)
def matmul(body: Body, step: Apply) -> None:
    """x y."""
    (x, of_x), (y, of_y) = _row(body, step.parts[0]), _column(body, step.parts[1])
    stack = np.broadcast_shapes(of_x[:-2], of_y[:-2])
    sizes = of_x[-2], of_y[-1], of_x[-1]
    x = x._replace(strides=stretched_stack(x, of_x, stack))
    y = y._replace(strides=stretched_stack(y, of_y, stack))
    out = body.allot(step.result)
    out = out._replace(strides=contiguous((*stack, *sizes[:2])))
    checked = step.result if step.checked else None
    products(body, stack, x, y, sizes, out, checked=checked, sparse=step.sparse)


def stretched_stack(place: Place, shape: Sequence[int], stack: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of matrices that are repeated along the axes of a larger stack."""
    before = place._replace(strides=place.strides[:-2])
    return (*stretched(before, shape[:-2], stack), *place.strides[-2:])


def _row(body: Body, x: Value) -> tuple[Place, tuple[int, ...]]:
    """Return where a matrix is, or a vector as a row; and its shape."""
    if len(x.shape) > 1:
        return matrix(body, x), x.shape
    place = body.place(x)
    place = place if place.strides == (1,) else body.rows(x)
    return place._replace(strides=(x.size, *place.strides)), (1, x.size)


def _column(body: Body, y: Value) -> tuple[Place, tuple[int, ...]]:
    """Return where a matrix is, or a vector as a column; and its shape."""
    if len(y.shape) > 1:
        return matrix(body, y), y.shape
    place, (_, n) = _row(body, y)
    return place._replace(strides=(1, 1)), (n, 1)


@lowering("linear", fits=_is_product)
def linear(body: Body, step: Apply) -> None:
    """x wᵀ + b: the product is added to rows of b."""
    x, weight, bias = step.parts
    n, k = weight.shape
    m = math.prod(x.shape[:-1])
    rows, columns = _rows_of(body, x), flipped(matrix(body, weight))
    out = body.allot(step.result)._replace(strides=contiguous((m, n)))
    start, strides = body.read(bias, (m, n))
    body.shared((m, n), [f"{body.at(out)} = {body.at(start, strides)}"], m * n)
    product(body, rows, columns, (m, n, k), out, add=True, sparse=step.sparse)


def _rows_of(body: Body, x: Value) -> Place:
    """Return a place where vectors along the last axis are the rows of one matrix."""
    place, shape = body.place(x), (math.prod(x.shape[:-1]), x.shape[-1])
    sizes, found = collapse(x.shape[:-1], {0: place.strides[:-1]})
    strides: tuple[int, ...] = (found[0][0] if sizes else shape[1], place.strides[-1])
    if len(sizes) > 1 or leading(strides, shape) is None:
        place, strides = body.rows(x), contiguous(shape)
    return place._replace(strides=strides)


def _is_vector_product(step: Apply) -> bool:
    return _is_product(step) and all(x.shape[-1] == 3 for x in step.parts)


@lowering("cross_product", fits=_is_vector_product)
def cross_product(body: Body, step: Apply) -> None:
    """x × y along the last axis."""
    out, shape = body.allot(step.result), step.result.shape
    read = [body.read(x, shape) for x in step.parts]
    places = [place._replace(strides=strides) for place, strides in (*read, (out, out.strides))]
    x, y, z = ([_element(body, place, i) for i in range(3)] for place in places)
    triples = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    body.nest(shape[:-1], [f"{z[i]} = {x[j]} * {y[k]} - {x[k]} * {y[j]}" for i, j, k in triples])


def _element(body: Body, place: Place, i: int) -> str:
    *before, last = place.strides
    return body.at(place._replace(offset=place.offset + i * last), before)
