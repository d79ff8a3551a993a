"""Claimed against measured derivatives: a verdict for each entry, patterns in the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ladder import Slopes
from .subject import Place

__all__ = ["AGREES", "KINK", "VERDICTS", "WRONG", "Judgement", "diagnose"]

VERDICTS = ("agrees", "ill-conditioned", "kink", "wrong")  # from harmless to serious
AGREES, ILL_CONDITIONED, KINK, WRONG = range(4)
BLUNT = 1e-4  # an error bound of this share of the typical derivative comes from few rungs
WIDER = 4.0
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

    def settled(self, unit: float) -> np.ndarray:
        """Where claim and measurement agree so sharply that finer steps are not needed."""
        sharp = self.slopes.centre.error <= unit ** (1 / 3) * self.typical
        sharp |= self.constant & np.isfinite(self.slopes.centre.error)
        close = (self.difference <= self.allowed) & sharp
        return np.asarray(close & ~self.slopes.kink & ~self.slopes.unbounded)

    def verdicts(self) -> np.ndarray:
        """Return the position in `VERDICTS` for each entry."""
        slopes, allowed = self.slopes, self.allowed
        vague = (slopes.centre.error > USELESS * self.typical) & ~self.constant
        close = self.difference <= allowed
        # A blunt measurement accuses only where the claim is out of all proportion.
        far = self.difference > np.where(vague, 10.0 * allowed, allowed)
        result = np.where(close & ~vague, AGREES, np.where(far, WRONG, ILL_CONDITIONED))
        result[np.isnan(self.claims)] = WRONG
        result[~np.isfinite(slopes.centre.error) & np.isfinite(self.claims)] = ILL_CONDITIONED
        result[slopes.kink] = np.where(self._between(), KINK, WRONG)[slopes.kink]
        return self._unbounded(result)

    def _between(self) -> np.ndarray:
        sides = (self.slopes.left, self.slopes.right, self.slopes.centre)
        low = np.fmin.reduce([side.value - side.error for side in sides])
        high = np.fmax.reduce([side.value + side.error for side in sides])
        return np.asarray(
            (self.claims >= low - self.rounding) & (self.claims <= high + self.rounding)
        )

    def _unbounded(self, result: np.ndarray) -> np.ndarray:
        there = self.slopes.unbounded
        infinite = np.isinf(self.claims)
        result[there & infinite] = AGREES
        result[there & ~infinite & ~np.isnan(self.claims)] = KINK
        result[~there & infinite & np.isfinite(self.slopes.centre.error)] = WRONG
        return result

    def excess(self) -> np.ndarray:
        """Return the differences in units of what is allowed."""
        ratio = self.difference / self.allowed
        return np.where(np.isnan(ratio), np.where(np.isnan(self.claims), np.inf, 0.0), ratio)


def diagnose(
    claims: np.ndarray, measured: np.ndarray, wrong: np.ndarray, inputs: list[Place]
) -> str:
    """Recognise what went wrong, from all claims and measurements, shape (inputs, outputs)."""
    guilty = [place for place in inputs if wrong[place.start : place.stop].any()]
    for place in guilty:
        for other in guilty:
            if place.start < other.start and _swapped(claims, measured, place, other):
                return f"the derivatives by {place.name} and {other.name} are swapped"
    for place in guilty:
        part = slice(place.start, place.stop)
        if len(place.shape) == 2 and _transposed(claims[part], measured[part], place.shape):
            return f"the derivative by {place.name} is transposed"
    names = " and ".join(place.name for place in guilty)
    found = factor(claims[wrong], measured[wrong], [n for p in guilty for n in p.shape])
    return f"the derivative by {names} {found}" if found else ""


def factor(claims: np.ndarray, measured: np.ndarray, lengths: list[int]) -> str:
    """Describe one factor between all claims and what was measured, if there is one."""
    if not len(claims):
        return ""
    if not claims.any():
        return "is claimed to be zero: is a path missing?"
    if not np.all(np.isfinite(claims)):
        return "is claimed to be infinite or not a number"
    size = np.abs(measured).max()
    if not 0.0 < size < np.inf:
        return ""
    claims, measured = claims / size, measured / size  # squares shall not overflow
    ratio = float(claims @ measured / (measured @ measured))
    if not 0.0 < abs(ratio) < np.inf or np.linalg.norm(
        claims - ratio * measured
    ) > 1e-3 * np.linalg.norm(claims):
        return ""
    if abs(abs(ratio) - 1.0) < 0.2:
        percent = abs(abs(ratio) - 1.0) * 100
        amount = f"{percent:.2g} % too {'large' if abs(ratio) > 1 else 'small'}"
        sign = "has its sign flipped" if ratio < 0 else ""
        return f"{sign or 'is ' + amount}" if percent < 0.05 or not sign else f"{sign}, {amount}"
    size = max(abs(ratio), 1 / abs(ratio))
    sign = ", with the sign flipped" if ratio < 0 else ""
    text = f"is too {'large' if abs(ratio) > 1 else 'small'} by a factor {size:.4g}{sign}"
    summed = abs(size - round(size)) < 1e-3 and round(size) in lengths
    return f"{text}, the length of an axis: is a sum or a mean wrong?" if summed else text


def _transposed(claims: np.ndarray, measured: np.ndarray, shape: tuple[int, ...]) -> bool:
    if shape[0] != shape[1] or claims.shape[1] != 1:
        return False
    return _alike(claims.reshape(shape).T, measured.reshape(shape))


def _swapped(claims: np.ndarray, measured: np.ndarray, a: Place, b: Place) -> bool:
    one, two = slice(a.start, a.stop), slice(b.start, b.stop)
    if a.shape != b.shape:
        return False
    return _alike(claims[one], measured[two]) and _alike(claims[two], measured[one])


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b))
