"""Random numbers in compiled functions: one state gives the same numbers, eager or compiled."""

import time

import numpy as np
import pytest
from twins import step_of, steps_at_once

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import batches
from autograd_core.draws import uniform

BITS = (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)


def network(kind, seed):
    rng = np.random.default_rng(seed)
    layers = [nn.Linear(6, 16, rng=rng), nn.Tanh(), kind(0.4, rng=rng), nn.Linear(16, 1, rng=rng)]
    return nn.Sequential(*layers)


def trained(kind, compiled, seed=3, steps=12):
    """Return the losses of some steps of training, and the compiled step."""
    model = network(kind, seed)
    optimizer = optim.SGD(model.parameters(), lr=0.05)

    def step(x, y):
        optimizer.zero_grad()
        loss = ag.mean((model(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    function = ag.compile(step) if compiled else step
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(8, 6)), rng.normal(size=(8, 1))) for _ in range(steps)]
    return [
        float(function(x.astype(np.float32), y.astype(np.float32))) for x, y in batches
    ], function


@pytest.mark.parametrize("kind", [nn.Dropout, nn.AlphaDropout])
def test_training_with_dropout_is_the_same_compiled(kind):
    eager, _ = trained(kind, compiled=False)
    losses, function = trained(kind, compiled=True)
    np.testing.assert_allclose(losses, eager, rtol=1e-5)
    assert len(function.programs) == 1
    assert "draw" in " ".join(map(str, function.programs[0].steps))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bits", BITS)
def test_programs_and_eager_draws_share_one_stream(bits, dtype):
    rng, twin = np.random.Generator(bits(5)), np.random.Generator(bits(5))
    noisy = ag.compile(lambda x: x + uniform(rng, (3,), dtype))
    for i in range(8):
        x = np.full(3, float(i), dtype)
        np.testing.assert_array_equal(noisy(x), x + twin.random(3, dtype))
        np.testing.assert_array_equal(rng.random(i, np.float32), twin.random(i, np.float32))
    assert noisy.programs


def test_a_draw_that_nobody_needs_is_drawn():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)

    def wasteful(x):
        uniform(rng, (3,))
        return x + uniform(rng, (2,))

    compiled = ag.compile(wasteful)
    for i in range(5):
        twin.random(3)
        np.testing.assert_array_equal(compiled(np.full(2, float(i))), i + twin.random(2))
    assert compiled.programs


def test_a_run_that_is_given_up_draws_its_numbers_again():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)

    def branching(x):
        noise = uniform(rng, (2,))
        return x + noise if bool(ag.sum(x) < 20.0) else x - noise

    compiled = ag.compile(branching)
    for i in (0.0, 1.0, 2.0, 3.0, 20.0, 4.0):
        noise = twin.random(2)
        expected = i + noise if i < 10.0 else i - noise
        np.testing.assert_array_equal(compiled(np.full(2, i)), expected)
    assert "left 1×" in compiled.explain()


def test_another_generator_at_every_call_makes_no_program():
    source = iter(np.random.default_rng(0).spawn(9))
    noisy = ag.compile(lambda x: x + uniform(next(source), (2,)))
    for i in range(4):
        noisy(np.full(2, float(i)))
    assert not noisy.programs
    assert "different generators: draw at" in noisy.explain()


# -------------------------------------------------------------------- draws of native programs


def two_dropouts(rngs, norm=False):
    layers = [nn.Linear(3, 6, bias=False, rng=0, dtype=np.float64), nn.Dropout(0.4, rng=rngs[0])]
    layers += [nn.BatchNorm1d(6, dtype=np.float64)] * norm
    layers += [nn.Tanh(), nn.Dropout(0.2, rng=rngs[1])]
    return nn.Sequential(*layers, nn.Linear(6, 1, rng=1, dtype=np.float64))


def streams(kind):
    first = np.random.default_rng(7)
    if kind == "one":
        return first, first
    return first, np.random.default_rng(8) if kind == "two" else np.random.Generator(
        first.bit_generator
    )


def training(model):
    return step_of(model, optim.SGD(model.parameters(), lr=0.05), nn.MSELoss())


@pytest.mark.parametrize("kind", ["one", "two", "shared bits"])
def test_a_step_with_dropout_is_one_native_function(kind):
    rngs, twins = streams(kind), streams(kind)
    compiled, eager = ag.compile(training(two_dropouts(rngs))), training(two_dropouts(twins))
    data = np.random.default_rng(0)
    for i in range(15):
        x = data.normal(size=(8, 3))
        y = x[:, :1] * (np.inf if i == 9 else 1.0)
        with np.errstate(all="ignore"):
            found, expected = compiled(x, y).item(), eager(x, y).item()
        if i < 9:
            np.testing.assert_allclose(found, expected, rtol=1e-10)
        for rng, twin in zip(rngs, twins, strict=True):
            assert rng.bit_generator.state == twin.bit_generator.state
        if i % 4 == 0:  # between the steps, too
            drawn = [rng.random(3, np.float32).tolist() for rng in (rngs[0], twins[0])]
            assert drawn[0] == drawn[1]
    (program,) = compiled.programs
    assert program.is_native and len(program.segments) == 1
    assert "a gradient at" in compiled.explain()
    (kind,) = compiled.kinds.values()
    assert kind.quick is not None


@pytest.mark.parametrize("kind", ["one", "two", "shared bits"])
@pytest.mark.parametrize("norm", [False, True])
def test_many_steps_in_one_call_draw_the_same(kind, norm, monkeypatch):
    done = steps_at_once(monkeypatch)
    data = np.random.default_rng(0)
    x = data.normal(size=(300, 3))
    results = []
    for compile in (True, False):
        rngs = streams(kind)
        model = two_dropouts(rngs, norm)
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        options = {"epochs": 4, "batch_size": 16, "compile": compile, "progress": False}
        history = optim.fit(model, nn.MSELoss(), (x, x[:, :1]), optimizer, **options)
        state = [rng.bit_generator.state for rng in rngs]
        results.append((history["loss"], model.state_dict(), state))
    (losses, weights, state), (expected, right, other) = results
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    for name in right:
        np.testing.assert_allclose(weights[name], right[name], rtol=1e-8, atol=1e-12)
    assert state == other
    assert max(done) >= 4


@pytest.mark.parametrize("bad", [37, 40])
def test_many_steps_that_are_given_up_leave_the_generators_where_they_were(bad):
    data = np.random.default_rng(0)
    x = data.normal(size=(64 * 8, 3))
    y = x[:, :1].copy()
    y[8 * bad] = np.inf
    order = np.arange(len(x)).reshape(-1, 8)
    rngs = streams("one"), streams("one")
    compiled = ag.compile(training(two_dropouts(rngs[0])))
    eager = training(two_dropouts(rngs[1]))
    at, many = 0, 0
    with np.errstate(all="ignore"):
        while at < len(order):
            done, _ = compiled.over((x, y), order[at:])
            if not done:
                compiled(x[order[at]], y[order[at]])
            many, at = max(many, done), at + max(done, 1)
            for rows in order[at - max(done, 1) : at]:
                eager(x[rows], y[rows])
            assert rngs[0][0].bit_generator.state == rngs[1][0].bit_generator.state
    assert many > 20


def test_numbers_of_many_steps_take_limited_room(monkeypatch):
    monkeypatch.setattr(batches, "ROOM", 5000)
    rng = np.random.default_rng(3)
    compiled = ag.compile(training(two_dropouts((rng, rng))))
    x = np.random.default_rng(0).normal(size=(400, 3))
    order = np.arange(400).reshape(-1, 4)
    for rows in order[:12]:
        compiled(x[rows], x[rows, :1])
    done, _ = compiled.over((x, x[:, :1].copy()), order)
    assert done == 5000 // (2 * 4 * 6 * 8)


def test_postmortem_leaves_the_generators_alone():
    rng = np.random.default_rng(5)
    noisy = ag.compile(lambda x: ag.log(x - uniform(rng, (3,)) - 5.0))
    for i in range(4):
        noisy(np.full(3, 10.0 + i))
    state = rng.bit_generator.state
    assert noisy.postmortem(np.zeros(3)).startswith("log at")
    assert rng.bit_generator.state == state


def test_single_precision_is_compared_in_a_double_precision_program():
    def kept(x, y):
        return ag.sum(ag.exp(x) * (y >= 0.7) + ag.tanh(x) * (y < 0.1))

    compiled = ag.compile(kept)
    y = np.array([0.7, 0.1, 0.3, 0.9], np.float32)  # 0.7 is less than the float, 0.1 more
    for i in range(4):
        x = np.arange(4.0) + i
        assert np.isclose(compiled(x, y).item(), kept(ag.tensor(x), ag.tensor(y)).item())
        y = y[::-1].copy()
    assert compiled.programs[0].is_native


def test_a_program_that_is_tried_in_the_background_draws_nothing_twice():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    noisy = ag.compile(lambda x: ag.tanh(x) + uniform(rng, (3,)), wait=False, audit=False)
    for i in range(2000):
        x = np.full(3, 0.001 * i)
        np.testing.assert_allclose(noisy(x), np.tanh(x) + twin.random(3), rtol=1e-12)
        if noisy.programs and i > 20:
            break
        if not noisy.programs:
            time.sleep(0.01)
    assert noisy.programs, noisy.explain()
