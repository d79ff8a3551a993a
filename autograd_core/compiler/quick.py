"""The quick way: one function from the arguments of a call to its result.

It takes the calls that are exactly like the last one, arrays or tensors one by one, and returns
`MISS` for all others, with nothing changed: then the ordinary way is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..modes import current
from ..tensor import Tensor, wrap
from .emit import Emission
from .native import Segment
from .record import Value

__all__ = ["MISS", "Quick", "quick"]

Quick = Callable[[tuple[Any, ...]], Any]

MISS = object()


def quick(
    emission: Emission,
    leaves: Sequence[Any],
    kind: Any,
    unchanged: Callable[[], bool],
    recording: Any,
) -> Quick:
    """Return the function of a call's arguments, which are like `leaves`.

    Parameters
    ----------
    emission : Emission
        Whose parts are all segments.
    leaves : sequence
        Arguments as of the calls to come: tensors and arrays.
    kind : Kind
        Its `runs` are counted, up to `limit`.
    unchanged : callable
        Whether the surroundings are what they were.
    recording : Recording
        Knows what becomes of the outputs.
    """
    text = emission.text
    text.scope |= {
        "MISS": MISS,
        "Tensor": Tensor,
        "current": current,
        "kind": kind,
        "unchanged": unchanged,
        "wrap": wrap,
    }
    inputs = emission.inputs
    segments = [part for part in emission.parts if isinstance(part, Segment)]
    checked = {value for segment in segments for value in segment.arrays}
    arguments = [
        line
        for value, leaf in zip(inputs, leaves, strict=True)
        for line in _argument(value, leaf, value in checked, text)
    ]
    lines = emission.lines(trusting=True)
    result = recording.text(emission.leaving, text.named)
    head = [
        f"if len(arguments) != {len(inputs)}:",
        "    return MISS",
        f"({''.join(f'{value.name}, ' for value in inputs)}) = arguments",
        *arguments,
        "tape = current()",
        f"if tape.trace is not None or tape.recording is not {current().recording}:",
        "    return MISS",
        "if not unchanged():",
        "    return MISS",
        "runs = kind.runs + 1",
        "if runs >= kind.limit:",
        "    return MISS",
        "try:",
    ]
    tail = [
        "except Stale:",
        "    return MISS",
        "kind.runs = runs",
        f"return {result}",
    ]
    inside = [f"    {line}" for line in lines]
    exec("\n    ".join(["def quick(arguments):", *head, *inside, *tail]), text.scope)
    found: Quick = text.scope["quick"]
    return found


def _argument(value: Value, leaf: Any, checked: bool, text: Any) -> list[str]:
    """Write the checks of one argument; the segments that read it check lengths and strides."""
    name = value.name
    if isinstance(leaf, Tensor):
        kind = text.named("kind", type(leaf))
        lines = [
            f"if {name}.__class__ is not {kind} or {name}.node is not None:",
            "    return MISS",
            f"{name} = {name}._value",
        ]
    else:
        lines = [
            f"if {name}.__class__ is not {text.named('kind', type(leaf))}:",
            "    return MISS",
        ]
    dtype = text.named("dtype", value.dtype)
    shape = f"{name}.ndim != {len(value.shape)}" if checked else f"{name}.shape != {value.shape}"
    lines.append(f"if {name}.dtype is not {dtype} or {shape}:")
    return [*lines, "    return MISS"]
