"""Recording: all that one ordinary call computes and changes, as a list of steps.

While a `Trace` listens, every application of an op on tensors is told to it, with what the host
reads (``bool(x)``, ``x.numpy()``), what is collected in ``grad`` and what is overwritten. Arrays
are known by identity: one that no step has made is an input, or *captured* from outside. What a
program could not repeat is a *refusal*, in words.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from ..declare import OPS
from ..errors import OURS, line_of
from ..modes import no_grad
from ..tensor import Tensor, wrap
from ..update import BoundRecipe

__all__ = [
    "Apply",
    "Collect",
    "Draw",
    "Guard",
    "Host",
    "Overwrite",
    "Step",
    "Trace",
    "Update",
    "Value",
]

LARGEST_GUARD = 4096  # elements of an array that the host may read


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program.

    `holder` is where a captured one is found: the tensor that has it, the array itself, or the
    leaf whose gradient it is. `place` is the position of an input, or -1. `view` says of a
    computed one whether it may look at an operand's memory.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    holder: Any = None
    place: int = -1
    view: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """A name for printing: x0 is an input, c1 captured, v2 computed."""
        letter = "x" if self.place >= 0 else "v" if self.holder is None else "c"
        return f"{letter}{self.index}"


class Step:
    """What happened, and where the user was.

    A step works on `parts`, values and numbers; what of it is `fixed`, by the word for it, is the
    same at every run.
    """

    __slots__ = ("_place",)

    parts: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self._place = _user()

    @property
    def line(self) -> str:
        """The user's line."""
        return line_of(*self._place)

    @property
    def name(self) -> str:
        """What a message calls it."""
        return type(self).__name__.lower()

    @property
    def fixed(self) -> dict[str, Any]:
        """What is the same at every run."""
        return {}

    @property
    def reads(self) -> list[Value]:
        """The values that it needs."""
        return [x for x in self.parts if isinstance(x, Value)]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(_brief, self.parts))})"


class Apply(Step):
    """An op was applied."""

    def __init__(
        self, op: Any, parts: tuple[Any, ...], attributes: dict[str, Any], result: Value
    ) -> None:
        super().__init__()
        self.op = op
        self.parts = parts
        self.attributes = attributes
        self.result = result

    @property
    def name(self) -> str:
        """The op's."""
        return str(self.op.name)

    @property
    def fixed(self) -> dict[str, Any]:
        """The op and its options."""
        return {"operations": id(self.op), "options": self.attributes}

    def __str__(self) -> str:
        options = [f"{name}={value!r:.40}" for name, value in self.attributes.items()]
        given = ", ".join([*map(_brief, self.parts), *options])
        result = self.result
        return f"{result.name} = {self.name}({given})  {result.dtype}{result.shape}"


class Draw(Step):
    """Random numbers were drawn, of which every run draws the next ones."""

    def __init__(self, rng: np.random.Generator, result: Value) -> None:
        super().__init__()
        self.rng = rng
        self.result = result

    @property
    def fixed(self) -> dict[str, Any]:
        """The generator, and what is drawn."""
        result = self.result
        return {"generators": id(self.rng), "draws": (result.shape, result.dtype)}

    def __str__(self) -> str:
        return f"{self.result.name} = {self.name}()  {self.result.dtype}{self.result.shape}"


class Guard(Step):
    """The host has read a value; the steps that follow hold for this content only."""

    def __init__(self, value: Value, content: np.ndarray) -> None:
        super().__init__()
        self.parts = (value,)
        self.content = content

    def __str__(self) -> str:
        return f"{self.name} {self.parts[0].name} == {self.content!r:.40}"


class Finite(Step):
    """Gradients were finite; where they are not, zeros win over infinities in another sweep."""

    def __init__(self, values: tuple[Value, ...]) -> None:
        super().__init__()
        self.parts = values


class Host(Step):
    """Numbers were computed by the host, and have to be at every call."""

    def __init__(
        self,
        function: Callable[[], Sequence[Mapping[str, float]]],
        valid: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.function = function
        self.valid = valid


class Update(Step):
    """Captured arrays were overwritten by an update op, with numbers from a `Host` if `source`.

    `recipe` says how machine code does it, numbers and all; None where the host has to.
    """

    def __init__(
        self,
        function: Callable[..., None],
        values: tuple[Value, ...],
        attributes: dict[str, Any],
        written: tuple[int, ...],
        source: tuple[Host, int] | None,
        recipe: BoundRecipe | None = None,
    ) -> None:
        super().__init__()
        self.function = function
        self.parts = values
        self.attributes = attributes
        self.written = written
        self.source = source
        self.recipe = recipe

    @property
    def fixed(self) -> dict[str, Any]:
        """The numbers, unless the host computes them anew."""
        return {"numbers": self.attributes if self.source is None else None}


class Collect(Step):
    """A leaf's gradient became a value, or nothing."""

    def __init__(self, leaf: Any, value: Value | None) -> None:
        super().__init__()
        self.leaf = leaf
        self.parts = (value,)

    @property
    def fixed(self) -> dict[str, Any]:
        """The leaf."""
        return {"leaves": id(self.leaf)}


class Overwrite(Step):
    """A tensor was assigned a value."""

    def __init__(self, tensor: Tensor, value: Value) -> None:
        super().__init__()
        self.tensor = tensor
        self.parts = (value,)

    @property
    def fixed(self) -> dict[str, Any]:
        """The tensor."""
        return {"tensors": id(self.tensor)}


class Trace:
    """What one call did, told step by step."""

    def __init__(self, inputs: Sequence[np.ndarray]) -> None:
        self.steps: list[Step] = []
        self.values: list[Value] = []
        self.refusal: str | None = None
        self._known: dict[int, Value] = {}
        self._alive: list[Any] = []  # ids stay theirs
        self._pending: deque[tuple[Host, int, Mapping[str, float], BoundRecipe | None]] = deque()
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

    def refuse(self, reason: str) -> None:
        """Note why no program can repeat this; the first reason counts."""
        if self.refusal is None:
            self.refusal = f"{reason} ({line_of(*_user())})"

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op to these operands' arrays, and notes it."""

        def applied(*arrays: Any, **attributes: Any) -> np.ndarray:
            out: np.ndarray = op.compute(*arrays, **attributes)
            if not self.knows(out):  # else the op returned an operand as it is
                pairs = zip(operands, arrays, strict=True)
                given = tuple(self._operand(x if isinstance(x, Tensor) else a) for x, a in pairs)
                result = self._new(out)
                result.view = any(np.may_share_memory(out, array) for array in arrays)
                self.steps.append(Apply(op, given, attributes, result))
            return out

        return applied

    def drawn(self, rng: np.random.Generator, array: np.ndarray) -> None:
        """Note random numbers."""
        self.steps.append(Draw(rng, self._new(array)))

    def read(self, array: np.ndarray) -> None:
        """Note that the host looks at an array."""
        if array.size > LARGEST_GUARD:
            self.refuse(f"the host reads an array of {array.size} elements")
        else:
            self.steps.append(Guard(self.value(array), array.copy()))

    def finite(self, arrays: Sequence[np.ndarray], holds: bool) -> None:
        """Note that gradients were found finite, or not."""
        if holds:
            self.steps.append(Finite(tuple(map(self.value, arrays))))
        else:
            self.refuse("a gradient is not finite")

    def host(
        self,
        function: Callable[[], Sequence[Mapping[str, float]]],
        valid: Callable[[], bool],
        numbers: Sequence[Mapping[str, float]],
        recipes: Sequence[BoundRecipe | None],
    ) -> None:
        """Note numbers that the host computes anew at every call, for the updates to come."""
        step = Host(function, valid)
        self.steps.append(step)
        pairs = zip(numbers, recipes, strict=True)
        self._pending.extend((step, i, *pair) for i, pair in enumerate(pairs))

    def update(
        self,
        function: Callable[..., None],
        values: Sequence[Any],
        attributes: dict[str, Any],
        written: tuple[int, ...],
    ) -> None:
        """Note an update op."""
        source = recipe = None
        if self._pending and self._pending[0][2] == attributes:
            host, i, _, recipe = self._pending.popleft()
            source = host, i
        operands = tuple(map(self._operand, values))
        marked = tuple(i for i in written if isinstance(values[i], Tensor))
        self.steps.append(Update(function, operands, attributes, marked, source, recipe))

    def assigned(self, tensor: Tensor, value: np.ndarray) -> None:
        """Note that a tensor is overwritten."""
        self.value(tensor._value, tensor)
        self.steps.append(Overwrite(tensor, self.value(value)))

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
        self.steps.append(Collect(leaf, None if value is None else self.value(leaf.grad)))

    def collected(self, leaf: Any, ct: np.ndarray) -> np.ndarray:
        """Return a leaf's gradient with a cotangent added, by an op."""
        if leaf.grad is not None:
            self.value(leaf.grad, leaf)
            with no_grad():
                ct = OPS["add"](wrap(leaf.grad, None), wrap(ct, None))._value
        self.steps.append(Collect(leaf, self.value(ct)))
        return ct

    def __str__(self) -> str:
        return "\n".join(f"{step!s:<64}  # {step.line}" for step in self.steps) or "nothing"


def _brief(x: Any) -> str:
    return x.name if isinstance(x, Value) else repr(x)


def _user() -> tuple[CodeType, int]:
    """Return where the user is: the code and the instruction, of which `line_of` makes a line."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__package__") in OURS:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti
