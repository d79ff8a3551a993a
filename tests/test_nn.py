"""Layers and losses: one set of laws for all of them, the lecture's formulas, and the messages."""

import copy
import pickle

import numpy as np
import pytest

import autograd_core as ag
import nn
from nn.activations import ACTIVATIONS


def subclasses(kind):
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in subclasses(child))]


MODULES = [
    module
    for module in subclasses(nn.Module)
    if module.__name__ in nn.__all__ and hasattr(module, "examples")
]
CASES = [
    pytest.param(module, i, id=f"{module.__name__}-{i}")
    for module in MODULES
    for i, _ in enumerate(module.examples(np.random.default_rng(0)))
]


def case(module, i):
    return list(module.examples(np.random.default_rng(0)))[i]


def floats(inputs):
    return [x for x in inputs if np.asarray(x).dtype.kind == "f"]


def directional(f, arrays, directions, step=1e-5):
    plus = f(*[a + step * d for a, d in zip(arrays, directions, strict=True)])
    minus = f(*[a - step * d for a, d in zip(arrays, directions, strict=True)])
    return (plus - minus) / (2 * step)


def test_every_public_module_has_examples():
    abstract = {"Module", "ModuleDict", "ModuleList", "Loss"}
    exported = {getattr(nn, name) for name in nn.__all__}
    modules = {m for m in exported if isinstance(m, type) and issubclass(m, nn.Module)}
    assert {m.__name__ for m in modules if m not in MODULES} <= abstract


@pytest.mark.parametrize(("kind", "i"), CASES)
def test_gradients_through_inputs_and_parameters(kind, i):
    module, inputs = case(kind, i)
    rng = np.random.default_rng(1)
    parameters = list(module.parameters())
    start = [p.numpy().copy() for p in parameters]
    weights = rng.normal(size=np.shape(module(*inputs)))
    count = len(floats(inputs))
    arrays = [*floats(inputs), *start]
    directions = [rng.normal(size=np.shape(a)) for a in arrays]

    def scalar(*values):
        for p, value in zip(parameters, values[count:], strict=True):
            p.assign(value)
        given = iter(values[:count])
        full = [next(given) if np.asarray(x).dtype.kind == "f" else x for x in inputs]
        out = module(*full)
        return float(np.sum(weights * getattr(out, "_value", out)))

    expected = directional(scalar, arrays, directions)
    scalar(*arrays)
    leaves = [ag.tensor(x, requires_grad=True) for x in floats(inputs)]
    given = iter(leaves)
    full = [next(given) if np.asarray(x).dtype.kind == "f" else x for x in inputs]
    ag.sum(weights * module(*full)).backward()
    grads = [leaf.grad for leaf in leaves] + [p.grad for p in parameters]
    found = sum(float(np.sum(g * d)) for g, d in zip(grads, directions, strict=True))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("kind", "i"), CASES)
def test_state_makes_the_round_trip(kind, i):
    module, inputs = case(kind, i)
    other = copy.deepcopy(module)
    for p in other.parameters():
        p.assign(np.zeros(p.shape))
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(np.asarray(value(module, inputs)), value(other, inputs))
    again = pickle.loads(pickle.dumps(module))
    np.testing.assert_array_equal(value(module, inputs), value(again, inputs))


def value(module, inputs):
    with ag.no_grad():
        out = module(*inputs)
    return getattr(out, "_value", out)


@pytest.mark.parametrize(("kind", "i"), CASES)
def test_train_and_eval_switch_every_part(kind, i):
    module, _ = case(kind, i)
    assert all(part.training for part in module.train().modules())
    assert not any(part.training for part in module.eval().modules())


def test_parameters_are_float32_and_results_too():
    model = nn.MLP([3, 4, 2], rng=0)
    out = model(np.ones((5, 3)))
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert out.dtype == np.float32
    ag.sum(out).backward()
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_integer_and_float64_inputs_are_cast():
    layer = nn.Linear(2, 1, rng=0)
    for x in (np.array([[1, 2]]), np.array([[1.0, 2.0]]), np.array([[True, True]])):
        assert layer(x).dtype == np.float32


def test_astype_keeps_the_parameters_themselves():
    model = nn.MLP([3, 4, 2], rng=0)
    before = list(model.parameters())
    after = list(model.astype(np.float64).parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert {p.dtype for p in after} == {np.dtype(np.float64)}
    ag.sum(model(np.ones((1, 3)))).backward()
    assert after[0].grad.dtype == np.float64


def test_astype_between_forward_and_backward_is_refused():
    model = nn.MLP([3, 2], rng=0)
    loss = ag.sum(model(np.ones((1, 3))))
    model.astype(np.float64)
    with pytest.raises(ag.GraphError, match="leaf"):
        loss.backward()


def test_representation_counts_parameters():
    text = repr(nn.MLP([64, 32, 10], dropout=0.1, rng=0))
    assert "0: Linear(64, 32)  # 2,080 parameters" in text
    assert text.endswith(")  # 2,410 parameters")
    assert "Dropout(p=0.1)" in text


def test_names_of_nested_and_shared_parameters():
    class Tied(nn.Module):
        def __init__(self):
            self.a = nn.Linear(2, 2, rng=0)
            self.parts = [self.a, nn.Linear(2, 1, rng=1)]
            self.scale = nn.Parameter([1.0])
            self.offset = ag.tensor([0.5])

    tied = Tied()
    names = ["scale", "a.weight", "a.bias", "parts.1.weight", "parts.1.bias"]
    assert [name for name, _ in tied.named_parameters()] == names
    assert "offset" in tied.state_dict()


def test_same_seed_same_weights_and_masks():
    a, b = (nn.MLP([4, 8, 2], dropout=0.5, rng=3) for _ in range(2))
    x = np.ones((6, 4))
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


def test_kaiming_and_xavier_bounds():
    weight = nn.Parameter(np.zeros((200, 100)), np.float64)
    nn.init.kaiming_uniform_(weight, nonlinearity="relu", rng=0)
    assert np.abs(weight.numpy()).max() == pytest.approx(np.sqrt(6 / 100), rel=1e-3)
    nn.init.xavier_uniform_(weight, rng=0)
    assert np.abs(weight.numpy()).max() == pytest.approx(np.sqrt(6 / 300), rel=1e-3)
    nn.init.kaiming_normal_(weight, nonlinearity="relu", mode="fan_out", rng=0)
    assert weight.numpy().std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    nn.init.xavier_normal_(weight, rng=0)
    assert weight.numpy().std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)


def test_dropout_keeps_the_mean_and_scales():
    x = np.ones((200, 100))
    out = nn.Dropout(0.3, rng=0)(x)
    assert set(np.unique(out.numpy()).round(12)) == {0.0, round(1 / 0.7, 12)}
    assert out.numpy().mean() == pytest.approx(1.0, abs=0.01)
    assert nn.Dropout(0.3, rng=0).eval()(x) is x


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_name_in_the_dtype_of_the_model(name):
    model = nn.MLP([3, 4, 2], activation=name, rng=0, dtype=np.float64)
    assert model(np.ones((5, 3))).dtype == np.float64
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)}


def test_activations_say_their_options():
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(nn.Hardtanh(-2.0)) == "Hardtanh(min_val=-2.0, max_val=1.0)"
    assert repr(nn.Mish()) == "Mish()"
    assert repr(nn.Threshold(0.1, 20.0)) == "Threshold(threshold=0.1, value=20.0)"
    assert repr(nn.PReLU(3)) == "PReLU(num_parameters=3)  # 3 parameters"


def test_prelu_has_a_weight_per_channel():
    layer = nn.PReLU(2)
    layer.weight.assign([0.5, -1.0])
    x = np.full((1, 2, 3), -2.0)
    np.testing.assert_array_equal(layer(x).numpy(), [[[-1.0] * 3, [2.0] * 3]])
    ag.sum(layer(x)).backward()
    np.testing.assert_array_equal(layer.weight.grad, [-6.0, -6.0])
    assert nn.PReLU()(np.float64(-2.0)).shape == ()


def test_softplus_with_beta_is_sharper_and_never_cut_off():
    x = np.array([-3.0, 0.0, 0.5, 40.0])
    want = np.log1p(np.exp(2.5 * x)) / 2.5
    np.testing.assert_allclose(nn.Softplus(2.5)(x), want, rtol=1e-14)


# ------------------------------------------------------------------- the lecture's formulas


def test_squared_error_of_the_3_3_2_network():
    """W₂ᵀ(2 (f - y) / N) and its siblings, written out as matrices."""
    x = np.array([[1.0, 2.0, -1.0], [0.5, -1.5, 2.0], [-1.0, 0.25, 0.75], [2.0, 1.0, 0.5]])
    y = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [-1.0, 2.0]])
    model = nn.MLP([3, 3, 2], rng=0, dtype=np.float64)
    first, _, last = model
    nn.MSELoss(reduction="batchmean")(model(x), y).backward()
    a = x @ first.weight.numpy().T + first.bias.numpy()
    h = np.maximum(a, 0)
    e = 2 / 4 * (h @ last.weight.numpy().T + last.bias.numpy() - y)
    d = (e @ last.weight.numpy()) * (a > 0)
    np.testing.assert_allclose(last.weight.grad, e.T @ h, rtol=1e-13)
    np.testing.assert_allclose(last.bias.grad, e.sum(0), rtol=1e-13)
    np.testing.assert_allclose(first.weight.grad, d.T @ x, rtol=1e-13)
    np.testing.assert_allclose(first.bias.grad, d.sum(0), rtol=1e-13)


def test_binary_cross_entropy_has_gradient_p_minus_y():
    z = ag.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = np.array([0.0, 1.0, 1.0])
    nn.BCEWithLogitsLoss(reduction="sum")(z, y).backward()
    np.testing.assert_allclose(z.grad, 1 / (1 + np.exp(-z.numpy())) - y, rtol=1e-14)


def test_softmax_cross_entropy_has_gradient_p_minus_y():
    z = ag.tensor([[1.0, 2.0, 0.5], [0.1, -1.0, 0.0]], requires_grad=True)
    nn.CrossEntropyLoss(reduction="sum")(z, [2, 0]).backward()
    p = np.exp(z.numpy()) / np.exp(z.numpy()).sum(1, keepdims=True)
    np.testing.assert_allclose(z.grad, p - np.eye(3)[[2, 0]], rtol=1e-13)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_cross_entropies_are_stable_for_huge_logits(sign):
    z = ag.tensor([[sign * 1000.0, 0.0]], requires_grad=True)
    loss = nn.CrossEntropyLoss()(z, [1])
    loss.backward()
    assert loss.item() == max(sign * 1000.0, 0.0)
    np.testing.assert_array_equal(z.grad, [[1.0, -1.0]] if sign > 0 else [[0.0, 0.0]])
    b = ag.tensor(sign * 1000.0, requires_grad=True)
    loss = nn.BCEWithLogitsLoss()(b, np.array(0.0))
    loss.backward()
    assert loss.item() == max(sign * 1000.0, 0.0)
    assert b.grad == (sign > 0)


def test_label_smoothing_is_the_mixture_with_the_uniform_distribution():
    z = np.array([[1.0, 2.0, 0.5]])
    smoothed = (1 - 0.1) * np.eye(3)[[1]] + 0.1 / 3
    by_label = nn.CrossEntropyLoss(label_smoothing=0.1)(z, [1])
    by_probability = nn.CrossEntropyLoss()(z, smoothed)
    assert float(by_label) == pytest.approx(float(by_probability), rel=1e-14)


def test_penalties_are_the_lectures():
    model = nn.MLP([3, 4, 2], rng=0, dtype=np.float64)
    weights = np.concatenate([p.numpy().ravel() for p in model.parameters() if p.ndim > 1])
    assert nn.L1(0.1)(model).item() == pytest.approx(0.1 * np.abs(weights).sum())
    penalty = nn.L2(0.1)(model)
    assert penalty.item() == pytest.approx(0.1 * (weights**2).sum())
    penalty.backward()
    first = next(model.parameters())
    np.testing.assert_allclose(first.grad, 2 * 0.1 * first.numpy())
    everything = nn.L2(1.0, chosen=lambda name, p: True)(model).item()
    assert everything == pytest.approx(sum((p.numpy() ** 2).sum() for p in model.parameters()))


def test_custom_model_with_control_flow():
    class Halving(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, rng=0)

        def forward(self, x, times):
            for _ in range(times):
                x = ag.tanh(self.layer(x)) if float(ag.sum(x)) > 0 else -x
            return x

    model = Halving()
    ag.sum(model(np.ones((1, 2)), 3)).backward()
    assert all(p.grad is not None for p in model.parameters())


# ------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (
            lambda: nn.MLP([4, 3, 2], rng=0)(np.ones((5, 7))),
            ag.ShapeError,
            "(..., 4), but got (5, 7)",
        ),
        (
            lambda: nn.MLP([4, 3, 2], activation="rellu"),
            ag.UnknownNameError,
            "Did you mean 'relu'",
        ),
        (lambda: nn.MLP([4]), ag.ShapeError, "two or more widths, but got [4]"),
        (lambda: nn.Linear(0, 2), ag.ShapeError, "positive integers as widths, but got 0 and 2"),
        (lambda: nn.Linear(2.5, 2), ag.ShapeError, "positive integers"),
        (lambda: nn.Dropout(1.0), ag.ShapeError, "0 <= p < 1, but got 1.0"),
        (lambda: nn.CELU(0.0), ag.ShapeError, "CELU: alpha > 0, but got 0.0"),
        (lambda: nn.Hardtanh(1.0, 1.0), ag.ShapeError, "min_val < max_val, but got 1.0 and 1.0"),
        (lambda: nn.Softshrink(-1.0), ag.ShapeError, "lambd >= 0, but got -1.0"),
        (lambda: nn.Softplus(beta=0.0), ag.ShapeError, "beta > 0, but got 0.0"),
        (lambda: nn.GELU("erf"), ag.UnknownNameError, "one of none, tanh, but got 'erf'"),
        (lambda: nn.functional.gelu(1.0, "erf"), ag.UnknownNameError, "none, tanh, but got"),
        (lambda: nn.PReLU(0), ag.ShapeError, "positive number of parameters, but got 0"),
        (lambda: nn.PReLU(3)(np.ones((2, 4))), ag.ShapeError, "(N, 3, ...), but got (2, 4)"),
        (lambda: nn.PReLU(3)(np.ones(3)), ag.ShapeError, "(N, 3, ...), but got (3,)"),
        (lambda: nn.GLU()(np.ones((2, 3))), ag.ShapeError, "along axis -1, but got shape (2, 3)"),
        (lambda: nn.GLU(2)(np.ones((2, 4))), ag.ShapeError, "along axis 2, but got shape (2, 4)"),
        (lambda: ag.hard_tanh(1.0, 2.0, 0.0), ag.ShapeError, "<= max_val, but got 2.0 and 0.0"),
        (lambda: ag.celu(ag.tensor([1.0]), alpha=-1.0), ag.ShapeError, "celu: alpha > 0"),
        (lambda: ag.softshrink(np.ones(2), lambd=-1.0), ag.ShapeError, "softshrink: lambd >= 0"),
        (lambda: nn.MSELoss("average"), ag.UnknownNameError, "but got 'average'"),
        (lambda: nn.MSELoss()(np.ones(3), np.ones((3, 1))), ag.ShapeError, "(3,), but got (3, 1)"),
        (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 3]), ag.ShapeError, "0 to 2"),
        (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, -1]), ag.ShapeError, "but got -1"),
        (
            lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 1, 2]),
            ag.ShapeError,
            "integer labels",
        ),
        (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0.0, 1.0]), ag.DTypeError, "float64"),
        (
            lambda: nn.CrossEntropyLoss(weight=[1.0])(np.ones((2, 3)), [0, 1]),
            ag.ShapeError,
            "3 class",
        ),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2.0), ag.ShapeError, "but got 2.0"),
        (lambda: nn.L2(-1.0), ag.ShapeError, "lam >= 0, but got -1.0"),
        (lambda: nn.L2(1.0)(nn.ReLU()), ag.GraphError, "at least one parameter"),
        (lambda: nn.Linear(2, 2)(np.array([["a", "b"]])), ag.DTypeError, "real numbers"),
        (lambda: nn.Linear(2, 2)(np.ones((1, 2), complex)), ag.DTypeError, "complex128"),
        (lambda: nn.Linear(2, 2, rng="seed"), ag.DTypeError, "numpy Generator, a seed or None"),
        (lambda: nn.MLP([2, 2]).astype(int), ag.DTypeError, "floating dtype"),
        (lambda: nn.Sequential([nn.ReLU()]), ag.DTypeError, "not a list"),
        (lambda: nn.Module()(1.0), NotImplementedError, "Define forward(self, x)"),
        (lambda: nn.init.kaiming_uniform_(nn.Parameter([1.0]), rng=0), ag.ShapeError, "two axes"),
        (lambda: nn.init.calculate_gain("relo"), ag.UnknownNameError, "'relo'"),
    ],
)
def test_messages(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    assert words in str(caught.value)
    assert "but got" in str(caught.value)


def test_a_failed_load_changes_nothing():
    model = nn.MLP([3, 4, 2], rng=0)
    before = model.state_dict()
    state = nn.MLP([3, 4, 2], rng=1).state_dict()
    for spoilt, words in (
        ({k: v for k, v in state.items() if k != "0.bias"}, "missing ['0.bias']"),
        (state | {"extra": np.ones(1)}, "unknown ['extra']"),
        (state | {"2.weight": np.ones((2, 5))}, "2.weight of shape (2, 5) for (2, 4)"),
    ):
        with pytest.raises(ValueError, match="load_state_dict") as caught:
            model.load_state_dict(spoilt)
        assert words in str(caught.value)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[name])


def test_smoothing_and_weights_hold_for_targets_on_the_tape_too():
    z = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 0.2]])
    q = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5], label_smoothing=0.2)
    target = ag.tensor(q, requires_grad=True)
    value = loss(z, target)
    assert float(value) == pytest.approx(float(loss(z, q)), rel=1e-14)
    value.backward()
    step = 1e-6 * np.eye(3)[[1, 1]]
    slope = (float(loss(z, q + step)) - float(loss(z, q - step))) / 2e-6
    assert target.grad[:, 1].sum() == pytest.approx(slope, rel=1e-6)
