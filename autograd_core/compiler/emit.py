"""Emission: the steps of a program as the text of one Python function.

The text is what runs. Every operation is a call of its forward function on arrays; a compiler of
its parts to machine code can take their place without a change around it.

    def run(x0, x1):
        c2 = holder2._value
        v4 = op0(x0, c2)
        ...
        return v9, (v7, v8)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..guard import wrote
from ..tape import clock
from ..tensor import Tensor
from .compare import alike
from .native import FLOATS, SHORTEST, VIEWS, Segment, lowers
from .record import Apply, Draw, Finite, Guard, Host, Overwrite, Step, Update, Value

__all__ = ["Stale", "emit"]


class Stale(Exception):  # noqa: N818
    """What was recorded does not hold for this call; nothing has been changed.

    `lasting` says whether it will not hold for the calls to come either.
    """

    def __init__(self, reason: str, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


def lent(pool: list[np.ndarray], size: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Return a workspace that no other thread uses; who has used it puts it into the pool."""
    try:
        return pool.pop()
    except IndexError:
        return np.empty(size, dtype)


class _Text:
    """The lines of the function, and the objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            "Stale": Stale,
            "alike": alike,
            "clock": clock,
            "empty": np.empty,
            "isfinite": math.isfinite,
            "lent": lent,
            "vdot": np.vdot,
            "wrote": wrote,
        }
        self._names: dict[tuple[str, int], str] = {}

    def named(self, kind: str, thing: Any) -> str:
        """Return the name of an object from outside; the same object has one name."""
        key = kind, id(thing)
        if key not in self._names:
            self._names[key] = f"{kind}{len(self._names)}"
            self.scope[self._names[key]] = thing
        return self._names[key]

    def operand(self, x: Any) -> str:
        """Return the text of a value or number."""
        if isinstance(x, Value):
            return x.name
        plain = type(x) in (int, bool) or (type(x) is float and math.isfinite(x))
        return repr(x) if plain else self.named("number", x)


def emit(
    inputs: Sequence[Value],
    captured: Sequence[Value],
    steps: Sequence[Step],
    results: Sequence[Value],
    native: bool = True,
) -> tuple[str, Callable[..., Any], list[Segment]]:
    """Return the text of the function of the inputs that does the steps, it, and its segments."""
    text = _Text()
    for value in captured:
        text.lines += _captured(value, text)
    parts = segmented(steps, set(results)) if native else list(steps)
    for part in parts:
        text.lines += _segment(part, text) if isinstance(part, Segment) else _step(part, text)
    returned = "".join(f"{value.name}, " for value in results)
    text.lines.append(f"return ({returned})")
    header = f"def run({', '.join(value.name for value in inputs)}):"
    source = "\n    ".join([header, *text.lines]) + "\n"
    scope = text.scope
    exec(source, scope)
    return source, scope["run"], [part for part in parts if isinstance(part, Segment)]


def segmented(steps: Sequence[Step], results: set[Value]) -> list[Step | Segment]:
    """Return the steps with those that can run natively gathered in segments."""
    parts: list[Step | Segment] = []
    position = 0
    while position < len(steps):
        run = _native_run(steps, position)
        if len(run) >= SHORTEST and any(step.op.name not in VIEWS for step in run):
            rest = [*steps[:position], *steps[position + len(run) :]]
            needed = results | {x for step in rest for x in step.reads}
            parts.append(Segment(run, needed, _float_type(run[0])))
        else:
            run = run or [steps[position]]  # type: ignore[list-item]
            parts += run
        position += len(run)
    return parts


def _native_run(steps: Sequence[Step], start: int) -> list[Apply]:
    """Return the steps from `start` on that one segment can take."""
    first = steps[start]
    dtype = _float_type(first) if isinstance(first, Apply) else ""
    run: list[Apply] = []
    for step in steps[start:] if dtype else ():
        if not isinstance(step, Apply) or not lowers(step, dtype):
            break
        run.append(step)
    return run


def _float_type(step: Apply) -> str:
    """Return the float type in which a step could work natively, or nothing."""
    values = (*step.reads, step.result)
    return next((v.dtype.name for v in values if v.dtype.name in FLOATS), "")


def _segment(segment: Segment, text: _Text) -> list[str]:
    """Write the call of a segment: its results are new arrays, its workspace is lent."""
    function = text.named("native", segment.compile())
    pool = text.named("pool", [])
    lines = [
        f"{v.name} = empty({v.shape}, {text.named('dtype', v.dtype)})" for v in segment.writes
    ]
    size, dtype = max(segment.size, 1), text.named("dtype", np.dtype(segment.dtype))
    lines.append(f"work = lent({pool}, {size}, {dtype})")
    given = [f"{value.name}.ravel()" for value in segment.reads]
    given += [f"{value.name}.reshape(-1)" for value in segment.writes]
    lines.append(f"{function}({', '.join([*given, 'work'])})")
    lines.append(f"{pool}.append(work)")
    return lines


def _step(step: Step, text: _Text) -> list[str]:
    return WRITERS[type(step)](step, text)


def _captured(value: Value, text: _Text) -> list[str]:
    """Write how a captured array is found; a segment would not notice another shape or dtype."""
    name, shape, dtype = value.name, value.shape, text.named("dtype", value.dtype)
    reason = f"a captured array of shape {shape} has another shape or dtype now"
    return [
        f"{name} = {_found(value, text)}",
        f"if {name}.shape != {shape} or {name}.dtype != {dtype}:",
        f"    raise Stale({reason!r}, lasting=True)",
    ]


def _found(value: Value, text: _Text) -> str:
    """Return where a captured array is found."""
    holder = value.holder
    if isinstance(holder, np.ndarray):
        return text.named("array", holder)
    name = text.named("holder", holder)
    return f"{name}._value" if isinstance(holder, Tensor) else f"{name}.grad"


def _apply(step: Apply, text: _Text) -> list[str]:
    operands = [text.operand(x) for x in step.parts]
    options = [f"{name}={text.operand(x)}" for name, x in step.attributes.items()]
    function = text.named(f"{step.op.name}_", step.op.compute)
    call = f"{function}({', '.join([*operands, *options])})"
    return [f"{step.result.name} = {call}"]


def _draw(step: Draw, text: _Text) -> list[str]:
    result, draw = step.result, text.named("draw", step.rng.random)
    return [f"{result.name} = {draw}({result.shape}, {text.named('dtype', result.dtype)})"]


def _guard(step: Guard, text: _Text) -> list[str]:
    seen = text.named("seen", step.content)
    reason = f"what the host read at {step.line} is another value now"
    return [f"if not alike({step.parts[0].name}, {seen}):", f"    raise Stale({reason!r})"]


def _finite(step: Finite, text: _Text) -> list[str]:
    names = [value.name for value in step.parts]
    tests = " and ".join(f"isfinite(vdot({name}, {name}))" for name in names) or "True"
    return [f"if not ({tests}):", f"    raise Stale('a gradient at {step.line} is not finite')"]


def _host(step: Host, text: _Text) -> list[str]:
    valid, function = text.named("valid", step.valid), text.named("numbers", step.function)
    reason = f"the update at {step.line} is another one now"
    return [
        f"if not {valid}():",
        f"    raise Stale({reason!r}, lasting=True)",
        f"{_numbers(step, text)} = {function}()",
    ]


def _numbers(step: Host, text: _Text) -> str:
    return text.named("of_step", step)


def _update(step: Update, text: _Text) -> list[str]:
    operands = ", ".join(text.operand(x) for x in step.parts)
    if step.source is None:
        numbers = text.named("options", step.attributes)
    else:
        numbers = f"{_numbers(step.source[0], text)}[{step.source[1]}]"
    marks = [f"wrote({step.parts[i].name}, next(clock))" for i in step.written]
    return [f"{text.named('update', step.function)}({operands}, **{numbers})", *marks]


def _overwrite(step: Overwrite, text: _Text) -> list[str]:
    return [f"{text.named('tensor', step.tensor)}.assign({step.parts[0].name})"]


WRITERS: dict[type[Step], Callable[[Any, _Text], list[str]]] = {
    Apply: _apply,
    Draw: _draw,
    Guard: _guard,
    Finite: _finite,
    Host: _host,
    Update: _update,
    Overwrite: _overwrite,
}
