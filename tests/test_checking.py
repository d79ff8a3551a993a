"""The checker is itself checked: right functions pass, planted errors are found and named."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import nn
from autograd_core.checking import GradcheckError, gradcheck, numerical_gradient
from autograd_core.errors import DTypeError, ShapeError, UnknownNameError

ROOT = Path(__file__).resolve().parent.parent
X = np.array([0.5, -1.2, 2.0])
MATRIX = np.arange(9.0).reshape(3, 3) / 4 - 1


def planted(forward, **rules):
    """An op with a rule of one's own, outside the registry."""
    op = ag.primitive(forward, register=False)
    ag.defvjp(op, **rules)
    return op


def scaled(amount):
    """The identity, with a derivative that is `amount` instead of 1."""

    def same(x):
        return np.array(x)

    return planted(same, x=lambda ct: ct * amount)


def square_with(rule):
    def square(x):
        return x * x

    return planted(square, x=rule)


# ----------------------------------------------------------------------- numerical_gradient


def cubes(x):
    return ag.sum(x**3)


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("forward", 1e-6), ("central", 1e-9), ("richardson", 1e-11), ("complex", 1e-14)],
)
def test_methods_reach_their_textbook_accuracy(method, tolerance):
    found = numerical_gradient(cubes, X, method=method)
    assert np.abs(found / (3 * X**2) - 1).max() < tolerance
    pure_numpy = numerical_gradient(lambda x: np.sum(x**3), X, method=method)
    np.testing.assert_allclose(pure_numpy, found, rtol=1e-12)


def test_the_methods_differ_in_the_order_of_their_error():
    # On x³ at large x truncation dominates: forward errs by 3 x h, central by h², richardson by 0.
    x = np.array([1.0])
    errors = [abs(numerical_gradient(lambda x: x[0] ** 3, x, method=m)[0] - 3.0)
              for m in ("forward", "central", "richardson")]  # fmt: skip
    assert 1e-9 < errors[0] < 1e-7 and errors[1] < 1e-9 and errors[2] < 1e-11


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("method", ["forward", "central", "richardson", "complex"])
def test_steps_follow_the_size_of_the_argument(method, scale):
    x = np.array([scale])
    found = numerical_gradient(lambda x: ag.sum(x * x), x, method=method)
    assert abs(found[0] - 2 * scale) <= 1e-6 * max(1.0, 2 * scale)


@pytest.mark.parametrize("method", ["forward", "central", "richardson", "complex"])
def test_single_precision_keeps_its_dtype(method):
    found = numerical_gradient(cubes, X.astype(np.float32), method=method)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 3 * X**2, rtol=5e-3)


def test_arguments_are_copied_and_containers_kept():
    x = X.copy()

    def careless(tree):
        value = np.sum(tree["a"] * tree["b"][0])
        tree["a"][...] = 0.0
        return value

    found = numerical_gradient(careless, {"a": x, "b": [np.array(3.0)]})
    assert np.array_equal(x, X)
    np.testing.assert_allclose(found["a"], 3.0)
    np.testing.assert_allclose(found["b"][0], X.sum())


def test_numerical_gradient_of_integers_and_numbers():
    np.testing.assert_allclose(numerical_gradient(lambda x: x * x, 3), 6.0)


@pytest.mark.parametrize(
    ("fn", "method", "error", "message"),
    [
        (np.sum, "newton", UnknownNameError, "a method among forward, central, richardson, compl"),
        (lambda x: np.sum(np.abs(x)), "complex", DTypeError, "no imaginary part came back"),
        (lambda x: float(np.sum(x)), "complex", DTypeError, "analytic function of complex arrays"),
        (lambda x: x, "central", ShapeError, r"a single number, but got shape \(3,\)"),
        (lambda x: None, "central", DTypeError, "returns a number, but got None"),
    ],
)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_messages_of_numerical_gradient(fn, method, error, message):
    with pytest.raises(error, match=message):
        numerical_gradient(fn, X, method=method)


# ----------------------------------------------------------------------- right functions

RIGHT = {
    "vector": (lambda x: ag.sin(x) * x, (X,)),
    "scalar": (lambda x, y: ag.sum(ag.arctan2(x, y)), (X, X + 3)),
    "broadcast": (lambda x, w: ag.exp(x[:, None] * w), (X, np.array([0.3, 0.7]))),
    "matrices": (lambda x, w: ag.tanh(x @ w), (MATRIX, MATRIX.T + 0.2)),
    "containers": (lambda d: {"s": d["a"] ** 2, "t": (d["b"][0] * X,)}, ({"a": X, "b": [X]},)),
    "number": (lambda x: x * x, (2.0,)),
    "constant": (lambda x: 3.0, (X,)),
    "dead": (lambda x: ag.sum(ag.relu(x)), (np.array([-0.05, 0.05]),)),
    "steps": (lambda x: ag.floor(x) * x, (X + 0.1,)),
    "read-only view": (lambda x: ag.sum(x * x), (np.broadcast_to(X, (2, 3)).T,)),
    "near a kink": (lambda x: ag.sum(ag.relu(x)), (np.array([1e-9, 0.3]),)),
    "cancellation": (lambda x: ag.sum((1e8 + x) - 1e8), (X,)),
    "offset": (lambda x: ag.sum(ag.sin(x)) + 1e6, (X,)),
    "tiny outputs": (lambda x: 1e-30 * ag.sum(ag.sin(x)), (X,)),
    "tiny inputs": (lambda x: ag.log(x), (np.array([1e-8, 1e-100, 1e-300]),)),
    "huge inputs": (lambda x: ag.sin(x), (np.array([1e6, 1e12]),)),
    "rapid": (lambda x: ag.sin(1e8 * x), (X,)),
    "stationary": (lambda x: ag.sum((x - X) ** 2) + 5.0, (X,)),
    "edge of a domain": (lambda x: ag.arcsin(x) + ag.sqrt(x), (np.array([1.0, 0.0, 0.3]),)),
    "power 3/2": (lambda x: ag.power(x, 1.5), (np.array([0.0, 1.0]),)),
    "rounded on the way": (lambda x: ag.sin(x.astype(np.float32)).astype(float), (X,)),
    "below the smallest": (lambda x: 1.0 / x, (np.array([1e160]),)),
    "underflow": (ag.exp, (np.array([-745.1]),)),
    "hardly varying": (lambda x: ag.log(1e12 + x), (X[:1],)),
    "negligible": (lambda x: x[0] + 1e-17 * x[1], (X,)),
    "small beside large": (lambda x: 1e6 * x[0] + 1e-3 * ag.sin(x[1]), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_agree(name):
    fn, inputs = RIGHT[name]
    report = gradcheck(fn, *inputs)
    assert report, report


@pytest.mark.parametrize("name", ["vector", "scalar", "broadcast", "matrices", "containers"])
@pytest.mark.parametrize(
    "settings", [{"mode": "random"}, {"order": 2}, {"mode": "fast", "order": 2}]
)
def test_right_functions_agree_in_every_mode(name, settings):
    fn, inputs = RIGHT[name]
    for seed in range(3):
        report = gradcheck(fn, *inputs, seed=seed, **settings)
        assert report, report
        assert report.digits > 6


@pytest.mark.parametrize("name", ["vector", "scalar", "broadcast", "matrices"])
@pytest.mark.parametrize("mode", ["full", "random"])
def test_single_precision_raises_no_false_alarm(name, mode):
    fn, inputs = RIGHT[name]
    report = gradcheck(fn, *(x.astype(np.float32) for x in inputs), mode=mode)
    assert report and report.digits > 6, report

    def narrow(*inputs):  # cannot be evaluated in double precision
        return fn(*(x.astype(np.float32) for x in inputs))

    report = gradcheck(narrow, *(x.astype(np.float32) for x in inputs), mode=mode)
    assert report, report


# ----------------------------------------------------------------------- planted errors


@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("name", ["vector", "scalar", "broadcast", "matrices"])
@pytest.mark.parametrize(
    ("amount", "pattern"),
    [
        (1.001, "0.1 % too large"),
        (1 + 1e-5, "0.001 % too large"),
        (-1.0, "sign flipped"),
        (2.0, "off by a factor 2: too large"),
        (1 / 3, "off by a factor 3: too small"),
        (0.0, "claimed to be zero"),
    ],
)
def test_a_wrong_factor_is_found_and_recognised(name, amount, pattern, mode):
    fn, (first, *others) = RIGHT[name]
    wrong = scaled(amount)
    report = gradcheck(lambda x, *rest: fn(wrong(x), *rest), first, *others, mode=mode)
    assert report.verdict == "wrong" and not report
    assert pattern in report.diagnosis, report
    worst = report.worst
    assert worst.input == "x" and worst.verdict == "wrong"
    assert worst.claimed == pytest.approx(amount * worst.measured, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("amount", [1.001, -1.0, 0.0])
def test_wrong_factors_in_single_precision(amount):
    fn, (x,) = RIGHT["vector"]
    wrong = scaled(amount)
    assert gradcheck(lambda x: fn(wrong(x)), x.astype(np.float32)).verdict == "wrong"


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e4, 1e12])
@pytest.mark.parametrize(("amount", "verdict"), [(1.0, "agrees"), (1.001, "wrong")])
@pytest.mark.parametrize("mode", ["full", "random"])
def test_verdicts_do_not_depend_on_the_scale(scale, amount, verdict, mode):
    factor = scaled(amount)
    of_input = gradcheck(lambda x: ag.sin(factor(x) / scale), X * scale, mode=mode)
    of_output = gradcheck(lambda x: ag.sin(factor(x)) * scale, X, mode=mode)
    assert of_input.verdict == of_output.verdict == verdict


def test_one_wrong_entry_is_named():
    mask = np.ones((4, 3))
    mask[2, 1] = 1.001
    wrong = scaled(mask)
    for mode in ("full", "random"):
        report = gradcheck(lambda x: ag.sum(ag.exp(wrong(x))), np.ones((4, 3)), mode=mode)
        assert report.verdict == "wrong"
        assert (report.worst.input, report.worst.index) == ("x", (2, 1))
        assert "x[2, 1]" in str(report)


def test_swapped_operands_are_recognised():
    def hyperbola(x, y):
        return x * x - y

    op = planted(hyperbola, x=lambda ct: -ct, y=lambda ct, x: ct * 2.0 * x)
    report = gradcheck(op, X, X + 1.0)
    assert report.verdict == "wrong" and "by x and y are swapped" in report.diagnosis


def test_a_transposed_gradient_is_recognised():
    def square(x):
        return x * x

    op = planted(square, x=lambda ct, x: ag.transpose(ct * 2.0 * x))
    report = gradcheck(lambda x: ag.sum(op(x)), MATRIX)
    assert report.verdict == "wrong" and "by x is transposed" in report.diagnosis


def test_a_mean_in_place_of_a_sum_is_recognised():
    def repeat(x):
        return np.stack([x] * 3, axis=-1)

    op = planted(repeat, x=lambda ct: ag.mean(ct, axis=-1))
    report = gradcheck(lambda x: ag.sum(op(x)), X)
    assert (
        "by a factor 3: too small; it is the length of an axis, is a sum or a mean wrong?"
        in report.diagnosis
    )


def test_a_missing_path_is_found():
    report = gradcheck(lambda x: ag.sum(x.detach() * x), X)
    assert report.verdict == "wrong" and "factor 2" in report.diagnosis


def test_a_rule_that_raises_is_wrong():
    op = square_with(lambda ct: ag.sum(ct)[None, None])
    report = gradcheck(op, X)
    assert report.verdict == "wrong" and "the backward pass raised ShapeError" in report.diagnosis


def test_a_wrong_second_derivative_is_found_at_order_two_only():
    op = square_with(lambda ct, x: ct * 2.0 * (x.detach() if isinstance(x, ag.Tensor) else x))
    assert gradcheck(op, X)
    for mode in ("full", "random"):
        report = gradcheck(op, X, order=2, mode=mode)
        assert report.verdict == "wrong" and report.order == 2
        assert str(report).startswith("second derivative check: wrong")


def test_a_claim_that_is_no_number_is_wrong():
    for rule in (lambda ct, x: ct * x * np.nan, lambda ct, x: ct * x * np.inf):
        report = gradcheck(square_with(rule), X)
        assert report.verdict == "wrong" and "infinite or not a number" in report.diagnosis


def test_given_tolerances_are_respected():
    wrong = scaled(1.001)
    assert gradcheck(lambda x: ag.sin(wrong(x)), X, rtol=1e-2)
    assert gradcheck(lambda x: ag.sin(wrong(x)), X, atol=1e-2)
    assert not gradcheck(lambda x: ag.sin(wrong(x)), X, rtol=1e-4)


# ----------------------------------------------------------------------- kinks

KINKS = {
    "relu": (lambda x: ag.sum(ag.relu(x)), np.array([0.0, 1.0])),
    "abs": (lambda x: ag.sum(ag.abs(x)), np.array([0.0, 1.0])),
    "norm": (lambda x: ag.sqrt(ag.sum(x * x)), np.zeros(3)),
    "max": (ag.max, np.array([1.0, 1.0, 0.0])),
    "clip": (lambda x: ag.clip(x, -1.0, 1.0), np.array([1.0, 0.0])),
    "close": (lambda x: ag.sum(ag.relu(x)), np.array([1e-15, 0.3])),
    "jump": (lambda x: ag.sum(ag.floor(x)), np.array([1.0, 0.5])),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks_are_told_from_errors(name):
    fn, x = KINKS[name]
    report = gradcheck(fn, x)
    assert report.verdict == "kink" and not report
    assert "from the left" in str(report)
    assert report.raise_if_wrong() is report


def test_slopes_at_a_kink():
    worst = gradcheck(lambda x: ag.sum(ag.relu(x)), np.array([0.0, 1.0])).worst
    assert worst.index == (0,) and worst.claimed == 0.0
    assert worst.left == pytest.approx(0.0, abs=1e-9) and worst.right == pytest.approx(1.0)


def test_a_claim_beyond_the_slopes_of_a_kink_is_wrong():
    def absolute(x):
        return np.abs(x)

    op = planted(absolute, x=lambda ct: ct * 5.0)
    assert gradcheck(op, np.array([0.0])).verdict == "wrong"


def test_a_kink_at_the_end_of_a_domain():
    def island(x):  # defined at 0 alone
        return ag.sum(x) if float(x.numpy()[0]) == 0.0 else ag.sum(x) * np.nan

    assert gradcheck(island, np.array([0.0])).verdict == "ill-conditioned"


def test_both_ends_of_a_tie_cannot_have_the_full_gradient():
    def largest(x):
        return np.max(x)

    op = planted(largest, x=lambda ct, x, out: ct * ag.equal(x, out))
    assert gradcheck(op, np.array([1.0, 0.5]))
    report = gradcheck(op, np.array([1.0, 1.0, 0.5]))
    assert report.verdict == "wrong" and "not all together: moving x[0], x[1]" in report.diagnosis


def test_an_infinite_derivative_agrees_with_an_infinite_claim():
    assert gradcheck(ag.cbrt, np.array([0.0, 1.0]))
    cut = planted(lambda x: np.cbrt(x), x=lambda ct: ct * 0.0)
    assert gradcheck(cut, np.array([1.0])).verdict == "wrong"
    vertical = gradcheck(cut, np.array([0.0]))  # a finite claim where no slope is finite
    assert vertical.verdict == "kink" and "slope inf from the left" in str(vertical)
    assert gradcheck(lambda x: ag.cbrt(ag.relu(x)), np.array([0.0])).verdict == "kink"


@pytest.mark.parametrize(
    ("fn", "x"),
    [
        (lambda x: ag.sum(ag.sin(x)) + 1e16, X),
        (lambda x: (x * 1e-17 + 1.0) - 1.0, X),
        (ag.sin, np.array([1e22])),  # full turns lie between neighbouring floats
    ],
)
def test_what_rounding_hides_is_ill_conditioned(fn, x):
    report = gradcheck(fn, x)
    assert report.verdict == "ill-conditioned" and not report
    assert report.raise_if_wrong() is report


# ----------------------------------------------------------------------- models


class Loss:
    """A model and its loss, with the model's parameters."""

    def __init__(self, model, loss):
        self.model, self.loss = model, loss

    def named_parameters(self):
        return self.model.named_parameters()

    def __call__(self, x, y):
        return self.loss(self.model(x), y)


def network(activation="tanh", **kwargs):
    rng = np.random.default_rng(3)
    return nn.MLP([4, 6, 3], activation=activation, rng=rng, **kwargs), rng.normal(size=(5, 4))


@pytest.mark.parametrize("settings", [{}, {"mode": "random"}, {"order": 2, "mode": "random"}])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_models_are_checked_through_their_parameters(activation, settings):
    model, x = network(activation)
    before = [p.numpy().copy() for p in model.parameters()]
    loss = Loss(model, nn.CrossEntropyLoss())
    for fn, inputs in ((model, (x,)), (loss, (x, np.array([0, 1, 2, 1, 0])))):
        report = gradcheck(fn, *inputs, **settings)
        assert report, report
    assert "note: y was held constant" in str(report)
    assert all(
        np.array_equal(a, p.numpy()) for a, p in zip(before, model.parameters(), strict=True)
    )
    assert all(p.grad is None for p in model.parameters())


def test_models_of_single_precision_are_measured_in_double():
    model, x = network()
    assert model(x).dtype == np.float32
    assert gradcheck(model, x).digits > 7


@pytest.mark.parametrize(
    ("mode", "seed"),
    [*(("full", seed) for seed in range(5)), *(("random", seed) for seed in range(10))],
)
def test_kinks_nearby_raise_no_false_alarm_in_single_precision(mode, seed):
    rng = np.random.default_rng(seed)
    model = nn.MLP([16, 12, 3], activation="relu", rng=rng)
    loss = Loss(model, nn.CrossEntropyLoss())

    def narrow(x, y):  # cannot be evaluated in double precision
        return loss(x.astype(np.float32), y).astype(np.float32)

    narrow.named_parameters = model.named_parameters
    report = gradcheck(narrow, rng.normal(size=(8, 16)), rng.integers(0, 3, 8), mode=mode)
    assert report.verdict in ("agrees", "kink"), report


@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("seed", range(3))
def test_a_network_with_every_unit_at_its_kink_is_not_accused(seed, mode):
    model = nn.MLP([4, 8, 3], activation="relu", rng=np.random.default_rng(seed))
    loss = Loss(model.astype(np.float64), nn.CrossEntropyLoss())
    report = gradcheck(loss, np.zeros((2, 4)), np.array([0, 2]), mode=mode, seed=seed)
    assert report.verdict == "kink", report


@pytest.mark.parametrize("mode", ["full", "random"])
def test_an_error_in_one_parameter_is_named(mode):
    model, x = network()

    class Tampered:
        def named_parameters(self):
            return model.named_parameters()

        def __call__(self, x):
            bias = dict(model.named_parameters())[name]
            return model(x) + bias.detach() - bias

    name = [name for name, _ in model.named_parameters() if name.endswith("bias")][-1]
    honest = gradcheck(Tampered(), x, mode=mode)
    assert honest.verdict == "wrong"
    assert honest.worst.input == name, honest


def test_parameters_are_restored_after_an_exception():
    model, x = network()
    before = [p.numpy().copy() for p in model.parameters()]
    nodes = [p.node for p in model.parameters()]
    calls = []

    class Breaking:
        def parameters(self):
            return model.parameters()

        def __call__(self, x):
            calls.append(1)
            if len(calls) > 20:
                raise KeyboardInterrupt
            return model(x)

    with pytest.raises(KeyboardInterrupt):
        gradcheck(Breaking(), x)
    assert all(
        np.array_equal(a, p.numpy()) for a, p in zip(before, model.parameters(), strict=True)
    )
    assert all(node is p.node for node, p in zip(nodes, model.parameters(), strict=True))
    model(x).sum().backward()  # still a model like any other
    assert all(p.grad is not None for p in model.parameters())


def test_the_default_mode_follows_the_size():
    assert gradcheck(ag.sin, np.ones(10)).mode == "full"
    report = gradcheck(lambda x: ag.sum(ag.sin(x)), np.ones(100_000))
    assert report and report.mode == "sampled" and report.evaluations <= 20


def test_one_entry_among_many_is_found_by_random_directions():
    mask = np.ones(20_000)
    mask[12_345] = 3.0
    wrong = scaled(mask)
    report = gradcheck(lambda x: ag.sum(ag.sin(wrong(x))), np.linspace(0.1, 1.0, 20_000))
    assert report.verdict == "wrong" and report.worst.index == (12_345,)


# ----------------------------------------------------------------------- bad input


def overwriting(x):
    x.data[0] = 3.0
    return ag.sum(x)


def shrinking():
    calls = []

    def fn(x):
        calls.append(1)
        return x if len(calls) < 5 else x[:2]

    return fn


def failing(x):
    raise RuntimeError("no such luck")


def noisy(generator=np.random.default_rng(0)):  # noqa: B008
    return lambda x: ag.sum(x) + generator.normal()


@pytest.mark.parametrize(
    ("fn", "inputs", "verdict", "message"),
    [
        (lambda x: None, (X,), "invalid", "the function returns nothing (out is None)"),
        (lambda x: (x, None), (X,), "invalid", "out[1] is None"),
        (lambda x: "yes", (X,), "invalid", "real floating numbers, out is a string"),
        (lambda x: 3, (X,), "invalid", "real floating numbers, out is int"),
        (ag.sum, (np.array([1, 2]),), "invalid", "none of the inputs is of a floating dtype (x)"),
        (lambda: 1.0, (), "invalid", "none of the inputs is of a floating dtype"),
        (ag.sum, (np.array([1.0, np.nan]),), "invalid", "an input is not finite: x[1]"),
        (ag.log, (np.array([1.0, -1.0]),), "invalid", "the result is not finite: out[1] is nan"),
        (failing, (X,), "invalid", "the function raised RuntimeError: no such luck"),
        (lambda x: np.asarray(x), (X,), "invalid", "its derivative would be lost silently"),
        (shrinking(), (X,), "invalid", "the shape of the result changes"),
        (noisy(), (X,), "nondeterministic", "the same input gave two results: out was"),
        (overwriting, (X,), "impure", "the function overwrites an input: x"),
    ],
)
def test_bad_input_is_reported(fn, inputs, verdict, message):
    report = gradcheck(fn, *inputs)
    assert report.verdict == verdict
    assert message in str(report)
    with pytest.raises(GradcheckError, match=verdict):
        report.raise_if_wrong()


def test_a_backward_pass_must_be_linear_and_repeatable():
    squared = gradcheck(square_with(lambda ct, x: ct * ct * 2.0 * x), X)
    assert squared.verdict == "wrong" and "not linear in the cotangent" in squared.diagnosis
    generator = np.random.default_rng(0)
    random = gradcheck(square_with(lambda ct, x: ct * x * generator.uniform()), X)
    assert random.verdict == "nondeterministic" and "for one cotangent" in random.diagnosis


def test_a_function_that_raises_nearby_is_differentiated_from_one_side():
    def half(x):
        if float(x.numpy()[0]) > 0.5:
            raise ValueError("beyond the domain")
        return ag.sum(x * x)

    assert gradcheck(half, X)


def test_what_never_changes_is_seen_at_once():
    assert gradcheck(lambda x: 3.0, X).evaluations < 50


def test_zero_entries_agree():
    report = gradcheck(ag.sum, np.zeros((0, 3)))
    assert report and "nothing to compare" in str(report)


def test_misuse_raises():
    with pytest.raises(DTypeError, match="a function as its first argument, but got ndarray"):
        gradcheck(X, X)
    with pytest.raises(UnknownNameError, match="mode 'slow', order 1"):
        gradcheck(ag.sin, X, mode="slow")
    with pytest.raises(UnknownNameError, match="order 3"):
        gradcheck(ag.sin, X, order=3)
    wrong = scaled(2.0)
    with pytest.raises(GradcheckError, match="off by a factor 2: too large"):
        gradcheck(lambda x: wrong(x), X, raise_exception=True)


def test_reports_are_data_and_compact_text():
    wrong = scaled(-1.0)
    report = gradcheck(lambda x: ag.sin(wrong(x)), X)
    assert dataclasses.asdict(report)["worst"]["input"] == "x"
    assert report.counts == {"wrong": 3, "agrees": 6}
    assert len(str(report).splitlines()) <= 7
    assert "d out[0] / d x[0]: claimed -0.87" in str(report)


# ----------------------------------------------------------------------- command line

MODULE = """
import numpy as np
import autograd_core as ag

def good(x, w):
    return ag.tanh(x @ w)

def ready(x):
    return ag.sum(x * x)

ready.example_inputs = (np.ones(3),)

def nothing(x):
    ag.sum(x)

def failing(x):
    return x @ np.ones((7, 7))

def doubled(x):
    return ag.sum(x * x + x.detach() * 0.5 - x * 0.5)

number = 3
"""


def command(tmp_path, *arguments):
    (tmp_path / "mine.py").write_text(MODULE)
    run = [sys.executable, "-m", "autograd_core", "check", *arguments]
    path = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(run, cwd=tmp_path, env=path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("mine:good --shape 3,4 --shape 4,2 --order 2", 0, "second derivative check: agrees"),
        ("mine:ready --fast --seed 7", 0, "mine:ready: gradient check: agrees"),
        ("mine:doubled --shape 3", 1, "gradient check: wrong"),
        ("mine:doubled --shape 3 --fast", 1, "mode='sampled' names the entry"),
        ("mine:doubled --shape 3 --json --picture a.png", 1, '"verdict": "wrong"'),
        ("mine:good", 2, "neither --shape nor example_inputs. Give a --shape for each"),
        ("mine:nothing --shape ()", 2, "the function returns nothing"),
        ("mine:failing --shape 3", 2, "mine:failing: the function raised ShapeError"),
        ("absent:good", 2, "a module that exists, but got 'absent'"),
        ("mine:absent", 2, "a function of mine (good, ready, nothing, failing, doubled)"),
        ("mine:number", 2, "number, which is of type int"),
        ("mine", 2, "a target module:function, but got 'mine'"),
        ("mine:good --shape 3x4", 2, "lengths like 3,4, but got '3x4'"),
    ],
)
def test_the_command_line(tmp_path, arguments, status, message):
    done = command(tmp_path, *arguments.split())
    assert done.returncode == status, done
    assert message in (done.stdout if status < 2 else done.stderr)
    assert "Traceback" not in done.stderr
