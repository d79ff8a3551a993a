"""Whether rounding of the input by itself may carry a right rule as far as a claim is off.

Beside a singular point it does, and that shows in the claims at points a few units of rounding
away: they scatter by as much, or they are off as well, ever less with the distance. A wrong rule
claims the same there as here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .case import Case, Pair
from .judge import Judgement
from .subject import Place, Subject

__all__ = ["Rings", "rings", "rounded_off"]

Rings = Sequence[np.ndarray]  # of claims, from the nearest

# Points at up to so many units of rounding, at distances of which each is half of the one before:
# beside a pole, errors fall with them.
RINGS = ((35, 16.0), (10, 1024.0), (10, 65536.0))
NEARER = 5
FEW = 4  # different claims; a rule with a branch at the point has no more
# Rounding that is small beside the derivative may come in few steps; but rounding to single
# precision, a mistake, has two.
FEWER, SMALL = 2, 1e-6
SLACK = 1e-2
FALL = 8.0  # from ring to ring, of what is due to rounding beside a singular point
SEEN = 1e-3  # of what the claim is off, that others nearest to it are at least
HUGE = 4.0  # times the typical derivative: a spread that makes a claim of NaN an honest one
BEYOND, ABRUPT = 1e3, 1e-6
ZERO = 1e-280  # taken for the size of what is all zeros


def rings(case: Case, pairs: Sequence[Pair]) -> list[Rings]:
    """Return for each pair what is claimed around, ring by ring; NaN where that fails."""
    reach = np.concatenate([_reach(case.subject, place) for place in case.subject.inputs])
    found = [_ring(case, pairs, reach * units, points).T for points, units in RINGS]
    return list(zip(*found, strict=True))


def _ring(case: Case, pairs: Sequence[Pair], reach: np.ndarray, points: int) -> np.ndarray:
    rows = []
    for k in range(points):
        shift = reach * case.rng.uniform(-1.0, 1.0, len(reach)) / 2.0 ** (k % NEARER)
        flat = case.subject.rounded(case.subject.point + shift)
        rows.append(case.claims_at(flat, pairs))
    return np.array(rows)


def _reach(subject: Subject, place: Place) -> np.ndarray:
    """Return how far points close by are away; zeros have no rounding, but have to move, too."""
    part = np.abs(subject.point[place.start : place.stop])
    unit = float(np.finfo(place.dtype).eps)
    smallest = np.where(part > 0.0, part, np.inf).min(initial=np.inf)
    return unit * np.where(part > 0.0, part, smallest if np.isfinite(smallest) else ZERO)


def rounded_off(judgement: Judgement, at: Pair, around: Rings) -> bool:
    """Whether what is claimed around shows that rounding is to blame."""
    nearest = around[0][np.isfinite(around[0])]
    if not len(nearest):
        return False
    if np.isnan(judgement.claims[at]):
        return bool(np.ptp(nearest) >= HUGE * judgement.typical[at])
    return _scatter(judgement, at, nearest) or _fade(judgement, at, around)


def _scatter(judgement: Judgement, at: Pair, around: np.ndarray) -> bool:
    """Whether claims are many different ones, and apart by as much as the one is off."""
    gap, off = _beyond(judgement, at, around)
    spread = np.ptp(off)
    few = FEW if gap > SMALL * judgement.typical[at] else FEWER
    many = _different(off, SLACK * min(spread, gap)) > few
    return bool(many and (2.0 * spread >= gap or _explode(judgement, at, spread)))


def _explode(judgement: Judgement, at: Pair, spread: float) -> bool:
    """Whether claims vary by more than was ever measured, at next to no distance."""
    slopes = judgement.slopes
    seen = max(abs(slopes.centre.value[at]), slopes.variation[at])
    return bool(spread >= BEYOND * seen and spread >= ABRUPT * abs(judgement.claims[at]))


def _fade(judgement: Judgement, at: Pair, around: Rings) -> bool:
    """Whether claims around a smooth point are off, too, and ever less further out."""
    if judgement.slopes.kink[at] or not all(np.isfinite(ring).all() for ring in around):
        return False
    gap, nearest = _beyond(judgement, at, around[0].reshape(-1, NEARER)[:, -2:].ravel())
    off = [np.abs(nearest), *(np.abs(_beyond(judgement, at, ring)[1]) for ring in around[1:])]
    falls = [FALL * after <= before for before, after in itertools.pairwise(map(_most, off))]
    many = _different(nearest, SLACK * float(np.median(off[0]))) > FEW
    return all(falls) and many and bool(off[0].max() >= SEEN * gap)


def _beyond(judgement: Judgement, at: Pair, claims: np.ndarray) -> tuple[float, np.ndarray]:
    """Return how far the claim, and others, are from what would be right."""
    low, high = (bound[at] for bound in judgement.range)
    claim = judgement.claims[at]
    if low <= claim <= high or not np.isfinite(high - low):  # right by itself, but not here
        low = high = judgement.slopes.centre.value[at]
    return float(abs(claim - np.clip(claim, low, high))), claims - np.clip(claims, low, high)


def _different(numbers: np.ndarray, resolution: float) -> int:
    """Return how many numbers are different."""
    return 1 + int(np.count_nonzero(np.diff(np.sort(numbers)) > resolution))


def _most(sizes: np.ndarray) -> float:
    """Return the size that a quarter are beyond."""
    return float(np.quantile(sizes, 0.75))
