"""State that a compiled function assigns to, as `BatchNorm1d` does: as without `compile`."""

import numpy as np
import pytest
from twins import step_of, steps_at_once

import autograd_core as ag
import nn
import optim
from autograd_core.tensor import wrap

RNG = np.random.default_rng(0)


def batch(rows=8, scale=1.0):
    x = RNG.normal(1.0, 2.0, (rows, 3))
    return x, scale * x[:, :1]


def normed(momentum=0.1, dtype=np.float64):
    return nn.Sequential(
        nn.Linear(3, 4, bias=False, rng=0, dtype=dtype),  # its gradient would be rounding alone
        nn.BatchNorm1d(4, momentum=momentum, dtype=dtype),
        nn.ReLU(),
        nn.Linear(4, 1, rng=1, dtype=dtype),
    )


def training(model):
    return step_of(model, optim.Adam(model.parameters(), lr=0.01), nn.MSELoss())


def twins(momentum=0.1, dtype=np.float64):
    """Return two equal models, and a compiled step of the first and an eager one of both."""
    models = normed(momentum, dtype), normed(momentum, dtype)
    steps = [training(model) for model in models]
    return models, ag.compile(steps[0]), steps


def same(models, rtol=1e-10):
    one, two = (model.state_dict() for model in models)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_with_batch_norm_is_one_native_function(momentum, dtype):
    models, compiled, (_, eager) = twins(momentum, dtype)
    for _ in range(12):
        x, y = (a.astype(dtype) for a in batch())
        found, expected = compiled(x, y), eager(x, y)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4)
    same(models, 1e-3 if dtype == np.float32 else 1e-10)
    (program,) = compiled.programs
    assert program.is_native and len(program.segments) == 1
    assert "assigned after all checks: 3 tensors" in compiled.explain()
    assert models[0].state_dict()["1.num_batches_tracked"] == 12


def test_statistics_are_the_same_in_any_order_of_calls():
    models, compiled, (mine, other) = twins()
    calls = "cccccecccEcceVccvvcVcececlcc"
    for call in calls:
        x, y = batch(5 if call in "EV" else 8)
        if call in "cE":
            compiled(x, y)
            other(x, y)
        elif call == "e":
            mine(x, y)
            other(x, y)
        elif call == "l":
            state = models[0].state_dict()
            for model in models:
                model.load_state_dict({name: 0.5 * state[name] for name in state})
        else:
            found = [model.eval()(x).numpy() for model in models]
            np.testing.assert_allclose(*found, rtol=1e-9)
            compiled(x, y)  # in evaluation: another kind of call, which counts nothing
            other(x, y)
            for model in models:
                model.train()
        same(models)
    assert models[0][1].num_batches_tracked.item() > 5


def test_another_mode_is_another_kind_of_call():
    models, compiled, (_, eager) = twins()
    for mode in ("train", "eval", "train", "eval"):
        for model in models:
            getattr(model, mode)()
        before = models[0][1].num_batches_tracked.item()
        for _ in range(5):
            x, y = batch()
            compiled(x, y)
            eager(x, y)
        assert models[0][1].num_batches_tracked.item() == before + 5 * (mode == "train")
        same(models)
    assert len(compiled.kinds) == len(compiled.programs) == 2


def test_another_momentum_is_another_kind_of_call():
    models, compiled, (_, eager) = twins()
    for momentum in (0.1, 0.7, None):
        for model in models:
            model[1].momentum = momentum
        for _ in range(5):
            x, y = batch()
            compiled(x, y)
            eager(x, y)
        same(models)
    assert len(compiled.kinds) == len(compiled.programs) == 3


def test_a_step_that_is_given_up_is_counted_once():
    models, compiled, (_, eager) = twins()
    for i in range(12):
        x, y = batch(scale=np.inf if i == 8 else 1.0)
        states = [model.state_dict() for model in models]
        with np.errstate(all="ignore"):
            compiled(x, y)
            eager(x, y)
        statistics = [model[1].state_dict() for model in models]
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            np.testing.assert_allclose(*(state[name] for state in statistics), rtol=1e-10)
        if i == 8:
            assert "is not finite" in compiled.explain()
            for model, state in zip(models, states, strict=True):
                weights = {n: v for n, v in state.items() if "running" not in n}
                model.load_state_dict(model.state_dict() | weights)
    assert len(compiled.programs) == 1


def test_whoever_has_the_old_statistics_keeps_them():
    models, compiled, _ = twins()
    layer = models[0][1]
    for _ in range(5):
        compiled(*batch())
    seen, held = layer.running_mean.numpy(), layer.running_mean.detach()
    expected = seen.copy()
    for _ in range(3):
        compiled(*batch())
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(held.numpy(), expected)
    assert not np.array_equal(layer.running_mean.numpy(), expected)


def test_a_graph_that_needs_the_old_statistics_can_be_swept():
    models, compiled, (_, eager) = twins()
    for _ in range(5):
        x, y = batch()
        compiled(x, y)
        eager(x, y)
    gradients = []
    for model, step in zip(models, (compiled, eager), strict=True):
        point = ag.tensor(x, requires_grad=True)
        result = ag.sum(model[1].eval()(model[0](point)) ** 2)
        model.train()
        weights = [p.numpy().copy() for p in model.parameters()]
        step(x, y)
        for p, w in zip(model.parameters(), weights, strict=True):
            assert not np.array_equal(p.numpy(), w)
        with pytest.raises(ag.MutationError):  # the weights were overwritten
            result.backward()
        gradients.append(model[1].running_mean.numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-10)


def test_epochs_at_once_keep_statistics(monkeypatch):
    done = steps_at_once(monkeypatch)
    models = normed(), normed()
    x, y = batch(200)
    for model, compile in zip(models, (True, False), strict=True):
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        options = {"epochs": 6, "batch_size": 16, "compile": compile, "progress": False}
        optim.fit(model, nn.MSELoss(), (x, y), optimizer, **options)
    assert max(done) >= 4
    same(models)


# ------------------------------------------------------------------- assignments of any function


def one_after_the_other(function, make, calls=8):
    """Check that a compiled function of state does what it does without `compile`."""
    mine, other = make(), make()
    compiled = ag.compile(lambda x: function(x, *mine))
    for i in range(calls):
        x = RNG.normal(size=3)
        found, expected = compiled(x), function(ag.tensor(x), *other)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, err_msg=str(i))
        for got, want in zip(mine, other, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, err_msg=str(i))
    assert len(compiled.programs) == 1, compiled.explain()
    return compiled.programs[0]


def states(count=2):
    return lambda: [ag.tensor(np.arange(3.0) + i) for i in range(count)]


def twice(x, a, b):
    a.assign(a + x)
    a.assign(a * 0.5 + b)
    return (ag.sum(a),)


def swapped(x, a, b):
    old = a * 1.0
    a.assign(b + x)
    b.assign(old)
    return (ag.sum(a * b),)


def exchanged(x, a, b):
    old = a.detach()
    both = ag.sum(a * b)
    a.assign(b)
    b.assign(old)
    return (ag.sin(both), ag.sum(x * a))


def returned(x, a, b):
    before = a + 0.0 * x
    old = a[::-1]
    a.assign(ag.exp(-x) + b)
    return before, old, ag.tanh(a)


def turned(x, a, b):
    unused = ag.exp(a * x)
    a.assign(a[::-1])
    return (ag.sum(unused + b),)


def looked_at(x, a, b):
    a.assign(a + ag.abs(x))
    if ag.sum(x * x) < -1.0:
        return (a * 0.0,)
    return (ag.exp(b - a),)


@pytest.mark.parametrize("function", [twice, swapped, exchanged, returned, turned, looked_at])
def test_state_is_what_it_is_without_compile(function):
    one_after_the_other(function, states())


def test_what_is_assigned_is_written_in_place():
    program = one_after_the_other(twice, states())
    (segment,) = program.segments
    assert program.is_native and [value.holder.ndim for value, _ in segment.replaced] == [1]
    assert sum(step.name == "overwrite" for step in program.steps) == 1  # the last one


def test_a_run_needs_no_new_array():
    models, compiled, _ = twins()
    layer, found = models[0][1], []
    for _ in range(8):
        compiled(*batch())
        found.append(id(layer.running_mean._value))
    assert len(set(found[-3:])) == 1


def test_whoever_shares_the_memory_keeps_it():
    table = ag.tensor(np.ones((2, 3)))
    row = table[0]
    still = np.ones(3)
    still.flags.writeable = False
    frozen = wrap(still, None)

    @ag.compile
    def step(x):
        row.assign(row + x)
        frozen.assign(frozen * 0.5 + x)
        return ag.sum(row * frozen)

    expected, other = np.ones(3), np.ones(3)
    for i in range(7):
        x = RNG.normal(size=3)
        if i == 4:  # memory of another's again, to which nobody else refers
            row._value, expected = table._value[1], np.ones(3)
        found = step(x)
        expected, other = expected + x, other * 0.5 + x
        np.testing.assert_allclose(found.item(), np.sum(expected * other), rtol=1e-12)
    assert step.programs[0].is_native
    np.testing.assert_array_equal(table.numpy(), np.ones((2, 3)))
    np.testing.assert_array_equal(still, np.ones(3))


def leaves():
    return [ag.tensor(np.arange(1.0, 4.0), requires_grad=True), ag.tensor(np.ones(3))]


def halved_first(x, w, average):
    with ag.no_grad():
        halves = 0.5 * w + x
    w.assign(halves)
    w.grad = None
    loss = ag.sum(w * w * x)
    loss.backward()
    average.assign(0.9 * average + 0.1 * w.detach())
    return (loss.detach(),)


def test_a_leaf_that_is_read_afterwards_is_assigned_at_once():
    mine, other = leaves(), leaves()
    compiled = ag.compile(lambda x: halved_first(x, *mine))
    for _ in range(6):
        x = RNG.normal(size=3)
        found, expected = compiled(x)[0].numpy(), halved_first(ag.tensor(x), *other)[0].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        for got, want in zip(mine, other, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("before", [True, False])
def test_an_average_takes_in_the_weights_of_its_moment(before):
    results = []
    for compile in (True, False):
        w = ag.tensor(np.arange(1.0, 4.0), requires_grad=True)
        average, copy = ag.tensor(np.zeros(3)), ag.tensor(np.zeros(3))
        optimizer = optim.SGD([w], lr=0.1)

        def step(x, w=w, average=average, copy=copy, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ag.sum((w - x) ** 2)
            loss.backward()
            if not before:
                optimizer.step()
            copy.assign(w.detach())
            average.assign(0.5 * average + 0.5 * w.detach())
            if before:
                optimizer.step()
            return loss.detach()

        run = ag.compile(step) if compile else step
        for i in range(8):
            run(np.full(3, float(i)))
        assert not compile or len(run.programs) == 1, run.explain()
        results.append([t.numpy() for t in (w, average, copy)])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_look_at_an_updated_value_is_refused_as_before():
    w = ag.tensor(np.ones(3), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    @ag.compile
    def step(x):
        optimizer.zero_grad()
        ag.sum(w * x).backward()
        optimizer.step()
        return bool(ag.sum(w) > 100.0)

    for _ in range(3):
        step(RNG.normal(size=3))
    assert "a value is looked at after an update" in step.explain()
