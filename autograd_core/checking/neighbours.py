"""A claim that is wrong at a singular point: whether the rule is right at generic points nearby.

With equal eigenvalues, at a matrix of low rank or where conventions change, a function jumps or is
infinitely steep, and nothing measured there speaks against a rule. A wrong rule is wrong at other
points as well. Where a function has its slopes at the point (it is differentiable, or has a plain
kink, as a maximum at a tie has) the neighbourhood is no excuse: a rule may be wrong at ties only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np

from .again import same, sensitive
from .case import Case, Pair
from .climb import Probe
from .judge import ILL_CONDITIONED, KINK, WRONG

__all__ = ["acquit"]

DISTANCES = (0.2, 0.4, 0.6)  # powers of the machine epsilon, relative to the size of the inputs
POINTS = 16  # at each of them
STEEPER = 8.0  # claims that grow by this factor over the distances have no bound
JUMP = 0.05  # of the change at the longest distance, that is left at the shortest
NOISE = 64.0
MANY = 5  # different claims, at points all around; at the corner of two kinks there are four
ALIKE = 1e-2  # of their spread
CURVED = 100.0  # times the distance: by how much claims may change on the way to a point
TRIED, ENOUGH = 6, 2  # generic points, and how many of them must have said something
SMALL = 1e-6  # of the largest derivative: a difference that is no proof that a rule is wrong


def acquit(case: Case, verdicts: np.ndarray, accused: Sequence[Pair]) -> None:
    """Overwrite the verdicts on claims at a singular point if the rule is right nearby."""
    judgement = case.judgement
    torn, steep = _survey(case, accused)
    left = [pair for pair, yes in zip(accused, torn | steep, strict=True) if yes]
    innocent, untold = _innocent(case, left) if left else (set(), set())
    for pair, jumps in zip(left, torn[torn | steep], strict=True):
        if pair in untold:
            if judgement.slopes.ragged[pair[0]].any():  # it jumps everywhere: nobody can tell
                verdicts[pair] = ILL_CONDITIONED
        elif pair in innocent:
            known = np.isfinite(judgement.claims[pair])
            verdicts[pair] = KINK if jumps and known else ILL_CONDITIONED


def _survey(case: Case, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the function jumps or has several slopes, and where these have no bound."""
    unit, judgement = case.subject.unit, case.judgement
    claims, moved = zip(*(_ring(case, pairs, unit**p) for p in DISTANCES), strict=True)
    noise = NOISE * unit * np.abs(case.subject.centre)
    torn = (moved[-1] > JUMP * moved[0]) & (moved[-1] > noise)
    claimed = np.array([judgement.claims[pair] for pair in pairs])
    jumping = np.array([torn[np.asarray(case.seed(*pair)) != 0.0].any() for pair in pairs])
    # A claim of NaN may be due to another output, of those that a rule is asked for at once.
    jumping |= np.isnan(claimed) & torn.any()
    # Where another output jumps, this one may change its sign, on the line or off it.
    beside = np.array([torn.any() or judgement.slopes.ragged[i].any() for i, _ in pairs])
    off = ALIKE * np.array([judgement.difference[pair] for pair in pairs])
    near = [np.fmin.reduce(np.abs(np.abs(r) - np.abs(claimed))) <= off for r in claims[1:]]
    jumping |= beside & np.logical_and.reduce(near)
    bounds = np.fmin.reduce(np.concatenate(claims)), np.fmax.reduce(np.concatenate(claims))
    among = [
        _among(claimed, ring, unit**p, bounds) for ring, p in zip(claims, DISTANCES, strict=True)
    ]
    largest = [np.fmax.reduce(np.abs(ring)) for ring in claims]
    return jumping | np.logical_and.reduce(among[1:]), largest[-1] > STEEPER * largest[0]


def _ring(case: Case, pairs: Sequence[Pair], distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the claims at points so far away, and by how much the function moves there."""
    claims, moved = [], []
    for _ in range(POINTS):
        flat = _moved(case, distance, case.scales)
        claims.append(case.claims_at(flat, pairs))
        moved.append(np.abs(case.subject.near(flat) - case.subject.centre))
    found = np.array(claims)
    return np.where(np.isfinite(found), found, np.nan), np.fmax.reduce(np.array(moved))


def _moved(case: Case, distance: float, scales: np.ndarray) -> np.ndarray:
    """Return a point at about a distance, in any direction but along an axis."""
    shift = case.rng.uniform(0.5, 1.5, len(scales)) * case.rng.choice([-1, 1], len(scales))
    return case.subject.rounded(case.subject.point + distance * scales * shift)


def _innocent(case: Case, pairs: Sequence[Pair]) -> tuple[set[Pair], set[Pair]]:
    """Return the claims that are right at generic points nearby, and those that are open."""
    wrong: set[Pair] = set()
    told = dict.fromkeys(pairs, 0)
    size = np.abs(case.subject.point)
    own = np.where(size > 0.0, size, case.scales)  # if the others are beyond the domain
    for k, scales in enumerate([case.scales] * TRIED + [own] * TRIED):
        least = ENOUGH if k < TRIED else 1
        open_ = [pair for pair in pairs if pair not in wrong and told[pair] < least]
        if not open_:
            continue
        for pair, right in _tried(case, open_, _moved(case, case.subject.unit**0.2, scales)):
            told[pair] += 1
            if not right:
                wrong.add(pair)
    untold = {pair for pair in pairs if not told[pair]}
    return set(pairs) - wrong - untold, untold


def _tried(case: Case, pairs: Sequence[Pair], flat: np.ndarray) -> Iterator[tuple[Pair, bool]]:
    """Yield for each claim whether it is right at another point; not where it is open."""
    there = copy.copy(case.subject)
    there.point, there.centre = flat, case.subject.near(flat)
    where, outputs = sorted({i for i, _ in pairs}), sorted({o for _, o in pairs})
    grid = [(i, o) for i in range(len(case.lines)) for o in outputs]
    found = case.claims_at(flat, grid).reshape(len(case.lines), len(outputs))
    claims, largest = found[where], np.abs(found).max(axis=0)
    if not (np.isfinite(there.centre).all() and np.isfinite(largest).all()):
        return
    judgement = case.measure(
        there, where, claims, _parts([case.probes[i] for i in where], outputs)
    )
    verdicts = judgement.verdicts()
    again = judgement
    if (verdicts == WRONG).any():
        noisy = sensitive(case, there, [(i, o) for i in where for o in outputs])
        again = case.again(there, where, claims, _parts(noisy, outputs))
    case.subject.calls = there.calls
    least = SMALL * np.fmax(judgement.typical, largest)
    close = np.fmax(judgement.difference, judgement.slopes.centre.error) <= least
    for pair in pairs:
        at = where.index(pair[0]), outputs.index(pair[1])
        if close[at] or verdicts[at] not in (ILL_CONDITIONED, WRONG):
            yield pair, True
        elif verdicts[at] == WRONG and same(judgement, at, again, at):
            yield pair, False


def _parts(probes: Sequence[Probe], outputs: Sequence[int]) -> list[Probe]:
    """Look at some of the outputs only."""

    def part(probe: Probe) -> Probe:
        return lambda values: tuple(x[outputs] for x in probe(values))  # type: ignore[return-value]

    return list(map(part, probes))


def _among(
    claimed: np.ndarray, ring: np.ndarray, distance: float, bounds: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Whether claims are like some of those around, where these are not all the same.

    At the corner of a few kinks there are a few, and a claim is like one of them; where very many
    meet, it may be like none, but lies within the bounds that were seen, or a little beyond.
    """
    ring = np.sort(ring, axis=0)  # NaN comes last
    low, high = np.fmin.reduce(ring), np.fmax.reduce(ring)
    spread = high - low
    different = spread > ALIKE * np.fmax(np.abs(low), np.abs(high))
    nearest = np.fmin.reduce(np.abs(ring - claimed))
    many = (np.diff(ring, axis=0) > ALIKE * spread).sum(axis=0) >= MANY - 1
    low, high = bounds
    between = (claimed >= low - (high - low) / 2) & (claimed <= high + (high - low) / 2)
    close = nearest <= min(ALIKE, CURVED * distance) * spread
    return np.asarray(different & (close | (many & between)))
