"""A claim that is wrong at a singular point: whether the rule is right at generic points nearby.

With equal eigenvalues, at a matrix of low rank or where conventions change, a function jumps or is
infinitely steep, and nothing that is measured there speaks against a rule. A wrong rule is wrong at
other points as well. Where a function has its slopes at the point (it is differentiable, or has a
plain kink, as a maximum at a tie has) the rest of the world is no excuse: a rule may be wrong at
ties only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .climb import Line, Probe
from .judge import ILL_CONDITIONED, KINK, WRONG, Judgement
from .subject import Subject

__all__ = ["Neighbours"]

Pair = tuple[int, int]  # a line and an output
Pulls = Callable[[np.ndarray, Sequence[Pair]], np.ndarray]
Ask = Callable[[Subject, list[Line], np.ndarray, list[Probe]], Judgement]

DISTANCES = (0.2, 0.4, 0.6)  # powers of the machine epsilon, relative to the size of the inputs
POINTS = 8  # at each of them
STEEPER = 8.0  # claims that grow by this factor over the distances have no bound
JUMP = 0.05  # of the change at the longest distance, that is left at the shortest
NOISE = 64.0
MANY = 5  # different claims, at points all around; at the corner of two kinks there are four
ALIKE = 1e-2  # of their spread
TRIED, ENOUGH = 6, 2  # generic points, and how many of them must have said something
SMALL = 1e-6  # of the typical derivative: a difference that is no proof that a rule is wrong


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
        scales: np.ndarray,
    ) -> None:
        self.subject = subject
        self.lines = lines
        self.probes = probes
        self.pulls = pulls
        self.ask = ask
        self.scales = scales

    def acquit(
        self,
        judgement: Judgement,
        verdicts: np.ndarray,
        accused: Sequence[Pair],
        rng: np.random.Generator,
    ) -> None:
        """Overwrite the verdicts on claims at a singular point if the rule is right nearby."""
        jumping, many, steep = self._survey(judgement, accused, rng)
        singular = jumping | many | steep
        left = [pair for pair, yes in zip(accused, singular, strict=True) if yes]
        if not left:
            return
        innocent = self._innocent(left, rng)
        for pair, jumps in zip(left, (jumping | many)[singular], strict=True):
            if pair in innocent:
                verdicts[pair] = KINK if jumps else ILL_CONDITIONED

    def _survey(
        self, judgement: Judgement, pairs: Sequence[Pair], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where the function jumps, has many slopes, or slopes without bound."""
        unit = self.subject.unit
        claims, moved = zip(*(self._ring(pairs, unit**p, rng) for p in DISTANCES), strict=True)
        noise = NOISE * unit * np.array([self._size(pair) for pair in pairs])
        jumping = (moved[-1] > JUMP * moved[0]) & (moved[-1] > noise)
        sizes = [_median(np.abs(ring)) for ring in claims]
        steep = sizes[-1] > STEEPER * sizes[0]
        ring = np.sort(claims[1], axis=0)
        low, high = np.fmin.reduce(ring), np.fmax.reduce(ring)
        spread = high - low
        many = (np.diff(ring, axis=0) > ALIKE * spread).sum(axis=0) >= MANY - 1
        claimed = np.array([judgement.claims[pair] for pair in pairs])
        within = (claimed >= low - spread / 2) & (claimed <= high + spread / 2)
        return jumping, many & within & (_median(np.abs(claims[2])) > 0.0), steep

    def _ring(
        self, pairs: Sequence[Pair], distance: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the claims at points so far away, and by how much the function moves there."""
        claims, moved = [], []
        for _ in range(POINTS):
            flat = self._moved(distance, rng)
            claims.append(self.pulls(flat, pairs))
            change = self.subject.near(flat)
            moved.append([self._seen(pair, change) - self._seen(pair) for pair in pairs])
        found = np.array(claims)
        return np.where(np.isfinite(found), found, np.nan), _median(np.abs(np.array(moved)))

    def _moved(self, distance: float, rng: np.random.Generator) -> np.ndarray:
        shift = rng.uniform(0.5, 1.5, len(self.scales)) * rng.choice([-1, 1], len(self.scales))
        return self.subject.rounded(self.subject.point + distance * self.scales * shift)

    def _seen(self, pair: Pair, outputs: np.ndarray | None = None) -> float:
        outputs = self.subject.centre if outputs is None else outputs
        return float(self.probes[pair[0]](outputs)[0][pair[1]])

    def _size(self, pair: Pair) -> float:
        return float(self.probes[pair[0]](self.subject.centre)[1][pair[1]])

    def _innocent(self, pairs: Sequence[Pair], rng: np.random.Generator) -> set[Pair]:
        """Return the claims that are right at generic points nearby, wherever one can tell."""
        wrong: set[Pair] = set()
        told = dict.fromkeys(pairs, 0)
        for _ in range(TRIED):
            open_ = [pair for pair in pairs if pair not in wrong and told[pair] < ENOUGH]
            if not open_:
                break
            for pair, right in self._tried(open_, self._moved(self.subject.unit**0.2, rng)):
                told[pair] += 1
                if not right:
                    wrong.add(pair)
        return {pair for pair in pairs if told[pair] and pair not in wrong}

    def _tried(self, pairs: Sequence[Pair], flat: np.ndarray) -> Iterator[tuple[Pair, bool]]:
        """Yield for each claim whether it is right at another point; not where it is open."""
        there = copy.copy(self.subject)
        there.point, there.centre = flat, self.subject.near(flat)
        where = sorted({i for i, _ in pairs})
        outputs = sorted({o for _, o in pairs})
        grid = [(i, o) for i in where for o in outputs]
        claims = self.pulls(flat, grid).reshape(len(where), len(outputs))
        if not (np.isfinite(there.centre).all() and np.isfinite(claims).all()):
            return
        probes = [_part(self.probes[i], outputs) for i in where]
        judgement = self.ask(there, [self.lines[i] for i in where], claims, probes)
        self.subject.calls = there.calls
        verdicts = judgement.verdicts()
        close = judgement.difference <= SMALL * judgement.typical
        for pair in pairs:
            at = where.index(pair[0]), outputs.index(pair[1])
            if verdicts[at] != ILL_CONDITIONED:
                yield pair, bool(verdicts[at] != WRONG or close[at])


def _part(probe: Probe, outputs: Sequence[int]) -> Probe:
    """Look at some of the outputs only."""

    def part(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, size = probe(values)
        return seen[outputs], size[outputs]

    return part


def _median(rows: np.ndarray) -> np.ndarray:
    """Return the medians of columns; 0 of none."""
    known = np.sort(rows, axis=0)  # NaN comes last
    count = np.isfinite(known).sum(axis=0)
    middle = np.maximum(count - 1, 0) // 2
    found = np.take_along_axis(known, middle[None], axis=0)[0]
    return np.where(count > 0, found, 0.0)
