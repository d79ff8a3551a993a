"""Every optimizer finds the known minimum of every problem, in stated steps at a stated rate.

The rate falls to 0 along half a cosine: methods that take steps of one length, as those that use
signs do, would otherwise circle the minimum for ever.
"""

import math
from functools import cache

import numpy as np
import pytest

import autograd_core as ag
import optim

RNG = np.random.default_rng(0)
TURN = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
CENTER = np.array([1.0, -1.0, 2.0, 0.5])
X = RNG.normal(size=(30, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.5 * RNG.normal(size=30)
LABELS = (Y > 0).astype(float)


def bowl(x, curvatures):
    """A quadratic with its minimum at the center, its axes turned against the coordinates."""
    along = ag.matmul(TURN, x - CENTER)
    return 0.5 * (along * along * curvatures).sum()


def well(x):
    return bowl(x, [1.0, 2.0, 3.0, 4.0])


def ill(x):
    return bowl(x, [0.1, 1.0, 5.0, 10.0])


def squares(x):
    return ((ag.matmul(X, x) - Y) ** 2).mean()


def logistic(x):
    """Cross-entropy with a penalty, which makes it strictly convex."""
    z = ag.matmul(X, x)
    return (ag.softplus(z) - LABELS * z).mean() + 0.05 * (x * x).sum()


def rosenbrock(x):
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] * x[0]) ** 2


@cache
def logistic_minimizer():
    """Newton's method, written out."""
    x = np.zeros(3)
    for _ in range(20):
        p = 1 / (1 + np.exp(-X @ x))
        hessian = (X.T * (p * (1 - p))) @ X / len(X) + 0.1 * np.eye(3)
        x = x - np.linalg.solve(hessian, X.T @ (p - LABELS) / len(X) + 0.1 * x)
    return x


# loss, start, minimizer, steps
PROBLEMS = {
    "well-conditioned quadratic": (well, np.zeros(4), lambda: CENTER, 300),
    "ill-conditioned quadratic": (ill, np.zeros(4), lambda: CENTER, 1000),
    "least squares": (squares, np.zeros(3), lambda: np.linalg.lstsq(X, Y, rcond=None)[0], 300),
    "logistic regression": (logistic, np.zeros(3), logistic_minimizer, 300),
    "rosenbrock": (rosenbrock, np.zeros(2), lambda: np.ones(2), 3000),
}


def descend(cls, hyper, problem, lr, times=1):
    """Return the distance to the minimizer in the end, relative to that in the beginning."""
    loss, start, minimizer, steps = PROBLEMS[problem]
    steps *= times
    x = ag.tensor(start, requires_grad=True)
    optimizer = cls([x], lr=lr, **hyper)
    for step in range(steps):
        optimizer.lr = lr * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()
    return np.linalg.norm(x.numpy() - minimizer()) / np.linalg.norm(start - minimizer())


# What each needs: the rates for the problems in their order. Rosenbrock's valley is long and bent;
# methods without momentum crawl along it, and are given three times the steps and less to reach.
RATES = [
    (optim.SGD, {}, [0.3, 0.15, 0.3, 0.3, 0.003]),
    (optim.SGD, {"momentum": 0.9}, [0.3, 0.3, 0.3, 0.3, 0.002]),
    (optim.ASGD, {"lambd": 0.0}, [0.3, 0.15, 0.3, 0.3, 0.003]),
    (optim.Adagrad, {}, [0.3, 1.0, 0.3, 0.3, 1.0]),
    (optim.RMSprop, {}, [0.3, 0.3, 0.3, 0.1, 0.01]),
    (optim.RMSprop, {"centered": True, "momentum": 0.9}, [0.1, 0.03, 0.3, 0.3, 0.03]),
    (optim.Adadelta, {}, [10.0, 100.0, 10.0, 10.0, 1.0]),
    (optim.Adam, {}, [0.3, 0.3, 0.3, 0.3, 0.1]),
    (optim.Adam, {"amsgrad": True, "nesterov": True}, [0.3, 0.3, 0.3, 0.3, 0.1]),
    (optim.AdamW, {"weight_decay": 0.0}, [0.3, 0.3, 0.3, 0.3, 0.3]),
    (optim.Adamax, {}, [0.3, 1.0, 0.3, 0.3, 0.3]),
    (optim.NAdam, {}, [0.3, 0.3, 0.3, 0.3, 0.01]),
    (optim.RAdam, {}, [0.3, 0.3, 0.3, 0.3, 0.03]),
    (optim.AdaBelief, {}, [0.3, 0.3, 0.3, 0.1, 0.3]),
    (optim.Yogi, {}, [0.3, 0.3, 0.3, 0.3, 0.3]),
    (optim.Adan, {}, [0.5, 0.3, 0.5, 0.3, 0.03]),
    (optim.SignSGD, {}, [0.03, 0.03, 0.03, 0.03, 0.001]),
    (optim.SignSGD, {"momentum": 0.9}, [0.03, 0.03, 0.03, 0.03, 0.03]),
    (optim.Lion, {"weight_decay": 0.0}, [0.1, 0.03, 0.1, 0.03, 0.03]),
    (optim.Rprop, {}, [0.3, 0.1, 0.1, 0.03, 0.1]),
    (optim.LAMB, {}, [0.1, 0.03, 0.03, 0.03, 0.03]),
    (optim.LARS, {"trust_coefficient": 1.0}, [0.03, 0.3, 0.03, 0.03, 0.03]),
    (optim.NovoGrad, {}, [0.03, 0.03, 0.03, 0.03, 0.03]),
    (optim.SM3, {}, [0.3, 3.0, 0.3, 0.3, 3.0]),
    (optim.Adafactor, {}, [0.3, 0.3, 0.3, 0.3, 0.05]),
]
CASES = [
    pytest.param(cls, hyper, problem, lr, id=f"{cls.__name__}-{'-'.join(hyper)}-{problem}")
    for cls, hyper, rates in RATES
    for problem, lr in zip(PROBLEMS, rates, strict=True)
]
CRAWLING = {optim.SGD, optim.ASGD, optim.Adagrad, optim.SignSGD, optim.Adafactor}


@pytest.mark.parametrize(("cls", "hyper", "problem", "lr"), CASES)
def test_the_minimum_is_found(cls, hyper, problem, lr):
    crawls = problem == "rosenbrock" and cls in CRAWLING and "momentum" not in hyper
    left = descend(cls, hyper, problem, lr, 3 if crawls else 1)
    assert left < (0.1 if crawls else 0.03 if problem == "rosenbrock" else 0.01)


def test_every_optimizer_is_put_to_the_problems():
    offered = {v for v in vars(optim).values() if isinstance(v, type) and "defaults" in vars(v)}
    assert {cls for cls, *_ in RATES} == offered - {optim.Optimizer}


def test_average_of_asgd_is_closer_than_its_last_step():
    rng = np.random.default_rng(1)
    x = ag.tensor(np.zeros(4), requires_grad=True)
    optimizer = optim.ASGD([x], lr=0.2, lambd=0.0, t0=100)
    for _ in range(2000):
        x.grad = TURN.T @ ((TURN @ (x.numpy() - CENTER)) * [1.0, 2.0, 3.0, 4.0]) + rng.normal(
            size=4
        )
        optimizer.step()
    average = optimizer.state_dict()["state"][0]["average"]
    assert np.linalg.norm(average - CENTER) < 0.2 * np.linalg.norm(x.numpy() - CENTER)
