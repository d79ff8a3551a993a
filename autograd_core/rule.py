"""Rule: the vector-Jacobian product of an op for one operand, and what it needs remembered."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .errors import NondifferentiableError, UnknownNameError, explain
from .signature import parameters

if TYPE_CHECKING:
    from .op import Op

__all__ = ["Rule", "indexed_rules"]


class Rule:
    """What `defvjp` was given for one operand.

    ``needs`` are the rule's parameters after the cotangent. ``save`` picks them from the tuple
    (operands..., result, attributes) of one application: a tuple, or the one value bare. ``pull``
    calls it with a plain cotangent and what was saved. Nothing else is kept alive.
    """

    __slots__ = ("function", "needs", "operand", "pull", "save")

    def __init__(self, op: Op, operand: str, function: Callable[..., Any], which: int = 0) -> None:
        self.operand = operand
        self.function = function
        self.needs = needs(function)
        lookups = _lookups(op, which)
        unknown = [name for name in self.needs if name not in lookups]
        if unknown:
            what = f"defvjp({op.name}): rule parameters after the first among {', '.join(lookups)}"
            raise UnknownNameError(explain(what, repr(unknown[0]), "Correct the name"))
        places = {name: i for i, name in enumerate((*op.operands, "out"))}
        if not op.variadic and places.keys() >= set(self.needs):
            self.save = _picker([places[name] for name in self.needs])
            bare = len(self.needs) == 1
        else:
            getters = [lookups[name] for name in self.needs]
            self.save = lambda env: tuple([get(env) for get in getters])
            bare = False
        plain = getattr(function, "forward", function)  # of an op that is a rule: arrays need less
        self.pull = plain if bare else lambda ct, kept: plain(ct, *kept)


def needs(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what a rule asks to remember: its parameters after the cotangent."""
    positional, _, keywords, _ = parameters(function)
    return (*positional, *keywords)[1:]


def indexed_rules(op: Op, count: int) -> list[Rule]:
    """Return the rules of an op that takes any number of operands, one for each."""
    if not op.rules:
        do = "Give it rules with defvjp, or declare it with nondiff='reason'"
        raise NondifferentiableError(explain(f"{op.name}: derivative rules", "none", do))
    ((operand, function),) = op.rules.items()
    while len(op.indexed) < count:
        op.indexed.append(Rule(op, operand, function, len(op.indexed)))
    return op.indexed[:count]


def _lookups(op: Op, which: int) -> dict[str, Callable[[tuple[Any, ...]], Any]]:
    """Return how to find each name that a rule may ask for."""
    operands = {} if op.variadic else {name: i for i, name in enumerate(op.operands)}
    return {
        **{name: itemgetter(i) for name, i in operands.items()},
        **{f"{name}_shape": _shape_of(i) for name, i in operands.items()},
        "out": itemgetter(-2),
        **{name: _attribute(name) for name in op.attributes},
        **({"which": lambda _: which, "shapes": _shapes} if op.variadic else {}),
    }


def _shape_of(i: int) -> Callable[[tuple[Any, ...]], Any]:
    return lambda env: getattr(env[i], "shape", ())  # a Python number has none


def _attribute(name: str) -> Callable[[tuple[Any, ...]], Any]:
    return lambda env: env[-1][name]


def _shapes(env: tuple[Any, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(getattr(array, "shape", ()) for array in env[:-2])


def _picker(indices: list[int]) -> Callable[[tuple[Any, ...]], Any]:
    """Return the quickest way to pick `indices` from a tuple: a tuple, or the one value bare."""
    return itemgetter(*indices) if indices else itemgetter(slice(0))
