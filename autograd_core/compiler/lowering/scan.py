"""What runs along an axis: each element is made of the one before."""

from __future__ import annotations

from collections.abc import Sequence

from ..body import Body
from ..layout import Place, contiguous
from ..record import Apply
from .registry import arrays_only, lowering

Read = tuple[Place, tuple[int, ...]]


def _ahead(place: Place, strides: Sequence[int], axis: int, steps: int = 1) -> Place:
    """Return the place some steps further along an axis."""
    return place._replace(offset=place.offset + steps * strides[axis])


def _line(body: Body, step: Apply) -> tuple[Place, Place, tuple[int, ...], int]:
    """Return the operand, the result, both as if they had the same shape, and the axis."""
    (x,) = step.parts
    axis = step.attributes["axis"]
    if axis is None:
        place = body.rows(x)._replace(strides=(1,))
        return place, body.allot(step.result)._replace(strides=(1,)), (x.size,), 0
    return body.place(x), body.allot(step.result), x.shape, axis % len(x.shape)


def _first(shape: Sequence[int], axis: int) -> list[int]:
    return [1 if a == axis else n for a, n in enumerate(shape)]


def _rest(shape: Sequence[int], axis: int) -> list[int]:
    return [n - (a == axis) for a, n in enumerate(shape)]


def _is_scan(step: Apply) -> bool:
    return arrays_only(step) and (bool(step.parts[0].shape) or step.attributes["axis"] is None)


@lowering("cumsum", "cumprod", fits=_is_scan, integers=True)
def cumulative(body: Body, step: Apply) -> None:
    """The one before, and the element added or multiplied."""
    x, out, shape, axis = _line(body, step)
    kind = "F" if step.result.dtype.kind == "f" else "np.int64"
    sign = "+" if step.op.name == "cumsum" else "*"
    body.nest(_first(shape, axis), [f"{body.at(out)} = {kind}({body.at(x)})"])
    element = f"{kind}({body.at(_ahead(x, x.strides, axis))})"
    target = body.at(_ahead(out, out.strides, axis))
    body.nest(_rest(shape, axis), [f"{target} = {body.at(out)} {sign} {element}"])


def _both_float(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" and x.shape for x in step.parts)


@lowering("recurrence", fits=_both_float)
def recurrence(body: Body, step: Apply) -> None:
    """yᵢ = aᵢ yᵢ₋₁ + bᵢ; in reverse the factor is the one that stands before."""
    shape, reverse = step.result.shape, step.attributes["reverse"]
    axis, out = len(shape) - 1, body.allot(step.result)
    arrays = [*(body.read(x, shape) for x in step.parts), (out, contiguous(shape))]
    if reverse:
        arrays = [_from_the_end(read, shape) for read in arrays]
    a, b, y = arrays
    body.nest(_first(shape, axis), [f"{body.at(*y)} = {body.at(*b)}"])
    factor = body.at(*a) if reverse else body.at(_ahead(*a, axis), a[1])
    target, added = (body.at(_ahead(*read, axis), read[1]) for read in (y, b))
    body.nest(_rest(shape, axis), [f"{target} = fma({factor}, {body.at(*y)}, {added})"])


def _from_the_end(read: Read, shape: Sequence[int]) -> Read:
    """Turn the last axis round."""
    place, strides = read
    return _ahead(place, strides, -1, shape[-1] - 1), (*strides[:-1], -strides[-1])


@lowering("running_extreme", integers=True)
def running_extreme(body: Body, step: Apply) -> None:
    """The place before, or this one where the element is beyond the one at that place."""
    x, out, shape, axis = _line(body, step)
    body.nest(_first(shape, axis), [f"{body.at(out)} = int(0)"])
    element = body.at(_ahead(x, x.strides, axis))
    before = body.at(out)
    at_best = [0 if a == axis else s for a, s in enumerate(x.strides)]
    best = f"{body.at(x, at_best)[:-1]} + {before} * {x.strides[axis]}]"
    beyond = ">" if step.attributes["largest"] else "<"
    changed = f"({element} {beyond} {best}) | (({element} != {element}) & ({best} == {best}))"
    target = body.at(_ahead(out, out.strides, axis))
    body.nest(_rest(shape, axis), [f"{target} = i{axis} + int(1) if {changed} else {before}"])


# ------------------------------------------------------------------------------- convolution

BLOCK = 512  # products that are added up before their sums are

CONVOLVE = """
@inline
def convolve(x, y, out, n, m, first, size):
    for k in range(size):
        out[k] = 0.0
    for j in range(m):
        low = max(int(0), j - first)
        high = min(size, n + j - first)
        factor = y[j]
        for k in range(low, high):
            out[k] += factor * x[k + first - j]
"""
ADD_PART = """
@inline
def add_part(part, out, n):
    for k in range(n):
        out[k] += part[k]
"""


def _are_float(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)


@lowering("convolve", fits=_are_float)
def convolve(body: Body, step: Apply) -> None:
    """Add the longer vector, moved and multiplied, once for each element of the shorter one."""
    long, short = sorted(step.parts, key=lambda x: -x.size)
    n, m, size = long.size, short.size, step.result.size
    first = {"full": 0, "same": (m - 1) // 2, "valid": m - 1}[step.attributes["mode"]]
    x, y = body.flat(body.rows(long), n), body.rows(short)
    out = body.flat(body.allot(step.result), size)
    body.functions[CONVOLVE] = None
    for start in range(0, m, BLOCK):
        count = min(BLOCK, m - start)
        target = out if start == 0 else body.flat(body.scratch((size,)), size)
        block = body.flat(y._replace(offset=y.offset + start), count)
        numbers = ", ".join(f"int({number})" for number in (n, count, first - start, size))
        body.lines.append(f"convolve({x}, {block}, {target}, {numbers})")
        if start:
            body.functions[ADD_PART] = None
            body.lines.append(f"add_part({target}, {out}, int({size}))")
