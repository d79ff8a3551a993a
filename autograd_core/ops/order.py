"""Ops that sort and search: sort, argsort, searchsorted, digitize."""

from __future__ import annotations

import numpy as np

from ..declare import composite, primitive
from ..domains import Distinct
from .index import take_along_axis
from .shape import ravel


def _samples(rng):
    for axis in (-1, 0, None):
        yield (Distinct().sample(rng, (3, 4)),), {"axis": axis}


@primitive(nondiff="positions are integers", samples=_samples)
def argsort(x, *, axis=-1):
    """The positions that sort x along an axis; equal elements keep their order, NaN comes last."""
    return np.argsort(x, axis=axis, kind="stable")


@composite(samples=_samples)
def sort(x, axis=-1):
    """The elements in ascending order. Equal ones keep their order, and so does the derivative."""
    if axis is None:
        x, axis = ravel(x), 0
    return take_along_axis(x, argsort(x, axis=axis), axis=axis)


def _searches(rng):
    return [((np.arange(4.0), rng.uniform(-1.0, 5.0, (2, 3))), {"side": s}) for s in SIDES]


SIDES = ("left", "right")


@primitive(nondiff="positions are integers", samples=_searches)
def searchsorted(x, v, *, side="left"):
    """Where v belongs in the ascending vector x: before (left) or behind (right) equal ones."""
    return np.searchsorted(x, v, side)


@primitive(
    nondiff="positions are integers",
    samples=lambda rng: [
        ((rng.uniform(-1.0, 5.0, (2, 3)), bins), {"right": right})
        for bins, right in ((np.arange(4.0), False), (np.arange(4.0)[::-1], True))
    ],
)
def digitize(x, bins, *, right=False):
    """The number of the interval between monotonic bins that each element is in."""
    return np.digitize(x, bins, right)
