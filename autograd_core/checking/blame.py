"""Who is to blame for a wrong derivative: each rule on the tape, against its own operation.

The function is recorded once more, with the operands of every application. Then each rule is asked
for what it remembers, and compared with differences of its operation's own forward function: no
other operation has a part in it. So a net of thousands of nodes with one wrong rule in it gives
one culprit, not a thousand.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import GraphError
from ..modes import no_grad
from ..tensor import Tensor
from .ledger import Call, Ledger, heard
from .patterns import factor
from .rules import Suspect, forward, function_of, reverse, second
from .subject import Subject, parameters
from .trial import Measured

__all__ = ["Blame", "Culprit", "blame", "blame_of", "is_compiled"]

SHOWN = 5
EXAMINED = 8  # of those at one line that look alike, how many are measured with a ladder
SAMPLE = 3  # second derivatives are costly: first of all some of those that are alike

NUMBERS = ("claimed", "measured", "error", "reason")
KINDS = {
    "reverse": "the rule for {0}",
    "forward": "the rule for {0}, read forwards,",
    "second": "the derivative of the rule for {0}",
}


class Culprit(NamedTuple):
    """A rule that disagrees with its own operation.

    Attributes
    ----------
    op, operand : str
        Whose rule, and for which operand.
    position, total : int
        Which operation of the function, in order, and how many there are.
    line : str
        The user's line that applied it.
    times : int
        How many applications at that line were found wrong.
    mode : {"reverse", "forward", "second"}
        Wrong in the backward sweep; in a forward sweep only; or in second derivatives only.
    claimed, measured, error : float
        The derivative along one direction.
    reason : str
        A recognised pattern, or what was raised.
    within : str
        The operation whose rule applies this one; "" if the function itself does.
    """

    op: str
    operand: str
    position: int
    total: int
    line: str
    times: int
    mode: str
    claimed: float
    measured: float
    error: float
    reason: str
    within: str = ""

    def __str__(self) -> str:
        what = KINDS[self.mode].format(self.operand)
        inside = f", applied by the rule of {self.within}" if self.within else ""
        where = f"operation {self.position} of {self.total}, {self.line}{inside}"
        numbers = f"claimed {self.claimed:.9g}, measured {self.measured:.9g} ± {self.error:.1e}"
        told = self.reason if np.isnan(self.measured) else f"{numbers}{self._pattern()}"
        more = f" (and {self.times - 1} more there)" if self.times > 1 else ""
        return f"{self.op}: {what} is wrong ({where}): {told}{more}"

    def _pattern(self) -> str:
        return f"; it {self.reason}" if self.reason else ""


class Blame(NamedTuple):
    """What `blame` found. True in a condition if there is a culprit.

    Attributes
    ----------
    culprits : tuple of Culprit
        In order of the tape.
    leaks : tuple of str
        If no rule is wrong: where values left the tape.
    groups : tuple of str
        If no rule is wrong: what machine code of a compiled function does differently.
    operations : int
        How many were tried.
    beyond : str
        Where the first result is not finite: there rules cannot be tried.
    """

    culprits: tuple[Culprit, ...]
    leaks: tuple[str, ...]
    groups: tuple[str, ...]
    operations: int
    beyond: str = ""

    def __bool__(self) -> bool:
        return bool(self.culprits)

    @property
    def lines(self) -> list[str]:
        """What a report ends with."""
        found = [str(culprit) for culprit in self.culprits[:SHOWN]]
        if len(self.culprits) > SHOWN:
            found.append(f"and {len(self.culprits) - SHOWN} more")
        return (
            found
            or [*self.groups, *self.leaks[:SHOWN]]
            or [self.beyond] * bool(self.beyond)
            or [f"none of the {self.operations} operations has a wrong rule"]
        )

    def __str__(self) -> str:
        return "\n".join(f"blame: {line}" for line in self.lines)


def blame(fn: Callable[..., Any], *inputs: Any, order: int = 1, seed: int = 0) -> Blame:
    """Try the rule of every operation that a function applies, at the values there.

    Parameters
    ----------
    fn : callable
        As for `gradcheck`, which asks for this by itself when it finds a gradient wrong.
    *inputs : array_like or nested containers
    order : {1, 2}
        2 tries the derivatives of the rules, too.
    seed : int
        For the directions.

    Returns
    -------
    Blame
        Its culprits name operation, operand, position on the tape and the user's line; `print`
        shows them.

    Notes
    -----
    Each rule is compared with differences of its operation's own forward function along a random
    direction, at a cost of some evaluations of the function as a whole. Its use in forward mode is
    compared with that in reverse.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> @ag.primitive(pointwise=True, register=False)
    ... def cube(x):
    ...     return x * x * x
    >>> ag.defvjp(cube, x=lambda ct, x: ct * (2.0 * x * x))
    >>> found = ag.blame(lambda x: ag.sum(ag.sin(cube(x))), np.array([1.0, 2.0]))
    >>> [(c.op, c.operand, c.position, c.reason) for c in found.culprits]
    [('cube', 'x', 0, 'is off by a factor 1.5: too small')]
    """
    return blame_of(Subject(fn, inputs, parameters(fn)), order, np.random.default_rng(seed))


def blame_of(subject: Subject, order: int, rng: np.random.Generator) -> Blame:
    """Try the rules of what a subject applies at its point."""
    ledger = Ledger()
    with np.errstate(all="ignore"):
        calls = heard(_entering(subject, ledger), subject.arrays(subject.point), ledger)
        found = _culprits(calls, "reverse", reverse, rng)
        found = found or _culprits(calls, "forward", forward, rng)
        if not found and order == 2:
            found = _culprits(_sample(calls), "second", second, rng)
            found = found or _culprits(calls, "second", second, rng)
            found = [_deeper(culprit, calls, rng) for culprit in found]
    leaks = () if found else tuple(dict.fromkeys(ledger.leaks))
    groups = () if found else _groups(subject)
    return Blame(tuple(found), leaks, groups, len(calls), _beyond(calls))


def _beyond(calls: Sequence[Call]) -> str:
    """Say which results are not finite."""
    bad = [call for call in calls if not np.isfinite(call.out).all()]
    if not bad:
        return ""
    first = f"the first is of {bad[0].name} ({bad[0].line})"
    return (
        f"no rule is wrong where numbers are finite, but {len(bad)} of {len(calls)} results are "
        f"not, {first}; detect_anomaly() says why"
    )


def is_compiled(subject: Subject) -> bool:
    """Whether a subject's function was made by `compile`."""
    return hasattr(subject.fn, "postmortem")


def _groups(subject: Subject) -> tuple[str, ...]:
    """Return what machine code does differently, of a function made by `compile`."""
    if not is_compiled(subject):
        return ()
    twin = copy.copy(subject)
    twin.fn = getattr(subject.fn, "check")  # noqa: B009
    with no_grad():
        try:
            found = twin.call(*map(Tensor, subject.arrays(subject.point)))
        except GraphError:  # it has no program for this call
            return ()
    return tuple(map(str, found))


def _entering(subject: Subject, ledger: Ledger) -> Callable[..., Any]:
    """Return a subject's function, which tells a ledger of its inputs when it begins."""
    twin = copy.copy(subject)

    def call(*values: Any) -> Any:
        inputs = [*values[: len(subject.slots)], *subject.parameters]

        def begun(*args: Any) -> Any:
            for place, tensor in zip(subject.inputs, inputs, strict=True):
                ledger.enter(place.name, tensor)
            return subject.fn(*args)

        twin.fn = begun
        return twin.call(*values)

    return call


Find = Callable[[Call, np.random.Generator], list[Suspect]]


def _culprits(
    calls: Sequence[Call], mode: str, find: Find, rng: np.random.Generator
) -> list[Culprit]:
    """Return the culprits among some applications, in order, one for each line."""
    groups: dict[Any, list[Suspect]] = defaultdict(list)
    for call in calls:
        for suspect in find(call, rng):
            groups[call.name, suspect.operand, call.place].append(suspect)
    total = 1 + max((call.position for call in calls), default=0)
    found = [_judged(group, mode, total, rng) for group in groups.values()]
    return sorted(filter(None, found), key=lambda culprit: culprit.position)


def _judged(
    group: Sequence[Suspect], mode: str, total: int, rng: np.random.Generator
) -> Culprit | None:
    """Measure some suspects that are alike; return what the first that is wrong says."""
    for suspect in group[:EXAMINED]:
        call, trial = suspect.call, suspect.trial
        found = trial.examine(rng) if trial else Measured("wrong", np.nan, np.nan, np.nan)
        if found.verdict == "wrong":
            reason = suspect.reason or _pattern(found)
            place = (call.position, total, call.line, len(group), mode)
            return Culprit(call.name, suspect.operand, *place, *found[1:], reason)
    return None


def _pattern(found: Measured) -> str:
    return factor(np.array([found.claimed]), np.array([found.measured]), [])


def _sample(calls: Sequence[Call]) -> list[Call]:
    """Return some of the applications that are alike."""
    groups: dict[Any, list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.alike].append(call)
    chosen = [call for group in groups.values() for call in group[:SAMPLE]]
    return sorted(chosen, key=lambda call: call.position)


def _deeper(culprit: Culprit, calls: Sequence[Call], rng: np.random.Generator) -> Culprit:
    """Return the operation within a rule that is to blame for the rule's derivative, if one is."""
    call = next(call for call in calls if call.position == culprit.position)
    edge = next(edge for edge in call.edges if edge.name == culprit.operand)
    inner = heard(*function_of(call, edge, rng))
    for find in (reverse, forward):
        for found in _culprits(inner, "reverse", find, rng):
            if found.op != call.name:
                where = culprit._asdict() | {"op": found.op, "operand": found.operand}
                numbers = {name: getattr(found, name) for name in NUMBERS}
                return Culprit(**where | numbers | {"mode": "reverse", "within": call.name})
    return culprit
