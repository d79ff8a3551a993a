"""Random numbers that a compiled program draws anew at each of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .modes import current
from .tensor import Tensor, wrap

__all__ = ["uniform"]


def uniform(rng: np.random.Generator, shape: Sequence[int], dtype: Any = np.float64) -> Tensor:
    """Return uniform random numbers of [0, 1), the next ones of a generator.

    A program draws them from the same generator, so the same state gives the same numbers, eager
    or compiled. Arrays that are drawn otherwise are not made by operations: a function that uses
    them has no program.

    Parameters
    ----------
    rng : Generator
    shape : sequence of int
    dtype : {float32, float64}

    Examples
    --------
    >>> uniform(np.random.default_rng(0), (2,)) == np.random.default_rng(0).random(2)
    tensor([ True,  True], dtype=bool)
    """
    array = rng.random(tuple(shape), dtype=dtype)
    trace = current().trace
    if trace is not None:
        trace.drawn(rng, array)
    return wrap(array, None)
