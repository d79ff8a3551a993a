"""autograd_core: reverse-mode automatic differentiation on NumPy, read in layer order.

``import autograd_core as ag``. Functions on arrays carry NumPy's names, transforms JAX's.
"""

from typing import Any

# What makes arrays has nothing to derive: `ag` can stand where `np` did.
from numpy import arange, e, empty, eye, full, inf, linspace, nan, newaxis, ones, pi, zeros

from . import diagnostics, linalg, modes, special
from .checking import (
    GradcheckReport,
    assert_gradients_match,
    blame,
    gradcheck,
    gradcheck_callable,
    numerical_gradient,
)
from .compiler.compiled import compile
from .declare import OPS, defvjp, primitive
from .errors import (
    AnomalyError,
    DTypeError,
    GraphError,
    MatrixError,
    MutationError,
    NondifferentiableError,
    ShapeError,
    UnknownNameError,
)
from .kernels.threads import get_num_threads, set_num_threads
from .modes import no_grad
from .op import Op
from .ops import activations
from .ops.conversions import tensor
from .ops.operators import PUBLIC
from .scan import scan
from .tensor import Tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

tape = modes.tape  # after the imports: the module of the same name would take its place
swish = activations.silu
globals().update(PUBLIC)

__all__ = [
    "OPS",
    "AnomalyError",
    "DTypeError",
    "GradcheckReport",
    "GraphError",
    "MatrixError",
    "MutationError",
    "NondifferentiableError",
    "Op",
    "ShapeError",
    "Tensor",
    "UnknownNameError",
    "assert_gradients_match",
    "blame",
    "compile",
    "conventions",
    "defvjp",
    "detect_anomaly",
    "diagnostics",
    "get_num_threads",
    "grad",
    "gradcheck",
    "gradcheck_callable",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linalg",
    "no_grad",
    "numerical_gradient",
    "primitive",
    "scan",
    "set_num_threads",
    "special",
    "swish",
    "tape",
    "tensor",
    "value_and_grad",
    "vjp",
    "arange",
    "e",
    "empty",
    "eye",
    "full",
    "inf",
    "linspace",
    "nan",
    "newaxis",
    "ones",
    "pi",
    "zeros",
    *PUBLIC,
]


def __getattr__(name: str) -> Any:
    """Load what is loaded late; for a type checker, the functions of `PUBLIC` as well."""
    if name not in ("conventions", "detect_anomaly"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(diagnostics, name)
