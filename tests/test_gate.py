"""The gate of the quick way: all that counts is noticed, whatever machine code looks at for it."""

import ctypes
import gc
import os
import sys
import threading
import tracemalloc
from functools import partial

import numpy as np
import pytest
from twins import batches, same_training, small, twins

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import gate, quick, words
from autograd_core.compiler.arena import Arena
from autograd_core.tape import Leaf

JITTED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
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
    "nothing": lambda s: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_calls_is_noticed(change):
    one, two = Setup(compiled=True), Setup(compiled=False)
    data = [*batches(15)]
    for x, y in data:
        close(float(one.step(x, y)), float(two.step(x, y)))
    passes = Passes(one.step) if words.readable() else None
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
def test_a_method_of_a_class_is_noticed(monkeypatch, owner):
    one, two = Setup(compiled=True), Setup(compiled=False)
    name = "scaled" if owner is Factor else "forward" if owner is nn.Linear else "__call__"
    plain = getattr(owner, name)
    for i, (x, y) in enumerate(batches(20)):
        if i == 15:
            monkeypatch.setattr(owner, name, lambda self, *args: 0.5 * plain(self, *args))
        close(float(one.step(x, y)), float(two.step(x, y)))


def test_other_bases_of_a_class_are_noticed():
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
