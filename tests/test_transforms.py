"""Transforms: gradients, products and matrices of derivatives, of any order, of containers."""

from collections import namedtuple

import numpy as np
import pytest

import autograd_core as ag

X = np.array([0.5, -1.5, 2.0])
V = np.array([1.0, 0.5, -2.0])


def rosenbrock(x):
    return ag.sum(100.0 * ag.square(x[1:] - ag.square(x[:-1])) + ag.square(1.0 - x[:-1]))


def rosenbrock_gradient(x):
    g = np.zeros_like(x)
    g[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def rosenbrock_hessian(x):
    h = np.zeros((x.size, x.size))
    for i in range(x.size - 1):
        h[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        h[i + 1, i + 1] += 200
        h[i, i + 1] = h[i + 1, i] = -400 * x[i]
    return h


# ------------------------------------------------------------------------- first order


def test_grad_and_value_and_grad():
    np.testing.assert_allclose(ag.grad(rosenbrock)(X), rosenbrock_gradient(X), rtol=1e-13)
    value, gradient = ag.value_and_grad(rosenbrock)(X)
    np.testing.assert_allclose(value, rosenbrock(X))
    np.testing.assert_allclose(gradient, rosenbrock_gradient(X), rtol=1e-13)
    assert not isinstance(value, ag.Tensor) and isinstance(gradient, np.ndarray)


def test_argnums():
    def f(x, y, *, power=1):
        return ag.sum(x * y**power)

    np.testing.assert_allclose(ag.grad(f, 1)(X, V), X)
    gx, gy = ag.grad(f, (0, 1))(X, V, power=2)
    np.testing.assert_allclose(gx, V**2)
    np.testing.assert_allclose(gy, 2 * X * V)
    np.testing.assert_allclose(ag.grad(f, -1)(X, V), X)


def test_scalars_give_scalars():
    assert ag.grad(ag.sin)(0.5) == np.cos(0.5)
    assert np.ndim(ag.grad(lambda x: x * x)(3.0)) == 0
    assert ag.value_and_grad(ag.exp)(0.0) == (1.0, 1.0)


def test_vjp_pulls_more_than_once():
    value, pull = ag.vjp(lambda x, y: (x * y, ag.sin(x)), X, V)
    np.testing.assert_allclose(value[0], X * V)
    for scale in (1.0, 2.0):
        gx, gy = pull((scale * np.ones(3), np.zeros(3)))
        np.testing.assert_allclose(gx, scale * V)
        np.testing.assert_allclose(gy, scale * X)
    np.testing.assert_allclose(pull((np.zeros(3), np.ones(3)))[0], np.cos(X))


def test_jvp():
    value, tangent = ag.jvp(lambda x, y: x * ag.exp(y), (X, V), (V, X))
    np.testing.assert_allclose(value, X * np.exp(V))
    np.testing.assert_allclose(tangent, V * np.exp(V) + X * np.exp(V) * X)
    value, tangent = ag.jvp(lambda x: (x @ x, x[::-1]), (X,), (V,))
    np.testing.assert_allclose(tangent[0], 2 * X @ V)
    np.testing.assert_allclose(tangent[1], V[::-1])


def test_jvp_of_a_broadcast_operand():
    out, tangent = ag.jvp(lambda x: x * np.ones((2, 3)), (2.0,), (1.0,))
    np.testing.assert_array_equal(tangent, np.ones((2, 3)))
    _, tangent = ag.jvp(
        lambda w: np.ones((2, 3)) @ w + w[:1], (np.ones((3, 2)),), (np.ones((3, 2)),)
    )
    np.testing.assert_array_equal(tangent, np.full((2, 2), 4.0))


def test_constant_functions_have_derivative_zero():
    np.testing.assert_array_equal(ag.grad(lambda x: 3.0)(X), np.zeros(3))
    np.testing.assert_array_equal(ag.grad(lambda x: ag.sum(ag.floor(x)))(X), np.zeros(3))
    np.testing.assert_array_equal(ag.jvp(lambda x: ag.sign(x), (X,), (V,))[1], np.zeros(3))
    np.testing.assert_array_equal(ag.jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))


def test_identity_and_unused_arguments():
    np.testing.assert_array_equal(ag.jacobian(lambda x: x)(X), np.eye(3))
    gx, gy = ag.grad(lambda x, y: ag.sum(x), (0, 1))(X, V)
    np.testing.assert_array_equal(gx, np.ones(3))
    np.testing.assert_array_equal(gy, np.zeros(3))


def test_jacobians_wide_and_tall():
    m = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(ag.jacobian(lambda x: m @ x)(X), m)
    np.testing.assert_allclose(ag.jacobian(lambda y: m.T @ y)(np.ones(4)), m.T)
    j = ag.jacobian(lambda w: w @ X)(m)
    assert j.shape == (4, 4, 3)
    np.testing.assert_allclose(j, np.einsum("ij,k->ijk", np.eye(4), X))
    assert ag.jacobian(ag.sin)(0.5) == np.cos(0.5)
    assert ag.jacobian(lambda x: x[:0])(X).shape == (0, 3)


def test_jacobian_of_another_argument():
    np.testing.assert_allclose(ag.jacobian(lambda x, y: x * y, 1)(X, V), np.diag(X))


Pair = namedtuple("Pair", "w b")


def test_nested_containers_keep_their_kind():
    params = {"layer": Pair(np.ones((2, 3)), np.zeros(2)), "scale": [2.0, (np.float64(3.0),)]}

    def loss(p, x):
        out = p["layer"].w @ x + p["layer"].b
        return ag.sum(ag.square(out)) * p["scale"][0] * p["scale"][1][0]

    gradient = ag.grad(loss)(params, X)
    assert isinstance(gradient, dict) and isinstance(gradient["layer"], Pair)
    assert isinstance(gradient["scale"], list) and isinstance(gradient["scale"][1], tuple)
    np.testing.assert_allclose(gradient["layer"].b, 12 * np.full(2, X.sum()))
    np.testing.assert_allclose(gradient["layer"].w, 12 * X.sum() * np.stack([X, X]))
    np.testing.assert_allclose(gradient["scale"][0], 3 * 2 * X.sum() ** 2)
    value, tangent = ag.jvp(
        lambda p: {"out": p["a"] * p["b"]}, ({"a": X, "b": V},), ({"a": V, "b": X},)
    )
    np.testing.assert_allclose(tangent["out"], V * V + X * X)
    assert list(value) == ["out"]


def test_dicts_are_matched_by_key():
    a, b = X, V
    got = ag.jvp(lambda p: p["a"] * p["b"], ({"a": a, "b": b},), ({"b": 0 * b, "a": a},))[1]
    np.testing.assert_allclose(got, a * b)
    pull = ag.vjp(lambda x: {"u": 2.0 * x, "v": 3.0 * x}, a)[1]
    np.testing.assert_allclose(pull({"v": 0 * a, "u": b})[0], 2.0 * b)


@pytest.mark.parametrize("other", [{"q": X, "r": X}, {"u": X}, {"u": X, "v": X, "w": X}, X])
def test_another_structure_is_refused(other):
    pull = ag.vjp(lambda x: {"u": 2.0 * x, "v": 3.0 * x}, X)[1]
    with pytest.raises((TypeError, ValueError), match="but got"):
        pull(other)
    with pytest.raises((TypeError, ValueError), match="but got"):
        ag.jvp(lambda p: p["u"] + p["v"], ({"u": X, "v": V},), (other,))


def test_dtypes_are_kept():
    x = X.astype(np.float32)
    value, gradient = ag.value_and_grad(lambda x: ag.sum(x * x))(x)
    assert value.dtype == gradient.dtype == np.float32
    assert ag.jacobian(ag.square)(x).dtype == np.float32
    assert ag.hessian(lambda x: ag.sum(x * x * x))(x).dtype == np.float32
    gx, gy = ag.grad(lambda x, y: ag.sum(x * y), (0, 1))(x, V)
    assert (gx.dtype, gy.dtype) == (np.float32, np.float64)


# ------------------------------------------------------------------------ higher orders


def test_hessian_hvp_and_symmetry():
    np.testing.assert_allclose(ag.hessian(rosenbrock)(X), rosenbrock_hessian(X), rtol=1e-12)
    np.testing.assert_allclose(ag.hvp(rosenbrock, X, V), rosenbrock_hessian(X) @ V, rtol=1e-12)
    h = ag.hessian(lambda x: ag.logsumexp(ag.sin(x) * ag.sum(x * x)))(X)
    np.testing.assert_allclose(h, h.T, rtol=1e-12)


DERIVATIVES_OF_SIN = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)]


def test_derivatives_of_any_order():
    f = ag.sin
    for order in range(6):
        np.testing.assert_allclose(f(0.7), DERIVATIVES_OF_SIN[order % 4](0.7), rtol=1e-12)
        f = ag.grad(f)
    f = ag.grad(ag.grad(ag.grad(ag.exp)))
    np.testing.assert_allclose(f(0.5), np.exp(0.5))
    f = ag.grad(ag.grad(ag.grad(lambda x: x**5)))
    np.testing.assert_allclose(f(2.0), 60 * 4.0)


@pytest.mark.parametrize(
    "name", ["exp", "tanh", "sigmoid", "sqrt", "reciprocal", "tan", "gelu", "log"]
)
def test_third_derivatives_of_single_numbers_and_of_arrays_agree(name):
    f = getattr(ag, name)

    def third(x):
        for_one = ag.grad(ag.grad(ag.grad(f)))
        return np.array([for_one(float(value)) for value in x])

    def by_sums(f):
        return lambda x: ag.sum(f(x))

    def together(x):
        g = ag.grad(by_sums(f))
        g = ag.grad(by_sums(g))
        return ag.grad(by_sums(g))(x)

    x = np.array([0.3, 0.8, 1.1])
    np.testing.assert_allclose(third(x), together(x), rtol=1e-12)
    h = 1e-4
    second = ag.grad(ag.grad(f))
    numeric = [(second(v + h) - second(v - h)) / (2 * h) for v in x]
    np.testing.assert_allclose(third(x), numeric, rtol=1e-5, atol=1e-6)


def test_every_mixture_of_forward_and_reverse_gives_the_hessian():
    want = rosenbrock_hessian(X)
    g = ag.grad(rosenbrock)
    reverse_reverse = np.stack([ag.vjp(g, X)[1](unit)[0] for unit in np.eye(3)])
    forward_reverse = np.stack([ag.jvp(g, (X,), (unit,))[1] for unit in np.eye(3)], axis=1)

    def slope(unit):
        return lambda x: ag.jvp(rosenbrock, (x,), (unit,))[1]

    reverse_forward = np.stack([ag.grad(slope(unit))(X) for unit in np.eye(3)])
    forward_forward = np.array(
        [[ag.jvp(slope(u), (X,), (v,))[1] for v in np.eye(3)] for u in np.eye(3)]
    )
    for got in (reverse_reverse, forward_reverse, reverse_forward, forward_forward):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-9)


def test_no_perturbation_confusion():
    # Siskind and Pearlmutter (2005): d/dx (x d/dy (x + y)) at 1 is 1, not 2.
    assert ag.grad(lambda x: x * ag.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert ag.grad(lambda x: x * ag.jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0) == 1.0
    assert ag.jvp(lambda x: x * ag.grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1] == 6.0
    assert ag.grad(lambda x: ag.grad(lambda y: x * y * y)(x))(3.0) == 12.0


def test_gradients_within_a_recorded_function():
    x = ag.tensor(X, requires_grad=True)
    penalty = ag.sum(ag.square(ag.grad(rosenbrock)(x)))
    assert penalty.requires_grad
    penalty.backward()
    np.testing.assert_allclose(
        x.grad, 2 * rosenbrock_hessian(X) @ rosenbrock_gradient(X), rtol=1e-11
    )


def test_what_is_closed_over_is_differentiated_by_the_outer_transform():
    w = ag.tensor(2.0, requires_grad=True)
    g = ag.grad(lambda x: ag.sum(w * x * x))(X)
    assert isinstance(g, ag.Tensor)
    g.sum().backward()
    np.testing.assert_allclose(w.grad, 2 * X.sum())


def test_transforms_work_under_no_grad():
    with ag.no_grad():
        np.testing.assert_allclose(ag.grad(rosenbrock)(X), rosenbrock_gradient(X))
        np.testing.assert_allclose(ag.hessian(rosenbrock)(X), rosenbrock_hessian(X))
        assert not (ag.tensor(1.0, requires_grad=True) * 2.0).requires_grad


def test_transforms_do_not_touch_the_leaves_they_close_over():
    w = ag.tensor(X, requires_grad=True)
    with ag.no_grad():
        ag.grad(lambda x: ag.sum(w * x))(V)
    assert w.grad is None


def test_a_tensor_argument_is_differentiated_as_its_value():
    x = ag.tensor(X)
    np.testing.assert_allclose(ag.grad(rosenbrock)(x), rosenbrock_gradient(X))


def test_data_dependent_branches_and_loops():
    def f(x):
        while x < 100.0:
            x = x * x if x > 1.0 else x + 1.0
        return x

    assert ag.grad(f)(0.5) == 16 * 1.5**15
    assert ag.grad(f)(3.0) == 8 * 3.0**7


def test_jacobian_and_hessian_inside_transforms():
    f = lambda x: ag.sum(ag.jacobian(lambda y: y * y * x)(x))  # noqa: E731
    np.testing.assert_allclose(ag.grad(f)(X), 4 * X)
    np.testing.assert_allclose(
        ag.jacobian(lambda x: ag.hessian(rosenbrock)(x) @ V)(X).shape, (3, 3)
    )


def test_random_networks_agree_with_complex_steps():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((4, 3), (4,), (2, 4))]

    def network(x, w, b, v, tanh):
        return (v @ tanh(w @ x + b) ** 2).sum()

    for i, point in enumerate(weights):
        got = ag.grad(lambda x, w, b, v: network(x, w, b, v, ag.tanh), i + 1)(X, *weights)
        for place in np.ndindex(point.shape):
            moved = [w.astype(complex) for w in weights]
            moved[i][place] += 1e-30j
            want = network(X, *moved, np.tanh).imag / 1e-30
            np.testing.assert_allclose(got[place], want, rtol=1e-12, atol=1e-14)


def test_a_rule_of_any_number_of_operands_may_ask_for_the_result():
    @ag.primitive(register=False)
    def exp_of_sum(*arrays):
        return np.exp(np.add.reduce(arrays))

    ag.defvjp(exp_of_sum, arrays=lambda ct, out: ct * out)
    arrays = np.array([1.0, 2.0]), np.array([0.5, -0.5]), np.array([0.0, 0.1])
    grads = ag.grad(lambda *x: ag.sum(exp_of_sum(x)), (0, 1, 2))(*arrays)
    for found in grads:
        np.testing.assert_allclose(found, np.exp(sum(arrays)))


@pytest.mark.parametrize("lifted", [float, lambda v: ag.tensor(v, requires_grad=True)])
def test_operands_are_found_by_name_in_any_order(lifted):
    @ag.primitive(pointwise=True, register=False)
    def ratio(y, x):
        return np.divide(y, x)

    ag.defvjp(ratio, y=lambda ct, x: ct / x, x=lambda ct, y, x: -ct * y / (x * x))
    six, two = lifted(6.0), lifted(2.0)
    calls = ratio(six, two), ratio(y=six, x=two), ratio(x=two, y=six), ratio(six, x=two)
    assert [float(result) for result in calls] == [3.0] * 4
    assert float(ag.exp(x=two)) == np.exp(2.0)
