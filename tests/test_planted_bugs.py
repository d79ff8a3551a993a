"""The laws are tested in turn: each planted bug must turn the law red that is there for it."""

import importlib
import inspect
import pkgutil
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import pytest
from laws import LAWS
from scale_rules import all_rules, broken_laws, red_laws, replaced, scaled

import autograd_core as ag

OPS = ag.OPS
RULES = all_rules()


@pytest.mark.parametrize(
    ("op", "operand"), RULES, ids=[f"{op.name}-{operand}" for op, operand in RULES]
)
def test_no_rule_of_the_registry_can_be_off_by_a_thousandth(op, operand):
    assert red_laws(op, operand)


# ------------------------------------------------------------------- bugs in the engine


def modules():
    names = [m.name for m in pkgutil.iter_modules(ag.__path__, "autograd_core.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


@contextmanager
def engine(name, change):
    """Replace a function of the engine wherever it has been imported."""
    homes = [module for module in modules() if inspect.isfunction(getattr(module, name, None))]
    assert homes, f"the engine has no {name} any more"
    wrong = change(getattr(homes[0], name))
    with ExitStack() as stack:
        for home in homes:
            stack.enter_context(mock.patch.object(home, name, wrong))
        yield


def rewritten(old, new):
    """Return a change that replaces a piece of a function's text."""

    def change(function):
        source = inspect.getsource(function)
        assert old in source, f"{function.__name__} does not say {old!r} any more"
        home = inspect.getmodule(function).__dict__
        space = dict(home)
        exec(source.replace(old, new), space)
        return space[function.__name__]

    return change


def first_instead_of_sum(_):
    def wrong(ct, shape):
        return ct[(0,) * (ct.ndim - len(shape))][tuple(slice(0, size) for size in shape)]

    return wrong


def test_a_forgotten_broadcast_sum_is_noticed():
    assert not broken_laws(OPS["add"], ["pullback"])
    with engine("unbroadcast", first_instead_of_sum):
        for name in ("add", "multiply", "where"):
            assert broken_laws(OPS[name], ["pullback"]) == ["pullback"]


def test_a_missed_accumulation_is_noticed_where_something_is_used_twice():
    with engine("sweep", rewritten("known + part", "part")):
        for name in ("sin", "add", "sum", "matmul"):
            assert broken_laws(OPS[name], ["fan_out"]) == ["fan_out"]
        assert broken_laws(OPS["sin"], ["pullback"]) == []  # each leaf is used once there


def test_a_missed_accumulation_into_grad_is_noticed():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [4.0, 8.0])


@contextmanager
def saving(op, change):
    """Let the first rule of an op remember something else than it names."""
    rule = op.edge_rules[0]
    original = rule.save

    def save(env):
        kept = original(env)
        return change(kept if isinstance(kept, tuple) else (kept,), env)

    rule.save = save
    try:
        yield
    finally:
        rule.save = original


def test_a_saved_value_too_few_and_one_too_many_are_noticed():
    op = OPS["multiply"]
    with saving(op, lambda saved, env: saved[:-1]):
        assert {"memory", "pullback"} <= set(broken_laws(op))
    with saving(op, lambda saved, env: (*saved, env[0])):
        assert "memory" in broken_laws(op)


# --------------------------------------------------------------------- bugs in the rules


def detached(x):
    return x.detach() if isinstance(x, ag.Tensor) else x


def read(x):
    return x.numpy() if isinstance(x, ag.Tensor) else np.asarray(x)


def in_numpy(ct, out):
    product = read(ct) * (0.5 / read(out))
    return ag.tensor(product) if isinstance(ct, ag.Tensor) else product


def one_entry_wrong(ct, x):
    return ct * ag.cos(x) * np.where(np.arange(np.size(x)).reshape(np.shape(x)) == 5, 1.001, 1.0)


DIVIDE = OPS["divide"].rules
MATMUL = OPS["matmul"].rules
WRONG_RULES = {
    "a thousandth too much": ("sin", {"x": scaled(OPS["sin"].rules["x"])}, "pullback"),
    "wrong sign": ("cos", {"x": lambda ct, x: ct * ag.sin(x)}, "pullback"),
    "swapped operands, scalar": (
        "divide",
        {"x": DIVIDE["y"], "y": DIVIDE["x"]},
        "pullback",
    ),
    "swapped operands, matrix": (
        "matmul",
        {"x": lambda ct, x, y: MATMUL["x"](ct, y, x)},
        "pullback",
    ),
    "one entry of many": ("sin", {"x": one_entry_wrong}, "jacobian"),
    "a missing sum in the rule": ("linear", {"bias": lambda ct: ct[..., :1, :]}, "pullback"),
    "an attribute forgotten": (
        "leaky_relu",
        {"x": lambda ct, x: OPS["leaky_relu_pull"](ct, x)},
        "pullback",
    ),
    "a divisor forgotten": (
        "mean",
        {"x": lambda ct, x_shape: ag.broadcast_to(ct.sum(), x_shape)},
        "linear",
    ),
    "a frozen comparison": (
        "abs",
        {"x": lambda ct, x: ct * np.where(read(x) > 0, 1.0, -1.0)},
        "unfrozen",
    ),
    "a wrong second derivative": (
        "sin",
        {"x": lambda ct, x: ct * detached(ag.cos(x))},
        "second_order",
    ),
    "the wrong dtype and shape": (
        "exp",
        {"x": lambda ct, out: (ct * out).reshape((-1,))[:1]},
        "metadata",
    ),
    "zero times infinity": ("sqrt", {"x": lambda ct, out: in_numpy(ct, out)}, "strong_zero"),
    "a gradient that is the seed": ("negative", {"x": lambda ct: -ct}, None),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_a_wrong_rule_turns_its_law_red(case):
    name, rules, law = WRONG_RULES[case]
    op = OPS[name]
    assert law is None or not broken_laws(op, [law])
    with replaced(op, **rules):
        assert broken_laws(op, [law] if law else LAWS) == ([law] if law else [])
    assert law is None or not broken_laws(op, [law])


def test_a_wrong_second_derivative_leaves_the_first_alone():
    _, rules, _ = WRONG_RULES["a wrong second derivative"]
    with replaced(OPS["sin"], **rules):
        assert broken_laws(OPS["sin"], ["pullback", "jacobian", "fan_out"]) == []


# ------------------------------------------------------------------ bugs in the forward


def planted(forward, rule, **facets):
    """Return an unregistered elementwise op with a forward, a rule and an oracle."""
    op = ag.primitive(forward, register=False, **{"pointwise": True} | facets)
    ag.defvjp(op, **rule)
    return op


COS = {"x": lambda ct, x: ct * ag.cos(x)}
SIGMOID = {"x": lambda ct, out: ct * out * (1.0 - out)}
COUNTER = iter(range(10**9))


def far(x):
    return np.float32(1000.0) if x.dtype == np.float32 else 0.0


def in_place(x):
    return np.sin(x, out=x) if x.size > 3 and x.flags.writeable else np.sin(x)


WRONG_FORWARDS = {
    "a digit lost": (lambda x: np.sin(x) * (1 + 1e-9), COS, np.sin, "value"),
    "an operand overwritten": (in_place, COS, np.sin, "purity"),
    "another result each time": (lambda x: np.sin(x) + next(COUNTER), COS, np.sin, "purity"),
    "the memory order taken for the order": (
        lambda x: np.sin(x.ravel(order="K")).reshape(x.shape),
        COS,
        np.sin,
        "layout",
    ),
    "float32 digits lost": (lambda x: np.sin(x + far(x) - far(x)), COS, np.sin, "single"),
    "float64 whatever comes": (lambda x: np.sin(np.asarray(x, float)), COS, np.sin, "metadata"),
    "no empty arrays": (lambda x: np.sin(x) + 0 * np.max(x), COS, np.sin, "small"),
    "overflow": (
        lambda x: np.exp(x) / (1 + np.exp(x)),
        SIGMOID,
        lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
        "extremes",
    ),
    "not elementwise at all": (
        lambda x: np.roll(x, 1),
        {"x": lambda ct: ag.getitem(ag.ravel(ct), index=np.r_[1 : ct.size, 0]).reshape(ct.shape)},
        lambda x: np.roll(x, 1),
        "adjoint",
    ),
}


@pytest.mark.parametrize("case", WRONG_FORWARDS)
def test_a_wrong_forward_turns_its_law_red(case):
    forward, rule, oracle, law = WRONG_FORWARDS[case]
    assert law in broken_laws(planted(forward, rule, oracle=oracle), [law])


def test_promotion_that_is_not_numpys_is_noticed():
    def product(x, y):
        return np.multiply(np.asarray(x, np.float64), y)

    rules = {"x": lambda ct, y: ct * y, "y": lambda ct, x: ct * x}
    assert broken_laws(planted(product, rules, oracle=np.multiply), ["mixed"]) == ["mixed"]


def test_every_law_has_a_planted_bug():
    tables = (WRONG_RULES, WRONG_FORWARDS)
    seen = {case[-1] for table in tables for case in table.values()}
    assert set(LAWS) <= seen | {"memory", "fan_out", "mixed"}
