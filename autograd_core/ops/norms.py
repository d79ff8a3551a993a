"""Norms of vectors and matrices, and condition numbers. The derivative of a norm at 0 is 0."""

from __future__ import annotations

import math
import operator

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import Distinct, uniform
from ..errors import ShapeError, UnknownNameError, explain
from .compare import equal, not_equal, sign, where
from .decompositions import svdvals
from .linalg import inv
from .matrices import (
    each,
    graded,
    invertible,
    refuse_not_matrix,
)
from .pointwise import abs, power
from .products import array_like
from .reduce import kept, max, min, restore, sum
from .shape import astype, reshape, transpose


def _apart(rng, *shape):
    """Draw numbers whose magnitudes are apart from one another and from 0."""
    return 3.0 * Distinct(0.03).sample(rng, shape)


def _samples(name="axis", **shared):
    return lambda rng: [
        ((_apart(rng, 3, 4, 2),), shared | {name: axis, "keepdims": keepdims})
        for axis, keepdims in ((None, False), (1, True), ((0, 2), False), ((-1,), False))
    ]


@primitive(
    internal=True,
    samples=lambda rng: [s for p in (2.0, 3.0, 0.5, -1.5) for s in _samples("axes", ord=p)(rng)],
)
def p_norm(x, *, ord=2.0, axes=None, keepdims=False):
    """The norm (Σ |x|ᵖ)^(1/p) with p = ord. The derivative at 0 is 0."""
    return np.linalg.vector_norm(x, ord=ord, axis=axes, keepdims=keepdims)


def p_norm_vjp(ct, x, out, x_shape, ord, axes):
    ct, out = restore(ct, x_shape, axes), restore(out, x_shape, axes)
    ratio = x / where(equal(out, 0.0), 1.0, out)
    if ord == 2:
        return ct * ratio
    slope = sign(ratio) * power(abs(ratio), ord - 1.0)
    # Of a negative order, one zero makes the norm 0 whatever the others are.
    return ct * (where(equal(out, 0.0), 0.0, slope) if ord < 0 else slope)


defvjp(p_norm, x=p_norm_vjp)


def _floating(x):
    x = array_like(x)
    return x if np.dtype(x.dtype).kind == "f" else astype(x, dtype=np.dtype(float))


def _refuse_axes(x, axes):
    if not all(-x.ndim <= axis < x.ndim for axis in axes):
        what = f"linalg.norm: axes of an array of shape {x.shape}"
        raise ShapeError(explain(what, f"{axes}", "Correct axis="))


def _of_vectors(x, ord, axis, keepdims):
    if axis is not None:
        _refuse_axes(x, axis if isinstance(axis, tuple) else (axis,))
    if isinstance(ord, str):
        do = "Pass a number, inf or -inf; or two axes"
        raise UnknownNameError(explain("linalg.norm: the order of a norm of vectors", ord, do))
    if math.isinf(ord):
        return (max if ord > 0 else min)(abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return sum(astype(not_equal(x, 0.0), dtype=x.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    return p_norm(x, ord=float(ord), axes=axis, keepdims=keepdims)


EXTREME = {1: max, 2: max, math.inf: max, -1: min, -2: min, -math.inf: min, "nuc": sum}


def _of_matrices(x, ord, axes, keepdims):
    _refuse_axes(x, axes)
    first, second = (axis % x.ndim for axis in axes)
    if first == second or (ord not in EXTREME and ord not in ("fro", "f")):
        what = "linalg.norm: two axes, and an order 'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        raise UnknownNameError(explain(what, f"axes {axes} and order {ord!r}", "Correct it"))
    shape = kept(x.shape, (first, second))
    if ord in ("fro", "f"):
        out = p_norm(x, axes=(first, second))
    elif ord in (2, -2, "nuc"):
        rest = (axis for axis in range(x.ndim) if axis not in (first, second))
        values = svdvals(transpose(x, axes=(*rest, first, second)))
        out = EXTREME[ord](abs(values), axis=-1)  # of a value that is 0, the derivative is 0
    else:
        summed, other = (first, second) if ord in (1, -1) else (second, first)
        out = EXTREME[ord](sum(abs(x), axis=summed, keepdims=True), axis=other, keepdims=True)
    lengths = [n for i, n in enumerate(shape) if i not in (first, second)]
    return reshape(out, shape=shape if keepdims else tuple(lengths))


def _norm_samples(rng):
    for ord in (None, math.inf, -math.inf, 0, 1, 2, 3, 0.5, -1):
        yield (_apart(rng, 4),), {"ord": ord}
        yield (_apart(rng, 3, 4),), {"ord": ord, "axis": 1, "keepdims": True}
    for how in (None, "fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2):
        yield (graded(rng, 4, 3),), {"ord": how}
        x = np.moveaxis(graded(rng, 2, 3, 4), 0, 1)
        yield (x,), {"ord": how, "axis": (2, 0), "keepdims": how in (1, 2)}
    yield (uniform(rng, 2, 2, 3),), {"keepdims": True}


@composite(namespace="linalg", samples=_norm_samples)
def norm(x, ord=None, axis=None, keepdims=False):
    """Norm of a vector or a matrix; of all elements by default. At 0 the derivative is 0.

    Elements, rows or singular values that tie share the cotangent evenly.
    """
    x = _floating(x)
    if axis is None and ord is None:
        return p_norm(x, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    axes = axes if isinstance(axes, tuple) else (operator.index(axes),)
    if len(axes) == 1:
        return _of_vectors(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) == 2:
        return _of_matrices(x, "fro" if ord is None else ord, axes, keepdims)
    got = f"{len(axes)} axes of shape {x.shape}"
    raise ShapeError(explain("linalg.norm: one axis or two", got, "Pass axis="))


@composite(
    namespace="linalg",
    samples=lambda rng: [
        s for p in (2, 1, 0, 3, math.inf, -math.inf) for s in _samples(ord=p)(rng)
    ],
)
def vector_norm(x, *, axis=None, keepdims=False, ord=2):
    """Norm of the elements along the axes, taken as one vector. At 0 the derivative is 0."""
    return _of_vectors(_floating(x), ord, axis, keepdims)


@composite(
    namespace="linalg",
    samples=lambda rng: [
        ((graded(rng, 2, 4, 3),), {"ord": ord, "keepdims": ord == 1})
        for ord in ("fro", "nuc", 1, -2)
    ],
)
def matrix_norm(x, *, keepdims=False, ord="fro"):
    """Norm of each matrix of a stack. At 0 the derivative is 0."""
    return _of_matrices(_floating(x), ord, (-2, -1), keepdims)


@composite(
    namespace="linalg",
    samples=lambda rng: [
        *each(graded, (4, 3))(rng),
        *each(graded, (2, 3, 3), p=-2)(rng),
        *each(invertible, (2, 3, 3), p=1)(rng),
        *each(invertible, (3, 3), p="fro")(rng),
    ],
)
def cond(x, p=None):
    """Condition number: the norm of x times that of its inverse; by default of order 2."""
    x = _floating(x)
    refuse_not_matrix("cond", x)
    if p in (None, 2, -2):
        values = svdvals(x)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return _of_matrices(x, p, (-2, -1), False) * _of_matrices(inv(x), p, (-2, -1), False)
