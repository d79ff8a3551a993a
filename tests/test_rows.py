"""Many steps in one call: what changes between two such calls is noticed.

The changes are those of `test_gate`, for calls of single steps.
"""

from contextlib import nullcontext

import numpy as np
import pytest
from test_gate import CHANGES, Setup, close, needs_counts, weight

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import batches

SCALE = 1.0  # a global that a function sees


@pytest.fixture
def tried(monkeypatch):
    """Whether each call got through without questions, in order."""
    found = []
    again = batches.Batches.again

    def noted(self, *args):
        result = again(self, *args)
        found.append(result is not None)
        return result

    monkeypatch.setattr(batches.Batches, "again", noted)
    return found


def examples(rows=40, inputs=5, outputs=3):
    rng = np.random.default_rng(5)
    return rng.normal(size=(rows, inputs)), rng.normal(size=(rows, outputs))


def orders(calls, steps=3, size=4, rows=40):
    rng = np.random.default_rng(6)
    return [rng.integers(0, rows, (steps, size)) for _ in range(calls)]


def losses(step, arrays, order):
    """Do a step for each line of an order, many in one call where that is possible."""
    found, at = [], 0
    while at < len(order):
        done, figures = 0, None
        if isinstance(step, ag.compiler.compiled.Compiled):
            done, figures = step.over(arrays, order[at:])
        if done:
            found += figures[:, 0].tolist()
        else:
            found.append(float(step(*(array[order[at]] for array in arrays))))
        at += max(done, 1)
    return found


def warm(step, arrays, calls=6):
    for order in orders(calls):
        losses(step, arrays, order)


def eval_and_back(s):
    s.model.eval()
    s.model.train()


CHANGES = {
    **CHANGES,
    "a switch, twice": eval_and_back,
    "a switch": lambda s: s.model.eval(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_calls_is_noticed(change, looks):
    one, two = Setup(compiled=True), Setup(compiled=False)
    x, y = examples()
    for s in (one, two):
        warm(s.step, (x, y))
    for order in orders(4):
        for s in (one, two):
            CHANGES[change](s)
        close(losses(one.step, (x, y), order), losses(two.step, (x, y), order))
        for p, q in zip(one.model.parameters(), two.model.parameters(), strict=True):
            close(p.numpy(), q.numpy())
            if q.grad is not None:
                close(p.grad, q.grad)


def test_an_attribute_that_is_gone_is_noticed(looks):
    arrays = examples()
    one, two = Setup(compiled=True), Setup(compiled=False)
    for s in (one, two):
        s.factor.power = 3  # the class has another
        warm(s.step, arrays)
        del s.factor.power
    (order,) = orders(1)
    close(*(losses(s.step, arrays, order) for s in (one, two)))


@needs_counts
@pytest.mark.parametrize("change", ["nothing", "a switch, twice"])
def test_calls_like_the_last_one_are_not_asked_about(change, tried):
    one = Setup(compiled=True)
    arrays = examples()
    eval_and_back(one)  # from here on each module has a mode of its own
    warm(one.step, arrays)
    tried.clear()
    for order in orders(5):
        CHANGES[change](one)
        losses(one.step, arrays, order)
    assert tried == [True] * 5


@needs_counts
def test_a_change_is_asked_about_once(tried):
    one = Setup(compiled=True)
    arrays = examples()
    warm(one.step, arrays)
    tried.clear()
    weight(one).data[0] = 0.125
    for order in orders(4):
        losses(one.step, arrays, order)
    assert tried == [False, True, True, True]


def test_a_global_is_noticed(monkeypatch, looks):
    w = ag.tensor(np.ones(5))

    @ag.compile
    def scaled(x):
        return ag.sum(ag.tanh(w * x) * SCALE)

    (x, _) = examples()
    warm(scaled, (x,))
    (order,) = orders(1)
    before = losses(scaled, (x,), order)
    monkeypatch.setitem(globals(), "SCALE", 0.5)
    close(losses(scaled, (x,), order), 0.5 * np.array(before))


@pytest.mark.parametrize("other", ["other rows", "fewer", "strided", "single", "a mode"])
def test_other_arrays(other, looks):
    w = ag.tensor(np.ones(5))
    total = ag.compile(lambda x: ag.sum(ag.tanh(w * x)))
    (x, _) = examples()
    warm(total, (x,))
    changed = {
        "other rows": x[::-1].copy(),
        "fewer": x[:20].copy(),
        "strided": np.asfortranarray(x),
        "single": x.astype(np.float32),
        "a mode": x,
    }[other]
    (order,) = orders(1, rows=20)
    for _ in range(3):
        with ag.no_grad() if other == "a mode" else nullcontext():
            found = losses(total, (changed,), order)
        wanted = [float(ag.sum(ag.tanh(w * changed[rows]))) for rows in order]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert np.allclose(losses(total, (x,), order)[0], np.tanh(x[order[0]]).sum())


def test_rows_that_arrays_do_not_have():
    total = ag.compile(lambda x: ag.sum(ag.tanh(x)))
    (x, _) = examples()
    warm(total, (x,))
    for row in (40, -1):
        with pytest.raises(IndexError, match="rows"):
            total.over((x,), np.full((2, 4), row))
    assert total.over((x,), orders(1)[0])[0] == 3


def test_statistics_that_somebody_looks_at_stay_as_they_are():
    twins = []
    for _ in range(2):
        rng = np.random.default_rng(2)
        norm = nn.BatchNorm1d(5, dtype=np.float64)
        model = nn.Sequential(norm, nn.Linear(5, 3, rng=rng, dtype=np.float64))
        twins.append((norm, model, optim.SGD(model.parameters(), lr=0.1)))

    def step_of(model, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            loss = nn.MSELoss()(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    arrays = examples()
    steps = [step_of(model, optimizer) for _, model, optimizer in twins]
    compiled = [ag.compile(steps[0]), steps[1]]
    for step in compiled:
        warm(step, arrays)
    for order in orders(4):
        kept = [norm.running_mean.numpy() for norm, *_ in twins]
        before = kept[1].copy()
        found = [losses(step, arrays, order) for step in compiled]
        close(*found)
        close(kept[0], before)
        close(*(norm.running_mean.numpy() for norm, *_ in twins))
