"""Steps that are no operations on arrays: the check of gradients, updates and assignments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...update import BoundRecipe
from ..body import Body
from ..record import Finite, Overwrite, Step, Update

__all__ = ["lowers_commit", "write_commit"]

CHECK = """
@inline_reordered
def is_finite(x):
    total = x[0] * F(0)
    for i in range(1, x.size):
        total += x[i] * F(0)
    return total == F(0)
"""

BOUND = """
@inline
def is_bounded(x, y):
    return np.sqrt(np.float64(x)) * np.sqrt(np.float64(y)) < {limit}
"""
AGAIN = """
@inline
def {again}(cell, settings, other, numbers):
    if cell[0] + 1.0 == other[0]:
        cell[0] = other[0]
        return numbers
    return {scalars}(cell, settings)
"""


def lowers_commit(step: Step, dtype: str) -> bool:
    """Whether a step that is no operation can be part of a body."""
    if isinstance(step, Update):
        return step.recipe is not None and all(_is_flat(v) for v in step.parts)
    if isinstance(step, Overwrite):
        return _is_copy(step, dtype)
    return isinstance(step, Finite) and all(v.dtype.name == dtype for v in step.parts)


def _is_flat(value: Any) -> bool:
    array = getattr(value.holder, "_value", value.holder)
    return value.holder is None or array.flags.c_contiguous


def _is_copy(step: Overwrite, dtype: str) -> bool:
    """Whether what is assigned can be copied into the memory of the tensor."""
    target, value = step.parts
    known = target.dtype.kind in "biu" or target.dtype.name == dtype
    alike = (target.shape, target.dtype) == (value.shape, value.dtype)
    return known and alike and target.dtype.isnative and target.size > 0 and _is_flat(target)


def write_commit(body: Body, step: Step) -> None:
    """Write one of these steps."""
    if isinstance(step, Finite):
        _finite(body, step)
    elif isinstance(step, Update):
        _update(body, step)
    elif isinstance(step, Overwrite):
        target, value = step.parts
        body.copy(body.place(value), value.shape, body.place(target))


def _finite(body: Body, step: Finite) -> None:
    """Write the checks; what has a bound is read only where that proves nothing, as NaN does."""
    body.functions[f"@inline_reordered{CHECK.partition('@inline_reordered')[2]}"] = None
    for value in dict.fromkeys(step.checked):
        zero = body.offered(("zero", value))  # times all elements, added up
        if zero is not None:
            body.give_up(f"{body.at(zero)} != 0.0", f"a gradient at {step.line} is not finite")
            continue
        condition = f"not is_finite({body.flat(body.rows(value), value.size)})"
        if value in step.bounds:
            limit = float(np.finfo(body.dtype).max) / 2  # room for all that is rounded
            body.definitions[BOUND.format(limit=limit)] = None
            first, second = (body.at(body.place(x)) for x in step.bounds[value])
            condition = f"not is_bounded({first}, {second}) and {condition}"
        body.give_up(condition, f"a gradient at {step.line} is not finite")


def _update(body: Body, step: Update) -> None:
    """Write the scalars of a step, counting it, and the loop over the elements."""
    recipe = step.recipe
    assert recipe is not None
    body.definitions[recipe.definitions] = None
    size = step.parts[0].size
    arrays = [body.flat(body.rows(value), value.size) for value in step.parts]
    numbers = _numbers(body, recipe)
    if not body.shares(size):
        body.lines.append(
            f"{recipe.loop}({', '.join([*arrays, 'int(0)', f'int({size})', *numbers])})"
        )
        return
    kept = body.scratch((max(len(numbers), 1),), np.float64)
    entries = [f"{kept.buffer}[{kept.offset + i}]" for i in range(len(numbers))]
    body.lines += [f"{entry} = {number}" for entry, number in zip(entries, numbers, strict=True)]
    call = f"{recipe.loop}({', '.join([*arrays, 'begin', 'end', *entries])})"
    with body.rounds(size, size):
        body.lines.append(call)


def _numbers(body: Body, recipe: BoundRecipe) -> list[str]:
    """Write the scalars of an update; those of an earlier one serve if the step counts agree."""
    cell, settings = body.outside(recipe.cell), body.outside(recipe.settings)
    body.settings[settings] = recipe.settings
    name = f"s{len(body.scalars)}"
    key = recipe.scalars, settings, len(body.parts)  # a part is a function, with its own names
    if recipe.cell.size == 1 and key in body.scalars:
        first, found = body.scalars[key]
        again = f"{recipe.scalars}_again"
        body.definitions[AGAIN.format(again=again, scalars=recipe.scalars)] = None
        body.lines.append(f"{name} = {again}({cell}, {settings}, {first}, {found})")
    else:
        body.lines.append(f"{name} = {recipe.scalars}({cell}, {settings})")
    body.scalars.setdefault(key, (cell, name))
    body.scalars[name, "", 0] = (cell, name)
    return [f"{name}[{i}]" for i in range(len(recipe.constants))]
