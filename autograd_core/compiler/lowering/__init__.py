"""How each operation becomes lines of a native function: one file for each family.

`registry` is the table. `elements`, `joins`, `passes` and `stacks` are what families share:
moving elements, joining those of a line to one number, passes over lines, stacks of matrices for
LAPACK. `own` serves operations that bring their loop, `commits` what is no operation.
"""

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
