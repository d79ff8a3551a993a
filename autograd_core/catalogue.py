"""The table of operations as a page: written from `OPS`, so it cannot be out of date."""

from __future__ import annotations

import argparse
import ast
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from .declare import COMPOSITES, OPS
from .op import Op

__all__ = ["add_arguments", "catalogue", "run"]

INTRODUCTION = """\
# Operations

Written by `make docs` from the declarations; do not edit. `ct` is the cotangent of the result,
`out` the result. {differentiable} operations with a derivative, {constant} without,
{composed} composed of others. NumPy's functions of the same name accept tensors:
`np.tanh(x)` is `ag.tanh(x)`, `np.linalg.inv(x)` is `ag.linalg.inv(x)`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what ``python -m autograd_core docs`` takes."""
    parser.add_argument("path", type=Path, help="the file to write, docs/ops.md")


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    arguments.path.write_text(catalogue(), encoding="utf-8")
    return 0


def catalogue() -> str:
    """Return the page `docs/ops.md`."""
    families: dict[str, list[Op]] = {}
    for op in OPS.values():
        families.setdefault(op.forward.__module__.rpartition(".")[2], []).append(op)
    constant = sum(op.nondiff is not None for op in OPS.values())
    counts = {"differentiable": len(OPS) - constant, "constant": constant}
    page = [INTRODUCTION.format(**counts, composed=len(COMPOSITES))]
    for family, ops in families.items():
        page += [
            f"## {family}",
            "",
            "| operation | what it is | derivative rules |",
            "|---|---|---|",
        ]
        page += [_row(op) for op in ops] + [""]
    page += ["## composed of others", "", "| function | what it is |", "|---|---|"]
    page += [f"| `{_name(f)}` | {_summary(f)} |" for f in COMPOSITES.values()]
    return "\n".join(page) + "\n"


def _row(op: Op) -> str:
    arguments = [*op.operands, *(f"{name}={value!r}" for name, value in op.attributes.items())]
    call = f"`{_name(op)}({', '.join(arguments)})`".replace("<class 'inspect._empty'>", "…")
    source = f" ({op.facets['reference']})" if "reference" in op.facets else ""
    rules = "<br>".join(f"{x}: {rule_text(rule)}" for x, rule in op.rules.items())
    return f"| {call} | {_summary(op)}{source} | {rules or f'none: {op.nondiff}'} |"


def _name(function: Any) -> str:
    """Return a function's name, behind that of its namespace if it has one."""
    namespace = function.facets.get("namespace")
    name = function.facets.get("name", function.__name__)
    return f"{namespace}.{name}" if namespace else str(name)


def _summary(function: Any) -> str:
    return (
        (inspect.getdoc(function) or "")
        .partition("\n\n")[0]
        .replace("\n", " ")
        .replace("|", "\\|")
    )


def rule_text(rule: Callable[..., Any]) -> str:
    """Return the formula of a rule written as a lambda, or the name of a function."""
    if rule.__name__ != "<lambda>":
        return f"`{rule.__name__}`"
    code = rule.__code__
    for node in ast.walk(_module(code.co_filename)):
        if isinstance(node, ast.Lambda) and _is(node, code):
            return f"`{ast.unparse(node.body)}`".replace("|", "\\|")
    return "a lambda"


@functools.cache
def _module(filename: str) -> ast.Module:
    return ast.parse(Path(filename).read_text(encoding="utf-8"))


def _is(node: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda in the source is the one that was compiled to `code`."""
    body = node.body
    span = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
    parameters = [argument.arg for argument in node.args.args]
    return span in code.co_positions() and parameters == list(code.co_varnames[: len(parameters)])
