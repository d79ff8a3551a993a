"""Decompositions of matrices, and what is computed from singular values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ...kernels import lapack
from ..body import Body
from ..layout import Place
from ..record import Apply
from .products import products
from .registry import lowering
from .stacks import (
    by_columns,
    columns,
    deliver,
    deliver_parts,
    invoke,
    is_real,
    numbers,
    symmetric,
    turned,
)

__all__ = ["Singular", "singular"]

CHOLESKY = """
@apart
def cholesky_all(count, n, a, memory):
    for i in range(count):
        failure = dpotrf(ord_L, n, a + 8 * i * n * n, n, memory)
        if failure != 0:
            return failure
        factor = view(a + 8 * i * n * n, n * n, np.float64)
        for j in range(n):
            for p in range(j):
                factor[j * n + p] = 0.0
    return failure
""".replace("ord_L", str(ord("L")))
EIGENVALUES = """
@apart
def eigenvalues_all(count, job, n, a, w, work, lwork, iwork, liwork, memory):
    for i in range(count):
        failure = dsyevd(
            job, ord_L, n, a + 8 * i * n * n, n, w + 8 * i * n, work, lwork, iwork, liwork, memory
        )
        if failure != 0:
            return failure
    return failure
""".replace("ord_L", str(ord("L")))
SINGULAR = """
@apart
def singular_all(count, job, m, n, high, wide, a, s, u, vt, work, lwork, iwork, memory):
    # u is m x wide, vt is high x n.
    k = min(m, n)
    for i in range(count):
        failure = dgesdd(
            job, m, n, a + 8 * i * m * n, m, s + 8 * i * k, u + 8 * i * m * wide, m,
            vt + 8 * i * high * n, high, work, lwork, iwork, memory
        )
        if failure != 0:
            return failure
    return failure
"""
QR = """
@apart
def qr_all(count, m, n, a, q, tau, work, lwork, memory):
    # a becomes r: the first rows, zero under the diagonal.
    k = min(m, n)
    for i in range(count):
        begin, first = a + 8 * i * m * n, q + 8 * i * m * k
        dgeqrf(m, n, begin, m, tau, work, lwork, memory)
        r, vectors = view(begin, m * n, np.float64), view(first, m * k, np.float64)
        for j in range(k):
            for p in range(m):
                vectors[j * m + p] = r[j * m + p]
            for p in range(j + 1, m):
                r[j * m + p] = 0.0
        dorgqr(m, k, k, first, m, tau, work, lwork, memory)
"""
RANKS = """
@apart
def ranks(count, k, least, relative, s, out):
    for i in range(count):
        values = view(s + 8 * i * k, k, np.float64)
        bound, rank = least + relative * values[0], 0
        for j in range(k):
            rank += 1 if values[j] > bound else 0
        view(out, count, np.intp)[i] = rank
"""
WEIGHTED = """
@apart
def weighted(count, m, k, relative, u, s):
    # The vectors divided by their values; those of values next to nothing vanish.
    for i in range(count):
        values, vectors = view(s + 8 * i * k, k, np.float64), u + 8 * i * m * k
        for p in range(k):
            weight = 1.0 / values[p] if values[p] > relative * values[0] else 0.0
            vector = view(vectors + 8 * p * m, m, np.float64)
            for j in range(m):
                vector[j] *= weight
"""


# ------------------------------------------------------------------- of symmetric matrices


@lowering("cholesky", fits=is_real)
def cholesky(body: Body, step: Apply) -> None:
    """The lower triangle whose product with its transpose is a, or its transpose."""
    (a,) = step.parts
    n, stack = a.shape[-1], a.shape[:-2]
    factor = symmetric(body, a)
    call = invoke(body, CHOLESKY, math.prod(stack), n, factor, needs=["dpotrf"])
    body.give_up(f"{call} != int(0)", "a matrix is not positive definite")
    if not step.attributes["upper"]:
        factor = factor._replace(strides=by_columns(stack, n, n))
    deliver(body, step.result, factor)


@lowering("eigh_packed", "eigh_values", "eigvalsh", fits=is_real)
def eigh(body: Body, step: Apply) -> None:
    """Eigenvalues, and for `eigh_packed` the eigenvectors beside them."""
    (a,) = step.parts
    n, stack = a.shape[-1], a.shape[:-2]
    vectors = symmetric(body, a)
    values = body.scratch((*stack, n), "float64")
    job = "N" if step.op.name == "eigvalsh" else "V"
    lwork, liwork = lapack.workspace("dsyevd", job=job, triangle="L", n=n, lda=n)
    rooms = body.scratch((lwork,), "float64"), lwork, numbers(body, liwork), liwork
    sizes = math.prod(stack), ord(job), n
    call = invoke(body, EIGENVALUES, *sizes, vectors, values, *rooms, needs=["dsyevd"])
    body.give_up(f"{call} != int(0)", "eigenvalues do not converge")
    if step.op.name == "eigh_packed":
        vectors = vectors._replace(strides=by_columns(stack, n, n))
        deliver_parts(body, step.result, (values, (n,)), (vectors, (n, n)))
    else:
        deliver(body, step.result, values)


# ----------------------------------------------------------------------- singular values


class Singular(NamedTuple):
    """Where the parts of the singular value decompositions of a stack lie."""

    u: Place
    s: Place
    vt: Place


def singular(body: Body, a: Place, shape: Sequence[int], job: str) -> Singular:
    """Write the decompositions of matrices by columns, which they destroy.

    Parameters
    ----------
    job : {"A", "S", "N"}
        Whether u and vᵀ are whole, of as many vectors as there are values, or left out.
    """
    *stack, m, n = shape
    k, count = min(m, n), math.prod(stack)
    wide, high = (m, n) if job == "A" else (k, k)
    room = 0 if job == "N" else count
    s = body.scratch((*stack, k), "float64")
    u, vt = (body.scratch((max(room * size, 1),), "float64") for size in (m * wide, high * n))
    lwork, _ = lapack.workspace("dgesdd", job=job, m=m, n=n, lda=m, ldu=m, ldvt=high)
    rooms = body.scratch((lwork,), "float64"), lwork, numbers(body, 8 * k)
    sizes = count, ord(job), m, n, high, wide
    call = invoke(body, SINGULAR, *sizes, a, s, u, vt, *rooms, needs=["dgesdd"])
    body.give_up(f"{call} != int(0)", "singular values do not converge")
    u = u._replace(strides=by_columns(stack, m, wide))
    return Singular(u, s, vt._replace(strides=by_columns(stack, high, n)))


def _singular(body: Body, step: Apply, job: str) -> Singular:
    (a,) = step.parts
    return singular(body, columns(body, body.place(a), a.shape), a.shape, job)


@lowering("svd_packed", "svd_values", fits=is_real)
def svd(body: Body, step: Apply) -> None:
    """The decomposition, or its values."""
    m, n = step.parts[0].shape[-2:]
    k, full = min(m, n), step.attributes["full_matrices"]
    u, s, vt = _singular(body, step, "A" if full else "S")
    if step.op.name == "svd_values":
        deliver(body, step.result, s)
    else:
        wide, high = (m, n) if full else (k, k)
        deliver_parts(body, step.result, (u, (m, wide)), (s, (k,)), (vt, (high, n)))


@lowering("svdvals", fits=is_real)
def svdvals(body: Body, step: Apply) -> None:
    """The singular values."""
    deliver(body, step.result, _singular(body, step, "N").s)


def _number(x: Any) -> bool:
    return x is None or (isinstance(x, Real) and math.isfinite(x))


def _has_numbers(step: Apply) -> bool:
    given = [x for name, x in step.attributes.items() if name != "hermitian"]
    plain = all(map(_number, given)) and not step.attributes["hermitian"]
    return is_real(step) and plain and len(step.parts[0].shape) > 1


def _precision(step: Apply) -> float:
    (a,) = step.parts
    return float(max(a.shape[-2:]) * np.finfo(a.dtype).eps)


@lowering("matrix_rank", fits=_has_numbers, integers=True)
def matrix_rank(body: Body, step: Apply) -> None:
    """How many singular values are larger than a tolerance."""
    tol, rtol = step.attributes["tol"], step.attributes["rtol"]
    *stack, m, n = step.parts[0].shape
    relative = _precision(step) if rtol is None else float(rtol)
    bounds = (0.0, relative) if tol is None else (float(tol), 0.0)
    values, out = _singular(body, step, "N").s, body.allot(step.result)
    body.lines.append(invoke(body, RANKS, math.prod(stack), min(m, n), *bounds, values, out))


@lowering("pinv", fits=_has_numbers)
def pinv(body: Body, step: Apply) -> None:
    """v s⁻¹ uᵀ, without the values that are next to nothing."""
    *stack, m, n = step.parts[0].shape
    k = min(m, n)
    u, s, vt = _singular(body, step, "S")
    body.lines.append(invoke(body, WEIGHTED, math.prod(stack), m, k, _relative(step), u, s))
    out = body.scratch((*stack, n, m), "float64")
    products(body, stack, turned(vt), turned(u), (n, m, k), out, dtype="float64")
    deliver(body, step.result, out)


def _relative(step: Apply) -> float:
    rcond, rtol = step.attributes["rcond"], step.attributes["rtol"]
    chosen = rtol if rcond is None else rcond
    return 1e-15 if chosen is None else float(chosen)


# ----------------------------------------------------------------------------------- QR


@lowering("qr_packed", fits=is_real)
def qr(body: Body, step: Apply) -> None:
    """Orthonormal columns, and an upper triangle."""
    (a,) = step.parts
    *stack, m, n = a.shape
    k, count = min(m, n), math.prod(stack)
    r = columns(body, body.place(a), a.shape)
    q = body.scratch((*stack, m, k), "float64")._replace(strides=by_columns(stack, m, k))
    first, _ = lapack.workspace("dgeqrf", m=m, n=n, lda=m)
    second, _ = lapack.workspace("dorgqr", m=m, n=k, k=k, lda=m)
    lwork = max(first, second)
    rooms = body.scratch((k,), "float64"), body.scratch((lwork,), "float64"), lwork
    call = invoke(body, QR, count, m, n, r, q, *rooms, needs=["dgeqrf", "dorgqr"])
    body.lines.append(call)
    deliver_parts(body, step.result, (q, (m, k)), (r, (k, n)))
