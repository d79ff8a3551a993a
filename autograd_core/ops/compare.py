"""Comparisons, roundings and choices between values: equal, sign, floor, where, maximum, clip.

Comparisons are ops too: a mask that is not an op would be frozen into a compiled program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import defvjp, primitive
from ..domains import AwayFrom, Distinct, Interval, Truth

# Between 1 and 2 in magnitude, so that quotients are rounded to 1 or -2, not to 0.
QUOTIENT = (AwayFrom((0.0,), 1.05, 1.75), Interval(0.9, 1.0))

# ----------------------------------------------------- without derivative, but still ops


def _constant(ufunc, summary, operands, reason="piecewise constant"):
    """Declare an op without derivative: comparisons must be ops, or a compiler freezes them."""
    forwards: Any = {1: lambda x: ufunc(x), 2: lambda x, y: ufunc(x, y)}
    forward = forwards[operands]
    forward.__name__ = ufunc.__name__
    forward.__doc__ = summary
    domain = (AwayFrom((-2.0, -1.0, 0.0, 1.0, 2.0)), AwayFrom((-2.0, -1.0, 0.0, 1.0, 2.0)))
    return primitive(forward, pointwise=True, nondiff=reason, domain=domain[:operands])


equal = _constant(np.equal, "Whether x = y.", 2)
not_equal = _constant(np.not_equal, "Whether x ≠ y.", 2)
less = _constant(np.less, "Whether x < y.", 2)
less_equal = _constant(np.less_equal, "Whether x ≤ y.", 2)
greater = _constant(np.greater, "Whether x > y.", 2)
greater_equal = _constant(np.greater_equal, "Whether x ≥ y.", 2)
logical_and = _constant(np.logical_and, "Whether x and y are nonzero.", 2)
logical_or = _constant(np.logical_or, "Whether x or y is nonzero.", 2)
logical_xor = _constant(np.logical_xor, "Whether just one of x and y is nonzero.", 2)
logical_not = _constant(np.logical_not, "Whether x is zero.", 1)
isfinite = _constant(np.isfinite, "Whether x is neither infinite nor NaN.", 1)
isnan = _constant(np.isnan, "Whether x is NaN.", 1)
isinf = _constant(np.isinf, "Whether x is infinite.", 1)
signbit = _constant(np.signbit, "Whether the sign bit of x is set, as in -1 and in -0.0.", 1)
sign = _constant(np.sign, "The sign of x: -1, 0 or 1.", 1)
floor = _constant(np.floor, "The largest integer ≤ x.", 1)
ceil = _constant(np.ceil, "The smallest integer ≥ x.", 1)
rint = _constant(np.rint, "The nearest integer, halves to even.", 1)
trunc = _constant(np.trunc, "The integer part, towards 0.", 1)


@primitive(pointwise=True, nondiff="piecewise constant", domain=QUOTIENT)
def floor_divide(x, y):
    """The largest integer ≤ x / y."""
    return np.floor_divide(x, y)


@primitive(pointwise=True, nondiff="piecewise constant")
def round(x, *, decimals=0):
    """x rounded to a number of decimals, halves to even."""
    return np.round(x, decimals)


# ------------------------------------------------------------------------------ choices


@primitive(pointwise=True, domain=(Truth(), Interval(), Interval()))
def where(condition, x, y):
    """x where the condition holds, y elsewhere. The other branch gets the cotangent 0."""
    return np.where(condition, x, y)


@primitive(pointwise=True, domain=(Distinct(), Distinct(0.03)))
def maximum(x, y):
    """The larger of two. At ties each gets half of the cotangent."""
    return np.maximum(x, y)


@primitive(pointwise=True, domain=(Distinct(), Distinct(0.03)))
def minimum(x, y):
    """The smaller of two. At ties each gets half of the cotangent."""
    return np.minimum(x, y)


@primitive(pointwise=True, domain=(Distinct(), Distinct(0.03)))
def fmax(x, y):
    """The larger of two, NaN losing. At ties each gets half of the cotangent."""
    return np.fmax(x, y)


@primitive(pointwise=True, domain=(Distinct(), Distinct(0.03)))
def fmin(x, y):
    """The smaller of two, NaN losing. At ties each gets half of the cotangent."""
    return np.fmin(x, y)


@primitive(pointwise=True, domain=(AwayFrom((0.0,)), AwayFrom((0.0,))))
def copysign(x, y):
    """|x| with the sign of y. The derivative at x = 0 is 0."""
    return np.copysign(x, y)


@primitive(pointwise=True, domain=(Truth(), Interval()))
def heaviside(x, y):
    """Unit step: 0 where x < 0, y where x = 0, 1 where x > 0. The derivative in x is 0."""
    return np.heaviside(x, y)


@primitive(pointwise=True)
def nan_to_num(x, *, copy=True, nan=0.0, posinf=None, neginf=None):
    """x with numbers for NaN and infinities, always a copy. The derivative at these is 0."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@primitive(
    pointwise=True,
    domain=(AwayFrom((-0.5, 1.0)),),
    samples=lambda rng: [
        ((AwayFrom((-0.5, 1.0)).sample(rng, (4, 3)),), bounds)
        for bounds in ({"min": -0.5, "max": 1.0}, {"min": -0.5}, {"max": 1.0}, {})
    ],
)
def clip(x, *, min=None, max=None):
    """x limited to the interval from min to max. The derivative at the bounds is 1."""
    return np.clip(x, min, max)


def chosen(ct, x, y, wins):
    """Hand the cotangent to the operand that was chosen, half of it at a tie."""
    return where(equal(x, y), 0.5 * ct, where(wins, ct, 0.0))


def clip_vjp(ct, x, min, max):
    if min is not None:
        ct = where(greater_equal(x, min), ct, 0.0)
    return ct if max is None else where(less_equal(x, max), ct, 0.0)


defvjp(
    where,
    condition=None,
    x=lambda ct, condition: where(condition, ct, 0.0),
    y=lambda ct, condition: where(condition, 0.0, ct),
)
defvjp(
    maximum,
    x=lambda ct, x, y: chosen(ct, x, y, greater(x, y)),
    y=lambda ct, x, y: chosen(ct, x, y, greater(y, x)),
)
defvjp(
    minimum,
    x=lambda ct, x, y: chosen(ct, x, y, less(x, y)),
    y=lambda ct, x, y: chosen(ct, x, y, less(y, x)),
)
defvjp(
    fmax,
    x=lambda ct, x, y: chosen(ct, x, y, logical_or(greater(x, y), isnan(y))),
    y=lambda ct, x, y: chosen(ct, x, y, logical_not(logical_or(greater(x, y), isnan(y)))),
)
defvjp(
    fmin,
    x=lambda ct, x, y: chosen(ct, x, y, logical_or(less(x, y), isnan(y))),
    y=lambda ct, x, y: chosen(ct, x, y, logical_not(logical_or(less(x, y), isnan(y)))),
)
defvjp(copysign, x=lambda ct, x, y: ct * (sign(x) * copysign(1.0, y)), y=None)
defvjp(heaviside, x=None, y=lambda ct, x: where(equal(x, 0.0), ct, 0.0))
defvjp(nan_to_num, x=lambda ct, x: where(isfinite(x), ct, 0.0))
defvjp(clip, x=clip_vjp)
