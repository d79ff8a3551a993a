"""Recording: all that one ordinary call computes and changes, as a list of steps.

While a `Trace` listens, every application of an op on tensors is told to it, with what the host
reads (``bool(x)``, ``x.numpy()``), what is collected in ``grad`` and what is overwritten. Arrays
are known by identity: one that no step has made is an input, or *captured* from outside. What a
program could not repeat is a *refusal*, in words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..declare import OPS
from ..errors import line_of
from ..kernels.sparse import has_many
from ..modes import no_grad
from ..tensor import Tensor, wrap
from ..update import BoundRecipe
from .floats import Number, looked_at, plain
from .steps import Apply, Collect, Draw, Finite, Guard, Host, Overwrite, Step, Update, Value, user

__all__ = [
    "Apply",
    "Collect",
    "Draw",
    "Finite",
    "Guard",
    "Host",
    "Overwrite",
    "Step",
    "Trace",
    "Update",
    "Value",
]

LARGEST_GUARD = 4096  # elements of an array that the host may read


class Trace:
    """What one call did, told step by step."""

    compiles = True

    def __init__(self, inputs: Sequence[np.ndarray]) -> None:
        self.steps: list[Step] = []
        self.values: list[Value] = []
        self.refusal: str | None = None
        self.overflowed = False  # whether a gradient was not finite
        self.open = True
        self.read_floats: dict[int, str] = {}  # by position of the argument: the line
        self.bare: dict[Any, bool] = {}  # leaves: whether they had no gradient at the beginning
        self._set: set[Any] = set()  # leaves whose gradient is another one now
        self._numbers: dict[tuple[str, np.dtype[Any]], Value] = {}
        self._known: dict[int, Value] = {}
        self._targets: dict[int, Value] = {}  # by the ids of tensors that are assigned to
        self._alive: list[Any] = []  # ids stay theirs
        self._pending: deque[tuple[Host, int, Mapping[str, float], BoundRecipe | None]] = deque()
        self._plain: set[int] = set()
        self.inputs = [self._new(array, place=i) for i, array in enumerate(inputs)]
        for value, array in zip(self.inputs, inputs, strict=True):
            value.zeros = has_many(array)

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
        return self.value(operand) if isinstance(operand, np.ndarray) else plain(operand)

    def looked(self, number: Number) -> None:
        """Note that the host looks at a Python float: its value is part of the kind of call."""
        if self.open:
            line = line_of(*user())
            self.read_floats |= {i: line for i in looked_at(number)}

    def _number(self, number: Number, dtype: np.dtype[Any]) -> Value:
        """Return the input that a Python float is for an operation that works in a dtype."""
        key = number.formula, dtype
        if key not in self._numbers:
            value = Value(len(self.values), (), dtype, None, len(self.inputs), False, key[0])
            self.values.append(value)
            self.inputs.append(value)
            self._numbers[key] = value
        return self._numbers[key]

    def _with_numbers(self, op: Any, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return operands with inputs in the place of Python floats, or with the floats."""
        if any(type(x) is Number and x.trace is not self for x in arrays):
            return tuple(map(plain, arrays))
        dtype = np.result_type(*(x for x in arrays if type(x) is not Number), 0.0)
        weak = [x.value if type(x) is Number else x for x in arrays]
        given = [np.asarray(x.value, dtype) if type(x) is Number else x for x in arrays]
        # An operation may treat a Python float in a way of its own.
        if not op.pointwise or not _alike(op.compute(*weak), op.compute(*given)):
            return tuple(map(plain, arrays))
        return tuple(self._number(x, dtype) if type(x) is Number else x for x in arrays)

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Note that `copy` is a copy of `array`."""
        if id(array) in self._known:
            self._known[id(copy)] = self._known[id(array)]
            self._alive.append(copy)

    def close(self) -> None:
        """Let go of the arrays: nothing more will be told."""
        self._known, self._alive, self.open = {}, [], False

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
            self.refusal = f"{reason} ({line_of(*user())})"

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op to these operands' arrays, and notes it."""

        def applied(*arrays: Any, **attributes: Any) -> np.ndarray:
            attributes = {name: plain(x) for name, x in attributes.items()}
            parts = arrays
            if Number in map(type, arrays):
                parts = self._with_numbers(op, arrays)
                arrays = tuple(x.value if type(x) is Number else x for x in arrays)
            out: np.ndarray = op.compute(*arrays, **attributes)
            if not self.knows(out):  # else the op returned an operand as it is
                pairs = zip(operands, parts, strict=True)
                given = [self._operand(x if isinstance(x, Tensor) else a) for x, a in pairs]
                result = self._new(out)
                result.view = any([np.may_share_memory(out, array) for array in arrays])
                self.steps.append(Apply(op, tuple(given), attributes, result))
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
            self.overflowed = True

    def swept(self, *_: Any) -> None:
        """Hear of a sweep, whose operations are steps already."""

    pushed = swept

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
        self._alive.append(tensor)
        target = self._targets.setdefault(id(tensor), self.value(tensor._value, tensor))
        self.steps.append(Overwrite(tensor, target, self.value(value)))

    # --------------------------------------------------------------------------- gradients

    def begins(self, leaf: Any) -> None:
        """Note whether a leaf that is looked at has a gradient from before the call."""
        if leaf not in self._set:
            self.bare.setdefault(leaf, leaf.grad is None)

    def gradient(self, leaf: Any) -> None:
        """Note that anybody may look at, or into, a leaf's gradient."""
        self.begins(leaf)
        if leaf.grad is not None:
            self.refuse("host code has hold of a gradient")

    def set_gradient(self, leaf: Any, value: np.ndarray | None) -> None:
        """Note that a gradient was set, or forgotten."""
        if value is not None:
            self.same(leaf.grad, value)
            self.value(leaf.grad)
        self._set.add(leaf)
        self.steps.append(Collect(leaf, None if value is None else self.value(leaf.grad)))

    def collected(self, leaf: Any, ct: np.ndarray) -> np.ndarray:
        """Return a leaf's gradient with a cotangent added, by an op."""
        self.begins(leaf)
        if leaf.grad is not None:
            self.value(leaf.grad, leaf)
            with no_grad():
                ct = OPS["add"](wrap(leaf.grad, None), wrap(ct, None))._value
        self._set.add(leaf)
        self.steps.append(Collect(leaf, self.value(ct)))
        return ct

    def __str__(self) -> str:
        return "\n".join(f"{step!s:<64}  # {step.line}" for step in self.steps) or "nothing"


def _alike(x: np.ndarray, y: np.ndarray) -> bool:
    kind = x.dtype.kind == "f"
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=kind)
