"""Algebra that is exact in floating-point arithmetic: also for NaN, infinities and minus zero.

So x * 1 is x, but x + 0.0 is not (it turns -0.0 into 0.0), and x * 0 is not 0. Every rule looks
at one step and at those that made its operands, and returns what is to be in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..declare import OPS
from .folding import EXACT
from .record import Apply, Step, Value
from .rewriting import Facts, Made, changed, meaning

__all__ = ["algebra"]

Found = Step | Value | None


def algebra(step: Step, made: Made, facts: Facts) -> Step | Value:
    """Return a step, or value, that does the same as a step with less."""
    name = meaning(step)
    for rule in RULES.get(name, ()):
        found = rule(step, made, facts)
        if found is not None:
            return found
    return step


# ------------------------------------------------------------------- the operand as it is


def _itself(step: Apply, x: Any, facts: Facts) -> Value | None:
    """Return x if it can be read in place of the result, which is equal to it."""
    result = step.result
    if not isinstance(x, Value) or (x.shape, x.dtype) != (result.shape, result.dtype):
        return None
    return x if x.dtype.kind in "fiub" and facts.same(result, x) else None


def _first(step: Apply, made: Made, facts: Facts) -> Found:
    return _itself(step, step.parts[0], facts)


def _times(step: Apply, made: Made, facts: Facts) -> Found:
    x, y = step.parts
    return (
        _itself(step, x, facts) if _is_one(y) else _itself(step, y, facts) if _is_one(x) else None
    )


def _over(step: Apply, made: Made, facts: Facts) -> Found:
    return _itself(step, step.parts[0], facts) if _is_one(step.parts[1]) else None


def _minus(step: Apply, made: Made, facts: Facts) -> Found:
    return _itself(step, step.parts[0], facts) if _is_zero(step.parts[1], 1.0) else None


def _plus(step: Apply, made: Made, facts: Facts) -> Found:
    for x, y in (step.parts, step.parts[::-1]):
        if _is_zero(y, -1.0) or (_is_zero(y, 1.0) and step.result.dtype.kind in "iu"):
            return _itself(step, x, facts)
    return None


def _is_one(x: Any) -> bool:
    return not isinstance(x, Value) and x == 1


def _is_zero(x: Any, sign: float) -> bool:
    return not isinstance(x, Value) and x == 0 and math.copysign(1.0, x) == sign


def _chosen(step: Apply, made: Made, facts: Facts) -> Found:
    condition, x, y = step.parts
    if x is y:
        return _itself(step, x, facts)
    return None if isinstance(condition, Value) else _itself(step, x if condition else y, facts)


# ----------------------------------------------------------------------------------- signs


def _inner(x: Any, name: str, made: Made) -> Apply | None:
    """Return the step that made an operand, if it is an application of the op of that name."""
    step = made.get(x) if isinstance(x, Value) else None
    if step is None or step.op.name != name:
        return None
    return step if meaning(step) == name else None


def _opposite(x: Any, made: Made, facts: Facts) -> Value | None:
    """Return the value of which x is the negative."""
    step = _inner(x, "negative", made)
    if step is None or x.dtype.kind != "f" or not isinstance(step.parts[0], Value):
        return None
    # Read later than the negative was made, it must still be what it was.
    return step.parts[0] if facts.same(step.result, step.parts[0]) else None


def _twice_negative(step: Apply, made: Made, facts: Facts) -> Found:
    x = _opposite(step.parts[0], made, facts)
    return None if x is None else _itself(step, x, facts)


def _negative_of_product(step: Apply, made: Made, facts: Facts) -> Found:
    """-(x * 2) = x * (-2)."""
    (x,) = step.parts
    inner = _inner(x, "multiply", made)
    if inner is None or not all(facts.same(x, part) for part in inner.reads):
        return None
    return _with_the_other_sign(changed(step, op=inner.op, parts=inner.parts))


def _with_the_other_sign(step: Apply) -> Apply | None:
    """Return a product or quotient with the opposite number; None if it has none."""
    numbers = [i for i, part in enumerate(step.parts) if _has_sign(part)]
    if len(numbers) != 1 or step.result.dtype.kind != "f":
        return None
    signs = [-part if i in numbers else part for i, part in enumerate(step.parts)]
    return changed(step, parts=tuple(signs))


def _has_sign(x: Any) -> bool:
    return isinstance(x, float) or (type(x) is int and x != 0)


def _product_of_negative(step: Apply, made: Made, facts: Facts) -> Found:
    """(-x) * 2 = x * (-2), and so for quotients."""
    opposites = [_opposite(part, made, facts) for part in step.parts]
    pairs = zip(opposites, step.parts, strict=True)
    parts = tuple(part if x is None else x for x, part in pairs)
    return None if parts == step.parts else _with_the_other_sign(changed(step, parts=parts))


def _sum_with_negative(step: Apply, made: Made, facts: Facts) -> Found:
    """x + (-y) = x - y."""
    for x, y in (step.parts, step.parts[::-1]):
        other = _opposite(y, made, facts)
        if other is not None:
            return changed(step, op=OPS["subtract"], parts=(x, other))
    return None


def _difference_with_negative(step: Apply, made: Made, facts: Facts) -> Found:
    """x - (-y) = x + y."""
    x, y = step.parts
    other = _opposite(y, made, facts)
    return None if other is None else changed(step, op=OPS["add"], parts=(x, other))


# ---------------------------------------------------------------------------------- shapes


def _unmoved(step: Apply, made: Made, facts: Facts) -> Found:
    moves = len(step.result.shape) > 1 and _axes(step) != tuple(range(len(step.result.shape)))
    return None if moves else _itself(step, step.parts[0], facts)


def _axes(step: Apply) -> tuple[int, ...]:
    """Return the axes of a transposition, counted from 0."""
    axes, ndim = step.attributes["axes"], len(step.result.shape)
    return tuple(range(ndim))[::-1] if axes is None else tuple(axis % ndim for axis in axes)


def _moved_twice(step: Apply, made: Made, facts: Facts) -> Found:
    inner = _source(step, made, facts)
    if inner is None:
        return None
    before = _axes(inner)
    axes = tuple(before[axis] for axis in _axes(step))
    return changed(step, parts=inner.parts, attributes={"axes": axes})


def _shaped_twice(step: Apply, made: Made, facts: Facts) -> Found:
    inner = _source(step, made, facts)
    return None if inner is None else changed(step, parts=inner.parts)


def _source(step: Apply, made: Made, facts: Facts) -> Apply | None:
    """Return the step before one of the same op, if its operand can be read instead."""
    (x,) = step.parts
    inner = _inner(x, meaning(step), made)
    operand = None if inner is None else inner.parts[0]
    return inner if isinstance(operand, Value) and facts.same(x, operand) else None


def _unstretched(step: Apply, made: Made, facts: Facts) -> Found:
    """Let an elementwise op read what was broadcast for it: it broadcasts by itself."""
    for i, x in enumerate(step.parts):
        inner = _inner(x, "broadcast_to", made)
        operand = None if inner is None else inner.parts[0]
        if not isinstance(operand, Value) or not facts.same(x, operand):
            continue
        parts = (*step.parts[:i], operand, *step.parts[i + 1 :])
        shapes = (part.shape for part in parts if isinstance(part, Value))
        if np.broadcast_shapes(*shapes) == step.result.shape:
            return changed(step, parts=parts)
    return None


RULES: dict[str, tuple[Callable[[Any, Made, Facts], Found], ...]] = {
    "add": (_plus, _sum_with_negative),
    "astype": (_first,),
    "broadcast_to": (_first, _shaped_twice),
    "divide": (_over, _product_of_negative),
    "multiply": (_times, _product_of_negative),
    "negative": (_twice_negative, _negative_of_product),
    "positive": (_first,),
    "reshape": (_first, _shaped_twice),
    "strong_divide": (_over,),
    "strong_multiply": (_times,),
    "subtract": (_minus, _difference_with_negative),
    "transpose": (_unmoved, _moved_twice),
    "where": (_chosen,),
}
RULES |= {name: (*RULES.get(name, ()), _unstretched) for name in EXACT}
