"""Where an op is smooth: plain data, from which tests and benchmarks draw operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["AwayFrom", "Distinct", "Interval", "Truth", "uniform"]


@dataclass(frozen=True)
class Interval:
    """All numbers between `low` and `high`.

    >>> Interval(0.1, 3.0).sample(np.random.default_rng(0), (2,)).round(3)
    array([1.947, 0.882])
    """

    low: float = -2.0
    high: float = 2.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw an array of the given shape."""
        return np.asarray(rng.uniform(self.low, self.high, shape))


@dataclass(frozen=True)
class AwayFrom:
    """The interval from -reach to reach without the neighbourhoods of some points, the kinks."""

    points: tuple[float, ...]
    distance: float = 0.1
    reach: float = 2.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw an array of the given shape."""
        x = np.asarray(rng.uniform(-self.reach, self.reach, shape))
        for point in self.points:
            side = np.where(x < point, -1.0, 1.0)
            x = np.where(np.abs(x - point) < self.distance, point + 1.5 * self.distance * side, x)
        return x


@dataclass(frozen=True)
class Distinct:
    """Values at least 0.1 apart from one another, for ops that compare them.

    Two operands drawn with different `offset` have no value in common either.
    """

    offset: float = 0.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw an array of the given shape."""
        count = int(np.prod(shape))
        return (rng.permutation(count) * 0.1 - 0.05 * count + self.offset).reshape(shape)


@dataclass(frozen=True)
class Truth:
    """Zeros and ones, for conditions."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw an array of the given shape."""
        return rng.integers(0, 2, shape).astype(float)


def uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw an array of the given shape from [-2, 2]."""
    return Interval().sample(rng, shape)
