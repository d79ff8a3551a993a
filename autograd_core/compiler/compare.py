"""Comparing two recordings: whether they are the same steps, so that one program does both.

What both have in common and no input has made is a constant only if the recordings had different
inputs; else it may be a result of what they had alike, computed out of sight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tape import Leaf
from ..tensor import Tensor
from .record import Apply, Collect, Finite, Guard, Host, Overwrite, Step, Trace, Update, Value

__all__ = ["difference", "unproven"]


def difference(one: Trace, two: Trace) -> str | None:
    """Say where two recordings differ first, with both lines; None if they do not."""
    for first, second in zip(one.steps, two.steps, strict=False):
        found = _step(first, second)
        if found:
            return f"{found}: {_describe(first)} against {_describe(second)}"
    if len(one.steps) != len(two.steps):
        longer = max(one, two, key=lambda trace: len(trace.steps))
        step = longer.steps[min(len(one.steps), len(two.steps))]
        return f"a step that the other lacks: {_describe(step)}"
    return None


def _describe(step: Step) -> str:
    name = step.op.name if isinstance(step, Apply) else type(step).__name__.lower()
    return f"{name} at {step.line}"


def _step(one: Step, two: Step) -> str | None:
    """Say in what two steps differ."""
    if type(one) is not type(two):
        return "different steps"
    if isinstance(one, Apply) and isinstance(two, Apply):
        if one.op is not two.op:
            return "different operations"
        if not alike(one.attributes, two.attributes):
            return "different options"
        return _operands(one.operands, two.operands)
    if isinstance(one, Update) and isinstance(two, Update):
        if (one.source is None) != (two.source is None) or one.source is None:
            return None if alike(one.attributes, two.attributes) else "different numbers"
        return _operands(one.operands, two.operands)
    if isinstance(one, Guard) and isinstance(two, Guard):
        return _operands((one.value,), (two.value,))
    if isinstance(one, Finite) and isinstance(two, Finite):
        return _operands(one.values, two.values)
    if isinstance(one, Overwrite) and isinstance(two, Overwrite):
        same = one.tensor is two.tensor
        return _operands((one.value,), (two.value,)) if same else "different tensors"
    if isinstance(one, Collect) and isinstance(two, Collect):
        same = one.leaf is two.leaf
        return _operands((one.value,), (two.value,)) if same else "different leaves"
    return None if isinstance(one, Host) else "different steps"


def _operands(one: tuple[Any, ...], two: tuple[Any, ...]) -> str | None:
    if len(one) != len(two):
        return "different numbers of operands"
    for x, y in zip(one, two, strict=True):
        if isinstance(x, Value) and isinstance(y, Value):
            found = _values(x, y)
            if found:
                return found
        elif not alike(x, y):
            return f"a number that changes, {x!r} and {y!r}"
    return None


def _values(x: Value, y: Value) -> str | None:
    if (x.index, x.place, x.shape, x.dtype) != (y.index, y.place, y.shape, y.dtype):
        return f"different operands, {x.name} and {y.name}"
    if x.holder is y.holder or alike(content(x), content(y)):
        return None
    return f"an array of shape {x.shape} that is computed without operations, and changes"


def content(value: Value) -> Any:
    """Return the array that a captured value is now."""
    holder = value.holder
    if isinstance(holder, Tensor):
        return holder._value
    return holder.grad if isinstance(holder, Leaf) else holder


def unproven(one: Trace, two: Trace) -> bool:
    """Whether two recordings have captured equal arrays that are not one and the same."""
    pairs = zip(one.values, two.values, strict=False)
    return any(x.holder is not y.holder for x, y in pairs if x.holder is not None)


def alike(x: Any, y: Any) -> bool:
    """Whether two options, operands or contents are the same."""
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        same = isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.dtype == y.dtype
        return same and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    if type(x) is not type(y):
        return False
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(alike, x, y))
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(alike(x[key], y[key]) for key in x)
    return bool(x == y) or bool(x != x and y != y)
