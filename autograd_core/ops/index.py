"""Indexing with integers, slices, booleans and integer arrays, and its inverse, scattering.

Where positions are data (an argsort, the words of a sentence), `take` and `take_along_axis` hold
them as an operand: a recording then sees that they may change.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..declare import composite, defvjp, primitive
from ..errors import DTypeError, ShapeError, explain
from ..tensor import Tensor
from .compare import where
from .shape import broadcast_to, ravel

# What selects no element twice: everything but arrays, and their spellings as lists and tuples.
BASIC = (int, slice, type(None), type(Ellipsis))


def constant(x: Any) -> np.ndarray:
    """Return the plain value of what selects, counts or asks: it has no derivative to lose."""
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def _samples(rng):
    x = rng.uniform(-2.0, 2.0, (4, 3))
    repeated = np.array([0, 2, 0, 0])
    indices = [1, slice(None, None, -2), (..., 1), x[:, 0] > 0, repeated, (repeated, 1)]
    for index in (*indices, [[-1, 2], [3, -1]], ((0, 0, 1),)):
        yield (x,), {"index": index}


@primitive(samples=_samples)
def getitem(x, *, index):
    """The elements that an index selects, x[index]."""
    return np.asarray(x)[index]


@primitive(samples=lambda rng: [((a[i],), {"index": i, "shape": (4, 3)}) for a, i in _places(rng)])
def scatter(x, *, index, shape):
    """Zeros of a shape, with x added at an index; elements selected twice add up."""
    out = np.zeros(shape, np.asarray(x).dtype)
    if not _advanced(index):
        out[index] = x
    elif isinstance(index, tuple):
        np.add.at(out, index, x)
    else:
        _add_at(out, np.arange(len(out))[np.asarray(index)], x, 0)
    return out


@primitive(
    internal=True,
    samples=lambda rng: [
        ((rng.uniform(-2.0, 2.0, (4, 3)), a[i]), {"index": i}) for a, i in _places(rng)
    ],
)
def scatter_add(base, x, *, index):
    """An array with x added at an index; elements selected twice add up."""
    return base + scatter.forward(x, index=index, shape=np.shape(base))


def _places(rng):
    return [(arguments[0], attributes["index"]) for arguments, attributes in _samples(rng)]


def _advanced(index: Any) -> bool:
    """Whether an element may be selected twice: only integer arrays can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [np.asarray(part) for part in parts if not isinstance(part, BASIC)]
    return any(array.dtype != bool for array in arrays)


def _add_at(out, places, x, axis):
    """Add x to `out` at places along an axis. In one flat vector, np.add.at is thrice as fast."""
    before, after = math.prod(out.shape[:axis]), math.prod(out.shape[axis + 1 :])
    x = np.broadcast_to(x, (*out.shape[:axis], *places.shape, *out.shape[axis + 1 :]))
    flat = np.arange(before)[:, None, None] * out.shape[axis] + places.reshape(-1, 1)
    flat = flat * after + np.arange(after)
    np.add.at(out.reshape(-1), flat.reshape(-1), x.reshape(-1))


# ------------------------------------------------------------- positions that are an operand


def integers(name, indices):
    """Return positions as integers; refuse numbers that only happen to be whole."""
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iub" and indices.size:
        do = "Convert them with .astype(int)"
        raise DTypeError(explain(f"{name}: integer positions", indices.dtype, do))
    return indices.astype(np.intp, copy=False)


def _takings(rng):
    x, places = rng.uniform(-2.0, 2.0, (3, 4, 2)), np.array([[0, 2], [-1, 2]])
    yield (x, places), {"axis": 1}
    yield (x, places + 5), {"axis": -2, "mode": "wrap"}
    yield (x, places + 5), {"mode": "clip"}
    yield (x, np.array(1)), {"axis": 0}
    yield (np.array(1.5), np.array([[0, 0]])), {"axis": -1}


@primitive(samples=_takings)
def take(x, indices, *, axis=None, mode="raise"):
    """The elements at positions along an axis; by default of the flattened array."""
    return np.take(x, integers("take", indices), axis=axis, mode=mode)


@primitive(
    internal=True,
    samples=lambda rng: [
        ((np.take(x, i, **named), i), {"shape": x.shape, "axis": None, "mode": "raise"} | named)
        for (x, i), named in _takings(rng)
    ],
)
def take_pull(ct, indices, *, shape, axis, mode):
    """Zeros with ct added at the positions from which `take` took."""
    out = np.zeros(shape, ct.dtype)
    flat, axis = (out.reshape(-1), 0) if axis is None or not shape else (out, axis % len(shape))
    _add_at(flat, np.take(np.arange(flat.shape[axis]), indices, mode=mode), ct, axis)
    return out


def _along(rng):
    x, places = rng.uniform(-2.0, 2.0, (3, 4)), np.array([[0, 2], [-1, 2], [3, 3]])
    yield (x, places), {"axis": -1}
    yield (x, places[:1, :1]), {"axis": 0}
    yield (x, places[0]), {"axis": None}


@primitive(samples=_along)
def take_along_axis(x, indices, *, axis=-1):
    """The elements at positions along an axis, others for each line: what argsort is for."""
    return np.take_along_axis(np.asarray(x), integers("take_along_axis", indices), axis=axis)


@primitive(
    internal=True,
    samples=lambda rng: [
        ((np.take_along_axis(x, i, **named), i), {"shape": x.shape} | named)
        for (x, i), named in _along(rng)
    ],
)
def take_along_axis_pull(ct, indices, *, shape, axis):
    """Zeros with ct added at the positions from which `take_along_axis` took."""
    out = np.zeros(shape, ct.dtype)
    places = np.arange(out.size).reshape(shape)
    _add_at(out.reshape(-1), np.take_along_axis(places, indices, axis=axis), ct, 0)
    return out


def take_vjp(ct, indices, x_shape, axis, mode):
    return take_pull(ct, indices, shape=x_shape, axis=axis, mode=mode)


def take_along_axis_vjp(ct, indices, x_shape, axis):
    return take_along_axis_pull(ct, indices, shape=x_shape, axis=axis)


def take_along_axis_pull_vjp(ct, indices, axis):
    return take_along_axis(ct, indices, axis=axis)


defvjp(getitem, x=lambda ct, index, x_shape: scatter(ct, index=index, shape=x_shape))
defvjp(scatter, x=lambda ct, index: getitem(ct, index=index))
defvjp(scatter_add, base=lambda ct: ct, x=lambda ct, index: getitem(ct, index=index))
defvjp(take, x=take_vjp, indices=None)
defvjp(take_along_axis, x=take_along_axis_vjp, indices=None)
defvjp(
    take_pull,
    ct=lambda ct, indices, axis, mode: take(ct, indices, axis=axis, mode=mode),
    indices=None,
)
defvjp(take_along_axis_pull, ct=take_along_axis_pull_vjp, indices=None)


# -------------------------------------------------------------------- choices by a condition


def _conditions(rng):
    x = rng.uniform(-2.0, 2.0, (3, 4))
    yield (np.array([True, False, True]), x), {"axis": 0}
    yield (np.array([False, True]), x), {}


@composite(samples=_conditions)
def compress(condition, x, axis=None):
    """The elements along an axis where a condition holds; by default of the flattened array."""
    return take(x, np.flatnonzero(constant(condition)), axis=axis)


@composite(samples=lambda rng: [((np.eye(3, 4) > 0, rng.uniform(-2.0, 2.0, (3, 4))), {})])
def extract(condition, x):
    """The elements where a condition of the same shape holds, in one axis."""
    return compress(ravel(constant(condition)), ravel(x))


@composite(
    samples=lambda rng: [
        ((list(rng.uniform(size=(2, 3, 1)) < 0.5), list(rng.uniform(size=(2, 3, 4)))), named)
        for named in ({}, {"default": -1.0})
    ]
)
def select(condlist, choicelist, default=0):
    """Of several choices that of the first condition that holds, or else the default."""
    if not condlist:
        raise ShapeError(explain("select: at least one condition", "none", "Pass a list of them"))
    out = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = where(condition, choice, out)
    return out


@composite(
    samples=lambda rng: [
        ((np.array([[0, 1, 2, 1]]), list(rng.uniform(-2.0, 2.0, (3, 2, 1)))), {}),
        ((np.array([-1, 5]), [rng.uniform(-2.0, 2.0, 2), rng.uniform()]), {"mode": "wrap"}),
    ]
)
def choose(x, choices, mode="raise"):
    """Of several arrays the elements of the one that the integer in x names."""
    chosen = np.choose(integers("choose", constant(x)), range(len(choices)), mode=mode)
    out = choices[0]
    for i, choice in enumerate(choices[1:], 1):
        out = where(chosen == i, choice, out)
    return broadcast_to(out, shape=np.broadcast_shapes(chosen.shape, np.shape(out)))


@composite(samples=lambda rng: [((np.array([0, 3, 0]), rng.uniform(size=3)), {})])
def bincount(x, weights=None, minlength=0):
    """How often each integer occurs, or the sum of the weights that belong to it."""
    x = integers("bincount", constant(x))
    if weights is None:
        return np.bincount(x, minlength=minlength)
    length = max(int(x.max(initial=-1)) + 1, minlength)
    return scatter(broadcast_to(weights, shape=x.shape), index=x, shape=(length,))
