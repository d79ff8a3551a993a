"""Ops that run along an axis: cumsum, cumprod, prod, running extremes, differences, convolve."""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import Distinct, uniform
from ..errors import ShapeError, UnknownNameError, explain
from ..kernels import recurrence as kernels
from .compare import not_equal
from .index import getitem, scatter, take_along_axis
from .joining import concatenate
from .pointwise import subtract
from .reduce import restore, sum
from .shape import (
    axis_of,
    broadcast_to,
    dtype_of,
    expand_dims,
    lines,
    ravel,
    reshape,
    swapaxes,
    unlined,
)
from .tiling import flip


def _samples(rng):
    for axis in (0, -1, None):
        yield (uniform(rng, 3, 4, 2),), {"axis": axis}


@primitive(samples=_samples)
def cumsum(x, *, axis=None):
    """Sums of the first 1, 2, 3, … elements along an axis; flattened by default."""
    return np.cumsum(x, axis)


def _with_zeros(rng):
    yield from _samples(rng)
    yield (np.array([[1.5, 0.0, -2.0, 0.5], [0.0, 3.0, 0.0, 1.0]]),), {"axis": 1}


@primitive(samples=_with_zeros)
def cumprod(x, *, axis=None):
    """Products of the first 1, 2, 3, … elements along an axis; zeros among them are no trouble."""
    return np.cumprod(x, axis)


@primitive(
    internal=True,
    samples=lambda rng: [
        ((uniform(rng, 2, 5), uniform(rng, 2, 5)), {"reverse": reverse})
        for reverse in (False, True)
    ],
)
def recurrence(a, b, *, reverse=False):
    """yᵢ = aᵢ yᵢ₋₁ + bᵢ along the last axis, or yᵢ = aᵢ₊₁ yᵢ₊₁ + bᵢ in reverse."""
    return kernels.recurrence(a, b, reverse)


def cumsum_vjp(ct, x_shape, axis):
    if axis is None:
        ct, axis = ravel(ct), 0
    return reshape(flip(cumsum(flip(ct, axis=axis), axis=axis), axis=axis), shape=x_shape)


def _before(y, first):
    """Move along the last axis by one place: `first` enters, the last element leaves."""
    start = np.full((*y.shape[:-1], min(y.shape[-1], 1)), first, y.dtype)
    return concatenate((start, y[..., :-1]), axis=-1)


def cumprod_vjp(ct, x, out, x_shape, axis):
    # xᵢ is in all products from the i-th on: ∂L/∂xᵢ = (x₁ … xᵢ₋₁) Σⱼ ctⱼ xᵢ₊₁ … xⱼ. The sum over
    # j ≥ i obeys a recurrence; nothing is divided by an x that may be zero.
    if axis is None:
        ct, x, axis = ravel(ct), ravel(x), 0
    ct, x, out = (swapaxes(array, axis, -1) for array in (ct, x, out))
    slopes = _before(out, 1.0) * recurrence(x, ct, reverse=True)
    return reshape(swapaxes(slopes, axis, -1), shape=x_shape)


def _reductions(rng):
    for axis, keepdims in ((None, False), (1, False), ((0, 2), True), (-1, False)):
        yield (uniform(rng, 2, 3, 2),), {"axis": axis, "keepdims": keepdims}
    yield (np.array([[1.5, 0.0, -2.0], [0.0, 3.0, 0.0], [1.0, 2.0, 3.0]]),), {"axis": 1}


@primitive(samples=_reductions)
def prod(x, *, axis=None, keepdims=False):
    """Product over the axes; zeros among the factors are no trouble."""
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


def prod_vjp(ct, x, x_shape, axis):
    # The product of the others is what stands before times what stands behind: no division.
    x = lines(x, axis)
    before = cumprod(_before(x, 1.0), axis=-1)
    behind = flip(cumprod(_before(flip(x, axis=-1), 1.0), axis=-1), axis=-1)
    return restore(ct, x_shape, axis) * unlined(before * behind, x_shape, axis)


def recurrence_vjp_a(ct, a, out, reverse):
    adjoint = recurrence(a, ct, reverse=not reverse)
    return _before(adjoint, 0.0) * out if reverse else adjoint * _before(out, 0.0)


defvjp(cumsum, x=cumsum_vjp)
defvjp(cumprod, x=cumprod_vjp)
defvjp(prod, x=prod_vjp)
defvjp(
    recurrence,
    a=recurrence_vjp_a,
    b=lambda ct, a, reverse: recurrence(a, ct, reverse=not reverse),
)


# ---------------------------------------------------------------------------- running extremes


@primitive(
    internal=True,
    nondiff="positions are integers",
    samples=lambda rng: [
        ((Distinct().sample(rng, (3, 4)),), {"axis": axis, "largest": largest})
        for axis, largest in ((0, True), (-1, False))
    ],
)
def running_extreme(x, *, axis, largest):
    """Where along an axis the largest (or smallest) element so far is; the first one of equals."""
    x = np.moveaxis(x, axis, -1)
    best = (np.maximum if largest else np.minimum).accumulate(x, axis=-1)
    now, before = best[..., 1:], best[..., :-1]
    changed = np.zeros(x.shape, bool)
    changed[..., 1:] = (now != before) & (before == before)  # NaN stays, though it equals nothing
    places = np.where(changed, np.arange(x.shape[-1]), 0)
    return np.moveaxis(np.maximum.accumulate(places, axis=-1), -1, axis)


def _runs(rng):
    return [((Distinct().sample(rng, (3, 4)),), named) for named in ({}, {"axis": -1})]


@composite(samples=_runs)
def cummax(x, axis=0):
    """The largest element so far along an axis. Of equal ones the first has the derivative."""
    return take_along_axis(x, running_extreme(x, axis=axis, largest=True), axis=axis)


@composite(samples=_runs)
def cummin(x, axis=0):
    """The smallest element so far along an axis. Of equal ones the first has the derivative."""
    return take_along_axis(x, running_extreme(x, axis=axis, largest=False), axis=axis)


# ------------------------------------------------------------------------------- differences


def _along(x, axis, *ends):
    """Return the part of x between two ends along an axis."""
    return getitem(x, index=(*(slice(None),) * axis_of(x, axis), slice(*ends)))


def _differences(rng):
    x = uniform(rng, 4, 3)
    yield (x,), {}
    yield (x, 2, 0), {}
    yield (x, 1, -1, 1.0, uniform(rng, 4, 2)), {}


@composite(samples=_differences)
def diff(x, n=1, axis=-1, prepend=None, append=None):
    """The n-th differences of neighbours along an axis."""
    if n < 0:
        raise ShapeError(explain("diff: n of at least 0", n, "Use cumsum to go back"))
    ends = (_end(x, axis, prepend), x, _end(x, axis, append))
    x = concatenate([part for part in ends if part is not None], axis=axis) if n else x
    difference = not_equal if dtype_of(x).kind == "b" else subtract
    for _ in range(n):
        x = difference(_along(x, axis, 1, None), _along(x, axis, None, -1))
    return x


def _end(x, axis, value):
    """Return what is to stand before or after x: a number becomes a slice of length one."""
    if value is None or np.ndim(value):
        return value
    shape = list(np.shape(x))
    shape[axis_of(x, axis)] = 1
    if isinstance(value, (int, float)):
        value = np.asarray(value, np.result_type(dtype_of(x), value))
    return broadcast_to(value, shape=tuple(shape))


@composite(samples=lambda rng: [((uniform(rng, 2, 3), uniform(rng, 2), 1.0), {})])
def ediff1d(x, to_end=None, to_begin=None):
    """Differences of neighbours in the flattened array, between what may be added at its ends."""
    parts = (to_begin, diff(ravel(x)), to_end)
    return concatenate([part for part in parts if part is not None], axis=None)


def _integrals(rng):
    y = uniform(rng, 3, 4)
    yield (y,), {"dx": 0.5}
    yield (y, uniform(rng, 3)), {"axis": 0}
    yield (y, uniform(rng, 3, 4)), {}
    yield (uniform(rng, 2, 3, 2), uniform(rng, 3)), {"axis": -2}


@composite(samples=_integrals)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Integral by the trapezoidal rule over samples y at the points x, or at distances dx."""
    if x is not None and np.ndim(x) == 1:
        dx = diff(x)
        dx = expand_dims(dx, tuple(range(1, np.ndim(y) - axis_of(y, axis))))
    elif x is not None:
        dx = diff(x, axis=axis)
    heights = _along(y, axis, 1, None) + _along(y, axis, None, -1)
    return sum(dx * heights * 0.5, axis=axis)


# ------------------------------------------------------------------------------- convolution


def _signals(rng):
    for mode in ("full", "same", "valid"):
        for n, m in ((5, 3), (2, 5), (4, 4)):
            yield (uniform(rng, n), uniform(rng, m)), {"mode": mode}


@primitive(samples=_signals)
def convolve(x, y, *, mode="full"):
    """Discrete convolution of two vectors, Σⱼ xⱼ yᵢ₋ⱼ, whole or in part (full, same, valid)."""
    if mode not in ("full", "same", "valid"):
        do = "Choose one of these"
        raise UnknownNameError(explain("convolve: mode full, same or valid", repr(mode), do))
    if np.ndim(x) > 1 or np.ndim(y) > 1:
        got = f"shapes {np.shape(x)} and {np.shape(y)}"
        raise ShapeError(
            explain("convolve: two vectors", got, "Use a convolution layer, or ravel")
        )
    return np.convolve(x, y, mode)


def convolve_vjp(ct, other, shape):
    """Give the cotangent the length of the full convolution; correlate it with the other one."""
    n, m = math.prod(shape), np.size(other)
    start = (n + m - 1 - np.size(ct)) // 2  # what was cut off at both ends, less at the first
    full = scatter(ct, index=slice(start, start + np.size(ct)), shape=(n + m - 1,))
    return reshape(correlate(full, ravel(other)), shape=shape)


@composite(samples=_signals)
def correlate(x, y, mode="valid"):
    """Cross-correlation of two vectors, Σⱼ xⱼ₊ᵢ yⱼ, whole or in part (full, same, valid)."""
    if np.size(x) < np.size(y):  # NumPy exchanges them: it matters for "same"
        return flip(convolve(y, flip(x), mode=mode))
    return convolve(x, flip(y), mode=mode)


defvjp(
    convolve,
    x=lambda ct, y, x_shape: convolve_vjp(ct, y, x_shape),
    y=lambda ct, x, y_shape: convolve_vjp(ct, x, y_shape),
)
