"""Joining arrays along axes, and splitting them: concatenate, stack, block, split, meshgrid."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, UnknownNameError, explain
from ..tensor import Tensor
from ..tree import leaves
from .index import getitem
from .shape import (
    astype,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    axis_of,
    broadcast_arrays,
    reshape,
    transpose,
)


@primitive(samples=lambda rng: [((uniform(rng, 2, 3), uniform(rng, 2, 1)), {"axis": 1})])
def concatenate(*arrays, axis=0):
    """Join arrays along an existing axis."""
    _refuse_none("concatenate", arrays)
    return np.concatenate(arrays, axis=axis)


@primitive(samples=lambda rng: [((uniform(rng, 2, 3), uniform(rng, 2, 3)), {"axis": 1})])
def stack(*arrays, axis=0):
    """Join arrays of one shape along a new axis."""
    _refuse_none("stack", arrays)
    return np.stack(arrays, axis=axis)


def _refuse_none(name, arrays):
    if not arrays:
        raise ShapeError(explain(f"{name}: at least one array", "none", "Pass a list of arrays"))


def concatenate_vjp(ct, which, shapes, axis):
    if axis is None:
        sizes = [math.prod(shape) for shape in shapes]
        start = sum(sizes[:which])
        return reshape(ct[start : start + sizes[which]], shape=shapes[which])
    axis %= len(shapes[0])
    start = sum(shape[axis] for shape in shapes[:which])
    return ct[(slice(None),) * axis + (slice(start, start + shapes[which][axis]),)]


def stack_vjp(ct, which, axis):
    return ct[(slice(None),) * (axis % ct.ndim) + (which,)]


defvjp(concatenate, arrays=concatenate_vjp)
defvjp(stack, arrays=stack_vjp)


def _lists(*shapes):
    return lambda rng: [(([uniform(rng, *shape) for shape in shapes],), {})]


@composite(samples=_lists((), (3,)))
def hstack(arrays):
    """Join along the second axis; vectors along their only one."""
    arrays = [atleast_1d(x) for x in arrays]
    return concatenate(arrays, axis=0 if arrays and np.ndim(arrays[0]) == 1 else 1)


@composite(samples=_lists((3,), (2, 3)))
def vstack(arrays):
    """Join along the first axis; vectors become rows."""
    return concatenate([atleast_2d(x) for x in arrays], axis=0)


@composite(samples=_lists((2, 3), (2, 3, 2)))
def dstack(arrays):
    """Join along the third axis, made where it is missing."""
    return concatenate([atleast_3d(x) for x in arrays], axis=2)


@composite(samples=_lists((3,), (3, 2)))
def column_stack(arrays):
    """Join as columns; matrices side by side."""
    columns = [x if np.ndim(x) > 1 else transpose(atleast_2d(x)) for x in arrays]
    return concatenate(columns, axis=1)


@composite(
    samples=lambda rng: [
        ((uniform(rng, 2, 2), uniform(rng, 3)), {}),
        ((uniform(rng, 2, 2), uniform(rng, 1, 2)), {"axis": 0}),
    ]
)
def append(x, values, axis=None):
    """x followed by values along an axis; by default both flattened."""
    return concatenate((x, values), axis=axis)


def _array_samples(rng):
    a, b = uniform(rng, 2), uniform(rng, 2)
    yield ([[a, b], [b, a], [a, [1.0, 2.0]]],), {}
    yield ([a[0:1], a[1:2]],), {}


@composite(samples=_array_samples)
def array(sequence, dtype=None):
    """A new array from nested lists and tuples of numbers, arrays or tensors, stacked."""
    arrays = [x for x in leaves(sequence) if isinstance(x, (Tensor, np.ndarray))]
    if not any(isinstance(x, Tensor) for x in arrays):
        return np.array(sequence, dtype)
    kind = np.result_type(*(x.dtype for x in arrays)) if dtype is None else np.dtype(dtype)
    return astype(_stacked(sequence, kind), dtype=kind)


def _stacked(x, kind):
    if isinstance(x, (list, tuple)):
        return stack([_stacked(part, kind) for part in x])
    return x if isinstance(x, (Tensor, np.ndarray)) else np.asarray(x, kind)


def _block_samples(rng):
    a, b, c = uniform(rng, 2, 2), uniform(rng, 2, 1), uniform(rng, 3)
    return [(([[a, b], [c]],), {}), (([c, uniform(rng)],), {}), ((a,), {})]


@composite(samples=_block_samples)
def block(arrays):
    """Assemble nested lists of blocks: the innermost lists along the last axis."""
    leaves, depth = [arrays], 0
    while isinstance(leaves[0], list):
        leaves, depth = list(itertools.chain(*leaves)), depth + 1
    return _assembled(arrays, depth, max(depth, *map(np.ndim, leaves)))


def _assembled(part, depth, ndim):
    if depth and isinstance(part, list):
        return concatenate([_assembled(x, depth - 1, ndim) for x in part], axis=-depth)
    return reshape(part, shape=(1,) * (ndim - np.ndim(part)) + np.shape(part))


# ------------------------------------------------------------------------------ splitting


def _sections(*shape, axis=None):
    options = {} if axis is None else {"axis": axis}
    return lambda rng: [((uniform(rng, *shape), cut), options) for cut in (2, [1, 3])]


@composite(samples=_sections(3, 5, axis=1))
def array_split(x, indices_or_sections, axis=0):
    """A list of parts along an axis: about equal ones, or those between the given places."""
    length = np.shape(x)[axis_of(x, axis)]
    places = indices_or_sections
    if np.ndim(places) == 0:
        each, more = divmod(length, _positive(places))
        places = np.cumsum([each + 1] * more + [each] * (places - more))[:-1]
    edges = [0, *(int(place) for place in places), length]
    lead = (slice(None),) * axis_of(x, axis)
    return [getitem(x, index=(*lead, slice(*ends))) for ends in itertools.pairwise(edges)]


@composite(samples=_sections(3, 4, axis=-1))
def split(x, indices_or_sections, axis=0):
    """A list of parts along an axis: equal ones, or those between the given places."""
    places, length = indices_or_sections, np.shape(x)[axis_of(x, axis)]
    if np.ndim(places) == 0 and length % _positive(places):
        what = f"split: a number of sections that divides the {length} elements of axis {axis}"
        raise ShapeError(explain(what, places, "Choose a divisor, or use array_split"))
    return array_split(x, places, axis)


@composite(samples=_sections(2, 4))
def hsplit(x, indices_or_sections):
    """A list of parts along the second axis; of a vector along its only one."""
    return split(x, indices_or_sections, axis=min(np.ndim(x) - 1, 1))


@composite(samples=_sections(4, 2))
def vsplit(x, indices_or_sections):
    """A list of parts along the first axis of at least two."""
    _refuse_few("vsplit", x, 2)
    return split(x, indices_or_sections, axis=0)


@composite(samples=_sections(2, 1, 4))
def dsplit(x, indices_or_sections):
    """A list of parts along the third axis."""
    _refuse_few("dsplit", x, 3)
    return split(x, indices_or_sections, axis=2)


@composite(samples=lambda rng: [((uniform(rng, 2, 3),), named) for named in ({}, {"axis": -1})])
def unstack(x, axis=0):
    """The parts along an axis, which they lack, as a tuple."""
    lead = (slice(None),) * axis_of(x, axis)
    return tuple(getitem(x, index=(*lead, i)) for i in range(np.shape(x)[axis]))


def _positive(sections):
    if sections < 1:
        do = "Pass a positive number of parts"
        raise ShapeError(explain("split: at least one section", sections, do))
    return sections


def _refuse_few(name, x, ndim):
    if np.ndim(x) < ndim:
        what = f"{name}: an array with at least {ndim} axes"
        raise ShapeError(explain(what, f"shape {np.shape(x)}", "Use split with an axis"))


@composite(
    samples=lambda rng: [
        ((uniform(rng, 3), uniform(rng, 2), uniform(rng, 2)), named)
        for named in ({}, {"indexing": "ij"}, {"sparse": True})
    ]
)
def meshgrid(*xi, indexing="xy", sparse=False):
    """Coordinates of a grid, one array per vector, as a tuple; "xy" has rows for the second."""
    if indexing not in ("xy", "ij"):
        do = "Use 'ij' for matrices, 'xy' for plots"
        raise UnknownNameError(explain("meshgrid: indexing 'xy' or 'ij'", repr(indexing), do))
    order = list(range(len(xi)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    shapes = [[-1 if i == axis else 1 for i in range(len(xi))] for axis in order]
    grids = [reshape(x, shape=tuple(shape)) for x, shape in zip(xi, shapes, strict=True)]
    return tuple(grids) if sparse else broadcast_arrays(*grids)
