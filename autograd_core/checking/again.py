"""Measured again: what is not the same at other steps, or drowns in noise, cannot accuse.

Steps may be so short that a part of what is rounded on the way to a value does not move. Then the
slope is sharp and false: it belongs to another input, a rounding away. So the values are taken to
be as noisy as rounding of the inputs would make them by what is claimed, and, for a second look,
as rounding of the largest output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .case import OTHER, Case, Pair
from .climb import Probe
from .judge import WRONG, Judgement
from .subject import Subject

__all__ = ["confirmed", "same", "sensitive"]

APART = 3.0  # error bounds


def confirmed(case: Case, accused: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that are wrong at other steps, too."""
    where = sorted({i for i, _ in accused})
    probes = sensitive(case, case.subject, accused)
    claims = case.judgement.claims[where]
    again = case.again(case.subject, where, claims, probes)
    coarse = case.again(case.subject, where, claims, list(map(_coarse, probes))).verdicts()
    places = {pair: (where.index(pair[0]), pair[1]) for pair in accused}
    return [
        pair
        for pair, at in places.items()
        if coarse[at] == WRONG and same(case.judgement, pair, again, at)
    ]


def same(one: Judgement, i: Pair, other: Judgement, k: Pair) -> bool:
    """Whether two measurements, the other at other steps, both say that a claim is wrong."""
    first, second = one.slopes.centre, other.slopes.centre
    gap = abs(first.value[i] - second.value[k] / OTHER)
    apart = gap > APART * (first.error[i] + second.error[k] / OTHER)
    return bool(other.verdicts()[k] == WRONG and not apart)


def sensitive(case: Case, there: Subject, pairs: Sequence[Pair]) -> list[Probe]:
    """Return the probes of the lines of the pairs, in order, with noise that comes from inputs."""
    floors: dict[int, dict[int, float]] = {i: {} for i in sorted({i for i, _ in pairs})}
    for (i, o), gradient in zip(pairs, case.pulled_at(there, there.point, pairs), strict=True):
        moved = np.where(np.isfinite(gradient), gradient, 0.0) * there.point
        floors[i][o] = float(np.abs(moved).max())
    return [_noisy(case.probes[i], floor) for i, floor in floors.items()]


def _noisy(probe: Probe, floors: dict[int, float]) -> Probe:
    """Take some of the outputs to be rounded as larger numbers are."""
    outputs, least = list(floors), np.array(list(floors.values()))

    def noisy(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, size = probe(values)
        size = np.array(size, float)
        size[outputs] = np.fmax(size[outputs], least)
        return seen, size

    return noisy


def _coarse(probe: Probe) -> Probe:
    """Take every output to be as noisy as the largest."""

    def rough(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, size = probe(values)
        return seen, np.full_like(size, np.fmax.reduce(size))

    return rough
