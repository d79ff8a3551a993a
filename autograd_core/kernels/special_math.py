"""Special functions as scalar functions in float64, for the loops of `special`.

The habits are those of `vector_math`. The gamma functions and sinc are evaluated as pairs with
some three digits more than the result, because they have zeros wherever two large terms cancel;
next to the zeros that people meet, at 1, 2 and 1.46, a polynomial takes over.

The bounds, in units of the last place, are the largest errors seen in some thousand arguments
against fifty-digit truths.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import ATANH, LN2_HIGH, LN2_LOW, MANTISSA, ROOT_HALF_BITS, F, I, polynomial
from .special_formats import (
    COSPI,
    COSPI_SQUARE_HIGH,
    COSPI_SQUARE_LOW,
    DIGAMMA_CHORD,
    DIGAMMA_ROOT_HIGH,
    DIGAMMA_ROOT_LOW,
    GAMMALN_ONE,
    GAMMALN_TWO,
    LOG_PI_HIGH,
    LOG_PI_LOW,
    ONE_OVER_PI_HIGH,
    ONE_OVER_PI_LOW,
    PI_HIGH,
    PI_LOW,
    SINC_SLOPE,
    SINPI,
    SINPI_CUBIC_HIGH,
    SINPI_CUBIC_LOW,
    STIRLING,
    STIRLING_BEND,
    STIRLING_OFFSET_HIGH,
    STIRLING_OFFSET_LOW,
    STIRLING_SLOPE,
)
from .vector_math import fast_sum, log, multiply, ratio, scale, two_product, two_sum

# ---- parts


def log_pair(x, x_low):
    """log(x + x_low) for normal x > 0: n ln 2 + 2 atanh(s) with s = m / (2 + m), see `log`."""
    bits = F(x).view(I)
    exponent = (bits - ROOT_HALF_BITS) >> MANTISSA
    m = I(bits - (exponent << MANTISSA)).view(F) - 1.0
    n = F(exponent)
    d, d_low = fast_sum(2.0, m)
    s, s_low = ratio(m, 0.0, d, d_low)
    square = s * s
    rest = s * square * polynomial(square, ATANH)
    high, low = two_sum(n * LN2_HIGH, 2.0 * s)
    return fast_sum(high, low + (n * LN2_LOW + (2.0 * s_low + (rest + x_low / x))))


def sinpi_cospi(x):
    """sin πx and cos πx, two pairs, which have the digits of the zeros too."""
    n = np.rint(x)
    r = x - n
    odd = np.rint(0.5 * n) != 0.5 * n
    near = abs(r) <= 0.25
    t = abs(r) if near else 0.5 - abs(r)
    z, z_low = two_product(t, t)
    p, p_low = two_product(PI_HIGH, t)
    c, c_low = multiply(z, z_low, SINPI_CUBIC_HIGH, SINPI_CUBIC_LOW)
    c, c_low = scale(c, c_low, t)
    s, s_low = fast_sum(p, c)
    s_low = s_low + (fma(PI_LOW, t, p_low) + (c_low + t * z * z * polynomial(z, SINPI)))
    s, s_low = fast_sum(s, s_low)
    c, c_low = multiply(z, z_low, COSPI_SQUARE_HIGH, COSPI_SQUARE_LOW)
    k, k_low = fast_sum(1.0, c)
    k, k_low = fast_sum(k, k_low + (c_low + z * z * polynomial(z, COSPI)))
    turn = -1.0 if odd else 1.0
    sign = -turn if r < 0.0 else turn
    sine, sine_low = sign * (s if near else k), sign * (s_low if near else k_low)
    return sine, sine_low, turn * (k if near else s), turn * (k_low if near else s_low)


# ---- sinc


def sinc(x):
    """sin(πx) / (πx)."""
    y = 1.0 if abs(x) <= 1e-9 else x
    s, s_low, _, _ = sinpi_cospi(y)
    s, s_low = multiply(s, s_low, ONE_OVER_PI_HIGH, ONE_OVER_PI_LOW)
    q, q_low = ratio(s, s_low, y, 0.0)
    return 1.0 if abs(x) <= 1e-9 else q + q_low


def sinc_slope(x):
    """(cos πx - sinc x) / x."""
    y = 1.0 if abs(x) <= 0.5 else x
    s, s_low, c, c_low = sinpi_cospi(y)
    s, s_low = multiply(s, s_low, ONE_OVER_PI_HIGH, ONE_OVER_PI_LOW)
    q, q_low = ratio(s, s_low, y, 0.0)
    d, low = two_sum(c, -q)
    beyond = (d + (low + (c_low - q_low))) / y
    return x * polynomial(x * x, SINC_SLOPE) if abs(x) <= 0.5 else beyond


# ---- gamma function


def rising(x):
    """x (x + 1) … (x + 9) and its derivative, two pairs."""
    p, p_low, d, d_low = x, 0.0, 1.0, 0.0
    for k in range(1, 10):
        f, f_low = two_sum(x, F(k))
        d, d_low = multiply(d, d_low, f, f_low)
        d, low = two_sum(d, p)
        d_low = d_low + (low + p_low)
        p, p_low = multiply(p, p_low, f, f_low)
    return p, p_low, d, d_low


def stirling(w, w_low):
    """log Γ(w + w_low) for w >= 10, as a pair."""
    m, m_low = log_pair(w, w_low)
    m, low = two_sum(m, -1.0)
    v, v_low = two_sum(w, -0.5)
    s, s_low = multiply(m, m_low + low, v, v_low + w_low)
    inverse = 1.0 / w
    series = inverse * polynomial(inverse * inverse, STIRLING)
    s, low = two_sum(s, STIRLING_OFFSET_HIGH)
    return s, low + (s_low + (STIRLING_OFFSET_LOW + series))


def gammaln(x):
    """log |Γ(x)|: Stirling's series from 10 on; Γ(x + 10) = x … (x + 9) Γ(x) below.

    On the left Γ(-a) = -π / (a sin(πa) Γ(a)).
    """
    a = abs(x)
    a = 1e-100 if a < 1e-100 else a
    a = 2.5e305 if a > 2.5e305 else a
    shifted = a < 10.0
    w, w_low = two_sum(a, 10.0 if shifted else 0.0)
    s, s_low = stirling(w, w_low)
    p, p_low, _, _ = rising(a if shifted else 1.0)
    p, p_low = p if shifted else 1.0, p_low if shifted else 0.0
    q, q_low, _, _ = sinpi_cospi(a)
    pole = q == 0.0
    q, q_low = scale(abs(q), q_low if q > 0.0 else -q_low, a)
    q, q_low = ratio(q, q_low, p, p_low)
    right = x > 0.0
    q, q_low = p if right else q, p_low if right else q_low
    q, q_low = log_pair(1.0 if q == 0.0 else q, q_low)
    t, t_low = two_sum(LOG_PI_HIGH, -s)
    t, t_low = s if right else t, s_low if right else t_low + (LOG_PI_LOW - s_low)
    t, low = two_sum(t, -q)
    y = t + (low + (t_low - q_low))
    y = F(np.inf) if pole and x < 0.0 else y
    y = -log(abs(x)) if abs(x) < 1e-100 else y
    d = x - 1.0
    y = d * polynomial(d, GAMMALN_ONE) if abs(d) <= 0.25 else y
    d = x - 2.0
    y = d * polynomial(d, GAMMALN_TWO) if abs(d) <= 0.25 else y
    y = F(np.inf) if abs(x) > 2.556348e305 else y
    return x if x != x else y


def digamma(x):
    """Γ'(x) / Γ(x), by the derivative of what `gammaln` does; NaN at the poles but 0."""
    a = abs(x)
    a = 1e-20 if a < 1e-20 else a
    shifted = a < 10.0
    w, w_low = two_sum(a, 10.0 if shifted else 0.0)
    y, y_low = log_pair(w, w_low)
    h, h_low = ratio(0.5, 0.0, w, w_low)
    y, low = two_sum(y, -h)
    y_low = y_low + (low - (h_low + 4.0 * h * h * polynomial(4.0 * h * h, STIRLING_SLOPE)))
    p, p_low, d, d_low = rising(a if shifted else 1.0)
    d, d_low = ratio(d, d_low, p, p_low)
    y, low = two_sum(y, -d if shifted else 0.0)
    y_low = y_low + (low - (d_low if shifted else 0.0))
    s, s_low, c, c_low = sinpi_cospi(a)
    c, c_low = multiply(c, c_low, PI_HIGH, PI_LOW)
    c, c_low = ratio(c, c_low, s, s_low)
    d, d_low = ratio(1.0, 0.0, a, 0.0)
    c, low = two_sum(c, d)
    c_low = c_low + (low + d_low)
    left = x < 0.0
    y, low = two_sum(y, c if left else 0.0)
    y = y + (low + (y_low + (c_low if left else 0.0)))
    t, low = two_sum(x, -DIGAMMA_ROOT_HIGH)
    t = t + (low - DIGAMMA_ROOT_LOW)
    y = t * polynomial(t, DIGAMMA_CHORD) if abs(t) <= 0.25 else y
    y = -1.0 / x if abs(x) < 1e-20 else y
    return x if x == F(np.inf) else y


def trigamma(x):
    """Derivative of digamma: Σ 1 / (x + k)² over k >= 0; infinite at the poles."""
    a = abs(x)
    shifted = a < 10.0
    inverse = 1.0 / (a + (10.0 if shifted else 0.0))
    square = inverse * inverse
    y = inverse + square * (0.5 + inverse * polynomial(square, STIRLING_BEND))
    total = y
    for k in range(10):
        term = 1.0 / (a + F(9 - k))
        total = fma(term, term, total)
    y = total if shifted else y
    s, s_low, _, _ = sinpi_cospi(a)
    q, q_low = ratio(PI_HIGH, PI_LOW, 1.0 if s == 0.0 else s, s_low)
    h = 1.0 / a
    reflected = fma(q, q, fma(h, h, 2.0 * q * q_low - y))
    reflected = F(np.inf) if s == 0.0 else reflected
    return reflected if x < 0.0 else y


def hurwitz(s, q):
    """Hurwitz's zeta function, Σ (q + k)⁻ˢ over k >= 0, for q > 0: Euler and Maclaurin."""
    count = int(s + 12.0)
    w = q + F(count)
    v = 1.0 / (w * w)
    tail = 1.0 / 74724249600.0
    tail = -691.0 / 1307674368000.0 + (s + 11.0) * (s + 12.0) * v * tail
    tail = 1.0 / 47900160.0 + (s + 9.0) * (s + 10.0) * v * tail
    tail = -1.0 / 1209600.0 + (s + 7.0) * (s + 8.0) * v * tail
    tail = 1.0 / 30240.0 + (s + 5.0) * (s + 6.0) * v * tail
    tail = -1.0 / 720.0 + (s + 3.0) * (s + 4.0) * v * tail
    tail = 1.0 / 12.0 + (s + 1.0) * (s + 2.0) * v * tail
    total = w ** (1.0 - s) * (1.0 / (s - 1.0) + (0.5 + s / w * tail) / w)
    for k in range(1, count + 1):
        total = total + (q + F(count - k)) ** (-s)
    return total


def polygamma(x, n):
    """Derivative number n >= 1 of digamma, (-1)ⁿ⁺¹ n! ζ(n + 1, x).

    On the left the sum runs from x past the integer next to it, d away, as the sum over all
    integers less what is beyond x; it is exact relative to the terms next to d, which cancel at
    the zeros. Each power carries the rounding of its base n/2 times.
    """
    s = n + 1.0
    factor = -1.0
    for k in range(1, int(n) + 1):
        factor = -factor * F(k)
    if x > 0.0:
        return factor * hurwitz(s, x)
    d = x - np.rint(x)
    parity = -1.0 if np.rint(0.5 * s) != 0.5 * s else 1.0
    beyond = hurwitz(s, 1.0 - d) - hurwitz(s, 1.0 - x)
    return factor * (d ** (-s) + (hurwitz(s, 1.0 + d) + parity * beyond))
