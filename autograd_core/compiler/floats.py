"""Python floats among the arguments: numbers that operations may take, and that nobody looks at.

A recorded call gets a `Number` for a float. Where an operation takes it, or what ``+ - * / **``
make of it, it becomes an input of the program: an array of one number, of the dtype that Python
numbers take on there. Whoever looks at the number itself, to compare, round or print it, or to
compute with a library, tells the trace; then the number is part of the kind of call.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Number", "converter", "looked_at", "plain"]


class Number:
    """A float that notes who looks at it; what is not said here, it does as a float does.

    It is no subclass of float: the C code of libraries would read such a one without asking.

    Parameters
    ----------
    value : float
    formula : str
        How it is computed from arguments n0, n1, ...
    trace : Trace
    """

    __slots__ = ("formula", "trace", "value")

    def __init__(self, value: float, formula: str, trace: Any) -> None:
        self.value = value
        self.formula = formula
        self.trace = trace

    __class__ = property(lambda self: float)  # for isinstance

    def look(self) -> float:
        """Return the float; the trace is told."""
        self.trace.looked(self)
        return self.value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute with NumPy, as with a float."""
        if any(_is_tensor(x) for x in inputs):
            return NotImplemented
        given = {name: plain(x) for name, x in options.items()}
        return getattr(ufunc, method)(*map(plain, inputs), **given)

    def __array_function__(self, function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        """Compute with NumPy, as with a float."""
        return function(*_all_plain(args), **_all_plain(kwargs))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.look(), dtype)

    def __copy__(self) -> Number:
        return self

    def __deepcopy__(self, _: Any) -> Number:
        return self

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        return float, (self.look(),)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        return _combined("**", operator.pow, self, other)

    def __rpow__(self, other: Any, modulus: Any = None) -> Any:
        return _combined("**", operator.pow, other, self)

    def __neg__(self) -> Number:
        return Number(-self.value, f"(-{self.formula})", self.trace)

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return Number(abs(self.value), f"abs({self.formula})", self.trace)


def looked_at(number: Number) -> list[int]:
    """Return the positions of the arguments that a number is computed from."""
    return [int(digits) for digits in re.findall(r"\bn(\d+)\b", number.formula)]


def plain(x: Any) -> Any:
    """Return a float instead of a number; the trace is told."""
    return x.look() if type(x) is Number else x


def _all_plain(tree: Any) -> Any:
    if type(tree) in (tuple, list):
        return type(tree)(map(_all_plain, tree))
    if type(tree) is dict:
        return {key: _all_plain(value) for key, value in tree.items()}
    return plain(tree)


def _is_tensor(x: Any) -> bool:
    return hasattr(type(x), "__array_ufunc__") and not isinstance(
        x, np.ndarray | np.generic | float
    )


def _combined(symbol: str, function: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """Return what arithmetic makes of a number and something else."""
    number, other = (x, y) if type(x) is Number else (y, x)
    if type(other) not in (Number, int, float):
        if hasattr(type(other), "__array_ufunc__"):
            return NotImplemented  # it knows how to compute with floats
        return function(plain(x), plain(y))
    formulas = [p.formula if type(p) is Number else f"({p!r})" for p in (x, y)]
    value = function(*(p.value if type(p) is Number else p for p in (x, y)))
    if type(value) is not float or _is_nameless(other):
        return function(plain(x), plain(y))
    return Number(value, f"({formulas[0]} {symbol} {formulas[1]})", number.trace)


def _is_nameless(x: Any) -> bool:
    """Whether Python has no literal for a number."""
    return type(x) is float and not abs(x) < float("inf")


def _arithmetic(symbol: str, name: str) -> None:
    function = getattr(operator, name)
    setattr(Number, f"__{name}__", lambda x, y: _combined(symbol, function, x, y))
    setattr(Number, f"__r{name}__", lambda y, x: _combined(symbol, function, x, y))


def _looking(name: str) -> None:
    """Let a method be that of float, on the float that is looked at."""
    method = getattr(float, name)

    def looks(self: Number, *others: Any) -> Any:
        if any(_is_tensor(x) for x in others):
            return NotImplemented
        return method(self.look(), *map(plain, others))

    setattr(Number, name, looks)


for _symbol, _name in (("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "truediv")):
    _arithmetic(_symbol, _name)
for _name in (
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__hash__"),
    *("__int__", "__float__", "__trunc__", "__floor__", "__ceil__", "__round__", "__divmod__"),
    *("__rdivmod__", "__mod__", "__rmod__", "__floordiv__", "__rfloordiv__", "__format__"),
    *("__str__", "__repr__", "is_integer", "as_integer_ratio", "hex", "conjugate"),
):
    _looking(_name)
Number.real = property(lambda self: self.look())  # type: ignore[attr-defined]
Number.imag = property(lambda self: 0.0)  # type: ignore[attr-defined]


def converter(
    names: Sequence[str], formulas: Sequence[tuple[str, np.dtype[Any]]]
) -> Callable[..., tuple[np.ndarray, ...]]:
    """Return the function from floats to arrays of one number each.

    >>> converter(["n0"], [("(n0 * 2)", np.dtype("float32"))])(1.5)
    (array(3., dtype=float32),)
    """
    scope: dict[str, Any] = {f"d{i}": dtype for i, (_, dtype) in enumerate(formulas)}
    arrays = "".join(f"array({formula}, d{i}), " for i, (formula, _) in enumerate(formulas))
    text = f"lambda {', '.join(names)}: ({arrays})"
    found: Callable[..., tuple[np.ndarray, ...]] = eval(text, scope | {"array": np.array})
    return found
