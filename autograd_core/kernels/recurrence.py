"""First-order linear recurrences along rows: what products of many factors are differentiated by.

Every step needs the one before, so NumPy has no pass for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import compile_loop

__all__ = ["recurrence"]

FORWARDS = """
def recurrence_rows(a, b, y, n):
    for start in range(0, y.size, n):
        y[start] = b[start]
        for i in range(start + 1, start + n):
            y[i] = fma(a[i], y[i - 1], b[i])
"""
BACKWARDS = """
def recurrence_rows_reversed(a, b, y, n):
    for start in range(0, y.size, n):
        y[start + n - 1] = b[start + n - 1]
        for i in range(start + n - 2, start - 1, -1):
            y[i] = fma(a[i + 1], y[i + 1], b[i])
"""


def recurrence(a: Any, b: Any, reverse: bool = False) -> np.ndarray:
    """Return y with yᵢ = aᵢ yᵢ₋₁ + bᵢ along the last axis, or yᵢ = aᵢ₊₁ yᵢ₊₁ + bᵢ in reverse.

    Examples
    --------
    >>> recurrence(np.array([2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0]))
    array([ 1.,  4., 17.])
    """
    dtype = np.result_type(a, b)
    a, b = (np.asarray(array, dtype) for array in np.broadcast_arrays(a, b))
    y = np.empty(a.shape, dtype)
    if y.size:
        loop = BACKWARDS if reverse else FORWARDS
        kernel = _loops.get((loop, dtype)) or _compile(loop, dtype)
        kernel(a.ravel(), b.ravel(), y.ravel(), y.shape[-1])
    return y


def _compile(loop: str, dtype: np.dtype[Any]) -> Any:
    arrays = ", ".join([f"{dtype}[::1]"] * 3)
    kernel = compile_loop(loop, dtype.name, f"({arrays}, intp)")
    return _loops.setdefault((loop, dtype), kernel)


_loops: dict[tuple[str, np.dtype[Any]], Any] = {}
