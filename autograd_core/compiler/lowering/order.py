"""Positions: of extremes, of the elements in order, of a number among others."""

from __future__ import annotations

from ..body import Body
from ..layout import contiguous, index
from ..record import Apply, Value
from .registry import arrays_only, lowering

EXTREME = """
@inline
def place_of_{name}(x, start, n, stride):
    place = int(0)
    for j in range(1, n):
        new, best = x[start + j * stride], x[start + place * stride]
        if (new {sign} best) | ((new != new) & (best == best)):
            place = j
    return place
"""
COMES_BEFORE = """
@inline
def comes_before(x, y):
    return (x < y) | ((y != y) & (x == x))
"""
ARGSORT = """
@inline
def argsort(x, start, n, stride, order, other):
    for j in range(n):
        order[j] = j
    width = int(1)
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + width + width, n)
            left, right = low, middle
            for k in range(low, high):
                second = left == middle
                if (left < middle) & (right < high):
                    one, two = order[left], order[right]
                    second = comes_before(x[start + two * stride], x[start + one * stride])
                if second:
                    other[k] = order[right]
                    right += int(1)
                else:
                    other[k] = order[left]
                    left += int(1)
        for k in range(n):
            order[k] = other[k]
        width += width
"""
SEARCH = """
@inline
def place_of(v, x, start, n, stride, right):
    low, high = int(0), n
    while low < high:
        middle = (low + high) >> 1
        at = x[start + middle * stride]
        before = comes_before(at, v) | (right & ((at == v) | ((at != at) & (v != v))))
        low = middle + int(1) if before else low
        high = high if before else middle
    return low
"""
DIRECTION = """
@inline
def direction(x, start, n, stride):
    step = int(0)
    for j in range(1, n):
        new, old = x[start + j * stride], x[start + (j - 1) * stride]
        if step == int(0):
            if new != old:
                step = int(1) if old < new else -int(1)
        elif (old > new) if step > int(0) else (old < new):
            return int(0)
    return int(1) if step == int(0) else step
"""


class Lines:
    """An operand as lines along one axis; without an axis, as one line."""

    def __init__(self, body: Body, x: Value, axis: int | None) -> None:
        self.place = body.rows(x) if axis is None else body.place(x)
        if axis is None:
            self.n, self.stride, self.sizes, self.strides = x.size, 1, [], []
            return
        rest = [a for a in range(len(x.shape)) if a != axis % len(x.shape)]
        self.n, self.stride = x.shape[axis], self.place.strides[axis]
        self.sizes = [x.shape[a] for a in rest]
        self.strides = [self.place.strides[a] for a in rest]

    @property
    def arguments(self) -> str:
        """What a function takes of a line: its buffer, start, length and stride."""
        terms = [f"i{d} * int({s})" for d, s in enumerate(self.strides) if s]
        start = " + ".join([f"int({self.place.offset})", *terms])
        return f"{self.place.buffer}, {start}, int({self.n}), int({self.stride})"


@lowering("argmax", "argmin", integers=True)
def place_of_extreme(body: Body, step: Apply) -> None:
    """Go along each line: the first of equals wins, and the first NaN over all."""
    lines, name = Lines(body, step.parts[0], step.attributes["axis"]), step.op.name
    out = body.allot(step.result)
    body.functions[EXTREME.format(name=name, sign=">" if name == "argmax" else "<")] = None
    target = body.at(out, contiguous(lines.sizes))
    body.nest(lines.sizes, [f"{target} = place_of_{name}({lines.arguments})"])


@lowering("argsort", integers=True)
def argsort(body: Body, step: Apply) -> None:
    """Sort the positions of each line by merging, which keeps the order of equals."""
    (x,), axis = step.parts, step.attributes["axis"]
    lines, out = Lines(body, x, axis), body.allot(step.result)
    to = list(out.strides)
    along = to.pop(-1 if axis is None else axis) if to else 1
    order, other = (body.flat(body.scratch((lines.n,), "int64"), lines.n) for _ in range(2))
    body.functions[COMES_BEFORE] = None
    body.functions[ARGSORT] = None
    target = f"{out.buffer}[{index(out.offset, to)} + j * {along}]"
    copied = [f"for j in range({lines.n}):", f"    {target} = {order}[j]"]
    body.nest(lines.sizes, [f"argsort({lines.arguments}, {order}, {other})", *copied])


def _is_among_vector(step: Apply) -> bool:
    return arrays_only(step) and len(_sorted(step).shape) == 1


def _sorted(step: Apply) -> Value:
    x, v = step.parts
    found: Value = x if step.op.name == "searchsorted" else v
    return found


def _search(body: Body, v: Value, result: Value, found: str) -> None:
    """Write a position for each element of v."""
    body.functions[COMES_BEFORE] = None
    body.functions[SEARCH] = None
    out, place = body.allot(result), body.place(v)
    body.nest(v.shape, [f"{body.at(out)} = {found.format(v=body.at(place))}"])


@lowering("searchsorted", fits=_is_among_vector, integers=True)
def searchsorted(body: Body, step: Apply) -> None:
    """Halve the interval, for each element."""
    x, v = step.parts
    lines, right = Lines(body, x, 0), step.attributes["side"] == "right"
    _search(body, v, step.result, f"place_of({{v}}, {lines.arguments}, {right})")


@lowering("digitize", fits=_is_among_vector, integers=True)
def digitize(body: Body, step: Apply) -> None:
    """Search in bins that rise, or from the end in bins that fall."""
    v, bins = step.parts
    lines, right = Lines(body, bins, 0), step.attributes["right"]
    body.functions[DIRECTION] = None
    name = f"direction{len(body.lines)}_"
    body.lines.append(f"{name} = direction({lines.arguments})")
    body.give_up(f"{name} == int(0)", "the bins are not monotonic")
    n, stride, offset = lines.n, lines.stride, lines.place.offset
    rises = f"{name} > int(0)"
    start = f"int({offset}) if {rises} else int({offset + (n - 1) * stride})"
    line = f"{lines.place.buffer}, {start}, int({n}), int({stride}) * {name}"
    place = f"place_of({{v}}, {line}, {not right})"
    base = f"(int(0) if {rises} else int({n}))"
    _search(body, v, step.result, f"{base} + {name} * {place}")
