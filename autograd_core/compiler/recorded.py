"""One recorded call: its trace, its inputs, and where its results come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..guard import expose
from ..listening import Listener
from ..modes import current, traced
from ..tensor import Tensor, wrap
from ..tree import flatten
from .compare import alike, difference, parted, unproven
from .floats import Number, converter, plain
from .program import objection
from .record import Trace, Value

__all__ = ["Recording", "Unnoted", "array_of", "constant", "is_array", "is_foreign"]


class Recording:
    """A call of a function while a trace listens.

    Parameters
    ----------
    function : callable
    leaves : sequence
        What lies in the containers that it is called with.
    build : callable
        Puts leaves into the containers.
    floats : sequence of int
        The positions of the leaves that are Python floats and inputs.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        build: Any,
        floats: Sequence[int] = (),
    ) -> None:
        tensors = [constant(x) for x in leaves if is_array(x)]
        arrays = [tensor._value for tensor in tensors]
        self.floats = floats
        self.trace = Trace(arrays)
        left = iter(tensors)
        given = [next(left) if is_array(x) else x for x in leaves]
        for i in floats:
            given[i] = Number(leaves[i], f"n{i}", self.trace)
        args, kwargs = build(given)
        with traced(self.trace):
            self.result = function(*args, **kwargs)
        flat, self.build = flatten(self.result)
        self.live = any(_can_be_differentiated(x) for x in flat)
        self.flat = [self._place(x) for x in flat]
        self.outputs = [x for x in self.flat if isinstance(x, Value)]
        self.plain = [isinstance(x, Tensor) and self.trace.is_plain(x._value) for x in flat]
        self.before = [array.copy() for array in arrays]
        self.trace.close()

    def _place(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.trace.value(x._value, x)
        return self.trace.value(x) if isinstance(x, np.ndarray) else plain(x)

    def objection(self) -> str | None:
        """Say why no program can be made; None if one can."""
        if self.live:
            return "a result that can be differentiated: call it under no_grad(), or detach() it"
        return objection(self.trace)

    def difference(self, other: Recording) -> str | None:
        """Say where two recordings differ; None if they do not."""
        mine = [x.index if isinstance(x, Value) else x for x in self.flat]
        theirs = [x.index if isinstance(x, Value) else x for x in other.flat]
        found = difference(self.trace, other.trace)
        return found or (None if alike(mine, theirs) else "results that change without operations")

    def parts_from(self, other: Recording) -> bool:
        """Whether the host has read something else, and all was the same up to there."""
        return parted(self.trace, other.trace)

    def leaves_open(self, other: Recording) -> bool:
        """Whether equal inputs may be the reason for equal constants."""
        same = all(map(alike, self.before, other.before))
        return same and unproven(self.trace, other.trace)

    # --------------------------------------------------------------------- to call it again

    @property
    def numbers(self) -> list[Value]:
        """The inputs that are made of Python floats; they come after the arrays."""
        return [value for value in self.trace.inputs if value.formula]

    def converter(self) -> Callable[[Sequence[Any]], list[np.ndarray]]:
        """Return the function from the leaves of a call to the inputs of the program."""
        formulas = [(value.formula, value.dtype) for value in self.numbers]
        convert = converter([f"n{i}" for i in self.floats], formulas)

        def inputs(leaves: Sequence[Any]) -> list[np.ndarray]:
            arrays = [array_of(x) for x in leaves if is_array(x)]
            return [*arrays, *convert(*(leaves[i] for i in self.floats))]

        return inputs

    def text(self, names: Sequence[str], named: Callable[[str, Any], str]) -> str:
        """Return an expression for the result, of the names of arrays."""
        left = iter(names)
        flat = [
            _handed_text(next(left), x, p) if isinstance(x, Value) else named("leaf", x)
            for x, p in zip(self.flat, self.plain, strict=True)
        ]
        found = _written(self.build(list(range(len(flat)))), flat, named)
        return found or f"{named('build', self.build)}([{', '.join(flat)}])"

    def results(self, arrays: Sequence[np.ndarray] | None = None) -> Any:
        """Return the results, of this call or of another, in the function's containers."""
        if arrays is None:
            result, self.result = self.result, None
            if self.live:
                return result
            arrays = [array_of(x).copy() for x in flatten(result)[0] if is_array(x)]
        found = iter(arrays)
        pairs = zip(self.flat, self.plain, strict=True)
        return self.build(
            [_handed(next(found), p) if isinstance(x, Value) else x for x, p in pairs]
        )


class Unnoted(Listener):
    """A call that does to the last bit what a recorded one does, of which nothing is kept."""

    compiles = True

    def __init__(self, function: Callable[..., Any], leaves: Sequence[Any], build: Any) -> None:
        self._plain: dict[int, np.ndarray] = {}
        args, kwargs = build([constant(x) if is_array(x) else x for x in leaves])
        with traced(self):
            self.flat, self.build = flatten(function(*args, **kwargs))

    def plain(self, tensor: Tensor) -> Tensor:
        """Note that a tensor stands for an array, which it is where nothing is traced."""
        self._plain[id(tensor._value)] = tensor._value
        return tensor

    def results(self) -> Any:
        """Return the results in the function's containers."""
        return self.build(list(map(self._leaf, self.flat)))

    def _leaf(self, x: Any) -> Any:
        if not isinstance(x, Tensor | np.ndarray):
            return x
        array = array_of(x)
        return _handed(array.copy(), isinstance(x, Tensor) and id(array) in self._plain)


def _written(tree: Any, leaves: Sequence[str], named: Callable[[str, Any], str]) -> str | None:
    """Return the text of containers with numbered leaves; None if it takes more than brackets."""
    if type(tree) is int:
        return leaves[tree]
    if type(tree) not in (tuple, list, dict):
        return None
    branches = tree.values() if type(tree) is dict else tree
    parts = [found for x in branches if (found := _written(x, leaves, named)) is not None]
    if len(parts) < len(branches):
        return None
    if type(tree) is dict:
        parts = [f"{named('key', k)}: {x}" for k, x in zip(tree, parts, strict=True)]
        return f"{{{', '.join(parts)}}}"
    inside = "".join(f"{x}, " for x in parts)
    return f"({inside})" if type(tree) is tuple else f"[{inside}]"


def is_array(x: Any) -> bool:
    """Whether a leaf is an input as an array."""
    return isinstance(x, Tensor | np.ndarray | np.floating)


def is_foreign(leaves: Sequence[Any]) -> bool:
    """Whether somebody follows what a call does: another recording, or the tape."""
    on_tape = any(isinstance(x, Tensor) and x.node is not None for x in leaves)
    return on_tape or current().trace is not None


def constant(x: Any) -> Tensor:
    """Return an array of the caller's as the function gets it: a constant of its own.

    It looks at the same memory, which the tape copies before it relies on it.
    """
    view = array_of(x).view()
    if not isinstance(x, Tensor) and current().recording:
        expose(view)
    return wrap(view, None)


def array_of(x: Any) -> np.ndarray:
    """Return the array of a leaf that is one."""
    array: np.ndarray = x._value if isinstance(x, Tensor) else np.asarray(x)
    return array


def _handed(array: np.ndarray, plain: bool) -> Any:
    return (array if array.shape else array[()]) if plain else wrap(array, None)


def _handed_text(name: str, value: Value, plain: bool) -> str:
    if not plain:
        return f"wrap({name}, None)"
    return name if value.shape else f"{name}[()]"


def _can_be_differentiated(x: Any) -> bool:
    """Whether somebody may still ask for a derivative of a result."""
    node = x.node if isinstance(x, Tensor) and current().recording else None
    return node is not None and node.links is not None
