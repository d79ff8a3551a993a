"""Simplified programs compute the same bits as the steps that were recorded."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

import autograd_core as ag
import optim
from autograd_core.compiler.compare import content, fresh
from autograd_core.compiler.program import Program
from autograd_core.compiler.record import Apply, Trace, Update
from autograd_core.compiler.repeats import key
from autograd_core.compiler.rewriting import Facts
from autograd_core.compiler.simplify import constants, identities, repeats, simplify
from autograd_core.declare import OPS
from autograd_core.modes import traced
from autograd_core.tensor import wrap
from autograd_core.update import update_op


def recorded(function, *arrays):
    """Return what a function of tensors does, and the values that it returns."""
    trace = Trace(arrays)
    with traced(trace), np.errstate(all="ignore"):
        found = function(*(wrap(array, None) for array in arrays))
        found = found if isinstance(found, tuple) else (found,)
        results = [trace.value(tensor._value, tensor) for tensor in found]
    trace.close()
    return trace, results


def simplified(function, *arrays):
    """Return what is left of a function whose captured arrays are constants."""
    trace, results = recorded(function, *arrays)
    return simplify(trace.steps, results, captured(trace))


def captured(trace):
    return {value for value in trace.values if value.holder is not None}


def names(function, *arrays):
    """Return the names of the ops that are left."""
    return [step.name for step in simplified(function, *arrays).steps]


def interpreted(trace, results, arrays):
    """Return the results of the steps as they were recorded, one by one."""
    known = dict(zip(trace.inputs, arrays, strict=True))
    known |= {value: content(value) for value in captured(trace)}
    with np.errstate(all="ignore"):
        for step in trace.steps:
            operands = [known.get(x, x) if hasattr(x, "place") else x for x in step.parts]
            if isinstance(step, Apply):
                known[step.result] = step.op.compute(*operands, **step.attributes)
            elif isinstance(step, Update):
                step.function(*operands, **step.attributes)
    return [known[value].copy() for value in results]


def same_bits(got, want):
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind == "f":  # which NaN it is, no result says
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        got, want = np.nan_to_num(got, nan=0.0), np.nan_to_num(want, nan=0.0)
    assert got.tobytes() == want.tobytes(), (got, want)


# --------------------------------------------------------------------- random expressions

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.1, math.nan, math.inf, -math.inf, 1e-308, 1e308)
NUMBERS = (*SPECIAL, 0, 1, -1, 3, True, False)
X = np.array([[1.5, -0.0, np.nan], [np.inf, -2.0, 0.0]])
INPUTS = (X, X[0, ::-1].copy(), np.array(0.3), np.array([[1, 0, 3]] * 2), X[:, :1].copy())
FACTOR = np.array([2.0, 1.0, -0.0])

scale = update_op("scale", lambda x: np.multiply(x, 3.0, out=x), ("x",), ("x",))


def view(name, attributes):
    return lambda x: OPS[name](x, **attributes(x))


def unary(name):
    return lambda x: OPS[name](x)


def binary(name):
    return lambda x, y: OPS[name](x, y)


ONE = {
    **{name: unary(name) for name in ("negative", "positive", "square", "exp", "transpose")},
    "flat": view("reshape", lambda x: {"shape": (-1,)}),
    "column": view("reshape", lambda x: {"shape": (-1, 1)}),
    "same": view("reshape", lambda x: {"shape": x.shape}),
    "moved": view("transpose", lambda x: {"axes": tuple(range(-x.ndim, 0))[::-1]}),
    "unmoved": view("transpose", lambda x: {"axes": tuple(range(x.ndim))}),
    "stretched": view("broadcast_to", lambda x: {"shape": np.broadcast_shapes(x.shape, (2, 3))}),
    "double": view("astype", lambda x: {"dtype": np.float64}),
    "single": view("astype", lambda x: {"dtype": np.float32}),
    "total": view("sum", lambda x: {"axis": None}),
    "rest": lambda x: x[..., 1:],
}
TWO = {
    name: binary(name)
    for name in ("add", "subtract", "multiply", "divide", "maximum", "equal", "less")
}
TWO["strong"] = OPS["multiply"].strong
LEAVES = {  # constants that a recording makes anew, and an array that is there before
    "ones": lambda: ag.tensor(np.ones((2, 3))),
    "one": lambda: ag.tensor(np.float32(1.0)),
    "ramp": lambda: ag.tensor(np.arange(3.0)),
    "factor": lambda: wrap(FACTOR, None),
    "alias": lambda: wrap(FACTOR[:], None),
}
places = st.integers(0, 40)
operands = places | st.sampled_from(NUMBERS)
moves = st.one_of(
    st.tuples(st.sampled_from(sorted(ONE)), places),
    st.tuples(st.sampled_from(sorted(TWO)), operands, operands),
    st.tuples(st.just("where"), operands, operands, operands),
    st.tuples(st.sampled_from(sorted(LEAVES))),
    st.tuples(st.just("write"), places),
)


def follow(moves, pool):
    """Do the moves that are possible, each on what the earlier ones have made."""
    for name, *chosen in moves:
        given = [pool[i % len(pool)] if type(i) is int else i for i in chosen]
        if name == "write":
            if given[0].dtype.kind == "f" and given[0]._value.flags.writeable:
                scale(given[0]._value)
        elif name in LEAVES:
            pool.append(LEAVES[name]())
        elif any(isinstance(x, ag.Tensor) for x in given):
            op = ONE.get(name) or TWO.get(name) or OPS[name]
            try:
                pool.append(op(*given))
            except (ValueError, TypeError, IndexError):
                continue  # they do not fit together
    return pool


@given(st.lists(moves, min_size=1, max_size=24))
# Inputs are 0 to 4; each of these is wrong if one question about memory or shapes is not asked.
@example([("positive", 0), ("write", 0), ("add", 5, 5)])
@example([("positive", 0), ("write", 5), ("square", 0)])
@example([("factor",), ("flat", 5), ("positive", 5), ("write", 6)])
@example([("factor",), ("alias",), ("positive", 5), ("write", 6)])
@example([("ones",), ("square", 5), ("write", 6), ("negative", 6)])
@example([("multiply", 0, 2.0), ("write", 0), ("negative", 5)])
@example([("transpose", 0), ("flat", 5), ("write", 0), ("column", 6)])
@example([("stretched", 1), ("write", 1), ("add", 0, 5)])
@example([("stretched", 1), ("add", 5, 1.0)])
@example([("ones",), ("alias",), ("square", 5)])
@example([("subtract", 0, 1), ("subtract", 1, 0)])
@example([("factor",), ("multiply", 5, 1.0), ("write", 5), ("square", 6), ("write", 6)])
@example([("negative", 0), ("negative", 0), ("write", 5), ("add", 6, 6)])
@example([("ones",), ("write", 5), ("multiply", 5, 0)])
@example([("negative", 0), ("write", 0), ("subtract", 1, 5)])
@example([("flat", 0), ("write", 0), ("flat", 0), ("add", 5, 6)])
@example([("square", 0), ("write", 0), ("square", 0), ("subtract", 5, 6)])
def test_any_steps_compute_the_same_bits(moves):
    held = FACTOR.copy()
    inputs = [array.copy() for array in INPUTS]
    made = []

    def function(*tensors):
        made.extend(follow(moves, [*tensors]))
        return tuple(made[len(tensors) :])

    try:
        trace, results = recorded(function, *inputs)
        before = {value: content(value).copy() for value in captured(trace)}
        constant = {v for v in before if not np.may_share_memory(content(v), FACTOR)}
        others = [np.roll(array, 1).copy() for array in INPUTS]
        want = _restored(before, lambda: interpreted(trace, results, [x.copy() for x in others]))
        program = Program(trace, results, native=False, fresh=constant)
        got = _restored(before, lambda: program.run([x.copy() for x in others]))
    finally:
        FACTOR[:] = held
    for g, w in zip(got, want, strict=True):
        same_bits(g, w)


def _restored(before, run):
    """Run on captured arrays as they were before the recording."""
    for value, array in before.items():
        if content(value).flags.writeable:
            content(value)[...] = array
    return [array.copy() for array in run()]


# ------------------------------------------------------------------------------ identities

V = np.array([1.5, -0.0, np.nan, np.inf])
M = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 1.0,
        lambda x: 1 * x,
        lambda x: x / 1.0,
        lambda x: x - 0.0,
        lambda x: x + -0.0,
        lambda x: ag.negative(-x),
        lambda x: ag.positive(x),
        lambda x: ag.where(True, x, 0.0),
        lambda x: ag.where(0.0, 1.0, x),
        lambda x: ag.where(x > 0, x, x),
        lambda x: x.T.T,
        lambda x: ag.transpose(ag.transpose(x, axes=(1, 0)), axes=(-1, 0)),
        lambda x: ag.reshape(ag.reshape(x, shape=(-1,)), shape=(2, 3)),
        lambda x: ag.broadcast_to(x, shape=(2, 3)),
        lambda x: OPS["astype"](x, dtype=np.float64),
        lambda x: x * ag.tensor(np.ones(3)),
        lambda x: x * ag.broadcast_to(ag.tensor(2.0) / 2.0, shape=(2, 3)),
        lambda x: OPS["multiply"].strong(x, 1.0),
    ],
)
def test_what_gives_its_operand_back(function):
    assert names(function, M) == []


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 0.0,  # -0.0 becomes 0.0
        lambda x: x - -0.0,
        lambda x: x * 0.0,  # NaN and infinities stay
        lambda x: 0.0 - x,
        lambda x: 1.0 / x,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: x * True + ag.tensor(np.ones(1)) * 0.0,
    ],
)
def test_what_does_not(function):
    assert names(function, V)


SINGLE = np.array([0.1, -0.0, np.inf], np.float32)


@pytest.mark.parametrize(
    "function, x",
    [
        (lambda x: x * 1.0, np.arange(3)),
        (lambda x: x + ag.tensor(np.zeros((2, 1))), SINGLE),
        (lambda x: x * ag.tensor(np.ones((2, 1), np.float32)), SINGLE),
        (lambda x: x * ag.tensor(np.ones(3)), SINGLE),
        (lambda x: x * ag.tensor([0.0, -0.0, 0.0], dtype=np.float32), SINGLE),
        (lambda x: x > ag.tensor(np.full(3, 0.1)), SINGLE),
        (lambda x: ag.where(ag.cos(x).astype(np.float64), ag.tensor(np.ones(3)), x), SINGLE),
        (lambda x: OPS["astype"](x, dtype=np.float64) * 1.0, SINGLE),
        (lambda x: ag.transpose(ag.transpose(x, axes=(1, 2, 0)), axes=(1, 0, 2)), X[None]),
        (lambda x: ag.broadcast_to(ag.broadcast_to(x, shape=(2, 3)), shape=(2, 2, 3)), SINGLE),
    ],
)
def test_another_shape_or_dtype_is_another_result(function, x):
    trace, results = recorded(function, x)
    program = Program(trace, results, native=False, fresh=captured(trace))
    assert program.steps
    same_bits(program.run([x])[0], interpreted(trace, results, [x])[0])


@pytest.mark.parametrize(
    "function, left",
    [
        (lambda x: x + -ag.exp(x), ["exp", "subtract"]),
        (lambda x: -ag.exp(x) + x, ["exp", "subtract"]),
        (lambda x: x - -ag.exp(x), ["exp", "add"]),
        (lambda x: -(ag.exp(x) * 2.0), ["exp", "multiply"]),
        (lambda x: -ag.exp(x) * 2, ["exp", "multiply"]),
        (lambda x: -ag.exp(x) / 2.0, ["exp", "divide"]),
        (lambda x: -ag.exp(x) * 0, ["exp", "negative", "multiply"]),  # no -0 among integers
        (lambda x: ag.exp(x).T.T.T, ["exp", "transpose"]),
        (lambda x: ag.exp(x).reshape(3, 2).reshape(6), ["exp", "reshape"]),
        (
            lambda x: x - ag.broadcast_to(ag.exp(x[:1]), shape=x.shape),
            ["getitem", "exp", "subtract"],
        ),
        (lambda x: ag.exp(x) * ag.exp(x), ["exp", "multiply"]),
        (lambda x: (x * 2.0) - (2.0 * x), ["multiply", "subtract"]),
        (lambda x: (x * 1) + (x + 0.0) + (x + -0.0) + (x + 0.0), ["add"] * 4),
        (lambda x: x[1:] + x[1:], ["getitem", "add"]),
        (lambda x: ag.clip(x, -1.0, 2.0) + ag.clip(x, -1.0, 3.0), ["clip", "clip", "add"]),
    ],
)
def test_one_step_less(function, left):
    assert names(function, M) == left
    trace, results = recorded(function, M)
    (got,) = Program(trace, results, native=False).run([X])
    same_bits(got, interpreted(trace, results, [X])[0])


def test_constants_are_computed_beforehand():
    def function(x):
        seed = ag.tensor(np.ones(()))
        small = ag.exp(ag.broadcast_to(-seed, shape=(4,)) * ag.tensor(np.arange(4.0)))
        return x * small, ag.sum(small), ag.broadcast_to(seed, shape=(5000,)) * 7.0

    found = simplified(function, V)
    assert [step.name for step in found.steps] == ["multiply", "broadcast_to"]
    product, total, sevens = found.results
    np.testing.assert_array_equal(found.steps[0].parts[1].holder, np.exp(-np.arange(4.0)))
    assert total.holder == np.exp(-np.arange(4.0)).sum() and not total.holder.flags.writeable
    assert found.steps[1].parts[0].holder == 7.0
    assert found.steps[0].result is product and found.steps[1].result is sevens


def test_large_constants_are_not_kept():
    many = np.arange(5000.0)
    assert names(lambda x: ag.exp(ag.tensor(many)) * x, many) == ["exp", "multiply"]
    assert names(lambda x: (ag.tensor(np.ones(5000)) + 1.0) * x, many) == ["multiply"]


def test_captured_arrays_are_read_at_every_run():
    weights = np.ones(4)

    def function(x):
        return x * (ag.exp(wrap(weights, None)) * 1.0)

    compiled = ag.compile(function)
    for i in range(5):
        weights[:] = i
        x = ag.tensor(np.full(4, 1.0 + i))
        same_bits(compiled(x).numpy(), function(x).numpy())
    assert len(compiled.programs[0].steps) == 2


def test_only_what_both_recordings_made_anew_is_constant():
    weights = np.ones(4)

    def function(x):
        return x * ag.tensor(weights), x * weights[:3].sum(), x * wrap(weights[:], None)

    one, two = (recorded(function, np.full(4, i))[0] for i in (1.0, 2.0))
    (constant,) = fresh(one, two)
    assert constant.holder is not weights and not np.may_share_memory(content(constant), weights)


def test_a_constant_that_is_written_is_none_and_neither_are_views_of_it():
    def function(x):
        buffer = np.ones(3)
        part = wrap(buffer[1:], None)
        scale(buffer)
        return x * ag.exp(part)

    trace, results = recorded(function, V[:2])
    before = {value: np.ones(value.shape) for value in captured(trace)}

    def run():
        return Program(trace, results, native=False, fresh=captured(trace)).run([V[:2]])

    (got,) = _restored(before, run)
    np.testing.assert_array_equal(got, V[:2] * np.exp(3.0))


# ------------------------------------------------------------------------ what is equal


def test_numbers_are_equal_by_type_and_bits():
    distinct = [0.0, -0.0, 0, False, 1, 1.0, True, np.float32(1.0), np.float64(1.0), math.inf]
    assert len(set(map(key, distinct))) == len(distinct)
    assert key(math.nan) == key(float("nan"))
    assert key({"axis": (0, 1)}) != key({"axis": [0, 1]})
    assert key(np.array([0.0])) != key(np.array([-0.0]))


def test_options_that_nobody_can_compare_are_not_equal():
    @ag.primitive(register=False, nondiff="a test")
    def called(x, *, function):
        """The value of a function."""
        return function(x)

    def function(x):
        return called(x, function=np.sin) + called(x, function=np.sin)

    assert names(function, V) == ["called", "called", "add"]


def test_the_line_of_the_first_stays():
    def function(x):
        one = ag.exp(x)
        two = ag.exp(x)
        return one + two

    (kept, _) = simplified(function, V).steps
    assert kept.line.split(":")[1].startswith(str(function.__code__.co_firstlineno + 1))


# ---------------------------------------------------------------------------------- memory


def test_equal_gradients_that_are_clipped_in_place_stay_two():
    def training():
        p, q = (ag.tensor(np.ones(3), requires_grad=True) for _ in "pq")
        optimizer = optim.SGD([p, q], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            ag.sum(ag.exp(p) * x + ag.exp(q) * x).backward()
            optim.clip_grad_norm_([p, q], 0.5)
            optimizer.step()
            return ag.sum(p + q)

        return step, p, q

    (one, *leaves), (two, *others) = training(), training()
    compiled = ag.compile(one)
    for i in range(6):
        x = np.arange(3.0) + i
        same_bits(compiled(x).numpy(), two(x).numpy())
        for leaf, other in zip(leaves, others, strict=True):
            same_bits(leaf.numpy(), other.numpy())
            same_bits(leaf.grad, other.grad)


def test_steps_that_others_hold_stay_as_they_are():
    trace, results = recorded(lambda x: ag.negative(-(x * 1.0)) + ag.positive(x), V)
    text, kept = str(trace), list(trace.steps)
    found = simplify(trace.steps, results)
    assert str(trace) == text and trace.steps == kept
    assert str(found) == f"{results[0].name} = add(x0, x0)  float64(4,)"


# --------------------------------------------------------------------------- what it tells


def test_what_nobody_needs_is_counted():
    trace, results = recorded(lambda x: (ag.sin(ag.exp(x)), ag.exp(x))[1], V)
    found = simplify(trace.steps, results)
    assert found.removed == {"unused": 2, "constant": 0, "identity": 0, "repeated": 0}
    assert [step.result for step in found.steps] == found.results == results


def test_each_pass_can_be_looked_at():
    trace, results = recorded(
        lambda x: (
            ag.negative(-x) * (ag.tensor(2.0) + 1.0) + ag.exp(x) - ag.exp(x) * ag.tensor(1.0)
        ),
        V,
    )
    facts = Facts(trace.steps, results, captured(trace))
    passes = (constants, identities, repeats)
    names = [[s.name for s in one(trace.steps, results, facts)[0]] for one in passes]
    assert [len(trace.steps) - len(left) for left in names] == [1, 1, 1]
    removed = simplify(trace.steps, results, captured(trace)).removed
    assert removed == {"unused": 0, "constant": 1, "identity": 3, "repeated": 1}


def rosenbrock(x):
    return ag.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize("transform, most", [(ag.grad, 0.8), (ag.hessian, 0.65)])
def test_derivatives_have_much_to_leave_out(transform, most):
    rng = np.random.default_rng(0)
    compiled = ag.compile(transform(rosenbrock), native=False)
    for _ in range(4):
        x = rng.normal(size=4)
        same_bits(np.asarray(compiled(x)), np.asarray(transform(rosenbrock)(x)))
    (program,) = compiled.programs
    assert len(program.steps) <= most * (len(program.steps) + sum(program.removed.values()))
