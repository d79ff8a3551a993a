"""Decompositions of matrices: Cholesky, symmetric eigenvalues, singular values, QR; lstsq.

One op computes the several parts of a decomposition and lays them side by side along the last
axis (`packed`); the function of NumPy's name takes them apart again. Eigenvectors and singular
vectors are determined up to their signs; what is computed from them should not depend on signs.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import MatrixError, UnknownNameError, explain
from ..tensor import Tensor
from .compare import isnan, less, less_equal, logical_and, logical_not, where
from .joining import concatenate
from .linalg import pinv, solve
from .matrices import (
    column,
    diagonal_matrix,
    each,
    graded,
    lower,
    positive_definite,
    refuse_not_matrix,
    refuse_not_square,
    row,
    unconverged,
)
from .pointwise import abs
from .products import array_like, flipped, matmul
from .reduce import sum
from .shape import reshape

EighResult = type(np.linalg.eigh(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))


def packed(*parts):
    """Lay the matrices or vectors of a decomposition side by side along the last axis."""
    stack = parts[0].shape[:-2]
    flat = [part.reshape((*stack, math.prod(part.shape[-2:]))) for part in parts]
    return np.concatenate(flat, axis=-1)


def unpacked(x, *shapes):
    """Take apart what `packed` laid side by side: one part for each shape."""
    stack, start, parts = x.shape[:-1], 0, []
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(reshape(x[..., start:stop], shape=(*stack, *shape)))
        start = stop
    return parts


def _symmetric(a):
    return (a + np.swapaxes(a, -1, -2)) / 2


def quotients(m, values):
    """Return (m[i, j] - m[j, i]) / (values[j] - values[i]): how vectors turn, without diagonal.

    Where two values are equal to rounding, the quotient counts if m still has digits, as it has
    where the cotangents of both vectors are small. Else it is 0 if these have no part in one
    another, and NaN otherwise. Where they vanish, nobody can tell whether the vectors are not
    asked for, or multiplied by a function that is 0 there, such as log at 1: NaN, too.
    """
    gaps = row(values) - column(values)
    eps = float(np.finfo(values.dtype).eps)
    rounding = 4.0 * values.shape[-1] * eps
    size = column(sum(abs(values), axis=-1, keepdims=True))
    near = less_equal(abs(gaps), rounding * size)
    asked = sum(abs(m), axis=-2, keepdims=True)
    total = rounding * size * (asked + flipped(asked))
    exact = less(total, math.sqrt(eps) * abs(gaps) * sum(asked, axis=-1, keepdims=True))
    near = logical_and(near, logical_not(exact))
    apart = less(abs(m), rounding * asked)
    others = 1.0 - np.eye(values.shape[-1], dtype=values.dtype)
    blank = where(near * others, np.nan, np.zeros(gaps.shape, gaps.dtype))
    # A product, so that forward mode sees the NaN, too, and a sum, because 0 wins in products.
    tied = where(logical_and(apart, flipped(apart)), 0.0, m * blank + blank)
    return where(near, tied, (m - flipped(m)) / where(near, 1.0, gaps))


# ----------------------------------------------------------------------------- Cholesky


@primitive(
    namespace="linalg",
    samples=lambda rng: [
        ((positive_definite(rng, 3, 3),), {}),
        ((positive_definite(rng, 2, 3, 3),), {}),
        ((positive_definite(rng, 3, 3),), {"upper": True}),
    ],
)
def cholesky(a, *, upper=False):
    """Lower triangular L with L Lᵀ = (a + aᵀ)/2, or its transpose. The cotangent is symmetric."""
    refuse_not_square("cholesky", a)
    try:
        factor = np.linalg.cholesky(_symmetric(a))
    except np.linalg.LinAlgError as error:
        least = np.linalg.eigvalsh(_symmetric(a)).min()
        got = f"{np.shape(a)} with an eigenvalue of {least:.3g} (NumPy: {error})"
        what, do = "linalg.cholesky: a positive definite matrix", "Add a multiple of the identity"
        raise MatrixError(explain(what, got, do)) from error
    return np.swapaxes(factor, -1, -2) if upper else factor


def cholesky_vjp(ct, out, upper):
    """Murray (2016), with Φ the lower triangle with half the diagonal: L⁻ᵀ Φ(Lᵀ ct) L⁻¹."""
    ct, turned = (flipped(ct), out) if upper else (ct, flipped(out))
    part = solve(turned, lower(matmul(turned, ct), diagonal=0.5))
    part = solve(turned, flipped(part))
    return 0.5 * (part + flipped(part))


defvjp(cholesky, a=cholesky_vjp)


# --------------------------------------------------------- eigenvalues of symmetric matrices


def _eigh_samples(_):
    rng = np.random.default_rng(0)  # always the same: LAPACK's signs jump between matrices
    for shape in ((3, 3), (2, 3, 3)):
        yield (positive_definite(rng, *shape),), {}


@primitive(internal=True, samples=_eigh_samples)
def eigh_packed(a):
    """Eigenvalues and eigenvectors of (a + aᵀ)/2, side by side."""
    refuse_not_square("eigh", a)
    try:
        w, v = np.linalg.eigh(_symmetric(a))
    except np.linalg.LinAlgError as error:
        raise unconverged("eigh", a, error) from error
    return packed(w[..., None], v)


def _eigh_parts(x, shape):
    n = shape[-1]
    return unpacked(x, (n,), (n, n))


def eigh_vjp(ct, out, a_shape):
    (ct_w, ct_v), (w, v) = _eigh_parts(ct, a_shape), _eigh_parts(out, a_shape)
    inner = diagonal_matrix(ct_w) + 0.5 * quotients(matmul(flipped(v), ct_v), w)
    return matmul(matmul(v, inner), flipped(v))


def _eigenvalues_vjp(ct, a):
    _, v = _eigh_parts(eigh_packed(a), a.shape)
    return matmul(v * row(ct), flipped(v))


@composite(namespace="linalg", samples=_eigh_samples)
def eigh(a, UPLO="L"):  # noqa: N803
    """Eigenvalues, in ascending order, and eigenvectors of a symmetric matrix.

    Of any other, those of (a + aᵀ)/2, so UPLO makes no difference. Where eigenvalues are equal,
    derivatives through their eigenvectors are NaN; those of the eigenvalues alone are not.
    """
    _refuse_triangle("eigh", UPLO)
    a = array_like(a)
    w, v = _eigh_parts(eigh_packed(a), a.shape)
    return EighResult(eigh_values(a) if _tracked(a) else w, v)


def _tracked(a):
    """Whether derivatives may be asked for: the values' must not be taken for the vectors'."""
    return isinstance(a, Tensor) and a.node is not None


@primitive(namespace="linalg", samples=_eigh_samples)
def eigvalsh(a, *, UPLO="L"):  # noqa: N803
    """Eigenvalues of (a + aᵀ)/2, in ascending order."""
    refuse_not_square("eigvalsh", a)
    _refuse_triangle("eigvalsh", UPLO)
    try:
        return np.linalg.eigvalsh(_symmetric(a))
    except np.linalg.LinAlgError as error:
        raise unconverged("eigvalsh", a, error) from error


def _refuse_triangle(name, triangle):
    if triangle not in ("L", "U"):
        what = f"linalg.{name}: UPLO among 'L' and 'U'"
        raise UnknownNameError(explain(what, repr(triangle), "Leave it out"))


@primitive(internal=True, samples=_eigh_samples)
def eigh_values(a):
    """The eigenvalues of `eigh_packed`, an op of their own: they need no gaps between them."""
    return eigh_packed.forward(a)[..., : a.shape[-1]]


defvjp(eigh_packed, a=eigh_vjp)
defvjp(eigh_values, a=_eigenvalues_vjp)
defvjp(eigvalsh, a=_eigenvalues_vjp)


# ----------------------------------------------------------------------- singular values


def _svd_samples(_):
    rng = np.random.default_rng(0)
    for shape in ((4, 3), (3, 4), (2, 3, 3)):
        for full in (False, True):
            yield (graded(rng, *shape),), {"full_matrices": full}


@primitive(internal=True, samples=_svd_samples)
def svd_packed(a, *, full_matrices=True):
    """The matrices u, s and vᵀ of the singular value decomposition, side by side."""
    refuse_not_matrix("svd", a)
    try:
        u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    except np.linalg.LinAlgError as error:
        raise unconverged("svd", a, error) from error
    return packed(u, s[..., None], vh)


def _svd_parts(x, shape, full):
    """Return u, s and vᵀ, or their cotangents."""
    m, n = shape[-2:]
    k = min(m, n)
    return unpacked(x, (m, m if full else k), (k,), (n if full else k, n))


def svd_vjp(ct, out, a_shape, full_matrices):
    ct_u, ct_s, ct_vh = _svd_parts(ct, a_shape, full_matrices)
    u, s, vh = _svd_parts(out, a_shape, full_matrices)
    v, ct_v = flipped(vh), flipped(ct_vh)
    k = s.shape[-1]
    first_u, first_v = u[..., :k], v[..., :k]
    total = row(s) + column(s)
    total = where(less_equal(total, 0.0), 1.0, total)
    turn_u, turn_v = (
        quotients(matmul(flipped(x[..., :k]), ct_x[..., :k]), s) / total
        for x, ct_x in ((u, ct_u), (v, ct_v))
    )
    turned = turn_u * row(s) + column(s) * turn_v
    inner = diagonal_matrix(ct_s) + where(isnan(turn_u + turn_v), np.nan, turned)
    part = matmul(matmul(first_u, inner), flipped(first_v))
    if a_shape[-2] > k:
        part = part + matmul(_outside(u, ct_u, k) / row(s), flipped(first_v))
    if a_shape[-1] > k:
        part = part + matmul(first_u, flipped(_outside(v, ct_v, k) / row(s)))
    return part


def _outside(u, ct, k):
    """Return the part of the cotangent of the first k vectors that they do not span."""
    first, ct_first = u[..., :k], ct[..., :k]
    part = ct_first - matmul(first, matmul(flipped(first), ct_first))
    if u.shape[-1] == k:
        return part
    return part - matmul(u[..., k:], matmul(flipped(ct[..., k:]), first))


def _singular_values_vjp(ct, x):
    u, _, vh = _svd_parts(svd_packed(x, full_matrices=False), x.shape, False)
    return matmul(u * row(ct), vh)


@primitive(namespace="linalg", samples=each(graded, (4, 3), (3, 4), (2, 3, 3)))
def svdvals(x):
    """Singular values, in descending order. Each has its own derivative where some are equal."""
    refuse_not_matrix("svdvals", x)
    try:
        return np.linalg.svd(x, compute_uv=False)
    except np.linalg.LinAlgError as error:
        raise unconverged("svdvals", x, error) from error


@primitive(internal=True, samples=_svd_samples)
def svd_values(a, *, full_matrices=True):
    """The singular values of `svd_packed`, an op of their own: they need no gaps between them."""
    return _svd_parts(svd_packed.forward(a, full_matrices=full_matrices), a.shape, full_matrices)[
        1
    ]


defvjp(svd_packed, a=svd_vjp)
defvjp(svd_values, a=lambda ct, a: _singular_values_vjp(ct, a))
defvjp(svdvals, x=_singular_values_vjp)


@composite(
    namespace="linalg",
    samples=lambda rng: [
        *_svd_samples(rng),
        ((graded(rng, 4, 3),), {"compute_uv": False}),
    ],
)
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """Singular value decomposition a = u diag(s) vᵀ, as (u, s, vᵀ); or s only.

    Where singular values are equal, derivatives through their vectors are NaN; those of the
    singular values alone are not. That of the vectors beyond the rank is the one of the space
    they span.
    """
    if not compute_uv:
        return svdvals(a)
    a = array_like(a)
    whole = svd_packed(a, full_matrices=full_matrices)
    u, s, vh = _svd_parts(whole, a.shape, full_matrices)
    return SVDResult(u, svd_values(a, full_matrices=full_matrices) if _tracked(a) else s, vh)


# ----------------------------------------------------------------------------------- QR


def _qr_samples(rng):
    for shape in ((4, 3), (3, 3)):
        yield (graded(rng, *shape),), {}
    # The derivative divides by the leading square of a wide one.
    yield (np.concatenate([graded(rng, 2, 3, 3), rng.normal(size=(2, 3, 1))], axis=-1),), {}


@primitive(internal=True, samples=_qr_samples)
def qr_packed(a):
    """The matrices q and r of the reduced QR decomposition, side by side."""
    refuse_not_matrix("qr", a)
    return packed(*np.linalg.qr(a))


def _qr_parts(x, shape):
    m, n = shape[-2:]
    k = min(m, n)
    return unpacked(x, (m, k), (k, n))


def qr_vjp(ct, out, a_shape):
    """Walter and Lehmann (2010); what is right of a square r follows from q: y = q r."""
    (ct_q, ct_r), (q, r) = _qr_parts(ct, a_shape), _qr_parts(out, a_shape)
    k = q.shape[-1]
    ct_y, beyond = ct_r[..., k:], r[..., k:]
    ct_q = ct_q + matmul(matmul(q, beyond), flipped(ct_y))
    ct_r, r = ct_r[..., :k], r[..., :k]
    m = lower(matmul(r, flipped(ct_r)) - matmul(flipped(ct_q), q), diagonal=0.5)
    part = ct_q + matmul(q, m + flipped(m))
    part = flipped(solve(r, flipped(part)))
    return concatenate([part, matmul(q, ct_y)], axis=-1)


defvjp(qr_packed, a=qr_vjp)


@composite(
    namespace="linalg",
    samples=lambda rng: [*_qr_samples(rng), ((graded(rng, 4, 3),), {"mode": "r"})],
)
def qr(a, mode="reduced"):
    """QR decomposition a = q r: orthonormal columns, and an upper triangle; or r only."""
    a = array_like(a)
    square = mode == "complete" and a.shape[-2] <= a.shape[-1]
    if mode not in ("reduced", "r") and not square:
        what = "linalg.qr: mode='reduced' or 'r'"
        raise UnknownNameError(explain(what, repr(mode), "Choose one that has a derivative"))
    q, r = _qr_parts(qr_packed(a), a.shape)
    return r if mode == "r" else QRResult(q, r)


# ------------------------------------------------------------------------ least squares


@composite(
    namespace="linalg",
    samples=lambda rng: [
        ((graded(rng, *a), uniform(rng, *b)), {})
        for a, b in (((4, 3), (4,)), ((4, 3), (4, 2)), ((3, 4), (3, 2)))
    ],
)
def lstsq(a, b, rcond=None):
    """The x of least length that minimizes |a x - b|²; residual sums, rank, singular values."""
    a, b = array_like(a), array_like(b)
    rcond = np.finfo(a.dtype).eps * max(a.shape) if rcond is None else rcond
    x = matmul(pinv(a, rcond=rcond), b)
    values = svdvals(a)
    known = values.numpy() if isinstance(values, Tensor) else values
    rank = int((known > rcond * known.max(initial=0.0)).sum())
    rest = b - matmul(a, x)
    residuals = sum(rest * rest, axis=0, keepdims=b.ndim == 1)
    complete = a.shape[0] > a.shape[1] == rank
    return x, residuals if complete else residuals[:0], rank, values
