"""Ops that move elements without computing: reshape, transpose, broadcast.

The cotangent of each is its visual inverse.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, explain

SMALL = 4096


@primitive(samples=lambda rng: [((uniform(rng, 3, 4),), {"shape": (2, -1)})])
def reshape(x, *, shape):
    """The same elements, in C order, with another shape; one length may be -1."""
    try:
        return np.reshape(x, shape)
    except ValueError as error:
        what = f"reshape: a shape with {np.size(x)} elements (x has shape {np.shape(x)})"
        raise ShapeError(explain(what, shape, "Choose lengths with that product")) from error


@primitive(
    samples=lambda rng: [
        ((uniform(rng, 2, 3, 4),), {"axes": axes}) for axes in ((2, 0, 1), (1, -1, -3), None)
    ]
)
def transpose(x, *, axes=None):
    """The axes in another order; reversed by default."""
    return np.transpose(x, axes)


@primitive(samples=lambda rng: [((uniform(rng, 3, 1),), {"shape": (2, 3, 4)})])
def broadcast_to(x, *, shape):
    """Repeat x along new axes and axes of length one until it has the shape."""
    if math.prod(shape) > SMALL:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, np.asarray(x).dtype)  # quicker than NumPy's view of zero strides
    out[...] = x
    return out


@primitive(samples=lambda rng: [((uniform(rng, 2, 3),), {"dtype": np.float64})])
def astype(x, *, dtype):
    """The same values with another dtype; the cotangent is converted back."""
    return np.asarray(x).astype(dtype)


def transpose_vjp(ct, axes):
    if axes is None:
        return transpose(ct)
    places = [axis % ct.ndim for axis in axes]
    return transpose(ct, axes=tuple(sorted(range(ct.ndim), key=places.__getitem__)))


defvjp(reshape, x=lambda ct, x_shape: reshape(ct, shape=x_shape))
defvjp(transpose, x=transpose_vjp)
defvjp(broadcast_to, x=lambda ct: ct)
defvjp(astype, x=lambda ct: ct)


def _samples(*attributes, shape=(3, 1, 4)):
    return lambda rng: [((uniform(rng, *shape),), chosen) for chosen in attributes or ({},)]


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


def _moved(x, function, *options):
    """Transpose like a function of NumPy, whose effect on the shape (0, 1, 2, …) tells how."""
    return transpose(x, axes=function(np.empty(tuple(range(np.ndim(x)))), *options).shape)


@composite(samples=_samples({"axis1": 0, "axis2": -1}))
def swapaxes(x, axis1, axis2):
    """With two axes interchanged."""
    return _moved(x, np.swapaxes, axis1, axis2)


@composite(
    samples=_samples({"source": 0, "destination": -1}, {"source": [0, 1], "destination": [-1, -2]})
)
def moveaxis(x, source, destination):
    """With axes moved to other places; the others keep their order."""
    return _moved(x, np.moveaxis, source, destination)


@composite(samples=_samples({"axis": 2}, {"axis": -1, "start": 1}))
def rollaxis(x, axis, start=0):
    """With one axis moved before the place `start`."""
    return _moved(x, np.rollaxis, axis, start)


def axis_of(x, axis):
    """Return the axis counted from 0; refuse one that x does not have."""
    return normalize_axis_index(axis, np.ndim(x))


def _several(*shapes):
    return lambda rng: [(tuple(uniform(rng, *shape) for shape in shapes), {})]


def _at_least(function, arrays):
    shapes = [function(np.empty(np.shape(x), bool)).shape for x in arrays]
    found = tuple(reshape(x, shape=shape) for x, shape in zip(arrays, shapes, strict=True))
    return found[0] if len(found) == 1 else found


@composite(samples=_several((), (3,)))
def atleast_1d(*arrays):
    """With one axis at least; a tuple of them for several arrays."""
    return _at_least(np.atleast_1d, arrays)


@composite(samples=_several((), (3,), (2, 1, 2)))
def atleast_2d(*arrays):
    """With two axes at least, new ones before; a tuple of them for several arrays."""
    return _at_least(np.atleast_2d, arrays)


@composite(samples=_several((3,), (2, 3)))
def atleast_3d(*arrays):
    """With three axes at least, the given ones in the middle; a tuple for several arrays."""
    return _at_least(np.atleast_3d, arrays)


@composite(samples=_several((3, 1), (2,), ()))
def broadcast_arrays(*arrays):
    """Arrays broadcast against one another, as a tuple."""
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(broadcast_to(x, shape=shape) for x in arrays)


@composite(samples=_samples())
def copy(x):
    """The same values in memory of their own."""
    return astype(x, dtype=dtype_of(x))


def dtype_of(x):
    """Return the dtype of a tensor, an array, a number or nested lists."""
    return np.asarray(x).dtype if getattr(x, "dtype", None) is None else x.dtype


def _sorted_axes(axis, ndim):
    """Return the axes that stay and those that are meant, counted from 0."""
    chosen = normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)
    return tuple(i for i in range(ndim) if i not in chosen), chosen


def lines(x, axis):
    """Join the axes that are reduced into one, the last."""
    shape = np.shape(x)
    rest, chosen = _sorted_axes(axis, len(shape))
    length = math.prod(shape[i] for i in chosen)
    x = transpose(x, axes=(*rest, *chosen))
    return reshape(x, shape=(*(shape[i] for i in rest), length))


def unlined(x, shape, axis):
    """Undo `lines`."""
    rest, chosen = _sorted_axes(axis, len(shape))
    order = (*rest, *chosen)
    x = reshape(x, shape=tuple(shape[i] for i in order))
    return transpose_vjp(x, order)
