"""Statistics composed of reductions: average, ptp, quantiles, and those that leave NaN out."""

from __future__ import annotations

import numpy as np

from ..declare import composite
from ..domains import Distinct, Interval
from ..errors import DTypeError, ShapeError, UnknownNameError, explain
from ..tensor import Tensor
from .compare import isnan, logical_not, where
from .index import constant, take
from .order import sort
from .pointwise import sqrt, square
from .reduce import kept, max, min, sum
from .scan import prod
from .shape import astype, dtype_of, lines, moveaxis, reshape, squeeze


def _samples(domain, *options, lost=False):
    chosen = options or ({}, {"axis": 1}, {"axis": (0, 2), "keepdims": True})

    def samples(rng):
        x = domain.sample(rng, (3, 4, 2))
        if lost:
            x[1, 2, 0] = x[0, 0, 1] = np.nan
        return [((x,), named) for named in chosen]

    return samples


@composite(samples=_samples(Distinct()))
def ptp(x, axis=None, keepdims=False):
    """The largest minus the smallest element over the axes."""
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


def _weighted(rng):
    x = rng.uniform(-2.0, 2.0, (3, 4))
    yield (x,), {"axis": 0}
    yield (x, 1, rng.uniform(0.5, 1.0, 4)), {}
    yield (x, (0, 1), rng.uniform(0.5, 1.0, (3, 4))), {"keepdims": True}
    yield (x, (1, 0), rng.uniform(0.5, 1.0, (4, 3))), {}
    yield (x, None, rng.uniform(0.5, 1.0, (3, 4)), True), {}


@composite(samples=_weighted)
def average(x, axis=None, weights=None, returned=False, *, keepdims=False):
    """Weighted mean over the axes, Σ w x / Σ w; with the sums of the weights if `returned`."""
    ones = np.ones(np.shape(x), np.result_type(dtype_of(x), 0.0))
    weights = ones if weights is None else _spread(weights, np.shape(x), axis)
    total = sum(weights * ones, axis=axis, keepdims=keepdims)
    mean = sum(x * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


def _spread(weights, shape, axis):
    """Give weights along the axes that are averaged the number of axes of the operand."""
    if np.shape(weights) == shape:
        return weights
    axes = np.atleast_1d(np.arange(len(shape)) if axis is None else axis) % len(shape)
    if np.shape(weights) != tuple(shape[i] for i in axes):
        got = f"weights of shape {np.shape(weights)} for {shape}, axis={axis}"
        do = "Pass one weight for each element along the axes"
        raise ShapeError(explain("average: weights that fit the axes", got, do))
    places = tuple(np.argsort(axes).tolist())
    weights = moveaxis(weights, places, tuple(range(len(places))))
    return reshape(weights, shape=tuple(n if i in axes else 1 for i, n in enumerate(shape)))


# ------------------------------------------------------------------------------ quantiles

# How to round a place between two elements, downwards and upwards.
METHODS = {
    "linear": (np.floor, np.ceil),
    "midpoint": (np.floor, np.ceil),
    "lower": (np.floor, np.floor),
    "higher": (np.ceil, np.ceil),
    "nearest": (np.rint, np.rint),
}


def _fractions(scale):
    def samples(rng):
        x = Distinct().sample(rng, (3, 5))
        yield (x, 0.3 * scale), {}
        yield (x, [0.1 * scale, 0.5 * scale]), {"axis": 1}
        yield (x, [[0.35 * scale]]), {"axis": (1, 0), "keepdims": True}
        for method in METHODS:
            yield (x, 0.4 * scale), {"axis": 1, "method": method}
            yield (x, 0.55 * scale), {"axis": 0, "method": method}

    return samples


@composite(samples=_fractions(1.0))
def quantile(x, q, axis=None, method="linear", keepdims=False):
    """The value that a fraction q of the elements over the axes is below; the axes of q first.

    Between two elements, "linear" interpolates, "midpoint" halves, "lower", "higher" and
    "nearest" choose one. The derivative belongs to the elements used. Of equal elements, those
    first in x count as the lower ones.
    """
    return _quantile("quantile", x, q, 1.0, axis, method, keepdims)


@composite(samples=_fractions(100.0))
def percentile(x, q, axis=None, method="linear", keepdims=False):
    """The value that q percent of the elements over the axes are below: `quantile` of q / 100."""
    return _quantile("percentile", x, q, 100.0, axis, method, keepdims)


@composite(samples=_samples(Distinct()))
def median(x, axis=None, keepdims=False):
    """The element in the middle over the axes, or the mean of the two that are."""
    return _quantile("median", x, 0.5, 1.0, axis, "linear", keepdims)


def _fraction(name, q, whole):
    if isinstance(q, Tensor) and q.node is not None:
        do = "Pass q.numpy()"
        raise DTypeError(explain(f"{name}: q without derivative", "a tensor on the tape", do))
    fractions = constant(q) / whole
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ShapeError(explain(f"{name}: q from 0 to {whole:g}", q, "Correct it"))
    return fractions


def _quantile(name, x, q, whole, axis, method, keepdims):
    if method not in METHODS:
        what = f"{name}: a method among {', '.join(METHODS)}"
        raise UnknownNameError(explain(what, repr(method), "Choose one of these"))
    q = _fraction(name, q, whole)
    ordered = sort(lines(x, axis), axis=-1)
    if not ordered.shape[-1]:
        got, do = f"shape {np.shape(x)}", "Check it"
        raise ShapeError(explain(f"{name}: at least one element to reduce", got, do))
    out = _interpolated(ordered, q * (ordered.shape[-1] - 1), method)
    last = reshape(ordered[..., -1], shape=ordered.shape[:-1] + (1,) * q.ndim)
    out = where(isnan(last), np.nan, out) if ordered.dtype.kind == "f" else out  # NaN is last
    rest = kept(np.shape(x), axis) if keepdims else ordered.shape[:-1]
    ends = tuple(range(-q.ndim, 0)), tuple(range(q.ndim))
    return reshape(moveaxis(out, *ends), shape=q.shape + rest)


def _interpolated(ordered, places, method):
    """Return the elements at places that may lie between two; the axes of places come last."""
    down, up = METHODS[method]
    low, high = np.asarray(down(places), int), np.asarray(up(places), int)
    out = take(ordered, low, axis=-1)
    if down is up:
        return out
    dtype = np.result_type(ordered.dtype, 0.0)
    share = ((high - low) * (0.5 if method == "midpoint" else places - low)).astype(dtype)
    if not share.any():  # nor shall 0 meet infinity
        return out if out.dtype == dtype else astype(out, dtype=dtype)
    return out * (1 - share) + take(ordered, high, axis=-1) * share


# ------------------------------------------------------------------------ without the NaN


def _filled(x, value):
    return where(isnan(x), value, x)


def _present(x, axis):
    """Count the elements that are not NaN; the reduced axes are kept."""
    there = logical_not(isnan(x))
    return astype(sum(there, axis=axis, keepdims=True), dtype=np.result_type(dtype_of(x), 0.0))


@composite(samples=_samples(Interval(), lost=True))
def nansum(x, axis=None, keepdims=False):
    """Sum of the elements that are not NaN."""
    return sum(_filled(x, 0), axis=axis, keepdims=keepdims)


@composite(samples=_samples(Interval(), lost=True))
def nanprod(x, axis=None, keepdims=False):
    """Product of the elements that are not NaN."""
    return prod(_filled(x, 1), axis=axis, keepdims=keepdims)


@composite(samples=_samples(Interval(), lost=True))
def nanmean(x, axis=None, keepdims=False):
    """Mean of the elements that are not NaN; NaN where there is none."""
    with np.errstate(invalid="ignore"):
        out = nansum(x, axis, keepdims=True) / _present(x, axis)
    return _dropped(out, axis, keepdims)


@composite(samples=_samples(Interval(), {"ddof": 1}, {"axis": 1}, {"axis": (0, 2)}, lost=True))
def nanvar(x, axis=None, ddof=0, keepdims=False):
    """Variance of the elements that are not NaN; NaN where no more than ddof are there."""
    count = _present(x, axis) - ddof
    with np.errstate(invalid="ignore", divide="ignore"):
        distances = _filled(x - nanmean(x, axis, True), 0)
        out = sum(square(distances), axis=axis, keepdims=True) / where(count > 0, count, np.nan)
    return _dropped(out, axis, keepdims)


@composite(samples=_samples(Interval(), {"ddof": 1}, {"axis": 1}, {"axis": (0, 2)}, lost=True))
def nanstd(x, axis=None, ddof=0, keepdims=False):
    """Standard deviation of the elements that are not NaN. The derivative at equal ones is 0."""
    return sqrt(nanvar(x, axis, ddof, keepdims))


def _dropped(x, axis, keepdims):
    """Drop the reduced axes, of length one, unless they are to be kept."""
    return x if keepdims else squeeze(x, axis)
