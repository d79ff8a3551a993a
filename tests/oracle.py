"""A second engine, as naive as it gets: one Python object per number, no arrays, no rules table.

A `Scalar` knows its value and, for each number it was computed from, the partial derivative as a
float. NumPy's object arrays carry scalars around, so that shapes and broadcasting are NumPy's own.
Nothing here is shared with the engine under test.
"""

from __future__ import annotations

import math

import numpy as np


class Scalar:
    """A number, and the numbers it depends on directly, each with its partial derivative."""

    def __init__(self, value, parents=()):
        self.value = float(value)
        self.parents = parents

    def __add__(self, other):
        return Scalar(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __sub__(self, other):
        return Scalar(self.value - other.value, ((self, 1.0), (other, -1.0)))

    def __mul__(self, other):
        return Scalar(self.value * other.value, ((self, other.value), (other, self.value)))

    def __truediv__(self, other):
        value = self.value / other.value
        parents = ((self, 1.0 / other.value), (other, -value / other.value))
        return Scalar(value, parents)


def unary(value, slope):
    return np.frompyfunc(lambda x: Scalar(value(x.value), ((x, slope(x.value)),)), 1, 1)


def larger(x, y):
    if x.value == y.value:
        return Scalar(x.value, ((x, 0.5), (y, 0.5)))
    return Scalar(max(x.value, y.value), ((x if x.value > y.value else y, 1.0),))


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


UNARY = {
    "sin": unary(math.sin, math.cos),
    "cos": unary(math.cos, lambda x: -math.sin(x)),
    "tanh": unary(math.tanh, lambda x: 1.0 / math.cosh(x) ** 2),
    "sigmoid": unary(logistic, lambda x: logistic(x) * logistic(-x)),
    "arctan": unary(math.atan, lambda x: 1.0 / (1.0 + x * x)),
    "negative": unary(lambda x: -x, lambda x: -1.0),
    "relu": unary(lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "abs": unary(abs, lambda x: float(x > 0) - float(x < 0)),
}
BINARY = {
    "add": np.frompyfunc(lambda x, y: x + y, 2, 1),
    "subtract": np.frompyfunc(lambda x, y: x - y, 2, 1),
    "multiply": np.frompyfunc(lambda x, y: x * y, 2, 1),
    "maximum": np.frompyfunc(larger, 2, 1),
}


def lift(array):
    """Return an object array of new scalars."""
    out = np.empty(np.shape(array), object)
    for place in np.ndindex(out.shape):
        out[place] = Scalar(np.asarray(array)[place])
    return out


def objects(array):
    """Return an object array whatever an operation on one returned: NumPy unpacks 0-d results."""
    if isinstance(array, np.ndarray):
        return array
    out = np.empty((), object)
    out[()] = array
    return out


def values(array):
    """Return the values of an object array of scalars."""
    out = np.empty(array.shape)
    for place in np.ndindex(out.shape):
        out[place] = array[place].value
    return out


def detached(array):
    return lift(values(array))


def total(scalars):
    """Return the sum, added up one by one."""
    result = Scalar(0.0)
    for scalar in scalars:
        result = result + scalar
    return result


def summed(array, axis):
    if axis is None:
        return objects(total(array.ravel()))
    moved = np.moveaxis(array, axis, -1)
    out = np.empty(moved.shape[:-1], object)
    for place in np.ndindex(out.shape):
        out[place] = total(moved[place])
    return out


def product(x, y):
    """Return the matrix product of two-dimensional object arrays, by three loops."""
    out = np.empty((x.shape[0], y.shape[1]), object)
    for i, j in np.ndindex(out.shape):
        out[i, j] = total(x[i, k] * y[k, j] for k in range(x.shape[1]))
    return out


def gradients(outputs, seeds):
    """Return the derivative of Σ seed · output with respect to every scalar, by object.

    Scalars are visited in an order in which each comes after all that were computed from it.
    """
    order, seen, stack = [], set(), [(scalar, False) for scalar in outputs]
    while stack:
        scalar, done = stack.pop()
        if done:
            order.append(scalar)
        elif id(scalar) not in seen:
            seen.add(id(scalar))
            stack.append((scalar, True))
            stack.extend((parent, False) for parent, _ in scalar.parents)
    found = dict.fromkeys(map(id, order), 0.0)
    for scalar, seed in zip(outputs, seeds, strict=True):
        found[id(scalar)] += float(seed)
    for scalar in reversed(order):
        for parent, partial in scalar.parents:
            found[id(parent)] += partial * found[id(scalar)]
    return found
