"""Mistakes of a newcomer who trains a network: what the answer is, and that nothing changed.

A case is one mistake, the type of the error, and pieces that the message has in that order. What
was expected, what came and what to do are told apart by the form that `explain` gives.
"""

import re

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim

FORM = re.compile(r"^[^:]+: .+, but got .+\. .+\.$", re.DOTALL)
X = np.random.default_rng(0).normal(size=(6, 4))
Y = np.array([0, 1, 2, 2, 1, 0])
LOGITS = np.linspace(-1.0, 1.0, 18).reshape(6, 3)


def leaf(*shape):
    return ag.tensor(np.ones(shape), requires_grad=True)


@pytest.fixture(scope="module")
def case():
    """A model and its optimizer, after one step."""
    model = nn.Sequential(nn.Linear(4, 5, rng=1), nn.ReLU(), nn.Linear(5, 3, rng=2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    nn.CrossEntropyLoss()(model(X), Y).backward()
    optimizer.step()
    return model, optimizer


def swept_twice(model, optimizer):
    loss = nn.CrossEntropyLoss()(model(X), Y)
    loss.backward()
    loss.backward()


def decremented(model, optimizer):
    weight = model[0].weight
    weight -= 0.1 * weight.numpy()


def of_sgd(model):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model.zero_grad()
    return optimizer.state_dict()


CASES = {
    # -------------------------------------------------------------------------- the layers
    "width of the data": (lambda m, o: m(X[:, :3]), ag.ShapeError, "Linear(4, 5)..(6, 3)"),
    "words": (lambda m, o: m(["a", "b"]), ag.DTypeError, "layer..real numbers..['a', 'b']"),
    "nothing": (lambda m, o: m(None), ag.DTypeError, "layer..real numbers..None..Pass an array"),
    "ragged": (lambda m, o: m([[1, 2], [3]]), ag.DTypeError, "layer..[[1, 2], [3]]..equal"),
    "complex": (lambda m, o: m(X * 1j), ag.DTypeError, "layer..an array of complex128"),
    "list of tensors": (lambda m, o: m([leaf(4)] * 2), ag.DTypeError, "conversion..ag.stack"),
    "one width": (lambda m, o: nn.MLP(4, 3), ag.ShapeError, "MLP..a list..4..[64, 32, 10]"),
    "negative seed": (lambda m, o: nn.Linear(1, 1, rng=-1), ag.ShapeError, "rng..from 0..-1"),
    "no such dtype": (
        lambda m, o: nn.Linear(1, 1, dtype="float31"),
        ag.DTypeError,
        "dtype..'float31'..np.float64",
    ),
    "no option of ReLU": (lambda m, o: nn.ReLU(inplace=True), ag.DTypeError, "ReLU..inplace"),
    "text as eps": (lambda m, o: nn.LayerNorm(3, eps="a"), ag.ShapeError, "LayerNorm: eps..'a'"),
    "PyTorch's method": (lambda m, o: leaf(2).exp(), AttributeError, "tensor..'exp'..ag.exp(x)"),
    "no such method": (lambda m, o: leaf(2).cuda(), AttributeError, "'cuda'..docs/ops.md"),
    # -------------------------------------------------------------------------- the losses
    "labels as floats": (
        lambda m, o: nn.CrossEntropyLoss()(LOGITS, Y.astype(float)),
        ag.DTypeError,
        "cross_entropy..float64..Convert the labels with .astype(int)",
    ),
    "labels as words": (
        lambda m, o: nn.CrossEntropyLoss()(LOGITS, ["cat"] * 6),
        ag.DTypeError,
        "cross_entropy..<U3..Number the classes: np.unique",
    ),
    "labels first": (
        lambda m, o: nn.CrossEntropyLoss()(Y, LOGITS),
        ag.DTypeError,
        "cross_entropy..integer labels..Pass the prediction first",
    ),
    "labels in a column": (
        lambda m, o: nn.CrossEntropyLoss()(LOGITS, Y[:, None]),
        ag.ShapeError,
        "(6,)..(6, 1)..one integer label per sample",
    ),
    "no target": (
        lambda m, o: nn.MSELoss()(LOGITS, None),
        ag.DTypeError,
        "mse_loss: target..real numbers..None",
    ),
    "binary labels of -1 and 1": (
        lambda m, o: nn.BCEWithLogitsLoss()(LOGITS, np.sign(LOGITS)),
        ag.ShapeError,
        "binary_cross_entropy_with_logits: targets from 0 to 1..-1.0..(y + 1) / 2",
    ),
    "binary labels of 1 and 2": (
        lambda m, o: nn.BCELoss()(np.full(2, 0.5), np.array([1.0, 2.0])),
        ag.ShapeError,
        "binary_cross_entropy: targets from 0 to 1..2.0",
    ),
    "negative probabilities": (
        lambda m, o: nn.KLDivLoss()(LOGITS, LOGITS),
        ag.ShapeError,
        "kl_div: targets >= 0..-1.0..log_target=True",
    ),
    "no option of MSELoss": (lambda m, o: nn.MSELoss(weight=2), ag.DTypeError, "MSELoss..weight"),
    "empty batch": (
        lambda m, o: nn.MSELoss()(X[:0], X[:0]),
        ag.ShapeError,
        "mean..at least one element..(0, 4)..sum",
    ),
    # ------------------------------------------------------------ penalties and constraints
    "penalty of parameters": (
        lambda m, o: nn.L2(0.1)(m.parameters()),
        ag.DTypeError,
        "L2..nn.Module..generator",
    ),
    "constraint of an array": (lambda m, o: nn.MaxNorm(1.0)(X), ag.DTypeError, "MaxNorm..ndarray"),
    "text as factor": (lambda m, o: nn.L1("a"), ag.DTypeError, "L1: a factor lam >= 0..'a'"),
    # -------------------------------------------------------------------------------- state
    "state from a path": (
        lambda m, o: m.load_state_dict("model.npz"),
        ag.DTypeError,
        "load_state_dict..'model.npz'..state_dict()",
    ),
    "state of another model": (
        lambda m, o: m.load_state_dict(nn.MLP([4, 2, 3]).state_dict()),
        ag.ShapeError,
        "load_state_dict..0.weight of shape (2, 4) for (5, 4)..built alike",
    ),
    "state of the optimizer": (
        lambda m, o: m.load_state_dict(o.state_dict()),
        ag.UnknownNameError,
        "load_state_dict..missing..unknown",
    ),
    "state of another optimizer": (
        lambda m, o: o.load_state_dict(of_sgd(m)),
        ag.UnknownNameError,
        "Adam.load_state_dict..Load a state of Adam",
    ),
    # --------------------------------------------------------------- optimizers and schedules
    "negative rate": (
        lambda m, o: setattr(o, "lr", -1.0),
        optim.HyperparameterError,
        "Adam: lr..-1.0..lr=0.001",
    ),
    "parameters used up": (
        lambda m, o: optim.SGD(iter(())),
        ag.GraphError,
        "SGD: at least one..model.parameters() anew",
    ),
    "names with parameters": (
        lambda m, o: optim.SGD(m.named_parameters()),
        ag.DTypeError,
        "SGD..tuple..model.parameters()",
    ),
    "one milestone": (
        lambda m, o: optim.MultiStepLR(o, 5),
        ag.DTypeError,
        "MultiStepLR: milestones, a list..5..[30, 80]",
    ),
    "text as metric": (
        lambda m, o: optim.ReduceLROnPlateau(optim.SGD(m.parameters())).step("low"),
        ag.DTypeError,
        "ReduceLROnPlateau.step: a metric, one number..'low'",
    ),
    "losses as metric": (
        lambda m, o: optim.ReduceLROnPlateau(optim.SGD(m.parameters())).step(leaf(3)),
        ag.DTypeError,
        "ReduceLROnPlateau.step: a metric, one number..tensor([1., 1., 1.]",
    ),
    "schedule of another optimizer": (
        lambda m, o: optim.ChainedScheduler(
            [
                optim.StepLR(optim.SGD(m.parameters()), 3),
                optim.StepLR(optim.SGD(m.parameters()), 3),
            ]
        ),
        optim.HyperparameterError,
        "ChainedScheduler..one optimizer",
    ),
    "model as patience": (
        lambda m, o: optim.EarlyStopping(m),
        optim.HyperparameterError,
        "EarlyStopping: patience..Sequential(..patience=10",
    ),
    # -------------------------------------------------------------------------- the recording
    "update that is recorded": (decremented, ag.GraphError, "in-place..no_grad()"),
    "second backward": (swept_twice, ag.GraphError, "test_messages_training.py..swept_twice"),
    "argnums for the value": (
        lambda m, o: ag.grad(ag.square, 2.0)(1.0),
        ag.ShapeError,
        "argnums..2.0..grad(f, argnums=0)(x)",
    ),
    # ---------------------------------------------------------------------- arrays of tensors
    "axis beyond": (lambda m, o: ag.prod(leaf(3), axis=2), ag.ShapeError, "prod: axes..axis=2"),
    "axis by name": (
        lambda m, o: ag.sum(leaf(3), axis="rows"),
        ag.DTypeError,
        "sum: operands and options of types..axis='rows'",
    ),
    "position beyond": (lambda m, o: leaf(3)[7], IndexError, "getitem: positions..index=7"),
    "position of take": (lambda m, o: ag.take(leaf(3), [5]), IndexError, "take: positions"),
    "dtype by a wrong name": (lambda m, o: leaf(3).astype("flt"), ag.DTypeError, "astype..'flt'"),
    "hstack": (
        lambda m, o: ag.hstack([leaf(2, 2), leaf(3, 3)]),
        ag.ShapeError,
        "hstack, in concatenate: ..(2, 2) and (3, 3)",
    ),
    "sort": (lambda m, o: ag.sort(leaf(3), axis=3), ag.ShapeError, "sort, in argsort: axes"),
    "trace": (lambda m, o: ag.trace(leaf(3)), ag.ShapeError, "trace, in moveaxis: "),
    "multi_dot": (
        lambda m, o: ag.linalg.multi_dot([leaf(2, 3), leaf(2, 3)]),
        ag.ShapeError,
        "multi_dot, in matmul: ..3 against 2",
    ),
    "axis of special.softmax": (
        lambda m, o: ag.special.softmax(leaf(3), axis=2),
        ag.ShapeError,
        "softmax, in logsumexp: axes..axis=2",
    ),
    "position of delete": (lambda m, o: ag.delete(leaf(3), 9), IndexError, "delete: ..9"),
    "bits of numbers": (
        lambda m, o: leaf(3) > 0.0 & leaf(3),
        ag.DTypeError,
        "booleans..float64..in brackets",
    ),
    "bare primal": (
        lambda m, o: ag.jvp(ag.sin, 1.0, 1.0),
        ag.DTypeError,
        "jvp: primals..1.0..(x,)",
    ),
    "bare tangent": (lambda m, o: ag.jvp(ag.sin, (1.0,), 2.0), ag.DTypeError, "tangents..2.0"),
    "float as index": (lambda m, o: range(ag.tensor(3.0)), ag.DTypeError, "an index..float64"),
}


def snapshot(model, optimizer):
    return model.state_dict(), optimizer.state_dict(), model.training


@pytest.mark.parametrize("name", CASES)
def test_mistake(name, case):
    mistake, kind, words = CASES[name]
    before = snapshot(*case)
    with pytest.raises(kind) as caught:
        mistake(*case)
    np.testing.assert_equal(snapshot(*case), before)
    text = rest = str(caught.value)
    for piece in words.split(".."):
        assert piece in rest, f"{piece!r} is not where it should be in: {text}"
        rest = rest.partition(piece)[2]
    assert FORM.match(text), f"not of the form what / got / do: {text}"


def test_integer_tensors_count_and_index():
    names = ["a", "b", "c"]
    assert names[ag.argmax(ag.tensor([0.0, 2.0, 1.0]))] == "b"
    assert list(range(ag.tensor(3))) == [0, 1, 2]


def test_masks_combine_with_the_operators_that_numpy_has():
    x = ag.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    above, below = x > 0.0, x < 1.0
    plain = above.numpy()
    for combined, truth in (
        (above & below, [False, True, False]),
        (above | below, [True, True, True]),
        (above ^ below, [True, False, True]),
        (~above, [True, False, False]),
        (plain & below, [False, True, False]),
        (below & plain, [False, True, False]),
        (np.bitwise_or(above, below), [True, True, True]),
        (np.invert(above), [True, False, False]),
    ):
        np.testing.assert_array_equal(combined, truth)
    assert ag.sum(x[above & below]).item() == 0.5


def test_sorting_takes_numpys_kinds():
    x = ag.tensor([3.0, 1.0, 2.0], requires_grad=True)
    np.testing.assert_array_equal(np.sort(x, kind="stable").numpy(), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(np.argsort(x, 0, "heapsort"), [1, 2, 0])
    assert np.sort(x, stable=True).requires_grad


def test_soft_targets_of_any_kind_are_taken():
    nn.BCEWithLogitsLoss()(LOGITS, np.linspace(0.0, 1.0, 18).reshape(6, 3))
    nn.KLDivLoss()(LOGITS, np.full((6, 3), 2.0))  # a measure, if not a probability


def test_activations_name_their_axis_as_pytorch_does():
    for layer in (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.GLU):
        assert repr(layer(dim=0)).startswith(f"{layer.__name__}(dim=0)")
    np.testing.assert_allclose(nn.Softmax(dim=0)(ag.tensor(X)).numpy().sum(axis=0), 1.0)


def test_initialisers_name_their_options_as_pytorch_does():
    weight = nn.Parameter(np.zeros((50, 2)))
    nn.init.uniform_(weight, a=2.0, b=3.0, rng=0)
    assert weight.numpy().min() >= 2.0 and weight.numpy().max() <= 3.0
    nn.init.constant_(weight, val=7.0)
    assert (weight.numpy() == 7.0).all()
