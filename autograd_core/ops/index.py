"""Indexing with integers, slices, booleans and integer arrays, and its inverse, scattering."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import defvjp, primitive
from ..tensor import Tensor


def frozen(index: Any) -> Any:
    """Return an index that nobody else can write into: arrays copied, tensors as arrays."""
    if isinstance(index, tuple):
        return tuple(frozen(part) for part in index)
    if isinstance(index, Tensor):
        index = index.numpy()
    return np.array(index) if isinstance(index, (np.ndarray, list)) else index


def _samples(rng):
    x = rng.uniform(-2.0, 2.0, (4, 3))
    repeated = np.array([0, 2, 0, 0])
    for index in (1, slice(None, None, -2), (..., 1), x[:, 0] > 0, repeated, (repeated, 1)):
        yield (x,), {"index": index}


@primitive(samples=_samples)
def getitem(x, *, index):
    """The elements that an index selects, x[index]."""
    return x[index]


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
    return any(isinstance(part, np.ndarray) and part.dtype != bool for part in parts)


defvjp(getitem, x=lambda ct, index, x_shape: scatter(ct, index=index, shape=x_shape))
defvjp(scatter, x=lambda ct, index: getitem(ct, index=index))
