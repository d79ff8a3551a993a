"""Special functions: sinc, and ``ag.special`` with erf, gammaln, digamma and their kin.

The values come from jitted kernels that keep their digits in the tails and next to zeros; the
rules are one line each, because each derivative is an op with such a kernel too.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import Interval
from ..errors import DTypeError, explain
from ..kernels.special import kernel
from .compare import equal, less, less_equal, logical_and, where
from .pointwise import log, log1p, negative, square

POSITIVE = Interval(0.1, 3.0)
PROPER = Interval(0.05, 0.95)
KERNEL = {
    name: kernel(name)
    for name in (
        "digamma",
        "erf",
        "erf_slope",
        "erfc",
        "erfinv",
        "erfinv_slope",
        "gammaln",
        "log_ndtr",
        "log_ndtr_slope",
        "ndtr",
        "normal_density",
        "sinc",
        "sinc_slope",
        "trigamma",
    )
}
POLYGAMMA = kernel("polygamma", "n")


# ---------------------------------------------------------------------------------- sinc


@primitive(pointwise=True, scalar="sinc(x)")
def sinc(x):
    """Cardinal sine, sin(πx) / (πx), and 1 at 0."""
    return KERNEL["sinc"](x)


@primitive(pointwise=True, scalar="sinc_slope(x)", internal=True)
def sinc_slope(x):
    """sinc'(x), (cos(πx) - sinc(x)) / x."""
    return KERNEL["sinc_slope"](x)


def sinc_bend(x):
    centre = equal(x, 0.0)
    y = where(centre, 1.0, x)
    beyond = -(math.pi**2) * sinc(y) - 2.0 * sinc_slope(y) / y
    return where(centre, -(math.pi**2) / 3.0, beyond)


defvjp(sinc, x=lambda ct, x: ct * sinc_slope(x))
defvjp(sinc_slope, x=lambda ct, x: ct * sinc_bend(x))


# -------------------------------------------------- error function, normal distribution


@primitive(pointwise=True, scalar="erf(x)", namespace="special")
def erf(x):
    """Error function, 2/√π times the integral of e^(-t²) from 0 to x."""
    return KERNEL["erf"](x)


@primitive(pointwise=True, scalar="erfc(x)", namespace="special")
def erfc(x):
    """Complementary error function, 1 - erf(x), exact in the tail."""
    return KERNEL["erfc"](x)


@primitive(pointwise=True, scalar="erf_slope(x)", internal=True)
def erf_slope(x):
    """erf'(x), 2/√π e^(-x²)."""
    return KERNEL["erf_slope"](x)


@primitive(
    pointwise=True, scalar="erfinv(x)", namespace="special", domain=(Interval(-0.95, 0.95),)
)
def erfinv(x):
    """Inverse of erf."""
    return KERNEL["erfinv"](x)


@primitive(
    pointwise=True, scalar="erfinv_slope(x)", internal=True, domain=(Interval(-0.95, 0.95),)
)
def erfinv_slope(x):
    """erfinv'(x), √π/2 e^(y²) with y = erfinv(x)."""
    return KERNEL["erfinv_slope"](x)


@primitive(pointwise=True, scalar="ndtr(x)", namespace="special")
def ndtr(x):
    """Distribution function of the normal distribution."""
    return KERNEL["ndtr"](x)


@primitive(pointwise=True, scalar="normal_density(x)", internal=True)
def normal_density(x):
    """Density of the normal distribution, e^(-x²/2) / √(2π)."""
    return KERNEL["normal_density"](x)


@primitive(pointwise=True, scalar="log_ndtr(x)", namespace="special")
def log_ndtr(x):
    """Logarithm of ndtr, exact in both tails."""
    return KERNEL["log_ndtr"](x)


@primitive(pointwise=True, scalar="log_ndtr_slope(x)", internal=True)
def log_ndtr_slope(x):
    """log_ndtr'(x), normal density over ndtr."""
    return KERNEL["log_ndtr_slope"](x)


def log_ndtr_slope_vjp(ct, x, out):
    far = less(x, -100.0)  # where x + out cancels
    t = 1.0 / square(where(far, x, -100.0))
    tail = 1.0 - t * (1.0 - t * (6.0 - t * (50.0 - t * (518.0 - t * 6354.0))))
    return ct * -where(far, tail, out * (x + out))


defvjp(erf, x=lambda ct, x: ct * erf_slope(x))
defvjp(erfc, x=lambda ct, x: ct * -erf_slope(x))
defvjp(erf_slope, x=lambda ct, x, out: ct * (-2.0 * x * out))
defvjp(erfinv, x=lambda ct, x: ct * erfinv_slope(x))
defvjp(erfinv_slope, x=lambda ct, x, out: ct * (2.0 * erfinv(x) * square(out)))
defvjp(ndtr, x=lambda ct, x: ct * normal_density(x))
defvjp(normal_density, x=lambda ct, x, out: ct * (-x * out))
defvjp(log_ndtr, x=lambda ct, x: ct * log_ndtr_slope(x))
defvjp(log_ndtr_slope, x=log_ndtr_slope_vjp)


# ------------------------------------------------------------------------ gamma function


@primitive(pointwise=True, scalar="gammaln(x)", namespace="special", domain=(POSITIVE,))
def gammaln(x):
    """Logarithm of |Γ(x)|."""
    return KERNEL["gammaln"](x)


@primitive(pointwise=True, scalar="digamma(x)", namespace="special", domain=(POSITIVE,))
def digamma(x):
    """Derivative of gammaln, Γ'(x) / Γ(x)."""
    return KERNEL["digamma"](x)


@primitive(pointwise=True, scalar="trigamma(x)", internal=True, domain=(POSITIVE,))
def trigamma(x):
    """Derivative of digamma, Σ 1 / (x + k)²."""
    return KERNEL["trigamma"](x)


@primitive(
    pointwise=True,
    scalar="polygamma(x, n)",
    internal=True,
    domain=(POSITIVE,),
    samples=lambda rng: [((POSITIVE.sample(rng, (4, 3)),), {"n": n}) for n in (2, 3)],
)
def polygamma_of_order(x, *, n=2):
    """Derivative number n >= 1 of digamma."""
    return POLYGAMMA(x, n=n)


@composite(
    namespace="special",
    samples=lambda rng: [((n, POSITIVE.sample(rng, (4, 3))), {}) for n in (0, 1, 2)],
)
def polygamma(n, x):
    """Derivative number n of digamma, for an integer n >= 0."""
    if not isinstance(n, (int, np.integer)) or n < 0:
        do = "Call it once for each order"
        raise DTypeError(explain("polygamma(n, x): one integer n >= 0", f"{n!r:.40}", do))
    if n < 2:
        return trigamma(x) if n else digamma(x)
    return polygamma_of_order(x, n=int(n))


defvjp(gammaln, x=lambda ct, x: ct * digamma(x))
defvjp(digamma, x=lambda ct, x: ct * trigamma(x))
defvjp(trigamma, x=lambda ct, x: ct * polygamma_of_order(x, n=2))
defvjp(polygamma_of_order, x=lambda ct, x, n: ct * polygamma_of_order(x, n=n + 1))


# --------------------------------------------------------------- logarithms and entropies


@primitive(pointwise=True, scalar="logit(x)", namespace="special", domain=(PROPER,))
def logit(x):
    """Inverse of the sigmoid, log(x / (1 - x))."""
    with np.errstate(all="ignore"):
        ends = np.log(x) - np.log1p(-x)
        return np.where(np.abs(x - 0.5) <= 0.25, 2.0 * np.arctanh(2.0 * x - 1.0), ends)


def times_log(x, log, y, harmless):
    y = np.asarray(y, np.result_type(x, y))
    return x * log(np.where((x == 0.0) & ~np.isnan(y), harmless, y))


@primitive(
    pointwise=True, scalar="xlogy(x, y)", namespace="special", domain=(Interval(), POSITIVE)
)
def xlogy(x, y):
    """x log(y), and 0 where x is 0. The derivative in x is 0 where both are 0."""
    return times_log(x, np.log, y, 1.0)


@primitive(
    pointwise=True,
    scalar="xlog1py(x, y)",
    namespace="special",
    domain=(Interval(), Interval(-0.9, 3.0)),
)
def xlog1py(x, y):
    """x log(1 + y), and 0 where x is 0. The derivative in x is 0 where also y is -1."""
    return times_log(x, np.log1p, y, 0.0)


defvjp(logit, x=lambda ct, x: ct / (x * (1.0 - x)))
defvjp(
    xlogy,
    x=lambda ct, x, y: ct * log(where(logical_and(equal(x, 0.0), less_equal(y, 0.0)), 1.0, y)),
    y=lambda ct, x, y: ct * (x / where(equal(x, 0.0), 1.0, y)),
)
defvjp(
    xlog1py,
    x=lambda ct, x, y: ct * log1p(where(logical_and(equal(x, 0.0), less_equal(y, -1.0)), 0.0, y)),
    y=lambda ct, x, y: ct * (x / where(equal(x, 0.0), 1.0, 1.0 + y)),
)


def _two_positive(rng):
    return [((POSITIVE.sample(rng, (4, 3)), POSITIVE.sample(rng, (3,))), {})]


@composite(namespace="special", samples=lambda rng: [((POSITIVE.sample(rng, (4, 3)),), {})])
def entr(x):
    """-x log(x), the summand of an entropy; -inf where x < 0."""
    return where(less_equal(0.0, x), negative(xlogy(x, x)), -np.inf)


@composite(namespace="special", samples=_two_positive)
def rel_entr(x, y):
    """x log(x / y), the summand of a relative entropy, for x, y >= 0."""
    return xlogy(x, x / y)


@composite(namespace="special", samples=_two_positive)
def kl_div(x, y):
    """x log(x / y) - x + y, the summand of Kullback and Leibler's divergence, for x, y >= 0."""
    return rel_entr(x, y) - x + y
