"""Typing the literals of a kernel's text, so that it computes in the arrays' float type."""

from __future__ import annotations

import ast
from typing import cast, overload

__all__ = ["type_literals"]


@overload
def type_literals(code: str) -> str: ...
@overload
def type_literals(code: ast.AST) -> ast.AST: ...
def type_literals(code: str | ast.AST) -> str | ast.AST:
    """Wrap every numeric literal as ``F(...)``, so that one body computes in any float type.

    Integers that count rather than measure stay: exponents of ``**``, subscripts, operands of
    shifts and bit operations, whatever stands in ``range`` and ``len``, and what a type name
    (``F``, ``I``, ``int``, ``float``, ``bool``, ``np.float32`` and its kin) converts. Of
    ``int(1)`` the number is left.

    Parameters
    ----------
    code : str or ast.AST
        Source text or a syntax tree, which is changed in place.

    Returns
    -------
    str or ast.AST
        The same kind as was given.

    Examples
    --------
    >>> type_literals("y = (1 - b) * x[0] ** 2 + 0.5")
    'y = (F(1) - b) * x[0] ** 2 + F(0.5)'
    """
    if isinstance(code, str):
        return ast.unparse(type_literals(ast.parse(code)))
    return cast(ast.AST, ast.fix_missing_locations(_TypeLiterals().visit(code)))


class _TypeLiterals(ast.NodeTransformer):
    COUNTS = {"range", "len"}
    TYPES = {"F", "I", "int", "float", "bool"}
    BITS = ast.LShift | ast.RShift | ast.BitAnd | ast.BitOr | ast.BitXor

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) not in (int, float):
            return node
        return ast.Call(ast.Name("F", ast.Load()), [node], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not (isinstance(node.op, self.BITS) and _is_integer(node.left)):
            node.left = self.visit(node.left)
        if not (isinstance(node.op, self.BITS | ast.Pow) and _is_integer(node.right)):
            node.right = self.visit(node.right)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        if name in self.COUNTS:
            return node
        if name in self.TYPES or name.startswith(("np.float", "np.int", "np.uint")):
            if name == "int" and _is_integer(node.args[0]):
                return node.args[0]  # without the conversion, which Numba would compile
            node.args = [a if isinstance(a, ast.Constant) else self.visit(a) for a in node.args]
            return node
        return self.generic_visit(node)


def _is_integer(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int
