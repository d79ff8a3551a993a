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


def _constant(ufunc, summary, scalar, reason="piecewise constant"):
    """Declare an op without derivative: comparisons must be ops, or a compiler freezes them."""
    forwards: Any = {1: lambda x: ufunc(x), 2: lambda x, y: ufunc(x, y)}
    operands = ufunc.nin
    forward = forwards[operands]
    forward.__name__ = ufunc.__name__
    forward.__doc__ = summary
    domain = (AwayFrom((-2.0, -1.0, 0.0, 1.0, 2.0)), AwayFrom((-2.0, -1.0, 0.0, 1.0, 2.0)))
    facets = {"scalar": scalar, "nondiff": reason, "domain": domain[:operands]}
    return primitive(forward, pointwise=True, **facets)


equal = _constant(np.equal, "Whether x = y.", "x == y")
not_equal = _constant(np.not_equal, "Whether x ≠ y.", "x != y")
less = _constant(np.less, "Whether x < y.", "x < y")
less_equal = _constant(np.less_equal, "Whether x ≤ y.", "x <= y")
greater = _constant(np.greater, "Whether x > y.", "x > y")
greater_equal = _constant(np.greater_equal, "Whether x ≥ y.", "x >= y")
logical_and = _constant(np.logical_and, "Whether x and y are nonzero.", "(x != 0.0) & (y != 0.0)")
logical_or = _constant(np.logical_or, "Whether x or y is nonzero.", "(x != 0.0) | (y != 0.0)")
logical_xor = _constant(
    np.logical_xor, "Whether just one of x and y is nonzero.", "(x != 0.0) != (y != 0.0)"
)
logical_not = _constant(np.logical_not, "Whether x is zero.", "x == 0.0")
isfinite = _constant(np.isfinite, "Whether x is neither infinite nor NaN.", "abs(x) < F(np.inf)")
isnan = _constant(np.isnan, "Whether x is NaN.", "x != x")
isinf = _constant(np.isinf, "Whether x is infinite.", "abs(x) == F(np.inf)")
signbit = _constant(
    np.signbit,
    "Whether the sign bit of x is set, as in -1 and in -0.0.",
    "np.copysign(1.0, x) < 0.0",
)
sign = _constant(np.sign, "The sign of x: -1, 0 or 1.", "sign(x)")
floor = _constant(np.floor, "The largest integer ≤ x.", "np.floor(x)")
ceil = _constant(np.ceil, "The smallest integer ≥ x.", "np.ceil(x)")
rint = _constant(np.rint, "The nearest integer, halves to even.", "np.rint(x)")
trunc = _constant(np.trunc, "The integer part, towards 0.", "np.trunc(x)")


@primitive(
    pointwise=True, scalar="floor_divide(x, y)", nondiff="piecewise constant", domain=QUOTIENT
)
def floor_divide(x, y):
    """The largest integer ≤ x / y."""
    return np.floor_divide(x, y)


def _round_scalar(decimals):
    unit = 10.0 ** abs(decimals)
    first, second = "*/" if decimals > 0 else "/*"
    return f"np.rint(x {first} {unit!r}) {second} {unit!r}"


@primitive(pointwise=True, scalar=_round_scalar, nondiff="piecewise constant")
def round(x, *, decimals=0):
    """x rounded to a number of decimals, halves to even."""
    return np.round(x, decimals)


# ------------------------------------------------------------------------------ choices


@primitive(
    pointwise=True,
    scalar="select(condition != 0.0, x, y)",
    domain=(Truth(), Interval(), Interval()),
)
def where(condition, x, y):
    """x where the condition holds, y elsewhere. The other branch gets the cotangent 0."""
    return np.where(condition, x, y)


@primitive(pointwise=True, scalar="maximum(x, y)", domain=(Distinct(), Distinct(0.03)))
def maximum(x, y):
    """The larger of two. At ties each gets half of the cotangent."""
    return np.maximum(x, y)


@primitive(pointwise=True, scalar="minimum(x, y)", domain=(Distinct(), Distinct(0.03)))
def minimum(x, y):
    """The smaller of two. At ties each gets half of the cotangent."""
    return np.minimum(x, y)


@primitive(pointwise=True, scalar="fmax(x, y)", domain=(Distinct(), Distinct(0.03)))
def fmax(x, y):
    """The larger of two, NaN losing. At ties each gets half of the cotangent."""
    return np.fmax(x, y)


@primitive(pointwise=True, scalar="fmin(x, y)", domain=(Distinct(), Distinct(0.03)))
def fmin(x, y):
    """The smaller of two, NaN losing. At ties each gets half of the cotangent."""
    return np.fmin(x, y)


@primitive(pointwise=True, scalar="np.copysign(x, y)", domain=(AwayFrom((0.0,)), AwayFrom((0.0,))))
def copysign(x, y):
    """|x| with the sign of y. The derivative at x = 0 is 0."""
    return np.copysign(x, y)


@primitive(pointwise=True, scalar="heaviside(x, y)", domain=(Truth(), Interval()))
def heaviside(x, y):
    """Unit step: 0 where x < 0, y where x = 0, 1 where x > 0. The derivative in x is 0."""
    return np.heaviside(x, y)


def _nan_to_num_scalar(copy, nan, posinf, neginf):
    high = "LARGEST" if posinf is None else "posinf"
    low = "-LARGEST" if neginf is None else "neginf"
    finite = f"select(x == F(np.inf), {high}, select(x == -F(np.inf), {low}, x))"
    return f"select(x != x, nan, {finite})"


@primitive(pointwise=True, scalar=_nan_to_num_scalar)
def nan_to_num(x, *, copy=True, nan=0.0, posinf=None, neginf=None):
    """x with numbers for NaN and infinities, always a copy. The derivative at these is 0."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def _clip_scalar(min, max):
    above = "x" if min is None else "maximum(x, min)"
    return above if max is None else f"minimum({above}, max)"


@primitive(
    pointwise=True,
    scalar=_clip_scalar,
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
