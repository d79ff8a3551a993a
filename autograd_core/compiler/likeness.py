"""Likeness: what a recording is, apart from which objects it is about.

Two models of one class, trained alike, do the same with parameters, states and generators of
their own. A `Likeness` reads a recording and the surroundings of its function, and puts a number
in the place of every such object, in the order in which they are met. Where two readings are
equal, one recording becomes the other if each object takes the place of the one with its number.

Everything else counts as it is: code, operations, options, numbers bit by bit, shapes, dtypes,
strides, the user's lines. What cannot be compared like this is `Unknown`, and alike to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..op import Op
from ..tape import Leaf
from ..tensor import Tensor
from ..update import BoundRecipe
from .compare import content
from .environment import VALUES, is_bound
from .record import (
    Apply,
    Collect,
    Draw,
    Finite,
    Host,
    Overwrite,
    Step,
    Update,
    Value,
)
from .recorded import Recording
from .repeats import Unknown, key

__all__ = ["Likeness", "Unknown"]


class Likeness:
    """The reading of one recording.

    Parameters
    ----------
    recording : Recording
    surroundings : sequence
        All that its function can reach, in the order of a walk.
    settings : hashable
        What else counts.

    Attributes
    ----------
    key : hashable
        What was read.
    objects : list
        What it is about, by number.

    Raises
    ------
    Unknown
        If something can be compared by identity only, or depends on what the host has read.
    """

    def __init__(
        self, recording: Recording, surroundings: Sequence[Any], settings: Hashable
    ) -> None:
        self.objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        trace = recording.trace
        around = tuple(map(self._thing, surroundings))
        values = tuple(map(self._value, trace.values))
        inputs = tuple(v.index for v in trace.inputs)
        steps = tuple(map(self._step, trace.steps))
        bare = tuple((self._number(leaf), was) for leaf, was in trace.bare.items())
        handed = tuple(map(self._part, recording.flat)), tuple(recording.plain)
        self.key: Hashable = settings, around, values, inputs, steps, bare, handed

    def _number(self, x: Any) -> int:
        """Return the number of an object."""
        if isinstance(x, VALUES):  # which is the same object here and there
            raise Unknown("a value that is watched by identity")
        number = self._numbers.setdefault(id(x), len(self.objects))
        if number == len(self.objects):
            self.objects.append(x)
        return number

    # ---------------------------------------------------------------------- surroundings

    def _thing(self, x: Any) -> Hashable:
        """Read what a function reaches; what that leads to has been walked, too."""
        if isinstance(x, VALUES):
            return type(x), repr(x)
        if isinstance(x, type | ModuleType | Op | np.ufunc):
            return x
        if isinstance(x, FunctionType):
            return self._function(x)
        if isinstance(x, BuiltinFunctionType):
            return x.__name__, self._thing(x.__self__)
        if isinstance(x, tuple):
            return type(x), len(x)
        if isinstance(x, dict | list | set | frozenset):
            return type(x), len(x), self._number(x)
        if isinstance(x, Tensor | np.ndarray):
            return type(x), x.shape, x.dtype, self._number(x)
        if hasattr(x, "__dict__") or isinstance(x, np.random.Generator | MethodType | partial):
            return type(x), self._number(x)
        raise Unknown(f"{type(x)}")  # nothing has looked into it

    def _function(self, x: FunctionType) -> Hashable:
        """Read a function; what a library's holds has not been walked."""
        cells = [cell.cell_contents for cell in x.__closure__ or () if is_bound(cell)]
        held = [*cells, *(x.__defaults__ or ())]
        parts = tuple(self._thing(y) for y in held if not isinstance(y, FunctionType))
        return x.__module__, x.__qualname__, x.__code__, len(held), parts

    # ----------------------------------------------------------------------------- steps

    def _value(self, value: Value) -> Hashable:
        known = (value.index, value.shape, value.dtype, value.place, value.view, value.formula)
        if value.holder is None:
            return known
        node = value.holder.node if isinstance(value.holder, Tensor) else None
        if node is not None and not isinstance(node, Leaf):
            raise Unknown("a tensor on the tape")
        holder = type(value.holder), self._number(value.holder), node and self._number(node)
        return known, holder, _layout(content(value))

    def _part(self, x: Any) -> Hashable:
        return ("value", x.index) if isinstance(x, Value) else key(x)

    def _parts(self, parts: Iterable[Any]) -> Hashable:
        return tuple(map(self._part, parts))

    def _step(self, step: Step) -> Hashable:
        reader = READERS.get(type(step))
        if reader is None:  # what the host has read may lead it elsewhere
            raise Unknown(step.name)
        return type(step), step._place, self._parts(step.parts), reader(self, step)

    def _apply(self, step: Apply) -> Hashable:
        return step.op, key(step.attributes), step.result.index

    def _draw(self, step: Draw) -> Hashable:
        bits = step.rng.bit_generator  # which two generators may share
        return self._number(step.rng), type(bits), self._number(bits), step.result.index

    def _finite(self, step: Finite) -> Hashable:
        return len(step.parts)

    def _collect(self, step: Collect) -> Hashable:
        return self._number(step.leaf)

    def _overwrite(self, step: Overwrite) -> Hashable:
        return self._number(step.tensor), step.replaces, _layout(step.tensor._value)

    def _host(self, step: Host) -> Hashable:
        valid: Any = step.valid
        groups, entries, places = (getattr(valid, n, ()) for n in ("groups", "entries", "places"))
        named = tuple((self._number(o), name, self._number(x)) for o, name, x in places)
        known = self._number(groups), tuple(map(self._number, entries)), named
        called = self._called(step.function), type(valid)
        return self._number(step), self._number(step.function), self._number(valid), called, known

    def _called(self, x: Any) -> Hashable:
        """Read a function that computes numbers for an update: a method, arguments and all."""
        if isinstance(x, partial):
            return self._called(x.func)
        if not isinstance(x, MethodType):
            raise Unknown("a function of which one cannot say what it depends on")
        return x.__func__, self._number(x.__self__)

    def _update(self, step: Update) -> Hashable:
        names = tuple(step.attributes)
        numbers = names if step.source else key(step.attributes)
        source = step.source and (self._number(step.source[0]), step.source[1])
        return step.function, step.written, source, numbers, self._recipe(step.recipe)

    def _recipe(self, recipe: BoundRecipe | None) -> Hashable:
        if recipe is None:
            return None
        arrays = recipe.cell, recipe.settings
        return recipe[:4], tuple((self._number(x), x.shape, _layout(x)) for x in arrays)


READERS: dict[type[Step], Callable[[Likeness, Any], Hashable]] = {
    Apply: Likeness._apply,
    Collect: Likeness._collect,
    Draw: Likeness._draw,
    Finite: Likeness._finite,
    Host: Likeness._host,
    Overwrite: Likeness._overwrite,
    Update: Likeness._update,
}


def _layout(array: np.ndarray) -> Hashable:
    flags = array.flags
    return array.shape, array.dtype, array.strides, flags.aligned, flags.writeable
