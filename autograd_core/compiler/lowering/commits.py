"""Steps that are no operations on arrays: the check of gradients, and the optimizer's update."""

from __future__ import annotations

from typing import Any

from ..body import Body
from ..record import Finite, Step, Update

__all__ = ["lowers_commit", "write_commit"]

CHECK = """
@inline_reordered
def is_finite(x):
    total = x[0] * F(0)
    for i in range(1, x.size):
        total += x[i] * F(0)
    return total == F(0)
"""


def lowers_commit(step: Step, dtype: str) -> bool:
    """Whether a step that is no operation can be part of a body."""
    if isinstance(step, Update):
        return step.recipe is not None and all(_is_flat(v) for v in step.parts)
    return isinstance(step, Finite) and all(v.dtype.name == dtype for v in step.parts)


def _is_flat(value: Any) -> bool:
    array = getattr(value.holder, "_value", value.holder)
    return value.holder is None or array.flags.c_contiguous


def write_commit(body: Body, step: Step) -> None:
    """Write one of these steps."""
    if isinstance(step, Finite):
        _finite(body, step)
    elif isinstance(step, Update):
        _update(body, step)


def _finite(body: Body, step: Finite) -> None:
    body.functions[f"@inline_reordered{CHECK.partition('@inline_reordered')[2]}"] = None
    for value in dict.fromkeys(step.parts):
        elements = body.flat(body.rows(value), value.size)
        body.give_up(f"not is_finite({elements})", f"a gradient at {step.line} is not finite")


def _update(body: Body, step: Update) -> None:
    recipe = step.recipe
    body.definitions[recipe.definitions] = None
    size = step.parts[0].size
    arrays = [body.flat(body.rows(value), value.size) for value in step.parts]
    cell, settings = body.outside(recipe.cell), body.outside(recipe.settings)
    body.lines.append(f"s = {recipe.scalars}({cell}, {settings})")
    numbers = [f"s[{i}]" for i in range(len(recipe.constants))]
    given = ", ".join([*arrays, "int(0)", f"int({size})", *numbers])
    body.lines.append(f"{recipe.loop}({given})")
