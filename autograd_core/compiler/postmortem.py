"""Where a result stopped being finite: the steps of a program, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compare import content
from .draws import unused
from .record import Apply, Draw, Step, Value

__all__ = ["postmortem"]

FINE = "every result is finite"


def postmortem(
    steps: Sequence[Step], inputs: Sequence[Value], arrays: Sequence[np.ndarray]
) -> str:
    """Say which step first made NaN or infinity of finite operands."""
    known: dict[Value, Any] = dict(zip(inputs, arrays, strict=True))
    found = [
        f"{_called(value)}, shape {value.shape}, is not finite to begin with: {_first(array)}"
        for value, array in known.items()
        if not _is_finite(array)
    ]
    with np.errstate(all="ignore"):
        for step in steps:
            found += _outside(step, known)
            if isinstance(step, Draw):
                known[step.result] = unused(step)
            if isinstance(step, Apply):
                operands = [known[x] if isinstance(x, Value) else x for x in step.parts]
                known[step.result] = out = step.op.compute(*operands, **step.attributes)
                if not _is_finite(out) and all(map(_is_finite, operands)):
                    return "\n".join([*found, _finding(step, operands, out)])
    return "\n".join(found) or FINE


def _outside(step: Step, known: dict[Value, Any]) -> list[str]:
    """Look up what a step reads from outside; say which of it is not finite."""
    found = []
    for value in step.reads:
        if value in known or value.holder is None:
            continue
        known[value] = content(value)
        if not _is_finite(known[value]):
            what = f"a captured array, shape {value.shape}, read at {step.line}"
            found.append(f"{what}, is not finite to begin with: {_first(known[value])}")
    return found


def _called(value: Value) -> str:
    return f"the number {value.formula}" if value.formula else f"input {value.place}"


def _is_finite(x: Any) -> bool:
    array = np.asarray(x)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _first(array: Any) -> str:
    place = _place(array)
    return f"{np.asarray(array)[place]} at {_written(place)}"


def _place(array: Any) -> tuple[int, ...]:
    """Return the index of the first element that is not finite."""
    bad = ~np.isfinite(np.asarray(array))
    return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))


def _written(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]"


def _finding(step: Apply, operands: Sequence[Any], out: np.ndarray) -> str:
    place = _place(out)
    lines = [f"{step.name} at {step.line} makes {out[place]} at {_written(place)} of finite"]
    names = step.op.operands if not step.op.variadic else ()
    for i, operand in enumerate(operands):
        name = names[i] if i < len(names) else f"operand {i}"
        lines.append(f"  {name} = {_operand(step, operand, out, place)}")
    lines += [f"  {name} = {value!r:.60}" for name, value in step.attributes.items()]
    return "\n".join(lines)


def _operand(step: Apply, operand: Any, out: np.ndarray, place: tuple[int, ...]) -> str:
    """Return an operand's element; of an operation that is not elementwise, its range."""
    array = np.asarray(operand)
    if step.op.pointwise:
        return str(np.broadcast_to(array, out.shape)[place])
    if not array.size:
        return f"nothing, shape {array.shape}"
    return f"from {array.min()} to {array.max()}, shape {array.shape}"
