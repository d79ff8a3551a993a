"""Blame: planted bugs are named by operation, operand and line, and nothing right is accused."""

import functools
import inspect
import time

import numpy as np
import pytest
from applications import applications, cast, differentiable
from scale_rules import replaced

import autograd_core as ag
import nn
from autograd_core.checking import gradcheck
from autograd_core.checkpoint import checkpoint

OPS = [op for op in ag.OPS.values() if op.nondiff is None and op.rules]
X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


def here(function, mark="# here"):
    """Return the line of a function that has a mark, as reports write it."""
    lines, first = inspect.getsourcelines(function)
    offset = next(i for i, line in enumerate(lines) if mark in line)
    return f"{inspect.getsourcefile(function)}:{first + offset} in"


def net(op, operands, attributes):
    """Return a function with an op in the middle, and the point of an application of the op."""
    tracked = differentiable(op, operands)

    def function(*points):
        full = list(operands)
        for i, point in zip(tracked, points, strict=True):
            full[i] = ag.copysign(point, point.detach())
        out = op(full, **attributes) if op.variadic else op(*full, **attributes)  # here
        weights = np.linspace(0.5, 1.5, max(1, out.size)).reshape(out.shape)
        return ag.sum(out * weights) + sum(ag.sum(ag.arctan(point)) for point in points)

    return function, [operands[i] for i in tracked]


LINE = here(net)


@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_no_rule_of_the_registry_is_accused(op):
    for operands, attributes in applications(op):
        for given in (operands, cast(operands, np.float32)):
            function, points = net(op, given, attributes)
            found = ag.blame(function, *points, order=2)
            assert not found, found
            assert found.operations >= 3


# --------------------------------------------------------------------------- planted in rules


def read(x):
    return x.numpy() if isinstance(x, ag.Tensor) else np.asarray(x)


def rolled(part):
    moved = np.roll(read(part).ravel(), 1).reshape(part.shape)
    return ag.tensor(moved) if isinstance(part, ag.Tensor) else moved


def but_for_one(part):
    largest = np.argmax(np.abs(read(part))) if part.size else 0
    return part * np.where(np.arange(part.size).reshape(part.shape) == largest, 1.01, 1.0)


BUGS = {
    "a factor": lambda part: part * 2.0,
    "a thousandth": lambda part: part * 1.001,
    "a hundred thousandth": lambda part: part * 1.00001,
    "the sign": lambda part: -part,
    "nothing at all": lambda part: part * 0.0,
    "in the wrong places": rolled,
    "one entry": but_for_one,
}


def broken(rule, bug, changed):
    """Return a rule with a bug, which notes where that changes anything."""

    @functools.wraps(rule)  # its parameters say what is remembered
    def wrong(ct, *remembered):
        part = rule(ct, *remembered)
        bad = bug(part)
        size = np.abs(read(part)).max(initial=0.0)
        changed.append(np.abs(read(part) - read(bad)).max(initial=0.0) > 1e-9 * size)
        return bad

    return wrong


def names(found, op, operand):
    """Whether a culprit is the operand's rule at the line, and all are rules of the op."""
    whose = operand if not op.variadic else "operand "
    return all(c.op == op.name for c in found.culprits) and any(
        c.operand.startswith(whose) and c.line.startswith(LINE) for c in found.culprits
    )


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_named(bug):
    named, missed = 0, []
    for op in OPS:
        for operand, rule in op.rules.items():
            operands, attributes = applications(op)[0]
            changed = []
            with replaced(op, **{operand: broken(rule, BUGS[bug], changed)}):
                function, points = net(op, operands, attributes)
                found = ag.blame(function, *points)
            if names(found, op, operand):
                named += 1
            elif any(changed):
                missed.append((op.name, operand))
    assert named > 150
    assert len(missed) <= 0.02 * named, missed


@pytest.mark.parametrize("name", ["multiply", "divide", "power", "matmul", "hypot", "subtract"])
def test_swapped_rules_are_named(name):
    op, (x, y) = ag.OPS[name], (np.abs(X[:, :2]) + 0.5, np.abs(X[:, 1:]) + 1.0)
    with replaced(op, x=op.rules["y"], y=op.rules["x"]):
        assert names(ag.blame(*_with(net(op, (x, y), {}))), op, "")


def _with(pair):
    function, points = pair
    return function, *points


def test_a_missing_sum_is_named():
    def first(ct, x_shape):
        return ct[:1]

    op = ag.OPS["add"]
    with replaced(op, x=first):
        found = ag.blame(lambda x, y: ag.sum(ag.sin(x + y)), X[:1], X)
    assert [(c.op, c.operand) for c in found.culprits] == [("add", "x")]


@pytest.mark.parametrize("name", ["exp", "multiply", "tanh", "log", "matmul", "sqrt", "arctan"])
def test_a_stale_value_is_named(name):
    op = ag.OPS[name]
    rule = op.edge_rules[0]
    save = rule.save

    def stale(env):
        kept = save(env)
        return tuple(0.9 * k for k in kept) if isinstance(kept, tuple) else 0.9 * kept

    operands = [np.abs(X[:, :2]) + 0.5] * len(op.operands)
    function, points = net(op, operands, {})
    rule.save = stale
    try:
        assert names(ag.blame(function, *points), op, rule.operand)
    finally:
        rule.save = save


def test_a_dropped_path_is_named():
    op = ag.OPS["divide"]
    with replaced(op, y=None):
        found = ag.blame(lambda x: ag.sum(x / ag.exp(x)), X)
    assert [(c.op, c.operand, c.reason) for c in found.culprits] == [
        ("divide", "y", "is claimed to be zero: is a path missing?")
    ]


def planted(forward, rule, **facets):
    op = ag.primitive(forward, register=False, **facets)
    ag.defvjp(op, **rule)
    return op


def cube(x):
    return x * x * x


CUSTOM = {
    "wrong for large numbers only": lambda ct, x: ct * ag.where(x > 1.0, 2.9 * x * x, 3.0 * x * x),
    "wrong for negative numbers only": lambda ct, x: ct * 3.0 * x * ag.abs(x),
    "wrong shape": lambda ct, x: (ct * 3.0 * x * x)[0, :2],
    "an error": lambda ct, x: ct * x.does_not_exist,
    "not a number": lambda ct, x: ct * ag.log(x),
}


@pytest.mark.parametrize("case", CUSTOM)
def test_custom_operations_are_named(case):
    op = planted(cube, {"x": CUSTOM[case]}, pointwise=True)

    def function(x):
        h = ag.tanh(x) * 2.0
        y = op(h)  # here
        return ag.sum(ag.sin(y))

    report = gradcheck(function, X)
    (line,) = report.blame
    assert report.verdict == "wrong"
    assert line.startswith("cube: the rule for x is wrong (operation 2 of 5, " + here(function))
    assert str(report).endswith(f"  blame: {line}")


def test_a_tie_is_named():
    op = planted(lambda x: np.max(x), {"x": lambda ct, x, out: ct * ag.equal(x, out)})
    found = ag.blame(lambda x: ag.exp(op(x)), np.array([1.0, 1.0, 0.5]))
    assert [c.op for c in found.culprits] == ["<lambda>"]
    assert not ag.blame(lambda x: ag.exp(op(x)), np.array([1.0, 0.9, 0.5]))


@pytest.mark.parametrize("f", [ag.relu, ag.abs, ag.sort, ag.max, lambda x: ag.clip(x, 0.0, 0.5)])
def test_conventions_at_kinks_are_not_accused(f):
    assert not ag.blame(lambda x: ag.sum(f(x)), np.array([0.0, 0.5, 0.5, 0.0, 1.0]))


def test_an_exact_zero_wins_over_an_infinite_slope():
    assert not ag.blame(lambda x, y: ag.sum(x**y), np.array([0.0, 1.0]), np.array([2.0, 2.0]))


def test_an_operand_that_is_overwritten_is_named():
    def sine(x):
        return np.sin(x, out=x) if x.flags.writeable else np.sin(x)

    op = planted(sine, {"x": lambda ct, x: ct * ag.cos(x)}, pointwise=True)
    found = ag.blame(lambda x: ag.sum(op(x * 1.0)), X)
    assert [(c.op, c.operand) for c in found.culprits] == [("sine", "x")]


# ------------------------------------------------------------------- second and forward


def frozen(rule):
    """Return a rule whose result depends on the cotangent only, as it seems."""

    @functools.wraps(rule)
    def wrong(ct, *remembered):
        plain = [x.detach() if isinstance(x, ag.Tensor) else x for x in remembered]
        return rule(ct, *plain)

    return wrong


SMOOTH = [
    "sin",
    "exp",
    "tanh",
    "log",
    "sqrt",
    "sigmoid",
    "softplus",
    "multiply",
    "divide",
    "power",
]
SMOOTH += [
    "matmul",
    "softmax",
    "logsumexp",
    "arctan",
    "square",
    "reciprocal",
    "gelu",
    "silu",
    "erf",
]


@pytest.mark.parametrize("name", SMOOTH)
def test_wrong_second_derivatives_are_named(name):
    op = ag.OPS[name]
    operand, rule = next(iter(op.rules.items()))
    operands, attributes = applications(op)[0]
    function, points = net(op, operands, attributes)
    with replaced(op, **{operand: frozen(rule)}):
        assert not ag.blame(function, *points)
        found = ag.blame(function, *points, order=2)
    assert names(found, op, operand) and found.culprits[0].mode == "second", found


def test_the_operation_in_a_rule_is_named():
    pull = ag.OPS["gelu_pull"] if "gelu_pull" in ag.OPS else ag.OPS["silu_pull"]
    f = ag.gelu if pull.name == "gelu_pull" else ag.silu

    def function(x):
        return ag.sum(ag.sin(f(x)))  # here

    with replaced(pull, x=lambda ct, x: ct * 0.5):
        report = gradcheck(function, X, order=2)
    (line,) = report.blame
    assert line.startswith(f"{pull.name}: the rule for x is wrong (operation 0 of 3, ")
    assert here(function) in line and f"applied by the rule of {f.__name__}" in line


def test_what_is_wrong_in_forward_mode_only_is_named():
    def turned(x):
        return np.roll(x, 1)

    def back(ct):
        return ag.roll(ct, shift=-1)

    op = planted(turned, {"x": back}, pointwise=True)
    found = ag.blame(lambda x: ag.sum(ag.sin(op(x))), X[0])
    assert [(c.op, c.mode) for c in found.culprits] == [("turned", "forward")]
    assert "read forwards, is wrong" in str(found) and "in reverse" in str(found)
    assert gradcheck(op, X[0])


# ----------------------------------------------------------------------------- functions


class Loss:
    def __init__(self, model):
        self.model = model

    def named_parameters(self):
        return self.model.named_parameters()

    def __call__(self, x, y):
        return nn.CrossEntropyLoss()(self.model(x), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "operand"), [("linear", "weight"), ("linear", "bias"), ("relu", "x")]
)
def test_models_are_blamed_by_the_operations_of_their_layers(name, operand, dtype):
    rng = np.random.default_rng(0)
    loss = Loss(nn.MLP([4, 6, 3], activation="relu", rng=rng).astype(dtype))
    batch = rng.normal(size=(5, 4)), np.array([0, 1, 2, 1, 0])
    assert not ag.blame(loss, *batch, order=2)
    op = ag.OPS[name]
    with replaced(op, **{operand: broken(op.rules[operand], BUGS["a factor"], [])}):
        found = ag.blame(loss, *batch)
    assert {(c.op, c.operand) for c in found.culprits} == {(name, operand)}
    assert all("test_blame.py" in c.line for c in found.culprits)


@pytest.mark.parametrize("depth", [10, 2500])
def test_deep_nets_take_seconds(depth):
    good, bad = (
        planted(cube, {"x": lambda ct, x: ct * 3.0 * x * x}),
        planted(cube, {"x": lambda ct, x: ct * 3.01 * x * x}),
    )

    def function(x):
        for i in range(depth):
            h = x * 0.9 + 0.1
            op = bad if i == depth - 3 else good
            x = ag.tanh(op(h)) + x  # here
        return ag.sum(x)

    start = time.perf_counter()
    (culprit,) = ag.blame(function, X).culprits
    assert time.perf_counter() - start < 30.0
    assert (culprit.op, culprit.times, culprit.total) == ("cube", 1, 5 * depth + 1)
    assert culprit.position == 5 * (depth - 3) + 2 and culprit.line.startswith(here(function))


def test_functions_that_are_computed_again_are_looked_into():
    op = planted(cube, {"x": lambda ct, x: ct * x * x}, pointwise=True)
    inner = checkpoint(lambda x: ag.sin(op(ag.tanh(x))))
    found = ag.blame(lambda x: ag.sum(inner(x) * 2.0), X)
    assert [c.op for c in found.culprits] == ["cube"]


def test_where_values_leave_the_tape():
    def detaching(x):
        y = ag.exp(x)
        return ag.sum(y.detach() * x)  # here

    (leak,) = gradcheck(detaching, X).blame
    assert (
        "the result of exp (" in leak and " is a constant in multiply (" + here(detaching) in leak
    )

    def reading(x):
        y = ag.exp(x)
        return ag.sum(np.sin(y.numpy()) * x)  # here

    (leak,) = gradcheck(reading, X).blame
    assert f" is read by the host ({here(reading)}" in leak
    assert ag.blame(lambda x: ag.sum(x.detach() * x), X).leaks[0].startswith("the input x is a")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_are_not_finite_accuse_nobody(dtype):
    def explodes(x, y):
        for _ in range(12):
            y = y * y * x  # here
        return ag.sum(ag.tanh(y @ x.T))

    point = np.abs(X[:, :2]).astype(dtype) + dtype(1.5)
    found = ag.blame(explodes, point, 2.0 * point, order=2)
    assert not found and "results are not, the first is of multiply (" in str(found)
    assert here(explodes) in str(found)
    rule = ag.OPS["tanh"].rules["x"]
    with replaced(ag.OPS["tanh"], x=broken(rule, BUGS["the sign"], [])):
        (culprit,) = ag.blame(lambda x, y: explodes(ag.tanh(x) + 2.0, y), point, point).culprits
    assert (culprit.op, culprit.position, culprit.times) == ("tanh", 0, 1)


@pytest.mark.parametrize("name", ["where", "softmax", "add"])
def test_rules_are_tried_beside_a_mask(name):
    def attention(x):
        scores = ag.where(X > 0.0, x + 1.0, -np.inf)
        return ag.sum(ag.softmax(scores, axis=1) * X)

    rule = ag.OPS[name].rules["x"]
    assert not ag.blame(attention, X, order=2)
    with replaced(ag.OPS[name], x=broken(rule, BUGS["a factor"], [])):
        found = ag.blame(attention, X)
    assert {c.op for c in found.culprits} == {name}


def test_what_is_right_has_nobody_to_blame():
    report = gradcheck(ag.sin, X)
    assert report and report.blame == []
    found = ag.blame(ag.sin, X)
    assert not found and str(found) == "blame: none of the 1 operations has a wrong rule"


def test_many_culprits_are_cut_short():
    op = ag.OPS["sin"]
    with replaced(op, x=lambda ct, x: ct):
        f = [
            lambda x, i=i: eval(compile("\n" * i + "ag.sin(x)", "f.py", "eval")) for i in range(7)
        ]  # noqa: S307
        found = ag.blame(lambda x: sum(ag.sum(g(x)) for g in f), X)
        again = ag.blame(lambda x: ag.sum(sum(ag.sin(x + i) for i in range(4))), X)
    assert len(found.culprits) == 7 and found.lines[-1] == "and 2 more"
    assert str(again).endswith("(and 3 more there)")
