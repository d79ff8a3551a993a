"""Comparing two recordings: whether they are the same steps, so that one program does both.

What both have in common and no input has made is a constant only if the recordings had different
inputs; else it may be a result of what they had alike, computed out of sight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tape import Leaf
from ..tensor import Tensor
from .record import Guard, Step, Trace, Value

__all__ = ["close", "difference", "fresh", "parted", "unproven"]


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


def parted(one: Trace, two: Trace) -> bool:
    """Whether the first difference between two recordings is what the host has read."""
    for first, second in zip(one.steps, two.steps, strict=False):
        if _step(first, second):
            return False
        if isinstance(first, Guard) and not alike(first.content, second.content):  # type: ignore[attr-defined]
            return True
    return False


def _describe(step: Step) -> str:
    return f"{step.name} at {step.line}"


def _step(one: Step, two: Step) -> str | None:
    """Say in what two steps differ."""
    if type(one) is not type(two):
        return "different steps"
    for word, thing in one.fixed.items():
        if not alike(thing, two.fixed[word]):
            return f"different {word}"
    return _operands(one.parts, two.parts)


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
    if x.formula != y.formula:
        return f"a number that changes, {x.formula} and {y.formula}"
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


def fresh(one: Trace, two: Trace) -> set[Value]:
    """Return the captured values of the second of two equal recordings that are constants.

    Both made an array of their own for them, with the same content: nobody can change it.
    """
    pairs = zip(one.values, two.values, strict=False)
    return {y for x, y in pairs if x.holder is not y.holder and _apart(content(x), content(y))}


def _apart(x: Any, y: Any) -> bool:
    return alike(x, y) and not np.may_share_memory(x, y)


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


def close(got: np.ndarray, want: np.ndarray) -> bool:
    """Whether two results differ by rounding only."""
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return False
    if want.dtype.kind != "f":
        return np.array_equal(got, want)
    few = float(np.sqrt(np.finfo(want.dtype).eps))
    size = float(np.abs(want[np.isfinite(want)]).max(initial=0.0))
    return np.allclose(got, want, few, few * size, equal_nan=True)
