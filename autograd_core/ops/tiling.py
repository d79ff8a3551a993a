"""Repeating, padding and turning arrays: tile, pad, flip, roll, diag, tril.

What strides can tell costs no copy of an index; the rest is `take` with positions that NumPy's
own function finds on ``0, 1, 2, …``.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, UnknownNameError, explain
from .index import constant, getitem, scatter, take
from .joining import concatenate
from .reduce import sum
from .shape import (
    astype,
    axis_of,
    broadcast_to,
    copy,
    dtype_of,
    moveaxis,
    ravel,
    reshape,
    swapaxes,
)

PADDINGS = ("constant", "edge", "reflect", "symmetric", "wrap")


def _samples(*options, shape=(3, 4, 2)):
    return lambda rng: [((uniform(rng, *shape),), chosen) for chosen in options or ({},)]


# ------------------------------------------------------------ of the same shape: primitives


@primitive(samples=_samples({}, {"axis": 1}, {"axis": (0, -1)}))
def flip(x, *, axis=None):
    """The elements in reverse order along the axes; along all by default."""
    return np.flip(x, axis)


@primitive(samples=_samples({"shift": 2}, {"shift": (1, -2), "axis": (0, 1)}))
def roll(x, *, shift, axis=None):
    """The elements moved along an axis, from its end to its beginning; flattened by default."""
    return np.roll(x, shift, axis)


@primitive(samples=_samples({"k": -1}, {"k": 1}, {}))
def tril(x, *, k=0):
    """The lower triangle: zeros above the k-th diagonal."""
    return np.tril(x, k)


@primitive(samples=_samples({"k": -1}, {"k": 1}, {}))
def triu(x, *, k=0):
    """The upper triangle: zeros below the k-th diagonal."""
    return np.triu(x, k)


def roll_vjp(ct, shift, axis):
    return roll(ct, shift=tuple(-s for s in np.ravel(shift).tolist()), axis=axis)


defvjp(flip, x=lambda ct, axis: flip(ct, axis=axis))
defvjp(roll, x=roll_vjp)
defvjp(tril, x=lambda ct, k: tril(ct, k=k))
defvjp(triu, x=lambda ct, k: triu(ct, k=k))


@composite(samples=_samples())
def fliplr(x):
    """The columns in reverse order."""
    return flip(x, axis=1)


@composite(samples=_samples())
def flipud(x):
    """The rows in reverse order."""
    return flip(x, axis=0)


@composite(samples=_samples(*({"k": k, "axes": (0, 1)} for k in range(-1, 3)), {"axes": (2, 1)}))
def rot90(x, k=1, axes=(0, 1)):
    """Turned by k right angles in the plane of two axes, from the first towards the second."""
    np.rot90(np.empty((0,) * np.ndim(x)), axes=axes)  # refuses what are not two axes
    if k % 4 == 0:
        return copy(x)
    if k % 4 == 2:
        return flip(x, axis=tuple(axes))
    turned = flip(x, axis=axes[1]) if k % 4 == 1 else x
    turned = swapaxes(turned, *axes)
    return turned if k % 4 == 1 else flip(turned, axis=axes[1])


# ---------------------------------------------------------------------- repeating, leaving out


@composite(samples=_samples({"reps": 2}, {"reps": (2, 1, 1, 3)}, {"reps": (0, 2)}))
def tile(x, reps):
    """The array laid side by side, so many times along each axis."""
    reps = tuple(np.ravel(reps).tolist())
    ndim = max(len(reps), np.ndim(x))
    shape, reps = ((1,) * (ndim - len(s)) + s for s in (np.shape(x), reps))
    pairs = tuple(itertools.chain(*zip(reps, shape, strict=True)))
    singles = reshape(x, shape=tuple(itertools.chain(*((1, size) for size in shape))))
    return reshape(
        broadcast_to(singles, shape=pairs),
        shape=tuple(rep * size for rep, size in zip(reps, shape, strict=True)),
    )


@composite(
    samples=_samples({"repeats": 2}, {"repeats": 3, "axis": -1}, {"repeats": [2, 0, 1], "axis": 0})
)
def repeat(x, repeats, axis=None):
    """Each element several times in a row, or each its own number of times."""
    if axis is None or not np.ndim(x):
        x, axis = ravel(x), 0 if axis is None else axis
    axis, repeats = axis_of(x, axis), constant(repeats)
    size = np.shape(x)[axis]
    if repeats.ndim:
        return take(x, np.repeat(np.arange(size), repeats), axis=axis)
    before, after = np.shape(x)[: axis + 1], np.shape(x)[axis + 1 :]
    wide = broadcast_to(
        reshape(x, shape=(*before, 1, *after)), shape=(*before, int(repeats), *after)
    )
    return reshape(wide, shape=(*before[:-1], size * int(repeats), *after))


@composite(
    samples=_samples({"obj": 1}, {"obj": [0, -1], "axis": 1}, {"obj": slice(1, 3), "axis": 0})
)
def delete(x, obj, axis=None):
    """Without the elements at some places along an axis; flattened by default."""
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.delete(np.arange(np.shape(x)[axis_of(x, axis)]), obj), axis=axis)


def _insertions(rng):
    x = uniform(rng, 3, 4)
    yield (x, 1, uniform(rng, 4)), {"axis": 0}
    yield (x, -1, uniform(rng, 2, 3)), {"axis": 1}
    yield (x, [2, 0, 2], uniform(rng, 3, 1)), {"axis": 1}
    yield (x, slice(1, 3), uniform(rng, 2)), {}
    yield (x, [2], uniform(rng, 3, 2)), {"axis": -1}
    yield (x, [0], uniform(rng, 3)), {}
    yield (x, 1, uniform(rng)), {}


@composite(samples=_insertions)
def insert(x, obj, values, axis=None):
    """With values put before places along an axis; flattened by default."""
    if axis is None:
        x, axis = ravel(x), 0
    axis, length = axis_of(x, axis), np.shape(x)[axis_of(x, axis)]
    places = np.arange(length)[obj] if isinstance(obj, slice) else constant(obj)
    places = np.flatnonzero(places) if places.dtype.kind == "b" else places
    values = reshape(values, shape=(1,) * (np.ndim(x) - np.ndim(values)) + np.shape(values))
    if not places.ndim:
        values = moveaxis(values, 0, axis)
    if places.size == 1:  # all the values before one place
        places = np.full(np.shape(values)[axis], places)
    shape = (*np.shape(x)[:axis], len(places), *np.shape(x)[axis + 1 :])
    new = astype(broadcast_to(values, shape=shape), dtype=dtype_of(x))
    order = np.insert(np.arange(length), places, length + np.arange(len(places)))
    return take(concatenate((x, new), axis=axis), order, axis=axis)


# ---------------------------------------------------------------------------------- padding


@composite(
    samples=_samples(
        {"pad_width": 1},
        {"pad_width": ((1, 2), (0, 1)), "constant_values": 7.0},
        *({"pad_width": ((2, 1), (0, 3)), "mode": mode} for mode in PADDINGS[1:]),
        {"pad_width": {-1: (2, 0)}, "mode": "edge"},
        shape=(4, 3),
    )
)
def pad(x, pad_width, mode="constant", constant_values=0):
    """x with a margin: constant, or made of its own elements (edge, reflect, symmetric, wrap).

    "reflect" mirrors at the outermost elements, "symmetric" beyond them; "wrap" goes on at the
    other end.
    """
    if mode not in PADDINGS:
        do = "Choose one of these, or compose it with concatenate"
        raise UnknownNameError(explain(f"pad: a mode among {', '.join(PADDINGS)}", repr(mode), do))
    widths = _widths(pad_width, np.ndim(x))
    if mode == "constant" and widths:
        return _framed(x, widths, constant_values)
    for axis, width in enumerate(widths):
        if any(width):
            x = take(x, np.pad(np.arange(np.shape(x)[axis]), width, mode=mode), axis=axis)
    return x


def _widths(pad_width, ndim):
    if isinstance(pad_width, dict):
        given = {axis % ndim: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2).tolist() for axis in range(ndim)]
    widths = np.broadcast_to(pad_width, (ndim, 2)).tolist()
    if min(itertools.chain(*widths), default=0) < 0:
        raise ShapeError(explain("pad: widths of at least 0", pad_width, "Slice to cut off"))
    return [tuple(width) for width in widths]


def _framed(x, widths, values):
    lengths = zip(np.shape(x), widths, strict=True)
    inside = tuple(slice(before, before + size) for size, (before, _) in lengths)
    shape = tuple(
        s + before + after for s, (before, after) in zip(np.shape(x), widths, strict=True)
    )
    padded = scatter(x, index=inside, shape=shape)
    if not np.any(values):
        return padded
    return padded + np.pad(np.zeros(np.shape(x), padded.dtype), widths, constant_values=values)


# -------------------------------------------------------------------------------- diagonals


@composite(samples=_samples({}, {"offset": -1, "axis1": 2, "axis2": 0}, {"offset": 9}))
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements x[i, i + offset] of matrices in two axes, along a new last axis."""
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = np.shape(x)[-2:]
    flat = reshape(x, shape=(*np.shape(x)[:-2], rows * columns))
    return getitem(flat, index=(..., _diagonal_of(rows, columns, offset)))


def _diagonal_of(rows, columns, offset):
    """Return the places of a diagonal in the flattened matrix."""
    start, length = (
        (offset, min(rows, columns - offset))
        if offset >= 0
        else (-offset * columns, min(rows + offset, columns))
    )
    return slice(start, start + max(length, 0) * (columns + 1), columns + 1)


def _diagonals(rng):
    for shape, k in (((3,), 0), ((3,), 1), ((3,), -2), ((3, 4), 1), ((4, 3), -1)):
        yield (uniform(rng, *shape),), {"k": k}


@composite(samples=_diagonals)
def diag(x, k=0):
    """The k-th diagonal of a matrix; of a vector, the matrix with that diagonal."""
    if np.ndim(x) not in (1, 2):
        what = "diag: a vector or a matrix"
        raise ShapeError(explain(what, f"shape {np.shape(x)}", "Use diagonal for stacks"))
    if np.ndim(x) == 2:
        return diagonal(x, k)
    size = np.size(x) + abs(k)
    flat = scatter(x, index=_diagonal_of(size, size, k), shape=(size * size,))
    return reshape(flat, shape=(size, size))


@composite(samples=_samples({}, {"k": 1}, shape=(2, 2)))
def diagflat(x, k=0):
    """The matrix whose k-th diagonal are the elements of x."""
    return diag(ravel(x), k)


@composite(samples=_samples({}, {"offset": 1, "axis1": 1, "axis2": 0}))
def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of a diagonal."""
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)
