"""Sums and means."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..body import Body
from ..layout import Place, collapse, contiguous, index
from ..record import Apply
from .registry import arrays_only, lowering

SUM = """
@inline_reordered
def run_sum_{n}_{stride}(x):
    total = x[0]
    for i in range(1, {n}):
        total += x[i * {stride}]
    return total
"""


def _is_real(step: Apply) -> bool:
    return arrays_only(step) and step.parts[0].dtype.kind == "f"


@lowering("mean", "sum", fits=_is_real)
def reduced(body: Body, step: Apply) -> None:
    """Add along axes, and divide by their length."""
    (x,) = step.parts
    out = body.allot(step.result)
    along = kept_strides(x.shape, step.attributes["axis"])
    count = step.result.size
    target = f"{out.buffer}[{index(out.offset, (1,))}]"
    body.nest((count,), [f"{target} = 0.0"])
    add(body, body.place(x), out, x.shape, along)
    if step.op.name == "mean":
        elements = math.prod(x.shape) // count
        body.nest((count,), [f"{target} = {target} / {float(elements)!r}"])


def kept_strides(shape: Sequence[int], axis: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the strides of a reduction's result along the operand's axes; 0 where it reduces.

    >>> kept_strides((2, 3, 4), 1)
    (4, 0, 1)
    """
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    summed = {a % len(shape) for a in axes}
    kept = [i for i in range(len(shape)) if i not in summed]
    to = contiguous([shape[i] for i in kept])
    return tuple(to[kept.index(i)] if i in kept else 0 for i in range(len(shape)))


def add(body: Body, x: Place, out: Place, shape: Sequence[int], along: Sequence[int]) -> None:
    """Write the loops that add x to the places of a result with strides `along`."""
    sizes, found = collapse(shape, {"x": x.strides, "out": along})
    if not found["out"] or found["out"][-1] != 0:
        to = body.at(out, found["out"])
        body.nest(sizes, [f"{to} += {body.at(x, found['x'])}"])
        return
    n, stride = sizes[-1], found["x"][-1]
    if stride < 0:  # from the other end
        x, stride = x._replace(offset=x.offset + (n - 1) * stride), -stride
    body.definitions[SUM.format(n=n, stride=stride)] = None
    start = index(x.offset, found["x"][:-1])
    total = f"run_sum_{n}_{stride}({x.buffer}[{start}:])"
    body.nest(sizes[:-1], [f"{body.at(out, found['out'][:-1])} += {total}"])
