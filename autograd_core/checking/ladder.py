"""Numerical derivatives from a ladder of steps, each with an error bound that was measured.

A difference quotient has two errors: truncation, which falls with the step, and round-off, which
grows as the step falls. No single step suits every function. So the function is evaluated at a
geometric ladder of steps on both sides of the point; every few neighbouring rungs are extrapolated
to step zero (Richardson), and the disagreement of neighbours plus the round-off seen in the finest
rungs bounds the error. Fine rungs are blunt but see the function closest to the point: they are
believed first, and coarser rungs sharpen the result until one contradicts (a kink or a wiggle
further out).

References
----------
Ridders (1982), Accurate computation of F'(x) and F'(x)F''(x), Adv. Eng. Software 4.
Press et al. (2007), Numerical Recipes, 5.7.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

__all__ = ["Estimate", "Rungs", "Slopes", "neville"]

SAFETY = 2.0  # error bounds are this much wider than what the rungs show
APART = 3.0  # slopes that differ by this many error bounds are different ones
ROUNDINGS = 2.0  # a value is taken to be off by this many units of round-off
UNRESOLVED = 0.01  # a move at the finest step, as a share of the largest, that is no small one
TINY = np.finfo(float).tiny
GRID = 2.0**-22  # the coarsest grid, relative to the values: that of single precision
BESIDE = 64.0  # units of round-off of the largest output may be noise in any other
STEP = 0.02  # of a staircase, as a share of its height
POWER, UNEVEN = 0.126, 0.046  # of the step, with which slopes grow; by how much it may vary
EVEN = 5e-3  # a power that is none: slopes that change so evenly grow as a logarithm
SLOW = 0.25  # a power of the step with which slopes converge so slowly that their end is guessed
LEVELS = 4  # of extrapolation: beyond, a ladder of this ratio has nothing to gain


def neville(finer: np.ndarray, coarser: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return what to add to `finer` to cancel the leading error that it shares with `coarser`.

    With errors proportional to hᵖ and ratio = (h_coarse / h_fine)ᵖ, the correction is
    (finer - coarser) / (ratio - 1); repeated over a ladder it is Neville's scheme at step zero.
    """
    return np.asarray((finer - coarser) / (ratio - 1.0))


@dataclass
class Estimate:
    """A derivative and the bound of its error, elementwise; infinite where nothing is known."""

    value: np.ndarray
    error: np.ndarray

    def or_else(self, other: Estimate) -> Estimate:
        """Return the other where nothing is known here."""
        known = np.isfinite(self.error)
        return Estimate(
            np.where(known, self.value, other.value), np.where(known, self.error, other.error)
        )

    def differs(self, other: Estimate) -> np.ndarray:
        """Where the two cannot be the same number."""
        gap = np.abs(self.value - other.value)
        return np.asarray(gap > APART * (self.error + other.error))


@dataclass
class Slopes:
    """What a ladder found: the derivative, those from either side, and how much f varied.

    `stairs` is the slope at large where the function stands still at the finest steps and jumps by
    little at others. It may be a staircase; or it was rounded to a coarse grid on its way, as a
    sum with a large number in it is, and `stairs` is what its derivative would be. `ragged` says
    where the finest step moves the function about as far as any.
    """

    centre: Estimate
    left: Estimate
    right: Estimate
    variation: np.ndarray
    unbounded: np.ndarray
    stairs: Estimate
    ragged: np.ndarray
    finest: np.ndarray  # by how much the finest step moves it
    hush: np.ndarray  # differences below this cannot be told by what was seen

    @property
    def sides(self) -> tuple[Estimate, Estimate]:
        """The slopes from the left and from the right."""
        return self.left, self.right

    @property
    def kink(self) -> np.ndarray:
        """Where the slopes from the left and the right differ, or those of near and far steps.

        The second is a kink so close that the near steps barely resolve it.
        """
        sides = self.left.differs(self.right)
        return np.asarray(sides | self.centre.differs(self.left) | self.centre.differs(self.right))

    @classmethod
    def joined(cls, parts: list[Slopes]) -> Slopes:
        """Return the results of several groups of columns as one."""

        def join(name: str) -> Any:
            arrays = [getattr(part, name) for part in parts]
            if isinstance(arrays[0], Estimate):
                values, errors = [a.value for a in arrays], [a.error for a in arrays]
                return Estimate(np.concatenate(values), np.concatenate(errors))
            return np.concatenate(arrays)

        return cls(*(join(field.name) for field in fields(cls)))

    def take(self, columns: np.ndarray) -> Slopes:
        """Return the results of some columns."""

        def part(mine: Any) -> Any:
            if isinstance(mine, Estimate):
                return Estimate(mine.value[columns], mine.error[columns])
            return mine[columns]

        return Slopes(*(part(getattr(self, field.name)) for field in fields(self)))

    def put(self, columns: np.ndarray, new: Slopes) -> None:
        """Overwrite the results of some columns."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(new, field.name)
            if isinstance(mine, Estimate):
                mine.value[columns], mine.error[columns] = theirs.value, theirs.error
            else:
                mine[columns] = theirs


@dataclass
class Rungs:
    """Values of a function at steps to the right and to the left, for several columns at once.

    The axes are (rung, column, output); the steps lack the last. `scale` is the size of the
    numbers that were rounded in the values.
    """

    steps: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    scale: np.ndarray

    def take(self, columns: np.ndarray) -> Rungs:
        """Return some of the columns."""
        return Rungs(*(getattr(self, field.name)[:, columns] for field in fields(self)))

    def merge(self, other: Rungs) -> Rungs:
        """Return the rungs of both, the coarsest first."""
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        both = [np.concatenate(pair) for pair in pairs]
        order = np.argsort(-both[0], axis=0, kind="stable")
        return Rungs(*(np.take_along_axis(a, _like(order, a), axis=0) for a in both))

    def slopes(self, centre: np.ndarray, unit: float, floor: float) -> Slopes:
        """Extrapolate to step zero, from both sides and from each.

        `unit` is the machine epsilon of the values, and `floor` a size of numbers that may have
        been rounded on the way to them.
        """
        noise = self._noise(centre, unit, floor)
        steps = self.steps[..., None]
        quotients = (centre - self.minus) / steps, (self.plus - centre) / steps
        left, right = (extrapolate(q, self.steps, noise, 1) for q in quotients)
        both = extrapolate((self.plus - self.minus) / (2.0 * steps), self.steps, noise, 2)
        unbounded = [_grows(q, self.steps, noise / steps) for q in quotients]
        for side, q, grows in zip((left, right), quotients, unbounded, strict=True):
            tail = SAFETY * _tail(q, self.steps, noise / steps)
            side.error += tail
            both = both.or_else(side)
            both.error += tail  # beyond the edge of a domain only one side is left
            side.value[grows] = np.copysign(np.inf, _at_finest(q))[grows]
        moved = self._moved(centre)
        known = np.isfinite(moved)
        farthest = np.where(known, moved, 0.0).max(axis=0)
        reach = np.fmax(np.where(known, steps, 0.0).max(axis=0), TINY)
        variation = farthest / reach
        # A derivative from both sides is no more certain than that the sides agree.
        gap = np.abs(right.value - left.value)
        both.error += np.where(np.isfinite(gap), gap, 0.0)
        # A function that never moves may have lost its changes beside numbers of size `floor`.
        lost = ROUNDINGS * unit * floor / reach
        both.error = np.where(variation == 0.0, np.fmax(both.error, lost), both.error)
        # Where the finest step moves the function as far as any, its course is not resolved.
        finest = _at_finest(moved)
        unresolved = (finest > UNRESOLVED * farthest) & (finest > 4.0 * noise.max(axis=0))
        # All of it may be round-off of the larger numbers beside this one.
        silence = BESIDE * unit * np.abs(centre).max(axis=-1, keepdims=True)
        both.error = np.where(unresolved, np.inf, both.error)
        silent = unresolved & (farthest <= silence)
        both.value = np.where(silent, 0.0, both.value)
        both.error = np.where(silent, silence / reach, both.error)
        stairs = self._stairs(moved, farthest, noise)
        ragged = unresolved & ~silent
        isolated = unbounded[0] & unbounded[1] & _isolated(quotients[0]) & _isolated(quotients[1])
        hush = np.where(isolated, np.inf, np.where(farthest <= silence, silence / reach, 0.0))
        hush = np.fmax(hush, np.fmin(unit * variation, silence / self._still(moved)))
        vertical = unbounded[0] | unbounded[1]
        return Slopes(both, left, right, variation, vertical, stairs, ragged, finest, hush)

    def _stairs(self, moved: np.ndarray, farthest: np.ndarray, noise: np.ndarray) -> Estimate:
        jump = np.where(moved > 0.0, moved, np.inf).min(axis=0)
        there = np.any(moved == 0.0, axis=0) & (jump <= STEP * farthest)
        nothing = np.full(there.shape, np.nan)
        if not there.any():
            return Estimate(nothing, nothing.copy())
        quotients = (self.plus - self.minus) / (2.0 * self.steps[..., None])
        found = extrapolate(quotients, self.steps, noise + 2.0 * jump, 2)
        return Estimate(np.where(there, found.value, np.nan), np.where(there, found.error, np.nan))

    def _still(self, moved: np.ndarray) -> np.ndarray:
        """Return the longest step up to which nothing moves; infinity if there is none."""
        still = np.logical_and.accumulate(~(moved > 0.0)[::-1], axis=0)[::-1]
        longest = np.where(still & (moved == 0.0), self.steps[..., None], 0.0).max(axis=0)
        return np.where(longest > 0.0, longest, np.inf)

    def _moved(self, centre: np.ndarray) -> np.ndarray:
        return np.fmax(np.abs(self.plus - centre), np.abs(self.minus - centre))

    def _noise(self, centre: np.ndarray, unit: float, floor: float) -> np.ndarray:
        """Return the round-off of the values.

        A function that stands still at small steps and jumps by little more than round-off at
        larger ones was rounded on its way to a coarse grid: the jump is its noise. One that moves
        on one side only has a kink very close by.
        """
        scale = np.fmax(self.scale, np.abs(centre))
        moved = self._moved(centre)
        jump = np.where(moved > 0.0, moved, np.inf).min(axis=0)
        both = np.fmin(np.abs(self.plus - centre), np.abs(self.minus - centre))
        small = np.where(np.any(both > 0.0, axis=0), GRID * scale.max(axis=0), 0.0)
        small = np.fmax(small, ROUNDINGS * unit * floor)
        coarse = np.any(moved == 0.0, axis=0) & (jump <= small)
        return np.fmax(ROUNDINGS * unit * scale, np.where(coarse, 2.0 * jump, 0.0))


def _like(order: np.ndarray, array: np.ndarray) -> np.ndarray:
    return order if array.ndim == 2 else order[..., None]


def _grows(slopes: np.ndarray, steps: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Whether the slopes grow without bound as the step falls, well above their noise.

    They do so as a power of the step, or as its logarithm: by the same amount with every octave.
    """
    size = np.abs(slopes)
    powers = np.log(size[1:] / size[:-1]) / _octaves(steps)
    there = _finest(np.isfinite(powers), 4)
    audible = np.where(there, size[1:] > 10.0 * noise[1:], True).all(axis=0)
    power = _regular(powers, there, POWER, UNEVEN) & audible
    low, high = _bends(slopes, steps, noise)
    rising = np.where(there, powers, -np.inf).max(axis=0) > 0.0
    return np.asarray(power | (rising & (low > -EVEN) & (high < EVEN)))


def _bends(
    slopes: np.ndarray, steps: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest power of the step with which the changes of slopes fall.

    They are infinite where fewer than four were seen above the noise.
    """
    change = np.abs(np.diff(slopes, axis=0))
    rates = np.where(change > 10.0 * noise[1:], change / _octaves(steps), np.nan)
    powers = np.log(rates[:-1] / rates[1:]) / _octaves(steps[1:])
    there = _finest(np.isfinite(powers), 4)
    seen = there.sum(axis=0) == 4
    low = np.where(there, powers, np.inf).min(axis=0)
    high = np.where(there, powers, -np.inf).max(axis=0)
    return np.where(seen, low, -np.inf), np.where(seen, high, np.inf)


def _octaves(steps: np.ndarray) -> np.ndarray:
    """Return by how many times e each step is shorter than the one before."""
    return np.asarray(np.log(steps[:-1] / steps[1:])[..., None])


def _tail(slopes: np.ndarray, steps: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return how far slopes still have to go that converge slowly: as step**p with a small p.

    That of x**1.1 at 0 has a power of 0.1; that of x log x one of 0, and never ends.
    """
    low, high = _bends(slopes, steps, noise)
    slow = (np.abs(high) < SLOW) & (high - low < UNEVEN)
    change = np.abs(np.diff(slopes, axis=0))
    audible = np.where(change > 10.0 * noise[1:], change / _octaves(steps), np.nan)
    left = np.where(high > 0.0, _at_finest(audible) / np.where(high > 0.0, high, 1.0), np.inf)
    return np.asarray(np.where(slow, left, 0.0))


def _regular(
    rates: np.ndarray, there: np.ndarray, least: float, uneven: np.ndarray | float
) -> np.ndarray:
    """Whether four rates are above `least` and nearly the same.

    Noise over a falling step grows, too, but irregularly.
    """
    high = np.where(there, rates - uneven, -np.inf).max(axis=0)
    low = np.where(there, rates, np.inf).min(axis=0)
    return np.asarray((low > least) & (high < low) & (there.sum(axis=0) == 4))


def _isolated(slopes: np.ndarray) -> np.ndarray:
    """Whether slopes grow as fast as the step falls: the value at the point is one of its own."""
    finest = _finest(np.isfinite(slopes), 1)
    size = np.abs(slopes)
    return np.asarray(np.where(finest[1:], size[1:] > 2.0 * size[:-1], False).any(axis=0))


def _finest(there: np.ndarray, count: int) -> np.ndarray:
    """Return a mask of the last `count` rungs that are `there`."""
    return there & (np.cumsum(there[::-1], axis=0)[::-1] <= count)


def _at_finest(rungs: np.ndarray) -> np.ndarray:
    """Return the entry of the finest rung where there is a finite one."""
    finest = _finest(np.isfinite(rungs), 1)
    return np.asarray(np.where(finest, rungs, 0.0).sum(axis=0))


def extrapolate(slopes: np.ndarray, steps: np.ndarray, noise: np.ndarray, power: int) -> Estimate:
    """Extrapolate difference quotients to step zero, with an error bound.

    Parameters
    ----------
    slopes : ndarray, shape (rungs, columns, outputs)
        Difference quotients, the coarsest first; NaN where the function has no value.
    steps : ndarray, shape (rungs, columns)
    noise : ndarray
        The round-off of the function's values, like `slopes`.
    power : int
        The errors are series in step**power: 1 for one-sided quotients, 2 for central ones.
    """
    tables = [slopes]
    corrections = []
    gains = [np.ones(slopes.shape)]
    for level in range(1, min(len(slopes), LEVELS + 1)):
        ratio = (steps[:-level] / steps[level:])[..., None] ** power
        corrections.append(neville(tables[-1][1:], tables[-1][:-1], ratio))
        tables.append(tables[-1][1:] + corrections[-1])
        gains.append(gains[-1][1:] * (ratio + 1.0) / (ratio - 1.0))
    noise = noise + SAFETY * _jitter(tables, steps)
    value, error = slopes.copy(), np.full(slopes.shape, np.inf)
    for level, (table, correction) in enumerate(zip(tables[1:], corrections, strict=True), 1):
        blur = gains[level] * noise[level:] / steps[level:, :, None]
        bound = SAFETY * np.abs(correction) + blur
        better = bound < error[level:]
        value[level:][better] = table[better]
        error[level:][better] = bound[better]
    # Far from the limit a small correction may be a coincidence, and at a kink or a root the error
    # falls slowly: no estimate is better than its change from the rung before.
    error[1:] += np.abs(np.diff(value, axis=0))
    return _sharpest(value, np.where(np.isnan(error), np.inf, error))


def _jitter(tables: list[np.ndarray], steps: np.ndarray) -> np.ndarray:
    """Return the noise of the function's values, as it shows in the finest rungs.

    Extrapolated twice, neighbouring rungs of a smooth function differ by round-off alone.
    """
    if len(tables) < 3 or len(tables[2]) < 2:
        return np.zeros(tables[0].shape[1:])
    seen = np.abs(np.diff(tables[2], axis=0)) * steps[3:, :, None]
    return np.asarray(np.where(_finest(np.isfinite(seen), 2), seen, 0.0).max(axis=0))


def _sharpest(value: np.ndarray, error: np.ndarray) -> Estimate:
    """Walk from the finest rung up while the error intervals meet; keep the narrowest."""
    best = Estimate(np.full(value.shape[1:], np.nan), np.full(value.shape[1:], np.inf))
    low, high = np.full(value.shape[1:], -np.inf), np.full(value.shape[1:], np.inf)
    trusted = np.ones(value.shape[1:], bool)
    for v, e in zip(value[::-1], error[::-1], strict=True):
        known = np.isfinite(v) & np.isfinite(e)
        trusted &= ~known | ((v - e <= high) & (v + e >= low))
        usable = trusted & known
        low = np.where(usable, np.fmax(low, v - e), low)
        high = np.where(usable, np.fmin(high, v + e), high)
        narrower = usable & (e < best.error)
        best.value[narrower], best.error[narrower] = v[narrower], e[narrower]
    return best
