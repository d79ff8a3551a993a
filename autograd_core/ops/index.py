"""Indexing with integers, slices, booleans and integer arrays, and its inverse, scattering."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import defvjp, primitive


def _samples(rng):
    x = rng.uniform(-2.0, 2.0, (4, 3))
    repeated = np.array([0, 2, 0, 0])
    for index in (1, slice(None, None, -2), (..., 1), x[:, 0] > 0, repeated, (repeated, 1)):
        yield (x,), {"index": index}


@primitive(samples=_samples)
def getitem(x, *, index):
    """The elements that an index selects, x[index]."""
    return np.asarray(x)[index]


@primitive(samples=lambda rng: [((a[i],), {"index": i, "shape": (4, 3)}) for a, i in _places(rng)])
def scatter(x, *, index, shape):
    """Zeros of a shape, with x added at an index; elements selected twice add up."""
    out = np.zeros(shape, np.asarray(x).dtype)
    if _advanced(index):
        np.add.at(out, index, x)
    else:
        out[index] = x
    return out


def _places(rng):
    return [(arguments[0], attributes["index"]) for arguments, attributes in _samples(rng)]


def _advanced(index: Any) -> bool:
    """Whether an element may be selected twice: only integer arrays can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, (np.ndarray, list))]
    return any(array.dtype != bool for array in arrays)


defvjp(getitem, x=lambda ct, index, x_shape: scatter(ct, index=index, shape=x_shape))
defvjp(scatter, x=lambda ct, index: getitem(ct, index=index))
