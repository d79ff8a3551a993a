"""Sine, cosine, tangent and their inverses, as scalar functions for fused loops.

Angles are reduced by multiples of π/2 to a pair r with |r| <= π/4. That is right for every
argument, however large, without a branch: 2/π enters with as many digits as the argument asks for,
from a table. The habits, the names and how the bounds were found are those of `vector_math`.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import (
    ARCSIN,
    ARCTAN,
    BIAS,
    COS,
    FAR,
    HALF_PI,
    HALF_PI_LOW,
    HALF_PI_LOWEST,
    MAGIC,
    MANTISSA,
    PI,
    PI_REST,
    QUARTER_PI,
    QUARTER_PI_LOW,
    SIN,
    SMALLEST_NORMAL,
    STRIDE_BITS,
    TURNS_0,
    TURNS_1,
    TURNS_2,
    TURNS_3,
    TWO_OVER_PI,
    F,
    I,
    polynomial,
)
from .vector_math import fast_sum, multiply, two_product, two_sum


def reduce_near(x):
    """x = n π/2 + r + r_low for |x| <= FAR, and n + MAGIC: π/2 has three parts (Cody, Waite)."""
    shifted = x * TWO_OVER_PI + MAGIC
    n = shifted - MAGIC
    p, p_low = two_product(n, HALF_PI_LOW)
    r, r_low = two_sum(fma(-n, HALF_PI, x), -p)
    r, r_low = fast_sum(r, r_low - fma(n, HALF_PI_LOWEST, p_low))
    return shifted, r, r_low


def modulo_4(x):
    """x less a multiple of 4, exactly."""
    return x - 4.0 * np.rint(0.25 * x)


def reduce_far(x):
    """The same for every x: the product with 2/π, without the multiples of 4 (Payne and Hanek)."""
    bits = F(abs(x)).view(I)
    k = I(((bits >> MANTISSA) - BIAS - MANTISSA) >> STRIDE_BITS)
    k = k if k > I(0) else I(0)
    y = I(bits - ((k << STRIDE_BITS) << MANTISSA)).view(F)
    y = F(np.nan) if abs(x) == F(np.inf) else y
    a, a_low = two_product(y, TURNS_0[k])
    b, b_low = two_product(y, TURNS_1[k])
    c, c_low = two_product(y, TURNS_2[k])
    t, t1 = two_sum(modulo_4(a), modulo_4(a_low))
    t, t2 = two_sum(t, modulo_4(b))
    low, t3 = two_sum(t1, t2)
    u, u_low = two_sum(b_low, c)
    t, t1 = two_sum(t, u)
    shifted = t + MAGIC
    t, t2 = two_sum(t - (shifted - MAGIC), t1)
    low, t4 = two_sum(low, t2)
    t, low = fast_sum(t, low)
    u_low = u_low + (t3 + (t4 + fma(y, TURNS_3[k], c_low)))
    t, low = fast_sum(t, low + u_low)
    r, r_low = multiply(t, low, HALF_PI, HALF_PI_LOW)
    return shifted, r, r_low


def reduce_angle(x):
    """x = n π/2 + r + r_low; n comes in the lowest bits of an integer."""
    a = abs(x)
    far = a > FAR
    near_n, near_r, near_low = reduce_near(FAR if far else a)
    far_n, far_r, far_low = reduce_far(a)
    n = far_n if far else near_n
    return F(n).view(I), far_r if far else near_r, far_low if far else near_low


def sin_reduced(r, r_low):
    """Sine of a pair, |r| <= π/4."""
    z = r * r
    return r + (r * z * polynomial(z, SIN) + fma(-0.5 * z, r_low, r_low))


def cos_reduced(r, r_low):
    """Cosine of a pair, |r| <= π/4."""
    z, z_low = two_product(r, r)
    high, low = fast_sum(1.0, -0.5 * z)
    return high + (low + (z * z * polynomial(z, COS) - fma(r, r_low, 0.5 * z_low)))


def sin(x):
    """Sine; NaN at infinities; 1.1 ulp."""
    n, r, r_low = reduce_angle(x)
    y = sin_reduced(r, r_low) if (n & I(1)) == I(0) else cos_reduced(r, r_low)
    y = -y if (n & I(2)) != I(0) else y
    return np.copysign(1.0, x) * y


def cos(x):
    """Cosine; NaN at infinities; 1.1 ulp."""
    n, r, r_low = reduce_angle(x)
    y = cos_reduced(r, r_low) if (n & I(1)) == I(0) else sin_reduced(r, r_low)
    return -y if ((n + I(1)) & I(2)) != I(0) else y


def tan(x):
    """Tangent; NaN at infinities; 2.6 ulp."""
    n, r, r_low = reduce_angle(x)
    s, c = sin_reduced(r, r_low), cos_reduced(r, r_low)
    odd = (n & I(1)) != I(0)
    y = (-c if odd else s) / (s if odd else c)
    return np.copysign(1.0, x) * y


# ---- inverses


def arcsin_half(x):
    """arcsin(x) - x for |x| <= 1/2."""
    z = x * x
    return x * z * polynomial(z, ARCSIN)


def arcsin(x):
    """Inverse sine: from 1/2 on, π/2 - 2 arcsin(sqrt((1 - x) / 2)); NaN beyond 1; 1.3 ulp."""
    a = abs(x)
    near = a < 0.5
    t = a if near else np.sqrt(fma(-0.5, a, 0.5))
    rest = arcsin_half(t)
    high, low = fast_sum(HALF_PI, -2.0 * t)
    y = t + rest if near else high + (low + (HALF_PI_LOW - 2.0 * rest))
    return np.copysign(y, x)


def arccos(x):
    """Inverse cosine: π/2 - arcsin(x) up to 1/2, 2 arcsin(sqrt((1 - |x|) / 2)) beyond; 1.3 ulp."""
    a = abs(x)
    near = a < 0.5
    t = x if near else np.sqrt(fma(-0.5, a, 0.5))
    rest = arcsin_half(t)
    right = 2.0 * (t + rest)
    high, low = fast_sum(HALF_PI if near else PI, -t if near else -2.0 * t)
    left = high + (low + (HALF_PI_LOW - rest if near else PI_REST - 2.0 * rest))
    return left if near else (left if x < 0.0 else right)


def arctan_ratio(b, a):
    """arctan(b / a) for a, b >= 0, as a pair: turned by π/4 or π/2 where b / a > tan(π/8)."""
    upper = b > 2.4142135623730951 * a
    middle = b > 0.41421356237309503 * a
    n = -a if upper else (b - a if middle else b)
    d = b if upper else (b + a if middle else a)
    t = n / d
    z = t * t
    high = HALF_PI if upper else (QUARTER_PI if middle else 0.0)
    low = HALF_PI_LOW if upper else (QUARTER_PI_LOW if middle else 0.0)
    return fast_sum(high, t + (low + t * z * polynomial(z, ARCTAN)))


def arctan(x):
    """Inverse tangent; 1.8 ulp."""
    y, low = arctan_ratio(abs(x), 1.0)
    return np.copysign(y + low, x)


def arctan2(x, y):
    """Angle of the point with ordinate x and abscissa y, signed zeros told apart; 1.8 ulp."""
    b, a = abs(x), abs(y)
    both = (b == F(np.inf)) & (a == F(np.inf))
    limit = 1.0 / SMALLEST_NORMAL
    factor = 0.25 if (b > limit) | (a > limit) else 1.0
    b = 1.0 if both else b * factor
    a = 1.0 if both | ((b == 0.0) & (a == 0.0)) else a * factor
    t, low = arctan_ratio(b, a)
    left, left_low = fast_sum(PI, -t)
    t = left + (left_low + (PI_REST - low)) if np.copysign(1.0, y) < 0.0 else t + low
    return np.copysign(t, x)
