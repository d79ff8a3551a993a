"""Elementwise steps on integers: computed in the type in which NumPy computes them.

A loop holds floats and truths as numbers of its float type, integers as what they are. A step
computes in its *working type*, that of its operands taken together. Where this is the loop's
float type, integers are converted, as NumPy converts them; where it is an integer type, the step
has an expression of its own here, which never goes through floats.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..declare import OPS
from .layout import name_of
from .record import Apply, Value
from .rewriting import changed
from .scalars import inlined, scalar_text, substituted

__all__ = ["expression", "is_expression", "register"]

TEXTS = {
    "abs": "abs(x)",
    "add": "x + y",
    "ceil": "x",
    "equal": "x == y",
    "floor": "x",
    "floor_divide": "select((y < zero) & (y + one == zero), -x, x // y)",  # -x may overflow
    "fmax": "select(x > y, x, y)",
    "fmin": "select(x < y, x, y)",
    "greater": "x > y",
    "greater_equal": "x >= y",
    "isfinite": "x == x",
    "isinf": "x != x",
    "isnan": "x != x",
    "less": "x < y",
    "less_equal": "x <= y",
    "logical_and": "(x != zero) & (y != zero)",
    "logical_not": "x == zero",
    "logical_or": "(x != zero) | (y != zero)",
    "logical_xor": "(x != zero) != (y != zero)",
    "maximum": "select(x > y, x, y)",
    "minimum": "select(x < y, x, y)",
    "multiply": "x * y",
    "negative": "-x",
    "not_equal": "x != y",
    "positive": "x",
    "relu": "select(x > zero, x, zero)",
    "remainder": "x % y",
    "sign": "select(x > zero, one, select(x < zero, -one, zero))",
    "signbit": "x < zero",
    "square": "x * x",
    "subtract": "x - y",
    "trunc": "x",
    "where": "select(condition != 0.0, x, y)",
}


COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")


def is_expression(step: Apply, dtype: str) -> bool:
    """Whether an elementwise step can stand in a loop that works in `dtype`."""
    if dtype == "float64" and _compares_singles(step):
        return all(v.size and v.dtype.isnative for v in (*step.reads, step.result))
    for value in (*step.reads, step.result):
        if 0 in value.shape or not _is_held(value.dtype, dtype):
            return False
    working = _working(step)
    if step.result.dtype.kind in "iu" or (step.result.dtype == bool and working.kind in "iu"):
        return _is_integral(step, working)
    return _is_real(step, working, dtype) and scalar_text(step) is not None


def _compares_singles(step: Apply) -> bool:
    """Whether a step compares numbers of single precision: they are exact in double, too."""
    if step.op.name not in COMPARISONS or step.op is not OPS[step.op.name]:
        return False
    dtypes = {name_of(x.dtype) for x in step.reads}
    return dtypes == {"float32"} and name_of(_working(step)) == "float32"


@functools.cache
def _is_held(dtype: np.dtype, working: str) -> bool:
    return dtype.isnative and (dtype.kind in "biu" or name_of(dtype) == working)


def _operands(step: Apply) -> tuple[Any, ...]:
    """Return what a step computes with: not the condition of a choice."""
    return step.parts[1:] if step.op.name == "where" else step.parts


def _working(step: Apply) -> np.dtype[Any]:
    return _together(*(x.dtype if isinstance(x, Value) else x for x in _operands(step)))


@functools.lru_cache(1024, typed=True)
def _together(*operands: Any) -> np.dtype[Any]:
    return np.dtype(np.result_type(*operands))


def _is_real(step: Apply, working: np.dtype[Any], dtype: str) -> bool:
    """Whether a step computes in the loop's float type, or on truths alone."""
    if step.result.dtype.kind == "f":
        return working.kind in "biu" or name_of(working) == dtype
    exact = working.kind == "b" or any(_is_float(x) for x in _operands(step))
    return exact and name_of(working) in (dtype, "bool")


def _is_float(x: Any) -> bool:
    return x.dtype.kind == "f" if isinstance(x, Value) else isinstance(x, float)


def _is_integral(step: Apply, working: np.dtype[Any]) -> bool:
    """Whether a step computes in integers."""
    known = _text(step) is not None and step.op is OPS[step.op.name]
    if not known or working.kind not in "iu" or step.result.dtype not in (working, np.dtype(bool)):
        return False
    numbers = [x for x in (*_operands(step), *_options(step).values()) if not isinstance(x, Value)]
    return all(isinstance(x, int) and _is_within(x, np.iinfo(working)) for x in numbers)


def _is_within(x: int, limits: np.iinfo) -> bool:
    return limits.min <= x <= limits.max and -x <= limits.max


# ------------------------------------------------------------------------------------- texts


def register(value: Value) -> str:
    """Return the type in which a loop holds a value."""
    return f"np.{value.dtype.name}" if value.dtype.kind in "iu" else "F"


def _text(step: Apply) -> str | None:
    if step.op.name != "clip":
        return TEXTS.get(step.op.name)
    above = "select(x < min, min, x)" if "min" in _options(step) else "x"
    return f"select({above} > max, max, {above})" if "max" in _options(step) else above


def _options(step: Apply) -> dict[str, Any]:
    return {name: x for name, x in step.attributes.items() if x is not None}


def expression(step: Apply) -> str:
    """Return the expression of an elementwise step on the names of scalars."""
    working = _working(step)
    text = _text(step)
    if _compares_singles(step):
        parts = tuple(x if isinstance(x, Value) else float(np.float32(x)) for x in step.parts)
        return inlined(changed(step, parts=parts))
    if text is None or not _is_integral(step, working):
        return inlined(step)
    kind = f"np.{working.name}"
    operands = dict(zip(step.op.operands, step.parts, strict=True))
    names = {name: _integer(x, kind) for name, x in (operands | _options(step)).items()}
    if "condition" in names:
        names["condition"] = _condition(operands["condition"])
    text = substituted(text, names | {"zero": f"{kind}(0)", "one": f"{kind}(1)"})
    return f"select({text}, 1.0, 0.0)" if step.result.dtype == bool else f"{kind}({text})"


def _integer(x: Any, kind: str) -> str:
    if isinstance(x, Value):
        return f"{kind}({x.name}_)"
    return f"-{kind}({-int(x)})" if x < 0 else f"{kind}({int(x)})"


def _condition(x: Any) -> str:
    return f"{x.name}_" if isinstance(x, Value) else f"{float(x)!r}"
