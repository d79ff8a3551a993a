"""Special functions on arrays of any shape, layout and real dtype.

    kernel("gammaln")(x)             kernel("polygamma", "n")(x, n=2)

One loop each, compiled at first use. All compute in float64, whatever they read and write: the
result for float32 is right to its last place, and SciPy does the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, explain
from .jit import compile_loop
from .threads import LARGE, spread

__all__ = ["kernel"]

LOOP = """
def {name}_loop(x, out{parameters}):
    for i in range(x.size):
        out[i] = {name}(F(x[i]){arguments})
"""


def kernel(name: str, *attributes: str) -> Callable[..., Any]:
    """Return the function of an array, and of attributes by name, that a scalar function makes.

    Examples
    --------
    >>> kernel("erfinv")(np.array([0.0, 1.0]))
    array([ 0., inf])
    """

    def on_arrays(x: Any, **values: float) -> Any:
        x = np.asarray(x)
        result, dtype = _dtypes(name, x.dtype)
        flat = np.require(x, dtype, "A").ravel()
        out = np.empty(x.shape, dtype)
        loop = _loop(name, attributes, dtype.name)
        if flat.size >= LARGE:
            loop = spread(loop, 2)
        loop(flat, out.ravel(), *map(values.get, attributes))
        return out.astype(result, copy=False)

    return on_arrays


def _dtypes(name: str, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the dtype of the result, and that of the arrays which the loop reads and writes."""
    if dtype.kind not in "fiub":
        raise DTypeError(explain(f"{name}: real operands", dtype, "Convert them"))
    result = dtype.newbyteorder("=") if dtype.kind == "f" else np.dtype(np.float64)
    return result, np.dtype(np.float32 if result.itemsize <= 4 else np.float64)


@functools.cache
def _loop(name: str, attributes: tuple[str, ...], dtype: str) -> Callable[..., Any]:
    parameters = "".join(f", {a}" for a in attributes)
    arguments = "".join(f", F({a})" for a in attributes)
    source = LOOP.format(name=name, parameters=parameters, arguments=arguments)
    types = [f"{dtype}[::1]"] * 2 + ["float64"] * len(attributes)
    return compile_loop(source, "float64", f"({', '.join(types)})")
