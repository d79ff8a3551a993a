"""What is evaluated, and what is trained: the same numbers for everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.contenders.problems import load
from benchmarks.contenders.workload import Workload, make

__all__ = ["BATCH", "CHAIN", "LR", "PARAMETERS", "Bench", "Digits", "chain", "mlp", "orders"]

CHAIN = 4_000_000  # numbers
PARAMETERS = 4  # arrays of `mlp` that come first: the gradient is by them
BATCH, LR = 32, 1e-3  # of the training


def mlp() -> list[np.ndarray]:
    """Return the weights and biases of 10-32-1 and a batch of 32, all float64."""
    rng = np.random.default_rng(8)
    first, second = rng.normal(size=(10, 32)) * 0.3, rng.normal(size=(32, 1)) * 0.2
    x, y = rng.normal(size=(32, 10)), rng.normal(size=(32, 1))
    return [first, rng.normal(size=32) * 0.1, second, rng.normal(size=1) * 0.1, x, y]


def chain() -> np.ndarray:
    """Return the numbers of the elementwise chain."""
    return np.random.default_rng(9).standard_normal(CHAIN, np.float32)


@dataclass
class Digits:
    """The training examples and the network 64-32-10 at its start."""

    x: np.ndarray
    y: np.ndarray
    start: Workload

    @classmethod
    def load(cls) -> Digits:
        """Read them."""
        x, y, *_ = load("digits")
        return cls(x, y, make("digits"))


def orders(examples: int, epochs: int) -> Iterator[np.ndarray]:
    """Yield the order of the examples in each epoch, as `optim.fit` with rng=0 draws it."""
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        yield rng.permutation(examples)


class Bench:
    """A function that returns a value and gradients, for the race.

    Parameters
    ----------
    evaluate : callable
        Returns the value and a sequence of gradients.
    """

    def __init__(self, evaluate: Callable[[], tuple[Any, Sequence[Any]]]) -> None:
        self.evaluate = evaluate

    def step(self) -> None:
        """Evaluate."""
        self.value, self.gradients = self.evaluate()

    def result(self) -> list[float]:
        """Return the value, and of each gradient its first number, mean and size."""
        found = [float(self.value)]
        for gradient in map(np.asarray, self.gradients):
            wide = gradient.astype(np.float64)
            found += [wide.flat[0], wide.mean(), np.sqrt((wide * wide).mean())]
        return [float(x) for x in found]
