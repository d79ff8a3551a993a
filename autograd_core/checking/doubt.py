"""Before a claim is accused: whether the point or rounding is to blame, not the rule.

In order, and each only where the ones before have left an accusation: what is smaller than the
rounding of what is beside it; rounding of the input (`rounding`); a function that jumps on the
line; a second measurement (`again`); and a singular point at whose neighbours the rule is right
(`neighbours`).
"""

from __future__ import annotations

import numpy as np

from .again import confirmed
from .case import Case, Pair
from .climb import Line
from .judge import ILL_CONDITIONED, KINK, WRONG
from .neighbours import acquit
from .rounding import rings, rounded_off

__all__ = ["doubts"]

ASKED = 16  # outputs that are asked about together
FAINT = 1e-8  # of the derivatives by the same input and of the same output
NEAR = 3e-3  # of the typical derivative: a rule this close to the slope nearby is right
STEP = 2.0**-14


def doubts(case: Case, verdicts: np.ndarray) -> None:
    """Overwrite the verdicts on claims that seem wrong where there is reason to doubt."""
    torn = _torn(case)
    verdicts[(verdicts == WRONG) & _inaudible(case, torn)] = ILL_CONDITIONED
    outputs = np.flatnonzero((verdicts == WRONG).any(axis=0))
    for start in range(0, len(outputs), ASKED):
        accused = _accused(verdicts, outputs[start : start + ASKED])
        for pair, around in zip(accused, rings(case, accused), strict=True):
            if rounded_off(case.judgement, pair, around):
                verdicts[pair] = ILL_CONDITIONED
            elif torn[pair[0]]:
                verdicts[pair] = _beside_a_tear(case, pair, around[0])
        accused = [pair for pair in accused if verdicts[pair] == WRONG]
        left = confirmed(case, accused) if accused else []
        for pair in set(accused) - set(left):
            verdicts[pair] = ILL_CONDITIONED
        if left:
            acquit(case, verdicts, left)
        if any(verdicts[pair] == WRONG for pair in left):  # one beyond doubt is enough
            break


def _accused(verdicts: np.ndarray, outputs: np.ndarray) -> list[Pair]:
    return [(int(i), int(o)) for o in outputs for i in np.flatnonzero(verdicts[:, o] == WRONG)]


def _torn(case: Case) -> np.ndarray:
    """Return a mask of the lines on which the function jumps, or has a slope without bound."""
    slopes = case.judgement.slopes
    return np.asarray((slopes.ragged | slopes.unbounded).any(axis=1))


def _inaudible(case: Case, torn: np.ndarray) -> np.ndarray:
    """Return where a claim is missing on a torn line, or off by less than rounding beside it."""
    judgement = case.judgement
    missing, off = ~np.isfinite(judgement.claims), judgement.difference
    sizes = np.where(missing, 0.0, np.abs(judgement.claims))
    beside = np.fmin(sizes.max(axis=0), sizes.max(axis=1, keepdims=True))
    silent = np.where(np.isfinite(off), off, np.abs(judgement.claims)) < judgement.slopes.hush
    return np.where(missing, torn[:, None], silent | (off <= FAINT * beside))


def _beside_a_tear(case: Case, at: Pair, around: np.ndarray) -> int:
    """Return the verdict on a claim on a line on which the function jumps at the point.

    What was measured belongs to the one side, and the claim perhaps to the other.
    """
    judgement = case.judgement
    around = around[np.isfinite(around)]
    if not len(around):
        return WRONG
    measured, off = judgement.slopes.centre.value[at], judgement.difference[at]
    close = NEAR * judgement.typical[at] + judgement.allowed[at]
    right = bool(
        np.median(np.abs(around - measured)) <= close
        or (np.abs(_claims_along(case, at) - measured) <= close).all()
    )
    moved = np.median(np.abs(around - judgement.claims[at])) >= 0.5 * off
    unstable = 2.0 * np.ptp(around) >= off
    return KINK if right or moved or unstable else WRONG


def _claims_along(case: Case, at: Pair) -> np.ndarray:
    """Return what is claimed on either side of the point, a step away that was measured."""
    line = case.lines[at[0]]
    return np.array([case.claims_at(_shifted(case, line, s), [at])[0] for s in (STEP, -STEP)])


def _shifted(case: Case, line: Line, step: float) -> np.ndarray:
    flat = case.subject.point.copy()
    flat[line.where] += step * line.weights
    return case.subject.rounded(flat)
