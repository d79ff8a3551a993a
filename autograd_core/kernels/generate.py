"""From scalar functions to the text of a loop in one float format.

`text` takes a loop that calls scalar functions of `vector_math` and its kin, adds the functions
and constants that it reaches, writes `polynomial(x, NAME)` out as Horner's rule and conditional
expressions as selections without a branch, marks loops whose rounds are long, and gives every
literal the type of the format. The result is what `jit.compile_source` takes.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections.abc import Collection
from types import ModuleType

from . import (
    arithmetic,
    hyperbolic,
    piecewise,
    powers,
    single,
    slopes,
    special_formats,
    special_math,
    special_normal,
    trigonometry,
    vector_math,
)
from .formats import CONSTANTS, FORMATS, INTEGERS, POLYNOMIALS, TABLES, constant, table
from .literals import type_literals

__all__ = ["is_series", "text"]

MANY = 256  # elements, of which a loop does up to 64 in a round
SOME = 16  # elements: of the shorter format, a vector
COMMON = (arithmetic, hyperbolic, piecewise, powers, slopes, trigonometry, vector_math)


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
    special = _special().keys() if which == 0 else set()
    reached = _reach(tree, which, special)
    bridges = [function for function in reached if function.name in special]
    own = [function for function in reached if function.name not in special]
    lines = ["import numpy as np", f"F = np.{dtype}", f"I = np.{dtype.replace('float', 'int')}"]
    lines += _constants([*own, tree], which)
    functions = [_inlined(function, which) for function in own]
    loops = _typed(_Marked().visit(tree), which)
    return "\n\n".join(["\n".join(lines), *_doubles(bridges), *functions, loops])


def _reach(tree: ast.AST, which: int, ends: Collection[str] = ()) -> list[ast.FunctionDef]:
    """Return the library functions that `tree` calls, callees first; from `ends` go no further."""
    found: list[ast.FunctionDef] = []
    library = _library(which)
    for name in sorted(_calls(tree) & library.keys()):
        function = library[name]
        callees = [] if name in ends else _reach(function, which, ends)
        found += [node for node in [*callees, function] if node not in found]
    return found


@functools.cache
def is_series(name: str) -> bool:
    """Whether a name is that of a scalar function which evaluates a polynomial, itself or below.

    Examples
    --------
    >>> is_series("tanh_slope"), is_series("relu_slope"), is_series("select")
    (True, False, False)
    """
    function = _library(1).get(name)
    nodes = [] if function is None else [function, *_reach(function, 1)]
    return any("polynomial" in _calls(node) for node in nodes)


def _calls(tree: ast.AST) -> set[str]:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


@functools.cache
def _library(which: int) -> dict[str, ast.FunctionDef]:
    own = _functions(single) if which == 0 else {}
    return _functions(*COMMON) | own | _special()


@functools.cache
def _special() -> dict[str, ast.FunctionDef]:
    """Return the functions that compute in float64, also for a loop in float32."""
    return _functions(special_math, special_normal)


@functools.cache
def _functions(*modules: ModuleType) -> dict[str, ast.FunctionDef]:
    nodes = [node for module in modules for node in ast.parse(inspect.getsource(module)).body]
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def _doubles(bridges: list[ast.FunctionDef]) -> list[str]:
    """Write functions for float64, with all they reach, and a door to each from float32."""
    reached: list[ast.FunctionDef] = []
    for function in bridges:
        reached += [node for node in [*_reach(function, 1), function] if node not in reached]
    lines = _constants([*reached], 1)
    fragment = "\n".join([*lines, *(_inlined(function, 1) for function in reached)])
    return [_Double(fragment).text, *map(_door, bridges)] if bridges else []


def _door(function: ast.FunctionDef) -> str:
    names = [argument.arg for argument in function.args.args]
    wide = ", ".join(f"np.float64({name})" for name in names)
    head = f"@inline\ndef {function.name}({', '.join(names)}):"
    return f"{head}\n    return F({function.name}_double({wide}))"


class _Double(ast.NodeTransformer):
    """Give what a text for float64 defines the ending _double, and its types their full names."""

    def __init__(self, fragment: str) -> None:
        tree = ast.parse(fragment)
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        constants = {name.id for name in _assigned(tree)}
        self.names = {name: f"{name}_double" for name in functions | constants}
        self.names |= {"F": "np.float64", "I": "np.int64"}
        self.text = ast.unparse(self.visit(tree))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self.names[node.name]
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self.names.get(node.arg, node.arg)
        return node


def _assigned(tree: ast.Module) -> list[ast.Name]:
    targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    return [target for target in targets if isinstance(target, ast.Name)]


def _constants(trees: list[ast.AST], which: int) -> list[str]:
    """Return the definitions of the constants and tables that are used."""
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = [*INTEGERS, *CONSTANTS, *special_formats.CONSTANTS]
    scalars = [f"{name} = {_literal(name, which)}" for name in names if name in used]
    return scalars + [f"{t} = np.array({table(t, which)}, F)" for t in TABLES if t in used]


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


class _Marked(ast.NodeTransformer):
    """Mark innermost loops: those that evaluate a series, and those along short rows."""

    def __init__(self) -> None:
        self.depth = 0

    def visit_For(self, node: ast.For) -> ast.AST:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        if any(isinstance(each, ast.For) for line in node.body for each in ast.walk(line)):
            return node
        length = _most(node.iter)
        if length >= MANY and any(map(is_series, _calls(node))):
            node.body[:0] = ast.parse("long_round()").body
        elif self.depth and SOME <= length < MANY and _is_along_rows(node):
            node.body[:0] = ast.parse("by_vectors()").body
        return node


def _is_along_rows(loop: ast.For) -> bool:
    """Whether a loop has a fixed length, and goes from each element to the one beside it."""
    fixed = isinstance(loop.iter, ast.Call) and isinstance(loop.iter.args[-1], ast.Constant)
    products = (node for node in ast.walk(loop) if isinstance(node, ast.BinOp))
    factors = {ast.unparse(node.left) for node in products if isinstance(node.op, ast.Mult)}
    return fixed and ast.unparse(loop.target) not in factors


def _most(node: ast.expr) -> float:
    """Return how far a range goes, at most."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if not isinstance(node, ast.Call):
        return math.inf
    ends = {"range": node.args[:2][-1:], "min": node.args}.get(ast.unparse(node.func), [])
    return min(map(_most, ends), default=math.inf)


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
