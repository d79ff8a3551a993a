"""What kernels have as single instructions, in plain Python: for running their text uncompiled."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

__all__ = ["fma", "select"]


def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a b + c rounded once, in the type of `c`; kernels have it under the same name."""
    try:
        return type(c)(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))
    except (OverflowError, ValueError):  # infinite or not a number
        return a * b + c


def select(condition: Any, a: Any, b: Any) -> Any:
    """Return `a` where the condition holds, `b` elsewhere; kernels have it without a branch."""
    return a if condition else b
