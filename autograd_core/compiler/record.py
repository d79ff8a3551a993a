"""Recording: all that one ordinary call computes and changes, as a list of steps.

While a `Trace` listens, every application of an op on tensors is told to it, with what the host
reads (``bool(x)``, ``x.numpy()``), what is collected in ``grad`` and what is overwritten. Arrays
are known by identity: one that no step has made is an input, or *captured* from outside. What a
program could not repeat is a *refusal*, in words.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..declare import OPS
from ..errors import line_of
from ..modes import no_grad
from ..tape import OURS
from ..tensor import Tensor, wrap

__all__ = [
    "Apply",
    "Collect",
    "Guard",
    "Host",
    "Overwrite",
    "Step",
    "Trace",
    "Update",
    "Value",
    "reads",
]

LARGEST_GUARD = 4096  # elements of an array that the host may read


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program.

    `holder` is where a captured one is found: the tensor that has it, the array itself, or the
    leaf whose gradient it is. `place` is the position of an input, or -1.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    holder: Any = None
    place: int = -1

    @property
    def name(self) -> str:
        """A name for printing: x0 is an input, c1 captured, v2 computed."""
        letter = "x" if self.place >= 0 else "v" if self.holder is None else "c"
        return f"{letter}{self.index}"


@dataclass(eq=False, slots=True)
class Step:
    """What happened, and the user's line."""

    line: str = field(init=False, default="")


@dataclass(eq=False, slots=True)
class Apply(Step):
    """An op was applied. Operands are values, or numbers."""

    op: Any
    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    result: Value


@dataclass(eq=False, slots=True)
class Guard(Step):
    """The host has read a value; the steps that follow hold for this content only."""

    value: Value
    content: np.ndarray


@dataclass(eq=False, slots=True)
class Finite(Step):
    """Gradients were finite; where they are not, zeros win over infinities in another sweep."""

    values: tuple[Value, ...]


@dataclass(eq=False, slots=True)
class Host(Step):
    """Numbers were computed by the host, and have to be at every call."""

    function: Callable[[], Sequence[Mapping[str, float]]]
    valid: Callable[[], bool]


@dataclass(eq=False, slots=True)
class Update(Step):
    """Captured arrays were overwritten by an update op, with numbers from a `Host` if `source`."""

    function: Callable[..., None]
    operands: tuple[Value, ...]
    attributes: dict[str, Any]
    written: tuple[int, ...]
    source: tuple[Host, int] | None


@dataclass(eq=False, slots=True)
class Collect(Step):
    """A leaf's gradient became a value, or nothing."""

    leaf: Any
    value: Value | None


@dataclass(eq=False, slots=True)
class Overwrite(Step):
    """A tensor was assigned a value."""

    tensor: Tensor
    value: Value


class Trace:
    """What one call did, told step by step."""

    def __init__(self, inputs: Sequence[np.ndarray]) -> None:
        self.steps: list[Step] = []
        self.values: list[Value] = []
        self.refusal: str | None = None
        self._known: dict[int, Value] = {}
        self._alive: list[Any] = []  # ids stay theirs
        self._pending: deque[tuple[Host, int, Mapping[str, float]]] = deque()
        self._plain: set[int] = set()
        self.inputs = [self._new(array, place=i) for i, array in enumerate(inputs)]

    # ------------------------------------------------------------------------------ values

    def _new(self, array: np.ndarray, holder: Any = None, place: int = -1) -> Value:
        value = Value(len(self.values), array.shape, array.dtype, holder, place)
        self.values.append(value)
        self._known[id(array)] = value
        self._alive.append(array)
        return value

    def value(self, array: np.ndarray, holder: Any = None) -> Value:
        """Return the value that an array is; one that no step has made is captured."""
        known = self._known.get(id(array))
        return self._new(array, array if holder is None else holder) if known is None else known

    def _operand(self, operand: Any) -> Any:
        if isinstance(operand, Tensor):
            return self.value(operand._value, operand)
        return self.value(operand) if isinstance(operand, np.ndarray) else operand

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Note that `copy` is a copy of `array`."""
        if id(array) in self._known:
            self._known[id(copy)] = self._known[id(array)]
            self._alive.append(copy)

    def close(self) -> None:
        """Let go of the arrays: nothing more will be told."""
        self._known, self._alive = {}, []

    def knows(self, array: np.ndarray) -> bool:
        """Whether a step has made, or read, the array."""
        return id(array) in self._known

    def plain(self, tensor: Tensor) -> Tensor:
        """Note that a tensor stands for an array, which it is where nothing is traced."""
        self._plain.add(id(tensor._value))
        self._alive.append(tensor._value)
        return tensor

    def is_plain(self, array: np.ndarray) -> bool:
        """Whether a tensor of this value is an array where nothing is traced."""
        return id(array) in self._plain

    # ------------------------------------------------------------------------------- steps

    def _add(self, step: Step) -> None:
        step.line = _line()
        self.steps.append(step)

    def refuse(self, reason: str) -> None:
        """Note why no program can repeat this; the first reason counts."""
        if self.refusal is None:
            self.refusal = f"{reason} ({_line()})"

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op to these operands' arrays, and notes it."""

        def applied(*arrays: Any, **attributes: Any) -> np.ndarray:
            out: np.ndarray = op.compute(*arrays, **attributes)
            if not self.knows(out):  # else the op returned an operand as it is
                pairs = zip(operands, arrays, strict=True)
                given = tuple(self._operand(x if isinstance(x, Tensor) else a) for x, a in pairs)
                self._add(Apply(op, given, attributes, self._new(out)))
            return out

        return applied

    def read(self, array: np.ndarray) -> None:
        """Note that the host looks at an array."""
        if array.size > LARGEST_GUARD:
            self.refuse(f"the host reads an array of {array.size} elements")
        else:
            self._add(Guard(self.value(array), array.copy()))

    def finite(self, arrays: Sequence[np.ndarray], holds: bool) -> None:
        """Note that gradients were found finite, or not."""
        if holds:
            self._add(Finite(tuple(map(self.value, arrays))))
        else:
            self.refuse("a gradient is not finite")

    def host(
        self,
        function: Callable[[], Sequence[Mapping[str, float]]],
        valid: Callable[[], bool],
        numbers: Sequence[Mapping[str, float]],
    ) -> None:
        """Note numbers that the host computes anew at every call, for the updates to come."""
        step = Host(function, valid)
        self._add(step)
        self._pending.extend((step, i, chosen) for i, chosen in enumerate(numbers))

    def update(
        self,
        function: Callable[..., None],
        values: Sequence[Any],
        attributes: dict[str, Any],
        written: tuple[int, ...],
    ) -> None:
        """Note an update op."""
        source = None
        if self._pending and self._pending[0][2] == attributes:
            host, i, _ = self._pending.popleft()
            source = host, i
        operands = tuple(map(self._operand, values))
        self._add(Update(function, operands, attributes, written, source))

    def assigned(self, tensor: Tensor, value: np.ndarray) -> None:
        """Note that a tensor is overwritten."""
        self.value(tensor._value, tensor)
        self._add(Overwrite(tensor, self.value(value)))

    # --------------------------------------------------------------------------- gradients

    def gradient(self, leaf: Any) -> None:
        """Note that anybody may look at, or into, a leaf's gradient."""
        if leaf.grad is not None:
            self.refuse("host code has hold of a gradient")

    def set_gradient(self, leaf: Any, value: np.ndarray | None) -> None:
        """Note that a gradient was set, or forgotten."""
        if value is not None:
            self.same(leaf.grad, value)
            self.value(leaf.grad)
        self._add(Collect(leaf, None if value is None else self.value(leaf.grad)))

    def collected(self, leaf: Any, ct: np.ndarray) -> np.ndarray:
        """Return a leaf's gradient with a cotangent added, by an op."""
        if leaf.grad is not None:
            self.value(leaf.grad, leaf)
            with no_grad():
                ct = OPS["add"](wrap(leaf.grad, None), wrap(ct, None))._value
        self._add(Collect(leaf, self.value(ct)))
        return ct

    def __str__(self) -> str:
        return "\n".join(map(_text, self.steps)) or "nothing"


def reads(step: Step) -> Sequence[Value]:
    """Return the values that a step needs."""
    if isinstance(step, Apply):
        return [x for x in step.operands if isinstance(x, Value)]
    if isinstance(step, Update):
        return step.operands
    if isinstance(step, Finite):
        return step.values
    return (step.value,) if isinstance(step, Guard | Overwrite) else ()


def _text(step: Step) -> str:
    if isinstance(step, Apply):
        given = ", ".join(_brief(x) for x in step.operands)
        options = "".join(f", {name}={value!r:.40}" for name, value in step.attributes.items())
        result = step.result
        text = f"{result.name} = {step.op.name}({given}{options})  {result.dtype}{result.shape}"
    elif isinstance(step, Update):
        text = f"update({', '.join(map(_brief, step.operands))})"
    elif isinstance(step, Collect):
        text = f"grad = {_brief(step.value)}"
    elif isinstance(step, Overwrite):
        text = f"assign {_brief(step.value)}"
    elif isinstance(step, Guard):
        text = f"guard {step.value.name} == {step.content!r:.40}"
    elif isinstance(step, Finite):
        text = f"finite({', '.join(map(_brief, step.values))})"
    else:
        text = "numbers from the host"
    return f"{text:<64}  # {step.line}"


def _brief(x: Any) -> str:
    return x.name if isinstance(x, Value) else repr(x)


def _line() -> str:
    """Return the user's line that is being executed."""
    frame: Any = sys._getframe(1)
    ours = (*OURS, "autograd_core.compiler")
    while frame.f_back is not None and frame.f_globals.get("__package__") in ours:
        frame = frame.f_back
    return line_of(frame.f_code, frame.f_lasti)
