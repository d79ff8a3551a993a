"""How each operation becomes lines of a native function: one file for each family."""

from . import (  # noqa: F401  they enter what they lower
    contractions,
    decompositions,
    determinants,
    exponentials,
    index,
    joining,
    losses,
    normalize,
    order,
    products,
    reduce,
    rows,
    scan,
    systems,
    views,
)
from .registry import LOWERINGS, Lowering, lowering

__all__ = ["LOWERINGS", "Lowering", "lowering"]
