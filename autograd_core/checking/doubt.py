"""Before a claim is accused: whether the point or rounding is to blame, not the rule.

At a singular point, such as a matrix with equal eigenvalues, a function may jump between
conventions, and a right rule gives what belongs to one of them, or nothing at all. Beside one,
rounding of the input alone may carry a right rule anywhere. Both show in what the rule claims at
points a few units of rounding away. A wrong rule claims the same there as here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .climb import Line
from .judge import ILL_CONDITIONED, KINK, WRONG, Judgement
from .neighbours import Neighbours, Seed
from .subject import Place, Subject

__all__ = ["claims_at", "doubts"]

POINTS = 32
UNITS = 16.0  # how far away they are, in units of rounding
NEARER = 5  # distances, each half of the one before: beside a pole, errors fall with them
ASKED = 16  # outputs that are asked about together
FEW = 4  # different claims; a rule with a branch at the point has no more
SLACK = 1e-2
SMALL = 1e-6
NEAR = 3e-3  # of the typical derivative: a rule this close to the slope nearby is right

HUGE = 4.0  # times the typical derivative: a spread that makes a claim of NaN an honest one
BEYOND, ABRUPT = 1e3, 1e-6
STEP = 2.0**-14
ZERO = 1e-280  # taken for the size of what is all zeros


def doubts(
    subject: Subject,
    lines: Sequence[Line],
    judgement: Judgement,
    verdicts: np.ndarray,
    seed: Seed,
    neighbours: Neighbours,
    rng: np.random.Generator,
) -> None:
    """Overwrite the verdicts on claims that seem wrong where there is reason to doubt."""
    ragged = judgement.slopes.ragged
    torn = (ragged | judgement.slopes.unbounded).any(axis=1)
    missing = ~np.isfinite(judgement.claims)
    verdicts[(verdicts == WRONG) & missing & torn[:, None]] = ILL_CONDITIONED
    off = judgement.difference
    faint = np.where(np.isfinite(off), off, np.abs(judgement.claims)) < judgement.slopes.hush
    verdicts[(verdicts == WRONG) & ~missing & faint] = ILL_CONDITIONED
    known = np.where(missing, 0.0, np.abs(judgement.claims))
    faint = off <= SMALL * known.max(axis=0, initial=0.0)  # rounding, perhaps, beside larger ones
    plain = ragged | torn[:, None] | ~judgement.slopes.kink | missing | faint
    outputs = np.flatnonzero((verdicts == WRONG).any(axis=0))
    for start in range(0, len(outputs), ASKED):
        group = outputs[start : start + ASKED]
        accused = [
            (int(i), int(o)) for o in group for i in np.flatnonzero(verdicts[:, o] == WRONG)
        ]
        pairs = [pair for pair in accused if plain[pair]]
        claims = claims_around(subject, lines, pairs, seed, rng) if pairs else np.zeros((0, 0))
        for pair, found in zip(pairs, claims.T, strict=True):
            around = np.sort(found[np.isfinite(found)])
            verdicts[pair] = _verdict(judgement, pair, around)
            if verdicts[pair] == WRONG and torn[pair[0]] and len(around):
                along = claims_along(subject, lines[pair[0]], seed(*pair))
                verdicts[pair] = _beside_a_tear(judgement, pair, around, along)
        accused = [pair for pair in accused if verdicts[pair] == WRONG]
        if accused:
            neighbours.acquit(judgement, verdicts, accused, rng)
        if any(verdicts[pair] == WRONG for pair in accused):  # one beyond doubt is enough
            break


def _verdict(judgement: Judgement, at: tuple[int, int], around: np.ndarray) -> int:
    """Return the verdict on one claim after a look at those around, in order."""
    if not len(around):
        return WRONG
    spread = around[-1] - around[0]
    if np.isnan(judgement.claims[at]):
        return ILL_CONDITIONED if spread >= HUGE * judgement.typical[at] else WRONG
    many = np.count_nonzero(np.diff(around) > SLACK * spread) >= FEW
    unstable = 2.0 * spread >= judgement.difference[at] or _explodes(judgement, at, spread)
    return ILL_CONDITIONED if many and unstable else WRONG


def _explodes(judgement: Judgement, at: tuple[int, int], spread: float) -> bool:
    """Whether claims vary by more than was ever measured, at next to no distance."""
    slopes = judgement.slopes
    seen = max(abs(slopes.centre.value[at]), slopes.variation[at])
    return bool(spread >= BEYOND * seen and spread >= ABRUPT * abs(judgement.claims[at]))


def _beside_a_tear(
    judgement: Judgement, at: tuple[int, int], around: np.ndarray, along: np.ndarray
) -> int:
    """Return the verdict on a claim on a line on which the function jumps at the point.

    What was measured belongs to the one side, and the claim perhaps to the other.
    """
    measured, off = judgement.slopes.centre.value[at], judgement.difference[at]
    close = NEAR * judgement.typical[at] + judgement.allowed[at]
    right = bool(
        np.median(np.abs(around - measured)) <= close or (np.abs(along - measured) <= close).all()
    )
    moved = np.median(np.abs(around - judgement.claims[at])) >= 0.5 * off
    unstable = 2.0 * np.ptp(around) >= off
    return KINK if right or moved or unstable else WRONG


def claims_along(subject: Subject, line: Line, seed: np.ndarray) -> np.ndarray:
    """Return what is claimed on either side of the point, a step away that was measured."""
    found = []
    for sign in (1.0, -1.0):
        flat = subject.point.copy()
        flat[line.where] += sign * STEP * line.weights
        found.append(_along(subject.pulls_at(subject.rounded(flat), [seed])[0], line))
    return np.array(found)


def claims_around(
    subject: Subject,
    lines: Sequence[Line],
    pairs: Sequence[tuple[int, int]],
    seed: Seed,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what is claimed at points close by, shape (points, pairs); NaN where that fails."""
    reach = np.concatenate([_reach(subject, place) for place in subject.inputs])
    rows = []
    for k in range(POINTS):
        shift = reach * rng.uniform(-1.0, 1.0, len(reach)) / 2.0 ** (k % NEARER)
        flat = subject.rounded(subject.point + shift)
        rows.append(claims_at(subject, flat, lines, pairs, seed))
    return np.array(rows)


def claims_at(
    subject: Subject,
    flat: np.ndarray,
    lines: Sequence[Line],
    pairs: Sequence[tuple[int, int]],
    seed: Seed,
) -> np.ndarray:
    """Return what is claimed at one point, for pairs of a line and an output."""
    keys = [np.asarray(seed(*pair), float).tobytes() for pair in pairs]
    unique = list(dict.fromkeys(keys))
    pulled = subject.pulls_at(flat, [np.frombuffer(key) for key in unique])
    found = dict(zip(unique, pulled, strict=True))
    return np.array(
        [_along(found[key], lines[i]) for key, (i, _) in zip(keys, pairs, strict=True)]
    )


def _reach(subject: Subject, place: Place) -> np.ndarray:
    """Return how far points close by are away; zeros have no rounding, but have to move, too."""
    part = np.abs(subject.point[place.start : place.stop])
    unit = UNITS * float(np.finfo(place.dtype).eps)
    smallest = np.where(part > 0.0, part, np.inf).min(initial=np.inf)
    return unit * np.where(part > 0.0, part, smallest if np.isfinite(smallest) else ZERO)


def _along(gradient: np.ndarray, line: Line) -> float:
    return float(gradient[line.where] @ line.weights)
