"""Rarer traps of compiled functions: failures midway, threads, views of weights, objects."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from twins import close, number, step_of

import autograd_core as ag
import nn
import optim

NATIVE = pytest.mark.parametrize("native", [True, False], ids=["native", "one by one"])


def results(call):
    """Return what a call gives as arrays that nobody overwrites."""
    return [np.array(number(x)) for x in call]


def beside(make, calls, native, audit=True):
    """Assert that a function and its compiled twin, made alike, give the same at every call.

    `make` returns a function and one that tells its state, after which it is asked each time.
    """
    (function, state), (twin, other) = make(), make()
    compiled = ag.compile(function, native=native, audit=audit)
    for args in calls:
        found, wanted = (_outcome(f, args) for f in (compiled, twin))
        for got, want in zip([*found, *state()], [*wanted, *other()], strict=True):
            assert (got is None) == (want is None)
            if want is not None:
                close(got, want)
    return compiled


def _outcome(function, args):
    try:
        return results(function(*args))
    except IndexError as error:
        return [np.array(isinstance(error, IndexError))]


def arrays(count, *shape, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for _ in range(count)]


# ------------------------------------------------------------------------- what is passed


@NATIVE
def test_a_model_that_is_passed_is_seen(native):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(5, 4, rng=rng), nn.Dropout(0.5, rng=rng))
    compiled = ag.compile(lambda model, x: model(x), native=native)
    x = rng.normal(size=(3, 5)).astype(np.float32)
    with ag.no_grad():
        for i in range(5):
            compiled(model, x * i)
        model.eval()
        for i in range(5):
            close(compiled(model, x * i).numpy(), model(x * i).numpy())
    assert len(compiled.kinds) == 2


def test_settings_and_functions_that_are_passed_are_seen():
    class Settings:
        factor = 2.0

    settings = Settings()
    compiled = ag.compile(lambda settings, f, x: f(x) * settings.factor)
    (x,) = arrays(1, 3)
    for i in range(8):
        settings.factor = float(i // 4)
        close(compiled(settings, lambda x, i=i: x + i // 4, x * i), (x * i + i // 4) * (i // 4))


def test_more_objects_than_kinds_are_called_as_ever():
    compiled = ag.compile(lambda f, x: f(x))
    for i in range(70):
        close(compiled(lambda x, i=i: x * i, np.ones(2)), np.full(2, float(i)))


def test_a_function_with_the_address_of_one_that_is_gone():
    space = {"ag": ag}
    exec("def function(x):\n    return act(x)", space)
    compiled = ag.compile(space["function"], audit=False)
    for i in range(1, 40):
        exec(f"act = lambda x: x * {i}.0", space)
        for x in arrays(4, 3):
            close(compiled(x), x * i)


# ---------------------------------------------------------------------------- failures midway


def taking(first):
    """Return a maker of training steps that take rows, before or after the derivative."""

    def make():
        weight = ag.tensor(np.eye(3) + 0.1, requires_grad=True)
        optimizer = optim.SGD([weight], lr=0.01)

        def step(x, rows):
            taken = ag.take(x, rows, axis=0) if first else x
            loss = ag.sum(ag.tanh(weight @ taken) ** 2.0)
            optimizer.zero_grad()
            loss.backward()
            taken = taken if first else ag.take(x, rows, axis=0)
            optimizer.step()
            return loss.detach(), taken

        return step, lambda: [weight.numpy(), weight.grad]

    return make


def test_an_operation_that_raises_after_the_derivative_leaves_what_the_function_leaves():
    calls = [
        (x, np.array([0, 7 if i in (5, 8) else 1, 2])) for i, x in enumerate(arrays(12, 3, 3))
    ]
    for native in (True, False):
        beside(taking(first=False), calls, native)
    beside(taking(first=True), calls, native=False)


def test_the_memory_of_a_run_that_is_given_up_is_not_taken_for_a_gradient():
    make, rows = taking(first=True), np.array([0, 1, 2])
    step, state = make()
    compiled = ag.compile(step)
    for x in arrays(4, 3, 3):
        compiled(x, rows)
    before = state()[1]
    with pytest.raises(IndexError):
        compiled(x, rows + 5)
    assert state()[1] is before  # it was looked at: a copy


@NATIVE
@pytest.mark.parametrize("bad", [(0, 1), (2, 3), (4, 9)])
def test_gradients_that_are_not_finite_at_any_call(bad, native):
    def make():
        weight = ag.tensor(np.ones((3, 3)), requires_grad=True)

        def function(x):
            weight.grad = None
            loss = ag.sum(ag.tanh(x @ weight) * x)
            loss.backward()
            return [loss.detach()]

        return function, lambda: [weight.grad]

    calls = [(x * (np.inf if i in bad else 1.0),) for i, x in enumerate(arrays(14, 2, 3))]
    with np.errstate(invalid="ignore"):
        compiled = beside(make, calls, native)
    assert len(compiled.programs) == 1


@NATIVE
def test_a_branch_taken_elsewhere_at_an_audited_call(native):
    def make():
        def function(x):
            return [ag.sum(x) * 2.0 if ag.sum(x) > 0 else ag.sum(x * x)]

        return function, list

    for others in ((2,), (9,), (2, 5, 9)):
        calls = [(np.full(3, -1.0 - i if i in others else 1.0 + i),) for i in range(14)]
        assert len(beside(make, calls, native).programs) == 1


# -------------------------------------------------------------------------- what is captured


@NATIVE
def test_views_of_weights_show_the_weights_after_the_update(native):
    def make():
        weight = ag.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
        optimizer = optim.SGD([weight], lr=0.1)

        def step(x):
            with ag.no_grad():
                views = ag.transpose(weight), weight[0], ag.reshape(weight, (6,))
                copy = weight * 1.0
            loss = ag.sum(ag.tanh(weight * x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (*views, copy, weight.detach(), loss.detach())

        return step, lambda: [weight.numpy()]

    beside(make, [(x,) for x in arrays(8, 2, 3)], native)


@NATIVE
def test_freezing_and_thawing(native):
    def make():
        rng = np.random.default_rng(0)
        model = nn.MLP([5, 4, 3], activation="tanh", rng=rng, dtype=np.float64)
        parameters = list(model.parameters())
        optimizer = optim.Adam(parameters, lr=0.05)
        step = step_of(model, optimizer, nn.MSELoss())
        count = iter(range(20))

        def freezing(x):
            return [step(x, x[:, :3]).detach()]

        def state():
            for parameter in parameters[:2]:
                parameter.requires_grad_(not 5 <= next(count) // 2 < 8)
            return [x for p in parameters for x in (p.numpy(), p.grad)]

        return freezing, state

    beside(make, [(x,) for x in arrays(10, 4, 5)], native)


def test_weights_in_any_layout():
    base = np.random.default_rng(0).normal(size=(4, 6))
    wide = np.repeat(np.repeat(base, 2, 0), 2, 1)
    for lay in (np.asfortranarray, lambda x: wide[::2, ::2], lambda x: x[::-1, ::-1]):

        def make(lay=lay):
            weight = ag.tensor(np.zeros((4, 6)), requires_grad=True)
            weight.data = lay(base.copy())
            step = step_of(lambda x: ag.tanh(x @ weight), optim.Adam([weight]), nn.MSELoss())
            return lambda x, y: [step(x, y).detach()], lambda: [weight.numpy(), weight.grad]

        beside(make, [*zip(arrays(6, 3, 4), arrays(6, 3, 6), strict=True)], native=True)


def test_inputs_that_must_not_be_written_or_lie_anywhere():
    compiled = ag.compile(lambda x: ag.sum(x * x, axis=0) + ag.sin(x[0]))
    for i, x in enumerate(arrays(12, 4, 3)):
        shifted = np.zeros(8 * 12 + 1, np.uint8)[1:].view(np.float64).reshape(4, 3)
        shifted[:] = x
        frozen = x.copy()
        frozen.flags.writeable = False
        given = [frozen, shifted, np.asfortranarray(x), x.astype(">f8")][i % 4]
        close(compiled(given), (x * x).sum(axis=0) + np.sin(x[0]))


# ------------------------------------------------------------------------------------ threads


def test_threads_that_take_different_branches_and_shapes():
    weight = ag.tensor(np.ones((3, 3)))

    def function(x):
        x = ag.tanh(x @ weight)
        return ag.sum(x) * 2.0 if ag.sum(x) > 0 else ag.sum(x * x)

    compiled, calls = (
        ag.compile(function),
        [x[: 1 + i % 3] for i, x in enumerate(arrays(40, 3, 3))],
    )
    wanted = [float(function(x)) for x in calls]

    def worker(start):
        found = [(i % 40, float(compiled(calls[i % 40]))) for i in range(start, start + 150)]
        return all(np.isclose(got, wanted[i]) for i, got in found)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(worker, range(0, 60, 10)))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("threads", [1, 3])
def test_loops_that_threads_share_are_compiled(threads):
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        check_large_loops(threads > 1)
    finally:
        ag.set_num_threads(before)


def check_large_loops(shared):
    weight = ag.tensor(np.linspace(-1.0, 1.0, 400 * 400).reshape(400, 400), requires_grad=True)
    small = ag.tensor(np.linspace(-0.5, 0.5, 400), requires_grad=True)
    other = ag.tensor(weight.numpy(), requires_grad=True)

    def step_for(weight):
        scale, shift = (ag.tensor(small.numpy(), requires_grad=True) for _ in range(2))
        optimizer = optim.AdamW([scale, weight, shift], lr=0.01)  # shared loops between others

        def loss(y, x):
            return ag.mean((y - x) ** 2.0) + ag.sum(weight * weight, axis=0)[0] + ag.max(weight)

        def model(x):
            return ag.tanh(x * weight) * ag.exp(weight[0] * scale) + shift

        return step_of(model, optimizer, loss)

    compiled, step = ag.compile(step_for(weight)), step_for(other)
    for x in arrays(4, 400, 400):
        np.testing.assert_allclose(float(compiled(x, x)), float(step(x, x)), rtol=1e-12)
    np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)
    assert compiled.programs[0].is_native, compiled.explain()
    assert compiled.programs[0].segments[0].shares == shared
