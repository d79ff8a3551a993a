"""Penalties and constraints: the lecture's formulas, the steps they stand for, the messages."""

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim


def network(dtype=np.float64):
    return nn.MLP([3, 4, 2], "tanh", rng=0, dtype=dtype)


def weights(model):
    return [p for p in model.parameters() if p.ndim > 1]


def state(model):
    return {name: array.copy() for name, array in model.state_dict().items()}


def excess(w):
    """Return W Wᵀ - I for fewer rows than columns; else Wᵀ W - I."""
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    return gram - np.eye(len(gram))


FORMULAS = {  # penalty, and gradient with respect to each weight
    "L1": (nn.L1(0.1), lambda w: 0.1 * np.abs(w).sum(), lambda w: 0.1 * np.sign(w)),
    "L2": (nn.L2(0.1), lambda w: 0.1 * (w**2).sum(), lambda w: 2 * 0.1 * w),
    "ElasticNet": (
        nn.ElasticNet(0.1, 0.3),
        lambda w: 0.1 * np.abs(w).sum() + 0.3 * (w**2).sum(),
        lambda w: 0.1 * np.sign(w) + 2 * 0.3 * w,
    ),
    "Orthogonal": (
        nn.Orthogonal(0.1),
        lambda w: 0.1 * (excess(w) ** 2).sum(),
        lambda w: 4 * 0.1 * (excess(w) @ w if w.shape[0] <= w.shape[1] else w @ excess(w)),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_penalty_and_gradient_are_the_formula(name):
    regularizer, penalty, gradient = FORMULAS[name]
    model = network()
    found = regularizer(model)
    assert found.item() == pytest.approx(sum(penalty(w.numpy()) for w in weights(model)))
    found.backward()
    for p in model.parameters():
        if p.ndim > 1:
            np.testing.assert_allclose(p.grad, gradient(p.numpy()), rtol=1e-12, atol=1e-14)
        else:
            assert p.grad is None


@pytest.mark.parametrize("name", FORMULAS)
def test_penalties_keep_float32(name):
    model = network(np.float32)
    penalty = FORMULAS[name][0](model)
    assert penalty.dtype == np.float32
    penalty.backward()
    FORMULAS[name][0].decay(model, 0.01)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_orthogonal_vanishes_exactly_on_orthogonal_matrices():
    for shape in ((3, 5), (5, 3), (4, 2, 2)):
        layer = nn.Module()
        layer.weight = nn.Parameter(np.zeros(shape), np.float64)
        nn.init.orthogonal_(layer.weight, rng=0)
        assert nn.Orthogonal(1.0)(layer).item() == pytest.approx(0.0, abs=1e-28)
        nn.init.constant_(layer.weight, 0.0)
        assert nn.Orthogonal(1.0)(layer).item() == min(shape[0], int(np.prod(shape[1:])))


# -------------------------------------------------------------------- which parameters


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (None, ["0.weight", "2.weight"]),
        ("*.bias", ["0.bias", "2.bias"]),
        (["0.*", "2.bias"], ["0.weight", "0.bias", "2.bias"]),
        (lambda name, parameter: parameter.size == 8, ["2.weight"]),
    ],
)
def test_parameters_are_chosen_by_kind_name_or_function(chosen, names):
    model = network()
    nn.init.constant_(model[0].bias, 0.5)
    nn.init.constant_(model[2].bias, -0.25)
    before = state(model)
    want = sum((before[name] ** 2).sum() for name in names)
    assert nn.L2(1.0, chosen)(model).item() == pytest.approx(want)
    nn.L2(0.5, chosen).decay(model, 0.1)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, before[name] * (0.9 if name in names else 1.0))


# ------------------------------------------------------------------------ decay as a step


def test_decay_of_l2_is_the_lectures_weight_decay():
    """θ ← (1 - 2 α λ) θ."""
    model = network()
    before = state(model)
    nn.L2(0.3).decay(model, 0.1)
    for name, array in model.state_dict().items():
        factor = 1 - 2 * 0.1 * 0.3 if name.endswith("weight") else 1.0
        np.testing.assert_allclose(array, factor * before[name], rtol=1e-15)


def test_under_gradient_descent_decay_and_penalty_are_the_same():
    """θ - α ∇(L + λ‖θ‖²) = (1 - 2αλ) θ - α ∇L; with momentum they part."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))

    def trained(decay, **options):
        model, penalty = network(), nn.L2(0.05)
        optimizer = optim.SGD(model.parameters(), lr=0.1, **options)
        for _ in range(5):
            loss = nn.MSELoss()(model(x), y)
            optimizer.zero_grad()
            (loss if decay else loss + penalty(model)).backward()
            if decay:
                penalty.decay(model, 0.1)
            optimizer.step()
        return np.concatenate([p.numpy().ravel() for p in model.parameters()])

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-12)
    apart = np.abs(trained(True, momentum=0.9) - trained(False, momentum=0.9)).max()
    assert apart > 1e-3


def minimum(penalty, v, lr, grid):
    """Return the minimizer of lr·penalty(θ) + ½ (θ - v)² on a grid: the proximal operator."""
    return grid[np.argmin(lr * penalty(grid) + 0.5 * (grid - v[:, None]) ** 2, axis=1)]


def test_decay_of_l1_is_the_proximal_operator():
    v = np.random.default_rng(0).uniform(-1.0, 1.0, 50)
    layer = nn.Module()
    layer.weight = nn.Parameter(v.reshape(5, 10), np.float64)
    nn.L1(2.0).decay(layer, 0.1)
    found = layer.weight.numpy().ravel()
    want = minimum(lambda t: 2.0 * np.abs(t), v, 0.1, np.linspace(-1.0, 1.0, 20001))
    np.testing.assert_allclose(found, want, atol=1e-4)
    np.testing.assert_array_equal(found == 0.0, np.abs(v) <= 0.2)
    np.testing.assert_allclose(found, np.sign(v) * np.maximum(np.abs(v) - 0.2, 0.0))


def test_decay_of_the_elastic_net_shrinks_then_thresholds():
    model = network()
    before = state(model)
    nn.ElasticNet(0.5, 0.3).decay(model, 0.1)
    for name in ("0.weight", "2.weight"):
        shrunk = (1 - 2 * 0.1 * 0.3) * before[name]
        want = np.sign(shrunk) * np.maximum(np.abs(shrunk) - 0.1 * 0.5, 0.0)
        np.testing.assert_allclose(model.state_dict()[name], want, rtol=1e-14)


def test_decay_of_orthogonal_is_a_step_against_its_gradient():
    model = network()
    before = state(model)
    nn.Orthogonal(0.2).decay(model, 0.1)
    for name in ("0.weight", "2.weight"):
        w = before[name]
        gradient = 4 * (excess(w) @ w if w.shape[0] <= w.shape[1] else w @ excess(w))
        np.testing.assert_allclose(model.state_dict()[name], w - 0.1 * 0.2 * gradient, rtol=1e-12)


STEPS = [
    lambda model: nn.L2(0.1).decay(model, 0.1),
    lambda model: nn.L1(0.1).decay(model, 0.1),
    nn.MaxNorm(0.1),
    nn.UnitNorm(),
    nn.NonNegative(),
]


@pytest.mark.parametrize("step", STEPS)
def test_frozen_parameters_stay(step):
    model = network()
    model[0].requires_grad_(False)
    before = state(model)
    step(model)
    np.testing.assert_array_equal(model[0].weight.numpy(), before["0.weight"])
    assert not np.array_equal(model[2].weight.numpy(), before["2.weight"])


@pytest.mark.parametrize("step", STEPS)
def test_what_was_recorded_before_a_step_refuses_to_be_swept(step):
    model = network()
    loss = ag.sum(model(np.ones((2, 3))))
    step(model)
    with pytest.raises(ag.MutationError, match="overwritten"):
        loss.backward()


# ------------------------------------------------------------------------- constraints


def test_max_norm_scales_long_rows_alone():
    layer = nn.Linear(2, 3, rng=0, dtype=np.float64)
    layer.weight.assign([[3.0, 4.0], [0.3, 0.4], [1e200, 0.0]])
    bias = layer.bias.numpy().copy()
    nn.MaxNorm(1.0)(layer)
    np.testing.assert_allclose(layer.weight.numpy(), [[0.6, 0.8], [0.3, 0.4], [1.0, 0.0]])
    np.testing.assert_array_equal(layer.weight.numpy()[1], [0.3, 0.4])
    np.testing.assert_array_equal(layer.bias.numpy(), bias)
    layer.weight.assign([[3.0, 0.0], [4.0, 1.0], [0.0, 0.0]])
    nn.MaxNorm(2.5, axis=0)(layer)
    np.testing.assert_allclose(layer.weight.numpy(), [[1.5, 0.0], [2.0, 1.0], [0.0, 0.0]])
    nn.MaxNorm(1.0, axis=(0, 1))(layer)
    assert np.linalg.norm(layer.weight.numpy()) == pytest.approx(1.0)


def test_unit_norm_and_non_negative():
    layer = nn.Linear(2, 3, rng=0)
    layer.weight.assign([[3.0, -4.0], [0.0, 0.0], [1e-30, 0.0]])
    nn.UnitNorm()(layer)
    np.testing.assert_allclose(layer.weight.numpy(), [[0.6, -0.8], [0, 0], [1, 0]], rtol=1e-6)
    nn.NonNegative()(layer)
    np.testing.assert_allclose(layer.weight.numpy(), [[0.6, 0.0], [0, 0], [1, 0]], rtol=1e-6)
    layer.bias.assign([-1.0, 0.0, 1.0])
    nn.NonNegative("bias")(layer)
    np.testing.assert_array_equal(layer.bias.numpy(), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("constraint", [nn.MaxNorm(0.5), nn.UnitNorm(), nn.NonNegative()])
def test_a_projection_twice_is_a_projection(constraint):
    model = network()
    constraint(model)
    once = state(model)
    constraint(model)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, once[name], rtol=1e-15)


def test_constraints_in_a_training():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    model, constraint = network(), nn.MaxNorm(0.7)
    optim.fit(
        model,
        nn.MSELoss(),
        (x, y),
        optim.SGD(model.parameters(), lr=0.1),
        epochs=3,
        regularizer=nn.ElasticNet(1e-3, 1e-3),
        callbacks=[lambda row: constraint(model)],
        progress=False,
    )
    for weight in weights(model):
        assert np.linalg.norm(weight.numpy(), axis=1).max() <= 0.7 + 1e-12


# ------------------------------------------------------------------------------ messages


def test_representations():
    shown = [repr(nn.ElasticNet(0.1, 0.2)), repr(nn.Orthogonal(0.1)), repr(nn.MaxNorm(3.0))]
    assert shown == ["ElasticNet(l1=0.1, l2=0.2)", "Orthogonal(0.1)", "MaxNorm(3.0, axis=-1)"]
    assert repr(nn.UnitNorm()) == "UnitNorm(axis=-1)" and repr(nn.NonNegative()) == "NonNegative()"


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda m: nn.ElasticNet(-0.1, 0.0), ag.ShapeError, "factor l1 >= 0, but got -0.1"),
        (lambda m: nn.ElasticNet(0.1, np.nan), ag.ShapeError, "factor l2 >= 0, but got nan"),
        (lambda m: nn.Orthogonal(np.inf), ag.ShapeError, "lam >= 0, but got inf"),
        (lambda m: nn.L2(0.1, chosen=[3]), ag.DTypeError, "patterns or a function"),
        (lambda m: nn.L2(0.1, chosen="weight")(m), ag.GraphError, "at least one parameter"),
        (lambda m: nn.L2(0.1, chosen="weight").decay(m, 0.1), ag.GraphError, "at least one"),
        (lambda m: nn.L1(0.1).decay(m, -0.1), ag.ShapeError, "factor lr >= 0, but got -0.1"),
        (lambda m: nn.L2(3.0).decay(m, 0.5), ag.ShapeError, "2 lr lam <= 1, but got 3.0"),
        (lambda m: nn.Orthogonal(0.1, "*")(m), ag.ShapeError, "at least two axes, but got (4,)"),
        (lambda m: nn.MaxNorm(0.0), ag.ShapeError, "max_value > 0, but got 0.0"),
        (lambda m: nn.MaxNorm(1.0, 2)(m), ag.ShapeError, "an axis 2, but got shape (4, 3)"),
        (lambda m: nn.NonNegative("no")(m), ag.GraphError, "NonNegative: at least one parameter"),
    ],
)
def test_messages(mistake, error, words):
    model = network()
    before = state(model)
    with pytest.raises(error) as caught:
        mistake(model)
    assert words in str(caught.value)
    assert "but got" in str(caught.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
