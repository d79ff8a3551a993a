"""Systems of linear equations: solve, inv, pinv, lstsq, solve_triangular; and diagonals."""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, UnknownNameError, explain
from .compare import where
from .index import getitem
from .matrices import (
    column,
    each,
    graded,
    invertible,
    refuse_not_matrix,
    refuse_not_square,
    singular,
    unconverged,
)
from .products import array_like, flipped, matmul
from .reduce import sum
from .shape import reshape, transpose


def _solve_samples(rng):
    for a, b in (
        ((3, 3), (3,)),
        ((3, 3), (3, 2)),
        ((2, 3, 3), (3,)),
        ((2, 3, 3), (1, 3, 2)),
        ((3, 3), (2, 3, 3)),
        ((3, 3), (3, 3)),
    ):
        yield (invertible(rng, *a), uniform(rng, *b)), {}


@primitive(namespace="linalg", samples=_solve_samples)
def solve(a, b):
    """The solution x of a x = b; b is a vector if it has one axis, else a stack of matrices."""
    refuse_not_square("solve", a)
    n, found = a.shape[-1], (*np.shape(b)[-2:], None)[0]
    if found != n:
        got = f"b of shape {np.shape(b)} and a of shape {a.shape}"
        what, do = f"linalg.solve: b with {n} rows", "Write vectors of a stack as b[..., None]"
        raise ShapeError(explain(what, got, do))
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise singular("solve", a, error) from error


def solve_vjp_b(ct, a, b_shape):
    if len(b_shape) > 1:
        return solve(flipped(a), ct)
    return reshape(solve(flipped(a), column(ct)), shape=ct.shape)


def solve_vjp_a(ct, a, out, b_shape):
    part = solve_vjp_b(ct, a, b_shape)
    if len(b_shape) == 1:
        part, out = column(part), column(out)
    return -matmul(part, flipped(out))


@primitive(namespace="linalg", samples=each(invertible, (3, 3), (2, 3, 3)))
def inv(a):
    """Inverse of each matrix."""
    refuse_not_square("inv", a)
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError as error:
        raise singular("inv", a, error) from error


def inv_vjp(ct, out):
    return -matmul(matmul(flipped(out), ct), flipped(out))


defvjp(solve, a=solve_vjp_a, b=solve_vjp_b)
defvjp(inv, a=inv_vjp)


def _pinv_samples(rng):
    for shape in ((4, 3), (3, 4), (2, 3, 3)):
        yield (graded(rng, *shape),), {}


@primitive(namespace="linalg", samples=_pinv_samples)
def pinv(a, *, rcond=None, hermitian=False, rtol=None):
    """Moore-Penrose inverse. Its derivative is the one within matrices of the same rank."""
    refuse_not_matrix("pinv", a)
    chosen = {"rcond": rcond} if rtol is None else {"rtol": rtol}
    try:
        return np.linalg.pinv(a, hermitian=hermitian, **chosen)
    except np.linalg.LinAlgError as error:
        raise unconverged("pinv", a, error) from error


def pinv_vjp(ct, a, out):
    """Golub and Pereyra (1973): the derivative of a pseudoinverse of constant rank."""
    ct, back = flipped(ct), flipped(out)
    left = ct - matmul(a, matmul(out, ct))  # (1 - a a⁺) ctᵀ
    right = ct - matmul(matmul(ct, out), a)  # ctᵀ (1 - a⁺ a)
    part = matmul(matmul(left, out), back) + matmul(matmul(back, out), right)
    return part - matmul(matmul(back, flipped(ct)), back)


defvjp(pinv, a=pinv_vjp)


@composite(
    namespace="linalg",
    samples=lambda rng: [
        ((invertible(rng, *a), uniform(rng, *b)), named)
        for a, b, named in (
            ((3, 3), (3,), {}),
            ((3, 3), (3, 2), {"lower": True}),
            ((2, 3, 3), (2, 3, 2), {"trans": 1, "unit_diagonal": True}),
            ((3, 3), (3, 2), {"trans": "T", "lower": True}),
        )
    ],
)
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    """The solution x of a x = b, or of aᵀ x = b, that reads one triangle of a only."""
    a = array_like(a)
    refuse_not_square("solve_triangular", a)
    if trans not in (0, 1, 2, "N", "T", "C"):
        what = "linalg.solve_triangular: trans among 0, 1, 2, 'N', 'T', 'C'"
        raise UnknownNameError(explain(what, repr(trans), "Choose one"))
    mask = np.tri(a.shape[-1], dtype=bool)
    a = where(mask if lower else mask.T, a, 0.0)
    if unit_diagonal:
        a = where(np.eye(a.shape[-1], dtype=bool), 1.0, a)
    return solve(a if trans in (0, "N") else flipped(a), b)


@primitive(
    namespace="linalg",
    nondiff="piecewise constant",
    samples=lambda rng: [
        *each(graded, (4, 3), (2, 3, 3))(rng),
        *each(graded, (4, 3), tol=1.5)(rng),
        *each(graded, (4, 3), rtol=0.5)(rng),
    ],
)
def matrix_rank(a, *, tol=None, hermitian=False, rtol=None):
    """How many singular values are larger than a tolerance."""
    try:
        return np.linalg.matrix_rank(a, tol=tol, hermitian=hermitian, rtol=rtol)
    except np.linalg.LinAlgError as error:
        raise unconverged("matrix_rank", a, error) from error


@composite(
    namespace="linalg",
    samples=lambda rng: [((invertible(rng, 6, 6).reshape(2, 3, 6),), {"ind": 2})],
)
def tensorinv(a, ind=2):
    """Inverse with respect to `tensordot` over `ind` axes."""
    a = array_like(a)
    rows = math.prod(a.shape[:ind])
    back = inv(reshape(a, shape=(rows, -1)))
    return reshape(back, shape=(*a.shape[ind:], *a.shape[:ind]))


@composite(
    namespace="linalg",
    samples=lambda rng: [
        ((invertible(rng, 6, 6).reshape(2, 3, 6), uniform(rng, 2, 3)), {}),
        ((invertible(rng, 6, 6).reshape(2, 6, 3), uniform(rng, 2, 3)), {"axes": (1,)}),
    ],
)
def tensorsolve(a, b, axes=None):
    """The x whose `tensordot` with a, over all axes of x, is b."""
    a, b = array_like(a), array_like(b)
    last = [axis % a.ndim for axis in axes or ()]
    order = [axis for axis in range(a.ndim) if axis not in last]
    a = transpose(a, axes=(*order, *last))
    x = solve(reshape(a, shape=(b.size, -1)), reshape(b, shape=(-1,)))
    return reshape(x, shape=a.shape[b.ndim :])


# ------------------------------------------------------------------------- the diagonal


@composite(
    namespace="linalg",
    name="diagonal",
    samples=lambda rng: [
        ((uniform(rng, 3, 4),), {}),
        ((uniform(rng, 2, 3, 4),), {"offset": 1}),
        ((uniform(rng, 2, 3, 3),), {"offset": -2}),
    ],
)
def matrix_diagonal(x, *, offset=0):
    """The diagonal of each matrix, or one beside it."""
    x = array_like(x)
    refuse_not_matrix("diagonal", x)
    rows, columns = np.nonzero(np.eye(x.shape[-2], x.shape[-1], offset))
    return getitem(x, index=(..., rows, columns))


@composite(
    namespace="linalg",
    name="trace",
    samples=lambda rng: [
        ((uniform(rng, 3, 4),), {}),
        ((uniform(rng, 2, 3, 3),), {"offset": 1}),
    ],
)
def matrix_trace(x, *, offset=0):
    """Sum of the diagonal of each matrix."""
    x = array_like(x)
    refuse_not_matrix("trace", x)
    diagonal = np.eye(x.shape[-2], x.shape[-1], offset, dtype=x.dtype)
    return sum(x * diagonal, axis=(-2, -1))
