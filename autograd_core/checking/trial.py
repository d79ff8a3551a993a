"""A trial: the gradient that one rule claims against the function that it belongs to.

First a quick look, with two steps. Only what it finds suspicious is measured with a ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .judge import VERDICTS, Judgement
from .ladder import Rungs

__all__ = ["Measured", "Trial", "eps", "signed", "where_finite"]

Arrays = Sequence[np.ndarray]

COARSE, FINE = 2.0**-10, 2.0**-12  # steps of the quick look, exact in binary
CLOSE = 1e-9
ROUNDINGS = 64.0
DIRECTIONS = 4
POINTS, SPREAD, SLACK, FEW = 32, 64.0, 1e-2, 4
STEPS = 0.125 * 8.0 ** -np.arange(10.0)


class Measured(NamedTuple):
    """A derivative along a direction: what was claimed, and what was measured."""

    verdict: str
    claimed: float
    measured: float
    error: float


class Trial:
    """Claims about a function of arrays: its values at `point` move by `gradient`.

    Values that are not finite there do not count; their seeds are to be zero (`where_finite`).

    Parameters
    ----------
    function : callable
        Takes arrays like those of `point`; returns arrays.
    point : sequence of ndarray
    seeds : sequence of ndarray
        The weights of the outputs.
    gradient : sequence of ndarray
        The claimed derivatives of the weighted sum of the outputs.
    coarse : float
        The machine epsilon in which they were claimed, if it is coarser than their own.
    """

    def __init__(
        self,
        function: Callable[[Arrays], Arrays],
        point: Arrays,
        seeds: Arrays,
        gradient: Arrays,
        coarse: float = 0.0,
    ) -> None:
        self.point = point
        self.seeds = seeds
        self.gradient = gradient
        self.centre = function(point)
        known = [np.isfinite(y) for y in self.centre]
        if all(map(np.all, known)):
            self.function = function
        else:
            self.function = lambda moved: list(map(where_finite, function(moved), known))
            self.centre = list(map(where_finite, self.centre, known))
        self.unit = max(map(eps, self.centre))
        self.claim_unit = max(coarse, self.unit, *map(eps, self.gradient))
        self.size = _total(self.seeds, self.centre)

    def is_suspicious(self, rng: np.random.Generator) -> bool:
        """Whether the claim is not what two central differences say."""
        direction = [_near(x) * signed(rng, x.shape) for x in self.point]
        claimed, size = self.claim(direction)
        rough, fine = (self._slope(direction, step) for step in (COARSE, FINE))
        measured = fine + (fine - rough) / ((COARSE / FINE) ** 2 - 1.0)
        noise = self.unit * self.size / FINE + self.claim_unit * size
        # So worded, NaN is suspicious.
        return (
            not abs(claimed - measured)
            <= CLOSE * (abs(claimed) + abs(measured)) + ROUNDINGS * noise
        )

    def claim(self, direction: Arrays) -> tuple[float, float]:
        """Return the claimed derivative along a direction, and the size of what was rounded."""
        pairs = zip(self.gradient, direction, strict=True)
        products = [where_finite(g * d, d != 0.0) for g, d in pairs]
        size = self.size + sum(np.abs(p).sum() for p in products)
        return float(sum(p.sum() for p in products)), float(size)

    def _slope(self, direction: Arrays, step: float) -> float:
        ahead, behind = self._at(direction, step), self._at(direction, -step)
        return self._difference(ahead, behind) / (2.0 * step)

    def _at(self, direction: Arrays, step: float, start: Arrays | None = None) -> Arrays:
        pairs = zip(self.point if start is None else start, direction, strict=True)
        moved = [x + step * d for x, d in pairs]
        try:
            return self.function(moved)
        except Exception:  # beyond the domain
            return [np.full(np.shape(y), np.nan) for y in self.centre]

    def _difference(self, ahead: Arrays, behind: Arrays) -> float:
        pairs = zip(self.seeds, ahead, behind, strict=True)
        return float(sum((seed * (a - b)).sum() for seed, a, b in pairs))

    def examine(self, rng: np.random.Generator) -> Measured:
        """Measure along some directions; return what speaks most against the claim."""
        found: list[Measured] = []
        for scale in (_near, _wide):
            for i in range(DIRECTIONS):
                signs = [np.ones(x.shape) if not i else signed(rng, x.shape) for x in self.point]
                direction = [scale(x) * s for x, s in zip(self.point, signs, strict=True)]
                found.append(self._measure(direction, rng))
        return max(found, key=lambda m: (VERDICTS.index(m.verdict), abs(m.claimed - m.measured)))

    def _measure(self, direction: Arrays, rng: np.random.Generator) -> Measured:
        claimed, size = self.claim(direction)
        ahead = [self._at(direction, step) for step in STEPS]
        behind = [self._at(direction, -step) for step in STEPS]
        moved = [
            np.array([self._difference(y, self.centre) for y in side]) for side in (ahead, behind)
        ]
        scales = np.full(len(STEPS), self.size)
        columns = [side[:, None, None] for side in (*moved, scales)]
        floor = max(1.0, *(float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in self.point))
        slopes = Rungs(STEPS[:, None], *columns).slopes(np.zeros((1, 1)), self.unit, floor)
        rounding = np.full((1, 1), ROUNDINGS * self.claim_unit * size)
        judgement = Judgement(np.array([[claimed]]), slopes, rounding)
        verdict = VERDICTS[int(judgement.verdicts()[0, 0])]
        measured, error = float(slopes.centre.value[0, 0]), float(judgement.allowed[0, 0])
        if verdict == "wrong" and slopes.kink[0, 0] and self._is_slope(claimed, direction, rng):
            verdict = "kink"
        return Measured(verdict, claimed, measured, error)

    def _is_slope(self, claimed: float, direction: Arrays, rng: np.random.Generator) -> bool:
        """Whether the claim lies among the slopes at points around, as a mean of them does.

        Clarke (1990), Optimization and Nonsmooth Analysis, theorem 2.5.1.
        """
        step = self.unit**0.5
        slopes = []
        for _ in range(POINTS):
            around = [x + SPREAD * step * _near(x) * signed(rng, x.shape) for x in self.point]
            sides = (self._at(direction, sign * step, around) for sign in (1.0, -1.0))
            slopes.append(self._difference(*sides) / (2.0 * step))
        low, high = float(np.nanmin(slopes)), float(np.nanmax(slopes))
        slack = SLACK * max(abs(low), abs(high))
        if np.count_nonzero(np.diff(np.sort(slopes)) > slack) >= FEW:
            slack += high - low  # where many kinks meet, the points show many slopes but not all
        return low - slack <= claimed <= high + slack


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw numbers of size 1/2 to 3/2 and either sign: none is lost, no two cancel."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * (2.0 * rng.integers(0, 2, shape) - 1.0))


def where_finite(y: Any, known: Any) -> np.ndarray:
    """Return the elements that are known to be finite, and 0 for others."""
    return np.where(known, y, 0.0).astype(np.result_type(y))


def _near(x: np.ndarray) -> np.ndarray:
    """Return by how much elements may move: by their size, at most 1; infinity does not."""
    known = np.isfinite(x)
    size = where_finite(np.abs(x), known)
    if not size.all():
        size = np.where(size > 0.0, size, size.max(initial=0.0) or 1.0)
    return np.where(known, np.minimum(size, 1.0), 0.0)


def _wide(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), np.maximum(np.abs(x), 1.0), 0.0)


def eps(y: Any) -> float:
    """Return the machine epsilon of an array's dtype; 0 where numbers are exact."""
    dtype = np.result_type(y)
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


def _total(seeds: Arrays, values: Arrays) -> float:
    """Return the size of the numbers that a weighted sum adds."""
    return float(sum(np.abs(s * y).sum() for s, y in zip(seeds, values, strict=True)))
