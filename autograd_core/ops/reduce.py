"""Reductions over axes: sum, mean, var, max, min, logsumexp; all, any, argmax.

Each rule first gives the cotangent the reduced axes back (`restore`) and then multiplies.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import defvjp, primitive
from ..domains import Distinct, Interval
from ..errors import ShapeError, explain
from .compare import equal, where
from .pointwise import exp
from .shape import astype, broadcast_to, dtype_of, reshape


def _samples(domain, **attributes):
    def samples(rng):
        shape = (3, 4, 2)
        for axis, keepdims in ((None, False), (1, False), ((0, 2), True), (-1, False)):
            yield (domain.sample(rng, shape),), {"axis": axis, "keepdims": keepdims}
        if attributes:
            yield (domain.sample(rng, shape),), attributes

    return samples


def kept(shape, axis):
    """Return the shape with the reduced axes kept at length one.

    >>> kept((3, 4, 2), (0, -1))
    (1, 4, 1)
    """
    if axis is None:
        return (1,) * len(shape)
    axes = {a % (len(shape) or 1) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else size for i, size in enumerate(shape))


def count(shape, axis):
    """Return how many elements each result is made of."""
    return math.prod(shape) // (math.prod(kept(shape, axis)) or 1)


def restore(value, shape, axis):
    """Stretch a reduced value over the axes that were reduced."""
    if axis is None:
        return broadcast_to(value, shape=shape)
    return broadcast_to(reshape(value, shape=kept(shape, axis)), shape=shape)


@primitive(samples=_samples(Interval()))
def sum(x, *, axis=None, keepdims=False):
    """Sum over the axes."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


@primitive(samples=_samples(Interval()))
def mean(x, *, axis=None, keepdims=False):
    """Arithmetic mean over the axes."""
    _refuse_empty("mean", x, axis)
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / count(np.shape(x), axis)


@primitive(samples=_samples(Interval(), ddof=1))
def var(x, *, axis=None, ddof=0, keepdims=False):
    """Variance over the axes, the mean of |x - mean(x)|² (over n - ddof)."""
    _refuse_empty("var", x, axis)
    out = np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    return _without_rounding(out, 2.0, x, axis, keepdims)


@primitive(samples=_samples(Interval(), ddof=1))
def std(x, *, axis=None, ddof=0, keepdims=False):
    """Standard deviation over the axes. The derivative at a constant array is 0."""
    _refuse_empty("std", x, axis)
    out = np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)
    return _without_rounding(out, 1.0, x, axis, keepdims)


@primitive(samples=_samples(Distinct()))
def max(x, *, axis=None, keepdims=False):
    """The largest element over the axes. Ties share the cotangent evenly."""
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive(samples=_samples(Distinct()))
def min(x, *, axis=None, keepdims=False):
    """The smallest element over the axes. Ties share the cotangent evenly."""
    return np.min(x, axis=axis, keepdims=keepdims)


@primitive(samples=_samples(Distinct()))
def nanmax(x, *, axis=None, keepdims=False):
    """The largest element that is not NaN. Ties share the cotangent evenly."""
    return np.fmax.reduce(x, axis=axis, keepdims=keepdims)


@primitive(samples=_samples(Distinct()))
def nanmin(x, *, axis=None, keepdims=False):
    """The smallest element that is not NaN. Ties share the cotangent evenly."""
    return np.fmin.reduce(x, axis=axis, keepdims=keepdims)


@primitive(samples=_samples(Interval()))
def logsumexp(x, *, axis=None, keepdims=False):
    """Logarithm of the sum of exponentials, shifted by the largest element."""
    x = x if np.asarray(x).dtype.kind == "f" else np.add(x, 0.0)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.zeros_like(top))
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)


def _without_rounding(out, power, x, axis, keepdims):
    """Return deviations that are 0 where all elements are equal, however the mean was rounded."""
    x = np.asarray(x)
    unit = count(x.shape, axis) * float(np.finfo(out.dtype).eps)
    if out.ndim == 0:  # in numbers of Python, which is quicker
        suspicious = 0.0 < float(out) <= (unit * abs(float(x.flat[0]))) ** power
    else:
        first = x[_firsts(x.ndim, axis)].reshape(out.shape)
        suspicious = np.any((out > 0.0) & (out <= (unit * np.abs(first)) ** power))
    if not suspicious:
        return out
    same = np.max(x, axis=axis, keepdims=keepdims) == np.min(x, axis=axis, keepdims=keepdims)
    return np.where(same, 0.0, out).astype(out.dtype)[()]


def _firsts(ndim, axis):
    """Return the index of what comes first along the axes that are reduced."""
    axes = range(ndim) if axis is None else [k % ndim for k in np.atleast_1d(axis)]
    return tuple(slice(0, 1) if k in axes else slice(None) for k in range(ndim))


def _refuse_empty(name, x, axis):
    if 0 in np.shape(x) and count(np.shape(x), axis) == 0:
        what, got = f"{name}: at least one element to reduce", f"shape {np.shape(x)}"
        raise ShapeError(explain(what, got, "Leave empty arrays out, or use sum, which gives 0"))


def var_vjp(ct, x, x_shape, axis, ddof):
    freedom = count(x_shape, axis) - ddof
    factor = 2.0 / freedom if freedom > 0 else math.inf  # as the variance itself
    return restore(ct, x_shape, axis) * (factor * (x - mean(x, axis=axis, keepdims=True)))


def extremum_vjp(ct, x, out, x_shape, axis):
    ties = equal(x, restore(out, x_shape, axis))
    number = sum(astype(ties, dtype=dtype_of(ct)), axis=axis)  # an integer would widen float32
    share = ct / reshape(number, shape=ct.shape)
    return where(ties, restore(share, x_shape, axis), 0.0)


def std_vjp(ct, x, out, x_shape, axis, ddof):
    out = where(equal(out, 0.0), np.inf, out) * (count(x_shape, axis) - ddof)
    return restore(ct / out, x_shape, axis) * (x - mean(x, axis=axis, keepdims=True))


def logsumexp_vjp(ct, x, out, x_shape, axis):
    out = restore(out, x_shape, axis)
    weights = exp(where(equal(x, out), 0.0, x - out))  # also where both are infinite
    total = restore(sum(weights, axis=axis), x_shape, axis)
    return restore(ct, x_shape, axis) * (weights / total)


defvjp(sum, x=lambda ct, x_shape, axis: restore(ct, x_shape, axis))
defvjp(mean, x=lambda ct, x_shape, axis: restore(ct / count(x_shape, axis), x_shape, axis))
defvjp(var, x=var_vjp)
defvjp(std, x=std_vjp)
for op in (max, min, nanmax, nanmin):
    defvjp(op, x=extremum_vjp)
defvjp(logsumexp, x=logsumexp_vjp)


# ----------------------------------------------------------- without derivative, but still ops


def _truths(rng):
    for axis in (None, 1, (0, 2)):
        yield (rng.integers(0, 2, (2, 3, 2)).astype(float),), {"axis": axis}


def _places(rng):
    for axis, keepdims in ((None, False), (1, False), (-1, True)):
        yield (Distinct().sample(rng, (2, 3, 2)),), {"axis": axis, "keepdims": keepdims}


@primitive(nondiff="piecewise constant", samples=_truths)
def all(x, *, axis=None, keepdims=False):
    """Whether all elements are nonzero."""
    return np.logical_and.reduce(x, axis=axis, keepdims=keepdims)


@primitive(nondiff="piecewise constant", samples=_truths)
def any(x, *, axis=None, keepdims=False):
    """Whether any element is nonzero."""
    return np.logical_or.reduce(x, axis=axis, keepdims=keepdims)


@primitive(nondiff="piecewise constant", samples=_truths)
def count_nonzero(x, *, axis=None, keepdims=False):
    """The number of elements that are not zero."""
    return np.count_nonzero(x, axis=axis, keepdims=keepdims)


@primitive(nondiff="positions are integers", samples=_places)
def argmax(x, *, axis=None, keepdims=False):
    """The position of the largest element along an axis, the first of equal ones."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(nondiff="positions are integers", samples=_places)
def argmin(x, *, axis=None, keepdims=False):
    """The position of the smallest element along an axis, the first of equal ones."""
    return np.argmin(x, axis=axis, keepdims=keepdims)
