"""One pointwise expression as a loop: what ops declare as `scalar`, compiled on its own.

    scalar_loop("x + slope * y", {"x": "float32", "y": "float32"}, "float32", ["slope"])

Operands enter as numbers of the float type in which the loop computes: that of the result, or of
the operands where the result is bool. A bool operand is 0 or 1.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from autograd_core.kernels.jit import compile_loop

__all__ = ["loop_text", "names", "scalar_loop", "working_type"]


def scalar_loop(
    expression: str, operands: Mapping[str, str], out: str, attributes: Iterable[str] = ()
) -> Callable[..., None]:
    """Compile the loop of an expression.

    Parameters
    ----------
    expression : str
        In the language of `generate`, over the names of operands and attributes.
    operands : dict of str to str
        Names and dtypes of the operands.
    out : {"float32", "float64", "bool"}
        The dtype of the result.
    attributes : iterable of str
        Names that stand for numbers; those that the expression does not use are left out.

    Returns
    -------
    callable
        Takes 1-D contiguous arrays of one size, the operands and the result, then the attributes
        that are used, in the given order.
    """
    used = [name for name in attributes if name in names(expression)]
    text = loop_text(expression, list(operands), used)
    arrays = [f"{dtype.replace('bool', 'boolean')}[::1]" for dtype in [*operands.values(), out]]
    signature = f"({', '.join([*arrays, *['float64'] * len(used)])})"
    return compile_loop(text, working_type(operands.values(), out), signature)


def loop_text(expression: str, operands: list[str], attributes: list[str]) -> str:
    """Return the text of the loop.

    Examples
    --------
    >>> print(loop_text("x + slope", ["x"], ["slope"]))
    def pointwise(x_array, out, slope_value):
        slope = F(slope_value)
        for i in range(out.size):
            x = F(x_array[i])
            out[i] = x + slope
    """
    arrays = [f"{name}_array" for name in operands]
    values = [f"{name}_value" for name in attributes]
    lines = [f"def pointwise({', '.join([*arrays, 'out', *values])}):"]
    lines += [f"    {name} = F({name}_value)" for name in attributes]
    lines += ["    for i in range(out.size):"]
    lines += [f"        {name} = F({name}_array[i])" for name in operands]
    return "\n".join([*lines, f"        out[i] = {expression}"])


def working_type(operands: Iterable[str], out: str) -> str:
    """Return the float type in which a loop computes."""
    if out != "bool":
        return out
    return "float32" if {*operands} - {"bool"} == {"float32"} else "float64"


def names(expression: str) -> set[str]:
    """Return the names in an expression."""
    nodes: Iterable[Any] = ast.walk(ast.parse(expression))
    return {node.id for node in nodes if isinstance(node, ast.Name)}
