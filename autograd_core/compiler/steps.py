"""The steps that a recording consists of, and the values that they work on."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from ..errors import OURS, line_of
from ..tensor import Tensor
from ..update import BoundRecipe

__all__ = [
    "Apply",
    "Collect",
    "Draw",
    "Finite",
    "Guard",
    "Host",
    "Overwrite",
    "Step",
    "Update",
    "Value",
    "changed",
    "user",
]

S = TypeVar("S", bound="Step")


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program.

    `holder` is where a captured one is found: the tensor that has it, the array itself, or the
    leaf whose gradient it is. `place` is the position of an input, or -1. `view` says of a
    computed one whether it may look at an operand's memory. `formula` says how an input is
    computed from Python floats among the arguments. `zeros` says of an input that it had many of
    them when it was recorded.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    holder: Any = None
    place: int = -1
    view: bool = False
    formula: str = ""
    zeros: bool = False

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
        self._place = user()

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

    @functools.cached_property
    def reads(self) -> list[Value]:
        """The values that it needs."""
        return [x for x in self.parts if isinstance(x, Value)]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(_brief, self.parts))})"


class Apply(Step):
    """An op was applied.

    `watched` says that a NaN which it makes matters only if it reaches a gradient that is checked,
    `checked` that its result is one, `sparse` that the first factor of a product has many zeros.
    `piece` is what `pieces` finds out of slices.
    """

    watched = False
    checked = False
    sparse = False
    piece: Any = None

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
    """Gradients were finite; where they are not, zeros win over infinities in another sweep.

    The `bounds` of some are ‖X‖² and ‖Y‖²: no element is larger than ‖X‖ ‖Y‖.
    """

    def __init__(self, values: tuple[Value, ...]) -> None:
        super().__init__()
        self.parts = values
        self.bounds: Mapping[Value, tuple[Value, Value]] = {}

    @property
    def checked(self) -> Sequence[Value]:
        """The gradients, or what is finite if they are."""
        return self.parts[: len(self.parts) - 2 * len(self.bounds)]

    def on(self, values: Sequence[Value], bounds: Mapping[Value, tuple[Value, Value]]) -> Finite:
        """Return the same check of other values."""
        parts = (*values, *(x for pair in bounds.values() for x in pair))
        return changed(self, parts=parts, bounds=bounds)


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
    """A tensor, which had the value `target` when the call began, was assigned another one."""

    def __init__(self, tensor: Tensor, target: Value, value: Value) -> None:
        super().__init__()
        self.tensor = tensor
        self.target = target
        self.parts = (target, value)

    @property
    def replaces(self) -> bool:
        """Whether the tensor gets another array: who has the old one keeps what is in it."""
        return self.tensor.node is None

    @property
    def fixed(self) -> dict[str, Any]:
        """The tensor."""
        return {"tensors": id(self.tensor)}


def changed(step: S, **parts: Any) -> S:
    """Return a copy of a step, with other parts."""
    other = object.__new__(type(step))  # copy.copy takes five times as long
    other._place = step._place
    other.__dict__.update(step.__dict__, **parts)
    other.__dict__.pop("reads", None)
    return other


def _brief(x: Any) -> str:
    return x.name if isinstance(x, Value) else repr(x)


def user() -> tuple[CodeType, int]:
    """Return where the user is: the code and the instruction, of which `line_of` makes a line."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__package__") in OURS:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti
