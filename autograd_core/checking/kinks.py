"""At a kink there is no derivative to compare with: whether the claim is one of the slopes.

A subgradient in Clarke's sense is a mean of the gradients at the differentiable points nearby.
Along any direction it therefore lies between the least and the largest slope that the function has
around the point. This also sees what no single entry shows: at a tie of max(x, y), (1, 1) claims a
legal slope for x and for y, but 2 along the diagonal, where every slope nearby is 1.

References
----------
Clarke (1990), Optimization and Nonsmooth Analysis, theorem 2.5.1.
"""

from __future__ import annotations

import numpy as np

from .climb import Line, Probe
from .subject import Subject

__all__ = ["possible"]

POINTS = 32
FEW = 4  # different slopes; the corner of two kinks has no more
SPREAD = 64.0  # the points are spread over this many times the step of their slopes
SLACK = 1e-2


def possible(
    subject: Subject,
    line: Line,
    probe: Probe,
    claims: np.ndarray,
    scales: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Whether claims lie among the slopes along `line` at random points around, by output.

    Parameters
    ----------
    claims : ndarray, shape (outputs,)
    scales : ndarray, shape (inputs,)
        By how much the entries of the point may move for a parameter of 1.
    """
    step = subject.unit**0.5
    slopes, noise = [], 0.0
    for _ in range(POINTS):
        offset = SPREAD * step * scales * rng.uniform(-1.0, 1.0, len(scales))
        ahead, behind = subject.point + offset, subject.point + offset
        ahead[line.where] += step * line.weights
        behind[line.where] -= step * line.weights
        (plus, scale), (minus, _) = probe(subject.near(ahead)), probe(subject.near(behind))
        slopes.append((plus - minus) / (2.0 * step))
        noise = np.fmax(noise, 4.0 * subject.unit * scale / step)
    low, high = np.fmin.reduce(slopes), np.fmax.reduce(slopes)
    slack = noise + SLACK * np.fmax(np.abs(low), np.abs(high))
    # Where many kinks meet, the points show many slopes but not all.
    distinct = 1 + (np.diff(np.sort(slopes, axis=0), axis=0) > slack).sum(axis=0)
    slack = np.where(distinct > FEW, slack + high - low, slack)
    # Without a neighbour in the domain nothing speaks against a claim.
    return np.isnan(low) | ((claims >= low - slack) & (claims <= high + slack))
