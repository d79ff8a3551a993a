"""The operations, one declaration each, by family; `operators` attaches them to Tensor last."""

from . import (  # noqa: F401
    activations,
    compare,
    decompositions,
    index,
    joining,
    linalg,
    normalize,
    order,
    pointwise,
    products,
    reduce,
    scan,
    shape,
    special,
    tiling,
)
