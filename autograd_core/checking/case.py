"""A case against claims: what was measured, and the means to ask and to measure elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .climb import Line, Probe
from .judge import Judgement
from .subject import Subject

__all__ = ["Case", "Pair", "Seed"]

Pair = tuple[int, int]  # a line and an output
Seed = Callable[[int, int], np.ndarray]  # the cotangent that belongs to a line and an output
Ask = Callable[[Subject, list[Line], np.ndarray, list[Probe]], Judgement]

OTHER = 0.83  # of a line's scale, to measure at other steps


@dataclass
class Case:
    """What there is to look at before a claim is accused.

    Attributes
    ----------
    subject : Subject
    lines : list of Line
    probes : list of callable
        One per line.
    judgement : Judgement
        All that was measured along the lines.
    seed : callable
        Gives the cotangent that belongs to a pair.
    ask : callable
        Measures along lines of a subject.
    scales : ndarray
        By how much each entry may move for a distance of 1.
    rng : Generator
    """

    subject: Subject
    lines: list[Line]
    probes: list[Probe]
    judgement: Judgement
    seed: Seed
    ask: Ask
    scales: np.ndarray
    rng: np.random.Generator

    def claims_at(self, flat: np.ndarray, pairs: Sequence[Pair]) -> np.ndarray:
        """Return what is claimed at one point, for pairs of a line and an output."""
        found = self.pulled_at(self.subject, flat, pairs)
        return np.array([_along(g, self.lines[i]) for g, (i, _) in zip(found, pairs, strict=True)])

    def pulled_at(
        self, subject: Subject, flat: np.ndarray, pairs: Sequence[Pair]
    ) -> list[np.ndarray]:
        """Return the gradients that belong to pairs, each asked for once."""
        keys = [np.asarray(self.seed(*pair), float).tobytes() for pair in pairs]
        unique = list(dict.fromkeys(keys))
        pulled = subject.pulls_at(flat, [np.frombuffer(key) for key in unique])
        found = dict(zip(unique, pulled, strict=True))
        return [found[key] for key in keys]

    def measure(
        self, there: Subject, where: Sequence[int], claims: np.ndarray, probes: list[Probe]
    ) -> Judgement:
        """Measure along some of the lines through the point of another subject."""
        return self.ask(there, [self.lines[i] for i in where], claims, probes)

    def again(
        self, there: Subject, where: Sequence[int], claims: np.ndarray, probes: list[Probe]
    ) -> Judgement:
        """Measure at other steps; the results are `OTHER` times as large."""
        lines = [self.lines[i] for i in where]
        lines = [Line(line.where, OTHER * line.weights, line.other) for line in lines]
        return self.ask(there, lines, OTHER * claims, probes)


def _along(gradient: np.ndarray, line: Line) -> float:
    return float(gradient[line.where] @ line.weights)
