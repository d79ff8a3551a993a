"""detect_anomaly: seeded NaN and infinities are named with operation and line; masks are not."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim
from autograd_core.checkpoint import checkpoint

INF, NAN = np.inf, np.nan
BIG = np.array([1.0, 800.0])
ONE = np.array([0.5, 1.0])
ZERO = np.array([1.0, 0.0])
NEGATIVE = np.array([1.0, -2.0])
SINGLE = np.array([1.0, 1e30], np.float32)

# The operation that makes it, the function, the point.
FORWARD = [
    ("log", lambda x: ag.sum(ag.log(x)), ZERO),
    ("log", lambda x: ag.sum(ag.log(x)), NEGATIVE),
    ("log2", lambda x: ag.sum(ag.log2(x)), ZERO),
    ("log10", lambda x: ag.sum(ag.log10(x)), NEGATIVE),
    ("log1p", lambda x: ag.sum(ag.log1p(x)), NEGATIVE),
    ("sqrt", lambda x: ag.sum(ag.sqrt(x)), NEGATIVE),
    ("exp", lambda x: ag.sum(ag.exp(x)), BIG),
    ("exp2", lambda x: ag.sum(ag.exp2(x * 2.0)), BIG),
    ("expm1", lambda x: ag.sum(ag.expm1(x)), BIG),
    ("sinh", lambda x: ag.sum(ag.sinh(x)), BIG),
    ("cosh", lambda x: ag.sum(ag.cosh(x)), BIG),
    ("square", lambda x: ag.sum(ag.square(x)), SINGLE),
    ("multiply", lambda x: ag.sum(x * x), SINGLE),
    ("power", lambda x: ag.sum(x**2.5), SINGLE),
    ("power", lambda x: ag.sum(x**0.5), NEGATIVE),
    ("power", lambda x: ag.sum(x**-1.0), ZERO),
    ("divide", lambda x: ag.sum(1.0 / x), ZERO),
    ("divide", lambda x: ag.sum(x / x), ZERO),
    ("divide", lambda x: ag.mean(x / ag.sum(x * 0.0)), ONE),
    ("reciprocal", lambda x: ag.sum(ag.reciprocal(x)), ZERO),
    ("arccos", lambda x: ag.sum(ag.arccos(x)), NEGATIVE),
    ("arcsin", lambda x: ag.sum(ag.arcsin(x)), NEGATIVE),
    ("arccosh", lambda x: ag.sum(ag.arccosh(x)), ZERO),
    ("arctanh", lambda x: ag.sum(ag.arctanh(x)), ONE),
    ("exp", lambda x: ag.sum(ag.exp(x) - ag.exp(x)), BIG),
    ("exp", lambda x: ag.sum(ag.exp(x) / ag.sum(ag.exp(x))), BIG),
    ("exp", lambda x: ag.sum(0.0 * ag.exp(x)), BIG),
    ("exp", lambda x: ag.log(ag.sum(ag.exp(x))), BIG),
    (
        "linear",
        lambda x: ag.sum(nn.functional.linear(x, ag.tensor(SINGLE[None]), ONE[:1])),
        SINGLE,
    ),
    ("matmul", lambda x: x @ x, SINGLE),
    ("divide", lambda x: ag.sum(x / ag.std(x)), np.ones(3)),
    ("log", lambda x: ag.sum(ag.log(ag.softmax(x))), np.array([0.0, 2000.0])),
    ("log", lambda x: -ag.sum(ag.log(1.0 - ag.sigmoid(x))), np.array([0.0, 60.0])),
    ("sum", lambda x: ag.sum(x) * 0.5, np.full(4, 2e38, np.float32)),
    ("prod", lambda x: ag.prod(x), np.full(4, 1e30, np.float32)),
    ("cumprod", lambda x: ag.sum(ag.cumprod(x)), np.full(4, 1e30, np.float32)),
    ("gammaln", lambda x: ag.sum(ag.special.gammaln(x)), ZERO),
    ("digamma", lambda x: ag.sum(ag.special.digamma(x)), ZERO),
    ("p_norm", lambda x: ag.linalg.norm(x), SINGLE),
    ("contract", lambda x: ag.einsum("i,i->", x, x), SINGLE),
    ("convolve", lambda x: ag.sum(ag.convolve(x, x)), SINGLE),
    ("cumsum", lambda x: ag.sum(ag.cumsum(x)), np.full(4, 2e38, np.float32)),
    ("logabsdet", lambda x: ag.linalg.slogdet(x)[1], np.ones((2, 2))),
    ("remainder", lambda x: ag.sum(ag.mod(1.0, x)), ZERO),
    ("float_power", lambda x: ag.sum(ag.float_power(x, -2)), ZERO),
    ("divide", lambda x: ag.sum(x / ag.linalg.norm(x)), np.zeros(2)),
    ("astype", lambda x: ag.sum(x.astype(np.float32)), np.array([1.0, 1e300])),
    ("log1p", lambda x: ag.scan(lambda c, y: (c + ag.log1p(-y), c), 0.0, x)[0], ONE),
    ("log", lambda x: nn.NLLLoss()(ag.log(x)[None], np.array([1])), ZERO),
]

BACKWARD = [
    ("sqrt", lambda x: ag.sum(ag.sqrt(x)), ZERO),
    ("cbrt", lambda x: ag.sum(ag.cbrt(x)), ZERO),
    ("arccos", lambda x: ag.sum(ag.arccos(x)), ONE),
    ("arcsin", lambda x: ag.sum(ag.arcsin(x)), ONE),
    ("arccosh", lambda x: ag.sum(ag.arccosh(x)), np.array([2.0, 1.0])),
    ("power", lambda x: ag.sum(x**0.5), ZERO),
    ("power", lambda x: ag.sum(x**0.25) * 2.0, ZERO),
    ("sqrt", lambda x: ag.sum(ag.exp(ag.sqrt(x))), ZERO),
    ("divide", lambda x: ag.sum(1.0 / x), np.array([1.0, 1e-200])),
    ("log", lambda x: ag.sum(ag.log(x)), np.array([1.0, 1e-310])),
    ("sqrt", lambda x: ag.sum(ag.sqrt(x[1:])), ZERO),
    ("sqrt", lambda x: ag.sum(ag.sqrt(ag.max(x))), np.zeros(2)),
    ("arcsin", lambda x: ag.sum(ag.arcsin(ag.sin(x))), np.array([0.1, np.pi / 2])),
    ("multiply", lambda x: ag.sum((x * 1e30) * 1e30), np.zeros(2, np.float32)),
    ("sqrt", lambda x: ag.sum(ag.sqrt(x)) ** 2.0, ZERO),
    ("power", lambda x: ag.sum(NEGATIVE**x), np.array([1.0, 2.0])),
    ("eigh_packed", lambda x: ag.linalg.eigh(x)[1][0, 0], np.eye(2)),
    ("svd_packed", lambda x: ag.linalg.svd(x)[0][0, 0], np.eye(2)),
]


def line_of(function):
    return f"{__file__}:{function.__code__.co_firstlineno} in <lambda>"


def spoilt(function, *args):
    with pytest.raises(ag.AnomalyError) as caught, ag.detect_anomaly():
        function(*args)
    return caught.value


@pytest.mark.parametrize(("op", "f", "x"), FORWARD)
def test_forward(op, f, x):
    for found in (spoilt(f, ag.tensor(x)), spoilt(ag.grad(f), x)):
        assert (found.phase, found.op, found.line) == ("forward", op, line_of(f)), found
        assert f" from {op} ({line_of(f)})" in str(found)


@pytest.mark.parametrize(("op", "f", "x"), BACKWARD)
def test_backward(op, f, x):
    with ag.detect_anomaly():
        assert np.isfinite(f(ag.tensor(x)).numpy())
    leaf = ag.tensor(x, requires_grad=True)
    for found in (spoilt(ag.grad(f), x), spoilt(lambda: f(leaf).backward())):
        assert (found.phase, found.op, found.line) == ("backward", op, line_of(f)), found
        assert f" from the rule of {op} for " in str(found)
    assert leaf.grad is None  # nothing was changed


def test_there_are_many_cases():
    assert len(FORWARD) + len(BACKWARD) >= 50, (len(FORWARD), len(BACKWARD))


# ------------------------------------------------------------------------------ the message


def test_a_message_names_element_operands_and_line():
    def loss(x, y):
        return ag.sum(ag.divide(x, y))

    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0])
    found = spoilt(loss, ag.tensor(x), y)
    line = f"{__file__}:{loss.__code__.co_firstlineno + 1} in loss"
    assert str(found) == (
        f"forward pass: finite numbers, but got inf at [0, 1] from divide ({line}) of x = 2.0, "
        "y = 0.0. Keep its operands away from this point, or replace them there with where() "
        "beforehand."
    )
    assert (found.index, found.operand) == ((0, 1), "") and found.position > 0


def test_an_overflow_of_single_precision_is_called_that():
    wider = "Scale its operands down, or compute in float64, where the result is finite."
    assert str(spoilt(lambda x: x * x, ag.tensor(SINGLE))).endswith(wider)
    assert wider not in str(spoilt(ag.log, ag.tensor(ZERO.astype(np.float32))))


def test_a_message_about_the_backward_pass_names_cotangent_and_remembered():
    found = spoilt(ag.grad(lambda x: ag.sum(3.0 * ag.sqrt(x))), ZERO)
    assert "inf at [1] from the rule of sqrt for x (" in str(found)
    assert " of ct = 3.0, out = 0.0. " in str(found)
    assert (found.operand, found.index) == ("x", (1,))


def test_operands_of_what_is_not_elementwise_are_given_by_their_range():
    assert "x = 1.0 to 1.0000000150474662e+30, shape (2,)" in str(
        spoilt(ag.matmul, *2 * [ag.tensor(SINGLE)])
    )


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_an_input_that_is_not_finite_is_called_that(bad):
    x = np.array([1.0, bad, 2.0])
    found = spoilt(lambda: ag.sum(x * ag.tensor(1.0, requires_grad=True)))
    assert (found.phase, found.op, found.operand, found.index) == ("input", "multiply", "x", (1,))
    message = f"input: finite numbers, but got {bad} at [1] of x in multiply ("
    assert str(found).startswith(message) and "which no operation made" in str(found)


def test_a_weight_that_is_not_finite_is_an_input():
    model = nn.MLP([3, 2], rng=np.random.default_rng(0))
    weight = dict(model.named_parameters())["0.weight"]
    weight.assign(np.full(weight.shape, NAN))
    found = spoilt(model, np.ones((4, 3)))
    assert (found.phase, found.op, found.operand) == ("input", "linear", "weight")


def test_a_seed_that_is_not_finite():
    x = ag.tensor(ONE, requires_grad=True)
    found = spoilt(lambda: ag.exp(x).backward([1.0, INF]))
    assert found.phase == "input" and "inf at [1] in the seed of the sweep from exp" in str(found)


def test_cotangents_that_overflow_together():
    f = lambda x: ag.sum(x * 3e38) * 0.5 + ag.sum(x * 3e38)  # noqa: E731
    found = spoilt(ag.grad(f), np.zeros(2, np.float32))
    assert found.phase == "backward" and "in the sum of those that meet" in str(found)


# --------------------------------------------------------------------------- what is no anomaly

FINE = [
    lambda x: ag.sum(ag.where(x > 0.0, ag.log(x), 0.0)),
    lambda x: ag.sum(ag.where(x > 0.0, ag.sqrt(x), 0.0)),
    lambda x: ag.sum(1.0 / (1.0 + ag.exp(-1000.0 * x))),
    lambda x: ag.sum(ag.nan_to_num(ag.sqrt(x))),
    lambda x: ag.nansum(ag.log(x) * 0.0),
    lambda x: ag.sum(ag.softmax(ag.where(x > 0.0, x, -INF))),
    lambda x: ag.sum(ag.where(ag.isnan(ag.sqrt(x)), 0.0, x)),
    lambda x: ag.sum(ag.minimum(ag.exp(800.0 * ag.abs(x)), 10.0)),
    lambda x: ag.sqrt(ag.sum(ag.square(x * 0.0))),
    lambda x: ag.sum(ag.where(ag.isnan(x * np.array([1.0, NAN])), 0.0, x)),
]


@pytest.mark.parametrize("f", FINE)
def test_what_is_masked_is_no_anomaly(f):
    with ag.detect_anomaly():
        value, slope = ag.value_and_grad(f)(NEGATIVE)
        leaf = ag.tensor(NEGATIVE, requires_grad=True)
        f(leaf).backward()
    assert np.isfinite(value) and np.isfinite(slope).all()
    np.testing.assert_array_equal(leaf.grad, slope)


def test_what_is_noticed_where():
    with pytest.raises(ag.AnomalyError), ag.detect_anomaly():
        y = ag.log(ag.tensor(ZERO))
        float(ag.sum(y))
        pytest.fail("the host has read it")
    with pytest.raises(ag.AnomalyError, match="from log"), ag.detect_anomaly():
        ag.log(ag.tensor(ZERO))  # and nothing more
    with pytest.raises(ag.AnomalyError, match="from log"), ag.detect_anomaly():
        np.sum(ag.log(ag.tensor(ZERO)).detach().reshape(2, 1))
    with pytest.raises(ag.AnomalyError, match="from log"), ag.detect_anomaly():
        first, second = ag.log(ag.tensor(ZERO)), ag.sqrt(ag.tensor(NEGATIVE))
        del first
        second.sum()


def test_results_are_what_they_are_without():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)

    def trained(context):
        model = nn.MLP([4, 5, 3], rng=np.random.default_rng(1))
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        with context():
            for _ in range(5):
                optimizer.zero_grad()
                loss = nn.CrossEntropyLoss()(model(x), y)
                loss.backward()
                optim.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()
        return [loss.numpy(), *(p.numpy() for p in model.parameters())]

    for got, want in zip(trained(ag.detect_anomaly), trained(nullcontext), strict=True):
        np.testing.assert_array_equal(got, want)


# ------------------------------------------------------------------------------- transforms


def test_forward_mode_and_second_order():
    f = lambda x: ag.sum(ag.sqrt(x))  # noqa: E731
    found = spoilt(ag.jvp, f, (ZERO,), (np.ones(2),))
    assert (found.phase, found.op, found.line) == ("tangent", "sqrt", line_of(f))
    assert "inf at [1] from the rule of sqrt (" in str(found) and "of out = 0.0" in str(found)
    g = lambda x: ag.sum(x**1.5)  # noqa: E731
    with ag.detect_anomaly():
        ag.grad(g)(ZERO)
    assert spoilt(ag.hessian(g), ZERO).phase == "backward"
    assert spoilt(ag.hvp, g, ZERO, np.ones(2)).op == "power"
    assert spoilt(ag.grad(lambda x: ag.sum(ag.grad(f)(x))), ZERO).op == "sqrt"


def test_a_gradient_on_the_tape_may_be_masked():
    def f(x):
        return ag.sum(ag.where(x > 0.0, ag.grad(lambda y: ag.sum(ag.sqrt(y)))(x), 0.0))

    with ag.detect_anomaly():
        np.testing.assert_array_equal(ag.grad(f)(ZERO), [-0.25, 0.0])


def test_of_two_the_first_in_the_sweep_is_named():
    assert spoilt(ag.grad(lambda x: ag.sum(ag.sqrt(x)) + ag.sum(ag.cbrt(x))), ZERO).op == "cbrt"
    assert spoilt(ag.grad(lambda x: ag.sum(ag.cbrt(ag.sqrt(x)))), ZERO).op == "cbrt"


def test_a_tangent_that_is_not_finite_is_an_input():
    assert spoilt(ag.jvp, ag.sin, (ONE,), (np.array([1.0, INF]),)).phase == "input"


def test_rules_that_take_arrays_only():
    op = ag.primitive(lambda x: np.sqrt(x), register=False, pointwise=True)
    ag.defvjp(op, x=lambda ct, x: np.asarray(ct) * 0.5 / np.sqrt(np.asarray(x)))
    x = ag.tensor(ZERO, requires_grad=True)
    assert spoilt(lambda: op(x).sum().backward()).op == "<lambda>"


def test_functions_that_are_computed_again():
    inner = checkpoint(lambda x: ag.sqrt(x) * 2.0)
    found = spoilt(ag.grad(lambda x: ag.sum(inner(x))), ZERO)
    assert (found.phase, found.op) == ("backward", "sqrt")


def test_compiled_functions_run_as_without():
    f = lambda x: ag.sum(ag.sqrt(x))  # noqa: E731
    compiled = ag.compile(ag.grad(f))
    for i in range(6):
        compiled(ONE + i)
    (kind,) = compiled.kinds.values()
    runs = kind.runs
    found = spoilt(compiled, ZERO)
    assert (found.op, found.line, kind.runs) == ("sqrt", line_of(f), runs)
    compiled(ONE)
    assert kind.runs == runs + 1

    @ag.compile
    def inside(x):
        with ag.detect_anomaly():
            return ag.sum(x)

    with pytest.raises(
        ag.GraphError, match="around the call of a compiled function, but got one inside"
    ):
        inside(ONE)


# ------------------------------------------------------------------------- rules that raise


def raised(_):
    raise KeyError("mine")


RAISING = [
    (lambda ct, x: raised(ct), KeyError, "mine"),
    (
        lambda ct, x: None,
        ag.DTypeError,
        "of own for x: a cotangent, an array or tensor, but got N",
    ),
    (lambda ct, x: 0.0, ag.DTypeError, "but got 0.0. Return one, such as ct . x, or ct . 0.0 for"),
    (
        lambda ct, x: ag.ones(7),
        ag.ShapeError,
        "shape .2,. or one that broadcasts from it, but got",
    ),
]


@pytest.mark.parametrize("pointwise", [True, False])
@pytest.mark.parametrize(("rule", "kind", "words"), RAISING)
def test_what_a_rule_raises_has_the_line_of_its_operation(rule, kind, words, pointwise):
    own = ag.primitive(lambda x: x * x, pointwise=pointwise, register=False)
    own.name = "own"
    ag.defvjp(own, x=rule)
    f = lambda x: ag.sum(ag.tanh(own(x)))  # noqa: E731
    leaf = ag.tensor(ONE, requires_grad=True)
    ways = [
        lambda: ag.grad(f)(ONE),
        lambda: f(leaf).backward(),
        lambda: ag.hvp(f, ONE, ONE),
        ag.detect_anomaly()(lambda: ag.grad(f)(ONE)),
        lambda: ag.jvp(f, (ONE,), (ONE,)),
    ]
    for way in ways if pointwise or kind is not ag.ShapeError else ways[:-1]:
        with pytest.raises(kind, match=words) as caught:
            way()
        note = f"while differentiating own, recorded at {line_of(f)}"
        assert note in caught.value.__notes__ and leaf.grad is None


def test_forward_mode_asks_for_rules_written_with_ops():
    total = ag.primitive(lambda x: np.sum(x), register=False)
    ag.defvjp(total, x=lambda ct, x_shape: np.ones(x_shape))
    np.testing.assert_array_equal(ag.grad(lambda x: total(x))(ONE), [1.0, 1.0])
    words = r"a tensor that depends on ct, but got array\(\[1., 1.\]\). Write the rule with ops"
    with pytest.raises(ag.DTypeError, match=words):
        ag.jvp(lambda x: total(x), (ONE,), (ONE,))


# ------------------------------------------------------------------------------- the context


@ag.detect_anomaly()
def decorated(x, depth=2):
    return ag.log(x) if depth == 0 else decorated(x, depth - 1)


def test_it_is_a_decorator():
    assert decorated.__name__ == "decorated"
    with pytest.raises(ag.AnomalyError, match="-inf at .1. from log .*in decorated"):
        decorated(ag.tensor(ZERO))
    assert decorated(ag.tensor(1.0)).numpy() == 0.0


def test_nothing_is_left_of_it():
    for _ in range(2):
        spoilt(ag.log, ag.tensor(ZERO))
    assert not ag.tape().slow and ag.tape().trace is None
    with np.errstate(all="ignore"):
        assert np.isneginf(ag.log(ag.tensor(ZERO)).numpy()[1])
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        ag.log(ag.tensor(ZERO))


def test_frequent_operations_keep_their_short_cut(monkeypatch):
    def long_way(*_):
        raise AssertionError("the general road")

    x = ag.tensor(2.0, requires_grad=True)
    with ag.detect_anomaly():
        monkeypatch.setattr("autograd_core.op.Op.__call__", long_way)
        y = -ag.exp(x * 0.5) + x
        monkeypatch.undo()
        with ag.no_grad():
            assert not ag.exp(x).requires_grad
        with ag.conventions(abs=1.0):
            assert ag.grad(ag.abs)(0.0) == 1.0
        found = spoilt(lambda: ag.log([0.0, 1.0] * x) * ag.log(x - 2.0))
    assert (y.node.op.name, found.op) == ("add", "log")
    assert found.line.endswith("in <lambda>")


def test_contexts_nest():
    with pytest.raises(ag.AnomalyError, match="from sqrt"), ag.detect_anomaly():
        with pytest.raises(ag.AnomalyError, match="from log"), ag.detect_anomaly():
            ag.log(ag.tensor(ZERO))
        ag.sqrt(ag.tensor(NEGATIVE))


def test_other_errors_are_annotated():
    with pytest.raises(ag.MatrixError) as caught, ag.detect_anomaly():
        ag.linalg.cholesky(ag.log(ag.tensor(np.eye(2))))
    assert any("detect_anomaly: forward pass" in note for note in caught.value.__notes__)
    with pytest.raises(KeyError) as caught, ag.detect_anomaly():
        raise KeyError("nothing to do with it")
    assert not hasattr(caught.value, "__notes__")


def test_other_threads_do_not_notice():
    found = []

    def work():
        with np.errstate(all="ignore"):
            found.append(ag.log(ag.tensor(ZERO)).numpy())

    with ag.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert np.isneginf(found[0][1])
