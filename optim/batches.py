"""Minibatches: every example exactly once an epoch, in a new random order each time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import DTypeError, ShapeError, explain

from .hyperparameters import HyperparameterError, check, whole

__all__ = ["ArrayBatches", "Batches", "GivenBatches", "as_batches"]

Batch = tuple[Any, ...]


def _permutation(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.permutation(count)


class ArrayBatches:
    """Batches cut from arrays: ``ceil(n / batch_size)`` of them, the last one shorter.

    Parameters
    ----------
    arrays : tuple of ndarray, each of shape (n, ...)
        Inputs, targets, and whatever else belongs to the examples, such as weights.
    batch_size : int
    rng : numpy.random.Generator, optional
        Shuffles before each pass; without it the order stays.
    drop_last : bool
        Leave a shorter last batch out.

    Examples
    --------
    >>> batches = ArrayBatches((np.arange(5), np.arange(5)), batch_size=2)
    >>> [x.tolist() for x, _ in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray, ...],
        batch_size: int,
        rng: np.random.Generator | None = None,
        drop_last: bool = False,
    ) -> None:
        self.arrays = arrays
        self.batch_size = batch_size
        self.rng = rng
        self.drop_last = drop_last

    @property
    def count(self) -> int:
        """The number of batches in a pass."""
        batches = len(self.arrays[0]) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def order(
        self, permutation: Callable[[np.random.Generator, int], np.ndarray] = _permutation
    ) -> np.ndarray:
        """Return the order of the examples in the next pass, drawn by a function if shuffled."""
        count = len(self.arrays[0])
        return np.arange(count) if self.rng is None else permutation(self.rng, count)

    def cut(self, orders: np.ndarray) -> list[np.ndarray]:
        """Return the batches of passes in given orders, shape (passes, n), by their size.

        Each has the shape (passes, batches, examples): first whole ones, then the shorter one.
        """
        passes, count = orders.shape
        whole = count // self.batch_size * self.batch_size
        found = []
        if whole:
            found.append(orders[:, :whole].reshape(passes, -1, self.batch_size))
        if whole < count and not self.drop_last:
            found.append(np.ascontiguousarray(orders[:, None, whole:]))
        return found

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        for i in range(self.count):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield tuple(array[chosen] for array in self.arrays)


class GivenBatches:
    """Batches that the user makes: any iterable of tuples that can be read again each epoch."""

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
            if not isinstance(batch, tuple | list) or len(batch) < 2:
                do = "Yield (x, y); pass whole arrays as a tuple (X, y)"
                got = f"a {type(batch).__name__}"
                raise DTypeError(explain(f"fit: {self.name}: batches that are pairs", got, do))
            yield tuple(batch)
        if empty:
            do = "Pass arrays, a list of batches, or an object whose __iter__ starts anew"
            raise HyperparameterError(explain(f"fit: {self.name}: at least one batch", "none", do))


Batches = ArrayBatches | GivenBatches


def as_batches(
    name: str,
    data: Any,
    batch_size: int,
    rng: np.random.Generator | None,
    passes: int,
    drop_last: bool = False,
) -> Batches:
    """Return the batches of `data`: a tuple of arrays, or an iterable of tuples."""
    batch_size = whole("fit", "batch_size", batch_size, 1, 32)
    drop_last = bool(check("fit", "drop_last", drop_last, False))
    if isinstance(data, tuple):
        arrays = _arrays(name, data)
        if drop_last and len(arrays[0]) < batch_size:
            what = f"fit: {name}: at least one whole batch of {batch_size}, for drop_last=True"
            do = "Pass a smaller batch_size"
            raise ShapeError(explain(what, f"{len(arrays[0])} examples", do))
        return ArrayBatches(arrays, batch_size, rng, drop_last)
    if not isinstance(data, Iterable) or isinstance(data, np.ndarray | Tensor | dict | str):
        do = "Pass a tuple of two arrays, or an iterable of batches"
        what = f"fit: {name}: (X, y) or batches"
        raise DTypeError(explain(what, f"a {type(data).__name__}", do))
    if passes > 1 and iter(data) is data:
        what = f"fit: {name}: batches that can be read {passes} times"
        do = "Pass a list, or an object whose __iter__ starts anew"
        raise DTypeError(explain(what, f"a {type(data).__name__}, which can be read once", do))
    return GivenBatches(data, name)


def _arrays(name: str, data: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    if len(data) < 2:
        do = "Pass inputs and targets"
        raise DTypeError(explain(f"fit: {name}: a pair (X, y)", f"{len(data)} entries", do))
    arrays = tuple(part.numpy() if isinstance(part, Tensor) else np.asarray(part) for part in data)
    shapes = [array.shape for array in arrays]
    if not all(shapes) or len({shape[0] for shape in shapes}) > 1:
        what = f"fit: {name}: as many inputs as targets"
        do = "Give both the examples along their first axis"
        got = f"shapes {' and '.join(map(str, shapes))}"
        raise ShapeError(explain(what, got, do))
    if not shapes[0][0]:
        got = f"shape {shapes[0]}"
        raise ShapeError(explain(f"fit: {name}: at least one example", got, "Pass some data"))
    return arrays
