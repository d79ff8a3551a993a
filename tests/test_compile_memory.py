"""A compiled step allocates its result and nothing that grows: no array in between."""

import numpy as np
import pytest
from twins import step_of

import autograd_core as ag
import nn
import optim
from benchmarks.allocations import measure, training
from benchmarks.contenders.compiled import ours
from benchmarks.contenders.ours import Compiled, Eager

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def evaluation():
    return measure(ours.mlp().evaluate)


@pytest.fixture(scope="module")
def step():
    return measure(training(Compiled("digits")))


def test_nothing_is_left_behind(evaluation, step):
    for found in (evaluation, step):
        assert found.left < 100, found  # a loop counter, a table that grows once
        assert found.blocks_left < 0.5, found


def test_a_result_is_all_that_is_allocated(evaluation, step):
    gradients = 8 * (10 * 32 + 32 + 32 + 1)
    assert gradients <= evaluation.result < gradients + 1_500
    assert evaluation.result_blocks <= 16  # five arrays, their memory, and a tuple or two
    assert step.result < 400
    assert step.result_blocks <= 6


def test_between_two_operations_there_is_no_array(evaluation, step):
    hidden = 4 * 32 * 32
    assert step.most < hidden / 2
    assert evaluation.most < hidden / 2
    assert measure(training(Eager("digits"))).most > hidden  # which the measure would have seen


def test_many_steps_in_one_call_leave_nothing_behind():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 5)).astype(np.float32)
    y = x[:, :1] * x[:, 1:2]
    model = nn.MLP([5, 8, 1], activation="tanh", rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    learn = ag.compile(step_of(model, optimizer, nn.MSELoss()), audit=False)
    order = np.arange(96).reshape(3, 32)
    for rows in order:
        learn(x[rows], y[rows])
    one, many = order[:1], np.tile(order, (10, 1))
    assert learn.over((x, y), many)[0] == len(many)
    few, found = (measure(lambda rows=rows: learn.over((x, y), rows)) for rows in (one, many))
    assert found.left < 100
    losses = 8 * (len(many) - len(one))
    assert abs(found.result - few.result - losses) <= 64  # and what says how many
    assert found.most - few.most < 500


def large_results():
    """Return a compiled function with two large results, one of them not elementwise."""
    compiled = ag.compile(lambda x: (x * 2.0 + 1.0, (x * x).T, ag.sum(x)), audit=False)
    for _ in range(4):
        compiled(RNG.normal(size=(150, 90)))
    (segment,) = compiled.programs[0].segments
    assert len(segment.given) == 2
    return compiled


def test_what_somebody_has_is_never_overwritten():
    compiled = large_results()
    x = RNG.normal(size=(150, 90))
    first, second, _ = compiled(x)
    row = second.numpy()[3:4]  # a view alone keeps it
    del second
    for _ in range(3):
        compiled(RNG.normal(size=(150, 90)))
    np.testing.assert_array_equal(first.numpy(), x * 2.0 + 1.0)
    np.testing.assert_array_equal(row, (x * x).T[3:4])


def test_what_nobody_has_is_used_again():
    compiled = large_results()
    x = RNG.normal(size=(150, 90))
    places = {compiled(x)[0].numpy().ctypes.data for _ in range(5)}
    assert len(places) <= 2
    kept = [compiled(x)[0].numpy() for _ in range(5)]
    assert len({array.ctypes.data for array in kept}) == 5


def test_two_arrays_take_turns_where_the_last_result_lives_until_the_next():
    compiled = large_results()
    addresses = []
    for k in range(7):
        x = RNG.normal(size=(150, 90))
        found = compiled(x)
        np.testing.assert_array_equal(found[0].numpy(), x * 2.0 + 1.0)
        np.testing.assert_array_equal(found[1].numpy(), (x * x).T)
        addresses.append((found[0].numpy().ctypes.data, found[1].numpy().ctypes.data))
        elsewhere = np.full((150, 90), k)  # takes the memory of an array that was let go
        assert not np.shares_memory(elsewhere, found[0].numpy())
    assert len(set(addresses)) == 2
    assert addresses[2:] == addresses[:-2]


def test_a_result_given_twice_is_two_arrays():
    compiled = ag.compile(lambda x: ((y := ag.exp(x) + 1.0), y))
    for _ in range(4):
        one, two = compiled(RNG.normal(size=(150, 90)))
    assert not np.shares_memory(one.numpy(), two.numpy())


def test_large_gradients_are_checked_in_their_loop():
    compiled = ag.compile(ag.grad(lambda x: ag.sum(ag.log(x) * ag.sqrt(x))))
    plain = ag.grad(lambda x: ag.sum(ag.log(x) * ag.sqrt(x)))
    x = RNG.uniform(1.0, 2.0, 5000)
    for _ in range(4):
        compiled(x * RNG.uniform(1.0, 2.0, 5000))
    (segment,) = compiled.programs[0].segments
    assert "* 0.0" in segment.source
    np.testing.assert_allclose(compiled(x), plain(x), rtol=1e-14)
    x[777] = 0.0  # the slope is infinite times a zero: another sweep decides
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(compiled(x), plain(x))
