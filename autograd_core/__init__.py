"""autograd_core: reverse-mode automatic differentiation on NumPy, read in layer order.

``import autograd_core as ag``. Functions on arrays carry NumPy's names, transforms JAX's.
"""

from . import modes
from .declare import OPS, defvjp, primitive
from .errors import (
    DTypeError,
    GraphError,
    MutationError,
    NondifferentiableError,
    ShapeError,
    UnknownNameError,
)
from .modes import no_grad
from .op import Op
from .ops import activations, conversions, index, linalg, pointwise, reduce, shape  # noqa: F401
from .ops.operators import PUBLIC
from .tensor import Tensor, tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

tape = modes.tape  # after the imports: the module of the same name would take its place
swish = activations.silu
globals().update(PUBLIC)
