"""Minibatches: every example exactly once an epoch, in a new random order each time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import DTypeError, ShapeError, explain

from .hyperparameters import HyperparameterError, whole

__all__ = ["ArrayBatches", "Batches", "GivenBatches", "as_batches"]

Batch = tuple[Any, Any]


class ArrayBatches:
    """Batches cut from two arrays: ``ceil(n / batch_size)`` of them, the last one shorter.

    Parameters
    ----------
    x, y : ndarray, shape (n, ...)
    batch_size : int
    rng : numpy.random.Generator, optional
        Shuffles before each pass; without it the order stays.

    Examples
    --------
    >>> batches = ArrayBatches(np.arange(5), np.arange(5), batch_size=2)
    >>> [x.tolist() for x, _ in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator | None = None
    ) -> None:
        self.x = x
        self.y = y
        self.batch_size = batch_size
        self.rng = rng

    @property
    def count(self) -> int:
        """The number of batches in a pass."""
        return math.ceil(len(self.x) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        count = len(self.x)
        order = np.arange(count) if self.rng is None else self.rng.permutation(count)
        for start in range(0, count, self.batch_size):
            chosen = order[start : start + self.batch_size]
            yield self.x[chosen], self.y[chosen]


class GivenBatches:
    """Batches that the user makes: any iterable of pairs that can be read again each epoch."""

    def __init__(self, batches: Iterable[Any], name: str) -> None:
        self.batches = batches
        self.name = name

    @property
    def count(self) -> int | None:
        """The number of batches in a pass, if it is known."""
        return len(self.batches) if isinstance(self.batches, Sized) else None

    def __iter__(self) -> Iterator[Batch]:
        empty = True
        for batch in self.batches:
            empty = False
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                do = "Yield (x, y); pass whole arrays as a tuple (X, y)"
                got = f"a {type(batch).__name__}"
                raise DTypeError(explain(f"fit: {self.name}: batches that are pairs", got, do))
            yield batch[0], batch[1]
        if empty:
            do = "Pass arrays, a list of batches, or an object whose __iter__ starts anew"
            raise HyperparameterError(explain(f"fit: {self.name}: at least one batch", "none", do))


Batches = ArrayBatches | GivenBatches


def as_batches(
    name: str, data: Any, batch_size: int, rng: np.random.Generator | None, passes: int
) -> Batches:
    """Return the batches of `data`: a pair of arrays, or an iterable of pairs."""
    batch_size = whole("fit", "batch_size", batch_size, 1, 32)
    if isinstance(data, tuple):
        x, y = _pair(name, data)
        return ArrayBatches(x, y, batch_size, rng)
    if not isinstance(data, Iterable) or isinstance(data, np.ndarray | Tensor | dict | str):
        do = "Pass a tuple of two arrays, or an iterable of batches"
        what = f"fit: {name}: (X, y) or batches"
        raise DTypeError(explain(what, f"a {type(data).__name__}", do))
    if passes > 1 and iter(data) is data:
        what = f"fit: {name}: batches that can be read {passes} times"
        do = "Pass a list, or an object whose __iter__ starts anew"
        raise DTypeError(explain(what, f"a {type(data).__name__}, which can be read once", do))
    return GivenBatches(data, name)


def _pair(name: str, data: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    if len(data) != 2:
        do = "Pass inputs and targets"
        raise DTypeError(explain(f"fit: {name}: a pair (X, y)", f"{len(data)} entries", do))
    x, y = (part.numpy() if isinstance(part, Tensor) else np.asarray(part) for part in data)
    if not x.ndim or not y.ndim or len(x) != len(y):
        what = f"fit: {name}: as many inputs as targets"
        do = "Give both the examples along their first axis"
        raise ShapeError(explain(what, f"shapes {x.shape} and {y.shape}", do))
    if not len(x):
        got = f"shape {x.shape}"
        raise ShapeError(explain(f"fit: {name}: at least one example", got, "Pass some data"))
    return x, y
