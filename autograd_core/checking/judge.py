"""Claimed against measured derivatives: a verdict for each entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ladder import Slopes

__all__ = [
    "AGREES",
    "ILL_CONDITIONED",
    "KINK",
    "SHARP",
    "USELESS",
    "VERDICTS",
    "WRONG",
    "Judgement",
]

VERDICTS = ("agrees", "ill-conditioned", "kink", "wrong")  # from harmless to serious
AGREES, ILL_CONDITIONED, KINK, WRONG = range(4)
BLUNT = 1e-4  # an error bound of this share of the typical derivative comes from few rungs
WIDER = 4.0
FAR, TINY = 64.0, 1e-8
SHARP = 0.45  # an error bound of this power of the machine epsilon needs no finer steps
USELESS = 0.1  # an error bound of this share of the typical derivative decides nothing


@dataclass
class Judgement:
    """Claims, shape (columns, outputs), before what a ladder measured.

    `rounding` is how far round-off alone may carry the claims; `rtol` and `atol` are the user's.
    """

    claims: np.ndarray
    slopes: Slopes
    rounding: np.ndarray
    rtol: float = 0.0
    atol: np.ndarray | float = 0.0

    @property
    def allowed(self) -> np.ndarray:
        """The difference that says nothing against a claim."""
        tolerance = self.atol + self.rtol * np.abs(self.slopes.centre.value)
        return np.asarray(np.fmax(self.error + self.rounding, tolerance))

    @property
    def tolerated(self) -> np.ndarray:
        """The difference that is no reason to accuse: a tiny one must be far beyond its bound.

        The bound has seen some samples of the noise, and nobody makes mistakes of this size.
        """
        allowed = self.allowed
        return np.where(FAR * allowed < TINY * self.typical, FAR * allowed, allowed)

    @property
    def error(self) -> np.ndarray:
        """The error bounds, wider where they are large: there many kinks may blur the slopes."""
        error = self.slopes.centre.error
        return np.where(error > BLUNT * self.typical, WIDER * error, error)

    @property
    def difference(self) -> np.ndarray:
        """How far the claims are from what was measured."""
        return np.abs(self.claims - self.slopes.centre.value)

    @property
    def typical(self) -> np.ndarray:
        """The size of the derivatives about here, against which an error bound is large or small.

        The largest of: the claim, the measured value, the slope of the function at large, and the
        derivatives of the same output by the other inputs.
        """
        claims = np.where(np.isfinite(self.claims), np.abs(self.claims), 0.0)
        known = np.isfinite(self.slopes.centre.value)
        measured = np.where(known, np.abs(self.slopes.centre.value), 0.0)
        largest = measured.max(axis=0, initial=0.0)
        return np.maximum.reduce([claims, measured, self.slopes.variation, measured * 0 + largest])

    @property
    def constant(self) -> np.ndarray:
        """Where nothing is claimed and nothing was seen to change."""
        return np.asarray((self.claims == 0.0) & (self.slopes.variation == 0.0))

    @property
    def resolved(self) -> np.ndarray:
        """Where the error bound is small beside the derivative itself, whatever others are."""
        size = np.fmax(np.abs(self.claims), np.abs(self.slopes.centre.value))
        return np.asarray((self.slopes.centre.error <= USELESS * size) | self.constant)

    def settled(self, unit: float, power: float = SHARP) -> np.ndarray:
        """Where claim and measurement agree so sharply that finer steps are not needed."""
        sharp = self.slopes.centre.error <= unit**power * self.typical
        sharp |= self.constant & np.isfinite(self.slopes.centre.error)
        close = (self.difference <= self.allowed) & sharp
        return np.asarray(close & ~self.slopes.kink & ~self.slopes.unbounded)

    def verdicts(self) -> np.ndarray:
        """Return the position in `VERDICTS` for each entry."""
        slopes, allowed = self.slopes, self.tolerated
        vague = (slopes.centre.error > USELESS * self.typical) & ~self.constant
        close = self.difference <= allowed
        # A blunt measurement accuses only where the claim is out of all proportion.
        far = self.difference > np.where(vague, 10.0 * allowed, allowed)
        result = np.where(close & ~vague, AGREES, np.where(far, WRONG, ILL_CONDITIONED))
        result[np.isnan(self.claims)] = np.where(self._unknown(), ILL_CONDITIONED, WRONG)[
            np.isnan(self.claims)
        ]
        result[~np.isfinite(slopes.centre.error) & np.isfinite(self.claims)] = ILL_CONDITIONED
        stairs = np.abs(self.claims - slopes.stairs.value) <= slopes.stairs.error
        result[stairs & (result == WRONG)] = ILL_CONDITIONED
        result[slopes.kink] = np.where(self._between(), KINK, WRONG)[slopes.kink]
        return self._unbounded(result)

    def _unknown(self) -> np.ndarray:
        """Where the function has no values about here, on either side."""
        sides = (*self.slopes.sides, self.slopes.centre)
        nothing = [~np.isfinite(side.error) for side in sides]
        return np.asarray(np.logical_and.reduce(nothing) & (self.slopes.variation == 0.0))

    @property
    def range(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest claim that nothing speaks against: several at a kink."""
        sides, centre = self.slopes.sides, self.slopes.centre.value
        low = np.fmin.reduce([centre, *(side.value - side.error for side in sides)])
        high = np.fmax.reduce([centre, *(side.value + side.error for side in sides)])
        kink, allowed = self.slopes.kink, self.allowed
        return (
            np.where(kink, low - self.rounding, centre - allowed),
            np.where(kink, high + self.rounding, centre + allowed),
        )

    def _between(self) -> np.ndarray:
        low, high = self.range
        return np.asarray((self.claims >= low) & (self.claims <= high))

    def _unbounded(self, result: np.ndarray) -> np.ndarray:
        there = self.slopes.unbounded
        infinite = np.isinf(self.claims)
        # On one side only, it is a kink.
        finite = [np.isfinite(s.value) & np.isfinite(s.error) for s in self.slopes.sides]
        result[there & infinite] = np.where(finite[0] | finite[1], KINK, AGREES)[there & infinite]
        result[there & ~infinite & ~np.isnan(self.claims)] = KINK
        known = np.isfinite(self.slopes.centre.error)
        result[~there & infinite] = np.where(known, WRONG, ILL_CONDITIONED)[~there & infinite]
        return result

    def excess(self) -> np.ndarray:
        """Return the differences in units of what is allowed."""
        ratio = self.difference / self.allowed
        return np.where(np.isnan(ratio), np.where(np.isnan(self.claims), np.inf, 0.0), ratio)
