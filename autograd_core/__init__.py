"""autograd_core: reverse-mode automatic differentiation on NumPy, read in layer order.

``import autograd_core as ag``. Functions on arrays carry NumPy's names, transforms JAX's.
"""

from .errors import (
    DTypeError,
    GraphError,
    MutationError,
    NondifferentiableError,
    ShapeError,
    UnknownNameError,
)
from .op import OPS, Op, defvjp, primitive
from .ops import activations, index, linalg, pointwise, reduce, shape  # noqa: F401
from .ops.operators import PUBLIC
from .tape import no_grad, tape
from .tensor import Tensor, tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

globals().update(PUBLIC)
