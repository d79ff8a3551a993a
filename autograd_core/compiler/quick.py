"""The quick way: one function from the arguments of a call to its result.

It takes the calls that are exactly like the last one: the same containers, with arrays, tensors
and floats where they were, and everything else equal. It returns `MISS` for all others, with
nothing changed: such a call goes the ordinary way, through `Compiled`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..modes import current, known
from ..tensor import Tensor, wrap
from .draws import put_back, states
from .emit import Emission
from .environment import FAILING, Surroundings
from .gate import gate
from .native import Segment
from .record import Value
from .recorded import is_array
from .watch import watched
from .words import Check

__all__ = ["MISS", "Quick", "quick"]

Quick = Callable[[tuple[Any, ...], dict[str, Any]], Any]

MISS = object()


def quick(kind: Any, args: Any, kwargs: Any, around: Surroundings) -> Quick | None:
    """Return the function of a call's arguments; None if they cannot be told fast.

    Parameters
    ----------
    kind : Kind
        Its program consists of segments. Its `runs` are counted, up to `limit`.
    args, kwargs
        Arguments as of the calls to come.
    around : Surroundings
        Which have to be what they are now.
    """
    emission, recording = kind.program.emission, kind.recording
    text = emission.text
    text.scope |= {
        "MISS": MISS,
        "acquire": kind.lock.acquire,
        "array": np.array,
        "current": current,
        "gate": gate(),
        "kind": kind,
        "known": known,
        "release": kind.lock.release,
        "put_back": put_back,
        "states": states,
        "unchanged": around.test(),
        "wrap": wrap,
    }
    unpacking = _Unpacking(emission, kind.floats)
    if not unpacking.enter(args, "args") or not unpacking.enter(kwargs, "kwargs"):
        return None
    numbers = [
        f"{v.name} = array({v.formula}, {text.named('dtype', v.dtype)})" for v in recording.numbers
    ]
    watch, checks = None, emission.words()
    if checks is not None and not kwargs:
        checks += around.checks(functools.partial(text.named, "o"))
        watch = watched(kind, args, checks)
    text.scope["watch"] = watch
    lines = [*numbers, *emission.lines(trusting=True)]
    result = recording.text(emission.leaving, text.named)
    checked = _checked(kind, unpacking.lines, lines, watch is not None, result)
    found: Quick = text.defined("checked", "\n    ".join(["def checked(args, kwargs):", *checked]))
    if watch is None or checks is None:
        return found
    gated = _gated(kind, len(args), numbers, result, checks)
    found = text.defined("quick", "\n    ".join(["def quick(args, kwargs):", *gated]))
    return found


def _checked(
    kind: Any, unpacking: Sequence[str], lines: Sequence[str], watches: bool, result: str
) -> list[str]:
    """Write the way on which Python asks, and certifies for the gate what it has found."""
    emission, bare = kind.program.emission, kind.recording.trace.bare
    text = emission.text
    seen = []
    if watches:
        seen = ["seen = watch.seen()"]
        certify = f"watch.certify({text.named('a', emission.segments[0])}, seen)"
        lines = [*lines[:-1], certify, lines[-1]]  # before the arena is given back
    return [
        *unpacking,
        "tape = current()",
        *_miss(f"not ({_usual(text)})"),
        *seen,
        *_miss("not unchanged()"),
        *(line for leaf, is_bare in bare.items() for line in _bare(leaf, is_bare, text)),
        "runs = kind.runs + 1",
        *_miss("runs >= kind.limit"),
        *_alone(lines, kind, text),
        "kind.runs = runs",
        f"return {result}",
    ]


def _gated(
    kind: Any, count: int, numbers: Sequence[str], result: str, checks: Sequence[Check]
) -> list[str]:
    """Write the way of a call that is so much like the last one that words can tell."""
    text, otherwise = kind.program.emission.text, "return checked(args, kwargs)"
    given = ", ".join(["*args", *(v.name for v in kind.recording.numbers)])
    lines = kind.program.emission.gated(f"({given})" if numbers else "args", otherwise)
    usual = f"tape is {text.named('tape', current())}"
    asked = " and ".join(check.text for check in checks if check.words is None)
    asking = ["try:", f"    if not ({asked}):", f"        {otherwise}"]
    asking += [f"except {FAILING}:", f"    {otherwise}"]
    return [
        "tape = known(None)",
        f"if kwargs or not ({usual} or tape is not None and {_usual(text)}):",
        f"    {otherwise}",
        *(asking if asked else []),
        *(_floats(kind.floats, count, otherwise) if kind.floats else []),
        *numbers,
        "runs = kind.runs + 1",
        *_miss("runs >= kind.limit"),
        *(lines if kind.program.is_pure else _locked(lines)),
        "kind.runs = runs",
        f"return {result}",
    ]


def _floats(places: Sequence[int], count: int, otherwise: str) -> list[str]:
    """Write names for the arguments that are floats."""
    others = [f"args[{i}].__class__ is not float" for i in places]
    lines = [f"if len(args) != {count} or {' or '.join(others)}:", f"    {otherwise}"]
    return [*lines, *(f"n{i} = args[{i}]" for i in places)]


def _alone(lines: Sequence[str], kind: Any, text: Any) -> list[str]:
    """Write the run; one that changes something is alone in it, as recordings are."""
    before, after = [], []
    if kind.program.random:
        sources = text.named("random", kind.program.random)
        before, after = [f"before = states({sources})"], [f"    put_back({sources}, before)"]
    run = [*before, "try:", *(f"    {line}" for line in lines)]
    run += ["except Stale:", *after, "    return MISS"]
    return run if kind.program.is_pure else _locked(run)


def _locked(lines: Sequence[str]) -> list[str]:
    """Write lines that one thread does at a time; ``with`` would take twice as long."""
    return ["acquire()", "try:", *(f"    {line}" for line in lines), "finally:", "    release()"]


def _usual(text: Any) -> str:
    """Write the test that the modes are what they are now."""
    rules = f"tape.rules is {text.named('rules', current().rules)}"
    return f"tape.trace is None and tape.recording is {current().recording} and {rules}"


def _miss(condition: str) -> list[str]:
    return [f"if {condition}:", "    return MISS"]


def _bare(leaf: Any, bare: bool, text: Any) -> list[str]:
    """Write the check that a leaf has a gradient from before, or none."""
    return _miss(f"{text.named('leaf', leaf)}._grad is {'not ' if bare else ''}None")


class _Unpacking:
    """The lines that take containers apart and check what is in them."""

    def __init__(self, emission: Emission, floats: tuple[int, ...]) -> None:
        self.text = emission.text
        self.lines: list[str] = []
        self._floats = floats
        self._position = itertools.count()
        self._names = itertools.count()
        self._inputs: Iterator[Value] = iter(emission.inputs)
        segments = [part for part in emission.parts if isinstance(part, Segment)]
        self._checked = {value for segment in segments for value in segment.arrays}

    def enter(self, x: Any, name: str) -> bool:
        """Write the lines for what is called `name` and was `x`; False if there are none."""
        if isinstance(x, dict | tuple | list):
            return self._container(x, name)
        position = next(self._position)
        if is_array(x):
            self._array(x, name)
        elif position in self._floats:
            self.lines += [f"n{position} = {name}", *_miss(f"{name}.__class__ is not float")]
        else:
            return self._constant(x, name)
        return True

    def _container(self, x: Any, name: str) -> bool:
        kind = self.text.named("kind", type(x))
        if name not in ("args", "kwargs"):
            self.lines += _miss(f"{name}.__class__ is not {kind}")
        if not x:
            self.lines += _miss(name)
            return True
        if isinstance(x, dict):
            if not all(type(key) is str for key in x):
                return False
            self.lines += _miss(f"tuple({name}) != {tuple(x)!r}")
            source, parts = f"{name}.values()", list(x.values())
        else:
            self.lines += _miss(f"len({name}) != {len(x)}")
            source, parts = name, list(x)
        names = [f"p{next(self._names)}" for _ in parts]
        self.lines.append(f"({''.join(f'{part}, ' for part in names)}) = {source}")
        return all(map(self.enter, parts, names))

    def _constant(self, x: Any, name: str) -> bool:
        """Check that an argument which the kind depends on is the same."""
        if type(x) is float and (x == 0.0 or not math.isfinite(x)):
            return False  # its equals need not be the same
        thing, kind = self.text.named("constant", x), self.text.named("kind", type(x))
        if type(x) in (int, float, bool, str):
            self.lines += _miss(f"{name}.__class__ is not {kind} or {name} != {thing}")
        else:
            self.lines += _miss(f"{name} is not {thing}")
        return True

    def _array(self, x: Any, name: str) -> None:
        """Check an array; the segments that read it check lengths and strides."""
        value = next(self._inputs)
        own = value.name
        node = f" or {name}.node is not None" if isinstance(x, Tensor) else ""
        kind = self.text.named("kind", type(x))
        self.lines += _miss(f"{name}.__class__ is not {kind}{node}")
        if isinstance(x, Tensor):
            self.lines.append(f"{own} = {name}._value")
        else:
            self.lines.append(f"{own} = {name if isinstance(x, np.ndarray) else f'array({name})'}")
        checked = value in self._checked
        shape = f"{own}.ndim != {len(value.shape)}" if checked else f"{own}.shape != {value.shape}"
        dtype = self.text.named("dtype", value.dtype)
        self.lines += _miss(f"{own}.dtype is not {dtype} or {shape}")
