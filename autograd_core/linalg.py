"""ag.linalg: linear algebra, with the names of `numpy.linalg`, differentiable."""

from .ops.operators import public

globals().update(public("linalg"))

__all__ = [*public("linalg")]
