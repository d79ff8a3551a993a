"""What float32 computes otherwise than float64: with steps in float64 in the place of pairs.

Functions of the same names as in `trigonometry`, whose places they take in float32 loops.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import COS, MAGIC, SIN, F, I, polynomial


def two_over_pi(one, two, three):
    """2/π times 1, 2²⁶, 2⁵² or 2⁷⁸, less a multiple of 4, as a pair, and the inverse factor."""
    high = np.float64(1.7235269743613935) if one else np.float64(0.6366197723675814)
    low = np.float64(-3.646819222375367e-17) if one else np.float64(-3.935735335036497e-17)
    factor = np.float64(1.4901161193847656e-08) if one else np.float64(1.0)
    high = np.float64(1.3227502381170073) if two else high
    low = np.float64(4.585413994155514e-17) if two else low
    factor = np.float64(2.220446049250313e-16) if two else factor
    high = np.float64(1.8357618630902273) if three else high
    low = np.float64(9.501113504670287e-17) if three else low
    return high, low, np.float64(3.308722450212111e-24) if three else factor


def reduce_angle(x):
    """|x| = n π/2 + r + r_low for every x, however large; n comes modulo 4.

    The product with 2/π is taken in float64, of numbers below 2⁵⁰, and without multiples of 4.
    """
    a = abs(x)
    one, two, three = a > 1.125899906842624e15, a > 7.555786372591432e22, a > 5.070602400912918e30
    high, low, factor = two_over_pi(one, two, three)
    y = np.float64(a) * factor
    p = y * high
    whole = np.rint(p)
    t = (p - whole) + fma(y, low, fma(y, high, -p))
    rest = np.rint(t)
    n = whole + rest
    n = n - 4.0 * np.rint(0.25 * n)
    r = (t - rest) * np.float64(1.5707963267948966)
    return F(F(n) + MAGIC).view(I), F(r), F(r - np.float64(F(r)))


def sin_reduced(r, r_low):
    """Sine of a pair, |r| <= π/4."""
    z = r * r
    return r + fma(r * z, polynomial(z, SIN), r_low)


def cos_reduced(r, r_low):
    """Cosine of a pair, |r| <= π/4."""
    z = r * r
    return fma(-0.5, z, fma(z * z, polynomial(z, COS), -r * r_low)) + 1.0
