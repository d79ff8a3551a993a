"""Errors that have a name: recognised in the shapes and in the numbers of wrong derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .subject import Place

__all__ = ["diagnose", "factor", "shape_pattern"]


def shape_pattern(name: str, got: tuple[int, ...], want: tuple[int, ...]) -> str:
    """Say that a derivative has the wrong shape, and how that may have come."""
    text = f"the derivative by {name} has shape {got}, {name} has {want}"
    if len(got) >= 2 and got[::-1] == want:
        return f"{text}: it is transposed"
    try:
        broadcast = np.broadcast_shapes(got, want) == got
    except ValueError:
        return text
    return f"{text}: missing the broadcast sum" if broadcast else text


def diagnose(
    claims: np.ndarray,
    measured: np.ndarray,
    wrong: np.ndarray,
    inputs: list[Place],
    outputs: Sequence[Place] = (),
) -> str:
    """Recognise what went wrong, from all claims and measurements, shape (inputs, outputs)."""
    guilty = [place for place in inputs if wrong[place.start : place.stop].any()]
    for place in guilty:
        for other in guilty:
            if place.start < other.start and _swapped(claims, measured, place, other):
                return f"the derivatives by {place.name} and {other.name} are swapped"
    for place in guilty:
        part = slice(place.start, place.stop)
        if len(place.shape) == 2 and _transposed(claims[part], measured[part], place.shape):
            return f"the derivative by {place.name} is transposed"
    names = " and ".join(place.name for place in guilty)
    missing = _missing(claims, measured, wrong, guilty, inputs)
    if missing:
        return missing
    found = factor(
        claims[wrong], measured[wrong], [n for p in (*guilty, *outputs) for n in p.shape]
    )
    return f"the derivative by {names} {found}" if found else ""


def _missing(
    claims: np.ndarray,
    measured: np.ndarray,
    wrong: np.ndarray,
    guilty: list[Place],
    inputs: list[Place],
) -> str:
    """Recognise zeros in place of derivatives: by a whole operand, or of some of the outputs."""
    if not guilty or claims[wrong].any():
        return ""
    names = " and ".join(place.name for place in guilty)
    parts = [slice(place.start, place.stop) for place in guilty]
    if not any(claims[part].any() for part in parts):
        if len(guilty) == len(inputs):
            return ""
        return f"one operand's gradient is missing: that by {names} is claimed to be zero"
    # Each entry reaches several outputs, and one of them is right.
    if all(((measured[p] != 0.0).sum(1) > 1).all() and claims[p].any(1).all() for p in parts):
        return f"the derivative by {names} lacks some outputs: missing the broadcast sum"
    return ""


def factor(claims: np.ndarray, measured: np.ndarray, lengths: list[int]) -> str:
    """Describe one factor between all claims and what was measured, if there is one."""
    if not len(claims):
        return ""
    if not np.all(np.isfinite(claims)):
        return "is claimed to be infinite or not a number"
    if not claims.any():
        return "is claimed to be zero: is a path missing?"
    if _single(claims, measured):
        return "is rounded to single precision"
    size = np.abs(measured).max()
    if not 0.0 < size < np.inf:
        return ""
    claims, measured = claims / size, measured / size  # squares shall not overflow
    ratio = float(claims @ measured / (measured @ measured))
    rest = np.linalg.norm(claims - ratio * measured)
    off = min(1e-3, 0.1 * abs(abs(ratio) - 1.0)) if ratio > 0 else 1e-3
    if not 0.0 < abs(ratio) < np.inf or rest > off * np.linalg.norm(claims):
        return ""
    return _named(ratio, lengths)


def _single(claims: np.ndarray, measured: np.ndarray) -> bool:
    rounded = np.array_equal(claims, claims.astype(np.float32).astype(float))
    return rounded and bool((np.abs(claims - measured) <= 2e-7 * np.abs(measured)).all())


def _named(ratio: float, lengths: list[int]) -> str:
    if abs(abs(ratio) - 1.0) < 0.2:
        percent = abs(abs(ratio) - 1.0) * 100
        amount = f"{percent:.2g} % too {'large' if abs(ratio) > 1 else 'small'}"
        sign = "has its sign flipped" if ratio < 0 else ""
        return f"{sign or 'is ' + amount}" if percent < 0.05 or not sign else f"{sign}, {amount}"
    size = max(abs(ratio), 1 / abs(ratio))
    sign = ", with the sign flipped" if ratio < 0 else ""
    text = f"is off by a factor {size:.4g}: too {'large' if abs(ratio) > 1 else 'small'}{sign}"
    summed = abs(size - round(size)) < 1e-3 and round(size) in lengths
    return f"{text}; it is the length of an axis, is a sum or a mean wrong?" if summed else text


def _transposed(claims: np.ndarray, measured: np.ndarray, shape: tuple[int, ...]) -> bool:
    rows, columns = shape
    outputs = claims.shape[1]
    turned = claims.reshape(columns, rows, outputs).swapaxes(0, 1)
    return _alike(turned, measured.reshape(rows, columns, outputs))


def _swapped(claims: np.ndarray, measured: np.ndarray, a: Place, b: Place) -> bool:
    one, two = slice(a.start, a.stop), slice(b.start, b.stop)
    if a.shape != b.shape:
        return False
    return _alike(claims[one], measured[two]) and _alike(claims[two], measured[one])


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b))
