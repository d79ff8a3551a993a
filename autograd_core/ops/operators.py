"""The door: operators, methods and NumPy's functions on tensors, derived from `OPS`.

``x + y``, ``x.sum()`` and ``np.sum(x)`` all find the op of that name. A function of NumPy that has
no op here raises: converting the tensor to an ndarray would lose its derivative silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..declare import COMPOSITES, OPS
from ..errors import DTypeError, GraphError, explain
from ..guard import seen
from ..modes import current
from ..tensor import Tensor
from ..tree import flatten
from .index import compress, getitem, take

BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "matmul": "matmul",
}
COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
# Other names of the same functions, by namespace.
ALIASES: dict[str | None, dict[str, str]] = {
    None: {
        "absolute": "abs",
        "acos": "arccos",
        "acosh": "arccosh",
        "amax": "max",
        "amin": "min",
        "around": "round",
        "asin": "arcsin",
        "asinh": "arcsinh",
        "atan": "arctan",
        "atan2": "arctan2",
        "atanh": "arctanh",
        "concat": "concatenate",
        "conj": "positive",
        "conjugate": "positive",
        "degrees": "rad2deg",
        "fabs": "abs",
        "fix": "trunc",
        "mod": "remainder",
        "permute_dims": "transpose",
        "pow": "power",
        "radians": "deg2rad",
        "true_divide": "divide",
    },
    "special": {
        "expit": "sigmoid",
        "logsumexp": "logsumexp",
        "psi": "digamma",
    },
}
# On booleans alone: of numbers these are operations on bits.
LOGICAL = {"and": "logical_and", "or": "logical_or", "xor": "logical_xor"}
# What a method of a ufunc computes: np.add.reduce(x) is the sum over the first axis.
UFUNC_METHODS = {
    ("add", "reduce"): "sum",
    ("add", "accumulate"): "cumsum",
    ("multiply", "reduce"): "prod",
    ("multiply", "accumulate"): "cumprod",
    ("maximum", "reduce"): "max",
    ("maximum", "accumulate"): "cummax",
    ("minimum", "reduce"): "min",
    ("minimum", "accumulate"): "cummin",
    ("logaddexp", "reduce"): "logsumexp",
    ("logical_and", "reduce"): "all",
    ("logical_or", "reduce"): "any",
}


def public(namespace: str | None = None) -> dict[str, Callable[..., Any]]:
    """Return the functions of a namespace, or those at the top, by name."""
    declared: dict[str, Any] = OPS | COMPOSITES
    found = {
        function.facets.get("name", name): function
        for name, function in declared.items()
        if function.facets.get("namespace") == namespace and not function.facets.get("internal")
    }
    aliases = ALIASES.get(namespace, {})
    return found | {alias: declared[name] for alias, name in aliases.items()}


PUBLIC = public()
DISPATCH = {
    getattr(home, name): function
    for home, functions in ((np, PUBLIC), (np.linalg, PUBLIC | public("linalg")))
    for name, function in functions.items()
    if hasattr(home, name)
}
# Functions that ask about values or shapes and have no derivative to lose.
OUTWARD = frozenset(  # of these, shapes and dtypes only
    (
        *(np.shape, np.ndim, np.size, np.result_type, np.shares_memory, np.may_share_memory),
        *(np.zeros_like, np.ones_like, np.empty_like),
    )
)
QUERIES = OUTWARD | frozenset(
    (
        *(np.allclose, np.array_equal, np.array_equiv),
        *(np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.isin, np.histogram),
    )
)


def _where(condition: Any, *choices: Any) -> Any:
    """``np.where``: a choice, or the places where a condition holds."""
    return OPS["where"](condition, *choices) if choices else np.nonzero(condition)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, **bounds: Any) -> Any:
    """``np.clip``, which has an older name for each bound."""
    return OPS["clip"](x, **{"min": a_min, "max": a_max} | bounds)


def _sorting(function: Callable[..., Any]) -> Callable[..., Any]:
    """``np.sort`` or ``np.argsort``: ours are stable, which every kind allows."""
    return lambda a, axis=-1, kind=None, *, stable=None: function(a, axis=axis)


DISPATCH |= {np.where: _where, np.clip: _clip}
DISPATCH |= {np.sort: _sorting(COMPOSITES["sort"]), np.argsort: _sorting(OPS["argsort"])}


def _of_booleans(op: Callable[..., Any]) -> Callable[..., Any]:
    """Return a logical function as the operator on masks that NumPy has it for."""

    def masks(*operands: Any) -> Any:
        kinds = [np.asarray(getattr(x, "_value", x)).dtype for x in operands]
        if any(kind.kind != "b" for kind in kinds):
            what, got = "&, |, ^ and ~: booleans", " and ".join(map(str, kinds))
            raise DTypeError(explain(what, got, "Put comparisons in brackets: (x > 0) & (x < 1)"))
        return op(*operands)

    return masks


DISPATCH |= {getattr(np, f"bitwise_{n}"): _of_booleans(OPS[op]) for n, op in LOGICAL.items()}
DISPATCH[np.invert] = _of_booleans(OPS["logical_not"])


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method


def _attach_operators() -> None:
    for sign, name in BINARY.items():
        op: Any = OPS[name]
        setattr(Tensor, f"__{sign}__", op.method)  # without a step between: a fifth quicker
        setattr(Tensor, f"__r{sign}__", lambda x, y, op=op: op(y, x))
        setattr(Tensor, f"__i{sign}__", lambda x, y, op=op: _in_place(op, x, y))
    for sign, name in COMPARISONS.items():
        setattr(Tensor, f"__{sign}__", lambda x, y, op=OPS[name]: op(x, y))
    for sign in LOGICAL:
        function = DISPATCH[getattr(np, f"bitwise_{sign}")]
        setattr(Tensor, f"__{sign}__", lambda x, y, f=function: f(x, y))
        setattr(Tensor, f"__r{sign}__", lambda x, y, f=function: f(y, x))
    Tensor.__invert__ = lambda x: DISPATCH[np.invert](x)
    for sign, name in {"neg": "negative", "pos": "positive", "abs": "abs"}.items():
        setattr(Tensor, f"__{sign}__", lambda x, op=OPS[name]: op(x))


def _attach_methods() -> None:
    for name, function in PUBLIC.items():
        if hasattr(np.ndarray, name) and name not in Tensor.__dict__:
            setattr(Tensor, name, _method(function))
    Tensor.reshape = _variadic_method("reshape", "shape")
    Tensor.transpose = _variadic_method("transpose", "axes")
    Tensor.T = property(lambda x: OPS["transpose"](x), doc="The axes reversed.")
    Tensor.mT = property(COMPOSITES["matrix_transpose"], doc="The last two axes interchanged.")
    Tensor.flatten = _method(COMPOSITES["ravel"])
    Tensor.compress = lambda x, condition, axis=None: compress(condition, x, axis)
    Tensor.nonzero = lambda x: np.nonzero(x.numpy())
    for name, instead in IN_PLACE.items():
        setattr(Tensor, name, _refused_method(name, instead))
    Tensor.astype = lambda x, dtype: x if x.dtype == dtype else OPS["astype"](x, dtype=dtype)
    Tensor.__getitem__ = _select
    Tensor.__setitem__ = _refuse_assignment


def _select(self: Tensor, index: Any) -> Any:
    """``x[index]``; positions that are one array are an operand, because they may change."""
    if isinstance(index, Tensor | np.ndarray) and index.dtype.kind in "iu" and self.ndim:
        return take(self, index, axis=0)
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, np.ndarray):
            seen(part)
    return getitem(self, index=index)


# Methods that overwrite an ndarray, and what to do instead.
IN_PLACE = {
    "sort": "Use ag.sort(x), a sorted copy",
    "partition": "Use ag.sort(x), a sorted copy",
    "fill": "Make another tensor, or write into x.data between sweeps",
    "put": "Use where or scatter, or write into x.data between sweeps",
    "resize": "Use reshape, pad or tile",
}


def _refused_method(name: str, do: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise GraphError(explain(f"x.{name}(), which overwrites: an array", "a tensor", do))

    method.__name__ = name
    return method


def _attach_ufunc_methods() -> None:
    declared: dict[str, Any] = OPS | COMPOSITES
    for (ufunc, method), name in UFUNC_METHODS.items():
        setattr(OPS[ufunc], method, _along_first_axis(declared[name]))
    op: Any
    for op in OPS.values():
        if op.pointwise and op.arity == 2 and hasattr(np, op.name):
            op.outer = _outer(op)


def _along_first_axis(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction or scan with the axis that a ufunc's methods take unless told."""
    return lambda array, axis=0, **named: function(array, axis=axis, **named)


def _outer(op: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that applies `op` to all pairs of elements of two arrays."""

    def outer(x: Any, y: Any) -> Any:
        shape = np.shape(x) + (1,) * np.ndim(y)
        return op(OPS["reshape"](x, shape=shape), y)

    return outer


def _variadic_method(name: str, attribute: str) -> Callable[..., Any]:
    """Let ``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` mean the same."""

    def method(self: Tensor, *lengths: Any, **kwargs: Any) -> Any:
        one = len(lengths) == 1 and not isinstance(lengths[0], int)
        given = {attribute: lengths[0] if one else lengths} if lengths else {}
        return OPS[name](self, **given | kwargs)

    method.__name__ = name
    method.__doc__ = OPS[name].__doc__
    return method


def _in_place(op: Callable[..., Any], x: Tensor, y: Any) -> Tensor:
    """``x += y``: overwrites a leaf under no_grad, and otherwise gives the name a new tensor."""
    if x.node is None or not x.is_leaf:
        return op(x, y)
    if current().recording:
        do = "Update parameters within no_grad(), or write x = x + y for a new tensor"
        raise GraphError(
            explain("in-place update: a tensor that is not a recording leaf", f"{x!r:.60}", do)
        )
    x.assign(op(x.numpy(), getattr(y, "_value", y)))
    return x


def _refuse_assignment(self: Tensor, index: Any, value: Any) -> None:
    do = "Use where, concatenate or stack; on a leaf write into x.data between sweeps"
    raise GraphError(explain("x[index] = value: an array", "a tensor", do))


def _absent(self: Tensor, name: str) -> Any:
    """Say where a function is that is no method, such as PyTorch's x.exp()."""
    do = f"Write ag.{name}(x)" if name in PUBLIC else "Read docs/ops.md for what there is"
    message = explain("tensor: an attribute or method it has", repr(name), do)
    raise AttributeError(message, name=name, obj=self)


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    op = DISPATCH.get(ufunc)
    function: Any = op if method == "__call__" else getattr(op, method, None)
    if function is None or "out" in kwargs:
        call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise _refused(f"{call} with out=" if "out" in kwargs else call)
    return function(*inputs, **kwargs)


def _array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if function in QUERIES:
        leaves, build = flatten((args, kwargs))
        look = _outside if function in OUTWARD else Tensor.numpy
        args, kwargs = build([look(x) if isinstance(x, Tensor) else x for x in leaves])
        return function(*args, **kwargs)
    if function not in DISPATCH:
        home = getattr(function, "__module__", "numpy").removeprefix("numpy").removeprefix(".")
        name = getattr(function, "__name__", str(function))
        raise _refused(f"{home}.{name}" if home else name)
    return DISPATCH[function](*args, **kwargs)


def _outside(x: Tensor) -> np.ndarray:
    return x._value


def _refused(name: str) -> DTypeError:
    return DTypeError(
        explain(
            f"np.{name}: an operation that autograd_core can differentiate",
            "a tensor",
            "Pass x.numpy() if no derivative is needed, or compose it from the ops in docs/ops.md",
        )
    )


_attach_operators()
_attach_methods()
_attach_ufunc_methods()
Tensor.__getattr__ = _absent
Tensor.__array_ufunc__ = _array_ufunc
Tensor.__array_function__ = _array_function
