"""Elementwise ops: arithmetic, exponentials, logarithms.

A calculus table. `ct` is the cotangent of the result; each line says what an operand gets.
Formulas are chosen so that they keep their digits in the tails (no overflow of x²).
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import AwayFrom, Interval
from .compare import (
    QUOTIENT,
    equal,
    isfinite,
    isnan,
    less_equal,
    logical_and,
    logical_or,
    rint,
    sign,
    where,
)

POSITIVE = Interval(0.1, 3.0)
NONZERO = AwayFrom((0.0,))


# --------------------------------------------------------------------------- arithmetic


@primitive(pointwise=True, scalar="x + y")
def add(x, y):
    """Sum, x + y."""
    return np.add(x, y)


@primitive(pointwise=True, scalar="x - y")
def subtract(x, y):
    """Difference, x - y."""
    return np.subtract(x, y)


@primitive(pointwise=True, scalar="x * y")
def multiply(x, y):
    """Product, x y."""
    return np.multiply(x, y)


@primitive(pointwise=True, scalar="x / y", domain=(Interval(), NONZERO))
def divide(x, y):
    """Quotient, x / y."""
    return np.divide(x, y)


@primitive(pointwise=True, scalar="-x")
def negative(x):
    """The number with the opposite sign, -x."""
    return np.negative(x)


@primitive(pointwise=True, scalar="x")
def positive(x):
    """The number itself, +x."""
    return np.positive(x)


@primitive(pointwise=True, scalar="power(x, y)", domain=(POSITIVE, Interval()))
def power(x, y):
    """Power, x**y. The derivative with respect to x is 0 where y is 0, also at x = 0."""
    return np.power(x, y)


def power_vjp_x(ct, x, y):
    if isinstance(y, (int, float)):
        return ct * (x * 2.0) if y == 2 else ct * 0.0 if y == 0 else ct * (y * power(x, y - 1.0))
    flat = equal(y, 0.0)
    return ct * where(flat, 0.0, y * power(x, where(flat, 1.0, y) - 1.0))


def power_vjp_y(ct, out, x):
    return ct * (out * log(where(equal(x, 0.0), 1.0, x)))


@primitive(
    pointwise=True,
    scalar="power(x, y)",
    domain=(POSITIVE, Interval()),
    except_laws={"mixed": "the result is float64, as in NumPy"},
)
def float_power(x, y):
    """Power, x**y, in float64 at least."""
    return np.float_power(x, y)


@primitive(pointwise=True, scalar="remainder(x, y)", domain=QUOTIENT)
def remainder(x, y):
    """Remainder of the division x / y, with the sign of y."""
    return np.remainder(x, y)


@primitive(pointwise=True, scalar="np.fmod(x, y)", domain=QUOTIENT)
def fmod(x, y):
    """Remainder of the division x / y, with the sign of x."""
    return np.fmod(x, y)


def remainder_vjp_y(ct, x, y, out):
    return -ct * rint((x - out) / y)  # not floor(x / y): 1 / 0.1 rounds to 10, 1 % 0.1 is not 0


@primitive(pointwise=True, scalar="x * x")
def square(x):
    """Square, x²."""
    return np.square(x)


@primitive(pointwise=True, scalar="1.0 / x", domain=(NONZERO,))
def reciprocal(x):
    """Reciprocal, 1 / x."""
    return np.reciprocal(x)


@primitive(pointwise=True, scalar="np.sqrt(x)", domain=(POSITIVE,))
def sqrt(x):
    """Square root. The derivative at 0 is infinite."""
    return np.sqrt(x)


@primitive(pointwise=True, scalar="cbrt(x)", domain=(NONZERO,))
def cbrt(x):
    """Cube root."""
    return np.cbrt(x)


@primitive(pointwise=True, scalar="abs(x)", domain=(NONZERO,))
def abs(x):
    """Absolute value. The derivative at 0 is 0."""
    return np.abs(x)


@primitive(pointwise=True, scalar="hypot(x, y)", domain=(NONZERO, NONZERO))
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
defvjp(power, x=power_vjp_x, y=power_vjp_y)
defvjp(float_power, x=power_vjp_x, y=power_vjp_y)
defvjp(remainder, x=lambda ct: ct, y=remainder_vjp_y)
defvjp(fmod, x=lambda ct: ct, y=remainder_vjp_y)
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


@primitive(pointwise=True, scalar="strong_multiply(x, y)", register=False)
def strong_multiply(x, y):
    """Product in which a factor that is exactly zero wins over an infinite one."""
    with np.errstate(all="ignore"):
        return _zero_wins(x, y, np.asarray(np.multiply(x, y)))


@primitive(pointwise=True, scalar="strong_divide(x, y)", register=False)
def strong_divide(x, y):
    """Quotient in which a factor that is exactly zero, x or 1 / y, wins over an infinite one."""
    with np.errstate(all="ignore"):
        return _zero_wins(x, np.divide(1.0, y), np.asarray(np.divide(x, y)))


defvjp(strong_multiply, x=lambda ct, y: ct * y, y=lambda ct, x: ct * x)
defvjp(strong_divide, x=lambda ct, y: ct / y, y=lambda ct, out, y: -ct * out / y)
multiply.strong = strong_multiply
divide.strong = strong_divide


# --------------------------------------------------------------- exponentials, logarithms


@primitive(pointwise=True, scalar="exp(x)")
def exp(x):
    """Exponential, eˣ."""
    return np.exp(x)


@primitive(pointwise=True, scalar="exp2(x)")
def exp2(x):
    """Power of two, 2ˣ."""
    return np.exp2(x)


@primitive(pointwise=True, scalar="expm1(x)")
def expm1(x):
    """Exponential minus one, eˣ - 1, exact near 0."""
    return np.expm1(x)


@primitive(pointwise=True, scalar="log(x)", domain=(POSITIVE,))
def log(x):
    """Natural logarithm."""
    return np.log(x)


@primitive(pointwise=True, scalar="log2(x)", domain=(POSITIVE,))
def log2(x):
    """Logarithm to base 2."""
    return np.log2(x)


@primitive(pointwise=True, scalar="log10(x)", domain=(POSITIVE,))
def log10(x):
    """Logarithm to base 10."""
    return np.log10(x)


@primitive(pointwise=True, scalar="log1p(x)", domain=(Interval(-0.9, 3.0),))
def log1p(x):
    """Natural logarithm of 1 + x, exact near 0."""
    return np.log1p(x)


@primitive(pointwise=True, scalar="logaddexp(x, y)")
def logaddexp(x, y):
    """Logarithm of eˣ + eʸ."""
    return np.logaddexp(x, y)


@primitive(pointwise=True, scalar="logaddexp2(x, y)")
def logaddexp2(x, y):
    """Logarithm to base 2 of 2ˣ + 2ʸ."""
    return np.logaddexp2(x, y)


def share(ct, x, y, power):
    """Cotangent of x in the logarithm of power(x) + power(y), whose digits no result has."""
    return ct * where(equal(x, y), 0.5, 1.0 / (1.0 + power(y - x)))  # also if both are infinite


defvjp(exp, x=lambda ct, out: ct * out)
defvjp(exp2, x=lambda ct, out: ct * (out * math.log(2.0)))
defvjp(expm1, x=lambda ct, x: ct * exp(x))
defvjp(log, x=lambda ct, x: ct / x)
defvjp(log2, x=lambda ct, x: ct / (x * math.log(2.0)))
defvjp(log10, x=lambda ct, x: ct / (x * math.log(10.0)))
defvjp(log1p, x=lambda ct, x: ct / (1.0 + x))
defvjp(
    logaddexp,
    x=lambda ct, x, y: share(ct, x, y, exp),
    y=lambda ct, x, y: share(ct, y, x, exp),
)
defvjp(
    logaddexp2,
    x=lambda ct, x, y: share(ct, x, y, exp2),
    y=lambda ct, x, y: share(ct, y, x, exp2),
)


@composite(
    nondiff="piecewise constant",
    samples=lambda rng: [((np.array([1.0, 2.0, np.inf]), np.array([1.0 + 1e-7, 2.1, 3.0])), {})],
)
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |a - b| ≤ atol + rtol |b|, or a and b are the same."""
    with np.errstate(invalid="ignore"):  # infinities, which are compared below
        near = less_equal(abs(subtract(a, b)), add(atol, multiply(rtol, abs(b))))
    near = logical_or(equal(a, b), logical_and(near, isfinite(b)))
    return logical_or(near, logical_and(isnan(a), isnan(b))) if equal_nan else near
