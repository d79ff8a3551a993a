"""An elementwise update, declared once as a scalar recurrence and read in several ways.

A recurrence is a plain function of one parameter element ``p``, its gradient ``g``, the state
elements, the step count ``t`` and keyword-only hyperparameters. It returns the new parameter and
the new state. State that is one number per tensor, not one per element, comes after the elements'.
Three readings of the same body:

* called as it stands, on arrays: the textbook form (tests use it as the oracle);
* specialised to an in-place update of whole arrays in NumPy (any floating dtype);
* specialised to one fused loop, compiled for float32 or float64; large arrays on several threads.

*Specialising* a body means two things. An ``if`` on hyperparameters is decided once, so that a
branch that is not taken costs nothing, not even its state array. And whatever depends on
hyperparameters and the step count alone is *hoisted*: evaluated once a step in Python's double
precision and passed to the loop as a scalar. The second is not only speed: ``1 - 0.999**t`` in
float32 is wrong in the fourth digit.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import inspect
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_core.errors import DTypeError, explain
from autograd_core.kernels.jit import compile_source
from autograd_core.kernels.literals import type_literals
from autograd_core.kernels.threads import LARGE, spread
from autograd_core.update import Recipe, update_op

from .native import make_recipe

__all__ = ["Program", "Recurrence"]

JITTED = frozenset("fd")  # dtype characters with a compiled loop; the others use NumPy

# The loop rounds every operation by itself: which product a compiler joins with a sum depends on
# what stands around the loop, and a compiled step shall do the same to the last bit.
# Where the gradient has become 0, as in a dead unit, a decaying state ends among the subnormal
# numbers and stays there: a tenth of such elements makes Adam's loop seven times slower.
HEAD = """\
import numpy as np
F = np.{dtype.name}
TINY = np.finfo(F).tiny
@inline
def normal(x):
    return F(0) if abs(x) < TINY else x
"""


class Recurrence:
    """A scalar recurrence, parsed.

    Parameters
    ----------
    function : callable
        ``function(p, g, *state, *numbers, t, *, hyperparameters)`` returning
        ``(p, *state, *numbers)``. Its body is assignments, ``if`` statements on hyperparameters,
        and one final ``return``. Elements are chosen with ``np.where``. A hyperparameter
        ``maximize``, which turns the gradient round, is added to every recurrence.
    state : sequence of str
        The names of the state elements, in order.
    numbers : mapping of str to float, optional
        Numbers that a tensor carries from step to step, in double precision, and their start.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        state: Sequence[str],
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        self.function = function
        self.name = function.__name__
        self.state = tuple(state)
        self.numbers = dict(numbers or {})
        parameters = inspect.signature(function).parameters.values()
        self.hyper = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.hyper["maximize"] = False
        positional = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        expected = ("p", "g", *self.state, *self.numbers, "t")
        if positional != expected:
            raise self.malformed(f"positional parameters {', '.join(expected)}", positional)
        self._programs: dict[tuple[bool, ...], Program] = {}

    @functools.cached_property
    def body(self) -> list[ast.stmt]:
        """The statements of the function, parsed when an optimizer is made with it."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.function)))
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef)
        statements = function.body[ast.get_docstring(function) is not None :]
        return ast.parse("if maximize:\n    g = -g").body + statements

    @functools.cached_property
    def switches(self) -> tuple[str, ...]:
        """The tests of the ``if`` statements."""
        branches = [n for s in self.body for n in ast.walk(s) if isinstance(n, ast.If)]
        foreign = set().union(*(_names(branch.test) for branch in branches)) - self.hyper.keys()
        if foreign:
            raise self.malformed("`if` on hyperparameters only", f"`if` on {min(foreign)}")
        return tuple(dict.fromkeys(ast.unparse(branch.test) for branch in branches))

    @functools.cached_property
    def decide(self) -> Callable[[Mapping[str, Any]], tuple[bool, ...]]:
        """A function of the hyperparameters that evaluates the switches."""
        tests = "".join(f"bool({switch}), " for switch in self.switches)
        return self.evaluator("hyper", [], f"({tests})")

    def malformed(self, what: str, got: object) -> DTypeError:
        """Word the error of a declaration that cannot be specialised."""
        final = f"return ({', '.join(('p', *self.state, *self.numbers))},)"
        do = f"Write assignments, `if` on hyperparameters, and a final `{final}`"
        return DTypeError(explain(f"rule {self.name}: {what}", got, do))

    def evaluator(self, arguments: str, lines: Iterable[str], result: str) -> Callable[..., Any]:
        """Return a function that sees the entries of ``hyper`` and ``numbers`` as local names."""
        text = "\n".join([*lines, f"return {result}"])
        used = _names(ast.parse(text))
        loads = [f"{name} = hyper[{name!r}]" for name in self.hyper if name in used]
        loads += [f"{name} = numbers[{name!r}]" for name in self.numbers if name in used]
        source = textwrap.indent("\n".join([*loads, text]), "    ")
        return _define(
            "evaluate", f"def evaluate({arguments}):\n{source}", self.function.__globals__
        )

    def program(self, hyper: Mapping[str, Any]) -> Program:
        """Return the recurrence specialised to the branches that `hyper` chooses."""
        taken = self.decide(hyper)
        if taken not in self._programs:
            chosen = dict(zip(self.switches, taken, strict=True))
            self._programs[taken] = Program(self, _prune(copy.deepcopy(self.body), chosen))
        return self._programs[taken]


class Program:
    """A recurrence with its branches decided and its loop invariants hoisted.

    Attributes
    ----------
    state : tuple of str
        The state that the chosen branches write.
    numbers : dict
        The numbers that a tensor carries along, and their start.
    constants : tuple of str
        The scalars that the loop takes.
    scalars : callable
        ``scalars(t, hyper, numbers={})`` evaluates them in double precision, as a dictionary, and
        advances the numbers.
    """

    def __init__(self, recurrence: Recurrence, body: list[ast.stmt]) -> None:
        *assignments, last = body
        value = last.value if isinstance(last, ast.Return) else None
        names = ("p", *recurrence.state, *recurrence.numbers)
        if not isinstance(value, ast.Tuple) or len(value.elts) != len(names):
            raise recurrence.malformed("a final return of p and state", f"`{ast.unparse(last)}`")
        self.name = recurrence.name.lower()
        written: set[str] = set().union(*map(_targets, assignments))
        self.state = tuple(name for name in recurrence.state if name in written)
        self.operands = ("p", "g", *self.state)
        hoist = _Hoist(recurrence)
        loop = [ast.unparse(node) for node in map(hoist.statement, assignments) if node]
        results = dict(zip(names, value.elts, strict=True))
        self.numbers = recurrence.numbers
        self._prologue = hoist.prologue
        self._next = {name: hoist.scalar(results[name]) for name in self.numbers}
        self._hyper = recurrence.hyper
        self._loop = "\n".join(loop)
        self._results = {n: ast.unparse(hoist.visit(results[n])) for n in ("p", *self.state)}
        self.constants = tuple(hoist.constants)
        floats = ", ".join(f"{name!r}: float({name})" for name in self.constants)
        advance = [f"numbers[{name!r}] = {value}" for name, value in self._next.items()]
        prologue = [*hoist.prologue, *advance]
        self.scalars = recurrence.evaluator("t, hyper, numbers={}", prologue, f"{{{floats}}}")

    def shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Return nothing: all state is element for element."""
        return {}

    def source(self, dtype: np.dtype[Any]) -> str:
        """Return the text of the fused loop for `dtype`.

        Examples
        --------
        >>> from optim import SGD
        >>> program = SGD.recurrence.program(SGD.recurrence.hyper)
        >>> print(program.source(np.dtype("float32")))
        import numpy as np
        F = np.float32
        TINY = np.finfo(F).tiny
        @inline
        def normal(x):
            return F(0) if abs(x) < TINY else x
        @inline_exact
        def loop(ps, gs, lr):
            lr = F(lr)
            for i in range(ps.size):
                p, g = (ps[i], gs[i])
                g = lr * g
                ps[i] = p - g
        def sgd(ps, gs, lr):
            loop(ps, gs, lr)
        """
        loop = self._fused(self._header("loop", *self.constants), "range(ps.size)")
        header = self._header(self.name, *self.constants)
        call = header.removeprefix(f"def {self.name}").removesuffix(":")
        return f"{HEAD.format(dtype=dtype)}@inline_exact\n{loop}\n{header}\n    loop{call}\n"

    @functools.cache  # noqa: B019  programs live as long as their recurrence
    def native(self, dtype: np.dtype[Any]) -> Recipe | None:
        """Return how machine code does the whole update, scalars and all, where it can."""
        if dtype.char not in JITTED:
            return None
        loop = self._fused(
            self._header("loop", "begin", "end", *self.constants), "range(begin, end)"
        )
        text = f"{HEAD.format(dtype=dtype)}@inline_exact\n{loop}"
        scalars = self._prologue, self._next, self.constants, self._hyper
        return make_recipe(self.name, text, *scalars)

    def _fused(self, header: str, span: str) -> str:
        casts = "".join(f"    {name} = F({name})\n" for name in self.constants)
        flushed = {n: f"normal({value})" for n, value in self._results.items() if n != "p"}
        body = type_literals(_selections(self._text("i", self._results | flushed)))
        return f"{header}\n{casts}    for i in {span}:\n{textwrap.indent(body, ' ' * 8)}"

    @property
    def array_source(self) -> str:
        """The text of the update as NumPy expressions on whole arrays."""
        header = self._header(self.name, *self.constants)
        return f"{header}\n{textwrap.indent(self._text(':', self._results), '    ')}"

    def _header(self, name: str, *scalars: str) -> str:
        arrays = (f"{operand}s" for operand in self.operands)
        return f"def {name}({', '.join((*arrays, *scalars))}):"

    def _text(self, index: str, results: Mapping[str, str]) -> str:
        # All results are evaluated before the first is stored: in the whole-array reading the
        # names are views, and the state may still need the old parameter.
        at = {name: f"{name}s[{index}]" for name in self.operands}
        loads = f"{', '.join(at)} = ({', '.join(at.values())})"
        stores = f"{', '.join(at[name] for name in results)} = ({', '.join(results.values())})"
        return "\n".join(filter(None, (loads, self._loop, stores)))

    @functools.cache  # noqa: B019
    def function(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return ``function(p, g, *state, **scalars)``, which overwrites all arrays but `g`.

        The parameter may have any layout; the state is flat, in the parameter's memory order.
        """
        return self._in_memory_order(self._kernel(dtype))

    @functools.cache  # noqa: B019
    def update(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return ``function`` as an update op."""
        return update_op(self.name, self.function(dtype), self.operands, ("p", *self.state))

    def _kernel(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        if dtype.char not in JITTED or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            # NumPy warns where the compiled loop is silent.
            return np.errstate(all="ignore")(_define(self.name, self.array_source, {"np": np}))
        arrays = [f"{dtype.name}[::1]"] * len(self.operands)
        signature = ", ".join([*arrays, *["float64"] * len(self.constants)])
        return compile_source(self.name, self.source(dtype), f"({signature})")

    def _in_memory_order(self, kernel: Callable[..., None]) -> Callable[..., None]:
        rest = ", ".join((*self.state, *self.constants))
        # Memory order is the row order of p or of its transpose; a parameter for which neither
        # holds is copied there and back.
        source = f"""
def update({", ".join((*self.operands, *self.constants))}):
    run = kernel if p.size < {LARGE} else in_parallel
    if p.flags.c_contiguous:
        run(p.ravel(), g.ravel(), {rest})
        return
    rows = p.T
    flat = rows.ravel()
    run(flat, g.T.ravel(), {rest})
    if not rows.flags.c_contiguous:
        rows[...] = flat.reshape(rows.shape)
"""
        in_parallel = spread(kernel, len(self.operands))
        return _define("update", source, {"kernel": kernel, "in_parallel": in_parallel})


class _Hoist(ast.NodeTransformer):
    """Replace what does not depend on array elements by the names of scalars.

    ``arrays`` holds the names bound to elements so far, ``scalars`` the others, ``prologue`` the
    scalar statements in order, ``constants`` the names that the loop takes.
    """

    def __init__(self, recurrence: Recurrence) -> None:
        self.recurrence = recurrence
        self.arrays = {"p", "g", *recurrence.state}
        self.scalars = {"t", *recurrence.hyper, *recurrence.numbers}
        self.prologue: list[str] = []
        self.constants: dict[str, None] = {}
        self.known: dict[str, str] = {}

    def statement(self, node: ast.stmt) -> ast.stmt | None:
        """Return the loop's part of an assignment, or None when all of it is scalar."""
        if not isinstance(node, ast.Assign):
            raise self.recurrence.malformed("assignments", f"`{ast.unparse(node)}`")
        targets = _targets(node)
        if targets & self.scalars:
            bound = f"a second value for {min(targets & self.scalars)}"
            raise self.recurrence.malformed("hyperparameters and scalars bound once", bound)
        if self.is_scalar(node.value) and not targets & self.arrays:
            self.scalars |= targets
            self.prologue.append(ast.unparse(node))
            return None
        self.arrays |= targets
        node.value = self.visit(node.value)
        return node

    def is_scalar(self, node: ast.AST) -> bool:
        return not _names(node) & self.arrays

    def scalar(self, node: ast.expr) -> str:
        """Return the text of an expression that must not depend on elements."""
        if not self.is_scalar(node):
            raise self.recurrence.malformed("numbers without elements", f"`{ast.unparse(node)}`")
        return ast.unparse(node)

    def visit(self, node: ast.AST) -> Any:
        """Visit top down, so that the largest scalar expression is taken whole."""
        if isinstance(node, ast.expr) and _names(node) and self.is_scalar(node):
            return self.constant(ast.unparse(node))
        return self.generic_visit(node)

    def constant(self, text: str) -> ast.Name:
        """Return the name of a scalar; a compound expression gets a line in the prologue."""
        name = text if text in self.scalars else self.known.get(text)
        if name is None:
            name = self.known[text] = f"c{len(self.known)}"
            if name in self.scalars | self.arrays:
                raise self.recurrence.malformed("names other than c0, c1, ...", name)
            self.scalars.add(name)
            self.prologue.append(f"{name} = {text}")
        self.constants[name] = None
        return ast.Name(name, ast.Load())


class _Selections(ast.NodeTransformer):
    """Replace ``np.where`` on elements by the kernels' ``select``, which is never a branch."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) != "np.where":
            return node
        condition, *rest = node.args
        if isinstance(condition, ast.Name):  # a scalar; scalars are passed as floats
            condition = ast.Compare(condition, [ast.NotEq()], [ast.Constant(0)])
        return ast.Call(ast.Name("select", ast.Load()), [condition, *rest], [])


def _selections(text: str) -> str:
    return ast.unparse(ast.fix_missing_locations(_Selections().visit(ast.parse(text))))


def _define(name: str, source: str, scope: Mapping[str, Any]) -> Callable[..., Any]:
    """Execute `source`, which sees the names of `scope`, and return what it calls `name`."""
    local: dict[str, Any] = {}
    exec(compile(source, f"<{name}>", "exec"), dict(scope), local)
    return local[name]


def _names(node: ast.AST) -> set[str]:
    """Return the names that an expression reads, but for modules, functions and builtins."""
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return read - {"np", "math"} - set(dir(builtins))


def _targets(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds."""
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def _prune(body: list[ast.stmt], chosen: Mapping[str, bool]) -> list[ast.stmt]:
    """Replace every ``if`` by the branch that was chosen for its test."""
    pruned = []
    for node in body:
        if isinstance(node, ast.If):
            branch = node.body if chosen[ast.unparse(node.test)] else node.orelse
            pruned += _prune(branch, chosen)
        else:
            pruned.append(node)
    return pruned
