"""NumPy by hand; and what no evaluation can do without: one copy of the array."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.contenders.compiled import problems
from benchmarks.contenders.compiled.problems import Bench


def mlp() -> Bench:
    first, b, second, c, x, y = problems.mlp()

    def evaluate():
        hidden = np.tanh(x @ first + b)
        error = hidden @ second + c - y
        ct = error * (2.0 / error.size)
        ct_hidden = (ct @ second.T) * (1.0 - hidden * hidden)
        gradients = x.T @ ct_hidden, ct_hidden.sum(axis=0), hidden.T @ ct, ct.sum(axis=0)
        return np.mean(error * error), gradients

    return Bench(evaluate)


def chain() -> Bench:
    x = problems.chain()

    def evaluate():
        t, s = np.tanh(x), 1.0 / (1.0 + np.exp(-x))
        both = t + x
        return np.sum(both * s), [(2.0 - t * t) * s + both * (s * (1.0 - s))]

    return Bench(evaluate)


class Copy:
    def __init__(self) -> None:
        self.x = problems.chain()
        self.y = np.empty_like(self.x)

    def step(self) -> None:
        np.copyto(self.y, self.x)

    def result(self) -> float:
        return math.nan
