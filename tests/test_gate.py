"""The gate of the quick way: all that counts is noticed, whatever machine code looks at for it."""

import gc
import sys
import threading
import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest
from twins import batches, same_training, small, step_of, twins

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import gate, sharing, watch, words
from autograd_core.tape import Leaf

SCALE = 1.0  # a global that functions see

needs_words = pytest.mark.skipif(not words.readable(), reason="no words to look at: Python asks")
needs_counts = pytest.mark.skipif(not words.counts_changes(), reason="dicts count no changes")


def close(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)


class Passes:
    """Counts the calls that a gate has let pass, and others."""

    def __init__(self, compiled):
        kind = next(k for k in reversed(compiled.kinds.values()) if k.quick is not None)
        self.scope = kind.quick.__globals__
        self.gate, self.passed, self.closed = self.scope["gate"], 0, 0
        self.scope["gate"] = self

    def __call__(self, args, words, table):
        status = self.gate(args, words, table)
        if status in (0, gate.MARKED):
            self.passed += 1
        else:
            self.closed += 1
        return status


def warm(function, *args, calls=14):
    for _ in range(calls):
        function(*args)


class Setup:
    """Two equal trainings of a model with everything that may change, one of them compiled."""

    def __init__(self, compiled):
        self.model = small()
        self.model.factors = [1.0, 0.5]
        self.model.options = {"shift": 0.25}
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.held = 2.0
        self.loss = nn.MSELoss()
        model, optimizer = self.model, self.optimizer
        held = 2.0
        factor = Factor()
        self.factor = factor
        offset = ag.tensor(0.5)
        self.offset = offset
        loss = self.loss

        def step(x, y):
            value = loss(model(x) * held * SCALE + model.options["shift"] + offset, y)
            value = value * model.factors[1] * factor(2.0)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            return value

        def hold(value):
            nonlocal held
            held = value

        def take(other):
            nonlocal factor
            factor = other

        self.hold, self.take = hold, take
        self.step = ag.compile(step) if compiled else step


class Factor:
    """A user's object."""

    power = 2

    def __call__(self, x):
        return self.scaled(x)

    def scaled(self, x):
        return 0.5 * x**self.power


class Doubled(Factor):
    """Another."""

    def scaled(self, x):
        return 2.0 * super().scaled(x)


def replace_parameter(s):
    layer = s.model.layers["0"] if isinstance(s.model.layers, dict) else s.model.layers[0]
    layer.weight = nn.Parameter(0.5 * layer.weight.numpy(), dtype=np.float64)


def weight(s):
    return next(iter(s.model.parameters()))


def add_group(s):
    extra = nn.Parameter(np.ones(2), dtype=np.float64)
    s.optimizer.add_param_group({"params": [extra], "lr": 0.5})


def expose(s):
    weight(s).data[0] = 0.125  # a new array, which others may write into


def load(s):
    state = s.optimizer.state_dict()
    state["param_groups"][0]["lr"] = 0.5
    s.optimizer.load_state_dict(state)


CHANGES = {
    "a cell": lambda s: s.hold(3.0),
    "an object in a cell": lambda s: s.take(Doubled()),
    "a parameter": replace_parameter,
    "its array": expose,
    "its content": lambda s: weight(s).assign(0.5 * weight(s).numpy()),
    "frozen": lambda s: weight(s).requires_grad_(False),
    "a constant": lambda s: s.offset.assign(3.0),
    "an entry of a list": lambda s: s.model.factors.__setitem__(1, 4.0),
    "the length of a list": lambda s: s.model.factors.insert(0, 4.0),
    "an entry of a dict": lambda s: s.model.options.update(shift=3.0),
    "a dict": lambda s: setattr(s.model, "options", {"shift": 1.5}),
    "a layer": lambda s: s.model.layers.update({"1": nn.Sigmoid()}),
    "an attribute": lambda s: setattr(s.loss, "reduction", "sum"),
    "an attribute of a user's object": lambda s: setattr(s.factor, "power", 3),
    "a rate": lambda s: setattr(s.optimizer, "lr", 0.5),
    "a rate of a group": lambda s: s.optimizer.param_groups[0].update({"lr": 0.25}),
    "several": lambda s: s.optimizer.param_groups[0].update({"lr": 0.25, "betas": (0.5, 0.9)}),
    "a group": add_group,
    "a state": load,
    "a gradient": lambda s: setattr(weight(s), "grad", np.ones_like(weight(s).numpy())),
    "no gradient": lambda s: s.optimizer.zero_grad(),
    "a leaf": lambda s: setattr(weight(s), "node", Leaf(weight(s)._value)),
    "nothing": lambda s: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_calls_is_noticed(change, looks):
    one, two = Setup(compiled=True), Setup(compiled=False)
    data = [*batches(15)]
    for x, y in data:
        close(float(one.step(x, y)), float(two.step(x, y)))
    passes = Passes(one.step) if looks else None
    for _ in range(4):
        for s in (one, two):
            CHANGES[change](s)
        for x, y in data[:4]:
            close(float(one.step(x, y)), float(two.step(x, y)))
            for p, q in zip(one.model.parameters(), two.model.parameters(), strict=True):
                close(p.numpy(), q.numpy())
                if q.grad is not None:
                    close(p.grad, q.grad)
    if change == "nothing" and passes is not None:
        assert (passes.passed, passes.closed) == (16, 0)
    elif change in ("its array", "a constant", "a rate") and passes is not None:
        assert passes.passed >= 8, "it is certified again"


def test_a_global_is_noticed(monkeypatch):
    one, two = Setup(compiled=True), Setup(compiled=False)
    for i, (x, y) in enumerate(batches(20)):
        if i == 16:
            monkeypatch.setitem(globals(), "SCALE", 0.5)
        close(float(one.step(x, y)), float(two.step(x, y)))


@pytest.mark.parametrize("owner", [Factor, nn.Linear, nn.Module])
def test_a_method_of_a_class_is_noticed(monkeypatch, owner, looks):
    one, two = Setup(compiled=True), Setup(compiled=False)
    name = "scaled" if owner is Factor else "forward" if owner is nn.Linear else "__call__"
    plain = getattr(owner, name)
    for i, (x, y) in enumerate(batches(20)):
        if i == 15:
            monkeypatch.setattr(owner, name, lambda self, *args: 0.5 * plain(self, *args))
        close(float(one.step(x, y)), float(two.step(x, y)))


def test_other_bases_of_a_class_are_noticed(looks):
    class Half:
        def scale(self, x):
            return 0.5 * x

    class Whole:
        def scale(self, x):
            return 1.0 * x

    class Own(Half):
        pass

    own = Own()
    double = ag.compile(lambda x: own.scale(x) + x)
    x = np.ones(3)
    for i in range(14):
        close(double(i * x), 1.5 * i * x)
    Own.__bases__ = (Whole,)
    close(double(x), 2.0 * x)


@needs_counts
def test_a_training_step_passes_the_gate():
    (compiled, model, _), _ = twins(partial(optim.Adam, lr=0.01))
    for x, y in batches(14):
        compiled(ag.tensor(x), ag.tensor(y))
    x, y = ag.tensor(x), ag.tensor(y)
    passes = Passes(compiled)
    warm(compiled, x, y, calls=5)
    assert (passes.passed, passes.closed) == (5, 0)
    assert model[0].weight.grad is not None  # who looks at a gradient gets an array of its own
    warm(compiled, x, y, calls=5)
    assert (passes.passed, passes.closed) == (10, 0)
    kept = model[0].weight.grad
    before = kept.copy()
    compiled(x, 2.0 * y)
    close(kept, before)
    assert not np.array_equal(model[0].weight.grad, before)


@pytest.mark.parametrize("before", ["kept", "none"])
def test_gradients_are_those_of_the_last_call(before):
    def clear(i, optimizer):
        if before == "none":
            optimizer.zero_grad()

    data = [*batches(30)]
    same_training(*twins(partial(optim.SGD, lr=0.1)), data, before=clear)


@pytest.mark.parametrize("cleared", [(), range(10, 40, 2), range(34), range(40)])
def test_gradients_are_added_to_those_that_are_there(cleared, looks):
    def make(compiled):
        weight = ag.tensor(np.ones(3), requires_grad=True)

        def step(x):
            loss = (weight * weight * x).sum()
            loss.backward()
            return loss

        return weight, ag.compile(step) if compiled else step

    one, two = make(True), make(False)
    for i in range(40):
        for weight, step in (one, two):
            if i in cleared:
                weight.grad = None
            step(ag.tensor(np.arange(3.0) + i))
        close(one[0].grad, two[0].grad)


# ---------------------------------------------------------------------------- arguments


def unaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)
    found = raw[1:].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


class Named(np.ndarray):
    """An array of a class of its own."""


ARRAYS = {
    "as it was": lambda x: x,
    "a copy": lambda x: x.copy(),
    "by columns": np.asfortranarray,
    "backwards": lambda x: x[::-1],
    "with gaps": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "unaligned": unaligned,
    "of another class": lambda x: x.view(Named),
    "of another dtype": lambda x: x.astype(np.float32),
    "of other bytes": lambda x: x.astype(x.dtype.newbyteorder()).astype(x.dtype),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "shorter": lambda x: x[:2],
    "longer": lambda x: np.concatenate([x, x]),
    "with one axis more": lambda x: x[None],
    "with one axis less": lambda x: x[0],
    "a tensor": ag.tensor,
    "a tensor with a derivative": lambda x: ag.tensor(x, requires_grad=True),
    "a number": lambda x: 2.0,
    "a parameter": lambda x: nn.Parameter(x, requires_grad=False),
}


@pytest.mark.parametrize("change", ARRAYS)
@pytest.mark.parametrize("wrap", [np.asarray, ag.tensor])
def test_arguments_that_are_not_like_the_last_are_noticed(change, wrap):
    def function(x, name="one"):
        return ag.exp(ag.multiply(x, 0.1)) * (2.0 if name == "one" else 3.0)

    compiled = ag.compile(function)
    x = np.arange(12.0).reshape(4, 3)
    for i in range(14):
        compiled(wrap(x + i))
    for _ in range(3):
        given = ARRAYS[change](x)
        with ag.no_grad():
            close(value(compiled(given)), value(function(given)))
        close(value(compiled(wrap(x))), value(function(wrap(x))))
        close(value(compiled(x=wrap(x))), value(function(wrap(x))))
        close(value(compiled(wrap(x), "two")), value(function(wrap(x), "two")))


def value(x):
    return np.asarray(x.numpy() if isinstance(x, ag.Tensor) else x)


def test_floats_among_the_arguments_are_inputs(looks):
    def function(x, rate, name, power):
        return ag.exp(x * rate) * (1.0 + power) if name == "one" else x

    compiled, x = ag.compile(function), np.array([0.1, 0.2])
    for i in range(14):
        compiled(ag.tensor(x * i), 0.1 * i, "one", 2.0 + i)
    passes = Passes(compiled) if looks else None
    calls = [(0.5, "one", 0.25), (0.0, "one", -1.0), (2, "one", 0.5), (0.5, "two", 0.5)]
    calls += [(np.float64(0.5), "one", 0.25), (0.5, "one", True), *calls]
    for rate, name, power in calls:
        close(
            compiled(ag.tensor(x), rate, name, power).numpy(),
            function(ag.tensor(x), rate, name, power).numpy(),
        )
    assert passes is None or passes.passed == 4
    with pytest.raises(TypeError):
        compiled(ag.tensor(x), 0.5)


def normed():
    """Return two equal steps of a model with running averages, one compiled, with the models."""
    found = []
    for compiled in (True, False):
        rng = np.random.default_rng(0)
        model = nn.Sequential(
            nn.Linear(5, 4, rng=rng), nn.BatchNorm1d(4), nn.Linear(4, 3, rng=rng)
        )
        model.astype(np.float64)
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        step = step_of(model, optimizer, nn.MSELoss())
        found.append((model, ag.compile(step) if compiled else step))
    return found


def test_averages_that_somebody_keeps_stay_as_they_are(looks):
    (one, compiled), (two, step) = normed()
    data = [*batches(30)]
    kept, passes = [], None
    for i, (x, y) in enumerate(data):
        x, y = ag.tensor(x), ag.tensor(y)
        close(compiled(x, y).numpy(), step(x, y).numpy())
        for name, value in one.state_dict().items():
            close(value, two.state_dict()[name])
        if i in (5, 20, 21, 27):
            mean = [
                m.layers["1"] if isinstance(m.layers, dict) else m.layers[1] for m in (one, two)
            ]
            kept += [[m.running_mean.detach() for m in mean]]
            kept[-1].append(kept[-1][0].numpy().copy())
        if i == 24:
            for model in (one, two):
                state = model.state_dict()
                model.load_state_dict({name: 0.5 * state[name] for name in state})
        if i == 14 and looks:
            passes = Passes(compiled)
    for mine, other, then in kept:
        close(mine.numpy(), other.numpy())
        close(mine.numpy(), then)
    assert passes is None or passes.passed >= 5


# ------------------------------------------------------------------------------- memory


def exponential(wrap):
    """Return a compiled function that was called often enough, and an argument."""
    scale = ag.tensor([2.0, 3.0])
    compiled = ag.compile(lambda x: ag.exp(x) * scale)
    for i in range(14):
        compiled(wrap(np.array([0.1, 0.2]) * i))
    return compiled, wrap(np.array([0.1, 0.2])), scale


@pytest.mark.parametrize("wrap", [np.asarray, ag.tensor])
def test_no_reference_is_left_behind(wrap):
    compiled, x, scale = exponential(wrap)
    own = getattr(x, "_value", x)
    things = [x, own, own.dtype, scale, scale._value, None, type(x)]
    before = list(map(sys.getrefcount, things))
    for _ in range(1000):
        compiled(x)
    after = list(map(sys.getrefcount, things))
    assert all(abs(now - then) < 50 for now, then in zip(after, before, strict=True))


def test_no_memory_is_left_behind():
    compiled, x, _ = exponential(ag.tensor)
    compiled(x)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            compiled(x)
        assert tracemalloc.get_traced_memory()[0] - before < 500
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrap", [np.asarray, ag.tensor])
def test_an_argument_lives_no_longer_than_its_call(wrap):
    compiled, x, _ = exponential(wrap)
    for _ in range(40):  # with ones that pass the gate, and ones that do not
        compiled(x)
        compiled(wrap(np.zeros((2, 4))[:, ::4].T[0]))
    own = wrap(np.array([0.1, 0.2]))
    compiled(own)
    alive = weakref.ref(own)
    del own
    gc.collect()
    assert alive() is None


def test_an_array_that_a_tensor_loses_during_a_call_is_kept():
    def function(x):
        for _ in range(20):
            x = ag.sin(x)
        return ag.max(x) + ag.min(x)

    compiled = ag.compile(function)
    values = [np.full(1 << 13, c) for c in (0.1, 0.2, 0.3)]
    wanted = [float(function(v)) for v in values]
    for i in range(14):
        compiled(ag.tensor(values[0] * i))
    x, stop = ag.tensor(values[0]), threading.Event()

    def replace():
        while not stop.is_set():
            for v in values:
                x.assign(v)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(200):
            found = float(compiled(x))
            assert any(np.isclose(found, want) for want in wanted)
    finally:
        stop.set()
        thread.join()


@needs_words
def test_words_about_arrays_that_are_no_longer_held_open_nothing():
    compiled, x, scale = exponential(ag.tensor)
    compiled(x)
    (arena,) = compiled.programs[0].segments[0].pool
    assert arena.words is not gate.CLOSED
    assert arena.rebind([scale.numpy().copy(), *arena.held[1:]])
    assert arena.words is gate.CLOSED


# ------------------------------------------------------------------------------ threads


def test_two_threads_have_each_their_own_results():
    compiled, *_ = exponential(ag.tensor)
    wrong = []

    def work(i):
        x = np.array([0.1, 0.2]) + i
        want = np.exp(x) * [2.0, 3.0]
        for _ in range(1500):
            if not np.allclose(compiled(ag.tensor(x)).numpy(), want):
                wrong.append(i)

    run_all([partial(work, i) for i in range(3)])
    assert not wrong


def test_steps_of_two_threads_are_all_done():
    rate = 1e-3
    weight = ag.tensor(np.zeros(3), requires_grad=True)
    optimizer = optim.SGD([weight], lr=rate)

    @ag.compile
    def step(x):
        loss = (weight * x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for i in range(14):
        step(np.full(3, float(i)))
    before = weight.numpy().copy()
    run_all([lambda: warm(step, np.ones(3), calls=800)] * 2)
    np.testing.assert_allclose(weight.numpy(), before - 1600 * rate)


def test_a_cell_that_another_thread_replaces_is_noticed_at_once():
    factor = ag.tensor(2.0)

    def function(x):
        return ag.exp(x) * factor

    compiled = ag.compile(function)
    x = np.array([0.1, 0.2])
    for i in range(14):
        compiled(x * i)
    for i in range(40):
        factor = ag.tensor(float(i))
        np.testing.assert_allclose(compiled(x).numpy(), np.exp(x) * i)


def run_all(tasks):
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -------------------------------------------------------------------------------- words


@needs_words
def test_words_are_where_they_are_looked_for():
    tensor = ag.tensor([1.0, 2.0], requires_grad=True)
    for owner, name in ((tensor, "_value"), (tensor, "node"), (tensor.node, "_grad")):
        known = words.slot(owner, name, None)
        assert words.word(id(owner) + known.offset) == id(getattr(owner, name))
    assert words.slot(tensor, "shape", None) is None  # a property


@needs_counts
def test_every_change_of_a_dict_counts():
    class Thing:
        pass

    thing = Thing()
    thing.a = thing.b = 1
    (known,) = words.changes(vars(thing))
    for change in words.CHANGES:
        before = words.word(id(vars(thing)) + known.offset)
        change(thing, vars(thing))
        assert words.word(id(vars(thing)) + known.offset) != before


@needs_counts
def test_every_change_of_a_class_counts():
    def seen():
        found = words.of_class(Doubled)
        assert [x.thing for x in found if isinstance(x, words.Thing)] == [Doubled.__mro__]
        return [words.word(id(x.owner) + x.offset) for x in found]

    before = seen()
    assert seen() == before
    Factor.power = 3
    assert seen() != before
    before = seen()
    del Factor.power
    assert seen() != before
    Factor.power = 2


def test_where_memory_is_not_as_it_should_be_python_asks(monkeypatch):
    monkeypatch.setattr(sharing, "_FAMILIES", type(sharing._FAMILIES)())
    monkeypatch.setattr(gate, "gate", lambda: None)
    monkeypatch.setattr(watch, "gate", lambda: None)
    compiled, x, scale = exponential(ag.tensor)
    (entry,) = (p.segments[0].run for p in compiled.programs)
    assert entry.gate is None
    np.testing.assert_allclose(compiled(x).numpy(), np.exp(x.numpy()) * scale.numpy())
    assert entry(np.zeros(3), np.zeros(9, np.int64)) == gate.BADLY_SHAPED
    assert entry(np.zeros(4)[::2], np.zeros(9, np.int64)) == gate.BADLY_SHAPED
