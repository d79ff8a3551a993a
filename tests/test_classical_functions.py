"""The classical test functions of optimization: value, gradient, Hessian and its products."""

import numpy as np
import pytest
from reference import SCOPE, table

import autograd_core as ag

FUNCTIONS = table("exact/testfunctions.json")


def biggs_exp2(x):
    t = np.arange(1, 11) / 10
    model = ag.exp(-t * x[0]) - 5 * ag.exp(-t * x[1])
    return ag.sum((model - np.exp(-t) + 5 * np.exp(-10 * t)) ** 2)


def trigonometric(x):
    n, i = x.size, np.arange(1, x.size + 1)
    return ag.sum((n - ag.sum(ag.cos(x)) + i * (1 - ag.cos(x)) - ag.sin(x)) ** 2)


def levy(x):
    w = 1 + (x - 1) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * ag.sin(np.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + ag.sin(2 * np.pi * w[-1]) ** 2)
    return ag.sin(np.pi * w[0]) ** 2 + ag.sum(middle) + last


def zakharov(x):
    s = ag.sum(0.5 * np.arange(1, 5) * x)
    return ag.sum(x**2) + s**2 + s**4


IN_WORDS = {f.__name__: f for f in (biggs_exp2, trigonometric, levy, zakharov)}
CASES = [
    pytest.param(name, point, id=f"{name}-{i}")
    for name, entry in FUNCTIONS.items()
    if name != "licence"
    for i, point in enumerate(entry["points"])
]


def function(name):
    """Return a function from its expression, or from here if that is said in words."""
    expression = FUNCTIONS[name]["expr"]
    return IN_WORDS.get(name) or (lambda x: eval(expression, SCOPE | {"x": x}))


def close(got, want, size):
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12 * size)


@pytest.mark.parametrize(("name", "point"), CASES)
def test_derivatives(name, point):
    f, x = function(name), np.array(point["x"], float)
    gradient, hessian = np.array(point["grad"]), np.array(point["hess"])
    steepness = np.abs(gradient).max()
    bend = np.abs(hessian).max()
    value, got = ag.value_and_grad(f)(x)
    close(value, point["f"], abs(point["f"]) + 1e-3)
    # Near a minimum the gradient is a difference of terms as large as the Hessian times x.
    close(got, gradient, steepness or bend * np.abs(x).max())
    close(ag.hessian(f)(x), hessian, bend)
    tangent = np.linspace(-1.0, 1.0, x.size)
    close(ag.hvp(f, x, tangent), hessian @ tangent, bend)
    close(ag.jvp(f, (x,), (tangent,))[1], gradient @ tangent, steepness or bend)
