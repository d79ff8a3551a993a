"""The derivative at every kink is the one listed; another choice holds where it is made."""

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core.checkpoint import checkpoint
from autograd_core.diagnostics.kinks import KINKS
from autograd_core.errors import ShapeError, UnknownNameError

# By hand, in the order of the table.
LISTED = {
    ("abs", "x = 0"): "0",
    ("relu", "x = 0"): "0",
    ("leaky_relu", "x = 0, slope 0.01"): "0.01",
    ("prelu", "x = 0, weight 0.25"): "0.25, 0",
    ("elu", "x = 0, alpha 2"): "2",
    ("selu", "x = 0"): "1.7581",
    ("relu6", "x = 0 and 6"): "0 0",
    ("hard_tanh", "the bounds"): "1 1",
    ("hard_sigmoid", "x = -3 and 3"): "0 0",
    ("hard_swish", "x = -3 and 3"): "0 1",
    ("softshrink", "x = ±lambd"): "0 0",
    ("hard_shrink", "x = ±lambd, a jump"): "0 0",
    ("threshold", "x = threshold, a jump"): "0",
    ("clip", "the bounds"): "1 1",
    ("maximum", "x = y"): "0.5, 0.5",
    ("minimum", "x = y"): "0.5, 0.5",
    ("fmax", "x = y"): "0.5, 0.5",
    ("fmin", "x = y"): "0.5, 0.5",
    ("max", "ties"): "0 0.5 0.5",
    ("min", "ties"): "0.5 0.5 0",
    ("cummax", "ties"): "3 0 0",
    ("median", "ties"): "0 1 0",
    ("sort", "ties, cotangent 1 2 3"): "2 3 1",
    ("prod", "two zeros"): "0 0 0",
    ("norm", "x = 0"): "0 0",
    ("norm", "ord = inf, ties"): "0.5 -0.5",
    ("hypot", "x = y = 0"): "0, 0",
    ("std", "all elements equal"): "0 0",
    ("sqrt", "x = 0"): "inf",
    ("sqrt(sum(x²))", "x = 0"): "0 0",
    ("where(x > 0, sqrt(x), 0)", "x = 0"): "0",
    ("power", "0 ** 0"): "0, 0",
    ("arctan2", "x = y = 0"): "0, 0",
    ("copysign", "x = 0"): "0, 0",
    ("sinc", "x = 0"): "0",
    ("softsign", "x = 0"): "1",
}


def test_the_table_says_what_the_operations_do():
    found = {(row["name"], row["point"]): row["derivative"] for row in ag.conventions()}
    assert found == LISTED
    assert len(KINKS) == len(LISTED)


def test_it_prints_with_what_others_choose():
    lines = str(ag.conventions()).splitlines()
    head = "function where derivative PyTorch JAX TensorFlow autograd may be why"
    assert lines[0].split() == head.split()
    assert lines[1].split()[:8] == ["abs", "x", "=", "0", "0", "0", "1", "0"]
    (clip,) = (row for row in ag.conventions() if row["name"] == "clip")
    peers = ("pytorch", "jax", "tensorflow", "autograd")
    assert [clip[peer] for peer in peers] == ["1 1", "0.5 0.5", "1 1", "0 0"]
    assert len(lines) == 1 + len(KINKS)
    assert "<table" in ag.conventions()._repr_html_()


CHANGED = {
    "abs": (1.0, lambda: ag.grad(ag.abs)(0.0), 0.0, 1.0),
    "relu": (0.5, lambda: ag.grad(ag.relu)(0.0), 0.0, 0.5),
    "relu6": (1.0, lambda: ag.grad(ag.relu6)(6.0), 0.0, 1.0),
    "hard_tanh": (0.0, lambda: ag.grad(ag.hard_tanh)(-1.0), 1.0, 0.0),
    "clip": (0.5, lambda: ag.grad(lambda x: ag.clip(x, 0.0, 2.0))(2.0), 1.0, 0.5),
    "maximum": (1.0, lambda: ag.grad(ag.maximum, argnums=1)(3.0, 3.0), 0.5, 0.0),
    "minimum": (0.25, lambda: ag.grad(ag.minimum)(3.0, 3.0), 0.5, 0.25),
    "max": ("first", lambda: ag.grad(ag.max)(np.array([2.0, 3.0, 3.0]))[1], 0.5, 1.0),
    "min": ("first", lambda: ag.grad(ag.min)(np.array([3.0, 3.0]))[1], 0.5, 0.0),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_choice_holds_within_its_context_only(name):
    value, slope, ordinary, other = CHANGED[name]
    assert slope() == ordinary
    with ag.conventions(**{name: value}):
        assert slope() == other
    assert slope() == ordinary


@pytest.mark.parametrize("name", CHANGED)
def test_a_choice_changes_nothing_away_from_the_kinks(name):
    x, y = np.array([[-3.0, -0.4, 0.3], [0.6, 2.0, 7.0]]), np.array([[0.1], [0.2]])
    operands = (x, y) if name in ("maximum", "minimum") else (x,)
    options = {"min": -1.0, "max": 1.0} if name == "clip" else {}
    options |= {"axis": 1} if name in ("max", "min") else {}

    def f(*operands):
        return ag.sum(ag.exp(ag.OPS[name](*operands, **options)))

    before = ag.vjp(f, *operands)[1](1.0)
    with ag.conventions(**{name: CHANGED[name][0]}):
        value, pull = ag.vjp(f, *operands)
        assert ag.gradcheck(f, *operands)
        tangent = ag.jvp(f, operands, tuple(map(np.ones_like, operands)))[1]
    after = pull(1.0)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.isclose(tangent, sum(part.sum() for part in after))


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (1, 2), -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_first_of_equal_elements(axis, keepdims):
    x = np.random.default_rng(0).integers(0, 3, (3, 4, 2)).astype(float)
    with ag.conventions(max="first"):
        (found,) = ag.vjp(lambda x: ag.max(x, axis=axis, keepdims=keepdims), x)[1](
            np.ones(np.max(x, axis=axis, keepdims=keepdims).shape)
        )
    axes = (0, 1, 2) if axis is None else axis
    assert (found.sum(axis=axes) == 1).all()
    assert (
        x[found == 1] == np.broadcast_to(x.max(axis=axes, keepdims=True), x.shape)[found == 1]
    ).all()
    if axis == 1:
        assert (found.argmax(axis=1) == x.argmax(axis=1)).all()


def test_choices_nest_and_the_table_shows_them():
    with ag.conventions(abs=1.0, relu=1.0), ag.conventions(relu=0.25):
        rows = {row["name"]: row["derivative"] for row in ag.conventions()}
        assert (rows["abs"], rows["relu"]) == ("1", "0.25")
    assert next(iter(ag.conventions(abs=-1.0)))["derivative"] == "-1"
    assert next(iter(ag.conventions()))["derivative"] == "0"


def test_it_decorates_a_function():
    @ag.conventions(abs=1.0)
    def slope():
        return ag.grad(ag.abs)(0.0)

    assert (slope(), slope(), ag.grad(ag.abs)(0.0)) == (1.0, 1.0, 0.0)


def test_recording_counts_not_the_sweep():
    x = ag.tensor(0.0, requires_grad=True)
    with ag.conventions(abs=1.0):
        y = ag.abs(x)
        again = checkpoint(ag.abs)(x)
    y.backward()
    assert x.grad == 1.0
    again.backward()
    assert x.grad == 2.0
    y = ag.abs(x)
    with ag.conventions(abs=1.0):
        y.backward()
    assert x.grad == 2.0


def test_dtypes_layers_and_second_derivatives():
    layer = nn.ReLU()
    x = ag.tensor(np.zeros(3, np.float32), requires_grad=True)
    with ag.conventions(relu=0.5):
        ag.sum(layer(x)).backward()
        curvature = ag.grad(ag.grad(lambda x: ag.abs(x) * x * x))(2.0)
    assert x.grad.dtype == np.float32 and (x.grad == 0.5).all()
    assert curvature == 12.0


def test_a_compiled_function_has_a_program_for_each_choice():
    slope = ag.compile(ag.grad(lambda x: ag.sum(ag.abs(x) * np.array([1.0, 2.0]))))
    inputs = [np.array([0.0, float(i)]) for i in range(1, 9)]
    for x in inputs:
        assert slope(x).tolist() == [0.0, 2.0]
        with ag.conventions(abs=1.0):
            assert slope(x).tolist() == [1.0, 2.0]
        with ag.conventions(abs=-1.0):
            assert slope(x).tolist() == [-1.0, 2.0]
    assert len(slope.programs) == 3


def test_the_quick_way_of_a_program_notices():
    slope = ag.compile(ag.grad(lambda x: ag.sum(ag.relu(x))))
    for i in range(1, 8):
        assert slope(np.array([0.0, float(i)])).tolist() == [0.0, 1.0]
    with ag.conventions(relu=1.0):
        for i in range(1, 8):
            assert slope(np.array([0.0, float(i)])).tolist() == [1.0, 1.0]
    assert slope(np.array([0.0, 9.0])).tolist() == [0.0, 1.0]


def test_messages():
    with pytest.raises(UnknownNameError, match=r"can be changed \(abs, relu, .*got 'norm', which"):
        ag.conventions(norm=1.0)
    with pytest.raises(UnknownNameError, match="but got 'rellu'. Print ag.conventions"):
        ag.conventions(rellu=1.0)
    with pytest.raises(ShapeError, match="abs, a slope from -1 to 1, but got 2.0"):
        ag.conventions(abs=2.0)
    with pytest.raises(ShapeError, match="relu, a slope from 0 to 1, but got 'left'"):
        ag.conventions(relu="left")
    with pytest.raises(UnknownNameError, match="max, even or first, but got last"):
        ag.conventions(max="last")
    with pytest.raises(AttributeError, match="no attribute 'convention'"):
        ag.convention  # noqa: B018
