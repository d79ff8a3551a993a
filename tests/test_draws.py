"""Random numbers in compiled functions: one state gives the same numbers, eager or compiled."""

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim
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
