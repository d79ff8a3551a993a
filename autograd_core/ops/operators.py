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
from ..modes import current
from ..tensor import Tensor
from .index import getitem

BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
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


def public(namespace: str | None = None) -> dict[str, Callable[..., Any]]:
    """Return the functions of a namespace, or those at the top, by name."""
    declared: dict[str, Any] = OPS | COMPOSITES
    return {
        function.facets.get("name", name): function
        for name, function in declared.items()
        if function.facets.get("namespace") == namespace and not function.facets.get("internal")
    }


PUBLIC = public()
DISPATCH = {
    getattr(home, name): function
    for home, functions in ((np, PUBLIC), (np.linalg, PUBLIC | public("linalg")))
    for name, function in functions.items()
    if hasattr(home, name)
}
DISPATCH |= {np.amax: OPS["max"], np.amin: OPS["min"]}
# Functions that ask about values or shapes and have no derivative to lose.
QUERIES = frozenset(
    (np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.allclose, np.array_equal)
)


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
    for sign, name in {"neg": "negative", "pos": "positive", "abs": "abs"}.items():
        setattr(Tensor, f"__{sign}__", lambda x, op=OPS[name]: op(x))
    floor_divide = COMPOSITES["floor_divide"]
    Tensor.__floordiv__ = lambda x, y: floor_divide(x, y)
    Tensor.__rfloordiv__ = lambda x, y: floor_divide(y, x)


def _attach_methods() -> None:
    for name, function in PUBLIC.items():
        if hasattr(np.ndarray, name) and name not in Tensor.__dict__:
            setattr(Tensor, name, _method(function))
    Tensor.reshape = _variadic_method("reshape", "shape")
    Tensor.transpose = _variadic_method("transpose", "axes")
    Tensor.T = property(lambda x: OPS["transpose"](x), doc="The axes reversed.")
    Tensor.astype = lambda x, dtype: x if x.dtype == dtype else OPS["astype"](x, dtype=dtype)
    Tensor.__getitem__ = lambda x, index: getitem(x, index=index)
    Tensor.__setitem__ = _refuse_assignment


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
        raise GraphError(explain("in-place update: a tensor that is not a recording leaf", x, do))
    x.assign(op(x.numpy(), getattr(y, "_value", y)))
    return x


def _refuse_assignment(self: Tensor, index: Any, value: Any) -> None:
    do = "Use where, concatenate or stack; on a leaf write into x.data between sweeps"
    raise GraphError(explain("x[index] = value: an array", "a tensor", do))


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    op = DISPATCH.get(ufunc)
    if op is None or method != "__call__" or "out" in kwargs:
        call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise _refused(f"{call} with out=" if "out" in kwargs else call)
    return op(*inputs, **kwargs)


def _array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if function in QUERIES:
        return function(*(a.numpy() if isinstance(a, Tensor) else a for a in args), **kwargs)
    if function not in DISPATCH:
        home = getattr(function, "__module__", "numpy").removeprefix("numpy").removeprefix(".")
        name = getattr(function, "__name__", str(function))
        raise _refused(f"{home}.{name}" if home else name)
    return DISPATCH[function](*args, **kwargs)


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
Tensor.__array_ufunc__ = _array_ufunc
Tensor.__array_function__ = _array_function
