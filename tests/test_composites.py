"""Functions composed of ops: values against NumPy or a formula, and gradients against differences.

A composite declares ``samples(rng)``, which yields (arguments, named arguments). Every array of
floats in the arguments, also within lists and tuples, is differentiated.
"""

import inspect

import numpy as np
import pytest
from laws import agree, check_pullback, dot, normal, same, size_of
from truths import FORMULAS

import autograd_core as ag
from autograd_core.declare import COMPOSITES


def leaves(arguments):
    """Return the arrays of floats in nested arguments, in order."""
    if isinstance(arguments, np.ndarray) and arguments.dtype.kind == "f":
        return [arguments]
    if isinstance(arguments, (list, tuple)):
        return [leaf for part in arguments for leaf in leaves(part)]
    return []


def replaced(arguments, points):
    """Return the arguments with their arrays of floats replaced by those of the iterator."""
    if isinstance(arguments, np.ndarray) and arguments.dtype.kind == "f":
        return next(points)
    if isinstance(arguments, (list, tuple)):
        return type(arguments)(replaced(part, points) for part in arguments)
    return arguments


def joined(results):
    """Return one result as it is, several as one vector; counts have no derivative."""
    if not isinstance(results, (list, tuple)):
        return results
    parts = [joined(result) for result in results if not isinstance(result, (int, np.integer))]
    if all(isinstance(part, (np.ndarray, np.generic)) for part in parts):
        return np.concatenate([np.ravel(part) for part in parts])
    return ag.concatenate([ag.ravel(part) for part in parts])


def truth(name):
    """Return an independent function: a formula, or NumPy's of the same name."""
    home = np.linalg if COMPOSITES[name].facets.get("namespace") == "linalg" else np
    return FORMULAS[name] if name in FORMULAS else getattr(home, name)


CASES = [
    pytest.param(name, arguments, named, id=f"{name}-{i}")
    for name, function in COMPOSITES.items()
    for i, (arguments, named) in enumerate(function.facets["samples"](np.random.default_rng(0)))
]


def of_points(name, arguments, named):
    """Return the composite as a function of its differentiable arrays, and these."""

    def function(*points):
        return joined(COMPOSITES[name](*replaced(arguments, iter(points)), **named))

    return function, leaves(arguments)


@pytest.mark.parametrize(("name", "arguments", "named"), CASES)
def test_value(name, arguments, named):
    want = np.asarray(joined(truth(name)(*arguments, **named)))
    f, points = of_points(name, arguments, named)
    plain = f(*points)
    assert not isinstance(plain, ag.Tensor)
    agree(plain, want, "on arrays", size_of(*points))
    tracked = f(*(ag.tensor(x, requires_grad=True) for x in points))
    assert isinstance(tracked, ag.Tensor)
    same(tracked.numpy(), np.asarray(plain), "on tensors")
    single = f(*(ag.tensor(x.astype(np.float32)) for x in points))
    assert single.dtype == (np.float32 if want.dtype == np.float64 else want.dtype)


@pytest.mark.parametrize(("name", "arguments", "named"), CASES)
def test_derivatives(name, arguments, named):
    if COMPOSITES[name].facets.get("nondiff"):
        return
    f, points = of_points(name, arguments, named)
    value, pull = ag.vjp(f, *points)
    (ct,) = normal(0, np.shape(value))
    check_pullback(f, pull, points, ct, "pullback")
    tangents = normal(1, *(point.shape for point in points))
    forward = dot(ct, ag.jvp(f, points, tangents)[1])
    back = sum(dot(a, b) for a, b in zip(pull(ct), tangents, strict=True))
    agree(forward, back, "jvp against vjp", size_of(forward, *pull(ct)) * ct.size)

    def first(ct, *points):
        return ag.vjp(f, *points)[1](ct)[0]

    (seed,) = normal(2, points[0].shape)
    check_pullback(first, ag.vjp(first, ct, *points)[1], [ct, *points], seed, "second order")


@pytest.mark.parametrize("name", COMPOSITES)
def test_declaration_is_complete(name):
    assert inspect.getdoc(COMPOSITES[name]), "a function has a docstring"
    assert any(case.values[0] == name for case in CASES), "a function says what to try"
