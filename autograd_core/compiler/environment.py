"""What a function sees besides its arguments: closures, globals, modules and their settings.

A program holds for the Python values that were there when it was recorded: numbers, strings,
flags such as ``model.training``, and which objects a name stands for. `Surroundings` finds all of
them that a function can reach by its code, and says in a key what they are now. Arrays and
tensors count by identity: their content is read at every run.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Hashable, Iterator
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
    """The Python state that a function depends on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def key(self) -> Hashable:
        """Return what the surroundings are now; equal keys mean equal surroundings."""
        return tuple(_entries(self.function, set(), 0))


def _entries(x: Any, seen: set[int], depth: int) -> Iterator[Hashable]:
    """Yield what an object is, and what is reached from it."""
    if isinstance(x, VALUES):
        yield type(x), repr(x) if isinstance(x, slice) else x
        return
    yield id(x)
    if id(x) in seen or depth > DEEPEST or isinstance(x, OPAQUE):
        return
    seen.add(id(x))
    for part in _parts(x):
        yield from _entries(part, seen, depth + (not isinstance(x, FunctionType)))


def _parts(x: Any) -> Iterator[Any]:
    """Yield what an object leads to."""
    if isinstance(x, FunctionType):
        yield from _names(x)
    elif isinstance(x, MethodType):
        yield x.__func__
        yield x.__self__
    elif isinstance(x, partial):
        yield from (x.func, x.args, x.keywords)
    elif isinstance(x, dict):
        yield from x
        yield from x.values()
    elif isinstance(x, (list, tuple, set, frozenset)):
        yield len(x)
        yield from x
    elif type(x).__module__.partition(".")[0] not in ("numpy", "builtins"):
        yield from _attributes(x)


def _attributes(x: Any) -> Iterator[Any]:
    """Yield the attributes of an object, and the method that calling it runs."""
    if hasattr(x, "__compile_key__"):
        yield x.__compile_key__()
        return
    for name, value in vars(x).items() if hasattr(x, "__dict__") else ():
        yield name
        yield value
    for name in ("forward", "__call__"):
        method = getattr(type(x), name, None)
        if isinstance(method, FunctionType):
            yield method


def _names(function: FunctionType) -> Iterator[Any]:
    """Yield what a function's free and global names stand for, unless it is of a library."""
    if function.__module__.partition(".")[0] in LIBRARIES:
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            yield "unbound"
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name in sorted(_globals_of(function.__code__)):
        if name in function.__globals__:
            yield name
            yield function.__globals__[name]
        elif not hasattr(builtins, name):
            yield "unbound"


def _globals_of(code: CodeType) -> set[str]:
    nested = (_globals_of(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*nested)
