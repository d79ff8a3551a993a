"""Pointwise expressions as loops: what ops declare as `scalar`, compiled on its own.

    one = Scalar("x + slope * y", ("x", "y"), ("slope",))
    (loop,) = scalar_loops([one], ("float32", "float32"), "float32")

Operands enter as numbers of the float type in which the loop computes: that of the result, or of
the operands where the result is bool. A bool operand is 0 or 1.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from autograd_core.kernels.jit import compile_loop

__all__ = ["Scalar", "loops_text", "names", "scalar_loops", "working_type"]


class Scalar(NamedTuple):
    """An expression in the language of `generate`, and the names in it.

    Attributes
    ----------
    expression : str
    operands : sequence of str
        The names that stand for elements of arrays.
    attributes : sequence of str
        The names that stand for numbers.
    """

    expression: str
    operands: Sequence[str]
    attributes: Sequence[str] = ()


def scalar_loops(
    scalars: Sequence[Scalar], operands: Sequence[str], out: str
) -> list[Callable[..., None]]:
    """Compile the loops of expressions that take and give the same types.

    They are branches of one function, since compiling has a price for each function.

    Parameters
    ----------
    scalars : sequence of Scalar
        Each has as many operands as there are in `operands`.
    operands : sequence of str
        The dtypes of the operands.
    out : {"float32", "float64", "bool"}
        The dtype of the results.

    Returns
    -------
    list of callable
        Each takes 1-D contiguous arrays of one size, the operands and the result, then an array
        of float64 with the attributes.
    """
    arrays = [f"{dtype.replace('bool', 'boolean')}[::1]" for dtype in [*operands, out]]
    signature = f"(intp, {', '.join([*arrays, 'float64[::1]'])})"
    loop = compile_loop(loops_text(scalars), working_type(operands, out), signature)
    return [partial(loop, which) for which in range(len(scalars))]


def loops_text(scalars: Sequence[Scalar]) -> str:
    """Return the text of the loops.

    Examples
    --------
    >>> print(loops_text([Scalar("x + slope", ["x"], ["slope"]), Scalar("-y", ["y"])]))
    def pointwise(which, array_0, out, values):
        if which == int(0):
            slope = F(values[0])
            for i in range(out.size):
                x = F(array_0[i])
                out[i] = x + slope
        if which == int(1):
            for i in range(out.size):
                y = F(array_0[i])
                out[i] = -y
    """
    arrays = [f"array_{i}" for i in range(len(scalars[0].operands))]
    lines = [f"def pointwise({', '.join(['which', *arrays, 'out', 'values'])}):"]
    for which, (expression, operands, attributes) in enumerate(scalars):
        lines += [f"    if which == int({which}):"]
        lines += [f"        {name} = F(values[{i}])" for i, name in enumerate(attributes)]
        lines += ["        for i in range(out.size):"]
        pairs = zip(operands, arrays, strict=True)
        lines += [f"            {name} = F({array}[i])" for name, array in pairs]
        lines += [f"            out[i] = {expression}"]
    return "\n".join(lines)


def working_type(operands: Iterable[str], out: str) -> str:
    """Return the float type in which a loop computes."""
    if out != "bool":
        return out
    return "float32" if {*operands} - {"bool"} == {"float32"} else "float64"


def names(expression: str) -> set[str]:
    """Return the names in an expression."""
    nodes: Iterable[Any] = ast.walk(ast.parse(expression))
    return {node.id for node in nodes if isinstance(node, ast.Name)}
