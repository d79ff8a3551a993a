"""Declaring ops: `primitive` takes the forward function, `defvjp` the derivative rules."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DTypeError, ShapeError, UnknownNameError, explain
from .lanes import Binary, Unary
from .op import Op
from .rule import Rule, indexed_rules
from .signature import parameters

__all__ = ["COMPOSITES", "OPS", "composite", "defvjp", "primitive"]

OPS: dict[str, Op] = {}
COMPOSITES: dict[str, Callable[..., Any]] = {}


def primitive(
    function: Callable[..., Any] | None = None, /, *, register: bool = True, **facets: Any
) -> Any:
    """Declare an op: the decorated function computes it on plain arrays.

    Parameters
    ----------
    pointwise : bool
        Elementwise with broadcasting.
    scalar : str or callable, optional
        What a compiled loop computes for one element: an expression over the names of operands
        and attributes, in the language of `kernels.generate`; or a function of the attributes
        that returns it, where these decide what it is.
    no_scalar : str, optional
        Why a pointwise op has no such expression.
    kernel : callable, optional
        ``kernel(*shapes, **attributes)`` returns the text of ``def name(*operands, out)``, which a
        compiled program calls with flat arrays instead of the op, or None. It returns whether it
        could do it; if not, the op itself is asked, and may raise.
    nondiff : str, optional
        Why the op has no derivative; its result is a constant.
    domain : sequence, optional
        One entry of `domains` per operand: where the op is smooth; [-2, 2] unless given.
    samples : callable, optional
        ``samples(rng)`` yields (operands, attributes) for the laws and the benchmarks.
    namespace : str, optional
        Where the op is found instead of at the top: "linalg" or "special".
    reference : str, optional
        Where the formula comes from.
    register : bool
        Whether to enter the op in `OPS`, from which methods, dispatch, tests and docs derive.

    Examples
    --------
    >>> import autograd_core as ag
    >>> @ag.primitive(pointwise=True, register=False)
    ... def cube(x):
    ...     return x * x * x
    >>> ag.defvjp(cube, x=lambda ct, x: ct * (3.0 * x * x))
    >>> float(ag.grad(cube)(2.0))
    12.0
    """
    if function is None:
        return lambda function: primitive(function, register=register, **facets)
    positional, variadic, keywords, defaults = parameters(function)
    plain = not (variadic or keywords or defaults)
    kind = {1: Unary, 2: Binary}.get(len(positional), Op) if plain else Op
    op = kind(function, facets)
    if register and OPS.setdefault(op.name, op) is not op:
        what = "primitive: a name that is not taken"
        raise UnknownNameError(explain(what, repr(op.name), "Choose another, or register=False"))
    return op


def defvjp(op: Op, **rules: Callable[..., Any] | None) -> None:
    """Give an op its vector-Jacobian products, one rule per operand, by the operand's name.

    A rule takes the cotangent of the result and returns the operand's. Its further parameters are
    operand names, ``out``, attribute names or ``<operand>_shape``: exactly those are remembered.
    Rules are written with ops and operators, so that they can be differentiated in turn. For an
    operand on which the result depends piecewise constantly, such as a condition, write None.
    """
    if rules.keys() != set(op.operands):
        what = f"defvjp({op.name}): a rule (or None) for each of {', '.join(op.operands)}"
        do = "Name each operand once"
        raise UnknownNameError(explain(what, ", ".join(rules) or "none", do))
    op.rules = {name: rule for name, rule in rules.items() if rule is not None}
    op.indexed = []
    if op.variadic:
        indexed_rules(op, 1)
        return
    op.edge_rules = tuple(Rule(op, x, op.rules[x]) if x in op.rules else None for x in op.operands)
    op.slow = None in op.edge_rules


def composite(function: Callable[..., Any] | None = None, /, **facets: Any) -> Any:
    """Enter a function composed of ops among the names that methods and NumPy dispatch serve.

    Parameters
    ----------
    namespace : str, optional
        Where it is found instead of at the top: "linalg" or "special".
    name : str, optional
        Its name there, where the function cannot have it: the top has another of that name.
    samples : callable, optional
        ``samples(rng)`` yields (arguments, named arguments) for the laws, which differentiate
        with respect to every array of floats in the arguments.
    """
    if function is None:
        return lambda function: composite(function, **facets)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, IndexError) as error:
            kind = _WORDED.get(type(error))
            if kind is not None and ", but got " not in str(error):
                raise kind(_misfit(name, function, args, kwargs, error)) from error
            caller, colon, rest = str(error).partition(":")
            if name in re.findall(r"\w+", caller):
                raise  # it says already what to do
            where = caller.rpartition(" in ")[2]  # the op at work; what lies between tells nothing
            raise type(error)(f"{name}, in {where}{colon}{rest}") from error

    name = facets.get("name", function.__name__)
    checked.facets = facets  # type: ignore[attr-defined]
    if function.__name__ in OPS or function.__name__ in COMPOSITES:
        what = "composite: a name that is not taken"
        raise UnknownNameError(explain(what, repr(function.__name__), "Choose another"))
    COMPOSITES[function.__name__] = checked
    return checked


# NumPy's errors, and what becomes of them.
_WORDED: dict[type[Exception], type[Exception]] = {
    TypeError: DTypeError,
    ValueError: ShapeError,
    IndexError: IndexError,
    np.exceptions.AxisError: ShapeError,
}


def _misfit(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    error: Exception,
) -> str:
    """Say which function an error came from, and with what."""
    if error.__traceback__ is not None and error.__traceback__.tb_next is None:
        what = f"{name}{inspect.signature(function)}: the arguments it names"
        return explain(what, f"a call that does not fit ({error})", "Correct it")
    given = [*map(_brief, args), *(f"{key}={_brief(value)}" for key, value in named.items())]
    got = f"{', '.join(given)} (NumPy: {str(error).rstrip('. ')})"
    return explain(f"{name}: arguments that fit together", got, "Correct one of them")


def _brief(value: Any) -> str:
    """Say an argument in a few words: an array by its shape."""
    if isinstance(value, list):
        return f"[{', '.join(map(_brief, value)):.60}]"
    shape = getattr(value, "shape", None)
    return f"{value!r:.40}" if shape is None else f"shape {shape}"
