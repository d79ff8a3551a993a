"""Independent formulas of special functions; `truths` explains."""

import functools
import math
from statistics import NormalDist

import numpy as np


def elementwise(function):
    """Let a function of Python numbers take arrays; where it refuses, the value is NaN."""

    def tolerant(*numbers):
        try:
            return function(*map(float, numbers))
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan

    vectorized = np.vectorize(tolerant, otypes=[float])

    @functools.wraps(function)
    def on_arrays(*arrays):
        kind = np.result_type(*arrays) if np.result_type(*arrays).kind == "f" else float
        return vectorized(*arrays).astype(kind)

    return on_arrays


def sum_of_powers(s, x):
    """Return Σ (x + k)⁻ˢ for x >= 0: a thousand terms, and the integral over the rest."""
    if x < 0:
        raise ValueError("beyond the integral's domain")
    w = x + 1000.0
    rest = w ** (1 - s) / (s - 1) + w**-s / 2 + s * w ** (-s - 1) / 12
    return sum((x + k) ** -s for k in range(1000)) + rest


def digamma(x):
    if not math.isfinite(x):
        return math.inf if x > 0 else math.nan
    if x <= 0 or x > 1e6:
        return math.copysign(math.inf, -x) if x == 0 else math.log(x) - 0.5 / x
    w = x + 1000.0
    return math.log(w) - 0.5 / w - 1 / (12 * w * w) - sum(1 / (x + k) for k in range(1000))


def polygamma(n, x):
    if n == 0:
        return digamma(x)
    return (-1) ** (n + 1) * math.factorial(n) * sum_of_powers(n + 1, x)


def sinc_slope(x):
    if abs(x) < 1e-2:
        return -(math.pi**2) * x / 3 + math.pi**4 * x**3 / 30 - math.pi**6 * x**5 / 840
    return (math.cos(math.pi * x) - math.sin(math.pi * x) / (math.pi * x)) / x


def erfinv(x):
    return (
        math.copysign(math.inf, x)
        if abs(x) == 1
        else NormalDist(0, math.sqrt(0.5)).inv_cdf((1 + x) / 2)
    )


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def ndtr(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def xlogy(x, y):
    return 0.0 if x == 0 and not math.isnan(y) else x * math.log(y)


def xlog1py(x, y):
    return 0.0 if x == 0 and not math.isnan(y) else x * math.log1p(y)


def softmax(x, axis=None):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


FORMULAS = {
    "softmax_over": softmax,
    "log_softmax_over": lambda x, axis=None: np.log(softmax(x, axis)),
    "sinc_slope": elementwise(sinc_slope),
    "erf": elementwise(math.erf),
    "erfc": elementwise(math.erfc),
    "erf_slope": elementwise(lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
    "erfinv": elementwise(erfinv),
    "erfinv_slope": elementwise(lambda x: math.sqrt(math.pi) / 2 * math.exp(erfinv(x) ** 2)),
    "ndtr": elementwise(ndtr),
    "normal_density": elementwise(density),
    "log_ndtr": elementwise(lambda x: math.log(ndtr(x))),
    "log_ndtr_slope": elementwise(lambda x: density(x) / ndtr(x)),
    "gammaln": elementwise(math.lgamma),
    "digamma": elementwise(digamma),
    "trigamma": elementwise(lambda x: polygamma(1, x)),
    "polygamma": lambda n, x: elementwise(functools.partial(polygamma, n))(x),
    "polygamma_of_order": lambda x, n: elementwise(functools.partial(polygamma, n))(x),
    "logit": elementwise(lambda x: math.log(x / (1 - x))),
    "xlogy": elementwise(xlogy),
    "xlog1py": elementwise(xlog1py),
    "entr": elementwise(lambda x: -xlogy(x, x)),
    "rel_entr": elementwise(lambda x, y: x * math.log(x / y)),
    "kl_div": elementwise(lambda x, y: x * math.log(x / y) - x + y),
}
