"""Powers, roots and logarithms beyond `vector_math`'s, as scalar functions for fused loops.

The habits, the names and how the bounds were found are those of `vector_math`.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import (
    ATANH,
    BIAS,
    CBRT,
    CBRT_2,
    CBRT_HALF,
    DOWN,
    HIGHEST,
    HIGHEST_POWER,
    HUGE,
    LN2,
    LN2_HIGH,
    LN2_LOW,
    LOG,
    LOG2E,
    LOG2E_REST,
    LOG10_2_HIGH,
    LOG10_2_LOW,
    LOG10E,
    LOG10E_REST,
    LOWEST,
    LOWEST_POWER,
    MAGIC,
    MANTISSA,
    ROOT_HALF_BITS,
    SCALE,
    SCALE_BITS,
    SCALE_EXPONENT,
    SMALLEST_NORMAL,
    THIRD,
    TINY,
    TWO_THIRDS,
    TWO_THIRDS_LOW,
    UNSCALE,
    UP,
    F,
    I,
    polynomial,
)
from .vector_math import (
    exp_reduced,
    exp_scaled,
    fast_sum,
    log,
    log1p,
    log1p_unit,
    multiply,
    power_of_two,
    ratio,
    reduce_exponent,
    scale,
    square,
    two_product,
    two_sum,
)

# ---- powers


def exp2(x):
    """2ˣ; exact where x is an integer; 0.9 ulp."""
    x = LOWEST_POWER if x < LOWEST_POWER else x
    x = HIGHEST_POWER if x > HIGHEST_POWER else x
    shifted = x + MAGIC
    e, _ = exp_reduced((x - (shifted - MAGIC)) * LN2)
    s = power_of_two(shifted, BIAS + SCALE_BITS if x < 0.0 else BIAS - SCALE_BITS)
    return e * s * (UNSCALE if x < 0.0 else SCALE)


def split(x):
    """x = 2ⁿ (1 + m) for x > 0, with sqrt(1/2) <= 1 + m < sqrt(2)."""
    small = x < SMALLEST_NORMAL
    bits = F(x * SCALE if small else x).view(I)
    exponent = I(I(bits - ROOT_HALF_BITS) >> MANTISSA)
    m = I(bits - I(exponent << MANTISSA)).view(F) - 1.0
    return F(exponent) - (SCALE_EXPONENT if small else 0.0), m


def log_pair_of(x):
    """log x as a pair, for finite x > 0: n ln 2 + 2 atanh(s), s = m / (2 + m)."""
    n, m = split(x)
    d, d_low = fast_sum(2.0, m)
    s, s_low = ratio(m, -0.0, d, d_low)
    z, z_low = square(s, s_low)
    t, t_low = fast_sum(TWO_THIRDS, z * polynomial(z, LOG))
    t, t_low = multiply(t, t_low + TWO_THIRDS_LOW, z, z_low)
    t, t_low = multiply(t, t_low, s, s_low)
    high, low = two_sum(n * LN2_HIGH, 2.0 * s)
    high, rest = two_sum(high, t)
    return fast_sum(high, low + (rest + (n * LN2_LOW + (2.0 * s_low + t_low))))


def power(x, y):
    """xʸ with IEEE's rules: 1 where y = 0 or x = 1, NaN if x < 0 and y is not whole; 0.9 ulp."""
    a = abs(x)
    t, t_low = log_pair_of(a)
    t = t if a < F(np.inf) else a
    t = -F(np.inf) if a == 0.0 else t
    t, t_low = scale(t, t_low, y)
    t = LOWEST if t < LOWEST else t
    t = HIGHEST if t > HIGHEST else t
    t_low = t_low if (t > LOWEST) & (t < HIGHEST) else -0.0
    shifted, r = reduce_exponent(t, t_low)
    e, _ = exp_reduced(r)
    s = power_of_two(shifted, BIAS + SCALE_BITS if t < 0.0 else BIAS - SCALE_BITS)
    e = e * s * (UNSCALE if t < 0.0 else SCALE)
    whole, odd = np.rint(y) == y, np.rint(0.5 * y) != 0.5 * y
    e = np.copysign(e, x) if whole & odd else e
    e = e if whole | (x >= 0.0) | (a == F(np.inf)) else F(np.nan)
    one = (y == 0.0) | (x == 1.0) | ((x == -1.0) & (abs(y) == F(np.inf)))
    return 1.0 if one else e


# ---- roots


def cbrt(x):
    """Cube root: a polynomial and a step of Halley's method; 0.6 ulp."""
    n, m = split(abs(x))
    k = np.rint(n * THIRD)
    d = n - 3.0 * k
    start = polynomial(m, CBRT)
    y = start * (CBRT_2 if d > 0.0 else (CBRT_HALF if d < 0.0 else 1.0))
    v = (1.0 + m) * (2.0 if d > 0.0 else (0.5 if d < 0.0 else 1.0))
    q, q_low = two_product(y, y)
    c, c_low = scale(q, q_low, y)
    y = y - y * ((c - v) + c_low) / (c + c + v)
    y = np.copysign(y * power_of_two(k + MAGIC, BIAS), x)
    return y if (abs(x) < F(np.inf)) & (x != 0.0) else x


def hypot(x, y):
    """sqrt(x² + y²) without overflow on the way; an infinity wins over NaN; 1 ulp."""
    x, y = abs(x), abs(y)
    a, b = x if x > y else y, y if x > y else x
    factor = DOWN if a > HUGE else (UP if a < TINY else 1.0)
    u, v = a * factor, b * factor
    back = UP if a > HUGE else (DOWN if a < TINY else 1.0)
    r = np.sqrt(fma(u, u, v * v)) * back
    return F(np.inf) if (x == F(np.inf)) | (y == F(np.inf)) else r


# ---- logarithms


def log_in_base(x, bit_high, bit_low, e_high, e_low):
    """Logarithm in the base of which `bit` is the logarithm of 2, and `e` that of e."""
    n, m = split(x)
    s = m / (2.0 + m)
    z = s * s
    rest = s * (m - z * polynomial(z, ATANH))
    p, p_low = two_product(m, e_high)
    high, low = two_sum(n * bit_high, p)
    y = high + (low + (fma(n, bit_low, fma(m, e_low, p_low)) - rest * e_high))
    y = y if x < F(np.inf) else x
    y = -F(np.inf) if x == 0.0 else y
    return F(np.nan) if x < 0.0 else y


def log2(x):
    """Logarithm to base 2; exact at the powers of two; 1.2 ulp."""
    return log_in_base(x, 1.0, 0.0, LOG2E, LOG2E_REST)


def log10(x):
    """Logarithm to base 10; 1.1 ulp."""
    return log_in_base(x, LOG10_2_HIGH, LOG10_2_LOW, LOG10E, LOG10E_REST)


def logaddexp(x, y):
    """log(eˣ + eʸ) = max(x, y) + log(1 + e**-|x - y|)."""
    high = x if x > y else y
    total = high + log1p_unit(exp_scaled(-abs(x - y), -0.0) * UNSCALE)
    return x + LN2 if x == y else total


def logaddexp2(x, y):
    """log2(2ˣ + 2ʸ) = max(x, y) + log2(1 + 2**-|x - y|)."""
    high = x if x > y else y
    total = high + LOG2E * log1p_unit(exp2(-abs(x - y)))
    return x + 1.0 if x == y else total


def logit(x):
    """log(x / (1 - x)), as log(1 + (2x - 1) / (1 - x)) next to the zero at 1/2; 3.0 ulp."""
    near = abs(x - 0.5) <= 0.25
    u, u_low = two_sum(1.0, (2.0 * x - 1.0) / (1.0 - x) if near else 0.0)
    y = log(u if near else x / (1.0 - x))
    return y + u_low / u if near else y


def xlogy(x, y):
    """x log y, and 0 where x = 0, unless y is NaN."""
    return x * log(1.0 if (x == 0.0) & (y == y) else y)


def xlog1py(x, y):
    """x log(1 + y), and 0 where x = 0, unless y is NaN."""
    return x * log1p(0.0 if (x == 0.0) & (y == y) else y)
