"""Evaluate a subject along lines through its point, on as many rungs as the question needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .judge import SHARP, USELESS, Judgement
from .ladder import Rungs, Slopes
from .subject import Subject

__all__ = ["FAST", "STAGES", "Line", "Probe", "Stage", "climb", "values_along"]

RATIO = 8.0
NEAR = 0.125 * RATIO ** -np.arange(6.0)


class Stage(NamedTuple):
    """Rungs to add, in units of a line's own scale, of its other one, or of the claimed one."""

    steps: np.ndarray
    unit: str = "own"


# Most functions are done with the first. Where the scales are the same, the second adds the rungs
# in between; the fourth is for functions that hardly vary, the fifth for the edge of a domain very
# close by, the sixth for a tiny entry whose share of a sum is mostly round-off (as the root of
# 1e-24 beside 1), the last for those that vary so quickly that only the claim can tell at which
# scale.
STAGES = (
    Stage(NEAR),
    Stage(NEAR * RATIO**-0.5, "other"),
    Stage(NEAR * RATIO ** -len(NEAR)),
    Stage(RATIO ** np.array([0.0, 1.0])),
    Stage(NEAR[:3] * RATIO ** (-2.0 * len(NEAR))),  # further ones move by single roundings
    Stage(0.35 * 2.0 ** (-0.5 * np.arange(6.0)), "tiny"),
    Stage(NEAR, "claimed"),
)
BLUNT = 1 / 3  # the power of the machine epsilon that an error bound must reach in the end
# In single precision most of the first rungs are lost in round-off: long steps, close together.
LONG = Stage(0.35 * 2.0 ** (-0.5 * np.arange(6.0)))
COARSE = 1e-10  # machine epsilons above this are those of single precision and less
SMALL = 1e-3  # a second scale this far below the first is looked at for itself
HINTED = 1e-11  # a scale that a claim hints at is new if it is below this
BEYOND = 1e3  # times what was measured: a claim that may know of a scale that no step has seen
# Four rungs that reach as far, for directions that have to make do with few evaluations; the
# second four lie between and below.
FAST = (Stage(NEAR[1] * 22.0 ** -np.arange(4.0)), Stage(NEAR[2] * 22.0 ** -np.arange(4.0)))
Probe = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Line:
    """A direction: which entries of the point move, and by how much for a parameter of 1.

    `other` is a second scale at which the function may vary, relative to the first: an entry of
    size 1e-8 may matter to within 1 (as in cos) or to within 1e-8 (as in log).
    """

    where: np.ndarray
    weights: np.ndarray
    other: float = 1.0

    def unit(self, stage: Stage) -> float:
        """Return the parameter that a stage's steps are multiples of."""
        return self.other if stage.unit in ("other", "tiny") else 1.0

    def move(self, subject: Subject, t: float) -> tuple[np.ndarray, float]:
        """Return by how much the entries move for a parameter, and what it is after rounding."""
        flat = subject.point.copy()
        flat[self.where] += t * self.weights
        moved = subject.rounded(flat)[self.where] - subject.point[self.where]
        size = np.abs(self.weights).max()
        unit = self.weights / size
        return moved, float(moved @ unit / (unit @ unit) / size)


def climb(
    subject: Subject,
    lines: list[Line],
    probes: list[Probe],
    centre: np.ndarray,
    judge: Callable[[np.ndarray, Slopes], Judgement],
    stages: Sequence[Stage] = STAGES,
    sharp: float = SHARP,
) -> Slopes:
    """Return the slopes along `lines`, going on to further rungs where a judgement is open.

    Parameters
    ----------
    subject : Subject
    lines : list of Line
    probes : list of callable
        One per line: what to look at in the outputs, and the size of the numbers rounded in it.
    centre : ndarray, shape (lines, outputs)
        What the probes show at the point itself.
    judge : callable
        Gives the judgement for some of the lines (an index array) on what has been measured.
    stages : sequence of Stage
    sharp : float
        See `Judgement.settled`.
    """
    if stages is STAGES and subject.unit > COARSE:
        stages = (STAGES[0], LONG, *STAGES[1:])
    active = np.arange(len(lines))
    floor = max(1.0, float(np.abs(subject.point).max()))
    rungs: Rungs | None = None
    slopes: Slopes | None = None
    for stage in stages:
        units = [lines[i].unit(stage) for i in active]
        if stage.unit == "claimed" and slopes is not None:
            units, open_ = _hinted(judge(active, slopes.take(active)))
            active, rungs = active[open_], rungs.take(open_) if rungs else None
            if not len(active):
                break
        if stage.unit == "tiny":
            tiny = np.array([lines[i].other < SMALL for i in active])
            if not tiny.any():
                continue
        chosen = [(lines[i], probes[i]) for i in active]
        new = _stage(subject, chosen, stage.steps, units)
        rungs = new if rungs is None else rungs.merge(new)
        found = rungs.slopes(centre[active], subject.unit, floor)
        if slopes is None:
            slopes = found
        slopes.put(active, found)
        judgement = judge(active, found)
        power = sharp if stage is STAGES[0] or stage is LONG else BLUNT
        # Finer steps than those in between are for disagreements: noise rules there.
        settled = judgement.settled(subject.unit, power)
        if stage is STAGES[0]:  # a derivative that is small at large may be one of small numbers
            small = np.array([lines[i].other < SMALL for i in active])
            settled &= ~small[:, None] | judgement.resolved
        open_ = np.flatnonzero(~settled.all(axis=1))
        active, rungs = active[open_], rungs.take(open_)
        if not len(active):
            break
    assert slopes is not None
    return slopes


def _hinted(judgement: Judgement) -> tuple[list[float], np.ndarray]:
    """Return the scales over which claims cross the range of values, and of which lines.

    They help where nothing was measured, or next to nothing, because all steps were far too long.
    """
    slopes = judgement.slopes
    claims = np.where(np.isfinite(judgement.claims), np.abs(judgement.claims), 0.0)
    seen = np.fmax(np.abs(slopes.centre.value), slopes.variation)
    unknown = ~(slopes.centre.error <= USELESS * seen) | (claims > BEYOND * seen)
    unknown &= claims > 0.0
    hints = slopes.finest / np.where(unknown, claims, np.inf)
    hints = np.where((hints > 0.0) & (hints < HINTED), hints, np.inf).min(axis=1)
    open_ = np.flatnonzero(np.isfinite(hints))
    return hints[open_].tolist(), open_


def _stage(
    subject: Subject, chosen: list[tuple[Line, Probe]], steps: np.ndarray, units: list[float]
) -> Rungs:
    columns = [
        [values_along(subject, line, probe, t * unit) for t in steps]
        for (line, probe), unit in zip(chosen, units, strict=True)
    ]
    parts = [np.array([[rung[k] for rung in column] for column in columns]) for k in range(4)]
    return Rungs(*(np.swapaxes(part, 0, 1) for part in parts))


def values_along(
    subject: Subject, line: Line, probe: Probe, t: float
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return the step, and what a probe shows on both sides, with the size of its numbers."""
    moved, step = line.move(subject, t)
    if step == 0.0:  # below the resolution of the input
        nothing, scale = probe(np.full(subject.width, np.nan))
        return math.nan, nothing, nothing, scale
    # Back by what the numbers really moved: central differences must be symmetric.
    plus, scale_plus = probe(_value(subject, line, moved))
    minus, scale_minus = probe(_value(subject, line, -moved))
    return step, plus, minus, np.fmax(scale_plus, scale_minus)


def _value(subject: Subject, line: Line, moved: np.ndarray) -> np.ndarray:
    flat = subject.point.copy()
    flat[line.where] += moved
    return subject.near(flat)
