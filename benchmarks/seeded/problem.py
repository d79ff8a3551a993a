"""A function of arrays with its derivative, and the way both are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Arrays", "Problem", "draw", "positive", "unbroadcast"]

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Problem:
    """A function of some arrays, its pullback, and where to look.

    Attributes
    ----------
    name : str
    f : callable
        Takes the arrays one by one.
    vjp : callable
        Takes the arrays and the cotangent, and returns a tuple with one gradient for each.
    x : tuple of ndarray
    """

    name: str
    f: Callable[..., Any]
    vjp: Callable[..., Arrays]
    x: Arrays

    def single(self) -> Problem:
        """Return the same at the same place in single precision."""
        return Problem(self.name, self.f, self.vjp, tuple(a.astype(np.float32) for a in self.x))


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw normal numbers, none of them near zero."""
    rng = np.random.default_rng((seed, *shape))
    z = rng.normal(size=shape)
    return np.asarray(z + 0.2 * np.sign(z))


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw numbers from 0.3 to 3."""
    return np.random.default_rng((seed, *shape)).uniform(0.3, 3.0, size=shape)


def unbroadcast(ct: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Sum a cotangent over the axes along which an array was repeated."""
    ct = ct.sum(axis=tuple(range(ct.ndim - like.ndim)))
    axes = tuple(i for i, n in enumerate(like.shape) if n == 1)
    return np.asarray(ct.sum(axis=axes, keepdims=True))
