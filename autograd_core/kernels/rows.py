"""Softmax, its logarithm and the cross-entropy, with their pullbacks: one loop per short row.

A short row (ten classes, say) costs NumPy half a dozen passes of a few elements each; fused it is
two to four times faster. Reductions do not vectorize under strict arithmetic, so from LONG
elements a row on NumPy's passes win, and are used. Rows are shifted by their maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import compile_loop
from .threads import LARGE, spread

__all__ = [
    "cross_entropy",
    "cross_entropy_pull",
    "log_softmax",
    "log_softmax_pull",
    "softmax",
    "softmax_pull",
]

LONG = 48

# Rows are done in blocks, pass by pass, because ten numbers fill no vector and a block's do. What
# four of the loops begin a block with: the exponentials of each row, shifted by its maximum.
EXPONENTIALS = """
    for first in range(0, rows, 64):
        last = min(first + int(64), rows)
        for i in range(first, last):
            top = x[i * n]
            for j in range(i * n, i * n + n):
                top = x[j] if x[j] > top else top
            for j in range(i * n, i * n + n):
                e[j] = x[j] - top{shifted}
        for j in range(first * n, last * n):
            e[j] = exp_scaled(e[j], -0.0) * UNSCALE
        for i in range(first, last):
            total = 0.0
            for j in range(i * n, i * n + n):
                total += e[j]"""
SOFTMAX = f"""
def softmax_rows(x, e, n):
    rows = x.size // n{EXPONENTIALS.format(shifted="")}
            for j in range(i * n, i * n + n):
                e[j] = e[j] / total
"""
LOG_SOFTMAX = f"""
def log_softmax_rows(x, e, n):
    rows = x.size // n{EXPONENTIALS.format(shifted="")}
            shift = log(total)
            top = x[i * n]
            for j in range(i * n, i * n + n):
                top = x[j] if x[j] > top else top
            for j in range(i * n, i * n + n):
                e[j] = (x[j] - top) - shift
"""
SOFTMAX_PULL = """
def softmax_rows_pull(ct, y, out, n):
    for start in range(0, y.size, n):
        total = 0.0
        for j in range(start, start + n):
            total += ct[j] * y[j]
        for j in range(start, start + n):
            out[j] = y[j] * (ct[j] - total)
"""
LOG_SOFTMAX_PULL = """
def log_softmax_rows_pull(ct, y, out, n):
    for start in range(0, y.size, n):
        total = 0.0
        for j in range(start, start + n):
            total += ct[j]
        for j in range(start, start + n):
            out[j] = ct[j] - exp_scaled(y[j], -0.0) * UNSCALE * total
"""
# Σ q (log total - shifted) = log total Σ q - Σ q shifted loses no digit: no term is negative.
# The softmax stays in `e`, for who wants the pullback, too.
SHIFTED = """
            out[i] = 0.0
            for j in range(i * n, i * n + n):
                out[i] += q[j] * e[j] if q[j] != 0.0 else 0.0"""
CROSS_ENTROPY = f"""
def cross_entropy_rows(x, q, e, totals, out, n):
    rows = out.size{EXPONENTIALS.format(shifted=SHIFTED)}
            totals[i] = total
            for j in range(i * n, i * n + n):
                e[j] = e[j] / total
        for i in range(first, last):
            totals[i] = log(totals[i])
        for i in range(first, last):
            weight = 0.0
            for j in range(i * n, i * n + n):
                weight += q[j]
            out[i] = (totals[i] * weight if weight != 0.0 else 0.0) - out[i]
"""
CROSS_ENTROPY_PULL = f"""
def cross_entropy_rows_pull(x, q, ct, e, n):
    rows = ct.size{EXPONENTIALS.format(shifted="")}
            weight = 0.0
            for j in range(i * n, i * n + n):
                weight += q[j]
            for j in range(i * n, i * n + n):
                slope = e[j] / total * weight - q[j]
                e[j] = ct[i] * slope if ct[i] != 0.0 and slope != 0.0 else 0.0
"""
CROSS_ENTROPY_PULL_OF_SOFTMAX = """
def cross_entropy_rows_pull_of_softmax(p, q, ct, out, n):
    for i in range(ct.size):
        weight = 0.0
        for j in range(i * n, i * n + n):
            weight += q[j]
        for j in range(i * n, i * n + n):
            slope = p[j] * weight - q[j]
            out[j] = ct[i] * slope if ct[i] != 0.0 and slope != 0.0 else 0.0
"""


def softmax(x: Any, axis: int = -1) -> Any:
    """Return eˣ / Σ eˣ along an axis.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0], [1000.0, -1000.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    if _is_short(x, axis):
        return _run(SOFTMAX, axis, x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return x - log Σ eˣ along an axis."""
    if _is_short(x, axis):
        return _run(LOG_SOFTMAX, axis, x)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def softmax_pull(ct: Any, y: Any, axis: int = -1) -> Any:
    """Return y (ct - Σ ct y), the pullback of y = softmax(x)."""
    if _is_short(y, axis) and _is_alike(ct, y):
        return _run(SOFTMAX_PULL, axis, ct, y)
    return y * (ct - np.sum(ct * y, axis=axis, keepdims=True))


def log_softmax_pull(ct: Any, y: Any, axis: int = -1) -> Any:
    """Return ct - eʸ Σ ct, the pullback of y = log_softmax(x)."""
    if _is_short(y, axis) and _is_alike(ct, y):
        return _run(LOG_SOFTMAX_PULL, axis, ct, y)
    return ct - np.exp(y) * np.sum(ct, axis=axis, keepdims=True)


def cross_entropy(z: Any, q: Any) -> Any:
    """Return -Σ q log softmax(z) over the last axis."""
    if not (_is_short(z, -1) and _is_alike(q, z)):
        return -np.sum(q * np.where(q == 0, 0, log_softmax(z, -1)), axis=-1)
    out = np.empty(z.shape[:-1], z.dtype)
    kernel = _loops.get((CROSS_ENTROPY, z.dtype)) or _compile(CROSS_ENTROPY, z.dtype, 4)
    totals = np.empty(out.size, z.dtype)
    kernel(z.ravel(), q.ravel(), np.empty(z.size, z.dtype), totals, out.ravel(), z.shape[-1])
    return out


def cross_entropy_pull(ct: Any, z: Any, q: Any) -> Any:
    """Return ct (softmax(z) Σ q - q), the pullback of the cross-entropy for z."""
    if not (_is_short(z, -1) and _is_alike(q, z) and getattr(ct, "dtype", None) == z.dtype):
        slope = softmax(z, -1) * np.sum(q, axis=-1, keepdims=True) - q
        ct = np.asarray(ct)[..., None]
        with np.errstate(invalid="ignore"):
            return np.where((ct == 0) | (slope == 0), 0, ct * slope)
    out = np.empty(z.shape, z.dtype)
    loop = CROSS_ENTROPY_PULL
    kernel = _loops.get((loop, z.dtype)) or _compile(loop, z.dtype, 3)
    kernel(z.ravel(), q.ravel(), ct.ravel(), out.ravel(), z.shape[-1])
    return out


def _is_short(x: Any, axis: int) -> bool:
    return (
        type(x) is np.ndarray
        and x.dtype in _DTYPES
        and -x.ndim <= axis < x.ndim
        and 0 < x.shape[axis] < LONG
    )


def _is_alike(ct: Any, y: np.ndarray) -> bool:
    return type(ct) is np.ndarray and ct.dtype == y.dtype and ct.shape == y.shape


def _run(loop: str, axis: int, *arrays: np.ndarray) -> np.ndarray:
    if axis not in (-1, arrays[0].ndim - 1):
        last = _run(loop, -1, *(np.moveaxis(array, axis, -1) for array in arrays))
        return np.ascontiguousarray(np.moveaxis(last, -1, axis))
    out = np.empty(arrays[0].shape, arrays[0].dtype)
    kernel = _loops.get((loop, out.dtype)) or _compile(loop, out.dtype, len(arrays))
    if out.size >= LARGE:
        kernel = spread(kernel, len(arrays) + 1, out.shape[-1])
    kernel(*(array.ravel() for array in arrays), out.ravel(), out.shape[-1])
    return out


def _compile(loop: str, dtype: np.dtype[Any], inputs: int) -> Any:
    arrays = ", ".join([f"{dtype}[::1]"] * (inputs + 1))
    kernel = compile_loop(loop, dtype.name, f"({arrays}, intp)")
    return _loops.setdefault((loop, dtype), kernel)


_DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}
_loops: dict[tuple[str, np.dtype[Any]], Any] = {}
