"""Standardizing along axes: the common part of layer, batch and root-mean-square normalization.

With y = (x - m) r, r = 1 / √(σ² + eps), the Jacobian along the axes is symmetric,

    r (I - 1 1ᵀ / n - y yᵀ / n),

so that the pullback, an op of its own, is its own transpose. Without centring the term of the
ones is missing.
"""

from __future__ import annotations

import numpy as np

from ..declare import defvjp, primitive
from ..errors import ShapeError, explain
from .compare import equal, where
from .pointwise import power, square
from .reduce import count, mean, var


def _samples(rng):
    for shape, options in (
        ((3, 5), {"eps": 0.1}),
        ((4, 3), {"axis": 0}),
        ((2, 3, 4), {"axis": (0, 2), "eps": 0.05}),
        ((3, 5), {"eps": 0.1, "center": False}),
        ((2, 3, 4), {"axis": (-2, -1), "center": False}),
    ):
        yield (rng.uniform(-2.0, 2.0, shape),), {"axis": -1, "eps": 1e-5, "center": True} | options


def _pull_samples(rng):
    for (x,), options in _samples(rng):
        yield (rng.uniform(-2.0, 2.0, x.shape), x), options


def _moment_samples(rng):
    for shape, axis in (((4, 3), 0), ((2, 3, 4), (0, 2)), ((3, 5), (0, 1))):
        yield (rng.uniform(-2.0, 2.0, shape),), {"axis": axis}


@primitive(samples=_samples)
def standardize(x, *, axis=-1, eps=1e-5, center=True):
    """(x - mean) / √(variance + eps) along axes; 0, with derivative 0, where that root is 0.

    The variance is over n. With ``center=False`` it is x / √(mean of x² + eps).
    """
    _refuse_empty(x, axis)
    deviation, factor = _parts(x, axis, eps, center)
    return deviation * factor


@primitive(internal=True, samples=_pull_samples)
def standardize_pull(ct, x, *, axis=-1, eps=1e-5, center=True):
    """r (ct - mean(ct) - y mean(ct y)), the pullback of y = standardize(x), where r is y's."""
    deviation, factor = _parts(x, axis, eps, center)
    y = deviation * factor
    ct = _centred(ct, axis) if center else ct
    return factor * (ct - y * _mean(ct * y, axis))


@primitive(internal=True, nondiff="running averages are constants", samples=_moment_samples)
def moments(x, *, axis=-1):
    """Mean and variance along axes, one before the other; over n - 1, and 0 of one element."""
    _refuse_empty(x, axis)
    n = np.float64(count(np.shape(x), axis))
    centre = np.add.reduce(x, axis=axis, keepdims=True, dtype=np.float64) / n
    deviation = x - centre
    spread = np.add.reduce(deviation * deviation, axis=axis) / max(n - 1.0, 1.0)
    found = np.stack([np.reshape(centre, np.shape(spread)), spread])
    return found.astype(np.result_type(x, np.float32), copy=False)


def _refuse_empty(x, axis):
    if 0 in np.shape(x) and count(np.shape(x), axis) == 0:
        what = "standardize: at least one element along the axes"
        raise ShapeError(explain(what, f"shape {np.shape(x)}, axis {axis}", "Check the axes"))


def _mean(x, axis):
    # NumPy adds along a first axis one by one: in single precision, digits would be lost.
    total = np.add.reduce(x, axis=axis, keepdims=True, dtype=np.float64)
    return (total / count(np.shape(x), axis)).astype(np.result_type(x, np.float32), copy=False)


def _centred(x, axis):
    """Return x - mean(x). The second pass removes the rounding error of a large mean."""
    out = x - _mean(x, axis)
    return out - _mean(out, axis)


def _parts(x, axis, eps, center):
    """Return the deviation from the mean and the factor that scales it."""
    deviation = _centred(x, axis) if center else np.asarray(x)
    root = np.sqrt(_mean(deviation * deviation, axis) + eps)
    return deviation, np.divide(1.0, root, out=np.zeros_like(root), where=root != 0.0)


def reciprocal_deviation(x, axis, eps, center):
    spread = var(x, axis=axis, keepdims=True) if center else mean(square(x), axis, True)
    flat = equal(spread + eps, 0.0)
    return where(flat, 0.0, power(where(flat, 1.0, spread + eps), -0.5))


def standardize_pull_vjp(g, ct, x, axis, eps, center):
    options = {"axis": axis, "eps": eps, "center": center}
    y = standardize(x, **options)
    r = reciprocal_deviation(x, axis, eps, center)
    a, b = mean(g * y, axis, True), mean(ct * y, axis, True)
    centred = ct - mean(ct, axis, True) if center else ct
    through_y = standardize_pull(a * ct + b * g, x, **options)
    return -r * (through_y + r * y * (mean(g * centred, axis, True) - a * b))


defvjp(
    standardize,
    x=lambda ct, x, axis, eps, center: standardize_pull(ct, x, axis=axis, eps=eps, center=center),
)
defvjp(
    standardize_pull,
    ct=lambda g, x, axis, eps, center: standardize_pull(g, x, axis=axis, eps=eps, center=center),
    x=standardize_pull_vjp,
)
