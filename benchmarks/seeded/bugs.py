"""What goes wrong in derivatives that are written by hand, as changes to right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .models import MODELS
from .operations import OPERATIONS, sigmoid, softmax
from .problem import Arrays, Problem, draw

__all__ = ["Bug", "RIGHT", "bugs"]

RIGHT = [*OPERATIONS, *MODELS]
Change = Callable[[Problem], Callable[..., Any] | None]


class Bug(NamedTuple):
    """A problem whose derivative is wrong, of a kind; the error may be too small for float32."""

    kind: str
    problem: Problem
    small: bool = False


def scaled(factor: float) -> Change:
    """The first gradient is off by a factor."""

    def change(problem: Problem) -> Callable[..., Any]:
        def wrong(*args: Any) -> Arrays:
            first, *rest = problem.vjp(*args)
            return np.asarray(first * np.asarray(factor, first.dtype)), *rest

        return wrong

    return change


def swapped(problem: Problem) -> Callable[..., Any] | None:
    """The gradients of two operands change places."""
    if len(problem.x) < 2 or problem.x[0].shape != problem.x[1].shape:
        return None

    def wrong(*args: Any) -> Arrays:
        first, second, *rest = problem.vjp(*args)
        return second, first, *rest

    return wrong


def dropped(problem: Problem) -> Callable[..., Any] | None:
    """The last operand gets no gradient."""
    if len(problem.x) < 2:
        return None

    def wrong(*args: Any) -> Arrays:
        *rest, last = problem.vjp(*args)
        return *rest, 0 * last

    return wrong


def transposed(problem: Problem) -> Callable[..., Any] | None:
    """A square gradient is transposed."""
    shape = problem.x[0].shape
    if len(shape) != 2 or shape[0] != shape[1]:
        return None

    def wrong(*args: Any) -> Arrays:
        first, *rest = problem.vjp(*args)
        return first.T, *rest

    return wrong


def unsummed(problem: Problem) -> Callable[..., Any] | None:
    """A broadcast operand gets the first part of what should be a sum."""
    out = np.shape(problem.f(*problem.x))
    last = problem.x[-1]
    if len(problem.x) != 2 or last.ndim != 1 or len(out) != 2 or out[1:] != last.shape:
        return None

    def wrong(*args: Any) -> Arrays:
        *x, ct = args
        alone = np.zeros_like(ct)
        alone[0] = ct[0]
        return problem.vjp(*x, ct)[0], problem.vjp(*x, alone)[1]

    return wrong


def stale(problem: Problem) -> Callable[..., Any]:
    """The values of the first call are kept for ever."""
    kept: dict[str, Any] = {}

    def wrong(*args: Any) -> Any:
        *x, ct = args
        kept.setdefault("x", [np.array(a) for a in x])
        return problem.vjp(*kept["x"], ct)

    return wrong


def large(problem: Problem) -> Callable[..., Any]:
    """Where inputs are large, the first gradient is off by a hundredth."""
    limit = np.sort(np.abs(problem.x[0]), axis=None)[-1] * 0.999

    def wrong(*args: Any) -> Arrays:
        first, *rest = problem.vjp(*args)
        return np.where(np.abs(args[0]) > limit, first * 1.01 + 0.01, first), *rest

    return wrong


def one_entry(problem: Problem) -> Callable[..., Any]:
    """One entry of the first gradient is off by a little."""

    def wrong(*args: Any) -> Arrays:
        first, *rest = problem.vjp(*args)
        first = np.array(first)
        first.flat[-1] += 1e-3 * (1.0 + abs(first.flat[-1])) * np.max(np.abs(args[-1]))
        return first, *rest

    return wrong


def overwriting(problem: Problem) -> Callable[..., Any]:
    """The pullback overwrites an input."""

    def wrong(*args: Any) -> Any:
        found = problem.vjp(*args)
        args[0][...] = 0.5
        return found

    return wrong


def indifferent(problem: Problem) -> Callable[..., Any]:
    """The cotangent is taken to be one."""
    return lambda *args: problem.vjp(*args[:-1], np.ones_like(args[-1]))


KINDS: dict[str, Change] = {
    "factor 2": scaled(2.0),
    "sign": scaled(-1.0),
    "off by 1e-3": scaled(1.001),
    "off by 1e-5": scaled(1.00001),
    "operands swapped": swapped,
    "dropped path": dropped,
    "transposed": transposed,
    "missing sum": unsummed,
    "stale value": stale,
    "large inputs only": large,
    "one entry": one_entry,
    "overwrites": overwriting,
    "cotangent ignored": indifferent,
}
SMALL = {"off by 1e-5"}

TIE = np.array([1.0, 2.0, 2.0, -1.0])
BORDER = np.array([0.0, 1.0, -0.5])
# Bugs of single operations: function, pullback, point.
PARTICULAR: dict[str, tuple[Any, Any, Arrays]] = {
    "wrong at ties: max": (np.max, lambda x, ct: (ct * (x == x.max()),), (TIE,)),
    "wrong at ties: min": (np.min, lambda x, ct: (-ct * (x == x.min()),), (-TIE,)),
    "wrong at ties: maximum": (
        np.maximum, lambda x, y, ct: (ct * (x >= y), ct * (y >= x)), (TIE, TIE[::-1])),
    "wrong at ties: minimum": (
        np.minimum, lambda x, y, ct: (ct * (x < y), ct * (y < x)), (TIE, TIE)),
    "wrong at ties: sort": (
        np.sort, lambda x, ct: (ct * (1.0 + (x == 2.0)),), (np.array([-1.0, 2.0, 2.0]),)),
    "wrong at 0: abs": (np.abs, lambda x, ct: (ct * np.where(x == 0, 2, np.sign(x)),), (BORDER,)),
    "wrong at 0: relu": (
        lambda x: np.maximum(x, 0), lambda x, ct: (ct * (x > 0) - ct * (x == 0),), (BORDER,)),
    "wrong at 0: softsign": (
        lambda x: x / (1 + np.abs(x)), lambda x, ct: (ct * (x != 0) / (1 + np.abs(x)) ** 2,),
        (BORDER,)),
    "wrong at 0: x|x|": (
        lambda x: x * np.abs(x), lambda x, ct: (ct * (2 * np.abs(x) + (x == 0)),), (BORDER,)),
    "wrong at 1: clip": (
        lambda x: np.clip(x, -1, 1), lambda x, ct: (ct * (np.abs(x) < 1) + 2 * ct * (x == 1),),
        (BORDER,)),
    "dropped path: softmax": (softmax, lambda x, ct: (ct * softmax(x),), (draw(4),)),
    "dropped path: swish": (
        lambda x: x * sigmoid(x), lambda x, ct: (ct * sigmoid(x),), (draw(4),)),
    "dropped path: variance": (
        lambda x: np.mean((x - x.mean()) ** 2) * x[0],
        lambda x, ct: (2 * ct * x[0] * (x - x.mean()) / x.size,), (draw(5),)),
    "dropped path: quadratic": (
        lambda x, a: x @ a @ x, lambda x, a, ct: (ct * a @ x, ct * np.outer(x, x)),
        (draw(3), draw(3, 3))),
    "one position twice: take": (
        lambda x: x[[0, 0, 1]], lambda x, ct: (np.array([ct[1], ct[2], 0]),), (draw(3),)),
    "second derivative only: cube": (
        lambda x: 3 * x**2, lambda x, ct: (3 * x * ct,), (draw(4),)),
    "second derivative only: softplus": (
        sigmoid, lambda x, ct: (ct * sigmoid(x),), (draw(4),)),
    "second derivative only: quartic": (
        lambda x: 4 * np.sum(x * x) * x, lambda x, ct: (4 * np.sum(x * x) * ct,), (draw(3),)),
    "second derivative only: logsumexp": (
        softmax, lambda x, ct: (softmax(x) * ct,), (draw(4),)),
    "wrong order: cumsum": (np.cumsum, lambda x, ct: (np.cumsum(ct),), (draw(4),)),
    "wrong order: sort": (
        np.sort, lambda x, ct: (ct[np.argsort(x)],), (np.array([0.5, 2.0, -1.2]),)),
    "wrong branch: leaky relu": (
        lambda x: np.where(x > 0, x, 0.1 * x), lambda x, ct: (ct * (x > 0),), (draw(5),)),
    "wrong axis: softmax": (
        softmax, lambda x, ct: (softmax(x) * (ct - (ct * softmax(x)).sum(0)),), (draw(3, 3),)),
    "degrees": (np.sin, lambda x, ct: (ct * np.cos(x) * np.pi / 180,), (draw(4),)),
    "rounded to single": (
        np.sin, lambda x, ct: ((ct * np.cos(x)).astype(np.float32),), (draw(4),)),
}  # fmt: skip


def bugs() -> Iterator[Bug]:
    """Yield every bug, made afresh: some of them remember."""
    for problem in RIGHT:
        for kind, change in KINDS.items():
            wrong = change(problem)
            if wrong is not None and not harmless(kind, problem):
                seeded = Problem(problem.name, problem.f, wrong, problem.x)
                yield Bug(kind, seeded, kind in SMALL)
    for name, parts in PARTICULAR.items():
        kind, _, of = name.partition(": ")
        yield Bug(kind, Problem(of or name, *parts), kind == "rounded to single")


def harmless(kind: str, problem: Problem) -> bool:
    """Whether a change makes no difference here: a linear function has no stale values."""
    linear = {"add", "subtract", "mean", "cumsum", "take", "transpose"}
    locally = {"sort", "max", "maximum", "relu", "leaky relu", "abs", "clip"}
    same = {
        "stale value": linear | locally,
        "operands swapped": set(),
        "transposed": {"quadratic form"},
    }
    scalar = np.size(problem.f(*problem.x)) == 1
    return problem.name in same.get(kind, set()) or (kind == "cotangent ignored" and scalar)
