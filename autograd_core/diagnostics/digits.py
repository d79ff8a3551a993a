"""Precision: a step in float32 beside the same step in float64, operation by operation.

A function and its backward sweep are written down once. Then every operation is computed twice:
in float32 on what float32 gave before, and in float64 on what float64 gave before, from the same
inputs. Where the two part, digits are lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, explain
from ..modes import no_grad, traced
from ..pullback import lifting
from ..tape import Leaf, Node, ancestors, sweep
from ..tensor import wrap
from .listening import Application, Recorder, owners
from .overview import place
from .reading import Met, heard, names_of
from .report import Format, Report, number, plain

__all__ = ["PrecisionReport", "precision"]

lift = lifting(wrap)

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
NOTHING = 64.0 * float(np.finfo(DOUBLE).eps)  # of the operands: what float64 takes for 0, too
WORTH = 1.0  # digits that an operation loses before it is named
ALL_DIGITS = -math.log10(float(np.finfo(SINGLE).eps) / 2)  # 7.2


def digits(error: float) -> float:
    """Return how many decimal digits a relative error leaves.

    >>> round(digits(1e-3), 6), digits(2.0)
    (3.0, 0.0)
    """
    return min(max(-math.log10(error), 0.0), ALL_DIGITS) if error > 0 else ALL_DIGITS


class Parameters(Report):
    """The relative error of every gradient."""

    columns: ClassVar[dict[str, tuple[str, Format]]] = {
        "parameter": ("gradient of", plain),
        "shape": ("shape", plain),
        "norm": ("norm", number),
        "error": ("relative error", number),
        "digits": ("digits", lambda x: f"{x:.1f}"),
        "remark": ("remark", plain),
    }
    optional = ("remark",)


class Operations(Report):
    """What every operation made of the digits it was given."""

    columns: ClassVar[dict[str, tuple[str, Format]]] = {
        "op": ("op", plain),
        "phase": ("in", plain),
        "shape": ("shape", plain),
        "digits_before": ("digits before", lambda x: f"{x:.1f}"),
        "digits": ("after", lambda x: f"{x:.1f}"),
        "lost": ("lost", lambda x: f"{x:.1f}"),
        "place": ("line", plain),
    }


class PrecisionReport:
    """What float32 costs in one step.

    Attributes
    ----------
    loss : float
        In float64.
    loss_error : float
        The relative error of the loss in float32.
    parameters : Report
        For each leaf the relative error of its gradient, ‖g₃₂ - g₆₄‖ / ‖g₆₄‖, largest first.
    operations : Report
        For each operation, forward and backward, how many digits its operands had and how many
        its result has; those that lose most first.
    worst : dict or None
        The record of the operation that loses most, None if none loses a digit.
    decided : list of str
        Comparisons that come out differently.
    """

    def __init__(self, run: _Run, names: dict[Node, str]) -> None:
        low, high = run.pair(run.root._value)
        self.loss, self.loss_error = float(high.ravel()[0]), relative_error(low, high)
        gradients = [_gradient(leaf, names, run) for leaf in run.leaves]
        gradients.sort(key=lambda record: -record["error"])
        self.parameters = Parameters(gradients)
        losing = sorted(run.records, key=lambda record: -record["lost"])
        self.operations = Operations(losing)
        self.worst = losing[0] if losing and losing[0]["lost"] >= WORTH else None
        self.decided = run.decided

    def __str__(self) -> str:
        title = f"a step in float32 against float64: loss {number(self.loss)}, relative error"
        lines = [f"{title} {number(self.loss_error)}", "", str(self.parameters), ""]
        worst = self.worst
        if worst is None:
            return "\n".join([*lines, "no operation loses a digit", *self.decided])
        where = worst["line"] or "an unrecorded line"
        lines.append(
            f"{worst['op']} loses most digits, {worst['lost']:.1f} of "
            f"{worst['digits_before']:.1f}: {worst['phase']}, at {where}"
        )
        shown = [r for r in self.operations if r["lost"] >= WORTH][:8]
        return "\n".join([*lines, str(Operations(shown)), *self.decided])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = Operations([r for r in self.operations if r["lost"] >= WORTH][:8])
        return self.parameters._repr_html_() + shown._repr_html_()


def precision(loss: Any, *args: Any, model: Any = None) -> PrecisionReport:
    """Compare a step in float32 with the same step in float64, and find where digits are lost.

    Parameters
    ----------
    loss : callable
        Computes a number with tensors, ``loss(*args)``. It is called once, in the precision that
        its inputs have; these are rounded to float32 before the two are compared.
    *args
        Its arguments.
    model : nn.Module, optional
        The names of its parameters are those in the report.

    Returns
    -------
    PrecisionReport

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor(1e-3, requires_grad=True)
    >>> report = ag.diagnostics.precision(lambda: (1.0 - ag.cos(x)) / (x * x))
    >>> report.worst["op"], report.worst["phase"]
    ('subtract', 'forward')
    """
    if not callable(loss):
        what, do = "diagnostics.precision: a function", "Pass lambda: loss(model(x), y)"
        raise GraphError(explain(what, f"a {type(loss).__name__}", do))
    run = _Run(loss, args)
    return PrecisionReport(run, names_of(model))


class _Run:
    """A step, written down once and computed in both precisions."""

    def __init__(self, loss: Any, args: Sequence[Any]) -> None:
        self.root, listener = heard("diagnostics.precision", loss, args)
        if self.root.size != 1:
            do = "Reduce it with .sum() or .mean()"
            got = f"shape {self.root.shape}"
            raise GraphError(explain("diagnostics.precision: a single number", got, do))
        assert self.root.node is not None
        self.nodes = ancestors([self.root.node])
        self.leaves = [node for node in self.nodes if isinstance(node, Leaf)]
        forward = len(listener.applications)
        self.cotangents = self._swept(self.root.node, listener)
        self.listener = listener
        self.known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.errors: dict[int, float] = {}
        self.zeros: set[int] = set()  # results that are 0 but for rounding, so without digits
        self.records: list[dict[str, Any]] = []
        self.decided: list[str] = []
        places = dict(owners(self.nodes, listener.applications[:forward]))
        lines = {id(entry.out): node.line for node, entry in places.items()}
        with np.errstate(all="ignore"):
            for entry in listener.applications:
                self._compute(entry, lines.get(id(entry.out), ""))

    def _swept(self, root: Node, listener: Recorder) -> dict[Node, Any]:
        """Sweep with operations that are written down; return the leaves' cotangents."""

        def at(node: Node) -> None:
            listener.during = node

        cotangents = Met({root: wrap(np.ones_like(self.root._value), None)}, at)
        with no_grad(), traced(listener), np.errstate(all="ignore"):
            sweep(self.nodes, cotangents, lift=lift)
        return dict(cotangents)

    def pair(self, array: Any) -> tuple[Any, Any]:
        """Return a value in float32 and in float64."""
        found = self.known.get(id(array))
        if found is None and id(array) in self.listener.copies:
            found = self.known.get(id(self.listener.copies[id(array)]))
        if found is not None:
            return found
        if isinstance(array, np.ndarray | np.floating) and array.dtype.kind == "f":
            low = np.asarray(array, SINGLE)
            return low, np.asarray(low, DOUBLE)
        return array, array

    def _error(self, array: Any) -> float:
        original = self.listener.copies.get(id(array), array)
        return self.errors.get(id(original), 0.0)

    def _compute(self, entry: Application, line: str) -> None:
        pairs = [self.pair(operand) for operand in entry.operands]
        if id(entry.out) in self.known:
            return  # the op has returned an operand as it is
        low, high = (
            np.asarray(entry.op.compute(*(pair[i] for pair in pairs), **_in(i, entry.attributes)))
            for i in (0, 1)
        )
        self.known[id(entry.out)] = low, high
        if entry.during is not None:
            line = entry.during.line
        if high.dtype.kind != "f":
            if not np.array_equal(low, high):
                share = f"{np.count_nonzero(low != high)} of {high.size}"
                words = f"{entry.op.name} comes out differently for {share}"
                self.decided.append(f"{words}, at {line}" if line else words)
            return
        before = max([self._error(operand) for operand in entry.operands], default=0.0)
        error = relative_error(low, high)
        if _vanishes(high, [operand for _, operand in pairs]):
            self.zeros.add(id(entry.out))
            error = 0.0
        self.errors[id(entry.out)] = error
        during = entry.during
        self.records.append(
            {
                "op": entry.op.name,
                "phase": "forward" if during is None else f"backward of {during.name}",
                "shape": high.shape,
                "error_before": before,
                "error": error,
                "digits_before": digits(before),
                "digits": digits(error),
                "lost": max(digits(before) - digits(error), 0.0),
                "line": line,
                "place": place(line),
            }
        )


def relative_error(low: np.ndarray, high: np.ndarray) -> float:
    """Return ‖low - high‖ / ‖high‖; infinite where only one is finite."""
    fine = np.isfinite(low) & np.isfinite(high)
    if not np.array_equal(np.isfinite(low), np.isfinite(high)):
        return math.inf
    difference = float(np.linalg.norm((low.astype(DOUBLE) - high)[fine]))
    size = float(np.linalg.norm(high[fine]))
    return 0.0 if not difference else difference / size if size else math.inf


def _vanishes(high: np.ndarray, operands: Sequence[Any]) -> bool:
    """Whether operands have cancelled one another to what may well be 0."""
    sizes = [float(np.abs(x).max(initial=0.0)) for x in operands if isinstance(x, np.ndarray)]
    largest = float(np.abs(high).max(initial=0.0))
    return bool(sizes) and 0.0 < largest <= NOTHING * max(sizes)


def _in(precision: int, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes, a floating dtype among them exchanged by the one of a precision."""
    floats = {n for n, v in attributes.items() if n == "dtype" and np.dtype(v).kind == "f"}
    return {n: (SINGLE, DOUBLE)[precision] if n in floats else v for n, v in attributes.items()}


def _gradient(leaf: Node, names: dict[Node, str], run: _Run) -> dict[str, Any]:
    name = names.get(leaf, f"leaf made at {place(leaf.line)}")
    ct = run.cotangents.get(leaf)
    low, high = (np.zeros(leaf.shape),) * 2 if ct is None else run.pair(ct._value)
    zero = ct is not None and id(ct._value) in run.zeros
    error = 0.0 if zero else relative_error(low, high)
    return {
        "parameter": name,
        "shape": leaf.shape,
        "norm": float(np.linalg.norm(high.ravel())),
        "error": error,
        "digits": None if zero else digits(error),
        "remark": "0 but for rounding, in float64 as well" if zero else "",
    }
