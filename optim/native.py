"""The text from which machine code does a whole update: it counts, makes the scalars, and loops.

`recurrence` splits a rule into scalars, which Python evaluates once a step, and a loop. Here both
become functions of a generated module, so that a compiled program need not call Python at all. The
scalars are the same to the last digit: where that is not certain, there is no recipe.
"""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.update import Recipe

from .hyperparameters import places

__all__ = ["make_recipe"]

# What rounds in machine code as it does in Python, by number of operands: NumPy's exp does not.
FUNCTIONS = {
    **dict.fromkeys(("abs", "float", "np.abs", "np.sqrt"), 1),
    **dict.fromkeys(
        (f"math.{n}" for n in ("cos", "exp", "fabs", "log", "sin", "sqrt", "tanh")), 1
    ),
    **dict.fromkeys(("max", "min", "np.maximum", "np.minimum"), 2),
}
CONSTANTS = {"math.e", "math.pi", "np.e", "np.pi"}
GRAMMAR = (
    *(ast.Module, ast.Assign, ast.Expr, ast.Tuple, ast.Load, ast.Store),
    *(ast.IfExp, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)

# A compiler has shortcuts, with other last digits, for powers of bases or exponents that it knows.
# It cannot know that 0 * t is 0.
POWER = """\
@inline_exact
def power(x, y, zero):
    return (x - zero) ** (y - zero)
"""
RENAMED = ("F", "TINY", "normal", "power", "scalars", "loop")
RESERVED = {"begin", "end", "cell", "settings", "zero", "power"}


def make_recipe(
    name: str,
    loop: str,
    prologue: Sequence[str],
    numbers: Mapping[str, str],
    constants: Sequence[str],
    hyper: Mapping[str, Any],
) -> Recipe | None:
    """Return the recipe of a rule, or None if machine code could not repeat its scalars.

    Parameters
    ----------
    name : str
        The rule's.
    loop : str
        The text of a function called ``loop``, and of what it calls.
    prologue : sequence of str
        Assignments to scalars.
    numbers : mapping of str to str
        The tensor's numbers, and the expressions of their next values.
    constants : sequence of str
        The scalars that the loop takes.
    hyper : mapping
        The hyperparameters and their defaults, in the order of a group's settings.
    """
    tree = ast.parse("\n".join([*prologue, *numbers.values(), *constants]))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_target(n)}
    known = {"t", *numbers, *bound, *(n for n, usual in hyper.items() if _is_numeric(usual))}
    if used & RESERVED or not _is_portable(tree, known):
        return None
    lines = [*_loads(hyper, numbers, used), *_powers(prologue)]
    advanced = _powers(numbers.values())
    lines += [f"cell[{i}] = {value}" for i, value in enumerate(advanced, start=1)]
    lines.append(f"return ({''.join(f'np.float64({c}), ' for c in constants)})")
    body = textwrap.indent("\n".join(lines), "    ")
    scalars = f"@inline_exact\ndef scalars(cell, settings):\n{body}\n"
    text = f"import math\n{loop}\n{POWER}{scalars}"
    tag = f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    unique = _Renaming(tag).visit(ast.parse(text))
    return Recipe(ast.unparse(unique) + "\n", f"{tag}_scalars", f"{tag}_loop", tuple(constants))


def _loads(hyper: Mapping[str, Any], numbers: Mapping[str, str], used: set[str]) -> list[str]:
    """Return the lines that count the step and give names to what is in the two arrays."""
    lines = ["t = cell[0] + 1.0", "cell[0] = t", "zero = 0.0 * t"]
    for name, place in places(hyper).items():
        entries = [f"settings[{i}]" for i in range(place.start, place.stop)]
        entry = f"({', '.join(entries)},)" if isinstance(hyper[name], tuple) else entries[0]
        lines += [f"{name} = {entry}"] if name in used else []
    return lines + [f"{name} = cell[{i}]" for i, name in enumerate(numbers, start=1)]


def _is_target(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_numeric(default: Any) -> bool:
    """Whether a hyperparameter is made of numbers only: None would be NaN."""
    return None not in (default if isinstance(default, tuple) else (default,))


def _is_portable(node: ast.AST, known: set[str]) -> bool:
    """Whether machine code gets the same from these expressions of known names."""
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in CONSTANTS
    if isinstance(node, ast.Constant):
        return type(node.value) in (bool, int, float)
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        if node.keywords or FUNCTIONS.get(ast.unparse(node.func)) != len(node.args):
            return False
        parts = list(node.args)
    elif isinstance(node, ast.Subscript):  # of a tuple
        return _is_portable(node.value, known) and isinstance(node.slice, ast.Constant)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and _is_integer(node.left):
        return False  # exact in Python, however large
    elif not isinstance(node, GRAMMAR):
        return False
    return all(_is_portable(part, known) for part in parts)


def _is_integer(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _powers(lines: Sequence[str] | Any) -> list[str]:
    """Write powers as calls of ``power``."""
    trees = (_Powers().visit(ast.parse(line)) for line in lines)
    return [ast.unparse(ast.fix_missing_locations(tree)) for tree in trees]


class _Powers(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Numba's ``float`` takes no truth values."""
        return ast.Name("np.float64", ast.Load()) if node.id == "float" else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        arguments = [node.left, node.right, ast.Name("zero", ast.Load())]
        return ast.Call(ast.Name("power", ast.Load()), arguments, [])


class _Renaming(ast.NodeTransformer):
    """Make the names that a text defines unique, so that texts can share a module."""

    def __init__(self, tag: str) -> None:
        self.names = {name: f"{tag}_{name}" for name in RENAMED}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.name = self.names.get(node.name, node.name)
        return node
