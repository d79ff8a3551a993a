"""Joining arrays along axes, and splitting them: concatenate, stack."""

from __future__ import annotations

import math

import numpy as np

from ..declare import defvjp, primitive
from ..errors import ShapeError, explain
from .shape import reshape


def _uniform(rng, *shape):
    return rng.uniform(-2.0, 2.0, shape)


@primitive(samples=lambda rng: [((_uniform(rng, 2, 3), _uniform(rng, 2, 1)), {"axis": 1})])
def concatenate(*arrays, axis=0):
    """Join arrays along an existing axis."""
    _refuse_none("concatenate", arrays)
    return np.concatenate(arrays, axis=axis)


@primitive(samples=lambda rng: [((_uniform(rng, 2, 3), _uniform(rng, 2, 3)), {"axis": 1})])
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
