"""Determinants, with derivatives that are exact for singular matrices, too."""

from __future__ import annotations

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from .linalg import inv, inv_vjp
from .matrices import (
    each,
    invertible,
    refuse_not_square,
)
from .products import flipped, matmul
from .reduce import sum
from .shape import reshape

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


def _singular_too(rng):
    yield from each(invertible, (3, 3), (2, 2, 2))(rng)
    flat = uniform(rng, 3, 3)
    flat[2] = flat[0] - flat[1]
    yield (flat,), {}
    yield (np.zeros((2, 2)),), {}
    yield (np.array([[1.0, 2.0], [2.0, 4.0]]),), {}


@primitive(namespace="linalg", samples=_singular_too)
def det(a):
    """Determinant. Its derivative is the matrix of cofactors, also where a is singular."""
    refuse_not_square("det", a)
    return np.linalg.det(a)


@primitive(internal=True, samples=each(invertible, (3, 3), (2, 2, 2)))
def cofactor(a):
    """The matrix of cofactors, det(a) a⁻ᵀ, by singular values: exact where a is singular."""
    u, s, vh, sign = _rotations(a)
    return np.matmul(u * (sign[..., None] * _others(s))[..., None, :], vh)


@primitive(
    internal=True,
    samples=lambda rng: [
        ((uniform(rng, *shape), invertible(rng, *shape)), {}) for shape in ((3, 3), (2, 2, 2))
    ],
)
def cofactor_pull(ct, a):
    """Second derivative of the determinant, applied to ct; exact where a is singular."""
    u, s, vh, sign = _rotations(a)
    inner = np.matmul(np.matmul(u.swapaxes(-1, -2), ct), vh.swapaxes(-1, -2))
    eye = np.eye(s.shape[-1], dtype=s.dtype)
    pairs = _others(np.where(eye == 1, eye, s[..., None, :])) * (1 - eye)
    diagonal = np.matmul(pairs, np.diagonal(inner, axis1=-2, axis2=-1)[..., None])
    inner = (diagonal * eye - pairs * inner.swapaxes(-1, -2)) * sign[..., None, None]
    return np.matmul(np.matmul(u, inner), vh)


def _rotations(a):
    """Return the singular value decomposition and det(u) det(v); NaN where a is not finite."""
    finite = np.isfinite(a).all(axis=(-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(finite, a, np.eye(a.shape[-1], dtype=a.dtype)))
    sign = np.where(finite[..., 0, 0], np.linalg.det(u) * np.linalg.det(vh), np.nan)
    return u, s, vh, sign.astype(s.dtype)


def _others(s):
    """Return the product of all other elements of the last axis, without a division."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)
    return before * after[..., ::-1]


def _spread(scalars):
    return reshape(scalars, shape=(*scalars.shape, 1, 1))


def _inner(x, y):
    return _spread(sum(x * y, axis=(-2, -1)))


def cofactor_pull_vjp_a(g, ct, a):
    """Third derivative of the determinant; exists as a formula where a is invertible only."""
    back = flipped(inv(a))
    turned, turned_g = (matmul(matmul(back, flipped(x)), back) for x in (ct, g))
    p, q = _inner(ct, back), _inner(g, back)
    part = (p * q - _inner(g, turned)) * back - q * turned - p * turned_g
    part = part + matmul(matmul(turned, flipped(g)), back) + matmul(back, flipped(g)) @ turned
    return part * _spread(det(a))


defvjp(det, a=lambda ct, a: _spread(ct) * cofactor(a))
defvjp(cofactor, a=lambda ct, a: cofactor_pull(ct, a))
defvjp(cofactor_pull, ct=lambda g, a: cofactor_pull(g, a), a=cofactor_pull_vjp_a)


@primitive(internal=True, samples=each(invertible, (3, 3), (2, 3, 3)))
def inv_or_inf(a):
    """Inverse of each matrix; infinite where there is none."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if a.ndim == 2:
            return np.full_like(a, np.inf)
        return np.stack([inv_or_inf.forward(matrix) for matrix in a])


defvjp(inv_or_inf, a=inv_vjp)


@primitive(internal=True, samples=each(invertible, (3, 3), (2, 3, 3)))
def logabsdet(a):
    """Logarithm of the absolute value of the determinant. The derivative at -inf is infinite."""
    refuse_not_square("slogdet", a)
    return np.linalg.slogdet(a)[1]


@primitive(
    internal=True,
    nondiff="piecewise constant",
    samples=each(invertible, (3, 3), (2, 3, 3)),
)
def sign_of_det(a):
    """The sign of the determinant."""
    refuse_not_square("slogdet", a)
    return np.linalg.slogdet(a)[0]


defvjp(logabsdet, a=lambda ct, a: _spread(ct) * flipped(inv_or_inf(a)))


@composite(namespace="linalg", samples=each(invertible, (3, 3), (2, 3, 3)))
def slogdet(a):
    """Sign of the determinant, a constant, and logarithm of its absolute value."""
    return SlogdetResult(sign_of_det(a), logabsdet(a))
