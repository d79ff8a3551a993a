"""Elementwise functions of NumPy: their conventions at kinks, their other names, their methods."""

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.ops.operators import ALIASES, UFUNC_METHODS

NAN, INF = np.nan, np.inf


def gradients(function, *operands):
    with np.errstate(all="ignore"):
        value, pull = ag.vjp(function, *map(np.asarray, operands))
    return [np.asarray(g).tolist() for g in pull(np.ones(np.shape(value)))]


# function, operands, gradients
KINKS = [
    (ag.fmax, ([NAN, 1.0, 2.0, 3.0], [1.0, NAN, 2.0, 1.0]), ([0, 1, 0.5, 1], [1, 0, 0.5, 0])),
    (ag.fmin, ([NAN, 1.0, 2.0, 3.0], [1.0, NAN, 2.0, 1.0]), ([0, 1, 0.5, 0], [1, 0, 0.5, 1])),
    (ag.fmax, ([NAN], [NAN]), ([1], [0])),
    (ag.nan_to_num, ([NAN, INF, -INF, 2.0],), ([0, 0, 0, 1],)),
    (ag.logaddexp, ([INF, -INF, 0.0], [INF, -INF, 0.0]), ([0.5] * 3, [0.5] * 3)),
    (ag.logaddexp2, ([1.0, INF, 0.0], [0.0, 0.0, 0.0]), ([2 / 3, 1, 0.5], [1 / 3, 0, 0.5])),
    (lambda x: ag.copysign(x, -1.0), ([-2.0, 0.0, 2.0],), ([1, 0, -1],)),
    (lambda y: ag.heaviside(np.array([-1.0, 0.0, 1.0]), y), ([5.0] * 3,), ([0, 1, 0],)),
    (ag.remainder, ([1.0, -5.0], [0.1, 3.0]), ([1, 1], [-9, 2])),
    (ag.fmod, ([1.0, -5.0], [0.1, 3.0]), ([1, 1], [-9, 1])),
    (ag.float_power, ([2.0], [3.0]), ([12], [8 * np.log(2)])),
    (ag.sinc, ([0.0, 1.0, -1.0],), ([0, -1, 1],)),
]


@pytest.mark.parametrize(("function", "operands", "want"), KINKS)
def test_kinks_and_ends(function, operands, want):
    for got, wanted in zip(gradients(function, *operands), want, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_sinc_has_a_second_derivative_at_zero():
    np.testing.assert_allclose(ag.hessian(ag.sinc)(np.array(0.0)), -(np.pi**2) / 3, rtol=1e-15)


def test_logaddexp_far_out():
    """The smaller of the two keeps its digits, which the result has lost."""
    (along_x, along_y) = gradients(ag.logaddexp, [-700.0, 19.5], [0.0, 0.0])
    np.testing.assert_allclose(along_x, [np.exp(-700.0), 1 / (1 + np.exp(-19.5))], rtol=4e-16)
    np.testing.assert_allclose(along_y[1], 1 / (1 + np.exp(19.5)), rtol=4e-16)


def test_float_power_is_float64():
    assert ag.float_power(np.float32([2.0]), 2).dtype == np.float64


@pytest.mark.parametrize(
    "b", [1.0, 1.0 + 1e-9, 1.1, INF, -INF, NAN, 1e300], ids=lambda b: f"against {b}"
)
@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(b, equal_nan):
    a = np.array([1.0, INF, -INF, NAN])
    got = np.isclose(ag.tensor(a), b, equal_nan=equal_nan)
    assert isinstance(got, ag.Tensor)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(got.numpy(), np.isclose(a, b, equal_nan=equal_nan))


@pytest.mark.parametrize("decimals", [0, 2, -1])
def test_round(decimals):
    x = np.array([0.5, 1.5, 12.345, -7.0])
    leaf = ag.tensor(x, requires_grad=True)
    for got in (ag.round(leaf, decimals=decimals), np.round(leaf, decimals), leaf.round(decimals)):
        assert not got.requires_grad
        np.testing.assert_array_equal(got.numpy(), np.round(x, decimals))


def test_floor_division_is_numpys():
    x = ag.tensor([1.0, -7.0], requires_grad=True)
    assert (x // 0.1).numpy().tolist() == (np.array([1.0, -7.0]) // 0.1).tolist()
    assert (7 // x).numpy().tolist() == [7.0, -1.0]


# -------------------------------------------------------------- other names, ufunc methods


@pytest.mark.parametrize("alias", ALIASES[None])
def test_other_names(alias):
    ours = getattr(ag, alias)
    assert ours is getattr(ag, ALIASES[None][alias])
    operands = {"add": 2, "concat": 0, "permute_dims": 1}
    count = operands.get(alias, getattr(ours, "arity", 1))
    x = np.array([[1.25, 1.5], [1.75, 2.0]]) if alias != "acosh" else np.full((2, 2), 1.5)
    x = x / 4 if alias in ("acos", "asin", "atanh") else x
    given = [x] * count if count else [[x, x]]
    tracked = [ag.tensor(x)] * count if count else [[ag.tensor(x), x]]
    if hasattr(np, alias):
        got = getattr(np, alias)(*tracked)
        assert isinstance(got, ag.Tensor)
        np.testing.assert_allclose(got.numpy(), getattr(np, alias)(*given))


X = np.array([[3.0, 1.0, 2.0], [2.0, 5.0, 2.5]])


@pytest.mark.parametrize(("name", "method"), UFUNC_METHODS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_methods_of_ufuncs(name, method, axis):
    ufunc = getattr(getattr(np, name), method)
    own = getattr(getattr(ag, name), method)
    named = {} if axis is None else {"axis": axis}
    for got in (ufunc(ag.tensor(X), **named), own(ag.tensor(X), **named), own(X, **named)):
        np.testing.assert_allclose(
            np.asarray(getattr(got, "numpy", lambda g=got: g)()), ufunc(X, **named)
        )


def test_methods_of_ufuncs_have_derivatives():
    (grad,) = gradients(np.maximum.accumulate, X)
    assert grad == [[2.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    (grad,) = gradients(lambda x: np.multiply.reduce(x, axis=1), X)
    np.testing.assert_allclose(grad, X.prod(axis=1)[:, None] / X)


@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "maximum", "less", "hypot"])
def test_outer(name):
    ufunc, x, y = getattr(np, name), np.array([1.0, 2.5]), X
    for got in (ufunc.outer(ag.tensor(x), y), ufunc.outer(x, ag.tensor(y))):
        np.testing.assert_array_equal(got.numpy(), ufunc.outer(x, y))
    np.testing.assert_array_equal(getattr(ag, name).outer(x, y), ufunc.outer(x, y))


def test_other_methods_are_refused():
    with pytest.raises(ag.DTypeError, match=r"np\.subtract\.reduce: .*a tensor"):
        np.subtract.reduce(ag.tensor(X))
    with pytest.raises(ag.DTypeError, match=r"np\.add\.reduce with out="):
        np.add.reduce(ag.tensor(X), out=np.zeros(3))
