"""Activation values f(x) and pullbacks ct f'(x), on arrays of any shape, layout and dtype.

    value("silu", x)             pull("elu", ct, x, alpha=0.5)

float32 and float64 run as one fused loop each, compiled at first use, large arrays on several
threads; float16 goes through float32; other dtypes (integers, long double, complex) get the plain
NumPy expression. In a pullback an exact zero wins over an infinity on either side: the result is 0
where ct is 0, whatever the slope, and where the slope is 0 and ct infinite. A NaN in x gives NaN
unless ct is 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import UnknownNameError, explain
from .expressions import DERIVATIVES, VALUES
from .jit import compile_loop
from .rows import log_softmax, log_softmax_pull, softmax, softmax_pull
from .threads import LARGE, spread

__all__ = [
    "NAMES",
    "derivative_expression",
    "expression",
    "log_softmax",
    "log_softmax_pull",
    "pull",
    "pull_kernel",
    "softmax",
    "softmax_pull",
    "value",
    "value_kernel",
]

NAMES = tuple(VALUES)

VALUE_LOOP = """
def {name}_value(x, out{parameters}):
    for i in range(x.size):
        out[i] = {name}(x[i]{arguments})
"""
# Selections, no branches: d == 0 wins unless c is NaN, then c == 0 wins over everything.
PULL_LOOP = """
def {name}_pull(ct, x, out{parameters}):
    for i in range(x.size):
        c = ct[i]
        d = {name}_slope(x[i]{arguments})
        product = c * d
        product = 0.0 if d == 0.0 and c == c else product
        out[i] = 0.0 if c == 0.0 else product
"""


def value(name: str, x: Any, **attrs: float) -> Any:
    """Return f(x) for an activation.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    x : array_like
        Of any shape, layout and dtype; not changed.
    **attrs : float
        Options such as `slope` of leaky_relu (0.01): those of the expression of that name.

    Returns
    -------
    ndarray
        Fresh, in C order.

    Examples
    --------
    >>> value("relu", np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    kernel = _VALUE_KERNELS.get(name) or value_kernel(name)
    return kernel(x, **attrs)


def pull(name: str, ct: Any, x: Any, **attrs: float) -> Any:
    """Return ct f'(x) for an activation; arguments as in `value`.

    Examples
    --------
    >>> pull("relu", np.array([3.0, 3.0]), np.array([-1.0, 2.0]))
    array([0., 3.])
    """
    kernel = _PULL_KERNELS.get(name) or pull_kernel(name)
    return kernel(ct, x, **attrs)


def value_kernel(name: str) -> Callable[..., Any]:
    """Return the function that `value` calls, to be bound once by who calls often."""
    return _look_up(_VALUE_KERNELS, name)


def pull_kernel(name: str) -> Callable[..., Any]:
    """Return the function that `pull` calls."""
    return _look_up(_PULL_KERNELS, name)


def expression(name: str) -> Callable[..., Any]:
    """Return the plain NumPy expression of f(x)."""
    return _look_up(VALUES, name)


def derivative_expression(name: str) -> Callable[..., Any]:
    """Return the plain NumPy expression of ct f'(x), a function of ct and x."""
    return _look_up(DERIVATIVES, name)


def _look_up(table: dict[str, Callable[..., Any]], name: str) -> Callable[..., Any]:
    try:
        return table[name]
    except KeyError:
        what = f"activation: expected one of {', '.join(table)}"
        raise UnknownNameError(explain(what, repr(name), "Check the spelling")) from None


DOUBLE = np.dtype(np.float64)
ndarray, empty = np.ndarray, np.empty  # looked up once: these calls last a microsecond


class _Kernel:
    """What value and pullback share: the loops by dtype, the attributes and their defaults."""

    def __init__(self, loop: str, name: str, fallback: Callable[..., Any], arrays: int) -> None:
        parameters = list(inspect.signature(fallback).parameters.values())[arrays - 1 :]
        self.name = name
        self.fallback = fallback
        self.arrays = arrays
        self.defaults = {p.name: p.default for p in parameters}
        names = "".join(f", {p}" for p in self.defaults)
        casts = "".join(f", F({p})" for p in self.defaults)
        self.source = loop.format(name=name, parameters=names, arguments=casts)
        self.loops: dict[np.dtype[Any], Callable[..., Any]] = {}
        self.double: Callable[..., Any] | None = None  # the same for float64, without a look-up

    def compile(self, dtype: np.dtype[Any]) -> None:
        if dtype in self.loops:
            return
        types = [f"{dtype}[::1]"] * self.arrays + ["float64"] * len(self.defaults)
        signature = f"({', '.join(types)})"
        self.loops[dtype] = compile_loop(self.source, dtype.name, signature)
        self.double = self.loops.get(DOUBLE)

    def bind(self, attrs: dict[str, float]) -> Iterable[float]:
        values = {**self.defaults, **attrs}
        if len(values) != len(self.defaults):
            what = f"{self.name}: expected the attributes {list(self.defaults)}"
            raise UnknownNameError(explain(what, sorted(attrs), "Leave the others out"))
        return values.values()


class _Value(_Kernel):
    def __call__(self, x: Any, **attrs: float) -> Any:
        loop = self.loops.get(x.dtype) if type(x) is np.ndarray else None
        if loop is None:
            return self._prepare(np.asarray(x), attrs)
        out = np.empty(x.shape, x.dtype)
        if x.size >= LARGE:
            loop = spread(loop, self.arrays)
        if attrs or self.defaults:
            loop(x.ravel(), out.ravel(), *self.bind(attrs))
        else:
            loop(x.ravel(), out.ravel())
        return out

    def _prepare(self, x: np.ndarray, attrs: dict[str, float]) -> Any:
        dtype = _working_dtype(x.dtype)
        if dtype is None:
            return self.fallback(x, **attrs)
        self.compile(dtype)
        out = self(np.require(x, dtype, "A"), **attrs)
        return out.astype(x.dtype.newbyteorder("="), copy=False)


class _Pull(_Kernel):
    def __call__(self, ct: Any, x: Any, **attrs: float) -> Any:
        loop = None
        if type(x) is ndarray is type(ct):
            shape, dtype = x.shape, x.dtype
            if (ct.dtype is dtype or ct.dtype == dtype) and ct.shape == shape:
                loop = self.double if dtype is DOUBLE else self.loops.get(dtype)
        if loop is None:
            return self._prepare(np.asarray(ct), np.asarray(x), attrs)
        out = empty(shape, dtype)
        if x.size >= LARGE:
            loop = spread(loop, self.arrays)
        if attrs or self.defaults:
            loop(ct.ravel(), x.ravel(), out.ravel(), *self.bind(attrs))
        else:
            loop(ct.ravel(), x.ravel(), out.ravel())
        return out

    def _prepare(self, ct: np.ndarray, x: np.ndarray, attrs: dict[str, float]) -> Any:
        common = np.result_type(ct, x)
        ct, x = np.broadcast_arrays(ct, x)
        dtype = _working_dtype(common)
        if dtype is None:
            return np.where(ct == 0, 0, self.fallback(ct, x, **attrs))
        self.compile(dtype)
        out = self(np.require(ct, dtype, "A"), np.require(x, dtype, "A"), **attrs)
        return out.astype(common, copy=False)


def _working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype of the loop that serves `dtype`, or None."""
    if dtype.kind != "f" or dtype.itemsize > 8:
        return None
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype.newbyteorder("=")


_VALUE_KERNELS: dict[str, Callable[..., Any]] = {
    name: _Value(VALUE_LOOP, name, fallback, 2) for name, fallback in VALUES.items()
}
# One NumPy pass each, which a loop of ours could not beat: tanh has vector code and is accurate,
# and relu is as fast as memory. (NumPy converts a Python 0 at each call; a ready zero saves that.)
_ZEROS = {np.dtype(t): np.zeros((), t) for t in (np.float32, np.float64)}


def _relu(x: Any) -> Any:
    return np.maximum(x, _ZEROS.get(x.dtype, 0) if type(x) is np.ndarray else 0)


_VALUE_KERNELS.update(relu=_relu, tanh=np.tanh)
_PULL_KERNELS: dict[str, Callable[..., Any]] = {
    name: _Pull(PULL_LOOP, name, fallback, 3) for name, fallback in DERIVATIVES.items()
}
