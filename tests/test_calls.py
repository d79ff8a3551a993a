"""Calls of compiled functions: Python floats, nested arguments, gradients from before, threads."""

import collections
import copy
import math
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from twins import VECTORS, batches, check, close, small, step_of

import autograd_core as ag
import nn
import optim
from autograd_core.compiler.background import Job
from autograd_core.compiler.floats import Number
from autograd_core.compiler.record import Trace

RATES = [0.1, 0.2, 0.05, 0.3, 0.1, 1.5, 0.7, 0.25]


def calls_with(*floats):
    return [(x, *given) for (x,), given in zip(VECTORS, zip(*floats, strict=True), strict=True)]


# -------------------------------------------------------------------------- Python floats


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
def test_a_float_is_an_input_and_widens_nothing(dtype):
    def function(x, rate):
        return ag.sum(x * rate + rate / (x * x + 2.0) - x**2 * rate)

    calls = [((10 * x).astype(dtype), rate) for x, rate in calls_with(RATES)]
    check(function, calls, kinds=1, runs=5)


def test_an_operation_may_treat_a_float_in_a_way_of_its_own():
    def function(x, power):
        return ag.float_power(x, power)

    calls = [(np.abs(x).astype(np.float32) + 1, rate) for x, rate in calls_with(RATES)]
    check(function, calls)


ARITHMETIC = {
    "sum": lambda x, a, b: x * (a + b - 1),
    "product": lambda x, a, b: x * (2 * a * b),
    "quotient": lambda x, a, b: x + 1 / a / b,
    "power": lambda x, a, b: x * 2.0**a + b**2,
    "sign": lambda x, a, b: x * -a + abs(-b) - +a,
    "derivative": lambda x, a, b: ag.grad(lambda x: ag.sum(x * x * a + ag.sin(x * b)))(x),
    "kept": lambda x, a, b: x * pickle_free(a) + copy.deepcopy(b),
    "where": lambda x, a, b: ag.where(x > a, x, b),
}


def pickle_free(x):
    return copy.copy(x)


@pytest.mark.parametrize("function", ARITHMETIC.values(), ids=ARITHMETIC)
def test_arithmetic_on_floats_is_repeated(function):
    check(function, calls_with(RATES, RATES[::-1]), kinds=1, runs=5)


LOOKS = {
    "comparison": lambda x, a: x * (2.0 if a > 0.15 else 3.0),
    "equality": lambda x, a: x * (2.0 if a == 0.1 else 3.0),
    "truth": lambda x, a: x if a else -x,
    "maximum": lambda x, a: x * max(a, 0.2),
    "int": lambda x, a: x * int(10 * a),
    "round": lambda x, a: x * round(a, 1),
    "floor": lambda x, a: x + math.floor(a * 5),
    "ceil": lambda x, a: x + math.ceil(a * 5),
    "trunc": lambda x, a: x + math.trunc(a * 5),
    "rest": lambda x, a: x + a % 0.15,
    "division": lambda x, a: x + a // 0.15 + 1.0 // a + divmod(a, 0.2)[0],
    "sign": lambda x, a: x * math.copysign(1.0, a - 0.2),
    "math": lambda x, a: x * math.cos(a),
    "array": lambda x, a: x * np.asarray(a),
    "function of NumPy": lambda x, a: x * np.sign(a - 0.2) + np.where([True], a, 0.0),
    "format": lambda x, a: x * float(f"{a:.1f}"),
    "text": lambda x, a: x * len(str(a)) + len(repr(a)),
    "integer": lambda x, a: x * a.is_integer() + len(a.hex()) + a.real + a.imag,
    "key": lambda x, a: x * {0.1: 2.0}.get(a, 3.0),
    "complex": lambda x, a: x * abs(a * 1j),
    "pickle": lambda x, a: x * pickle.loads(pickle.dumps(a)),
    "option": lambda x, a: ag.leaky_relu(x, a),
    "tensor": lambda x, a: x * ag.tensor(a),
    "item": lambda x, a: x * _filled(a),
    "NumPy's scalar": lambda x, a: x * (np.float64(2.0) * a),
}


def _filled(a):
    found = np.zeros(1)
    found[0] = a
    return found


@pytest.mark.parametrize("function", LOOKS.values(), ids=LOOKS)
def test_a_float_that_the_host_looks_at_is_no_input(function):
    compiled = check(function, calls_with(RATES))
    assert "the host looks at it" in compiled.explain(), compiled.explain()
    (x,) = VECTORS[0]
    for i in range(4):  # the same value again and again is a kind with a program
        shifted = ag.tensor(x + i)
        close(compiled(shifted, 0.1).numpy(), np.asarray(function(shifted, 0.1)))
    assert compiled.programs


def test_minus_zero_is_another_number():
    def function(x, a):
        return x * math.copysign(1.0, a)

    check(function, calls_with([0.0, 0.0, 0.0, 0.0, -0.0, -0.0, 0.0, -0.0]))


def test_a_float_that_is_returned_and_one_that_is_kept():
    kept = []

    def function(x, a):
        kept.append(a)
        return x * a, a

    compiled = ag.compile(function)
    for x, rate in calls_with(RATES):
        product, same = compiled(x, rate)
        close(product.numpy(), x * rate)
        assert type(same) is float and same == rate
    assert kept[0] == RATES[0] and isinstance(kept[0], float) and kept[0] * 2 == 0.2
    close(
        (ag.tensor(VECTORS[0][0].astype("f")) * kept[0]).numpy(), VECTORS[0][0].astype("f") * 0.1
    )


def test_division_by_zero_is_the_same_error():
    compiled = check(lambda x, a: x * (1.0 / a), calls_with(RATES), kinds=1)
    with pytest.raises(ZeroDivisionError):
        compiled(ag.tensor(VECTORS[0][0]), 0.0)


def test_infinities_and_nan_are_inputs_as_well():
    values = [0.1, 0.2, 0.3, math.inf, math.nan, -math.inf, 1e300, 5e-324]
    with np.errstate(invalid="ignore", over="ignore"):
        check(lambda x, a: x * a + a, calls_with(values), kinds=1, runs=5)


def test_numbers_do_as_floats_do():
    number = Number(2.5, "n0", Trace([]))
    assert isinstance(number, float) and number == 2.5 and 2.0 < number <= 3
    assert (number * 2, 1 - number, number**2, 2 / number) == (5.0, -1.5, 6.25, 0.8)
    assert (divmod(number, 2), round(number), f"{number:.2f}") == ((1.0, 0.5), 2, "2.50")
    assert np.multiply(np.ones(1, np.float32), number).dtype == np.float32
    assert type((-8.0) ** Number(1 / 3, "n0", Trace([]))) is complex


def test_a_rate_as_an_argument_of_a_training_step():
    def run(compiled):
        model = small()
        params = list(model.parameters())

        def step(x, y, rate):
            loss = nn.MSELoss()(model(x), y)
            model.zero_grad()
            loss.backward()
            with ag.no_grad():
                for p in params:
                    p.assign(p - rate * ag.tensor(p.grad))
            return loss

        step = ag.compile(step) if compiled else step
        losses = [float(step(x, y, r)) for (x, y), r in zip(batches(), RATES, strict=True)]
        return losses, [p.numpy() for p in params]

    (one, weights), (two, others) = run(True), run(False)
    np.testing.assert_allclose(one, two, rtol=1e-12)
    for p, q in zip(weights, others, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12)


def test_a_rate_that_the_function_sets_is_refused():
    def run(compiled):
        p = ag.tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.SGD([p], lr=0.1)

        def step(x, rate):
            optimizer.lr = rate
            optimizer.zero_grad()
            ag.sum(p * x).backward()
            optimizer.step()

        step = ag.compile(step) if compiled else step
        for i in range(12):
            step(np.array([1.0 + i, 2.0]), 0.1 * (1 + i // 4))
        assert not compiled or "set it between the calls" in step.explain(), step.explain()
        return p.numpy()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-14)


# ----------------------------------------------------------------------- nested arguments


def nested(x, rate, n, name):
    return {"x": [x, (x * 2.0, rate)], "n": n}, name


def function_of_nested(pair, *, scale, extra=()):
    tree, name = pair
    x, (y, rate) = tree["x"]
    return getattr(ag, name)(x * y * rate) * tree["n"] * scale


def test_nested_arguments_go_the_quick_way():
    compiled = ag.compile(function_of_nested)
    for i, (x,) in enumerate(VECTORS):
        given = nested(ag.tensor(x), RATES[i], 3, "sum")
        close(compiled(given, scale=0.5 + i).numpy(), _by_hand(x, RATES[i], 3, 0.5 + i))
    assert compiled._quick is not None
    (kind,) = compiled.kinds.values()
    before = kind.runs
    compiled._call = None  # only the quick way is left
    compiled(nested(ag.tensor(x), 0.9, 3, "sum"), scale=2.0)
    assert kind.runs == before + 1


def _by_hand(x, rate, n, scale):
    return np.asarray(np.sum(x * (2.0 * x) * rate) * n * scale)


OTHERS = {
    "another number": lambda x: ((nested(x, 0.1, 4, "sum"),), {"scale": 1.0}),
    "another type": lambda x: ((nested(x, 0.1, True, "sum"),), {"scale": 1.0}),
    "another text": lambda x: ((nested(x, 0.1, 3, "max"),), {"scale": 1.0}),
    "an integer": lambda x: ((nested(x, 1, 3, "sum"),), {"scale": 1.0}),
    "a list": lambda x: (([*nested(x, 0.1, 3, "sum")],), {"scale": 1.0}),
    "more": lambda x: ((nested(x, 0.1, 3, "sum"),), {"scale": 1.0, "extra": (1,)}),
    "another shape": lambda x: ((nested(x[:2], 0.1, 3, "sum"),), {"scale": 1.0}),
    "another dtype": lambda x: ((nested(x.astype(np.float32), 0.1, 3, "sum"),), {"scale": 1.0}),
    "a leaf": lambda x: (
        (nested(ag.tensor(x.numpy(), requires_grad=True), 0.1, 3, "sum"),),
        {"scale": 1.0},
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_is_not_the_same_misses_the_quick_way(other):
    compiled = ag.compile(function_of_nested)
    for i, (x,) in enumerate(VECTORS):
        compiled(nested(ag.tensor(x), RATES[i], 3, "sum"), scale=0.5 + i)
    args, kwargs = other(ag.tensor(VECTORS[0][0]))
    for _ in range(3):
        close(compiled(*args, **kwargs).numpy(), function_of_nested(*args, **kwargs).numpy())


def test_the_order_of_a_dictionary_counts():
    compiled = ag.compile(lambda tree: ag.sum(tree["a"] * 2.0 + tree["b"]))
    for i in range(8):
        tree = {"a": np.full(3, 1.0 + i), "b": np.full(3, 5.0)}
        if i % 2:
            tree = dict(reversed(tree.items()))
        close(compiled(tree).numpy(), np.asarray(3 * (2.0 * (1.0 + i) + 5.0)))


# ---------------------------------------------------------------- gradients from before


def accumulation(change):
    """Compare accumulating gradients, compiled and not, with changes between the calls."""
    models = [small(), small()]

    def of(model):
        def collect(x, y):
            loss = nn.MSELoss()(model(x), y)
            loss.backward()
            return loss

        return collect

    compiled, plain = ag.compile(of(models[0])), of(models[1])
    for i, (x, y) in enumerate(batches(16)):
        for model in models:
            change(i, model)
        close(compiled(x, y).numpy(), plain(x, y).numpy())
        for p, q in zip(*(m.parameters() for m in models), strict=True):
            close(p.grad, q.grad)
    return compiled


def _given(model):
    for p in model.parameters():
        p.grad = np.ones(p.shape)


def test_a_gradient_set_before_a_call_is_added_to():
    def change(i, model):
        model.zero_grad()
        if i % 3 == 2:
            _given(model)

    compiled = accumulation(change)
    assert len(compiled.programs) == 2, compiled.explain()


def test_gradients_of_some_parameters_set_before():
    def change(i, model):
        model.zero_grad()
        if i > 6:
            next(iter(model.parameters())).grad = np.ones((8, 5))

    accumulation(change)


@pytest.mark.parametrize("every", [2, 4])
def test_accumulation_over_some_calls(every):
    accumulation(lambda i, model: model.zero_grad() if i % every == 0 else None)


def test_the_usual_order_does_not_look_at_gradients_from_before():
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        nn.MSELoss()(model(x), y).backward()
        optimizer.step()

    for x, y in batches():
        step(x, y)
    (kind,) = step.kinds.values()
    assert kind.recording.trace.bare == {} and kind.runs == 5


def test_an_optimizer_that_finds_a_gradient_later():
    def run(compiled):
        p, q = (ag.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        optimizer = optim.SGD([p, q], lr=0.1)

        def step(x):
            p.grad = None
            ag.sum(p * x).backward()
            optimizer.step()

        step = ag.compile(step) if compiled else step
        for i in range(12):
            q.grad = [1.0, 1.0 * i] if i % 4 > 1 else None
            step(np.array([1.0, 1.0 * i]))
        return np.stack([p.numpy(), q.numpy()])

    np.testing.assert_allclose(run(True), run(False), rtol=1e-14)


# ------------------------------------------------------------------------ in the background


def test_a_program_made_in_the_background():
    compiled = ag.compile(lambda x: ag.sum(ag.exp(x) * 2.0), wait=False)
    for i, (x,) in enumerate(VECTORS):
        if i == 4:
            (kind,) = compiled.kinds.values()
            assert kind.job is None or kind.job.wait(60.0)
        close(compiled(x).numpy(), np.asarray(np.sum(np.exp(x) * 2.0)))
    assert compiled.programs and kind.runs >= 3, compiled.explain()


def test_a_training_compiled_in_the_background():
    def run(wait):
        model = small()
        step = step_of(model, optim.Adam(model.parameters(), lr=0.01), nn.MSELoss())
        compiled = step if wait is None else ag.compile(step, wait=wait)
        losses = []
        for i, (x, y) in enumerate(batches(12)):
            losses.append(float(compiled(x, y)))
            if i == 5 and wait is False:
                (kind,) = compiled.kinds.values()
                assert kind.job is None or kind.job.wait(60.0)
        assert wait is None or compiled.programs
        return losses

    np.testing.assert_allclose(run(False), run(None), rtol=1e-12)


def test_while_it_is_made_and_where_it_cannot_be(monkeypatch):
    from autograd_core.compiler import kind as kinds

    def failing(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(kinds, "Program", failing)
    for wait in (True, False):
        compiled = ag.compile(lambda x: ag.sum(ag.exp(x)), wait=wait)
        for i, (x,) in enumerate(VECTORS):
            close(compiled(x).numpy(), np.asarray(np.exp(x).sum()))
            (kind,) = compiled.kinds.values()
            if kind.job is not None and i == 2:
                assert "being compiled" in compiled.explain()
                kind.job.wait(60.0)
        assert "compiling failed: RuntimeError: out of luck" in compiled.explain()


def test_a_program_that_computes_something_else_does_not_take_over(monkeypatch):
    from autograd_core.compiler import program

    plain = program.Program.run
    monkeypatch.setattr(
        program.Program, "run", lambda self, arrays: tuple(x + 1.0 for x in plain(self, arrays))
    )
    compiled = ag.compile(lambda x: ag.sum(ag.exp(x)), wait=False)
    for (x,) in VECTORS:
        close(compiled(x).numpy(), np.asarray(np.exp(x).sum()))
        (kind,) = compiled.kinds.values()
        if kind.job is not None:
            kind.job.wait(60.0)
    assert "other results than the function" in compiled.explain()


def test_a_task_is_done_once_and_its_error_kept():
    job = Job(lambda: 1 / 0)
    assert job.wait(60.0) and isinstance(job.error, ZeroDivisionError)
    assert Job(lambda: 3, background=False).result == 3


SCRIPT = """
import os, sys
import numpy as np
import autograd_core as ag
compiled = ag.compile(lambda x: ag.sum(ag.tanh(x) * %s), wait=False)
compiled(np.ones(3)), compiled(np.zeros(3))
"""
CHILD = """
pid = os.fork()
(kind,) = compiled.kinds.values()
assert kind.job is None or kind.job.wait(60.0)
for i in range(4):
    assert abs(float(compiled(np.full(3, 1.0 * i))) - 3 * np.tanh(i) * 1.25) < 1e-12
assert compiled.programs, compiled.explain()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
else:
    os._exit(0)
"""


@pytest.mark.parametrize("rest", ["", CHILD], ids=["exit", "fork"])
def test_processes_that_end_or_fork_while_a_program_is_made(rest):
    if rest and not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    script = SCRIPT % (1.25 if rest else 1.75) + rest
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


# --------------------------------------------------------------------------- surroundings


def run_script(script, **environment):
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


CALLS = """
import numpy as np, autograd_core as ag
compiled = ag.compile(ag.value_and_grad(lambda x: ag.sum(ag.sin(x) * x)))
for i in range(6):
    x = np.array([0.1, 0.5]) * i
    value, slope = compiled(x)
    np.testing.assert_allclose(slope, np.cos(x) * x + np.sin(x), rtol=1e-12, atol=1e-14)
assert compiled.programs, compiled.explain()
"""


STEPS = """
import numpy as np, autograd_core as ag, nn, optim
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = optim.Adam(model.parameters())
@ag.compile
def step(x, y):
    loss = ag.mean((model(x) - y) ** 2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
rng = np.random.default_rng(0)
for _ in range(6):
    step(rng.normal(size=(16, 4)).astype("f"), rng.normal(size=(16, 1)).astype("f"))
assert "steps, run 3 times\\n" in step.explain(), step.explain()
"""


@pytest.mark.parametrize("script", [CALLS, STEPS], ids=["function", "model"])
def test_without_machine_code(script):
    done = run_script(script, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr


def test_with_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run_script(CALLS, AUTOGRAD_CORE_CACHE=str(tmp_path / "file" / "below"))
    assert done.returncode == 0, done.stderr


def test_with_a_cache_that_is_damaged(tmp_path):
    for _ in range(2):
        done = run_script(CALLS, AUTOGRAD_CORE_CACHE=str(tmp_path))
        assert done.returncode == 0, done.stderr
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".py"]
        assert files
        for path in files:
            path.write_bytes(b"nonsense" + path.read_bytes()[8:40])


def test_several_threads_with_other_floats():
    compiled = ag.compile(lambda x, rate: ag.sum(ag.tanh(x * rate)))

    def work(i):
        x = np.linspace(0.0, 1.0, 3) + i
        close(compiled(x, 0.1 * i).numpy(), np.tanh(x * (0.1 * i)).sum())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(80)))


def test_threads_with_trainings_of_their_own():
    def train(compiled, seed):
        model = small(seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            loss = nn.MSELoss()(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = ag.compile(step) if compiled else step
        return [float(step(x, y)) for x, y in batches(20)]

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda seed: train(True, seed), range(3)))
    for seed, losses in enumerate(found):
        np.testing.assert_allclose(losses, train(False, seed), rtol=1e-11)


def test_threads_that_train_one_model_leave_it_as_it_should_be():
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    @ag.compile
    def step(x, y):
        loss = nn.MSELoss()(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    (x, y), *_ = batches(1)
    for i in range(5):
        step(x + i, y)
    with ThreadPoolExecutor(3) as pool:
        losses = list(pool.map(lambda i: float(step(x + 0.01 * i, y)), range(60)))
    assert np.isfinite(losses).all()
    with ag.no_grad():
        now = float(nn.MSELoss()(model(ag.tensor(x)), ag.tensor(y)))
    close(np.asarray(float(step(x, y))), np.asarray(now))


def test_an_inner_compiled_function_is_part_of_the_outer_program():
    inner = ag.compile(lambda x, a: ag.tanh(x) * a)
    check(lambda x, a: ag.sum(inner(x, a) * inner(x, 2.0 * a)), calls_with(RATES), kinds=1, runs=5)


def test_a_generator_as_argument_is_used_up_by_one_call():
    compiled = ag.compile(lambda parts: sum((ag.sum(x) for x in parts), start=0.0))
    for i in range(5):
        assert float(compiled(x * i for x in (np.ones(2), np.ones(3)))) == 5.0 * i


def test_under_grad_and_jvp_and_no_grad_of_a_compiled_function():
    compiled = ag.compile(lambda x, a: ag.sum(ag.sin(x) * a))
    for i, (x,) in enumerate(VECTORS):
        rate = RATES[i]
        close(compiled(x, rate).numpy(), np.asarray(np.sum(np.sin(x) * rate)))
        close(ag.grad(compiled)(x, rate), np.cos(x) * rate)
        value, tangent = ag.jvp(lambda x, rate=rate: compiled(x, rate), (x,), (2.0 * x,))
        close(tangent, np.asarray(np.sum(2.0 * x * np.cos(x) * rate)))
        with ag.no_grad():
            close(compiled(x, rate).numpy(), np.asarray(value))


def test_an_argument_that_is_overwritten_before_the_derivative_is_taken():
    weights = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    compiled = ag.compile(lambda x: ag.sum(weights * x))
    for i in range(5):
        x = np.full(3, 1.0 + i)
        result = compiled(x)
        x[:] = -7.0
        weights.grad = None
        result.backward()
        close(weights.grad, np.full(3, 1.0 + i))


def test_the_types_of_results_are_the_same_at_every_call():
    compiled = ag.compile(lambda x: ag.sum(x) * (2.0 if ag.sum(x) > 3.0 else 1.0))
    kinds = {type(compiled(x)) for (x,) in VECTORS * 3}
    assert kinds == {ag.Tensor}, compiled.explain()


@pytest.mark.parametrize("kind", ["structure", "array", "size"])
def test_the_audit_says_what_changed_and_where(kind):
    count = iter(range(100))
    arrays = [np.ones(4), np.full(4, 2.0)]

    class Hidden:
        def __call__(self, x):
            late = next(count) >= 2
            if kind == "structure":
                return ag.exp(ag.tanh(x)) if late else ag.tanh(ag.exp(x))
            if kind == "array":
                return x * arrays[late]
            return ag.sum(x * 2.0) + (ag.sum(x) if late else 0.0)

    hidden = Hidden()
    compiled = ag.compile(lambda x: ag.sum(hidden(x)))
    compiled(VECTORS[0][0]), compiled(VECTORS[1][0])
    with pytest.raises(ag.GraphError, match=r"test_calls\.py:\d+") as found:
        compiled(VECTORS[2][0])
    assert "Pass what changes as an argument" in str(found.value)


# ------------------------------------------------------------------- to see what is going on


def test_postmortem_names_the_operation_the_element_and_the_line():
    def function(x, rate):
        return ag.sum(ag.log(x * rate) * 2.0)

    compiled = ag.compile(function)
    for i in range(5):
        compiled(np.array([1.0, 2.0, 3.0]) + i, 0.5 + i)
    x = np.array([1.0, 2.0, -3.0])
    with np.errstate(invalid="ignore"):
        assert np.isnan(float(compiled(x, 0.5)))
    found = compiled.postmortem(x, 0.5)
    assert found.startswith("log at ") and "test_calls.py" in found, found
    assert "makes nan at [2] of finite" in found and "x = -1.5" in found
    assert compiled.postmortem(-x + 4.0, 0.5) == "every result is finite"
    assert "input 0, shape (3,), is not finite to begin with: inf at [1]" in compiled.postmortem(
        np.array([1.0, np.inf, 2.0]), 0.5
    )
    with pytest.raises(ag.GraphError, match="postmortem: arguments that a program takes"):
        compiled.postmortem(np.ones(7), 0.5)


def test_postmortem_of_a_training_step_names_parameters_and_changes_nothing():
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ag.compile
    def step(x, y):
        loss = nn.MSELoss()(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    data = list(batches())
    for x, y in data:
        step(x, y)
    before = [p.numpy().copy() for p in model.parameters()]
    with np.errstate(over="ignore"):
        found = step.postmortem(data[0][0] * 1e200, data[0][1] * 1e200)
    assert found.startswith("square at") and "test_calls.py" in found, found
    for p, array in zip(model.parameters(), before, strict=True):
        close(p.numpy(), array)
    model[0].weight.assign(np.full((8, 5), np.nan))
    assert "a captured array, shape (8, 5)" in step.postmortem(*data[0])


def test_explain_says_what_is_fused_and_what_runs_one_by_one():
    compiled = ag.compile(
        lambda x, y: (ag.sum(ag.tanh(x @ x.T) * 2.0 + 1.0), ag.cumsum(y) * 3.0, ag.exp(x) * 2.0)
    )
    for i in range(4):
        compiled(np.eye(3) * (1.0 + i), np.arange(4, dtype=np.float16) + np.float16(i))
    text = compiled.explain()
    assert "fused in" in text and "memory" in text and "54 flop in matrix" in text, text
    assert "one by one, no machine code for float16: cumsum, multiply" in text, text
    (program,) = compiled.programs
    assert program.memory >= sum(segment.size for segment in program.segments) + 8 * 10


Pair = collections.namedtuple("Pair", "one two")


@pytest.mark.parametrize(
    "built",
    [
        lambda x: {"a": (x * 2.0, [x + 1.0]), 3: {}, (1, 2): [], "last": (x,)},
        lambda x: [Pair(x * 2.0, "text"), None, 7, (x - 1.0, 0.5)],
        lambda x: (x * 2.0,),
        lambda x: [[[x * 2.0]]],
    ],
    ids=["dict", "named", "tuple", "lists"],
)
def test_results_come_in_their_containers(built):
    compiled = ag.compile(built, audit=False)
    for i in range(6):  # the last ones go the quick way
        x = np.linspace(-1.0, 1.0, 5) + i
        found, wanted = compiled(x), built(x)
        assert repr(map_leaves(found)) == repr(map_leaves(wanted))


def map_leaves(tree):
    """Return containers with lists in the place of arrays."""
    if isinstance(tree, dict):
        return {key: map_leaves(value) for key, value in tree.items()}
    if isinstance(tree, Pair):
        return Pair(*map(map_leaves, tree))
    if isinstance(tree, tuple | list):
        return type(tree)(map(map_leaves, tree))
    return np.asarray(tree).tolist() if isinstance(tree, ag.Tensor | np.ndarray) else tree
