"""What a function sees besides its arguments: closures, globals, modules and their settings.

A program holds for the Python values that were there when it was recorded: numbers, strings,
flags such as ``model.training``, and which objects a name stands for. `Surroundings` finds all of
them that a function can reach by its code, and says in a key what they are now. Arrays and
tensors count by identity: their content is read at every run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..op import Op
from ..tensor import Tensor

__all__ = ["Surroundings"]

VALUES = (int, float, complex, str, bytes, bool, type(None), np.generic, np.dtype, slice)
# Objects that a key takes as they are: code of libraries, arrays, types.
OPAQUE = (np.ndarray, Tensor, Op, type, ModuleType, BuiltinFunctionType, np.random.Generator)
LIBRARIES = ("autograd_core", "nn", "optim", "numpy", "builtins")
DEEPEST = 6  # containers within containers


class Surroundings:
    """The Python state that a function depends on.

    To find all of it takes a while, so it is found once and then watched: as long as the
    containers it is in hold the same objects, the key is the same.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._key: Hashable = None
        self._watched: list[tuple[Callable[[], list[Any]], list[Any]]] = []

    def key(self) -> Hashable:
        """Return what the surroundings are now; equal keys mean equal surroundings."""
        for look, known in self._watched:
            if list(map(id, look())) != known:
                break
        else:
            if self._watched:
                return self._key
        self._find()
        return self._key

    def _find(self) -> None:
        found: list[Hashable] = []
        looks: list[Callable[[], list[Any]]] = []
        _enter(self.function, found, looks, set(), 0)
        self._key = tuple(found)
        contents = [look() for look in looks]
        self._alive = contents  # so that an id stays that of the same object
        self._watched = [(f, list(map(id, c))) for f, c in zip(looks, contents, strict=True)]


def _enter(
    x: Any,
    found: list[Hashable],
    looks: list[Callable[[], list[Any]]],
    seen: set[int],
    depth: int,
) -> None:
    """Add what an object is to `found`, with all that is reached from it."""
    if isinstance(x, VALUES):
        found.append((type(x), repr(x) if isinstance(x, slice) else x))
        return
    found.append(id(x))
    if id(x) in seen or depth > DEEPEST or isinstance(x, OPAQUE):
        return
    seen.add(id(x))
    look = _look(x)
    if look is not None:
        looks.append(look)
        for part in look():
            _enter(part, found, looks, seen, depth + (not isinstance(x, FunctionType)))


def _look(x: Any) -> Callable[[], list[Any]] | None:
    """Return the function that lists what an object leads to now."""
    if isinstance(x, FunctionType):
        return _names(x)
    if isinstance(x, MethodType):
        return lambda: [x.__func__, x.__self__]
    if isinstance(x, partial):
        return lambda: [x.func, x.args, x.keywords]
    if isinstance(x, dict):
        return lambda: [*x, *x.values()]
    if isinstance(x, (list, tuple, set, frozenset)):
        return lambda: [*x]
    if type(x).__module__.partition(".")[0] in ("numpy", "builtins") or not hasattr(x, "__dict__"):
        return None
    return _attributes(x)


def _attributes(x: Any) -> Callable[[], list[Any]] | None:
    """Look at the attributes of an object, and at the method that calling it runs."""
    if hasattr(x, "__compile_key__"):
        return None
    held = vars(x)
    if "__wrapped__" in held:
        return lambda: [x.__wrapped__]
    methods = [getattr(type(x), name, None) for name in ("forward", "__call__")]
    called = [method for method in methods if isinstance(method, FunctionType)]
    return lambda: [*held, *held.values(), *called]


def _names(function: FunctionType) -> Callable[[], list[Any]] | None:
    """Look at what a function's free and global names stand for, unless it is of a library."""
    if function.__module__.partition(".")[0] in LIBRARIES:
        return None
    cells = function.__closure__ or ()
    space = function.__globals__
    names = sorted(_globals_of(function.__code__))

    def look() -> list[Any]:
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        held = [cell.cell_contents for cell in cells if _bound(cell)]
        return [len(held), *held, *defaults, *(space.get(name) for name in names)]

    return look


def _bound(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _globals_of(code: CodeType) -> set[str]:
    nested = (_globals_of(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*nested)
