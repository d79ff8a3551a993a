"""Independent formulas of functions that move, sort, accumulate and reduce; `truths` explains."""

import math

import numpy as np


def take_pull(ct, indices, shape, axis, mode):
    places = np.take(np.arange(math.prod(shape)).reshape(shape), indices, axis=axis, mode=mode)
    return added(ct, places, shape)


def take_along_axis_pull(ct, indices, shape, axis):
    places = np.take_along_axis(np.arange(math.prod(shape)).reshape(shape), indices, axis=axis)
    return added(ct, places, shape)


def added(ct, places, shape):
    total = np.bincount(places.ravel(), ct.ravel(), math.prod(shape))
    return total.reshape(shape).astype(ct.dtype)


def recurrence(a, b, reverse):
    step = -1 if reverse else 1
    factors = np.roll(a, -1, axis=-1) if reverse else a
    y = np.zeros_like(b)
    before = np.zeros_like(b[..., 0])
    for i in range(b.shape[-1])[::step]:
        before = factors[..., i] * before + b[..., i]
        y[..., i] = before
    return y


def running_extreme(x, axis, largest):
    best = np.argmax if largest else np.argmin
    rows = np.moveaxis(x, axis, -1)
    places = [best(rows[..., : i + 1], axis=-1) for i in range(rows.shape[-1])]
    return np.moveaxis(np.stack(places, axis=-1), -1, axis)


def cumulative(ufunc):
    return lambda x, axis=0: ufunc.accumulate(x, axis=axis)


def argsort(x, axis=-1):
    """Return the order of a stable sort: equal elements keep theirs."""
    return np.argsort(x, axis=axis, kind="stable")


FORMULAS = {
    "argsort": argsort,
    "take_pull": take_pull,
    "take_along_axis_pull": take_along_axis_pull,
    "recurrence": recurrence,
    "running_extreme": running_extreme,
    "cummax": cumulative(np.maximum),
    "cummin": cumulative(np.minimum),
}
