"""Common subexpressions: an application that repeats an earlier one is left out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from .record import Apply, Finite, Guard, Step, Value
from .rewriting import Facts, Made, meaning

__all__ = ["Repeats", "Unknown", "key"]

COMMUTATIVE = ("add", "multiply", "strong_multiply", "equal", "not_equal")
ITSELF = (Value, type, np.dtype)
PLAIN = (bool, int, float, complex, str, bytes, slice, type(None), type(...), np.generic)


class Unknown(TypeError):  # noqa: N818
    """An option of which one cannot say whether it is equal to another."""


class Repeats:
    """The rule that finds repeated applications; for one walk."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._known: dict[Hashable, Value] = {}

    def __call__(self, step: Step, made: Made) -> Step | Value:
        """Return the earlier result of the same application if there is one."""
        if not isinstance(step, Apply):
            if not isinstance(step, Guard | Finite):
                self._known.clear()  # it may have written into what was read
            return step
        # Two arrays into one of which a step writes are not the same one; two views may be.
        if step.result in self.facts.overwritten and not step.result.view:
            return step
        try:
            found = self._known.setdefault(_application(step), step.result)
        except Unknown:
            return step
        return step if found is step.result else found


def _application(step: Apply) -> Hashable:
    parts: Any = tuple([x if x.__class__ is Value else key(x) for x in step.parts])
    if step.op.name in COMMUTATIVE and meaning(step):
        parts = frozenset(parts)
    return id(step.op), parts, key(step.attributes) if step.attributes else None


def key(x: Any) -> Hashable:
    """Return what is equal for operands and options that are: values, or types and bits.

    >>> key(0.0) == key(-0.0), key(1) == key(1.0), key(float("nan")) == key(float("nan"))
    (False, False, True)
    """
    if isinstance(x, ITSELF):
        return x
    if isinstance(x, PLAIN):
        return type(x), repr(x)
    if isinstance(x, tuple | list):
        return (type(x), *map(key, x))
    if isinstance(x, dict):
        return dict, *((name, key(value)) for name, value in x.items())
    if isinstance(x, np.ndarray) and x.dtype.kind in "fciub":
        return x.shape, x.dtype, x.tobytes()
    raise Unknown(f"{type(x)}")
