"""Where a zero meets an infinity, zero wins; and the conventions chosen at every kink."""

import warnings

import numpy as np
import pytest

import autograd_core as ag
import nn

SUM = ag.sum
ZERO = np.zeros(3)


def functional(name):
    """Return an activation, from wherever it lives by now; None if it does not exist yet."""
    return getattr(ag, name, None) or getattr(nn.functional, name, None)


def with_quiet_forward(f):
    """Silence the forward pass alone: sqrt(-1) is the user's, what a sweep does is ours."""

    def quiet(*args):
        with np.errstate(all="ignore"):
            return f(*args)

    return quiet


def by_backward(f, *points):
    leaves = [ag.tensor(x, requires_grad=True) for x in points]
    with_quiet_forward(f)(*leaves).backward()
    return [leaf.grad for leaf in leaves]


def by_grad(f, *points):
    return list(ag.grad(with_quiet_forward(f), tuple(range(len(points))))(*points))


def inside_another_recording(f, *points):
    """Take gradients with recorded sweeps: what second derivatives are made of."""

    def first(*points):
        return ag.grad(with_quiet_forward(f), tuple(range(len(points))))(*points)

    value, _ = ag.vjp(first, *points)
    return list(value)


def by_jvp(f, *points):
    """Take gradients of functions of one array forwards, entry by entry."""
    (x,) = points
    units = np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [ag.jvp(with_quiet_forward(f), (x,), (unit,))[1] for unit in units]
    return [np.reshape(slopes, x.shape)]


WAYS = [by_backward, by_grad, inside_another_recording]


def hessians(f, *points):
    """Return all second derivatives, each by reverse over reverse."""
    g = with_quiet_forward(f)
    return [ag.hessian(lambda x, i=i: g(*points[:i], x, *points[i + 1 :]))(points[i])
            for i in range(len(points))]  # fmt: skip


X = np.array([0.0, -1.0, 4.0])
# Each entry: a function, where, and the gradients. The second derivatives must not be NaN.
UNTAKEN = {
    "where sqrt": (lambda x: SUM(ag.where(x > 0, ag.sqrt(x), 0.0)), [X], [[0, 0, 0.25]]),
    "where sqrt, other branch": (
        lambda x: SUM(ag.where(x <= 0, 0.0, ag.sqrt(x))),
        [X],
        [[0, 0, 0.25]],
    ),
    "where power": (lambda x: SUM(ag.where(x > 0, x**0.5, 0.0)), [X], [[0, 0, 0.25]]),
    "where log": (lambda x: SUM(ag.where(x > 0, ag.log(x), 0.0)), [X], [[0, 0, 0.25]]),
    "where log1p": (lambda x: SUM(ag.where(x > -1, ag.log1p(x), 0.0)), [X], [[1, 0, 0.2]]),
    "where cbrt": (
        lambda x: SUM(ag.where(x > 0, ag.cbrt(x), 0.0)),
        [np.array([0.0, -1.0, 8.0])],
        [[0, 0, 1 / 12]],
    ),
    "where 1/x": (lambda x: SUM(ag.where(x == 0, 0.0, 1.0 / x)), [X], [[0, -1, -1 / 16]]),
    "where reciprocal": (
        lambda x: SUM(ag.where(x == 0, 0.0, ag.reciprocal(x))),
        [X],
        [[0, -1, -1 / 16]],
    ),
    "sinc": (
        lambda x: SUM(ag.where(x == 0, 1.0, ag.sin(x) / x)),
        [X],
        [[0, -(np.cos(1.0) - np.sin(1.0)), (4 * np.cos(4.0) - np.sin(4.0)) / 16]],
    ),
    "where exp": (
        lambda x: SUM(ag.where(x < 1, ag.exp(x), 0.0)),
        [np.array([0.0, 1000.0, -1000.0])],
        [[1, 0, 0]],
    ),
    "where sinh": (
        lambda x: SUM(ag.where(ag.abs(x) < 1, ag.sinh(x), 0.0)),
        [np.array([0.0, 1e4, -1e4])],
        [[1, 0, 0]],
    ),
    "where arcsin": (lambda x: SUM(ag.where(ag.abs(x) < 1, ag.arcsin(x), 0.0)), [X], [[1, 0, 0]]),
    "where arctanh": (
        lambda x: SUM(ag.where(ag.abs(x) < 1, ag.arctanh(x), 0.0)),
        [np.array([0.0, 1.0, -1.0])],
        [[1, 0, 0]],
    ),
    "where arccosh": (
        lambda x: SUM(ag.where(x > 1, ag.arccosh(x), 0.0)),
        [np.array([1.0, 0.5, 2.0])],
        [[0, 0, 1 / np.sqrt(3)]],
    ),
    "through a matrix": (
        lambda x: SUM(ag.where(x > 0, np.eye(3) @ ag.sqrt(x), 0.0)),
        [np.array([0.0, 1.0, 4.0])],
        [[0, 0.5, 0.25]],
    ),
    "through a layer": (
        lambda x: SUM(ag.where(x > 0, ag.linear(ag.sqrt(x), np.eye(3), ZERO), 0.0)),
        [np.array([0.0, 1.0, 4.0])],
        [[0, 0.5, 0.25]],
    ),
    "a maximum of an untaken root": (
        lambda x: SUM(ag.maximum(ag.sqrt(x), 1.0)),
        [np.array([0.0, 0.25, 4.0])],
        [[0, 0, 0.25]],
    ),
    "a factor zero": (lambda x: SUM(0.0 * ag.sqrt(x)), [ZERO], [ZERO]),
    "x log x": (
        lambda x: SUM(ag.where(x == 0, 0.0, x * ag.log(x))),
        [np.array([0.0, 1.0, 2.0])],
        [[0, 1, 1 + np.log(2.0)]],
    ),
}
NORMS = {
    "sqrt sum x x": lambda x: ag.sqrt(SUM(x * x)),
    "sqrt sum square": lambda x: ag.sqrt(SUM(ag.square(x))),
    "sqrt sum x**2": lambda x: ag.sqrt(SUM(x**2)),
    "sqrt sum |x|²": lambda x: ag.sqrt(SUM(ag.square(ag.abs(x)))),
    "sqrt of a product": lambda x: ag.sqrt(x @ x),
    "power one half": lambda x: SUM(x * x) ** 0.5,
    "rows": lambda x: SUM(ag.sqrt(SUM(ag.reshape(x, (3, 1)) ** 2, axis=1))),
    "mean": lambda x: ag.sqrt(ag.mean(x * x)),
    "std": ag.std,
}


@pytest.mark.parametrize("way", [*WAYS, by_jvp], ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", UNTAKEN)
def test_an_untaken_branch_has_gradient_zero(name, way):
    f, points, wanted = UNTAKEN[name]
    for grad, want in zip(way(f, *points), wanted, strict=True):
        np.testing.assert_allclose(grad, want, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", UNTAKEN)
def test_an_untaken_branch_has_no_nan_in_second_order(name):
    f, points, _ = UNTAKEN[name]
    for hessian in hessians(f, *points):
        assert not np.isnan(hessian).any()
        assert hessian.shape == (3, 3)


@pytest.mark.parametrize("way", [*WAYS, by_jvp], ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", NORMS)
def test_a_norm_at_zero_has_gradient_zero(name, kind, way):
    if way is not by_jvp:
        (grad,) = way(NORMS[name], np.zeros(3, kind))
        assert grad.dtype == kind
        np.testing.assert_array_equal(grad, ZERO)
    np.testing.assert_array_equal(way(NORMS[name], ZERO)[0], ZERO)


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_at_zero_has_no_nan_in_second_order(name):
    assert not np.isnan(hessians(NORMS[name], ZERO)[0]).any()
    assert not np.isnan(ag.hvp(NORMS[name], ZERO, np.ones(3))).any()


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_beside_zero_is_ordinary(name):
    x = np.array([0.0, 1e-3, -2.0])
    g = ag.grad(NORMS[name])(x)
    step = 1e-6
    for i, unit in enumerate(np.eye(3)):
        slope = (NORMS[name](x + step * unit) - NORMS[name](x - step * unit)) / (2 * step)
        np.testing.assert_allclose(g[i], slope, atol=2e-3 if name == "rows" and i < 1 else 1e-7)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_plain_root_keeps_its_infinite_derivative(way):
    for f in (ag.sqrt, ag.cbrt, lambda x: x**0.5, lambda x: ag.power(x, 0.5)):
        assert way(lambda x, f=f: SUM(f(x)), np.array([0.0, 1.0]))[0][0] == np.inf
    assert way(lambda x: SUM(ag.log(x)), np.array([0.0]))[0][0] == np.inf
    assert way(lambda x: SUM(ag.arcsin(x)), np.array([1.0]))[0][0] == np.inf


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_real_nan_is_not_hidden(way):
    x = np.array([np.nan, 1.0])
    for f in (lambda x: SUM(x * x), lambda x: SUM(ag.exp(x)), lambda x: ag.sqrt(SUM(x * x))):
        assert np.isnan(way(f, x)[0][0])
    assert way(lambda x: SUM(ag.sqrt(x)), np.array([-1.0]))[0] != 0.0


@pytest.mark.parametrize("name", [*UNTAKEN, *NORMS])
def test_no_sweep_warns(name):
    f, points = UNTAKEN[name][:2] if name in UNTAKEN else (NORMS[name], [ZERO])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_backward(f, *points)
        hessians(f, *points)
        ag.jvp(with_quiet_forward(f), points, [np.ones(3)])


def test_big_arrays_with_one_infinity():
    x = np.ones(10_000)
    x[17] = 0.0
    (grad,) = by_backward(lambda x: SUM(ag.where(x > 0, ag.sqrt(x), 0.0)), x)
    want = np.where(x > 0, 0.5, 0.0)
    np.testing.assert_array_equal(grad, want)


@ag.primitive(register=False)
def inverse(x):
    """The inverse of a matrix; its rule is written in plain NumPy."""
    return np.linalg.inv(x)


ag.defvjp(inverse, x=lambda ct, out: -np.asarray(np.linalg.multi_dot([out.T, ct, out.T])))


def test_a_rule_in_plain_numpy_survives_a_nan():
    m = np.array([[2.0, 1.0], [0.0, 4.0]])
    for factor, good in ((1.0, True), (np.nan, False)):
        (grad,) = by_backward(lambda x, factor=factor: SUM(inverse(x) * factor), m)
        assert np.isfinite(grad).all() == good


# --------------------------------------------------------------------------- conventions

TIES = np.array([2.0, 1.0, 2.0, 2.0])
KINKS = {
    "abs": (lambda x: SUM(ag.abs(x)), [ZERO], [ZERO]),
    "l1 norm": (lambda x: SUM(ag.abs(x - 1.0)), [np.ones(3)], [ZERO]),
    "relu": (lambda x: SUM(ag.relu(x)), [ZERO], [ZERO]),
    "leaky_relu": (lambda x: SUM(ag.leaky_relu(x, slope=0.1)), [ZERO], [ZERO + 0.1]),
    "elu": (lambda x: SUM(ag.elu(x)), [ZERO], [ZERO + 1.0]),
    "maximum with 0": (lambda x: SUM(ag.maximum(x, 0.0)), [ZERO], [ZERO + 0.5]),
    "maximum of two": (lambda x, y: SUM(ag.maximum(x, y)), [ZERO, ZERO], [ZERO + 0.5] * 2),
    "minimum of two": (lambda x, y: SUM(ag.minimum(x, y)), [ZERO, ZERO], [ZERO + 0.5] * 2),
    "max, ties": (ag.max, [TIES], [np.array([1, 0, 1, 1]) / 3]),
    "min, ties": (lambda x: ag.min(-x), [TIES], [np.array([-1, 0, -1, -1]) / 3]),
    "max along an axis, ties": (
        lambda x: SUM(ag.max(x, axis=1)),
        [np.array([[1.0, 1.0], [0.0, 2.0]])],
        [[[0.5, 0.5], [0, 1]]],
    ),
    "clip at its bounds": (
        lambda x: SUM(ag.clip(x, 0.0, 1.0)),
        [np.array([0.0, 1.0, 2.0])],
        [[1, 1, 0]],
    ),
    "hypot": (lambda x, y: SUM(ag.hypot(x, y)), [ZERO, ZERO], [ZERO, ZERO]),
    "arctan2": (lambda x, y: SUM(ag.arctan2(x, y)), [ZERO, ZERO], [ZERO, ZERO]),
    "0**0": (lambda x, y: SUM(ag.power(x, y)), [ZERO, ZERO], [ZERO, ZERO]),
    "0**2": (lambda x, y: SUM(ag.power(x, y)), [ZERO, ZERO + 2], [ZERO, ZERO]),
    "0**1": (lambda x, y: SUM(ag.power(x, y)), [ZERO, ZERO + 1], [ZERO + 1, ZERO]),
    "x**0 with a Python number": (lambda x: SUM(x**0), [ZERO], [ZERO]),
    "std of a constant": (ag.std, [np.ones(3)], [ZERO]),
    "std of constant columns": (
        lambda x: SUM(ag.std(x, axis=0)),
        [np.ones((3, 2))],
        [np.zeros((3, 2))],
    ),
    "sign": (lambda x: SUM(x * ag.sign(x)), [ZERO], [ZERO]),
}
LATER = {  # functions that may not be here yet; the convention is settled all the same
    "relu6": ([0.0, 6.0], [0.0, 0.0]),
    "hard_sigmoid": ([-3.0, 3.0], [0.0, 0.0]),
    "hard_tanh": ([-1.0, 1.0], [1.0, 1.0]),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", KINKS)
def test_the_convention_at_a_kink(name, way):
    f, points, wanted = KINKS[name]
    for grad, want in zip(way(f, *points), wanted, strict=True):
        np.testing.assert_array_equal(grad, want)


@pytest.mark.parametrize("name", KINKS)
def test_second_derivatives_at_a_kink_are_not_nan(name):
    f, points, _ = KINKS[name]
    for hessian in hessians(f, *points):
        assert not np.isnan(hessian).any()


@pytest.mark.parametrize("name", LATER)
def test_the_convention_at_a_kink_of_what_may_come(name):
    points, wanted = LATER[name]
    f = functional(name)
    if f is not None:
        grad = ag.grad(lambda x: SUM(f(x)))(np.array(points))
        np.testing.assert_array_equal(grad, wanted)


SATURATED = {
    "logsumexp, one -inf": (ag.logsumexp, [-np.inf, 0.0, 0.0], [0, 0.5, 0.5]),
    "logsumexp, large": (ag.logsumexp, [1000.0, 0.0, 1000.0], [0.5, 0, 0.5]),
    "log_softmax, one -inf": (lambda x: ag.log_softmax(x)[1], [-np.inf, 0.0, 0.0], [0, 0.5, -0.5]),
    "softmax, large": (lambda x: ag.softmax(x)[0], [1000.0, 0.0, -1000.0], [0, 0, 0]),
    "logaddexp, -inf": (
        lambda x: ag.logaddexp(x[0], x[1]) + 0 * x[2],
        [-np.inf, 0.0, 0.0],
        [0, 1, 0],
    ),
    "sigmoid": (lambda x: SUM(ag.sigmoid(x)), [-800.0, 0.0, 800.0], [0, 0.25, 0]),
    "softplus": (lambda x: SUM(ag.softplus(x)), [-800.0, 0.0, 800.0], [0, 0.5, 1]),
    "gelu": (lambda x: SUM(ag.gelu(x)), [-800.0, 0.0, 800.0], [0, 0.5, 1]),
    "silu": (lambda x: SUM(ag.silu(x)), [-800.0, 0.0, 800.0], [0, 0.5, 1]),
    "tanh": (lambda x: SUM(ag.tanh(x)), [-800.0, 0.0, 800.0], [0, 1, 0]),
    "elu": (lambda x: SUM(ag.elu(x)), [-800.0, -0.0, 800.0], [0, 1, 1]),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", SATURATED)
def test_far_tails(name, way):
    f, point, want = SATURATED[name]
    (grad,) = way(f, np.array(point))
    np.testing.assert_allclose(grad, want, rtol=1e-14, atol=1e-300)
    assert not np.isnan(hessians(f, np.array(point))[0]).any()


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "elu"])
def test_machine_code_multiplies_an_infinite_cotangent_with_a_slope_of_zero(name):
    """It leaves out the selection where the gradient is looked at, and only there."""
    activation = getattr(ag, name)

    def reverse(x, weight):
        return ag.grad(lambda x: SUM(activation(x) * weight))(x)

    def forward(x, tangent):
        return ag.jvp(activation, (x,), (tangent,))[1]

    for f in (reverse, forward):
        program = ag.compile(f)
        for shift in (0.0, 0.25, 0.5):
            program(np.array([1.0, 2.0, 3.0]) + shift, np.array([4.0, 5.0, 6.0]) + shift)
        assert program.programs
        with np.errstate(all="ignore"):
            found = program(np.array([-1000.0, 1.0, 2.0]), np.array([np.inf, 1.0, 1.0]))
        assert found[0] == 0.0 and np.isfinite(found[1:]).all()
