"""Reading a function's parameters: hundreds are read at import, so it must be quick."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

__all__ = ["EMPTY", "Parameters", "parameters"]

EMPTY = inspect.Parameter.empty


class Parameters(NamedTuple):
    """The names of the positional parameters; whether the last takes any number; the others."""

    positional: tuple[str, ...]
    variadic: bool
    keywords: dict[str, Any]  # name: default, or EMPTY
    defaults: bool  # whether a positional parameter has one


def parameters(function: Callable[..., Any]) -> Parameters:
    """Return the parameters of a function, read from its code object where it has one.

    >>> parameters(lambda x, y, *, axis=-1: None)
    Parameters(positional=('x', 'y'), variadic=False, keywords={'axis': -1}, defaults=False)
    """
    function = getattr(function, "forward", function)  # of an op
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return _inspected(function)
    code = function.__code__
    last = code.co_argcount + code.co_kwonlyargcount
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    extra = code.co_varnames[last : last + variadic]
    defaults = function.__kwdefaults__ or {}
    keywords = {
        name: defaults.get(name, EMPTY) for name in code.co_varnames[code.co_argcount : last]
    }
    positional = (*code.co_varnames[: code.co_argcount], *extra)
    return Parameters(positional, variadic, keywords, bool(function.__defaults__))


def _inspected(function: Callable[..., Any]) -> Parameters:
    found = inspect.signature(function).parameters.values()
    keywords = {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}
    positional = tuple(p.name for p in found if p.kind is not p.KEYWORD_ONLY)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in found)
    defaults = any(p.default is not EMPTY for p in found if p.name not in keywords)
    return Parameters(positional, variadic, keywords, defaults)
