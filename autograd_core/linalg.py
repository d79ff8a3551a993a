"""ag.linalg: linear algebra, with the names of `numpy.linalg`, differentiable."""

import numpy as np

from .ops.operators import public

# What NumPy has in both places is here in both places, too.
_common = {name: function for name, function in public().items() if name in np.linalg.__all__}
_functions = _common | public("linalg")
globals().update(_functions)

__all__ = [*_functions]
