"""Activations and their derivatives as scalar functions, for the loops of `activations`.

Derivatives are computed from x, not from the value, and keep their digits where the textbook
formula cancels: in the tails, and next to the point where the slope of silu and the gelus crosses
zero. All are right within 2 ulp, but where a docstring says otherwise. See `vector_math` for the
habits, the names and how the bounds were found.
"""

from __future__ import annotations

import numpy as np

from .exact import fma
from .formats import (
    CHORD_HIGH,
    CHORD_LOW,
    CUBIC_HIGH,
    CUBIC_LOW,
    GELU_LIMIT,
    GELU_ROOT_HIGH,
    GELU_ROOT_LOW,
    GELU_SLOPE,
    GELU_SLOPE_HIGH,
    GELU_SLOPE_LOW,
    GELU_TANH_EXP_HIGH,
    GELU_TANH_EXP_LOW,
    GELU_TANH_INVERSE_HIGH,
    GELU_TANH_INVERSE_LOW,
    GELU_TANH_LIMIT,
    GELU_TANH_ROOT_HIGH,
    GELU_TANH_ROOT_LOW,
    LINEAR_HIGH,
    LINEAR_LOW,
    LOWEST,
    MISH_EXP,
    MISH_EXP_2,
    MISH_LEFT_0,
    MISH_LEFT_1,
    MISH_LEFT_2,
    MISH_LEFT_Q2,
    MISH_LINE,
    MISH_LINE_1,
    MISH_RIGHT_1,
    MISH_RIGHT_2,
    MISH_RIGHT_Q1,
    MISH_RIGHT_Q2,
    MISH_ROOT_HIGH,
    MISH_ROOT_LOW,
    SCALE,
    SELU_LEFT,
    SELU_LEFT_LOW,
    SELU_SCALE,
    SILU_EXP_HIGH,
    SILU_EXP_LOW,
    SILU_INVERSE_HIGH,
    SILU_INVERSE_LOW,
    SILU_ROOT_HIGH,
    SILU_ROOT_LOW,
    SLOPE_CHORD,
    TANHSHRINK,
    UNSCALE,
    F,
    polynomial,
)
from .vector_math import (
    decay,
    decay_squared,
    divide,
    exp_pair,
    exp_scaled,
    fast_sum,
    log1p_unit,
    multiply,
    normal_tail,
    reciprocal,
    scale,
    sigmoid,
    square,
    two_product,
    two_sum,
)


def elu(x, alpha):
    """x where x > 0, alpha (eˣ - 1) elsewhere."""
    _, _, m = decay(-abs(x), -0.0)
    return x if x > 0.0 else -alpha * m


def elu_slope(x, alpha):
    """1 where x > 0, alpha eˣ elsewhere."""
    e = exp_scaled(-abs(x), -0.0) * UNSCALE
    return 1.0 if x > 0.0 else alpha * e


def selu(x):
    """SCALE times elu with alpha, constants that keep mean 0 and variance 1 through layers."""
    _, _, m = decay(-abs(x), -0.0)
    left = fma(SELU_LEFT, m, SELU_LEFT_LOW * m)
    return SELU_SCALE * x if x > 0.0 else -left


def selu_slope(x):
    """The scale where x > 0, scale alpha eˣ elsewhere."""
    e = exp_scaled(-abs(x), -0.0) * UNSCALE
    return SELU_SCALE if x > 0.0 else fma(SELU_LEFT, e, SELU_LEFT_LOW * e)


def stretched(x, alpha):
    """-|x| / alpha as a pair, where it is above LOWEST."""
    y = LOWEST * alpha if -abs(x) < LOWEST * alpha else -abs(x)
    inverse = 1.0 / alpha
    u = y * inverse
    return u, fma(-u, alpha, y) * inverse


def celu(x, alpha):
    """x where x > 0, alpha (e**(x / alpha) - 1) elsewhere."""
    u, u_low = stretched(x, alpha)
    _, _, m = decay(u, u_low)
    return x if x > 0.0 else -alpha * m


def celu_slope(x, alpha):
    """1 where x > 0, e**(x / alpha) elsewhere."""
    u, u_low = stretched(x, alpha)
    e = exp_scaled(u, u_low) * UNSCALE
    return 1.0 if x > 0.0 else e


def sigmoid_slope(x):
    """z / (1 + z)² with z = e**-|x|; 3.3 ulp, for the price of two products beside `sigmoid`."""
    z = exp_scaled(-abs(x), -0.0)
    r = reciprocal(*fast_sum(1.0, z * UNSCALE))
    return z * r * r * UNSCALE


def tanh_slope(x):
    """1 / cosh² x = 4 z / (1 + z)² with z = e**-2|x|.

    The sum 1 + z is that of tanh, 2 - m; 4.2 ulp, for three products.
    """
    g, s, m = decay_squared(-abs(x))
    r = reciprocal(*fast_sum(2.0, -m))
    return fma(g, r, r) * r * s * (4.0 * UNSCALE)


def tanhshrink(x):
    """x - tanh x, as x³ P(x²) up to 1 and as (|x| - 1) + (1 - tanh|x|) beyond; 3.3 ulp."""
    a = abs(x)
    small = x * x if a < 1.0 else 1.0
    series = x * (small * polynomial(small, TANHSHRINK))
    z = exp_scaled(-2.0 * a, -0.0) * UNSCALE
    beyond = (a - 1.0) + 2.0 * z / (1.0 + z)
    return series if a < 1.0 else (-beyond if x < 0.0 else beyond)


def tanhshrink_slope(x):
    """tanh² x, as m² / (2 - m)² with m = 1 - e**-2|x|, whose rounding counts twice; 3.8 ulp."""
    _, _, m = decay(-2.0 * abs(x), -0.0)
    n, n_low = two_product(m, m)
    d, d_low = fast_sum(2.0, -m)
    d, d_low = square(d, d_low)
    return divide(n, n_low, d, d_low)


def softsign(x):
    """x / (1 + |x|)."""
    y = -SCALE if x < -SCALE else x
    y = SCALE if y > SCALE else y
    return y / (1.0 + abs(y))


def softsign_slope(x):
    """1 / (1 + |x|)²."""
    q, q_low = two_sum(1.0, abs(x))
    r = divide(1.0, -0.0, q, q_low) if q < F(np.inf) else 1.0 / q
    return r * r


def silu(x):
    """x sigmoid(x)."""
    y = LOWEST if x < LOWEST else x
    y = -LOWEST if y > -LOWEST else y
    return x if x > -LOWEST else swish(y, abs(y), 0.0)


def swish(x, u, u_low):
    """x sigmoid(u(x)) for finite x and an odd, increasing u: |u(x)| comes as a pair."""
    z = exp_scaled(-u, -u_low)
    n, n_low = two_product(x, z if x < 0.0 else SCALE)
    q, q_low = fast_sum(1.0, z * UNSCALE)
    return divide(n, n_low, q, q_low) * UNSCALE


def softplus(x):
    """log(1 + eˣ) = max(x, 0) + log(1 + e**-|x|)."""
    return (x if x > 0.0 else 0.0) + log1p_unit(exp_scaled(-abs(x), -0.0) * UNSCALE)


def log_sigmoid(x):
    """log(1 / (1 + e⁻ˣ)) = min(x, 0) - log(1 + e**-|x|)."""
    return (0.0 if x > 0.0 else x) - log1p_unit(exp_scaled(-abs(x), -0.0) * UNSCALE)


def log_sigmoid_slope(x):
    """sigmoid(-x)."""
    return sigmoid(-x)


def mish(x):
    """x tanh(softplus(x)), x times a rational function of z = e**-|x|.

    On the right (1 + 2z) / (1 + 2z + 2z²), on the left (2z + z²) / (2 + 2z + z²); 2.3 ulp.
    """
    y = LOWEST if x < LOWEST else x
    y = -LOWEST if y > -LOWEST else y
    scaled = exp_scaled(-abs(y), -0.0)
    z = scaled * UNSCALE
    rest = fma(z, z, 2.0 * z)
    one, one_low = fast_sum(1.0, 2.0 * z)
    d, d_low = fast_sum(2.0 if x < 0.0 else one, rest if x < 0.0 else 2.0 * z * z)
    d_low = d_low if x < 0.0 else d_low + one_low
    n, n_low = scale(
        fma(scaled, z, 2.0 * scaled) if x < 0.0 else one * SCALE,
        -0.0 if x < 0.0 else one_low * SCALE,
        y,
    )
    return x if x > -LOWEST else divide(n, n_low, d, d_low) * UNSCALE


def mish_slope(x):
    """tanh(s) + x sigmoid(x) / cosh²(s) with s = softplus(x); zero at x = r = -1.192.

    With e = eˣ it is e ω / (2 + 2e + e²)², ω = 4(x + 1) + (4x + 6) e + 4e² + e³. As ω(r) = 0,
    ω is taken from r: with a = |x - r|, y = e⁻ᵃ and p = 1 - y, a sum of terms of one sign.
    3.6 ulp, also next to the zero and in the tails; see `silu_slope`.
    """
    x = LOWEST if x < LOWEST else x
    x = -LOWEST if x > -LOWEST else x
    t, t_low = two_sum(x, -MISH_ROOT_HIGH)
    t, t_low = fast_sum(t, t_low - MISH_ROOT_LOW)
    right = t >= 0.0
    t_low = t_low if right else -t_low
    t = abs(t)
    e, s, p = decay(-t, -t_low)
    y = e * (s * UNSCALE)
    line = fma(MISH_LINE_1 if right else MISH_EXP_2, y, MISH_LINE if right else MISH_EXP)
    w, w_low = two_product(y, y)
    w, w_low = scale(w if right else 1.0, w_low if right else -0.0, line)
    right_curve = fma(fma(MISH_RIGHT_2, y, MISH_RIGHT_1), y, 1.0)
    left_curve = fma(fma(MISH_LEFT_2, y, MISH_LEFT_1), y, MISH_LEFT_0)
    n = fma(t_low, w, p * (right_curve if right else left_curve))
    n = fma(t, w, fma(t, w_low, n))
    n, n_low = two_product(n, SCALE if right else -e * s)
    q = fma(MISH_RIGHT_Q2 if right else MISH_LEFT_Q2, y, MISH_RIGHT_Q1 if right else MISH_EXP)
    z, z_low = two_product(q, y)
    q, q_low = two_sum(1.0, z)
    q, q_low = square(q, q_low + z_low)
    return divide(n, n_low, q, q_low) * UNSCALE


def swish_parts(right, d, d_low, t, t_low, e, e_low, inverse, inverse_low):
    """Numerator, factor and power of the derivative of x sigmoid(u(x)), without cancellation.

    The derivative is N e^u / (1 + e^u)² with N = 1 + x u' + e^u, which is zero at a root r < 0.
    There N(r) = 0, so N(x) = [x u' - r u'(r)] + e^u(r) (exp(u - u(r)) - 1): two terms of one sign.

    Parameters
    ----------
    right : bool
        Whether x >= r.
    d, d_low : float
        |u(x) - u(r)| as a pair.
    t, t_low : float
        |x u'(x) - r u'(r)| as a pair.
    e, e_low, inverse, inverse_low : float
        exp(u(r)) and exp(-u(r)) as pairs.

    Returns
    -------
    n, factor, power : float
        The derivative is n factor UNSCALE / (1 + power)²; power is exp(-u) on the right and
        exp(u) on the left.
    """
    y, s, m = decay(-d, -d_low)
    z = fma(y, inverse if right else e, y * (inverse_low if right else e_low))
    power = z * (s * UNSCALE)
    weight = power if right else 1.0
    n = fma(t, weight, fma(t_low, weight, m * (1.0 if right else e)))
    return n, SCALE if right else -z * s, power


def silu_slope(x):
    """s + x s (1 - s) with s = sigmoid(x); zero at x = -1.278.

    3.8 ulp, also next to the zero: eight roundings, and carrying pairs through all of them (1 ulp)
    would take longer than NumPy's formula, which loses every digit there.
    """
    x = LOWEST if x < LOWEST else x
    x = -LOWEST if x > -LOWEST else x
    t, t_low = fast_sum(x, -SILU_ROOT_HIGH)
    t_low = t_low - SILU_ROOT_LOW
    right = t + t_low >= 0.0
    t = t if right else -t
    t_low = t_low if right else -t_low
    e, inverse = SILU_EXP_HIGH, SILU_INVERSE_HIGH
    n, factor, power = swish_parts(
        right, t, t_low, t, t_low, e, SILU_EXP_LOW, inverse, SILU_INVERSE_LOW
    )
    return n * factor / (1.0 + power * (2.0 + power)) * UNSCALE


def gelu_tanh(x):
    """x sigmoid(u) with u = sqrt(8/π) (x + 0.044715 x³), that is 0.5 x (1 + tanh(u / 2))."""
    y = -GELU_TANH_LIMIT if x < -GELU_TANH_LIMIT else x
    y = GELU_TANH_LIMIT if y > GELU_TANH_LIMIT else y
    c, c_low = two_product(y, y)
    c, c_low = multiply(c, c_low, CUBIC_HIGH, CUBIC_LOW)
    d, d_low = fast_sum(LINEAR_HIGH, c)
    u, u_low = scale(d, d_low + (c_low + LINEAR_LOW), abs(y))
    return x if x > GELU_TANH_LIMIT else swish(y, u, u_low)


def gelu_tanh_slope(x):
    """Derivative of gelu_tanh; zero at x = r = -0.752. Chords from r are quadratics in x + r/2.

    3.4 ulp, also next to the zero and in the tails; see `silu_slope`.
    """
    x = -GELU_TANH_LIMIT if x < -GELU_TANH_LIMIT else x
    x = GELU_TANH_LIMIT if x > GELU_TANH_LIMIT else x
    t, t_low = two_sum(x, -GELU_TANH_ROOT_HIGH)
    t, t_low = fast_sum(t, t_low - GELU_TANH_ROOT_LOW)
    right = t >= 0.0
    t_low = t_low if right else -t_low
    t = abs(t)
    g, g_low = two_sum(x, 0.5 * GELU_TANH_ROOT_HIGH)
    g, g_low = square(g, g_low + 0.5 * GELU_TANH_ROOT_LOW)
    c, c_low = multiply(g, g_low, CUBIC_HIGH, CUBIC_LOW)
    d, d_low = fast_sum(CHORD_HIGH, c)
    d, d_low = multiply(d, d_low + (c_low + CHORD_LOW), t, t_low)
    t, t_low = multiply(fma(3.0, c, SLOPE_CHORD), 3.0 * c_low, t, t_low)
    e, inverse = GELU_TANH_EXP_HIGH, GELU_TANH_INVERSE_HIGH
    n, factor, power = swish_parts(
        right, d, d_low, t, t_low, e, GELU_TANH_EXP_LOW, inverse, GELU_TANH_INVERSE_LOW
    )
    n, n_low = two_product(n, factor)
    q, q_low = fast_sum(1.0, power)
    q, q_low = square(q, q_low)
    return divide(n, n_low, q, q_low) * UNSCALE


def gelu(x):
    """x Φ(x) with the normal distribution function Φ; the tail on the left is not cancelled."""
    a = abs(x)
    a = GELU_LIMIT if a > GELU_LIMIT else a
    square, square_low = two_product(a, a)
    p, s = normal_tail(a, square, square_low)
    left = -(a * p) * s * UNSCALE
    right = fma(-a, p * s * UNSCALE, x)
    return left if x < 0.0 else right


def gelu_slope(x):
    """Φ(x) + x φ(x) with the normal density φ.

    For a = |x| and the root r = 0.7518, gelu'(-a) = -(a - r) φ(a) H(a) with a positive H, which
    is a polynomial in (a - 5) / (a + 5); and gelu'(a) = 1 - gelu'(-a). 2.4 ulp: next to 0 the
    rounding of that quotient costs one.
    """
    a = abs(x)
    a = GELU_LIMIT if a > GELU_LIMIT else a
    r = (a - 5.0) / (a + 5.0)
    h, h_low = fast_sum(GELU_SLOPE_HIGH, r * polynomial(r, GELU_SLOPE))
    square, square_low = two_product(a, a)
    e, e_low, s = exp_pair(-0.5 * square, -0.5 * square_low)
    h, h_low = multiply(h, h_low + GELU_SLOPE_LOW, e, e_low)
    t, t_low = two_sum(a, -GELU_ROOT_HIGH)
    t, t_low = fast_sum(t, t_low - GELU_ROOT_LOW)
    h, h_low = multiply(h, h_low, t, t_low)
    left = (h + h_low) * s * UNSCALE
    return -left if x < 0.0 else 1.0 + left


def softplus_slope(x):
    """sigmoid(x)."""
    return sigmoid(x)
