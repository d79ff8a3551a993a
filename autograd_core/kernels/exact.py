"""What kernels have as single instructions, in plain Python: for running their text uncompiled."""

from __future__ import annotations

import ctypes
from fractions import Fraction
from operator import index
from typing import Any

import numpy as np

__all__ = [
    "by_vectors",
    "called",
    "drained",
    "fma",
    "long_round",
    "select",
    "sum_reordered",
    "view",
]


def by_vectors() -> None:
    """Say that the loop is along rows of some length: kernels do not write it out."""


def called(address: Any, state: Any, dtype: Any) -> Any:
    """Return what the C function at an address makes of a pointer, a number of a dtype."""
    kind = np.ctypeslib.as_ctypes_type(dtype)
    return dtype(ctypes.CFUNCTYPE(kind, ctypes.c_void_p)(index(address))(index(state)))


def drained() -> None:
    """Let other threads see what kernels have written past the caches."""


def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a b + c rounded once, in the type of `c`; kernels have it under the same name."""
    try:
        return type(c)(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))
    except (OverflowError, ValueError):  # infinite or not a number
        return a * b + c


def long_round() -> None:
    """Say that a round of the loop is one long chain: kernels do more of them side by side."""


def select(condition: Any, a: Any, b: Any) -> Any:
    """Return `a` where the condition holds, `b` elsewhere; kernels have it without a branch."""
    return a if condition else b


def sum_reordered(a: Any, b: Any) -> Any:
    """Return a + b; in a kernel, a loop that does so may add in any order."""
    return a + b


def view(address: Any, n: Any, dtype: Any) -> Any:
    """Return the `n` numbers at an address as an array, which does not keep them alive."""
    numbers = ctypes.c_char * (index(n) * np.dtype(dtype).itemsize)
    return np.ndarray(n, dtype, numbers.from_address(index(address)))
