"""The lecture's activations and their derivatives, each stated as its formula."""

import numpy as np
import pytest

import autograd_core as ag

X = np.linspace(-6.0, 6.0, 101)  # 0 is one of them


def derivative(function, x=X):
    """Return f'(x) elementwise."""
    return ag.vjp(function, x)[1](np.ones_like(x))[0]


def equal(got, formula):
    np.testing.assert_allclose(got, formula, rtol=1e-13, atol=1e-15)


def test_sigmoid_is_the_logistic_function():
    equal(ag.sigmoid(X), 1 / (1 + np.exp(-X)))


def test_slope_of_sigmoid_at_0_is_a_quarter():
    assert ag.grad(ag.sigmoid)(0.0) == 1 / 4


def test_slope_of_sigmoid_is_sigmoid_times_its_complement():
    s = ag.sigmoid(X)
    equal(derivative(ag.sigmoid), s * (1 - s))
    assert derivative(ag.sigmoid).max() == 1 / 4


def test_tanh_is_a_sigmoid_stretched_and_shifted():
    equal(ag.tanh(X), 2 * ag.sigmoid(2 * X) - 1)


def test_slope_of_tanh_at_0_is_1():
    assert ag.grad(ag.tanh)(0.0) == 1.0


def test_slope_of_tanh_is_1_minus_its_square():
    equal(derivative(ag.tanh), 1 - ag.tanh(X) ** 2)


def test_relu_has_slope_1_on_the_right_and_0_elsewhere():
    equal(ag.relu(X), np.maximum(X, 0))
    np.testing.assert_array_equal(derivative(ag.relu), np.where(X > 0, 1.0, 0.0))
    assert ag.grad(ag.relu)(0.0) == 0.0
    assert ag.grad(ag.relu)(5e-324) == 1.0


def test_swish_is_x_times_sigmoid():
    equal(ag.swish(X), X * ag.sigmoid(X))
    assert ag.swish is ag.silu


def test_slope_of_swish():
    assert ag.grad(ag.swish)(0.0) == 1 / 2
    s = ag.sigmoid(X)
    equal(derivative(ag.swish), s + X * s * (1 - s))


def test_slope_of_softplus_is_sigmoid():
    equal(ag.softplus(X), np.log(1 + np.exp(X)))
    equal(derivative(ag.softplus), ag.sigmoid(X))


@pytest.mark.parametrize("x", [-1000.0, 1000.0])
def test_sigmoids_saturate_without_overflow(x):
    assert ag.sigmoid(x) == (x > 0)
    assert ag.grad(ag.sigmoid)(x) == 0.0
    assert ag.log_sigmoid(x) == min(x, 0.0)
