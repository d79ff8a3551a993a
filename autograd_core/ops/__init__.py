"""The operations, one declaration each, by family; `operators` attaches them to Tensor last."""

from . import (  # noqa: F401
    activations,
    compare,
    contraction,
    decompositions,
    determinants,
    index,
    joining,
    linalg,
    matrix_functions,
    norms,
    order,
    pointwise,
    products,
    reduce,
    scan,
    shape,
    special,
    statistics,
    tiling,
    trigonometric,
)
