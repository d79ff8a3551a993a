"""Ops that move elements without computing: reshape, transpose, broadcast.

The cotangent of each is its visual inverse.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..errors import ShapeError, explain

SMALL = 4096


def _uniform(rng, *shape):
    return rng.uniform(-2.0, 2.0, shape)


@primitive(samples=lambda rng: [((_uniform(rng, 3, 4),), {"shape": (2, -1)})])
def reshape(x, *, shape):
    """The same elements, in C order, with another shape; one length may be -1."""
    try:
        return np.reshape(x, shape)
    except ValueError as error:
        what = f"reshape: a shape with {np.size(x)} elements (x has shape {np.shape(x)})"
        raise ShapeError(explain(what, shape, "Choose lengths with that product")) from error


@primitive(samples=lambda rng: [((_uniform(rng, 2, 3, 4),), {"axes": (2, 0, 1)})])
def transpose(x, *, axes=None):
    """The axes in another order; reversed by default."""
    return np.transpose(x, axes)


@primitive(samples=lambda rng: [((_uniform(rng, 3, 1),), {"shape": (2, 3, 4)})])
def broadcast_to(x, *, shape):
    """Repeat x along new axes and axes of length one until it has the shape."""
    if math.prod(shape) > SMALL:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, np.asarray(x).dtype)  # quicker than NumPy's view of zero strides
    out[...] = x
    return out


@primitive(samples=lambda rng: [((_uniform(rng, 2, 3),), {"dtype": np.float64})])
def astype(x, *, dtype):
    """The same values with another dtype; the cotangent is converted back."""
    return np.asarray(x).astype(dtype)


def transpose_vjp(ct, axes):
    return transpose(ct, axes=None if axes is None else tuple(np.argsort(axes).tolist()))


defvjp(reshape, x=lambda ct, x_shape: reshape(ct, shape=x_shape))
defvjp(transpose, x=transpose_vjp)
defvjp(broadcast_to, x=lambda ct: ct)
defvjp(astype, x=lambda ct: ct)


def _samples(*attributes, shape=(3, 1, 4)):
    return lambda rng: [((_uniform(rng, *shape),), chosen) for chosen in attributes or ({},)]


@composite(samples=_samples())
def ravel(x):
    """The elements in one axis, in C order."""
    return reshape(x, shape=(-1,))


@composite(samples=_samples({}, {"axis": 1}))
def squeeze(x, axis=None):
    """Without the axes of length one (or without those of `axis`)."""
    return reshape(x, shape=np.squeeze(np.empty(np.shape(x), bool), axis).shape)


@composite(samples=_samples({"axis": 1}, {"axis": (0, -1)}))
def expand_dims(x, axis):
    """With new axes of length one at the positions of `axis`."""
    return reshape(x, shape=np.expand_dims(np.empty(np.shape(x), bool), axis).shape)


@composite(samples=_samples({"axis1": 0, "axis2": -1}))
def swapaxes(x, axis1, axis2):
    """With two axes interchanged."""
    axes = list(range(np.ndim(x)))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(x, axes=tuple(axes))
