"""Which products have a first factor with many zeros, as far as its making tells.

relu makes zeros, its derivative does, and dropout; and there are data that have many, such as
pictures. A product leaves them out where, counted at each run, they are many (`kernels.sparse`).
What is found here costs nothing if it is wrong but the counting, and what is not found is done as
ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.sparse import has_many
from .compare import content
from .record import Apply, Step, Value
from .rewriting import changed, meaning

__all__ = ["sparse_products"]

MAKERS = {"relu", "relu_pull", "relu6", "relu6_pull"}
CHOICES = {"where": 1, "maximum": 0}  # of numbers, from this operand on
PRODUCTS = {"matmul", "linear"}
KEEPERS = {"reshape", "transpose", "flip", "multiply", "divide", "negative"}  # of zeros


def sparse_products(steps: Sequence[Step]) -> list[Step]:
    """Return steps in which products are marked whose first factor has many zeros."""
    known: dict[Value, bool] = {}
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Apply):
            known[step.result] = _makes(step, known)
            if meaning(step) in PRODUCTS and _has(step.parts[0], known):
                step = changed(step, sparse=True)
        found.append(step)
    return found


def _makes(step: Apply, known: dict[Value, bool]) -> bool:
    """Whether the result has many zeros."""
    name = meaning(step).removeprefix("strong_")
    if name in MAKERS:
        return True
    if name in CHOICES:
        return any(map(_is_zero, step.parts[CHOICES[name] :]))
    if name not in KEEPERS:
        return False
    factors = step.parts if name == "multiply" else step.parts[:1]
    return any(x.dtype == bool or _has(x, known) for x in factors if isinstance(x, Value))


def _has(x: Value, known: dict[Value, bool]) -> bool:
    """Whether a value has many zeros: one that no step makes is looked at once."""
    if x not in known:
        known[x] = x.zeros or (x.holder is not None and has_many(content(x)))
    return known[x]


def _is_zero(x: Any) -> bool:
    """Whether an operand is the number 0."""
    if isinstance(x, Value):
        x = x.holder if isinstance(x.holder, np.ndarray) else None
    return x is not None and np.ndim(x) == 0 and bool(x == 0)
