"""A question to a subject: whether the derivatives along some lines are as claimed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .case import Case, Seed
from .climb import STAGES, Line, Probe, Stage, climb
from .doubt import doubts
from .judge import KINK, SHARP, WRONG, Judgement
from .kinks import excused, possible
from .ladder import Slopes
from .subject import Subject

__all__ = ["Question", "entry_scales", "everything", "leaf_scales", "projection"]

ROUNDINGS = 64.0  # a claim may be off by this many units of round-off of the largest beside it
ACCUSED = 4  # lines on which no excuse was found: there is none for the others
CHUNK = 100_000  # derivatives measured at a time
SUBNORMAL = float(np.finfo(float).smallest_subnormal)
SKEW = 0.7390851332151607  # no step shall be a round number, where round functions look simple


def leaf_scales(subject: Subject) -> np.ndarray:
    """Return for each input entry the root mean square of its array, or 1 where that is zero."""
    scales = np.ones(len(subject.point))
    for place in subject.inputs:
        part = np.abs(subject.point[place.start : place.stop])
        largest = part.max(initial=0.0)
        if largest > 0.0:
            size = largest * np.sqrt(np.mean((part / largest) ** 2))
            scales[place.start : place.stop] = size
    return scales


def entry_scales(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Return for each entry its main scale, max(1, |x|), and the other one relative to it."""
    size = np.abs(subject.point)
    size = np.where(size > 0.0, size, leaf_scales(subject))
    scales = np.fmax(1.0, size)
    return SKEW * scales, np.fmin(1.0, size) / scales


def everything(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Look at each output."""
    return outputs, np.abs(outputs)


def projection(subject: Subject, seed: np.ndarray) -> Probe:
    """Look at one combination of the outputs; what they are at the point cancels beforehand."""

    def probe(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = np.linalg.norm(seed * outputs)
        return np.array([seed @ (outputs - subject.centre)]), np.array([size])

    return probe


class Question:
    """Derivatives along lines: what is claimed, how far rounding may carry it, where to look.

    The claims have the shape (lines, outputs of a probe).
    """

    def __init__(
        self,
        subject: Subject,
        lines: list[Line],
        claims: np.ndarray,
        probes: list[Probe] | None = None,
        rtol: float = 0.0,
        atol: float = 0.0,
        sharp: float = SHARP,
        seed: Seed | None = None,
    ) -> None:
        self.subject = subject
        self.lines = lines
        self.claims = claims
        self.probes = probes or [everything] * len(lines)
        self.rtol = rtol
        self.sharp = sharp
        self.seed = seed
        finite = np.where(np.isfinite(claims), np.abs(claims), 0.0)
        units = [max(subject.input_unit(line.where[0]), subject.unit) for line in lines]
        sizes = np.array([np.abs(line.weights).max() for line in lines])
        underflow = SUBNORMAL * sizes[:, None]
        relative = np.array(units)[:, None] * finite.max(axis=0, initial=0.0)
        self.rounding = ROUNDINGS * (relative + underflow)
        self.atol = atol * sizes[:, None]

    def judge(self, active: np.ndarray, slopes: Slopes) -> Judgement:
        """Compare the claims along some of the lines with what has been measured."""
        claims, rounding = self.claims[active], self.rounding[active]
        return Judgement(claims, slopes, rounding, self.rtol, self.atol[active])

    def answer(self, stages: Sequence[Stage] = STAGES) -> Judgement:
        """Measure along every line."""
        chunk = max(1, CHUNK // max(1, self.claims.shape[1]))
        parts = np.split(np.arange(len(self.lines)), range(chunk, len(self.lines), chunk))
        found = [self._measure(part, stages) for part in parts]
        return self.judge(np.arange(len(self.lines)), Slopes.joined(found))

    def _measure(self, part: np.ndarray, stages: Sequence[Stage]) -> Slopes:
        lines, probes = [self.lines[i] for i in part], [self.probes[i] for i in part]
        centre = np.array([probe(self.subject.centre)[0] for probe in probes])

        def judge(active: np.ndarray, slopes: Slopes) -> Judgement:
            return self.judge(part[active], slopes)

        return climb(self.subject, lines, probes, centre, judge, stages, self.sharp)

    def verdicts(self, judgement: Judgement, rng: np.random.Generator) -> np.ndarray:
        """Return the verdicts; at kinks, see which claims are slopes of points nearby."""
        verdicts = judgement.verdicts()
        beyond = (verdicts == WRONG) & judgement.slopes.kink
        doubtful = (beyond | judgement.slopes.unbounded) & np.isfinite(self.claims)
        for i in np.flatnonzero(doubtful.any(axis=1)):
            legal = np.where(self.possible(int(i), rng), KINK, WRONG)
            verdicts[i] = np.where(doubtful[i], legal, verdicts[i])
        self._excuse(verdicts, judgement, rng)
        if self.seed is not None:
            doubts(self._case(judgement, self.seed, rng), verdicts)
        return verdicts

    def _case(self, judgement: Judgement, seed: Seed, rng: np.random.Generator) -> Case:
        def ask(
            there: Subject, lines: list[Line], claims: np.ndarray, probes: list[Probe]
        ) -> Judgement:
            return Question(there, lines, claims, probes, self.rtol, sharp=self.sharp).answer()

        scales = leaf_scales(self.subject)
        return Case(self.subject, self.lines, self.probes, judgement, seed, ask, scales, rng)

    def _excuse(
        self, verdicts: np.ndarray, judgement: Judgement, rng: np.random.Generator
    ) -> None:
        """Call a kink what is the slope nearby though not here: of a median at a triple tie.

        Along each axis such a function may have a derivative, and still it has none.
        """
        wrong = (verdicts == WRONG) & ~judgement.slopes.kink & np.isfinite(self.claims)
        innocent = 0
        for i in np.flatnonzero(wrong.any(axis=1)):
            legal = wrong[i] & excused(*self._around(int(i)), rng)
            verdicts[i] = np.where(legal, KINK, verdicts[i])
            innocent += not legal.any()
            if innocent == ACCUSED:
                break

    def possible(self, i: int, rng: np.random.Generator) -> np.ndarray:
        """Whether the claims along one line are slopes of the function around the point."""
        return possible(*self._around(i), rng)

    def _around(self, i: int) -> tuple[Subject, Line, Probe, np.ndarray, np.ndarray]:
        scales = leaf_scales(self.subject)
        return self.subject, self.lines[i], self.probes[i], self.claims[i], scales
