"""The operations, one declaration each, by family; `operators` attaches them to Tensor last."""

from . import (  # noqa: F401
    activations,
    compare,
    contraction,
    decompositions,
    index,
    joining,
    linalg,
    order,
    pointwise,
    products,
    reduce,
    scan,
    shape,
    special,
    tiling,
)
