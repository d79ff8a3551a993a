"""Arithmetic and choices between two numbers, as scalar functions with NumPy's rules for NaN."""

from __future__ import annotations

import numpy as np

from .formats import F


def pulled(ct, slope):
    """ct slope, in which an exact zero wins over an infinity; so does ct = 0 over any slope."""
    zero = (ct == 0.0) | ((slope == 0.0) & (ct == ct))
    return 0.0 if zero else ct * slope


def weakly_pulled(ct, slope):
    """ct slope, where somebody looks at what becomes of it, and sweeps again at a NaN."""
    return ct * slope


def strong_multiply(x, y):
    """x y, in which a factor that is exactly zero wins over infinity and NaN."""
    product = x * y
    zero = (x == 0.0) | (y == 0.0)
    return 0.0 if zero & (product != product) else product


def strong_divide(x, y):
    """x / y, in which a factor that is exactly zero, x or 1 / y, wins over infinity and NaN."""
    quotient = x / y
    zero = (x == 0.0) | (abs(y) == F(np.inf))
    return 0.0 if zero & (quotient != quotient) else quotient


def maximum(x, y):
    """The larger of two; NaN wins."""
    return x if (x >= y) | (x != x) else y


def minimum(x, y):
    """The smaller of two; NaN wins."""
    return x if (x <= y) | (x != x) else y


def fmax(x, y):
    """The larger of two; NaN loses."""
    return x if (x >= y) | (y != y) else y


def fmin(x, y):
    """The smaller of two; NaN loses."""
    return x if (x <= y) | (y != y) else y


def sign(x):
    """-1, 0 or 1; NaN at NaN."""
    rest = x if x != x else 0.0
    rest = -1.0 if x < 0.0 else rest
    return 1.0 if x > 0.0 else rest


def heaviside(x, y):
    """0 where x < 0, y where x = 0, 1 where x > 0; NaN at NaN."""
    rest = y if x == 0.0 else x
    rest = 0.0 if x < 0.0 else rest
    return 1.0 if x > 0.0 else rest


def remainder(x, y):
    """Remainder of x / y with the sign of y; the C library's fmod does the work."""
    rest = np.fmod(x, y)
    turned = rest + y if (rest < 0.0) != (y < 0.0) else rest
    return np.copysign(0.0, y) if rest == 0.0 else turned


def floor_divide(x, y):
    """The largest integer <= x / y, with NumPy's rounding."""
    rest = np.fmod(x, y)
    quotient = (x - rest) / y
    quotient = quotient - 1.0 if (rest != 0.0) & ((rest < 0.0) != (y < 0.0)) else quotient
    below = np.floor(quotient)
    below = below + 1.0 if quotient - below > 0.5 else below
    below = np.copysign(0.0, x / y) if quotient == 0.0 else below
    return x / y if y == 0.0 else below
