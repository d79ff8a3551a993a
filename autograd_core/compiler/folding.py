"""Constants: what can be computed beforehand, and numbers in the place of constant arrays.

Numbers are constants, and so are arrays that every recording made anew, with the same content:
the seed of a sweep. What is computed of constants alone is one, too. If all its elements are
equal, who computes with it elementwise gets the number itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..declare import OPS
from .compare import content
from .record import Apply, Step, Value
from .repeats import Unknown, key
from .rewriting import Facts, Made, changed, meaning

__all__ = ["EXACT", "fold", "number_in_place"]

LARGEST = 4096  # elements of a constant that is kept
LARGEST_LOOK = 1 << 20  # elements of one that is computed, to see whether all are equal

# Elementwise ops that give the same bits whether an operand is an array, stretched, or a number;
# of others, such as exp, NumPy has more than one loop.
EXACT = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "strong_multiply", "strong_divide"),
        *("maximum", "minimum", "where", "negative", "abs", "square", "sqrt"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    )
)


def fold(step: Step, made: Made, facts: Facts) -> Step | Value:
    """Return the result of a step on constants, as a constant."""
    if not isinstance(step, Apply) or step.result in facts.overwritten:
        return step
    operands = _contents(step, made, facts)
    if operands is None or not _small(step) or meaning(step) == "broadcast_to":
        return step
    out = _computed(step, operands)
    if out is None or (out.shape, out.dtype) != (step.result.shape, step.result.dtype):
        return step
    if out.size <= LARGEST:
        return facts.constant(out)
    if not _uniform(out):
        return step
    number, shape = facts.constant(out.flat[0]), {"shape": out.shape}
    return changed(step, op=OPS["broadcast_to"], parts=(number,), attributes=shape)


def _small(step: Apply) -> bool:
    return all(math.prod(x.shape) <= LARGEST_LOOK for x in (*step.reads, step.result))


def _contents(step: Apply, made: Made, facts: Facts) -> list[Any] | None:
    """Return what the operands are, if all are constants."""
    found = []
    for x in step.parts:
        found.append(_content(x, made, facts))
        if found[-1] is None:
            return None
    return found


def _content(x: Any, made: Made, facts: Facts) -> Any:
    """Return what a constant operand is, broadcast or not; None if it is none."""
    if not isinstance(x, Value):
        return x
    if x in facts.constants:
        return content(x)
    step = made.get(x)
    if step is None or step.op.name != "broadcast_to" or meaning(step) != "broadcast_to":
        return None
    inner = _content(step.parts[0], made, facts)
    return None if inner is None else np.broadcast_to(inner, x.shape)


def _computed(step: Apply, operands: list[Any]) -> np.ndarray | None:
    """Return what a step computes; None if it cannot be told or should fail at its own time."""
    try:
        key(step.attributes)
        with np.errstate(all="ignore"):
            return np.asarray(step.op.compute(*operands, **step.attributes))
    except (Unknown, ArithmeticError, LookupError, TypeError, ValueError):
        return None


def number_in_place(step: Step, made: Made, facts: Facts) -> Step | Value:
    """Return a step with a number where an operand is a constant of one number."""
    if meaning(step) not in EXACT:
        return step
    assert isinstance(step, Apply)
    for i, x in enumerate(step.parts):
        number = _number(x, made, facts) if isinstance(x, Value) else None
        parts = (*step.parts[:i], number, *step.parts[i + 1 :])
        if number is not None and _fits(step, x, parts):
            return number_in_place(changed(step, parts=parts), made, facts)
    return step


def _number(x: Value, made: Made, facts: Facts) -> bool | int | float | None:
    """Return the number that all elements of a constant are; None if there is none."""
    array = _content(x, made, facts)
    if array is None or array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        return None
    number: bool | int | float | None = array.flat[0].item() if _uniform(array) else None
    return number


def _uniform(array: np.ndarray) -> bool:
    """Whether all elements are the same, bit by bit."""
    if array.size <= 1 or not any(array.strides):  # a number, broadcast
        return array.size > 0
    return array.size <= LARGEST_LOOK and array.tobytes() == array.flat[0].tobytes() * array.size


def _fits(step: Apply, x: Value, parts: tuple[Any, ...]) -> bool:
    """Whether a step computes the same in the same shape and dtype without the array x."""
    arrays = [v for v in parts if isinstance(v, Value)]
    if x.dtype not in {v.dtype for v in arrays}:  # a number would be rounded to another dtype
        return False
    if np.broadcast_shapes(*(v.shape for v in arrays)) != step.result.shape:
        return False
    trial = [np.ones(1, v.dtype) if isinstance(v, Value) else v for v in parts]
    out = _computed(step, trial)
    return out is not None and out.dtype == step.result.dtype
