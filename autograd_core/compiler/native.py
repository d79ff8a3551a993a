"""Native segments: runs of steps as one function of machine code.

A segment works in one float type on flat arrays: what it reads, what others need of it, and a
workspace for the rest. Elementwise steps of one shape share a loop, and their values live in
registers unless somebody else needs them. Transposing, reshaping and broadcasting move nothing:
a value is a place in a buffer and a stride for each axis. Matrix products go to the BLAS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..declare import OPS
from ..kernels.jit import compile_loop
from ..kernels.products import product_source
from .layout import Place, address, collapse, contiguous, index, leading, stretched
from .record import Apply, Value
from .scalars import inlined, scalar_text

__all__ = ["Segment", "lowers"]

FLOATS = ("float32", "float64")
SHORTEST = 2  # steps that are worth a call
SUM = """
@inline_reordered
def run_sum_{n}_{stride}(x):
    total = x[0]
    for i in range(1, {n}):
        total += x[i * {stride}]
    return total
"""


def lowers(step: Any, dtype: str) -> bool:
    """Whether a step can be part of a segment that works in `dtype`."""
    if not isinstance(step, Apply):
        return False
    values = (*step.reads, step.result)
    kinds = {v.dtype.name if v.dtype.isnative else "foreign" for v in values}
    if dtype not in kinds or not kinds <= {dtype, "bool"} or 0 in _sizes(step):
        return False
    if step.op.pointwise:
        return scalar_text(step) is not None
    fits = FITS.get(step.op.name)
    return fits is not None and step.op is OPS[step.op.name] and fits(step)


def _sizes(step: Apply) -> set[int]:
    return {math.prod(value.shape) for value in (*step.reads, step.result)}


def _matrices(step: Apply) -> bool:
    return all(isinstance(x, Value) and len(x.shape) == 2 for x in step.parts)


def _affine(step: Apply) -> bool:
    x, *rest = step.parts
    return all(isinstance(v, Value) for v in (x, *rest)) and len(x.shape) == 2


def _sliced(step: Apply) -> bool:
    index = step.attributes["index"]
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, int | slice | None) or part is Ellipsis for part in parts)


def _real(step: Apply) -> bool:
    return all(isinstance(x, Value) and x.dtype.kind == "f" for x in step.parts)


FITS: dict[str, Callable[[Apply], bool]] = {
    "broadcast_to": lambda step: isinstance(step.parts[0], Value),
    "getitem": _sliced,
    "linear": _affine,
    "matmul": _matrices,
    "mean": _real,
    "reshape": lambda step: isinstance(step.parts[0], Value),
    "sum": _real,
    "transpose": lambda step: isinstance(step.parts[0], Value),
}
VIEWS = ("broadcast_to", "getitem", "reshape", "transpose")


class Segment:
    """Steps that run as one native function.

    Parameters
    ----------
    steps : list of Apply
        All of which `lowers` admits for `dtype`.
    needed : set of Value
        What others need of the results.
    dtype : {"float32", "float64"}

    Attributes
    ----------
    reads, writes : list of Value
        The arguments of ``function(*reads, *writes, workspace)``, flat arrays.
    size : int
        The elements of the workspace.
    source : str
        The text of the function.
    """

    def __init__(self, steps: Sequence[Apply], needed: set[Value], dtype: str) -> None:
        self.steps = list(steps)
        self.dtype = dtype
        made = {step.result for step in steps}
        used = [x for step in steps for x in step.reads]
        self.reads = [x for x in dict.fromkeys(used) if x not in made]
        self.writes = [v for v in dict.fromkeys(s.result for s in steps) if v in needed]
        self.size = 0
        self._lines: list[str] = []
        self._definitions: dict[str, None] = {}
        self._places = {v: Place(v.name, 0, contiguous(v.shape)) for v in self.reads}
        self._last = self._last_uses()
        self._write()
        self.source = self._text()
        self._compiled: Callable[..., None] | None = None

    # --------------------------------------------------------------------------- buffers

    def _last_uses(self) -> dict[Value, int]:
        last = {}
        for i, step in enumerate(self.steps):
            last[step.result] = i
            last.update(dict.fromkeys(step.reads, i))
        return last

    def _allot(self, value: Value) -> Place:
        """Give a value memory: its own argument, or a part of the workspace."""
        if value in self.writes:
            place = Place(value.name, 0, contiguous(value.shape))
        else:
            place = Place("work", self._take(value.shape), contiguous(value.shape))
        self._places[value] = place
        return place

    def _take(self, shape: Sequence[int]) -> int:
        """Return where the workspace has room for an array, in cache lines of its own."""
        offset = self.size
        self.size += -(-math.prod(shape) // 16) * 16
        return offset

    # ----------------------------------------------------------------------------- steps

    def _write(self) -> None:
        position = 0
        while position < len(self.steps):
            group = self._group(position)
            if group:
                self._loop(group, position + len(group))
                position += len(group)
                continue
            step = self.steps[position]
            WRITERS[step.op.name](self, step)
            if step.result in self.writes and self._places[step.result].buffer != step.result.name:
                self._copy(self._places[step.result], step.result)
            position += 1

    def _group(self, start: int) -> list[Apply]:
        """Return the elementwise steps of one shape from `start` on."""
        shape = self.steps[start].result.shape
        group = []
        for step in self.steps[start:]:
            if not step.op.pointwise or step.result.shape != shape:
                break
            group.append(step)
        return group

    def _loop(self, group: list[Apply], end: int) -> None:
        """Write the loop of a group of elementwise steps."""
        inside = {step.result for step in group}
        kept = [v for v in inside if v in self.writes or self._last[v] >= end]
        kept.sort(key=lambda value: value.index)
        places = {value: self._allot(value) for value in kept}
        read = [x for step in group for x in step.reads]
        outer = [x for x in dict.fromkeys(read) if x not in inside]
        shape = group[0].result.shape
        strides = {v: stretched(self._places[v], v.shape, shape) for v in outer}
        strides |= {value: place.strides for value, place in places.items()}
        sizes, collapsed = collapse(shape, strides)
        body = [f"{x.name}_ = F({self._at(x, collapsed[x])})" for x in outer]
        for step in group:
            body.append(f"{step.result.name}_ = {inlined(step)}")
        for value in kept:
            stored = f"{value.name}_ != 0.0" if value.dtype == bool else f"{value.name}_"
            body.append(f"{self._at(value, collapsed[value])} = {stored}")
        self._nest(sizes, body)

    def _at(self, value: Value, strides: Sequence[int]) -> str:
        place = self._places[value]
        return f"{place.buffer}[{index(place.offset, strides)}]"

    def _nest(self, sizes: Sequence[int], body: Iterable[str]) -> None:
        for depth, size in enumerate(sizes):
            self._lines.append(f"{'    ' * depth}for i{depth} in range({size}):")
        self._lines += ["    " * len(sizes) + line for line in body]

    def _copy(self, place: Place, value: Value) -> None:
        """Write a copy of what is at a place to a value's own argument."""
        target = Place(value.name, 0, contiguous(value.shape))
        strides = {"from": place.strides, "to": target.strides}
        sizes, collapsed = collapse(value.shape, strides)
        source = f"{place.buffer}[{index(place.offset, collapsed['from'])}]"
        self._nest(sizes, [f"{value.name}[{index(0, collapsed['to'])}] = {source}"])
        self._places[value] = target

    def _view(self, step: Apply) -> None:
        """Move no element: give the result a place in the operand's buffer."""
        (x,) = step.parts
        place = self._places[x]
        if step.op.name == "reshape" and place.strides != contiguous(x.shape):
            place = self._rows(x)
        seen = as_strided(np.empty(1, np.int8), x.shape, place.strides)
        moved = (
            step.op.forward(seen, **step.attributes)
            if step.op.name != "broadcast_to"
            else (np.broadcast_to(seen, step.result.shape))
        )
        if step.op.name == "reshape":
            strides, shift = contiguous(step.result.shape), 0
        else:
            strides, shift = moved.strides, address(moved) - address(seen)
        self._places[step.result] = Place(place.buffer, place.offset + shift, strides)

    def _rows(self, value: Value) -> Place:
        """Return a place where a value lies in row order, copying it there if need be."""
        place = self._places[value]
        if place.strides == contiguous(value.shape):
            return place
        target = Place("work", self._take(value.shape), contiguous(value.shape))
        sizes, collapsed = collapse(value.shape, {0: place.strides, 1: target.strides})
        source = f"{place.buffer}[{index(place.offset, collapsed[0])}]"
        self._nest(sizes, [f"work[{index(target.offset, collapsed[1])}] = {source}"])
        return target

    def _product(
        self, x: Place, y: Place, sizes: tuple[int, int, int], out: Place, add: bool
    ) -> None:
        m, n, k = sizes
        flip_x, lda = leading(x.strides, (m, k))
        flip_y, ldb = leading(y.strides, (k, n))
        product = product_source(
            self.dtype,
            m,
            n,
            k,
            *"xyz",
            transpose_a=flip_x,
            transpose_b=flip_y,
            lda=lda,
            ldb=ldb,
            accumulate=add,
        )
        self._definitions[product.definition] = None
        name = f"product_{len(self._lines)}"  # outside of the text whose numbers get a type
        self._definitions[f"@inline\ndef {name}(x, y, z):\n    {product.call}\n"] = None
        places = ", ".join(f"{p.buffer}[{p.offset}:].ctypes.data" for p in (x, y, out))
        self._lines.append(f"{name}({places})")

    def _matrix(self, value: Value, shape: tuple[int, int]) -> Place:
        place = self._places[value]
        return place if leading(place.strides, shape) is not None else self._rows(value)

    def _matmul(self, step: Apply) -> None:
        x, y = step.parts
        sizes = x.shape[0], y.shape[1], x.shape[1]
        places = self._matrix(x, x.shape), self._matrix(y, y.shape)
        self._product(*places, sizes, self._allot(step.result), False)

    def _linear(self, step: Apply) -> None:
        x, weight, bias = step.parts
        (m, k), n = x.shape, weight.shape[0]
        places = self._matrix(x, x.shape), self._matrix(weight, weight.shape)
        flipped = Place(places[1].buffer, places[1].offset, places[1].strides[::-1])
        out = self._allot(step.result)
        from_bias = f"{self._places[bias].buffer}[{index(self._places[bias].offset, (0, 1))}]"
        self._nest((m, n), [f"{out.buffer}[{index(out.offset, (n, 1))}] = {from_bias}"])
        self._product(places[0], flipped, (m, n, k), out, True)

    def _sum(self, step: Apply) -> None:
        (x,) = step.parts
        shape, axis = x.shape, step.attributes["axis"]
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        summed = {a % len(shape) for a in axes}
        out = self._allot(step.result)
        kept = [i for i in range(len(shape)) if i not in summed]
        to = contiguous([shape[i] for i in kept])
        along = tuple(to[kept.index(i)] if i in kept else 0 for i in range(len(shape)))
        count = math.prod(step.result.shape)
        target = f"{out.buffer}[{out.offset} + i0]"
        self._nest((count,), [f"{target} = 0.0"])
        self._add(self._places[x], out, shape, along)
        if step.op.name == "mean":
            elements = math.prod(shape) // count
            self._nest((count,), [f"{target} = {target} / {float(elements)!r}"])

    def _add(self, x: Place, out: Place, shape: Sequence[int], along: Sequence[int]) -> None:
        """Write the loops that add x to the places of a result with strides `along`."""
        sizes, found = collapse(shape, {"x": x.strides, "out": along})
        to = f"{out.buffer}[{index(out.offset, found['out'])}]"
        if found["out"] and found["out"][-1] == 0:
            n, stride = sizes[-1], found["x"][-1]
            if stride < 0:  # from the other end
                x, stride = x._replace(offset=x.offset + (n - 1) * stride), -stride
            self._definitions[SUM.format(n=n, stride=stride)] = None
            to = f"{out.buffer}[{index(out.offset, found['out'][:-1])}]"
            start = index(x.offset, found["x"][:-1])
            total = f"run_sum_{n}_{stride}({x.buffer}[{start}:])"
            self._nest(sizes[:-1], [f"{to} += {total}"])
        else:
            self._nest(sizes, [f"{to} += {x.buffer}[{index(x.offset, found['x'])}]"])

    # ------------------------------------------------------------------------------ text

    def _text(self) -> str:
        names = [value.name for value in (*self.reads, *self.writes)]
        body = "\n    ".join(self._lines)
        return f"def segment({', '.join([*names, 'work'])}):\n    {body}\n"

    def compile(self) -> Callable[..., None]:
        """Return the function ``segment(*reads, *writes, workspace)``."""
        if self._compiled is None:
            types = [_type(value.dtype) for value in (*self.reads, *self.writes)]
            signature = f"({', '.join([*types, f'{self.dtype}[::1]'])})"
            definitions = "\n".join(self._definitions)
            self._compiled = compile_loop(self.source, self.dtype, signature, definitions)
        return self._compiled


WRITERS: dict[str, Callable[[Segment, Apply], None]] = {
    **dict.fromkeys(VIEWS, Segment._view),
    "linear": Segment._linear,
    "matmul": Segment._matmul,
    "mean": Segment._sum,
    "sum": Segment._sum,
}


def _type(dtype: np.dtype[Any]) -> str:
    return f"{'boolean' if dtype.kind == 'b' else dtype.name}[::1]"
