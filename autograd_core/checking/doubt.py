"""Before a claim is accused: whether the point or rounding is to blame, not the rule.

At a singular point, such as a matrix with equal eigenvalues, a function may jump between
conventions, and a right rule gives what belongs to one of them, or nothing at all. Beside one,
rounding of the input alone may carry a right rule anywhere. Both show in what the rule claims at
points a few units of rounding away. A wrong rule claims the same there as here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .climb import Line
from .judge import ILL_CONDITIONED, KINK, WRONG, Judgement
from .subject import Place, Subject

__all__ = ["Seed", "claims_around", "doubts"]

POINTS = 32
UNITS = 16.0  # how far away they are, in units of rounding
ASKED = 16  # outputs that are asked about together
FEW = 4  # different claims; a rule with a branch at the point has no more
SLACK = 1e-2
NEAR = 1e-3  # of the typical derivative: a rule this close to the slope nearby is right

ZERO = 1e-280  # taken for the size of what is all zeros

Seed = Callable[[int, int], np.ndarray]  # the cotangent that belongs to a line and an output


def doubts(
    subject: Subject,
    lines: Sequence[Line],
    judgement: Judgement,
    verdicts: np.ndarray,
    seed: Seed,
    rng: np.random.Generator,
) -> None:
    """Overwrite the verdicts on claims that seem wrong where there is reason to doubt."""
    ragged = judgement.slopes.ragged
    torn = (ragged | judgement.slopes.unbounded).any(axis=1)
    missing = ~np.isfinite(judgement.claims)
    verdicts[(verdicts == WRONG) & missing & torn[:, None]] = ILL_CONDITIONED
    accused = (verdicts == WRONG) & ~missing & (ragged | ~judgement.slopes.kink)
    outputs = np.flatnonzero(accused.any(axis=0))
    for group in np.split(outputs, range(ASKED, len(outputs), ASKED)):
        pairs = [(int(i), int(o)) for o in group for i in np.flatnonzero(accused[:, o])]
        claims = claims_around(subject, lines, pairs, seed, rng)
        found = [_verdict(judgement, pair, around, torn[pair[0]]) for pair, around in
                 zip(pairs, claims.T, strict=True)]  # fmt: skip
        for pair, verdict in zip(pairs, found, strict=True):
            verdicts[pair] = verdict
        if WRONG in found:  # one that is beyond doubt is enough
            break


def _verdict(
    judgement: Judgement, at: tuple[int, int], around: np.ndarray, torn: bool
) -> int:
    """Return the verdict on one claim after a look at those around."""
    around = np.sort(around[np.isfinite(around)])
    if not len(around):
        return WRONG
    off = judgement.difference[at]
    spread = around[-1] - around[0]
    unstable = 2.0 * spread >= off
    many = np.count_nonzero(np.diff(around) > SLACK * spread) >= FEW
    if unstable and many:
        return ILL_CONDITIONED
    typical, measured = judgement.typical[at], judgement.slopes.centre.value[at]
    right = np.median(np.abs(around - measured)) <= NEAR * typical + judgement.allowed[at]
    if torn and (right or unstable):
        return KINK
    return WRONG


def claims_around(
    subject: Subject,
    lines: Sequence[Line],
    pairs: Sequence[tuple[int, int]],
    seed: Seed,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what is claimed at points close by, shape (points, pairs); NaN where that fails."""
    reach = np.concatenate([_reach(subject, place) for place in subject.inputs])
    keys = [np.asarray(seed(*pair), float).tobytes() for pair in pairs]
    unique = list(dict.fromkeys(keys))
    rows = []
    for _ in range(POINTS):
        flat = subject.rounded(subject.point + reach * rng.uniform(-1.0, 1.0, len(reach)))
        pulled = subject.pulls_at(flat, [np.frombuffer(key) for key in unique])
        found = dict(zip(unique, pulled, strict=True))
        rows.append(
            [_along(found[key], lines[i]) for key, (i, _) in zip(keys, pairs, strict=True)]
        )
    return np.array(rows)


def _reach(subject: Subject, place: Place) -> np.ndarray:
    """Return how far points close by are away; zeros have no rounding, but have to move, too."""
    part = np.abs(subject.point[place.start : place.stop])
    unit = UNITS * float(np.finfo(place.dtype).eps)
    smallest = np.where(part > 0.0, part, np.inf).min(initial=np.inf)
    return unit * np.where(part > 0.0, part, smallest if np.isfinite(smallest) else ZERO)


def _along(gradient: np.ndarray, line: Line) -> float:
    return float(gradient[line.where] @ line.weights)
