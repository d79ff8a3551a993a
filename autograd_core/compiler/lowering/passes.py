"""Passes over lines: what reductions, and the functions of rows that begin with one, consist of.

A pass goes over the elements of one line, for each line, and finds a number for it (`total`,
`largest`), or writes an element for each (`each`); terms are expressions on the names of arrays
and of the numbers found before:

    work = Passes(body, shape, axis, {"x": ..., "out": ...})
    work.total("mean", "x", after="total / 64.0")
    work.each("out", "x - mean")

Where the next element in memory belongs to the next line, not to the same, passes go over many
lines at once, and the numbers lie in memory (`columns`).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..body import Body
from ..layout import Place, collapse, contiguous, index
from .joins import ADDED, FOLD, SMALLEST, Join, extreme, keys, line

__all__ = ["Passes", "axes_of", "kept_strides"]

BLOCK = 512  # elements that are added up before the sums are: fewer roundings meet one number
NARROW = 4  # lines that do not fill a vector
TOGETHER = 64  # lines side by side that one thread does at least, and
FEWEST = 256  # lines that threads share


def axes_of(axis: Any, ndim: int) -> list[int]:
    """Return axes as a list of positions from the first axis on."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [a % ndim for a in axes] if ndim else []


def kept_strides(shape: Sequence[int], axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the strides of a reduction's result along the operand's axes; 0 where it reduces.

    >>> kept_strides((2, 3, 4), 1)
    (4, 0, 1)
    """
    reduced = axes_of(axis, len(shape))
    kept = [i for i in range(len(shape)) if i not in reduced]
    to = contiguous([shape[i] for i in kept])
    return tuple(to[kept.index(i)] if i in kept else 0 for i in range(len(shape)))


Arrays = Mapping[str, tuple[Place, Sequence[int]]]


class Passes:
    """Passes over the lines of an array along axes.

    Parameters
    ----------
    body : Body
    shape : sequence of int
    axis : int, tuple of int or None
        The axes along which the lines are.
    arrays : mapping of str to (Place, strides)
        The arrays and their strides for `shape`. The first one's memory decides the order.
    integers : bool
        Whether terms are integers.
    """

    def __init__(
        self, body: Body, shape: Sequence[int], axis: Any, arrays: Arrays, integers: bool = False
    ) -> None:
        self.body = body
        self.places = {name: place for name, (place, _) in arrays.items()}
        self.integers = integers
        self.numbers: dict[str, str] = {}
        reduced = axes_of(axis, len(shape))
        kept = [i for i in range(len(shape)) if i not in reduced]
        lines, across = _group(shape, kept, arrays), _group(shape, reduced, arrays)
        across = across if across[0] else ([1], {name: [0] for name in arrays})
        first = next(iter(arrays))
        steps = [abs(strides[first][-1]) for sizes, strides in (lines, across) if sizes]
        self.columns = len(steps) == 2 and steps[0] < steps[1] and lines[0][-1] >= NARROW
        outer = len(lines[0]) - self.columns
        self.sizes = [*lines[0][:outer], *across[0], *lines[0][outer:]]
        self.strides = {
            name: [*lines[1][name][:outer], *across[1][name], *lines[1][name][outer:]]
            for name in arrays
        }
        self.ranges = [str(size) for size in self.sizes]
        self.outer, self.end = outer, outer + len(across[0])
        for depth in range(outer):
            self._write(depth, f"for i{depth} in range({self.sizes[depth]}):")

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Let threads share the passes that are written meanwhile: each does some of the lines."""
        count, elements = self.sizes[-1], math.prod(self.sizes)
        if not self.columns or self.outer or count < FEWEST or not self.body.shares(elements):
            yield
            return
        self.ranges[-1] = f"begin * {TOGETHER}, min(end * {TOGETHER}, {count})"
        with self.body.rounds(-(-count // TOGETHER), elements):
            yield
        self.ranges[-1] = str(count)

    # -------------------------------------------------------------------------------- passes

    def total(self, name: str, term: str, after: str = "total", join: Join = ADDED) -> None:
        """Let a number be what the terms of a line amount to; `after` makes it of their total."""
        if self.columns:
            self._column(name, join, term, after)
            return
        self._number(name, after, {"total": self._parts(term, join)})

    def largest(self, name: str, term: str, after: str = "total", nan: str = "maximum") -> None:
        """Let a number be the largest of a line's terms; NaN wins, or loses ("fmax")."""
        wins = nan == "maximum"
        if self.columns:
            self._column(name, extreme(nan, self.integers), term, after)
            return
        start, key, back = (SMALLEST, "{}", "{}") if self.integers else keys(self.body, wins)
        join = Join(start, "{1} if {1} > {0} else {0}")
        found = self._in_order(self._line(key.format(term), join), join)
        self._number(name, after, {"total": back.format(found)})

    def number(self, name: str, term: str) -> None:
        """Let a number be made of others."""
        if not self.columns:
            self._number(name, term, {})
            return
        found = self._scratch()
        self._across(f"{found} = {self._text(term)}")
        self.numbers[name] = found

    def each(self, target: str, term: str) -> None:
        """Write an element for each; `target` is an array over all elements."""
        loops = range(self.outer, len(self.sizes))
        self._loops(loops, [f"{self._element(target)} = {self._text(term)}"])

    def store(self, target: str, term: str) -> None:
        """Write a number for each line; `target` is an array over the lines."""
        self._across(f"{self._element(target)} = {self._text(term)}")

    # ------------------------------------------------------------------------- the two kinds

    def _column(self, name: str, join: Join, term: str, after: str) -> None:
        """Find a number for each of many lines; long ones are gone through in blocks."""
        found = self._scratch()
        self._across(f"{found} = {join.start}")
        n = self.sizes[self.outer]
        size = math.isqrt(n) if join is ADDED and n > 2 * BLOCK else n
        if size == n:
            lines = [f"{found} = {join.joined.format(found, self._text(term))}"]
            self._loops(range(self.outer, len(self.sizes)), lines)
        else:
            self._blocks(found, self._scratch(), term, size)
        self.numbers[name] = found
        if after != "total":
            self._across(f"{found} = {self._text(after, {'total': found})}")

    def _blocks(self, found: str, part: str, term: str, size: int) -> None:
        """Add block by block, and the blocks' sums."""
        n, i = self.sizes[self.outer], f"i{self.outer}"
        inside = range(self.outer + 1, len(self.sizes))
        self._write(self.outer, f"for start in range(0, {n}, {size}):")
        self._across(f"{part} = {ADDED.start}", 1)
        self._write(self.outer, f"    for {i} in range(start, min(start + {size}, {n})):")
        self._loops(inside, [f"{part} = {part} + {self._text(term)}"], 2)
        self._across(f"{found} = {found} + {part}", 1)

    def _parts(self, term: str, join: Join) -> str:
        """Write what goes over a line's parts, and return the text of their total."""
        *upper, n = self.sizes[self.outer : self.end]
        size = BLOCK if join is ADDED and n > 2 * BLOCK else n
        blocks = -(-n // size)
        count = math.prod(upper) * blocks
        call = self._line(term, join)
        if count == 1:
            return call(n, "")
        if not join.reordered:
            return self._in_order(call, join)
        part = self.body.scratch((count,), self._dtype)
        nest = range(self.outer, self.end - 1)
        positions = [0] * self.outer + [blocks * s for s in contiguous(upper)]
        position = index(part.offset, positions)
        length = f"min({size}, {n} - block * {size})"
        one = f"{part.buffer}[{position} + block] = {call(length, size)}"
        self._loops(nest, [f"for block in range({blocks}):", f"    {one}"])
        self.body.functions[FOLD] = None
        return f"fold({self.body.flat(part, count)}, int({count}))"

    def _in_order(self, call: Callable[..., str], join: Join) -> str:
        """Write what goes over a line's parts one after the other; return the name of the end."""
        found = self._variable()
        part, n = f"{found}_", self.sizes[self.end - 1]
        self._write(self.outer, f"{found} = {join.start}")
        lines = [f"{part} = {call(n, '')}", f"{found} = {join.joined.format(found, part)}"]
        self._loops(range(self.outer, self.end - 1), lines)
        return found

    def _line(self, term: str, join: Join) -> Callable[..., str]:
        """Define the function of one line; return what writes its calls, for a block of it."""
        known = (*self.places, *self.numbers)
        names = [x for x in known if re.search(rf"\b{x}\b", term)]
        elements = {x: self._along(x) if x in self.places else x for x in names}
        function = line(self.body, term, elements, join)

        def call(n: int | str, block: int | str) -> str:
            given = [t for x in names for t in self._argument(x, block)]
            return f"{function}({', '.join([*given, _integer(str(n))])})"

        return call

    def _along(self, name: str) -> str:
        """Return the text of an array's element in the function of a line."""
        stride = self.strides[name][self.end - 1]
        return self._typed(f"{name}[{name}_0 + j * {stride}]")

    def _argument(self, name: str, block: int | str) -> list[str]:
        """Return what the function of a line takes: a number, or a buffer and where to begin."""
        if name not in self.places:
            return [self.numbers[name]]
        place, strides = self.places[name], self.strides[name]
        start = index(place.offset, strides[: self.end - 1])
        moved = f" + block * {block * strides[self.end - 1]}" if block else ""
        return [place.buffer, _integer(f"{start}{moved}")]

    # ----------------------------------------------------------------------------------- text

    def _number(self, name: str, after: str, known: dict[str, str]) -> None:
        self.numbers[name] = self._variable()
        self._write(self.outer, f"{self.numbers[name]} = {self._text(after, known)}")

    def _variable(self) -> str:
        return f"t{len(self.body.lines)}_"

    def _scratch(self) -> str:
        place = self.body.scratch((self.sizes[-1],), self._dtype)
        return f"{place.buffer}[{index(place.offset, [0] * self.end + [1])}]"

    @property
    def _dtype(self) -> Any:
        return "int64" if self.integers else self.body.dtype

    def _text(self, term: str, known: Mapping[str, str] | None = None) -> str:
        names = {x: self._typed(self._element(x)) for x in self.places}
        names |= self.numbers | dict(known or {})
        return re.sub(rf"\b({'|'.join(names)})\b(?!\()", lambda found: names[found[0]], term)

    def _typed(self, element: str) -> str:
        return element if self.integers else f"F({element})"

    def _element(self, name: str) -> str:
        place = self.places[name]
        return f"{place.buffer}[{index(place.offset, self.strides[name])}]"

    def _across(self, line: str, depth: int = 0) -> None:
        """Write a line for each of the lines that are gone over at once."""
        self._loops(range(self.end, len(self.sizes)), [line], depth)

    def _loops(self, axes: range, lines: Sequence[str], depth: int = 0) -> None:
        depth += self.outer
        for axis in axes:
            self._write(depth, f"for i{axis} in range({self.ranges[axis]}):")
            depth += 1
        for text in lines:
            self._write(depth, text)

    def _write(self, depth: int, line: str) -> None:
        self.body.lines.append(f"{'    ' * depth}{line}")


def _integer(position: str) -> str:
    """Return the text of a position outside brackets, where bare numbers would be floats."""
    return re.sub(r"\b\d+\b", r"int(\g<0>)", position)


def _group(shape: Sequence[int], axes: Sequence[int], arrays: Arrays) -> Any:
    """Return sizes and strides of some axes, those with long strides in the first array first."""
    first = next(iter(arrays))
    ordered = sorted(axes, key=lambda a: -abs(arrays[first][1][a]))
    strides = {name: [given[a] for a in ordered] for name, (_, given) in arrays.items()}
    return collapse([shape[a] for a in ordered], strides)
