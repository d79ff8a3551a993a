"""Swap: a program's parts with other objects in the place of those that they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..update import BoundRecipe
from .record import Collect, Draw, Overwrite, Step, Update, Value
from .rewriting import changed

__all__ = ["Swap"]


class Method(NamedTuple):
    """Stands for a method of an object that has none yet."""

    owner: Any
    name: str


class Swap:
    """Each object, by another one; whatever is not among them stays.

    Parameters
    ----------
    old, new : sequence
        The objects, and those for their places.
    """

    def __init__(self, old: Sequence[Any], new: Sequence[Any]) -> None:
        self._alive = [*old]  # ids stay theirs
        self._new = {id(x): y for x, y in zip(old, new, strict=True)}

    def add(self, old: Any, new: Any) -> None:
        """Note another pair."""
        self._alive.append(old)
        self._new[id(old)] = new

    def __call__(self, x: Any) -> Any:
        """Return what takes the place of an object, or of a method of one."""
        if id(x) in self._new:
            return self._new[id(x)]
        if isinstance(x, Method):
            owner, name = x
        else:
            owner, name = getattr(x, "__self__", None), getattr(x, "__name__", "")
        if id(owner) not in self._new:
            return x
        owner = self._new[id(owner)]
        return getattr(owner, name) if hasattr(owner, name) else Method(owner, name)

    def value(self, value: Any) -> Any:
        """Return a part of a step: a captured value is another one, the others are mere names."""
        if not isinstance(value, Value) or id(value.holder) not in self._new:
            return self._new.get(id(value), value) if isinstance(value, Value) else value
        if id(value) not in self._new:
            holder = self._new[id(value.holder)]
            other = Value(value.index, value.shape, value.dtype, holder, value.place, value.view)
            self.add(value, other)
        return self._new[id(value)]

    def step(self, step: Step) -> Step:
        """Return a step on the other objects; the same one if it is about none of them."""
        if id(step) not in self._new:
            self.add(step, self._stepped(step))
        found: Step = self._new[id(step)]
        return found

    def _stepped(self, step: Step) -> Step:
        parts = tuple(map(self.value, step.parts))
        writer = WRITERS.get(type(step))
        if writer is not None:
            return changed(step, parts=parts, **writer(self, step))
        alike = all(x is y for x, y in zip(parts, step.parts, strict=True))
        return step if alike else changed(step, parts=parts)

    def _recipe(self, recipe: BoundRecipe | None) -> BoundRecipe | None:
        if recipe is None:
            return None
        return recipe._replace(cell=self(recipe.cell), settings=self(recipe.settings))

    def _update(self, step: Update) -> dict[str, Any]:
        source = step.source and (self(step.source[0]), step.source[1])
        return {"source": source, "recipe": self._recipe(step.recipe)}


WRITERS: dict[type[Step], Callable[[Swap, Any], dict[str, Any]]] = {
    Collect: lambda swap, step: {"leaf": swap(step.leaf)},
    Draw: lambda swap, step: {"rng": swap(step.rng)},
    Overwrite: lambda swap, step: {
        "tensor": swap(step.tensor),
        "target": swap.value(step.target),
    },
    Update: Swap._update,
}
