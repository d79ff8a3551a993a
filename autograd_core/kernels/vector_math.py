"""Elementary functions without branches, in a form that LLVM turns into vector instructions.

Numba's own ``exp``, ``log`` and ``tanh`` call the C library once per element and are eight to
sixty times slower than NumPy. Here a function is straight-line arithmetic on one scalar: an exact
reduction of the argument, a polynomial, and selections (``a if c else b``) instead of branches.

The functions are text for `generate.text`, which writes them out for float32 or float64; run as
they stand they compute with float64 scalars. Four habits recur:

* A *pair* ``(a, a_low)`` is an unevaluated sum with about twice the digits. `two_sum` and `fma`
  recover what a rounding lost.
* Powers of two are made by writing n into the exponent's bits. They are carried times SCALE, and
  UNSCALE comes last, so a subnormal result is rounded only once.
* Where a pair is asked for and there is no low part, it is -0.0: the compiler drops an addition of
  -0.0, but not of 0.0, which would turn -0.0 into 0.0.
* Clamps are written ``LIMIT if x > LIMIT else x``: a NaN fails the comparison and passes through.

The bounds, in units of the last place, are the largest errors seen in 10⁵ float64 arguments
against sixty-digit truths and in 2·10⁷ float32 arguments, over the whole range.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import (
    ATANH,
    BIAS,
    ERF,
    ERFC_LIMIT,
    EXP,
    GROWTH,
    HIGHEST,
    LN2_HIGH,
    LN2_LOW,
    LOG2E,
    LOWEST,
    MAGIC,
    MANTISSA,
    MILLS,
    MILLS_HIGH,
    MILLS_LOW,
    ROOT_2,
    ROOT_HALF_BITS,
    ROOT_HALF_PI,
    ROOT_HALF_PI_LOW,
    SCALE,
    SCALE_BITS,
    SCALE_EXPONENT,
    SMALLEST_NORMAL,
    UNSCALE,
    F,
    I,
    polynomial,
)

# ---- pairs


def two_sum(a, b):
    """a + b exactly, as a pair (Knuth)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def fast_sum(a, b):
    """a + b exactly, as a pair, where |a| >= |b| or a = 0 (Dekker)."""
    total = a + b
    return total, (a - total) + b


def two_product(a, b):
    """a b exactly, as a pair."""
    product = a * b
    return product, fma(a, b, -product)


def scale(a, a_low, b):
    """Product of a pair and a number."""
    product, low = two_product(a, b)
    return product, fma(a_low, b, low)


def multiply(a, a_low, b, b_low):
    """Product of two pairs."""
    product, low = two_product(a, b)
    return product, fma(a, b_low, fma(a_low, b, low))


def square(a, a_low):
    """Square of a pair."""
    product, low = two_product(a, a)
    return product, fma(a + a, a_low, low)


def divide(a, a_low, b, b_low):
    """Quotient of two pairs, rounded: a / b and one step of Newton's correction."""
    inverse = 1.0 / b
    quotient = a * inverse
    rest = fma(-quotient, b_low, fma(-quotient, b, a)) + a_low
    return fma(rest, inverse, quotient)


def reciprocal(b, b_low):
    """1 / b for a pair, rounded: one step of Newton's correction."""
    inverse = 1.0 / b
    return fma(fma(-inverse, b_low, fma(-inverse, b, 1.0)), inverse, inverse)


def ratio(a, a_low, b, b_low):
    """Quotient of two pairs, as a pair."""
    inverse = 1.0 / b
    quotient = a * inverse
    rest = fma(-quotient, b_low, fma(-quotient, b, a)) + a_low
    return fast_sum(quotient, rest * inverse)


# ---- exponential


def reduce_exponent(x, x_low):
    """x + x_low = n ln 2 + r with |r| <= ln(2)/2; n is returned as n + MAGIC."""
    shifted = x * LOG2E + MAGIC
    n = shifted - MAGIC
    return shifted, (x - n * LN2_HIGH) + (x_low - n * LN2_LOW)


def power_of_two(shifted, bias):
    """2ⁿ for n + MAGIC, times 2**(bias - BIAS)."""
    return I((F(shifted).view(I) + bias) << MANTISSA).view(F)


def exp_reduced(r):
    """eʳ for |r| <= ln(2)/2, and eʳ - 1 - r."""
    tail = r * r * polynomial(r, EXP)
    high, low = fast_sum(1.0, r)
    return high + (low + tail), tail


def growth(r):
    """eʳ - 1 for |r| <= ln(2)/2, in fewer steps: 0.2 ulp of eʳ more than `exp_reduced`."""
    return fma(r * r, polynomial(r, GROWTH), r)


def exp_scaled(x, x_low):
    """SCALE e**(x + x_low) for x <= 0."""
    x = LOWEST if x < LOWEST else x
    shifted, r = reduce_exponent(x, x_low)
    return (1.0 + growth(r)) * power_of_two(shifted, BIAS + SCALE_BITS)


def decay(x, x_low):
    """For x <= 0: e**(x + x_low) as e s, where s carries SCALE; and 1 - e**(x + x_low)."""
    x = LOWEST if x < LOWEST else x
    shifted, r = reduce_exponent(x, x_low)
    g = growth(r)
    s = power_of_two(shifted, BIAS + SCALE_BITS)
    power = s * UNSCALE
    return 1.0 + g, s, fma(-power, g, 1.0 - power)


def decay_squared(x):
    """For x <= 0: e²ˣ as (1 + g) s, where s carries SCALE; and 1 - e²ˣ.

    A loop that has a sigmoid of the same number, too, evaluates one series for both.
    """
    x = LOWEST if x < LOWEST else x
    shifted, r = reduce_exponent(x, -0.0)
    g = growth(r)
    g = fma(g, g, g + g)
    s = power_of_two(shifted, BIAS + SCALE_BITS)
    power = s * UNSCALE
    square = power * power
    return g, s * power, fma(-square, g, 1.0 - square)


def exp_pair(x, x_low):
    """e**(x + x_low) for x <= 0 as (e + e_low) s, where s carries SCALE."""
    x = LOWEST if x < LOWEST else x
    shifted = x * LOG2E + MAGIC
    n = shifted - MAGIC
    r, r_low = fast_sum(x - n * LN2_HIGH, x_low - n * LN2_LOW)
    high, low = fast_sum(1.0, r)
    tail = r * r * polynomial(r, EXP) + fma(r, r_low, r_low)
    e, e_low = fast_sum(high, low + tail)
    return e, e_low, power_of_two(shifted, BIAS + SCALE_BITS)


def exp(x):
    """eˣ; 0.8 ulp."""
    x = LOWEST if x < LOWEST else x
    x = HIGHEST if x > HIGHEST else x
    shifted, r = reduce_exponent(x, -0.0)
    e, _ = exp_reduced(r)
    s = power_of_two(shifted, BIAS + SCALE_BITS if x < 0.0 else BIAS - SCALE_BITS)
    return e * s * (UNSCALE if x < 0.0 else SCALE)


def expm1(x):
    """eˣ - 1, without cancellation near 0; 1.4 ulp."""
    y = -60.0 if x < -60.0 else x
    y = HIGHEST if y > HIGHEST else y
    shifted, r = reduce_exponent(y, -0.0)
    _, tail = exp_reduced(r)
    half = power_of_two(shifted, BIAS - I(1))  # 2ⁿ overflows before the result does
    high, low = fast_sum(half - 0.5, half * r)
    result = 2.0 * (high + (low + half * tail))
    return x if abs(x) < SMALLEST_NORMAL else result


# ---- logarithm


def log1p_unit(z):
    """log(1 + z) for 0 <= z <= 1, as z - s (z - s² Q(s²)) with s = z / (2 + z)."""
    s = z / (2.0 + z)
    square = s * s
    return z - s * (z - square * polynomial(square, ATANH))


def log_normal(x, offset):
    """log x - offset ln 2 for normal x > 0, as n ln 2 + log m with sqrt(1/2) <= m < sqrt(2)."""
    bits = F(x).view(I)
    exponent = I(I(bits - ROOT_HALF_BITS) >> MANTISSA)
    m = I(bits - I(exponent << MANTISSA)).view(F) - 1.0
    n = F(exponent) - offset
    s = m / (2.0 + m)
    square = s * s
    rest = s * (m - square * polynomial(square, ATANH)) - n * LN2_LOW
    high, low = two_sum(n * LN2_HIGH, m)
    return high + (low - rest)


def log(x):
    """Natural logarithm: -inf at 0, NaN below; 0.9 ulp."""
    small = x < SMALLEST_NORMAL
    y = log_normal(x * SCALE if small else x, SCALE_EXPONENT if small else 0.0)
    y = y if x < F(np.inf) else x  # inf and NaN are their own logarithms
    y = -F(np.inf) if x == 0.0 else y
    return F(np.nan) if x < 0.0 else y


def log1p(x):
    """log(1 + x), without cancellation near 0; 1.5 ulp."""
    u, u_low = two_sum(1.0, x)
    y = log_normal(u, 0.0) + u_low / u
    y = y if (x < F(np.inf)) & (x != 0.0) else x
    y = -F(np.inf) if x == -1.0 else y
    return F(np.nan) if x < -1.0 else y


# ---- sigmoid, hyperbolic tangent


def sigmoid(x):
    """1 / (1 + e⁻ˣ), as z / (1 + z) with z = e**-|x| on the left; 1.9 ulp."""
    z = exp_scaled(-abs(x), -0.0)
    r = reciprocal(*fast_sum(1.0, z * UNSCALE))
    return z * r * UNSCALE if x < 0.0 else r


def tanh(x):
    """Hyperbolic tangent, as m / (2 - m) with m = 1 - e**-2|x|; 2.7 ulp."""
    _, _, m = decay_squared(-abs(x))
    return np.copysign(m * reciprocal(*fast_sum(2.0, -m)), x)


# ---- normal distribution, error function


def normal_tail(a, square, square_low):
    """The normal distribution's tail beyond a >= 0 as p s, given a² as a pair.

    With the Mills ratio M, the tail is M(a) exp(-a²/2) / sqrt(2π). Stretched to
    t = (a - 5) / (a + 5), M(a) (a + sqrt(π/2)) is a polynomial (Shepherd and Laframboise 1981).
    """
    t = (a - 5.0) / (a + 5.0)
    m, m_low = fast_sum(MILLS_HIGH, t * polynomial(t, MILLS))
    e, e_low, s = exp_pair(-0.5 * square, -0.5 * square_low)
    m, m_low = multiply(m, m_low + MILLS_LOW, e, e_low)
    d, d_low = two_sum(a, ROOT_HALF_PI)
    return divide(m, m_low, d, d_low + ROOT_HALF_PI_LOW), s


def erfc(x):
    """Complementary error function, without cancellation for large x; 2 ulp."""
    a = abs(x)
    a = ERFC_LIMIT if a > ERFC_LIMIT else a
    square, square_low = two_product(a, a)
    p, s = normal_tail(ROOT_2 * a, 2.0 * square, 2.0 * square_low)
    tail = 2.0 * p * s * UNSCALE
    return 2.0 - tail if x < 0.0 else tail


def erf(x):
    """Error function: x P(x²) up to 1, 1 - erfc(x) beyond; 2.5 ulp, 1.5 in float64."""
    a = abs(x)
    small = x * x if a < 1.0 else 1.0
    series = x * polynomial(small, ERF)
    beyond = 1.0 - erfc(a)
    return series if a < 1.0 else (-beyond if x < 0.0 else beyond)
