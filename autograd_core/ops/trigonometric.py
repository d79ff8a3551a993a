"""Trigonometric and hyperbolic functions and their inverses, as lines of a calculus table."""

from __future__ import annotations

import numpy as np

from ..declare import defvjp, primitive
from ..domains import AwayFrom, Interval
from .compare import equal, where
from .pointwise import hypot, sqrt

UNIT = Interval(-0.9, 0.9)
NONZERO = AwayFrom((0.0,))


@primitive(pointwise=True, scalar="sin(x)")
def sin(x):
    """Sine; x in radians."""
    return np.sin(x)


@primitive(pointwise=True, scalar="cos(x)")
def cos(x):
    """Cosine; x in radians."""
    return np.cos(x)


@primitive(pointwise=True, scalar="tan(x)", domain=(Interval(-1.2, 1.2),))
def tan(x):
    """Tangent; x in radians."""
    return np.tan(x)


@primitive(pointwise=True, scalar="arcsin(x)", domain=(UNIT,))
def arcsin(x):
    """Inverse sine, in radians."""
    return np.arcsin(x)


@primitive(pointwise=True, scalar="arccos(x)", domain=(UNIT,))
def arccos(x):
    """Inverse cosine, in radians."""
    return np.arccos(x)


@primitive(pointwise=True, scalar="arctan(x)")
def arctan(x):
    """Inverse tangent, in radians."""
    return np.arctan(x)


@primitive(pointwise=True, scalar="arctan2(x, y)", domain=(NONZERO, NONZERO))
def arctan2(x, y):
    """Angle of the point with ordinate x and abscissa y. The derivatives at (0, 0) are 0."""
    return np.arctan2(x, y)


def arctan2_part(ct, numerator, other):
    r = hypot(numerator, other)
    r = where(equal(r, 0.0), 1.0, r)
    return ct * (numerator / r / r)


@primitive(pointwise=True, scalar="x * 0.017453292519943295")
def deg2rad(x):
    """Degrees in radians."""
    return np.deg2rad(x)


@primitive(pointwise=True, scalar="x * 57.29577951308232")
def rad2deg(x):
    """Radians in degrees."""
    return np.rad2deg(x)


@primitive(pointwise=True, scalar="sinh(x)")
def sinh(x):
    """Hyperbolic sine."""
    return np.sinh(x)


@primitive(pointwise=True, scalar="cosh(x)")
def cosh(x):
    """Hyperbolic cosine."""
    return np.cosh(x)


@primitive(pointwise=True, scalar="arcsinh(x)")
def arcsinh(x):
    """Inverse hyperbolic sine."""
    return np.arcsinh(x)


@primitive(pointwise=True, scalar="arccosh(x)", domain=(Interval(1.1, 3.0),))
def arccosh(x):
    """Inverse hyperbolic cosine."""
    return np.arccosh(x)


@primitive(pointwise=True, scalar="arctanh(x)", domain=(UNIT,))
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
defvjp(deg2rad, x=lambda ct: deg2rad(ct))
defvjp(rad2deg, x=lambda ct: rad2deg(ct))
defvjp(sinh, x=lambda ct, x: ct * cosh(x))
defvjp(cosh, x=lambda ct, x: ct * sinh(x))
defvjp(arcsinh, x=lambda ct, x: ct / hypot(x, 1.0))
defvjp(arccosh, x=lambda ct, x: ct / (sqrt(x - 1.0) * sqrt(x + 1.0)))
defvjp(arctanh, x=lambda ct, x: ct / ((1.0 - x) * (1.0 + x)))
