"""Initial weights: their distributions, with fixed seeds, and what is refused."""

import math

import numpy as np
import pytest

import autograd_core as ag
import nn
from nn import init

OUT, IN = 300, 500


def filled(fill, shape=(OUT, IN), **options):
    weight = nn.Parameter(np.zeros(shape), np.float64)
    assert fill(weight, rng=0, **options) is weight
    return weight.numpy()


UNIFORM = {
    "xavier_uniform_": (init.xavier_uniform_, {"gain": 2.0}, 2.0 * math.sqrt(6 / (IN + OUT))),
    "kaiming_uniform_": (
        init.kaiming_uniform_,
        {"nonlinearity": "relu"},
        math.sqrt(2) * math.sqrt(3 / IN),
    ),
    "kaiming_uniform_ leaky": (
        init.kaiming_uniform_,
        {"a": 0.5, "mode": "fan_out"},
        math.sqrt(2 / 1.25) * math.sqrt(3 / OUT),
    ),
    "lecun_uniform_": (init.lecun_uniform_, {}, math.sqrt(3 / IN)),
}
NORMAL = {
    "xavier_normal_": (init.xavier_normal_, {"gain": 2.0}, 2.0 * math.sqrt(2 / (IN + OUT))),
    "kaiming_normal_": (init.kaiming_normal_, {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(IN)),
    "lecun_normal_": (init.lecun_normal_, {}, 1 / math.sqrt(IN)),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_fills_have_their_bound_and_variance(name):
    fill, options, bound = UNIFORM[name]
    values = filled(fill, **options)
    assert np.abs(values).max() == pytest.approx(bound, rel=1e-4)
    assert np.abs(values).max() <= bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.01)
    assert values.mean() == pytest.approx(0.0, abs=0.01 * bound)


@pytest.mark.parametrize("name", NORMAL)
def test_normal_fills_have_their_variance(name):
    fill, options, std = NORMAL[name]
    values = filled(fill, **options) / std
    assert values.std() == pytest.approx(1.0, rel=0.01)
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert np.mean(values**4) == pytest.approx(3.0, rel=0.05)  # of a normal distribution


def test_later_axes_are_the_receptive_field():
    shape = (20, 30, 5, 5)
    values = filled(init.kaiming_normal_, shape, nonlinearity="linear")
    assert values.std() == pytest.approx(1 / math.sqrt(30 * 25), rel=0.02)
    values = filled(init.xavier_uniform_, shape)
    assert np.abs(values).max() == pytest.approx(math.sqrt(6 / (50 * 25)), rel=1e-3)


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def share(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.0, 1.25), (0.0, 1.0, 3.0, 9.0), (0.0, 0.02, -2.0, 2.0)],
)
def test_truncated_normal_has_the_moments_of_the_formula(mean, std, a, b):
    values = filled(init.trunc_normal_, mean=mean, std=std, a=a, b=b)
    assert a <= values.min() and values.max() <= b
    low, high = (a - mean) / std, (b - mean) / std
    mass = share(-low) - share(-high)  # by the upper tails, which keep their digits
    shift = (density(low) - density(high)) / mass
    spread = 1 + (low * density(low) - high * density(high)) / mass - shift**2
    error = std / math.sqrt(values.size)
    assert values.mean() == pytest.approx(mean + std * shift, abs=4 * error)
    assert values.var() == pytest.approx(std**2 * spread, rel=0.02)


def test_truncated_normal_is_cut_not_clipped():
    values = filled(init.trunc_normal_, a=-1.0, b=1.0)
    assert not np.any(np.abs(values) == 1.0)
    counts, _ = np.histogram(values, 10, (-1.0, 1.0))
    edges = np.linspace(-1.0, 1.0, 11)
    mass = np.diff([share(x) for x in edges]) / (share(1.0) - share(-1.0))
    np.testing.assert_allclose(counts / values.size, mass, rtol=0.03)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50), (12, 4, 5)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    values = filled(init.orthogonal_, shape, gain=3.0).reshape(shape[0], -1)
    smaller = values @ values.T if values.shape[0] <= values.shape[1] else values.T @ values
    np.testing.assert_allclose(smaller, 9.0 * np.eye(len(smaller)), atol=1e-13)


def test_orthogonal_is_uniform():
    """Without the correction of signs, the diagonal of a random 2×2 rotation has a mean."""
    rng = np.random.default_rng(0)
    weight = nn.Parameter(np.zeros((2, 2)), np.float64)
    found = np.array([init.orthogonal_(weight, rng=rng).numpy().copy() for _ in range(2000)])
    np.testing.assert_allclose(found.mean(0), np.zeros((2, 2)), atol=0.06)
    assert np.mean(np.linalg.det(found) > 0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.1, 30), (0.0, 0), (1.0, 300), (0.001, 1)])
def test_sparse_has_its_zeros_in_each_column(sparsity, zeros):
    values = filled(init.sparse_, sparsity=sparsity, std=0.5)
    np.testing.assert_array_equal((values == 0.0).sum(0), zeros)
    if zeros < OUT:
        assert values[values != 0.0].std() == pytest.approx(0.5, rel=0.01)
    if 0 < zeros < OUT:
        assert (values == 0.0).any(1).sum() > 0.7 * min(OUT, IN * zeros)


def test_constants():
    weight = nn.Parameter(np.full((2, 3), 7.0))
    np.testing.assert_array_equal(init.ones_(weight).numpy(), np.ones((2, 3)))
    np.testing.assert_array_equal(init.eye_(weight).numpy(), np.eye(2, 3))
    np.testing.assert_array_equal(init.constant_(weight, 0.5).numpy(), np.full((2, 3), 0.5))
    np.testing.assert_array_equal(init.zeros_(weight).numpy(), np.zeros((2, 3)))
    assert weight.dtype == np.float32 and weight.requires_grad


RANDOM = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.lecun_uniform_,
    init.lecun_normal_,
    init.orthogonal_,
    lambda weight, rng: init.sparse_(weight, 0.5, rng=rng),
]


@pytest.mark.parametrize("fill", RANDOM)
def test_the_generator_alone_decides(fill):
    one, two, other = (nn.Parameter(np.zeros((4, 5))) for _ in range(3))
    fill(one, rng=3)
    fill(two, rng=np.random.default_rng(3))
    fill(other, rng=4)
    np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert not np.array_equal(one.numpy(), other.numpy())
    with pytest.raises(TypeError):
        fill(one)


@pytest.mark.parametrize("name", ["relu", "gelu", "silu"])
def test_gains_keep_the_second_moment(name):
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    moment = np.sum(weights * np.square(getattr(ag, name)(nodes))) / weights.sum()
    assert init.calculate_gain(name) == pytest.approx(1 / math.sqrt(moment), rel=1e-5)


def test_gains_are_pytorchs():
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    assert {name: init.calculate_gain(name) for name in gains} == gains
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / (1 + 0.2**2))


def test_signals_keep_their_size_through_a_deep_network():
    """The reason for all of this: He's weights carry a signal through forty rectifiers."""
    x = np.random.default_rng(0).normal(size=(200, 256))
    rng = np.random.default_rng(1)
    for _ in range(40):
        weight = nn.Parameter(np.zeros((256, 256)), np.float64)
        x = np.maximum(x @ init.kaiming_normal_(weight, nonlinearity="relu", rng=rng).numpy().T, 0)
    assert 0.02 < np.mean(x**2) < 50.0  # without the gain it would be 1e-12


MATRIX, VECTOR = (nn.Parameter(np.ones(shape)) for shape in ((2, 3), (3,)))


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: init.normal_(MATRIX, std=-1.0, rng=0), ag.ShapeError, "std >= 0, but got -1.0"),
        (lambda: init.uniform_(MATRIX, 2.0, 1.0, rng=0), ag.ShapeError, "but got 2.0 and 1.0"),
        (lambda: init.trunc_normal_(MATRIX, a=1.0, b=1.0, rng=0), ag.ShapeError, "a < b"),
        (lambda: init.trunc_normal_(MATRIX, std=0.0, rng=0), ag.ShapeError, "std > 0"),
        (lambda: init.sparse_(MATRIX, 1.5, rng=0), ag.ShapeError, "sparsity <= 1, but got 1.5"),
        (lambda: init.sparse_(MATRIX, 0.5, -1.0, rng=0), ag.ShapeError, "std >= 0"),
        (lambda: init.sparse_(VECTOR, 0.5, rng=0), ag.ShapeError, "two axes, but got (3,)"),
        (lambda: init.eye_(VECTOR), ag.ShapeError, "eye_: a weight with two axes"),
        (lambda: init.orthogonal_(VECTOR, rng=0), ag.ShapeError, "at least two axes"),
        (lambda: init.lecun_normal_(VECTOR, rng=0), ag.ShapeError, "at least two axes"),
        (
            lambda: init.xavier_normal_(nn.Parameter(np.ones((0, 3))), rng=0),
            ag.ShapeError,
            "but got (0, 3)",
        ),
        (lambda: init.kaiming_normal_(MATRIX, mode="in", rng=0), ag.UnknownNameError, "'in'"),
        (lambda: init.ones_(np.ones(2)), ag.DTypeError, "a tensor to fill, but got ndarray"),
        (lambda: init.normal_(MATRIX, rng="seed"), ag.DTypeError, "a seed or None"),
        (lambda: init.ones_(MATRIX * 2.0), ag.GraphError, "a leaf or a constant"),
    ],
)
def test_messages(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    assert words in str(caught.value)
    assert "but got" in str(caught.value)
    np.testing.assert_array_equal(MATRIX.numpy(), np.ones((2, 3)))
