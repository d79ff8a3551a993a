"""`conventions`: the slopes that are chosen where there is no derivative, and other choices.

Another choice is another derivative rule for the operations recorded within a context. Those that
are recorded outside never look for one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from ..declare import OPS, primitive
from ..errors import ShapeError, UnknownNameError, explain
from ..modes import current, ruled
from ..rule import Rule
from .kinks import KINKS
from .report import Format, Report, plain

__all__ = ["conventions"]

Functions = dict[str, Callable[..., Any]]  # one derivative rule for each operand


def _first(ties: Any, *, axis: Any) -> Any:
    """Whether an element is the first true one over the axes."""
    ties = np.asarray(ties)
    every = tuple(range(ties.ndim)) if axis is None else np.atleast_1d(axis)
    front = tuple(range(len(every)))
    moved = np.moveaxis(ties, every, front)
    lines = moved.reshape(math.prod(moved.shape[: len(front)]), -1)
    chosen = np.zeros_like(lines)
    chosen[lines.argmax(axis=0), np.arange(lines.shape[1])] = True
    return np.moveaxis(chosen.reshape(moved.shape), front, every) & ties


first = primitive(_first, register=False, nondiff="positions are integers")


def _set(x: Any, points: tuple[float, ...], value: float, ct: Any, otherwise: Any) -> Any:
    """Return ``value * ct`` where x is one of the points."""
    for point in points:
        if point is not None:
            otherwise = OPS["where"](OPS["equal"](x, point), value * ct, otherwise)
    return otherwise


def _abs(value: float) -> Functions:
    return {"x": lambda ct, x: _set(x, (0.0,), value, ct, ct * OPS["sign"](x))}


def _relu(value: float) -> Functions:
    return {"x": lambda ct, x: _set(x, (0.0,), value, ct, OPS["relu_pull"](ct, x))}


def _relu6(value: float) -> Functions:
    return {"x": lambda ct, x: _set(x, (0.0, 6.0), value, ct, OPS["relu6_pull"](ct, x))}


def _hard_tanh(value: float) -> Functions:
    def rule(ct: Any, x: Any, min_val: float, max_val: float) -> Any:
        inside = OPS["hard_tanh_pull"](ct, x, min_val=min_val, max_val=max_val)
        return _set(x, (min_val, max_val), value, ct, inside)

    return {"x": rule}


def _clip(value: float) -> Functions:
    def rule(ct: Any, x: Any, min: Any, max: Any) -> Any:
        return _set(x, (min, max), value, ct, OPS["clip"].rules["x"](ct, x, min, max))

    return {"x": rule}


def _of_two(wins: str) -> Callable[[float], Functions]:
    """Return the rules of `maximum` or `minimum`: the first operand has a share at ties."""

    def rules(share: float) -> Functions:
        def rule(ct: Any, x: Any, y: Any, part: float) -> Any:
            won = OPS["where"](OPS[wins](x, y), ct, 0.0)
            return OPS["where"](OPS["equal"](x, y), part * ct, won)

        return {
            "x": lambda ct, x, y: rule(ct, x, y, share),
            "y": lambda ct, x, y: rule(ct, y, x, 1.0 - share),
        }

    return rules


def _extremum(name: str) -> Callable[[str], Functions]:
    """Return the rule of `max` or `min` by which the first of equal elements has all."""

    def rules(way: str) -> Functions:
        if way == "even":
            return dict(OPS[name].rules)

        def rule(ct: Any, x: Any, axis: Any) -> Any:
            top = OPS[name](x, axis=axis, keepdims=True)
            chosen = first(OPS["equal"](x, top), axis=axis)
            return OPS["where"](chosen, OPS["reshape"](ct, shape=top.shape), 0.0)

        return {"x": rule}

    return rules


# What can be chosen: the rules for a choice, and the numbers (from, to) or words to choose from.
CHOICES: dict[str, tuple[Callable[[Any], Functions], tuple[Any, Any]]] = {
    "abs": (_abs, (-1.0, 1.0)),
    "relu": (_relu, (0.0, 1.0)),
    "relu6": (_relu6, (0.0, 1.0)),
    "hard_tanh": (_hard_tanh, (0.0, 1.0)),
    "clip": (_clip, (0.0, 1.0)),
    "maximum": (_of_two("greater"), (0.0, 1.0)),
    "minimum": (_of_two("less"), (0.0, 1.0)),
    "max": (_extremum("max"), ("even", "first")),
    "min": (_extremum("min"), ("even", "first")),
}


@functools.cache
def _rules(changes: tuple[tuple[str, Any], ...]) -> dict[Any, tuple[Rule, ...]]:
    """Return the rules by operation; the same for the same changes, so programs know them."""
    found = {}
    for name, value in changes:
        op, functions = OPS[name], CHOICES[name][0](value)
        found[op] = tuple(Rule(op, operand, functions[operand]) for operand in op.operands)
    return found


def _checked(name: str, value: Any) -> Any:
    """Return a choice in its one form, or raise."""
    if name not in CHOICES:
        fixed = any(name == kink.name for kink in KINKS)
        what = f"conventions: one that can be changed ({', '.join(CHOICES)})"
        got = f"{name!r}, which is fixed" if fixed else repr(name)
        do = "Print ag.conventions() to see all, and write ops of your own for others"
        raise UnknownNameError(explain(what, got, do))
    low, high = CHOICES[name][1]
    if isinstance(low, str):
        if value not in (low, high):
            do = "Choose one of these"
            raise UnknownNameError(explain(f"conventions: {name}, {low} or {high}", value, do))
        return value
    number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        what = f"conventions: {name}, a slope from {low:g} to {high:g}"
        do = "Others lie between no one-sided slopes"
        raise ShapeError(explain(what, repr(value), do))
    return float(value)


PEERS = ("pytorch", "jax", "tensorflow", "autograd")


class Conventions(Report):
    """The table of conventions."""

    columns: ClassVar[dict[str, tuple[str, Format]]] = {
        "name": ("function", plain),
        "point": ("where", plain),
        "derivative": ("derivative", plain),
        "pytorch": ("PyTorch", plain),
        "jax": ("JAX", plain),
        "tensorflow": ("TensorFlow", plain),
        "autograd": ("autograd", plain),
        "choices": ("may be", plain),
        "why": ("why", plain),
    }


_active: dict[int, dict[str, Any]] = {}  # by the id of a tape's rules: the changes


class conventions(ruled):  # noqa: N801
    """The derivative that is chosen where there is none; in a ``with`` block, another one.

    Printed, it is a table of all such points, with what others choose there: measured with
    PyTorch 2.13, JAX 0.10, TensorFlow 2.21 and autograd 1.9. What is in force is asked of the
    operations themselves.

    Parameters
    ----------
    **changes : float or str
        By the name of the operation: of ``abs``, ``relu``, ``relu6``, ``hard_tanh`` and ``clip``
        the slope at the kinks; of ``maximum`` and ``minimum`` the share of the first operand at a
        tie; of ``max`` and ``min`` the way to share at ties, "even" or "first".

    Raises
    ------
    UnknownNameError
        If the convention is fixed or does not exist.
    ShapeError
        If the number is no subgradient.

    Notes
    -----
    What counts is where an operation is recorded, not where `backward` is called. A choice holds
    for the thread that makes it, also in compiled functions, which have a program for each choice.

    Examples
    --------
    >>> import autograd_core as ag
    >>> ag.grad(ag.abs)(0.0)
    np.float64(0.0)
    >>> with ag.conventions(abs=1.0):  # as JAX
    ...     print(ag.grad(ag.abs)(0.0))
    1.0
    """

    def __init__(self, **changes: Any) -> None:
        self.changes = {name: _checked(name, value) for name, value in changes.items()}
        super().__init__(None)

    def _recreate_cm(self) -> conventions:
        return type(self)(**self.changes)

    def __enter__(self) -> None:
        merged = _active.get(id(current().rules), {}) | self.changes
        rules = _rules(tuple(sorted(merged.items())))
        _active[id(rules)] = merged
        self.mode = {"rules": rules}
        super().__enter__()

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record for each point: what is chosen there, by whom, and why."""
        with self:
            return [_record(kink) for kink in KINKS]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __str__(self) -> str:
        return str(Conventions(self.records))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return Conventions(self.records)._repr_html_()


def _record(kink: Any) -> dict[str, Any]:
    choices = CHOICES[kink.name][1] if kink.name in CHOICES else None
    words = "" if choices is None else " or ".join(map(str, choices))
    if choices is not None and not isinstance(choices[0], str):
        words = f"{choices[0]:g} to {choices[1]:g}"
    return {
        "name": kink.name,
        "point": kink.point,
        "derivative": ", ".join(map(_written, kink.probe())),
        **{peer: getattr(kink, peer) or None for peer in PEERS},
        "choices": words,
        "why": kink.why,
    }


def _written(derivative: Any) -> str:
    numbers = derivative if isinstance(derivative, list) else [derivative]
    return " ".join(f"{x + 0.0:.5g}" for x in numbers)
