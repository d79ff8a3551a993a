"""Methods that keep rows, columns or norms, on a matrix, against their formulas written out."""

import math

import numpy as np
import pytest

import autograd_core as ag
import optim

RNG = np.random.default_rng(7)
START = RNG.normal(size=(3, 4))
GRADIENTS = RNG.normal(size=(6, 3, 4))


def path(optimizer, x):
    for g in GRADIENTS:
        x.grad = g
        optimizer.step()
        yield x.numpy()


def sm3(p):
    rows, columns, m = np.zeros(3), np.zeros(4), np.zeros((3, 4))
    for g in GRADIENTS:
        a = np.minimum(rows[:, None], columns) + g**2
        rows, columns = a.max(axis=1), a.max(axis=0)
        m = 0.9 * m + 0.1 * g / np.sqrt(a + 1e-8)
        p = p - 0.1 * m
        yield p


def adafactor(p):
    rows, columns = np.zeros(3), np.zeros(4)
    for t, g in enumerate(GRADIENTS, start=1):
        fresh = t**-0.8
        rows = (1 - fresh) * rows + fresh * (g**2).mean(axis=1)
        columns = (1 - fresh) * columns + fresh * (g**2).mean(axis=0)
        u = g / np.sqrt(np.outer(rows, columns) / rows.mean())
        length = math.sqrt((p**2).mean()) * min(0.1, t**-0.5)
        p = p - length * u / max(1.0, math.sqrt((u**2).mean()))
        yield p


def novograd(p):
    v, m = None, 0.0
    for g in GRADIENTS:
        v = (g**2).sum() if v is None else 0.25 * v + 0.75 * (g**2).sum()
        m = 0.9 * m + g / (math.sqrt(v) + 1e-6) + 0.2 * p
        p = p - 0.1 * m
        yield p


FORMULAS = [
    (optim.SM3, {}, sm3),
    (optim.Adafactor, {}, adafactor),
    (optim.NovoGrad, {"weight_decay": 0.2}, novograd),
]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(("cls", "hyper", "formula"), FORMULAS)
def test_formula_on_a_matrix(cls, hyper, formula, order):
    x = ag.tensor(START, requires_grad=True)
    x._value = np.array(START, order=order)
    for ours, wanted in zip(path(cls([x], lr=0.1, **hyper), x), formula(START), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-12)


def test_state_is_less_than_a_number_per_element():
    sizes = {}
    for cls, hyper, _ in FORMULAS:
        x = ag.tensor(START, requires_grad=True)
        optimizer = cls([x], lr=0.1, **hyper)
        list(path(optimizer, x))
        state = optimizer.state_dict()["state"][0]
        sizes[cls.__name__] = {n: a.shape for n, a in state.items() if n != "step"}
    assert sizes == {
        "SM3": {"m": (3, 4), "largest": (7,)},
        "Adafactor": {"rows": (3, 1), "columns": (1, 4)},
        "NovoGrad": {"m": (3, 4), "v": ()},
    }
