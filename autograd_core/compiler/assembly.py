"""From the parts of a body to functions of machine code.

    def part0(work_float32, c2, x0):         # in the body's float type, inlined
        ...
        return int(0)

    def enter0(x0, table):                   # what is called
        if x0.shape[0] != 32 or ...:
            return -1
        table[2] = x0.ctypes.data
        return part0(view(table[0], ...), view(table[1], ...), view(table[2], ...))

The functions after the first find everything by the table, and if threads share their loop, take
the rounds from `begin` to `end`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..kernels.jit import compile_source, loop_text
from .body import Body, Part
from .layout import contiguous
from .record import Value

__all__ = ["Assembly", "Function"]

BADLY_SHAPED = -1


class Function(NamedTuple):
    """Machine code; `extent` is the number of rounds that threads share, or 0."""

    call: Callable[..., int]
    extent: int
    grain: int


class Assembly:
    """The functions of a body.

    Parameters
    ----------
    body : Body
    size : int
        The bytes of the workspace.
    outside : mapping of str to ndarray
        What is known by address, in the order of the table.
    arrays : sequence of Value
        What comes with each call.
    """

    def __init__(
        self,
        body: Body,
        size: int,
        outside: Mapping[str, np.ndarray],
        arrays: Sequence[Value],
    ) -> None:
        self.body = body
        self.arrays = arrays
        self.slots = 1 + len(outside) + len(arrays)  # of the table
        dtypes = sorted({np.dtype(bool), np.dtype(body.dtype), *body.dtypes}, key=str)
        self._buffers = {
            f"work_{d.name}": _view("table[0]", size // d.itemsize, d) for d in dtypes
        }
        for i, (name, array) in enumerate(outside.items(), 1):
            self._buffers[name] = _view(f"table[{i}]", _extent(array), array.dtype)
        for i, value in enumerate(arrays, 1 + len(outside)):
            self._buffers[value.name] = _view(f"table[{i}]", value.size, value.dtype)
        first, *others = body.parts
        self.parts = [first, *(part for part in others if part.lines)]

    @property
    def source(self) -> str:
        """The text of the parts."""
        return "\n".join(map(self._part, range(len(self.parts))))

    def functions(self) -> list[Function]:
        """Compile the parts."""
        text = loop_text("\n".join([*self.body.functions, self.source]), self.body.dtype)
        entries = map(self._entry, range(len(self.parts)))
        definitions = "\n".join(self.body.definitions)
        source = "\n".join(["import numpy as np", definitions, text, *entries])
        found = []
        for i, part in enumerate(self.parts):
            types = [*map(_type, self.arrays)] if i == 0 else []
            types += ["int64[::1]", *["intp"] * 2 * bool(part.extent)]
            call = compile_source(f"enter{i}", source, f"({', '.join(types)})")
            found.append(Function(call, part.extent, part.grain))
        return found

    def _used(self, part: Part) -> list[str]:
        """Return the names of the buffers that a part works on."""
        words = set(re.findall(r"\w+", " ".join(part.lines)))
        return [name for name in self._buffers if name in words]

    def _rounds(self, part: Part) -> list[str]:
        return ["begin", "end"] if part.extent else []

    def _part(self, i: int) -> str:
        part = self.parts[i]
        names = ", ".join([*self._used(part), *self._rounds(part)])
        lines = "\n    ".join([*part.lines, "return int(0)"])
        return f"@inline\ndef part{i}({names}):\n    {lines}\n"

    def _entry(self, i: int) -> str:
        """Return the text that unpacks the arguments; it is not in the body's types."""
        part = self.parts[i]
        arrays = self.arrays if i == 0 else []
        names = ", ".join([*(v.name for v in arrays), "table", *self._rounds(part)])
        lines = []
        checks = [check for v in arrays for check in _lies_in_rows(v)]
        if checks:
            lines += [f"if {' or '.join(checks)}:", f"    return {BADLY_SHAPED}"]
        first = self.slots - len(self.arrays)
        for slot, value in enumerate(arrays, first):
            lines.append(f"table[{slot}] = {value.name}.ctypes.data")
        given = [*(self._buffers[name] for name in self._used(part)), *self._rounds(part)]
        lines.append(f"return part{i}({', '.join(given)})")
        body = "\n    ".join(lines)
        return f"def enter{i}({names}):\n    {body}\n"


def _view(start: str, size: int, dtype: np.dtype[Any]) -> str:
    return f"view({start}, {size}, np.{'bool_' if dtype.kind == 'b' else dtype.name})"


def _extent(array: np.ndarray) -> int:
    """Return how many elements an array's memory spans."""
    pairs = zip(array.shape, array.strides, strict=True)
    return 1 + sum((size - 1) * stride // array.itemsize for size, stride in pairs)


def _lies_in_rows(value: Value) -> list[str]:
    """Return the conditions under which an array does not lie in row order."""
    checks = []
    for axis, (size, stride) in enumerate(zip(value.shape, contiguous(value.shape), strict=True)):
        checks.append(f"{value.name}.shape[{axis}] != {size}")
        if size > 1:
            checks.append(f"{value.name}.strides[{axis}] != {stride * value.dtype.itemsize}")
    return checks


def _type(value: Value) -> str:
    name = "boolean" if value.dtype.kind == "b" else value.dtype.name
    return f"Array({name}, {len(value.shape)}, {'A' if value.shape else 'C'!r})"
