"""ag.special: special functions, with the names of `scipy.special`, differentiable."""

from .ops.operators import public

globals().update(public("special"))

__all__ = [*public("special")]
