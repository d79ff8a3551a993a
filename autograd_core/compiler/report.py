"""What `explain` says: for each kind of call what runs it, what was left out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .cost import flops
from .fuse import units
from .kind import Kind
from .native import Segment, moves
from .program import Program
from .reasons import Reason, advice, reason
from .record import Apply, Draw, Overwrite

__all__ = ["report"]

MOST_PLACES = 4  # of the user's lines that are named for a reason


def report(kinds: Mapping[tuple[Any, ...], Kind]) -> list[str]:
    """Return the lines about all kinds of call."""
    plural = "" if len(kinds) == 1 else "s"
    lines = [f"{len(kinds)} kind{plural} of call"]
    for (given, *_), kind in kinds.items():
        lines.append(f"  {', '.join(map(_in_words, given))}: {_summary(kind)}")
        if kind.program is not None:
            lines += [f"    {line}" for line in _details(kind.program)]
        elif advice(kind.reason):
            lines.append(f"    {advice(kind.reason)}")
    return lines


def _in_words(description: Any) -> str:
    what, value, *_ = description
    if what is float:
        return value or "a float"
    return f"{what}{value}" if isinstance(what, np.dtype) else f"{value!r:.40}"


def _summary(kind: Kind) -> str:
    left = "".join(f"; left {count}×: {reason}" for reason, count in kind.left.items())
    if kind.program is None:
        return f"no program: {kind.reason}{left}"
    times = "1 time" if kind.runs == 1 else f"{kind.runs} times"
    size = len(kind.program.steps)
    return f"a program of {size} step{'s' * (size != 1)}, run {times}{left}"


def _details(program: Program) -> list[str]:
    """Say what a program is made of."""
    lines = []
    if program.segments:
        lines.append(_machine_code(program))
    removed = [f"{count} {name}" for name, count in program.removed.items() if count]
    if removed:
        lines.append(f"left out of what was recorded: {', '.join(removed)}")
    drawn = sum(isinstance(step, Draw) for step in program.steps)
    if drawn:
        lines.append(f"drawn beforehand: {drawn} array{'s' * (drawn > 1)} of random numbers")
    assigned = sum(isinstance(step, Overwrite) for step in program.steps)
    if assigned:
        lines.append(f"assigned after all checks: {assigned} tensor{'s' * (assigned > 1)}")
    return lines + _by_themselves(program)


def _by_themselves(program: Program) -> list[str]:
    """Say which steps are no machine code, where the user wrote them, and why."""
    inside = {id(step) for segment in program.segments for step in segment.steps}
    places: dict[Reason, dict[str, list[str]]] = {}
    for step in program.steps:
        if id(step) not in inside and not isinstance(step, Draw):
            found = reason(step, program.held, program.native)
            places.setdefault(found, {}).setdefault(step.line, []).append(step.name)
    lines = []
    for (why, do), named in places.items():
        shown = [f"{_counted(names)} at {line}" for line, names in named.items()]
        more = len(shown) - MOST_PLACES
        if more > 0:
            shown[MOST_PLACES:] = [f"{more} other line{'s' * (more > 1)}"]
        lines.append(f"one by one, {why}: {', '.join(shown)}")
        lines += [f"  {do}"] * bool(do)
    return lines


def _machine_code(program: Program) -> str:
    """Say what machine code does, and in how much memory."""
    parts = len(program.segments)
    steps = [step for segment in program.segments for step in segment.steps]
    said = [f"{len(steps)} steps in {parts} native function{'s' * (parts > 1)}"]
    loops = [n for segment in program.segments for n in _loops(segment)]
    if loops:
        plural = "s" * (len(loops) > 1)
        said.append(f"{sum(loops)} of them fused in {len(loops)} loop{plural}")
    said.append(f"memory {_scaled(program.memory, 'B')}")
    work = sum(map(flops, program.steps))
    if work:
        said.append(f"{_scaled(work, 'flop')} in matrix products")
    skips = sum(segment.skips for segment in program.segments)
    if skips:
        said.append(f"zeros left out of {skips} product{'s' * (skips > 1)} where they are many")
    return ", ".join(said)


def _loops(segment: Segment) -> list[int]:
    """Return how many elementwise steps each loop has."""
    counts = (
        sum(isinstance(step, Apply) and step.op.pointwise for step in unit)
        for unit in units(segment.steps, moves)
    )
    return [count for count in counts if count]


def _scaled(count: int, unit: str) -> str:
    for letter, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {letter}{unit}"
    return f"{count} {unit}"


def _counted(names: Sequence[str]) -> str:
    counts = Counter(names).items()
    return ", ".join(name if count == 1 else f"{name} ({count}×)" for name, count in counts)
