"""Native segments: runs of steps as one function of machine code.

A segment works in one float type. Its workspace is one piece of memory, planned beforehand;
what lies outside, parameters, state and inputs, is known by address. Elementwise steps of one
shape share a loop (`fuse`, `loops`), other operations have lowerings (`lowering`).

    def segment(x0, table):             # arrays that come with a call, and addresses
        return body(view(table[0], ...), ..., table)

It returns 0, or why the run is given up: then nothing outside has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..declare import OPS
from ..kernels.jit import compile_source, loop_text
from ..tape import Leaf
from .arena import Arena, Room
from .body import Body
from .compare import content
from .fuse import units
from .integers import is_expression
from .layout import Place, contiguous
from .loops import loop
from .lowering import LOWERINGS, Lowering
from .lowering.commits import lowers_commit, write_commit
from .lowering.own import OWN
from .memory import plan
from .record import Apply, Step, Update, Value

__all__ = ["Segment", "lowers", "moves"]

BADLY_SHAPED = -1


def lowers(step: Step, dtype: str) -> bool:
    """Whether a step can be part of a segment that works in `dtype`."""
    if not isinstance(step, Apply):
        return lowers_commit(step, dtype)
    if step.op.pointwise:
        return is_expression(step, dtype)
    found = _lowering(step)
    return found is not None and found.takes(step, dtype)


def _lowering(step: Apply) -> Lowering | None:
    known = LOWERINGS.get(step.op.name)
    if known is not None and step.op is OPS[step.op.name]:
        return known
    return OWN if "kernel" in step.op.facets else None


def moves(step: Step) -> bool:
    """Whether a step is a view."""
    found = _lowering(step) if isinstance(step, Apply) else None
    return isinstance(step, Apply) and found is not None and found.moves(step)


def lies_still(value: Value) -> bool:
    """Whether a captured array can be known by its address: the next one will lie like it."""
    if value.holder is None or isinstance(value.holder, Leaf):
        return False
    array = content(value)
    steps = (stride % array.itemsize == 0 <= stride for stride in array.strides)
    return array.flags.aligned and all(steps)


class Segment:
    """Steps that run as one native function.

    Parameters
    ----------
    steps : list of Step
        All of which `lowers` admits for `dtype`.
    needed : set of Value
        What others need of the results.
    dtype : {"float32", "float64"}

    Attributes
    ----------
    arrays : list of Value
        What comes with each call: ``function(*arrays, table)``.
    captured : list of Value
        What is known by its address.
    results : list of Value
        What others need, in the workspace.
    written : list of Value
        Those of them that it overwrites, and that the tape may need.
    pool : list of Arena
        Arenas that no run uses now.
    size : int
        The bytes of the workspace.
    source : str
        The text of the function, without the functions that it calls.
    """

    def __init__(self, steps: Sequence[Step], needed: set[Value], dtype: str) -> None:
        self.steps = list(steps)
        self.dtype = dtype
        made = {step.result: None for step in steps if isinstance(step, Apply)}
        read = dict.fromkeys(x for step in steps for x in step.reads if x not in made)
        self.captured = [v for v in read if lies_still(v)]
        self.arrays = [v for v in read if v not in set(self.captured)]
        self.results = [v for v in made if v in needed]
        self._units = units(self.steps, moves)
        offsets, self.size = plan(self._written(None).blocks)
        self._body = self._written(offsets)
        self.reasons = self._body.reasons
        self.source = self._text()
        updates = [step for step in self.steps if isinstance(step, Update)]
        self.written = [step.parts[i] for step in updates for i in step.written]
        self.pool: list[Arena] = []
        self._compiled: Callable[..., int] | None = None

    # ----------------------------------------------------------------------------- steps

    def _written(self, offsets: Sequence[int] | None) -> Body:
        """Write the steps; without offsets, to see how long each block is needed."""
        outside = {v: Place(v.name, 0, contiguous(v.shape)) for v in self.arrays}
        for value in self.captured:
            array = content(value)
            strides = tuple(s // array.itemsize for s in array.strides)
            outside[value] = Place(value.name, 0, strides)
        body = Body(self.dtype, outside, set(self.results), offsets)
        stored = {*self.results, *_read_from_memory(self._units)}
        for unit in self._units:
            group = [s for s in unit if isinstance(s, Apply) and s.op.pointwise]
            if group:
                loop(body, group, stored.__contains__)
            for step in unit:
                if not isinstance(step, Apply):
                    write_commit(body, step)
                elif not step.op.pointwise:
                    found = _lowering(step)
                    assert found is not None
                    found.write(body, step)
            body.now += 1
        return body

    # ------------------------------------------------------------------------------ text

    def _buffers(self) -> dict[str, str]:
        """Return the expression of every buffer that the body works on."""
        dtypes = sorted({np.dtype(bool), np.dtype(self.dtype), *self._body.dtypes}, key=str)
        found = {f"work_{d.name}": _view("table[0]", self.size // d.itemsize, d) for d in dtypes}
        outside = self._outside
        for i, (name, array) in enumerate(outside.items()):
            found[name] = _view(f"table[{i + 1}]", _extent(array), array.dtype)
        for value in self.arrays:
            found[value.name] = _view(f"{value.name}.ctypes.data", value.size, value.dtype)
        return found

    @property
    def _outside(self) -> dict[str, np.ndarray]:
        return {v.name: content(v) for v in self.captured} | self._body.arrays

    def _text(self) -> str:
        body = "\n    ".join([*self._body.lines, "return int(0)"])
        return f"@inline\ndef body({', '.join(self._buffers())}):\n    {body}\n"

    def _entry(self) -> str:
        """Return the text that unpacks the arguments; it is not in the body's types."""
        names = ", ".join([*(v.name for v in self.arrays), "table"])
        checks = [check for v in self.arrays for check in _lies_in_rows(v)]
        refused = f"    if {' or '.join(checks)}:\n        return {BADLY_SHAPED}\n" * bool(checks)
        given = ",\n        ".join(self._buffers().values())
        return f"def segment({names}):\n{refused}    return body(\n        {given},\n    )\n"

    def compile(self) -> Callable[..., int]:
        """Return the function ``segment(*arrays, table)``."""
        if self._compiled is None:
            text = loop_text("\n".join([*self._body.functions, self.source]), self.dtype)
            definitions = "\n".join(self._body.definitions)
            source = f"import numpy as np\n{definitions}\n{text}\n{self._entry()}"
            types = [_type(v) for v in self.arrays]
            signature = f"({', '.join([*types, 'int64[::1]'])})"
            self._compiled = compile_source("segment", source, signature)
        return self._compiled

    def arena(self) -> Arena:
        """Return memory for a run."""
        places = (self._body.place(v) for v in self.results)
        rooms = [
            Room(place.offset * v.dtype.itemsize, v.shape, v.dtype)
            for v, place in zip(self.results, places, strict=True)
        ]
        written = [self.captured.index(value) for value in self.written]
        return Arena(self.size, list(self._outside.values()), rooms, written)


def _is_pointwise(step: Step) -> bool:
    return isinstance(step, Apply) and step.op.pointwise


def _read_from_memory(units: Sequence[Sequence[Step]]) -> set[Value]:
    """Return the values that not only the loop which makes them needs."""
    found: set[Value] = set()
    for unit in units:
        registers = {step.result for step in unit if _is_pointwise(step)}  # type: ignore[attr-defined]
        for step in unit:
            found.update(x for x in step.reads if not (_is_pointwise(step) and x in registers))
    return found


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
