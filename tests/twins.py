"""Functions beside their compiled twins: equal calls, and equal trainings; work in threads."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim


def close(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0) if want.dtype.kind == "f" else 1.0
    eps = np.finfo(want.dtype).eps if want.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(got, want, rtol=4 * eps, atol=4 * eps * scale)


def small(rng=0, dtype=np.float64):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Linear(5, 8, rng=rng, dtype=dtype), nn.Tanh(), nn.Linear(8, 3, rng=rng, dtype=dtype)
    )


def step_of(model, optimizer, loss):
    def step(x, y):
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def steps_at_once(monkeypatch):
    """Return a list that will tell how many steps each native call of `fit` did."""
    done = []
    natively, run = optim.learner.CompiledSteps._natively, optim.ahead.Ahead._run

    def watched(self, arrays, order):
        found = natively(self, arrays, order)
        done.append(found[0])
        return found

    def ahead(self, most):
        found = run(self, most)
        done.append(sum(epoch.steps for epoch in found))
        return found

    monkeypatch.setattr(optim.learner.CompiledSteps, "_natively", watched)
    monkeypatch.setattr(optim.ahead.Ahead, "_run", ahead)
    return done


def same(one, other):
    """Whether containers hold the same, numbers to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | float):
        return np.array_equal(one, other, equal_nan=True)
    return one == other


def layer(rng=0, dtype=np.float64):
    return nn.Linear(5, 3, rng=np.random.default_rng(rng), dtype=dtype)


def twins(make, loss=None, dtype=np.float64, model_of=small):
    """Return two equal trainings, one of them compiled, with their models."""
    loss = loss or nn.MSELoss()
    found = []
    for compiled in (True, False):
        model = model_of(dtype=dtype)
        optimizer = make(model.parameters())
        step = step_of(model, optimizer, loss)
        found.append((ag.compile(step) if compiled else step, model, optimizer))
    return found


def batches(count=8, dtype=np.float64):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.normal(size=(6, 5)).astype(dtype), rng.normal(size=(6, 3)).astype(dtype)


def same_training(one, two, data, before=lambda i, optimizer: None):
    """Assert that two trainings go the same way, weights and gradients."""
    for i, (x, y) in enumerate(data):
        losses = []
        for step, _, optimizer in (one, two):
            before(i, optimizer)
            losses.append(float(step(x, y)))
        close(losses[0], losses[1])
        for p, q in zip(one[1].parameters(), two[1].parameters(), strict=True):
            close(p.numpy(), q.numpy())
            close(p.grad, q.grad)


def check(function, calls, kinds=None, runs=None):
    """Assert that a compiled function gives at every call what the function gives."""
    compiled = ag.compile(function)
    for args in calls:
        args = [ag.tensor(x) if isinstance(x, np.ndarray) else x for x in args]
        got, want = compiled(*args), function(*args)
        close(number(got), number(want))
    if kinds is not None:
        assert len(compiled.kinds) == kinds, compiled.explain()
    if runs is not None:
        assert sum(kind.runs for kind in compiled.kinds.values()) == runs, compiled.explain()
    return compiled


def number(x):
    return x.numpy() if isinstance(x, ag.Tensor) else x


VECTORS = [(np.linspace(-1.0, 1.0, 4) + 0.1 * i,) for i in range(8)]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def alone(code):
    """Return what a text prints as a program of its own, which ends well and warns of nothing."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def in_threads(count, work):
    """Do something in so many threads at the same time."""
    workers = [threading.Thread(target=work) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
