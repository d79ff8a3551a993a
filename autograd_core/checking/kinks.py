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

from typing import Any

import numpy as np

from .climb import Line, Probe
from .subject import Subject

__all__ = ["excused", "possible"]

POINTS = 64
STRAIGHT = (-48.0, -16.0, 16.0, 48.0)  # and points on the line itself, in steps
FEW = 4  # different slopes; the corner of two kinks has no more
SPREAD = 64.0  # the points are spread over this many times the step of their slopes
UNSEEN = 0.25  # of the range of many slopes, by which the largest may be missed
SLACK = 1e-3
NOISY = 0.75  # the power of the step with which slopes vary that are mostly noise
TINY = float(np.finfo(float).tiny)
CLOSE = 0.65  # the power of the machine epsilon that is a very small step


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
    low, high, slack = _range(subject, line, probe, scales, rng, subject.unit**0.5)
    # Without a neighbour in the domain nothing speaks against a claim.
    return np.isnan(low) | ((claims >= low - slack) & (claims <= high + slack))


def excused(
    subject: Subject,
    line: Line,
    probe: Probe,
    claims: np.ndarray,
    scales: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Whether claims are slopes at points very close by, where these are not all the same.

    Where the function is differentiable, they are. At the median of three equal numbers they are
    not, although the derivative along each axis exists there.
    """
    small = np.abs(line.weights).max() < 1.0  # then the line's scale is 1, not the size of x
    near = Line(line.where, line.weights * (line.other if small else 1.0))
    scales = np.where(subject.point == 0.0, scales, np.abs(subject.point))
    close = subject.unit**CLOSE
    low, high, slack = _range(subject, near, probe, scales, rng, close)
    if not (high - low > 2.0 * slack).any():
        return np.zeros(claims.shape, bool)
    wide = subject.unit**0.5
    wide_low, wide_high, _ = _range(subject, near, probe, scales, rng, wide)
    # What is due to curvature shrinks with the distance, and what is due to noise grows.
    change = (high - low) / np.fmax(wide_high - wide_low, TINY)
    sudden = (high - low > 2.0 * slack) & (change > 0.5) & (change < (wide / close) ** NOISY)
    scaled = claims * line.other if small else claims
    return sudden & (scaled >= low - slack) & (scaled <= high + slack)


def _range(
    subject: Subject,
    line: Line,
    probe: Probe,
    scales: np.ndarray,
    rng: np.random.Generator,
    step: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least and the largest slope around the point, and by how much they are vague."""
    slopes: list[np.ndarray] = []
    noise: Any = 0.0
    offsets = [SPREAD * step * scales * rng.uniform(-1, 1, len(scales)) for _ in range(POINTS)]
    for along in STRAIGHT:
        offsets.append(np.zeros(len(scales)))
        offsets[-1][line.where] = along * step * line.weights
    for offset in offsets:
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
    return low, high, np.where(distinct > FEW, slack + UNSEEN * (high - low), slack)
