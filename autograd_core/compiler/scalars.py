"""Elementwise steps as expressions on scalars, to stand in a loop."""

from __future__ import annotations

import ast
import functools
import math
from typing import Any

from .record import Apply, Value

__all__ = ["POWERS", "inlined", "scalar_text", "substituted"]

# Powers whose exponent is known, within 2 ulp, with the zeros and infinities of NumPy's: there
# (-inf) ** 0.5 is NaN, as the root is, but (-inf) ** -0.5 is 0.
POWERS: dict[float, str] = {
    0.0: "1.0",
    1.0: "x",
    2.0: "x * x",
    3.0: "x * x * x",
    4.0: "x * x * (x * x)",
    -1.0: "1.0 / x",
    -2.0: "1.0 / x * (1.0 / x)",
    0.5: "np.sqrt(x)",
    -0.5: "0.0 if x == -F(np.inf) else 1.0 / np.sqrt(x + 0.0)",
}


def scalar_text(step: Apply) -> str | None:
    """Return the expression of an elementwise step; None if it has none for its attributes."""
    if step.op.name == "power" and not isinstance(step.parts[1], Value):
        text = POWERS.get(float(step.parts[1]))
        if text is not None:
            return text
    scalar = step.op.facets.get("scalar")
    if not all(isinstance(v, int | float | None) for v in step.attributes.values()):
        return None
    return scalar(**step.attributes) if callable(scalar) else scalar


def inlined(step: Apply) -> str:
    """Return the expression of an elementwise step on the names of scalars."""
    text = scalar_text(step)
    assert text is not None
    if step.watched:
        text = text.replace("pulled(", "weakly_pulled(")
    operands = dict(zip(step.op.operands, map(_operand, step.parts), strict=True))
    numbers = {n: _number(v) for n, v in step.attributes.items() if v is not None}
    inlined = substituted(text, operands | numbers)
    return f"select({inlined}, 1.0, 0.0)" if step.result.dtype == bool else inlined


def substituted(text: str, names: dict[str, str]) -> str:
    """Return an expression with others for some of its names."""
    stand_in = {name: f"_{i}_" for i, name in enumerate(names) if names[name].isidentifier()}
    others = tuple((name, stand_in.get(name, new)) for name, new in names.items())
    renamed = _renamed(text, others)
    for name, placeholder in stand_in.items():
        renamed = renamed.replace(placeholder, names[name])
    return renamed


@functools.lru_cache(4096)
def _renamed(text: str, names: tuple[tuple[str, str], ...]) -> str:
    return ast.unparse(_Renamed(dict(names)).visit(ast.parse(text, mode="eval")))


def _operand(x: Any) -> str:
    if not isinstance(x, Value):
        return _number(x)
    return f"F({x.name}_)" if x.dtype.kind in "iu" else f"{x.name}_"


def _number(x: Any) -> str:
    number = float(x)
    if math.isfinite(number):
        return repr(number)
    return "F(np.nan)" if number != number else f"F({'-' if number < 0 else ''}np.inf)"


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.names:
            return node
        return ast.parse(self.names[node.id], mode="eval").body

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        if not isinstance(node.func, ast.Name):
            node.func = self.visit(node.func)
        return node
