"""``python -m autograd_core check module:function``: a gradient check from the shell."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import explain
from .check import gradcheck

__all__ = ["add_arguments", "run"]

AGREES, WRONG, USAGE = 0, 1, 2
EPILOG = """\
The inputs are the function's attribute `example_inputs`, else the module's `example_inputs` (a
tuple, or a function without arguments that returns one), else arrays drawn for each --shape.
Exit status: 0 nothing found to be wrong (a kink or an ill-conditioned point is reported, but is no
error), 1 wrong, nondeterministic or impure, 2 the check could not be made."""


class UsageError(Exception):
    """The command cannot do what was asked; the message says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.description = "Compare a function's derivatives with numerical ones."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("target", metavar="module:function", help="what to import and check")
    parser.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2: second order, too"
    )
    parser.add_argument("--fast", action="store_true", help="random directions, in 20 evaluations")
    parser.add_argument("--seed", type=int, default=0, help="for random inputs and directions")
    parser.add_argument(
        "--shape",
        action="append",
        type=_shape,
        metavar="3,4",
        help="shape of a random input, once per input; () for a single number",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--picture", metavar="FILE.png", help="draw error against step size")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")


def run(arguments: argparse.Namespace) -> int:
    """Check, print the report and return the exit status."""
    try:
        function, module = _load(arguments.target)
        inputs = _inputs(function, module, arguments)
    except UsageError as error:
        print(f"check: {error}", file=sys.stderr)
        return USAGE
    mode = "fast" if arguments.fast else None
    report = gradcheck(function, *inputs, order=arguments.order, mode=mode, seed=arguments.seed)
    if arguments.picture and report.sweep:
        report.draw(arguments.picture)
    if arguments.json:
        print(report.json(indent=1))
        return WRONG if report.failed else AGREES
    if report.verdict == "invalid":
        print(f"check: {arguments.target}: {report.diagnosis}", file=sys.stderr)
        return USAGE
    print(f"{arguments.target}: {report}")
    return WRONG if report.failed else AGREES


def _shape(text: str) -> tuple[int, ...]:
    lengths = text.strip("() ").rstrip(",")
    try:
        return tuple(int(length) for length in lengths.split(",")) if lengths else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"lengths like 3,4, but got {text!r}") from None


def _load(target: str) -> tuple[Callable[..., Any], Any]:
    name, colon, path = target.partition(":")
    if not colon or not name or not path:
        raise UsageError(explain("a target module:function", repr(target), "Write both"))
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise UsageError(_failed(name, error)) from error
        do = "Run the command where it can be imported; write a.b for a/b.py"
        raise UsageError(explain("a module that exists", repr(name), do)) from error
    except Exception as error:
        raise UsageError(_failed(name, error)) from error
    return _find(module, name, path), module


def _failed(name: str, error: Exception) -> str:
    return f"importing {name} raised {type(error).__name__}: {error}"


def _find(module: Any, name: str, path: str) -> Callable[..., Any]:
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            there = [key for key, value in vars(module).items() if callable(value)]
            names = ", ".join(key for key in there if not key.startswith("_")) or "none"
            raise UsageError(explain(f"a function of {name} ({names})", repr(path), "Correct it"))
        found = getattr(found, part)
    if not callable(found):
        got = f"{path}, which is of type {type(found).__name__}"
        raise UsageError(explain(f"a function of {name}", got, "Name a function or a model"))
    return found


def _inputs(function: Any, module: Any, arguments: argparse.Namespace) -> tuple[Any, ...]:
    if arguments.shape is not None:
        rng = np.random.default_rng(arguments.seed)
        draws = (rng.normal(size=shape) for shape in arguments.shape)
        return tuple(np.asarray(draw, dtype=arguments.dtype) for draw in draws)
    for owner in (function, module):
        if hasattr(owner, "example_inputs"):
            return _examples(owner.example_inputs)
    what = f"inputs for {arguments.target}"
    do = "Give a --shape for each, or define example_inputs beside the function"
    raise UsageError(explain(what, "neither --shape nor example_inputs", do))


def _examples(given: Any) -> tuple[Any, ...]:
    try:
        inputs = given() if callable(given) else given
    except Exception as error:
        raise UsageError(f"example_inputs raised {type(error).__name__}: {error}") from error
    if not isinstance(inputs, (tuple, list)):
        what = "example_inputs: a tuple with one entry per argument"
        raise UsageError(explain(what, type(inputs).__name__, "Write (x,) for a single one"))
    return tuple(inputs)
