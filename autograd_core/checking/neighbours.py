"""A claim that is wrong at a singular point: whether the rule is right at generic points nearby.

With equal eigenvalues, at a matrix of low rank or where conventions change, a function jumps or is
infinitely steep, and nothing measured there speaks against a rule. A wrong rule is wrong at other
points as well. Where a function has its slopes at the point (it is differentiable, or has a plain
kink, as a maximum at a tie has) the neighbourhood is no excuse: a rule may be wrong at ties only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .climb import Line, Probe
from .judge import AGREES, ILL_CONDITIONED, KINK, WRONG, Judgement
from .subject import Subject

__all__ = ["Neighbours", "Seed"]

Pair = tuple[int, int]  # a line and an output
Pulls = Callable[[np.ndarray, Sequence[Pair]], np.ndarray]
Seed = Callable[[int, int], np.ndarray]  # the cotangent that belongs to a line and an output
Ask = Callable[[Subject, list[Line], np.ndarray, list[Probe]], Judgement]

DISTANCES = (0.2, 0.4, 0.6)  # powers of the machine epsilon, relative to the size of the inputs
POINTS = 16  # at each of them
STEEPER = 8.0  # claims that grow by this factor over the distances have no bound
JUMP = 0.05  # of the change at the longest distance, that is left at the shortest
NOISE = 64.0
OTHER = 0.83  # of a line's scale, to measure at other steps
APART = 3.0  # error bounds
MANY = 5  # different claims, at points all around; at the corner of two kinks there are four
ALIKE = 1e-2  # of their spread
CURVED = 100.0  # times the distance: by how much claims may change on the way to a point
TRIED, ENOUGH = 6, 2  # generic points, and how many of them must have said something
SMALL = 1e-6  # of the largest derivative: a difference that is no proof that a rule is wrong


class Neighbours:
    """Points around that of a subject, at several distances, with values and claims.

    Parameters
    ----------
    subject : Subject
    lines : sequence of Line
    probes : sequence of callable
        One per line.
    pulls : callable
        Gives the claims about pairs of a line and an output at another point.
    ask : callable
        Measures along lines of another subject.
    seed : callable
        Gives the cotangent that belongs to a pair.
    scales : ndarray
        By how much each entry may move for a distance of 1.
    """

    def __init__(
        self,
        subject: Subject,
        lines: Sequence[Line],
        probes: Sequence[Probe],
        pulls: Pulls,
        ask: Ask,
        seed: Seed,
        scales: np.ndarray,
    ) -> None:
        self.subject = subject
        self.lines = lines
        self.probes = probes
        self.pulls = pulls
        self.ask = ask
        self.seed = seed
        self.scales = scales

    def acquit(
        self,
        judgement: Judgement,
        verdicts: np.ndarray,
        accused: Sequence[Pair],
        rng: np.random.Generator,
    ) -> None:
        """Overwrite the verdicts on claims at a singular point if the rule is right nearby."""
        accused = self._confirmed(judgement, verdicts, accused)
        if not accused:
            return
        jumping, amid, steep = self._survey(judgement, accused, rng)
        singular = jumping | amid | steep
        left = [pair for pair, yes in zip(accused, singular, strict=True) if yes]
        innocent, untold = self._innocent(left, rng) if left else (set(), set())
        for pair, jumps in zip(left, (jumping | amid)[singular], strict=True):
            if pair in untold:
                if judgement.slopes.ragged[pair[0]].any():  # it jumps everywhere: nobody can tell
                    verdicts[pair] = ILL_CONDITIONED
            elif pair in innocent:
                known = np.isfinite(judgement.claims[pair])
                verdicts[pair] = KINK if jumps and known else ILL_CONDITIONED

    def _confirmed(
        self, judgement: Judgement, verdicts: np.ndarray, accused: Sequence[Pair]
    ) -> list[Pair]:
        """Measure again: what is not the same at other steps cannot accuse.

        Neither can what is smaller than the rounding of the largest output, if all beyond is as
        claimed: steps may be so short that the function's own rounding is frozen.
        """
        where = sorted({i for i, _ in accused})
        probes = [self.probes[i] for i in where]
        claims = judgement.claims[where]
        again = self._again(self.subject, where, claims, probes)
        rough = [_coarse(probe) for probe in probes]
        coarse = self._again(self.subject, where, claims, rough).verdicts()
        confirmed = []
        for pair in accused:
            at = where.index(pair[0]), pair[1]
            if coarse[at] != AGREES and _same(judgement, pair, again, at):
                confirmed.append(pair)
            else:
                verdicts[pair] = ILL_CONDITIONED
        return confirmed

    def _again(
        self, there: Subject, where: Sequence[int], claims: np.ndarray, probes: list[Probe]
    ) -> Judgement:
        """Measure at other steps."""
        lines = [self.lines[i] for i in where]
        lines = [Line(line.where, OTHER * line.weights, line.other) for line in lines]
        return self.ask(there, lines, OTHER * claims, probes)

    def _survey(
        self, judgement: Judgement, pairs: Sequence[Pair], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where the function jumps, has several slopes, or slopes without bound."""
        unit = self.subject.unit
        claims, moved = zip(*(self._ring(pairs, unit**p, rng) for p in DISTANCES), strict=True)
        noise = NOISE * unit * np.abs(self.subject.centre)
        torn = (moved[-1] > JUMP * moved[0]) & (moved[-1] > noise)
        claimed = np.array([judgement.claims[pair] for pair in pairs])
        jumping = np.array([torn[self._depends(pair)].any() for pair in pairs])
        # A claim of NaN may be due to another output, of those that a rule is asked for at once.
        jumping |= np.isnan(claimed) & torn.any()
        # Where another output jumps, this one may change its sign, on the line or off it.
        ragged = judgement.slopes.ragged
        beside = np.array([torn.any() or ragged[i].any() for i, _ in pairs])
        off = ALIKE * np.array([judgement.difference[pair] for pair in pairs])
        near = [np.fmin.reduce(np.abs(np.abs(r) - np.abs(claimed))) <= off for r in claims[1:]]
        jumping |= beside & np.logical_and.reduce(near)
        largest = [np.fmax.reduce(np.abs(ring)) for ring in claims]
        steep = largest[-1] > STEEPER * largest[0]
        amid = np.logical_and.reduce(
            [_among(claimed, ring, unit**p) for ring, p in zip(claims, DISTANCES, strict=True)][1:]
        )
        return jumping, amid, steep

    def _ring(
        self, pairs: Sequence[Pair], distance: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the claims at points so far away, and by how much the function moves there."""
        claims, moved = [], []
        for _ in range(POINTS):
            flat = self._moved(distance, rng, self.scales)
            claims.append(self.pulls(flat, pairs))
            moved.append(np.abs(self.subject.near(flat) - self.subject.centre))
        found = np.array(claims)
        return np.where(np.isfinite(found), found, np.nan), np.fmax.reduce(np.array(moved))

    def _moved(self, distance: float, rng: np.random.Generator, scales: np.ndarray) -> np.ndarray:
        shift = rng.uniform(0.5, 1.5, len(scales)) * rng.choice([-1, 1], len(scales))
        return self.subject.rounded(self.subject.point + distance * scales * shift)

    def _depends(self, pair: Pair) -> np.ndarray:
        """Return a mask of the outputs that a pair is about."""
        return np.asarray(self.seed(*pair)) != 0.0

    def _innocent(
        self, pairs: Sequence[Pair], rng: np.random.Generator
    ) -> tuple[set[Pair], set[Pair]]:
        """Return the claims that are right at generic points nearby, and those that are open."""
        wrong: set[Pair] = set()
        told = dict.fromkeys(pairs, 0)
        size = np.abs(self.subject.point)
        own = np.where(size > 0.0, size, self.scales)  # if the others are beyond the domain
        for k, scales in enumerate([self.scales] * TRIED + [own] * TRIED):
            least = ENOUGH if k < TRIED else 1
            open_ = [pair for pair in pairs if pair not in wrong and told[pair] < least]
            if not open_:
                continue
            for pair, right in self._tried(
                open_, self._moved(self.subject.unit**0.2, rng, scales)
            ):
                told[pair] += 1
                if not right:
                    wrong.add(pair)
        untold = {pair for pair in pairs if not told[pair]}
        return set(pairs) - wrong - untold, untold

    def _tried(self, pairs: Sequence[Pair], flat: np.ndarray) -> Iterator[tuple[Pair, bool]]:
        """Yield for each claim whether it is right at another point; not where it is open."""
        there = copy.copy(self.subject)
        there.point, there.centre = flat, self.subject.near(flat)
        where = sorted({i for i, _ in pairs})
        outputs = sorted({o for _, o in pairs})
        grid = [(i, o) for i in range(len(self.lines)) for o in outputs]
        found = self.pulls(flat, grid).reshape(len(self.lines), len(outputs))
        claims, largest = found[where], np.abs(found).max(axis=0)
        if not (np.isfinite(there.centre).all() and np.isfinite(largest).all()):
            return
        probes = [_part(self.probes[i], outputs) for i in where]
        judgement = self.ask(there, [self.lines[i] for i in where], claims, probes)
        verdicts = judgement.verdicts()
        again = judgement
        if (verdicts == WRONG).any():
            again = self._again(there, where, claims, probes)
        self.subject.calls = there.calls
        least = SMALL * np.fmax(judgement.typical, largest)
        close = np.fmax(judgement.difference, judgement.slopes.centre.error) <= least
        for pair in pairs:
            at = where.index(pair[0]), outputs.index(pair[1])
            if close[at] or verdicts[at] not in (ILL_CONDITIONED, WRONG):
                yield pair, True
            elif verdicts[at] == WRONG and _same(judgement, at, again, at):
                yield pair, False


def _same(one: Judgement, i: Pair, other: Judgement, k: Pair) -> bool:
    """Whether two measurements, the other at other steps, both say that a claim is wrong."""
    first, second = one.slopes.centre, other.slopes.centre
    gap = abs(first.value[i] - second.value[k] / OTHER)
    apart = gap > APART * (first.error[i] + second.error[k] / OTHER)
    return bool(other.verdicts()[k] == WRONG and not apart)


def _part(probe: Probe, outputs: Sequence[int]) -> Probe:
    """Look at some of the outputs only."""

    def part(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, size = probe(values)
        return seen[outputs], size[outputs]

    return part


def _coarse(probe: Probe) -> Probe:
    """Take every output to be as noisy as the largest."""

    def rough(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, size = probe(values)
        return seen, np.full_like(size, np.fmax.reduce(size))

    return rough


def _among(claimed: np.ndarray, ring: np.ndarray, distance: float) -> np.ndarray:
    """Whether claims are like some of those around, where these are not all the same.

    At the corner of a few kinks there are a few, and a claim is like one of them; where very many
    meet, it may be like none, but lies among them.
    """
    ring = np.sort(ring, axis=0)  # NaN comes last
    low, high = np.fmin.reduce(ring), np.fmax.reduce(ring)
    spread = high - low
    different = spread > ALIKE * np.fmax(np.abs(low), np.abs(high))
    nearest = np.fmin.reduce(np.abs(ring - claimed))
    many = (np.diff(ring, axis=0) > ALIKE * spread).sum(axis=0) >= MANY - 1
    between = (claimed >= low - spread / 2) & (claimed <= high + spread / 2)
    close = nearest <= min(ALIKE, CURVED * distance) * spread
    return np.asarray(different & (close | (many & between)))
