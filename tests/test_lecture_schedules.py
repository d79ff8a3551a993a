"""The lecture's forms of the learning rate, each stated as its formula."""

import math

import numpy as np
import pytest

import autograd_core as ag
import optim

N = np.arange(200)


def sgd(lr=0.5):
    return optim.SGD([ag.tensor([1.0], requires_grad=True)], lr)


def rates(schedule, steps=200):
    seen = []
    for _ in range(steps):
        seen.append(schedule.optimizer.lr)
        schedule.step()
    return np.array(seen)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.999])
def test_exponential_decay_is_a_line_in_the_logarithm(gamma):
    # log alpha_n = -a n + b with a = -log gamma and b = log alpha_0
    a, b = -math.log(gamma), math.log(0.5)
    np.testing.assert_allclose(
        np.log(rates(optim.ExponentialLR(sgd(), gamma))), -a * N + b, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("a", [0.5, 0.75, 1.0, 2.0])
def test_polynomial_decay_goes_like_a_power_of_the_step(a):
    # alpha_n = alpha_0 / (1 + d n)^a ~ 1 / n^a
    schedule = optim.InverseTimeLR(sgd(), decay=2.0, power=a)
    np.testing.assert_allclose(rates(schedule), 0.5 / (1.0 + 2.0 * N) ** a, rtol=1e-13)
    n = 10**9
    assert schedule.lr(n, 0.5) * n**a == pytest.approx(0.5 / 2.0**a, rel=1e-8)


def test_inverse_time_decay_is_one_over_n():
    # alpha_n = alpha_0 / (1 + n): n counts from 1 at the first step
    np.testing.assert_allclose(rates(optim.InverseTimeLR(sgd(1.0))), 1.0 / (N + 1), rtol=1e-15)


def test_the_conditions_of_robbins_and_monro():
    # sum alpha_n diverges (doubling n adds a constant), sum alpha_n^2 is at most pi^2 / 6
    alpha = rates(optim.InverseTimeLR(sgd(1.0)), 4096)
    doubled = [alpha[n : 2 * n].sum() for n in (256, 512, 1024, 2048)]
    np.testing.assert_allclose(doubled, math.log(2.0), rtol=2e-3)
    assert (alpha**2).sum() < math.pi**2 / 6


def test_polynomial_of_the_remaining_time():
    # alpha_n = alpha_0 (1 - n / T)^a, and 0 from T on
    expected = 0.5 * np.clip(1.0 - N / 150, 0.0, None) ** 1.5
    np.testing.assert_allclose(rates(optim.PolynomialLR(sgd(), 150, 1.5)), expected, rtol=1e-13)


def test_linear_warm_up():
    # alpha_n = alpha_0 n / W until step W
    schedule = optim.warm_up(optim.ConstantLR(sgd(), 1.0, 0), steps=50)
    np.testing.assert_allclose(rates(schedule), 0.5 * np.minimum(N / 50, 1.0), rtol=1e-14)


def test_cosine():
    # alpha_n = alpha_0 (1 + cos(pi n / T)) / 2
    expected = 0.5 * (1.0 + np.cos(np.pi * N / 199)) / 2.0
    np.testing.assert_allclose(
        rates(optim.CosineAnnealingLR(sgd(), 199)), expected, rtol=1e-12, atol=1e-16
    )


def dropped(losses, patience, factor, lr=0.5):
    """The rule in words: drop after more than so many iterations without decrease of the loss."""
    best, waited, seen = math.inf, 0, []
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited > patience:
            lr, waited = lr * factor, 0
        seen.append(lr)
    return seen


@pytest.mark.parametrize("patience", [0, 1, 5])
def test_drop_after_iterations_without_decrease_of_the_loss(patience):
    losses = np.random.default_rng(0).normal(size=100).cumsum().tolist()
    schedule = optim.ReduceLROnPlateau(
        sgd(), factor=0.5, patience=patience, threshold=0.0, eps=0.0
    )
    seen = []
    for loss in losses:
        schedule.step(loss)
        seen.append(schedule.optimizer.lr)
    assert seen == dropped(losses, patience, 0.5)
    assert len(set(seen)) > 3


def test_drop_after_iterations_in_fit():
    # validate_every=1 reports each iteration, so that the schedule sees each loss.
    x = np.random.default_rng(1).normal(size=(30, 1))
    w = ag.tensor([[0.0]], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    history = optim.fit(
        lambda x: x @ w,
        lambda p, y: ((p - y) ** 2).mean(),
        (x, 2.0 * x + np.random.default_rng(2).normal(size=(30, 1))),
        optimizer,
        epochs=4,
        batch_size=3,
        validate_every=1,
        schedule=optim.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=2, threshold=0.0, eps=0.0
        ),
        schedule_every="step",
        progress=False,
    )
    assert history["step"] == list(range(1, 41))
    after = dropped(history["loss"], 2, 0.5)
    assert history["lr"] == [0.5, *after[:-1]]
    assert after[-1] == optimizer.lr < 0.5
