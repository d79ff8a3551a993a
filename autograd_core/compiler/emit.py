"""Emission: the steps of a program as the text of one Python function.

The text is what runs. What can be machine code is called in segments; every other operation is a
call of its forward function on arrays.

    def run(x0, x1):
        try:
            a3 = pool3.pop()
        except IndexError:
            a3 = arena3()
        if holder4._value is not a3.held[0]:
            rebind(a3, (holder4._value,))
        status = native3(in_rows(x0), in_rows(x1), a3.table)
        if status:
            raise Stale(reasons3[status])
        v17, v20 = a3.views
        ...
        leaf5._grad = a3.lent[0]
        out0 = v17.copy()
        pool3.append(a3)
        return (out0,)
"""

from __future__ import annotations

import copy
import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType
from typing import Any

from ..tensor import Tensor
from .arena import Arena
from .delay import COMMITS
from .gate import MARKED
from .native import Segment
from .record import Apply, Draw, Guard, Host, Step, Value
from .statements import Text, as_it_was, captured, place_of, same_node, statement, valid
from .swap import Swap
from .words import Check

__all__ = ["Emission"]


class Emission:
    """A program as text: all its parts, then the gradients for their leaves, then the outputs.

    Attributes
    ----------
    source : str
        The text of ``run(*inputs)``.
    run : callable
    leaving : list of str
        The names of the outputs in the text.
    """

    def __init__(
        self,
        inputs: Sequence[Value],
        captured: Sequence[Value],
        parts: Sequence[Step | Segment],
        outputs: Sequence[Value],
        gradients: Mapping[Any, Value | None],
    ) -> None:
        self.inputs = inputs
        self.captured = captured
        self.parts = parts
        self.outputs = outputs
        self.gradients = gradients
        self.text = Text()
        lines = [*self.lines(), f"return ({''.join(f'{x}, ' for x in self.leaving)})"]
        header = f"def run({', '.join(value.name for value in inputs)}):"
        self.source = "\n    ".join([header, *lines]) + "\n"
        self.run: Callable[..., Any] = self.text.defined("run", self.source)

    def bound(self, swap: Swap) -> Emission:
        """Return the same text on other objects; its segments are known to `swap`."""
        other = copy.copy(self)
        other.captured = list(map(swap.value, self.captured))
        other.parts = [swap(x) if isinstance(x, Segment) else swap.step(x) for x in self.parts]
        other.outputs = list(map(swap.value, self.outputs))
        other.gradients = {swap(leaf): swap.value(v) for leaf, v in self.gradients.items()}
        other.text = self.text.bound(swap)
        other.run = FunctionType(self.run.__code__, other.text.scope)
        return other

    def lines(self, trusting: bool = False) -> list[str]:
        """Return the lines that do all the parts, and leave the outputs in `leaving`.

        `trusting` that inputs lie in row order, which segments check, and do not copy.
        """
        text = self.text
        native, results = self.segments, self._results
        alone = self._alone(results)
        own = [value for value in self.captured if value in alone]
        lines = [line for value in own for line in captured(value, text)]
        lines += _same_nodes([v.holder for v in own if isinstance(v.holder, Tensor)], text)
        for segment in native:  # before anything is changed, and as it was found
            lines += [*_validated(segment, text), *_ready(segment, text)]
        trusted = {part.result for part in self.parts if isinstance(part, Draw)}
        trusted |= set(self.inputs) if trusting else set()
        pure = [*itertools.takewhile(_changes_nothing, self.parts)]
        computing = [line for part in pure for line in _part(part, text, trusted)]
        lines += computing if all(isinstance(p, Segment) for p in pure) else _tried(computing)
        for part in self.parts[len(pure) :]:
            lines += _part(part, text, trusted)
        leaving = _Results(self.parts, results)
        lines += [*self._handed(leaving), *self._left(leaving)]
        lines += [_returned(segment, text) for segment in native]
        return _without_unread(lines)

    def stages(self) -> tuple[Callable[[], Arena], Callable[[Arena], None]]:
        """Return what a program that is one segment does before and after its machine code runs.

        The first function returns the arena, or raises `Stale`; the second hands over gradients.
        """
        (segment,) = self.segments
        text, arena = self.text, _arena(segment, self.text)
        before = [*_validated(segment, text), *_ready(segment, text), f"return {arena}"]
        after = _written(segment, text) + self._handed(_Results(self.parts, self._results))
        after.append(_returned(segment, text))
        before_text = "\n    ".join(["def before():", *before])
        after_text = "\n    ".join([f"def after({arena}):", *after])
        return text.defined("before", before_text), text.defined("after", after_text)

    def gated(self, given: str, otherwise: str) -> list[str]:
        """Return the lines of a program that is one segment, behind a gate.

        It is `given` a tuple. `otherwise` is done where the gate is closed. The outputs are left
        in `leaving`.
        """
        (segment,) = self.segments
        text, arena = self.text, _arena(segment, self.text)
        leaving = _Results(self.parts, self._results)
        closed = [f"    {_returned(segment, text)}", f"    {otherwise}"]
        lines = [
            *_taken(segment, text),
            f"    {otherwise}",
            *([f"if {arena}.shares():", *closed] if segment.replaced else []),
            *[f"{arena}.renew()"] * bool(segment.given),
            *["ready()"] * segment.shares,
            f"status = gate({given}, {arena}.words, {arena}.table)",
            f"if status and status != {MARKED}:",
            *closed,
            *_written(segment, text),
            "if status:",
            *(f"    {line}" for line in self._handed(leaving) or ["pass"]),
            *self._left(leaving),
            _returned(segment, text),
        ]
        return _without_unread(lines)

    def lent(self) -> dict[Any, int]:
        """Return which of the results a leaf is lent, of a program that is one segment.

        At -1 it gets an array of its own, or None.
        """
        (segment,) = self.segments
        leaving, places = _Results(self.parts, self._results), segment.results
        return {
            leaf: places.index(value) if value and leaving.is_lent(value) else -1
            for leaf, value in self.gradients.items()
        }

    def words(self) -> list[Check] | None:
        """Return the checks of a program that is one segment; None if it needs Python's.

        What arrays it holds, and what gradients leaves have, is not among them.
        """
        if len(self.parts) != 1 or len(self.segments) != 1:
            return None
        (segment,) = self.segments
        inside = all(value in segment.results for value in self._results)
        if not inside:
            return None
        tensors = [v.holder for v in segment.captured if isinstance(v.holder, Tensor)]
        found = [same_node(tensor, self.text) for tensor in tensors]
        for step in segment.steps:
            known = as_it_was(step.valid, self.text) if isinstance(step, Host) else ()
            if known is None:
                return None
            found += known
        return found

    @property
    def segments(self) -> list[Segment]:
        """The parts that are machine code."""
        return [part for part in self.parts if isinstance(part, Segment)]

    @property
    def _results(self) -> list[Value]:
        return [*self.outputs, *(v for v in self.gradients.values() if v is not None)]

    def _handed(self, leaving: _Results) -> list[str]:
        """Write how leaves get their gradients."""
        text = self.text
        return [
            f"{text.named('leaf', leaf)}._grad = {leaving.gradient(gradient, text)}"
            for leaf, gradient in self.gradients.items()
        ]

    def _left(self, leaving: _Results) -> list[str]:
        """Write names for the outputs."""
        self.leaving = [f"y{i}" for i in range(len(self.outputs))]
        pairs = zip(self.leaving, self.outputs, strict=True)
        return [f"{name} = {leaving.own(value)}" for name, value in pairs]

    def _alone(self, results: Sequence[Value]) -> set[Value]:
        """Return the values that lines, not segments, need."""
        steps = (part for part in self.parts if not isinstance(part, Segment))
        read = {x for step in steps for x in step.reads}
        return read | {*results, *(x for segment in self.segments for x in segment.arrays)}


def _changes_nothing(part: Step | Segment) -> bool:
    steps = part.steps if isinstance(part, Segment) else [part]
    return not any(isinstance(step, COMMITS) for step in steps)


def _part(part: Step | Segment, text: Text, trusted: Collection[Value]) -> list[str]:
    return _segment(part, text, trusted) if isinstance(part, Segment) else statement(part, text)


def _tried(lines: Sequence[str]) -> list[str]:
    """Write that an error gives up the run: the function raises it where it is to be raised."""
    reason = "f'an operation raises {type(error).__name__}'"
    return [
        "try:",
        *(f"    {line}" for line in lines),
        "except Stale:",
        "    raise",
        "except Exception as error:",
        f"    raise Stale({reason}) from error",
    ]


def _arena(segment: Segment, text: Text) -> str:
    return text.named("a", segment)


def _validated(segment: Segment, text: Text) -> list[str]:
    """Write the checks that updates are still those that became machine code."""
    hosts = [step for step in segment.steps if isinstance(step, Host)]
    return [line for step in hosts for line in valid(step, text)]


def _without_unread(lines: Sequence[str]) -> list[str]:
    """Leave out names for results that no other line has."""
    counts = Counter(word for line in lines for word in re.findall(r"\w+", line))
    return [x for x in lines if ".views[" not in x or counts[x.partition(" = ")[0].strip()] > 1]


def _segment(segment: Segment, text: Text, trusted: Collection[Value]) -> list[str]:
    """Write the call of a segment: what others need of it is read in its arena."""
    arena = _arena(segment, text)
    given = [v.name if v in trusted else f"in_rows({v.name})" for v in segment.arrays]
    call = f"{text.named('native', segment.run)}({', '.join([*given, f'{arena}.table'])})"
    reasons = text.named("reasons", ["", *segment.reasons])
    lines = [f"status = {call}", "if status:", f"    raise Stale({reasons}[status])"]
    return lines + _written(segment, text)


def _ready(segment: Segment, text: Text) -> list[str]:
    """Write how a segment gets an arena that knows where everything is."""
    arena = _arena(segment, text)
    lines = _taken(segment, text)
    lines.append(f"    {arena} = {text.named('arena', segment.arena)}()")
    found = [place_of(value, text) for value in segment.captured]
    moved = [
        f"{array} is not {arena}.held[{i}]"
        for i, array in enumerate(found)
        if array.endswith("_value")
    ]
    nodes = [v.holder for v in segment.captured if isinstance(v.holder, Tensor)]
    lines += _same_nodes(nodes, text)
    if moved:
        lines += [f"if {' or '.join(moved)}:", f"    rebind({arena}, ({', '.join(found)},))"]
    lines += [f"{arena}.part()"] * bool(segment.replaced)
    lines += ["ready()"] * segment.shares
    return [*lines, f"{arena}.renew()"] if segment.given else lines


def _taken(segment: Segment, text: Text) -> list[str]:
    """Write how an arena is taken from the pool; what is done where none is left comes next."""
    # Another thread may take the last one between a look and a pop.
    take = f"{_arena(segment, text)} = {text.named('pool', segment.pool)}.pop()"
    return ["try:", f"    {take}", "except IndexError:"]


def _returned(segment: Segment, text: Text) -> str:
    return f"{text.named('pool', segment.pool)}.append({_arena(segment, text)})"


def _written(segment: Segment, text: Text) -> list[str]:
    """Write that parameters were written, and names for the results."""
    arena = _arena(segment, text)
    lines = [f"wrote_all({arena}.stamp, next(clock))"] if segment.written else []
    views = (f"{value.name} = {arena}.views[{i}]" for i, value in enumerate(segment.results))
    return [*lines, *views]


def _same_nodes(tensors: Sequence[Tensor], text: Text) -> list[str]:
    """Write the check that leaves are the same: that none was frozen or thawed."""
    tests = [same_node(tensor, text).text.replace(" is ", " is not ") for tensor in tensors]
    reason = "a captured tensor was converted, frozen or thawed"
    lasting = f"    raise Stale({reason!r}, lasting=True)"
    return [f"if {' or '.join(tests)}:", lasting] if tests else []


class _Results:
    """Where results are, and how they leave a run."""

    def __init__(self, parts: Sequence[Step | Segment], results: Sequence[Value]) -> None:
        self.results = results
        self.made = {step.result for step in parts if isinstance(step, Apply | Draw)}
        self.lends = not any(isinstance(part, Guard) for part in parts)
        segments = [part for part in parts if isinstance(part, Segment)]
        self.segment_of = {value: segment for segment in segments for value in segment.results}

    def own(self, value: Value) -> str:
        """Return the text of an array of which nobody else can see the memory."""
        segment = self.segment_of.get(value)
        if segment is not None and value in segment.given:
            return value.name  # the next run takes another array, if this one is still needed
        private = value in self.made and self._leaves_once(value)
        return f"own({value.name})" if private else f"{value.name}.copy()"

    def gradient(self, value: Value | None, text: Text) -> str:
        """Return the text of a leaf's gradient: lent, if it lies in an arena."""
        if value is None:
            return "None"
        if not self.is_lent(value):
            return self.own(value)
        lender = self.segment_of[value]
        return f"{_arena(lender, text)}.lent[{lender.results.index(value)}]"

    def is_lent(self, value: Value) -> bool:
        """Whether a leaf's gradient stays in an arena."""
        # After a guard that fails, the old gradient may still be needed.
        return value in self.segment_of and self.lends and self._leaves_once(value)

    def _leaves_once(self, value: Value) -> bool:
        return self.results.count(value) == 1
