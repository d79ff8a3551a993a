"""The error function's and the normal distribution's kin, as scalar functions in float64.

The Gaussian tail is carried as a product of Mills ratio and density, so that neither a logarithm
nor a quotient of it loses digits; `special_math` and `vector_math` say the rest.
"""

from __future__ import annotations

import numpy as np

from .formats import ERFC_LIMIT, GELU_LIMIT, UNSCALE, F
from .special_formats import HALF_ROOT_PI, ONE_OVER_ROOT_2_PI, ROOT_HALF, TWO_OVER_ROOT_PI
from .vector_math import erf, erfc, exp_pair, log, log1p, normal_tail, two_product


def gaussian(x):
    """e**(-x²)."""
    a = abs(x)
    a = ERFC_LIMIT if a > ERFC_LIMIT else a
    square, square_low = two_product(a, a)
    e, e_low, s = exp_pair(-square, -square_low)
    return (e + e_low) * s * UNSCALE


def erf_slope(x):
    """Derivative of erf, 2 e**(-x²) / sqrt(π)."""
    return TWO_OVER_ROOT_PI * gaussian(x)


def normal_density(x):
    """Density of the normal distribution, e**(-x²/2) / sqrt(2π)."""
    a = abs(x)
    a = GELU_LIMIT if a > GELU_LIMIT else a
    square, square_low = two_product(a, a)
    e, e_low, s = exp_pair(-0.5 * square, -0.5 * square_low)
    return ONE_OVER_ROOT_2_PI * (e + e_low) * s * UNSCALE


def ndtr(x):
    """The normal distribution function."""
    a = abs(x)
    a = GELU_LIMIT if a > GELU_LIMIT else a
    square, square_low = two_product(a, a)
    p, s = normal_tail(a, square, square_low)
    tail = p * s * UNSCALE
    return tail if x < 0.0 else 1.0 - tail


def mills(a):
    """Tail of the normal distribution beyond a >= 0 over e**(-a²/2): Mills ratio over sqrt(2π)."""
    near = GELU_LIMIT if a > GELU_LIMIT else a
    p, s = normal_tail(near, 0.0, 0.0)
    far = a if a > GELU_LIMIT else GELU_LIMIT
    v = 1.0 / (far * far)
    series = 1.0 - v * (1.0 - v * (3.0 - v * (15.0 - v * (105.0 - v * (945.0 - v * 10395.0)))))
    return series * (ONE_OVER_ROOT_2_PI / far) if a > GELU_LIMIT else p * s * UNSCALE


def log_ndtr(x):
    """Logarithm of the normal distribution function."""
    left = log(mills(abs(x))) - 0.5 * x * x
    return left if x < 0.0 else log1p(-ndtr(-x))


def log_ndtr_slope(x):
    """Density over distribution function."""
    left = ONE_OVER_ROOT_2_PI / mills(abs(x))
    return left if x < 0.0 else normal_density(x) / ndtr(x)


def erfinv(x):
    """Inverse of erf: a rough formula (Winitzki 2008) and three steps of Halley's method."""
    a = abs(x)
    rest = 1.0 - a
    w = log(rest * (1.0 + a)) * 0.5 + 4.33
    y = np.sqrt(np.sqrt(w * w - 6.8 * (2.0 * w - 8.66)) - w)
    for _ in range(3):
        miss = erf(y) - a if a < 0.5 else rest - erfc(y)
        step = miss / erf_slope(y)
        y = y - step / (1.0 + y * step)
    y = F(np.inf) if rest == 0.0 else y
    return -y if x < 0.0 else y


def erfinv_slope(x):
    """e**(y²) sqrt(π) / 2 at y = erfinv(x), where e**(-y²) is 1 - |x| over Mills ratio."""
    rest = 1.0 - abs(x)
    y = erfinv(abs(x))
    finite = 1.0 if rest == 0.0 else y
    slope = HALF_ROOT_PI * (2.0 * mills(finite / ROOT_HALF)) / rest
    return slope
