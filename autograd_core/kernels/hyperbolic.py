"""Hyperbolic functions and their inverses, as scalar functions for fused loops.

The habits, the names and how the bounds were found are those of `vector_math`.
"""

from __future__ import annotations

import numpy as np

from .formats import (
    BIAS,
    HIGHEST_HYPERBOLIC,
    HUGE,
    SCALE,
    SCALE_BITS,
    SINH,
    F,
    I,
    polynomial,
)
from .vector_math import exp_reduced, log1p, log_normal, power_of_two, reduce_exponent, two_sum


def half_exp(a):
    """eᵃ / 2 for a >= 0, which overflows later than eᵃ."""
    a = HIGHEST_HYPERBOLIC if a > HIGHEST_HYPERBOLIC else a
    shifted, r = reduce_exponent(a, -0.0)
    e, _ = exp_reduced(r)
    return e * power_of_two(shifted, BIAS - SCALE_BITS - I(1)) * SCALE


def sinh(x):
    """Hyperbolic sine: a polynomial up to 1, (eˣ - e⁻ˣ) / 2 beyond; 1.6 ulp."""
    a = abs(x)
    z = x * x if a < 1.0 else 1.0
    h = half_exp(a)
    return x + x * z * polynomial(z, SINH) if a < 1.0 else np.copysign(h - 0.25 / h, x)


def cosh(x):
    """Hyperbolic cosine, (eˣ + e⁻ˣ) / 2; 1.3 ulp."""
    h = half_exp(abs(x))
    return h + 0.25 / h


def arcsinh(x):
    """Inverse hyperbolic sine: log(1 + (a + a² / (1 + sqrt(1 + a²)))) with a = |x|; 1.9 ulp."""
    a = abs(x)
    large = a > HUGE
    b = 1.0 if large else a
    b, b_low = two_sum(1.0, b + b * b / (1.0 + np.sqrt(1.0 + b * b)))
    y = log_normal(a if large else b, -1.0 if large else 0.0) + (0.0 if large else b_low / b)
    return np.copysign(y if a < F(np.inf) else a, x)


def arccosh(x):
    """Inverse hyperbolic cosine: log(1 + (t + sqrt(2t + t²))) with t = x - 1; 2.7 ulp."""
    large = x > HUGE
    t = 1.0 if large else x - 1.0
    u, u_low = two_sum(1.0, t + np.sqrt(t * (2.0 + t)))
    y = log_normal(x if large else u, -1.0 if large else 0.0) + (0.0 if large else u_low / u)
    y = y if x < F(np.inf) else x
    return F(np.nan) if x < 1.0 else y


def arctanh(x):
    """Inverse hyperbolic tangent: log(1 + 2a / (1 - a)) / 2 with a = |x|; 2.1 ulp."""
    a = abs(x)
    return np.copysign(0.5 * log1p((a + a) / (1.0 - a)), x)
