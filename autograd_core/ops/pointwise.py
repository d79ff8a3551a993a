"""Elementwise ops: arithmetic, exponentials, logarithms, trigonometry.

A calculus table. `ct` is the cotangent of the result; each line says what an operand gets.
Formulas are chosen so that they keep their digits in the tails (no 1 - tanh², no overflow of x²).
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import AwayFrom, Interval
from .compare import equal, floor, sign, where

POSITIVE = Interval(0.1, 3.0)
UNIT = Interval(-0.9, 0.9)
NONZERO = AwayFrom((0.0,))


# --------------------------------------------------------------------------- arithmetic


@primitive(pointwise=True)
def add(x, y):
    """Sum, x + y."""
    return np.add(x, y)


@primitive(pointwise=True)
def subtract(x, y):
    """Difference, x - y."""
    return np.subtract(x, y)


@primitive(pointwise=True)
def multiply(x, y):
    """Product, x y."""
    return np.multiply(x, y)


@primitive(pointwise=True, domain=(Interval(), NONZERO))
def divide(x, y):
    """Quotient, x / y."""
    return np.divide(x, y)


@primitive(pointwise=True)
def negative(x):
    """The number with the opposite sign, -x."""
    return np.negative(x)


@primitive(pointwise=True)
def positive(x):
    """The number itself, +x."""
    return np.positive(x)


@primitive(pointwise=True, domain=(POSITIVE, Interval()))
def power(x, y):
    """Power, x**y. The derivative with respect to x is 0 where y is 0, also at x = 0."""
    return np.power(x, y)


def power_vjp_x(ct, x, y):
    if isinstance(y, (int, float)):
        return ct * (x * 2.0) if y == 2 else ct * 0.0 if y == 0 else ct * (y * power(x, y - 1.0))
    flat = equal(y, 0.0)
    return ct * where(flat, 0.0, y * power(x, where(flat, 1.0, y) - 1.0))


@primitive(pointwise=True, domain=(AwayFrom((-1.0, 0.0, 1.0)), Interval(2.1, 2.9)))
def remainder(x, y):
    """Remainder of the division x / y, with the sign of y."""
    return np.remainder(x, y)


@primitive(pointwise=True)
def square(x):
    """Square, x²."""
    return np.square(x)


@primitive(pointwise=True, domain=(NONZERO,))
def reciprocal(x):
    """Reciprocal, 1 / x."""
    return np.reciprocal(x)


@primitive(pointwise=True, domain=(POSITIVE,))
def sqrt(x):
    """Square root. The derivative at 0 is infinite."""
    return np.sqrt(x)


@primitive(pointwise=True, domain=(NONZERO,))
def cbrt(x):
    """Cube root."""
    return np.cbrt(x)


@primitive(pointwise=True, domain=(NONZERO,))
def abs(x):
    """Absolute value. The derivative at 0 is 0."""
    return np.abs(x)


@primitive(pointwise=True, domain=(NONZERO, NONZERO))
def hypot(x, y):
    """Length of the vector (x, y). The derivatives at (0, 0) are 0."""
    return np.hypot(x, y)


def hypot_vjp(ct, x, out):
    return ct * (x / where(equal(out, 0.0), 1.0, out))


defvjp(add, x=lambda ct: ct, y=lambda ct: ct)
defvjp(subtract, x=lambda ct: ct, y=lambda ct: -ct)
defvjp(multiply, x=lambda ct, y: ct * y, y=lambda ct, x: ct * x)
defvjp(divide, x=lambda ct, y: ct / y, y=lambda ct, out, y: -ct * out / y)
defvjp(negative, x=lambda ct: -ct)
defvjp(positive, x=lambda ct: ct)
defvjp(
    power,
    x=power_vjp_x,
    y=lambda ct, out, x: ct * (out * log(where(equal(x, 0.0), 1.0, x))),
)
defvjp(remainder, x=lambda ct: ct, y=lambda ct, x, y: -ct * floor(x / y))
defvjp(square, x=lambda ct, x: ct * (2.0 * x))
defvjp(reciprocal, x=lambda ct, out: -ct * out * out)
defvjp(sqrt, x=lambda ct, out: ct * (0.5 / out))
defvjp(cbrt, x=lambda ct, out: ct / (3.0 * out * out))
defvjp(abs, x=lambda ct, x: ct * sign(x))
defvjp(hypot, x=hypot_vjp, y=lambda ct, y, out: hypot_vjp(ct, y, out))


def _zero_wins(x, y, out):
    """Give 0 where a factor is exactly zero, whatever the other is (DESIGN: strong zeros)."""
    if np.isfinite(out).all():
        return out
    return np.where(np.isfinite(out) | ((x != 0) & (y != 0)), out, np.zeros_like(out))


@primitive(pointwise=True, register=False)
def strong_multiply(x, y):
    """Product in which a factor that is exactly zero wins over an infinite one."""
    with np.errstate(all="ignore"):
        return _zero_wins(x, y, np.asarray(np.multiply(x, y)))


@primitive(pointwise=True, register=False)
def strong_divide(x, y):
    """Quotient in which a factor that is exactly zero, x or 1 / y, wins over an infinite one."""
    with np.errstate(all="ignore"):
        return _zero_wins(x, np.divide(1.0, y), np.asarray(np.divide(x, y)))


defvjp(strong_multiply, x=lambda ct, y: ct * y, y=lambda ct, x: ct * x)
defvjp(strong_divide, x=lambda ct, y: ct / y, y=lambda ct, out, y: -ct * out / y)
multiply.strong = strong_multiply
divide.strong = strong_divide


# --------------------------------------------------------------- exponentials, logarithms


@primitive(pointwise=True)
def exp(x):
    """Exponential, eˣ."""
    return np.exp(x)


@primitive(pointwise=True)
def exp2(x):
    """Power of two, 2ˣ."""
    return np.exp2(x)


@primitive(pointwise=True)
def expm1(x):
    """Exponential minus one, eˣ - 1, exact near 0."""
    return np.expm1(x)


@primitive(pointwise=True, domain=(POSITIVE,))
def log(x):
    """Natural logarithm."""
    return np.log(x)


@primitive(pointwise=True, domain=(POSITIVE,))
def log2(x):
    """Logarithm to base 2."""
    return np.log2(x)


@primitive(pointwise=True, domain=(POSITIVE,))
def log10(x):
    """Logarithm to base 10."""
    return np.log10(x)


@primitive(pointwise=True, domain=(Interval(-0.9, 3.0),))
def log1p(x):
    """Natural logarithm of 1 + x, exact near 0."""
    return np.log1p(x)


@primitive(pointwise=True)
def logaddexp(x, y):
    """Logarithm of eˣ + eʸ."""
    return np.logaddexp(x, y)


def logaddexp_vjp(ct, x, y, out):
    return ct * where(equal(x, y), 0.5, exp(x - out))  # equal also where both are infinite


defvjp(exp, x=lambda ct, out: ct * out)
defvjp(exp2, x=lambda ct, out: ct * (out * math.log(2.0)))
defvjp(expm1, x=lambda ct, x: ct * exp(x))
defvjp(log, x=lambda ct, x: ct / x)
defvjp(log2, x=lambda ct, x: ct / (x * math.log(2.0)))
defvjp(log10, x=lambda ct, x: ct / (x * math.log(10.0)))
defvjp(log1p, x=lambda ct, x: ct / (1.0 + x))
defvjp(logaddexp, x=logaddexp_vjp, y=lambda ct, x, y, out: logaddexp_vjp(ct, y, x, out))


# ------------------------------------------------------------ trigonometric, hyperbolic


@primitive(pointwise=True)
def sin(x):
    """Sine; x in radians."""
    return np.sin(x)


@primitive(pointwise=True)
def cos(x):
    """Cosine; x in radians."""
    return np.cos(x)


@primitive(pointwise=True, domain=(Interval(-1.2, 1.2),))
def tan(x):
    """Tangent; x in radians."""
    return np.tan(x)


@primitive(pointwise=True, domain=(UNIT,))
def arcsin(x):
    """Inverse sine, in radians."""
    return np.arcsin(x)


@primitive(pointwise=True, domain=(UNIT,))
def arccos(x):
    """Inverse cosine, in radians."""
    return np.arccos(x)


@primitive(pointwise=True)
def arctan(x):
    """Inverse tangent, in radians."""
    return np.arctan(x)


@primitive(pointwise=True, domain=(NONZERO, NONZERO))
def arctan2(x, y):
    """Angle of the point with ordinate x and abscissa y. The derivatives at (0, 0) are 0."""
    return np.arctan2(x, y)


def arctan2_part(ct, numerator, other):
    r = hypot(numerator, other)
    r = where(equal(r, 0.0), 1.0, r)
    return ct * (numerator / r / r)


@primitive(pointwise=True)
def sinh(x):
    """Hyperbolic sine."""
    return np.sinh(x)


@primitive(pointwise=True)
def cosh(x):
    """Hyperbolic cosine."""
    return np.cosh(x)


@primitive(pointwise=True)
def arcsinh(x):
    """Inverse hyperbolic sine."""
    return np.arcsinh(x)


@primitive(pointwise=True, domain=(Interval(1.1, 3.0),))
def arccosh(x):
    """Inverse hyperbolic cosine."""
    return np.arccosh(x)


@primitive(pointwise=True, domain=(UNIT,))
def arctanh(x):
    """Inverse hyperbolic tangent."""
    return np.arctanh(x)


defvjp(sin, x=lambda ct, x: ct * cos(x))
defvjp(cos, x=lambda ct, x: ct * -sin(x))
defvjp(tan, x=lambda ct, out: ct * (1.0 + out * out))
defvjp(arcsin, x=lambda ct, x: ct / (sqrt(1.0 - x) * sqrt(1.0 + x)))
defvjp(arccos, x=lambda ct, x: -ct / (sqrt(1.0 - x) * sqrt(1.0 + x)))
defvjp(arctan, x=lambda ct, x: ct / hypot(x, 1.0) / hypot(x, 1.0))
defvjp(
    arctan2,
    x=lambda ct, x, y: arctan2_part(ct, y, x),
    y=lambda ct, x, y: arctan2_part(-ct, x, y),
)
defvjp(sinh, x=lambda ct, x: ct * cosh(x))
defvjp(cosh, x=lambda ct, x: ct * sinh(x))
defvjp(arcsinh, x=lambda ct, x: ct / hypot(x, 1.0))
defvjp(arccosh, x=lambda ct, x: ct / (sqrt(x - 1.0) * sqrt(x + 1.0)))
defvjp(arctanh, x=lambda ct, x: ct / ((1.0 - x) * (1.0 + x)))


@composite(
    samples=lambda rng: [
        (
            (AwayFrom((-1.0, 0.0, 1.0)).sample(rng, (4, 3)), Interval(2.1, 2.9).sample(rng, (3,))),
            {},
        )
    ]
)
def floor_divide(x, y):
    """The largest integer ≤ x / y."""
    return floor(x / y)
