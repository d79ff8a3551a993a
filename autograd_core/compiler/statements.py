"""Statements: one step of a program as lines of Python, and the names that they use."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from ..guard import wrote, wrote_all
from ..kernels.team import ready
from ..tape import clock
from ..tensor import Tensor
from .compare import alike
from .record import Apply, Draw, Finite, Guard, Host, Overwrite, Step, Update, Value
from .running import Stale, in_rows, own, rebind
from .words import Check, attribute, entries, slot

__all__ = ["Text", "as_it_was", "captured", "place_of", "same_node", "statement", "valid"]


class Text:
    """The lines of the function, and the objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            "Stale": Stale,
            "alike": alike,
            "clock": clock,
            "in_rows": in_rows,
            "isfinite": math.isfinite,
            "own": own,
            "ready": ready,
            "rebind": rebind,
            "vdot": np.vdot,
            "wrote": wrote,
            "wrote_all": wrote_all,
        }
        self._names: dict[tuple[str, int], str] = {}

    def named(self, kind: str, thing: Any) -> str:
        """Return the name of an object from outside; the same object has one name."""
        key = kind, id(thing)
        if key not in self._names:
            word = re.sub(r"\W", "_", kind)  # an operation may be called <lambda>
            self._names[key] = f"{word}{len(self._names)}"
            self.scope[self._names[key]] = thing
        return self._names[key]

    def bound(self, swap: Callable[[Any], Any]) -> Text:
        """Return a text in which the names stand for other objects."""
        other = Text()
        for (kind, _), name in self._names.items():
            thing = swap(self.scope[name])
            other._names[kind, id(thing)] = name
            other.scope[name] = thing
        return other

    def defined(self, name: str, source: str) -> Any:
        """Return the function that a text defines, where names stand for these objects."""
        exec(_code(source), self.scope)
        return self.scope[name]

    def operand(self, x: Any) -> str:
        """Return the text of a value or number."""
        if isinstance(x, Value):
            return x.name
        plain = type(x) in (int, bool) or (type(x) is float and math.isfinite(x))
        return repr(x) if plain else self.named("number", x)


@functools.lru_cache(maxsize=256)  # models that are alike have the same texts
def _code(source: str) -> CodeType:
    return compile(source, "<program>", "exec", dont_inherit=True)


def statement(step: Step, text: Text) -> list[str]:
    """Return the lines of a step."""
    return WRITERS[type(step)](step, text)


def captured(value: Value, text: Text) -> list[str]:
    """Write how a captured array is found; of another shape it would mean another program."""
    name, shape, dtype = value.name, value.shape, text.named("dtype", value.dtype)
    reason = f"a captured array of shape {shape} has another shape, dtype or layout now"
    return [
        f"{name} = {place_of(value, text)}",
        f"if {name}.shape != {shape} or {name}.dtype != {dtype}:",
        f"    raise Stale({reason!r}, lasting=True)",
    ]


def place_of(value: Value, text: Text) -> str:
    """Return where a captured array is found."""
    holder = value.holder
    if isinstance(holder, np.ndarray):
        return text.named("array", holder)
    name = text.named("holder", holder)
    return f"{name}._value" if isinstance(holder, Tensor) else f"{name}.grad"


def _apply(step: Apply, text: Text) -> list[str]:
    operands = [text.operand(x) for x in step.parts]
    options = [f"{name}={text.operand(x)}" for name, x in step.attributes.items()]
    function = text.named(f"{step.op.name}_", step.op.compute)
    call = f"{function}({', '.join([*operands, *options])})"
    return [f"{step.result.name} = {call}"]


def _draw(step: Draw, text: Text) -> list[str]:
    result, draw = step.result, text.named("draw", step.rng.random)
    return [f"{result.name} = {draw}({result.shape}, {text.named('dtype', result.dtype)})"]


def _guard(step: Guard, text: Text) -> list[str]:
    seen = text.named("seen", step.content)
    reason = f"what the host read at {step.line} is another value now"
    return [f"if not alike({step.parts[0].name}, {seen}):", f"    raise Stale({reason!r})"]


def _finite(step: Finite, text: Text) -> list[str]:
    names = [value.name for value in step.parts]
    tests = " and ".join(f"isfinite(vdot({name}, {name}))" for name in names) or "True"
    return [f"if not ({tests}):", f"    raise Stale('a gradient at {step.line} is not finite')"]


def _host(step: Host, text: Text) -> list[str]:
    function = text.named("numbers", step.function)
    return [*valid(step, text), f"{_numbers(step, text)} = {function}()"]


def _numbers(step: Host, text: Text) -> str:
    return text.named("of_step", step)


def _update(step: Update, text: Text) -> list[str]:
    operands = ", ".join(text.operand(x) for x in step.parts)
    if step.source is None:
        numbers = text.named("options", step.attributes)
    else:
        numbers = f"{_numbers(step.source[0], text)}[{step.source[1]}]"
    marks = [f"wrote({step.parts[i].name}, next(clock))" for i in step.written]
    return [f"{text.named('update', step.function)}({operands}, **{numbers})", *marks]


def _overwrite(step: Overwrite, text: Text) -> list[str]:
    return [f"{text.named('tensor', step.tensor)}.assign({step.parts[1].name})"]


WRITERS: dict[type[Step], Callable[[Any, Text], list[str]]] = {
    Apply: _apply,
    Draw: _draw,
    Guard: _guard,
    Finite: _finite,
    Host: _host,
    Update: _update,
    Overwrite: _overwrite,
}


def valid(step: Host, text: Text) -> list[str]:
    """Return the check that an update is the one that was recorded."""
    reason = f"the update at {step.line} is another one now"
    tests = " and ".join(check.text for check in as_it_was(step.valid, text) or ())
    unless = f"not ({tests}) and " if tests else ""
    return [
        f"if {unless}not {text.named('valid', step.valid)}():",
        f"    raise Stale({reason!r}, lasting=True)",
    ]


def as_it_was(valid: Any, text: Text) -> list[Check] | None:
    """Return the tests that let most runs do without asking a witness; None if it has none."""
    if not hasattr(valid, "places"):
        return None
    groups, of_list = text.named("groups", valid.groups), entries(valid.groups, valid.entries)
    found = [Check(f"len({groups}) == {len(valid.entries)}", of_list)]
    for i, entry in enumerate(valid.entries):
        found.append(Check(f"{groups}[{i}] is {text.named('group', entry)}", of_list))
    for owner, name, value in valid.places:
        test = f"{text.named('owner', owner)}.{name} is {text.named('known', value)}"
        found.append(Check(test, attribute(owner, name, value)))
    return found


def same_node(tensor: Tensor, text: Text) -> Check:
    """Return the test that a tensor was not frozen or thawed."""
    node = "None" if tensor.node is None else text.named("node", tensor.node)
    word = slot(tensor, "node", tensor.node)
    return Check(f"{text.named('holder', tensor)}.node is {node}", word and (word,))
