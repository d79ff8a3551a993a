"""From scalar functions to the text of a loop in one float format.

`text` takes a loop that calls scalar functions of `vector_math` and its kin, adds the functions
and constants that it reaches, writes `polynomial(x, NAME)` out as Horner's rule and conditional
expressions as selections without a branch, and gives every literal the type of the format. The
result is what `jit.compile_source` takes.
"""

from __future__ import annotations

import ast
import functools
import inspect
from types import ModuleType

from . import piecewise, slopes, special_formats, special_math, special_normal, vector_math
from .formats import CONSTANTS, FORMATS, INTEGERS, POLYNOMIALS, constant
from .literals import type_literals

__all__ = ["text"]


def text(loop: str, dtype: str) -> str:
    r"""Return the module text of `loop` and everything it calls, for float32 or float64.

    Examples
    --------
    >>> print(text("def f(x, out):\n    out[0] = relu(x[0])", "float32"))
    import numpy as np
    F = np.float32
    I = np.int32
    <BLANKLINE>
    @inline
    def relu(x):
        return select(x > F(0.0), x, select(x != x, x, F(0.0)))
    <BLANKLINE>
    def f(x, out):
        out[0] = relu(x[0])
    """
    which = FORMATS.index(dtype)
    tree = ast.parse(loop)
    reached = _reach(tree)
    lines = ["import numpy as np", f"F = np.{dtype}", f"I = np.{dtype.replace('float', 'int')}"]
    lines += [f"{name} = {_literal(name, which)}" for name in _constants(reached)]
    functions = [_inlined(function, which) for function in reached if function is not tree]
    return "\n\n".join(["\n".join(lines), *functions, _typed(tree, which)])


def _reach(tree: ast.AST) -> list[ast.AST]:
    """Return the library functions that `tree` calls, callees first, and `tree`."""
    found: list[ast.AST] = []
    for name in sorted(_names(tree) & _library().keys()):
        found += [node for node in _reach(_library()[name]) if node not in found]
    return [*found, tree]


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@functools.cache
def _library() -> dict[str, ast.AST]:
    modules = (vector_math, slopes, piecewise, special_math, special_normal)
    return {name: node for module in modules for name, node in _functions(module).items()}


def _functions(module: ModuleType) -> dict[str, ast.AST]:
    nodes = ast.parse(inspect.getsource(module)).body
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def _constants(reached: list[ast.AST]) -> list[str]:
    used = set().union(*map(_names, reached))
    return [name for name in (*INTEGERS, *CONSTANTS, *special_formats.CONSTANTS) if name in used]


def _literal(name: str, which: int) -> str:
    if name in special_formats.CONSTANTS:
        return f"F({special_formats.CONSTANTS[name]!r})"
    return f"{'I' if name in INTEGERS else 'F'}({constant(name, which)})"


def _coefficients(table: str, which: int) -> tuple[float, ...]:
    """Return a polynomial's coefficients; those of the special functions are float64's."""
    return special_formats.POLYNOMIALS.get(table) or POLYNOMIALS[table][which]


@functools.cache  # most kernels share most functions
def _inlined(function: ast.AST, which: int) -> str:
    return f"@inline\n{_typed(function, which)}"


def _typed(tree: ast.AST, which: int) -> str:
    copy = ast.parse(ast.unparse(tree))
    return ast.unparse(type_literals(_Straighten(which).visit(copy)))


class _Straighten(ast.NodeTransformer):
    """Write polynomials out, make selections of conditional expressions, drop docstrings."""

    def __init__(self, which: int) -> None:
        self.which = which

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("select", ast.Load()), [node.test, node.body, node.orelse], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) != "polynomial":
            return self.generic_visit(node)
        variable, table = map(ast.unparse, node.args)
        *rest, result = map(repr, _coefficients(table, self.which))
        for coefficient in reversed(rest):
            result = f"({coefficient} + {variable} * {result})"
        return ast.parse(result, mode="eval").body
