"""From the parts of a body to functions of machine code.

    def part0(work_float32, c2, x0):         # in the body's float type, inlined
        ...
        return int(0)

    def enter0(start):                       # in turn inlined
        table = view(start, ...)
        return part0(view(table[0], ...), view(table[1], ...), view(table[2], ...))

    def run(start):
        return enter0(start)

They find everything by the table: what comes with a call is entered there by the `gate`. A part
that threads share is machine code of its own, for the rounds from `begin` to `end`, which the
`team` calls; its address is in the table.

One call can do many steps (`batches`): the table then says how many, and for each the rows to
gather from larger arrays, the settings of its optimizers, and where to leave its results.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..kernels import blas, team
from ..kernels.jit import address_of, compile_source, loop_text
from .body import Body, Part
from .gate import Entry
from .generic import announce, filled
from .layout import Place
from .record import Value

__all__ = ["CONTROL", "COPY", "Assembly"]

PIECES = 4  # of a shared part for each thread: few, since each costs some tens of nanoseconds
PIECE = 150  # lines of a function that is cut from longer text
ALL = 1 << 40  # elements of an array that is as long as its owner knows
# What the table says of many steps: how many (0 for one), the rows of each, the settings of each
# if they change, and where the numbers among the results go; then where the larger arrays are.
CONTROL = ("count", "order", "settings", "figures")
COPY = """
@inline
def copy(x, y):  # numba's own compiles a second's worth of error messages
    for i in range(x.size):
        x[i] = y[i]
"""
GATHER = f"""
@inline
def gather(x, rows, order, first, width):
    for i in range(x.size // width):
        row = order[first + i] * width
        for j in range(width):
            x[i * width + j] = rows[row + j]

{COPY}"""


class Assembly:
    """The functions of a body.

    Parameters
    ----------
    body : Body
    size : int
        The bytes of the workspace.
    outside : mapping of str to ndarray
        What is known by address, in the order of the table.
    given : sequence of Value
        Results that have arrays of their own, which follow in the table.
    arrays : sequence of Value
        What comes with each call.
    figures : sequence of Place
        Single numbers among the results, which are noted of each of many steps.
    repeats : bool
        Whether it shall be able to do many steps; what it cannot do costs nothing to compile.
    drawn : mapping of Value to int
        Which arrays are random numbers, and how far those of one step are from those of the next.
    brief : int
        How many steps take less time than to let go of the interpreter's lock.
    """

    def __init__(
        self,
        body: Body,
        size: int,
        outside: Mapping[str, np.ndarray],
        given: Sequence[Value],
        arrays: Sequence[Value],
        figures: Sequence[Place],
        repeats: bool,
        drawn: Mapping[Value, int],
        brief: int,
    ) -> None:
        self.body = body
        self.brief = brief
        self.drawn = drawn
        self.arrays = arrays
        self.slots = 1 + len(outside) + len(given) + len(arrays)  # of the table
        dtypes = sorted({np.dtype(bool), np.dtype(body.dtype), *body.dtypes}, key=str)
        self._buffers = {
            f"work_{d.name}": _view("table[0]", size // d.itemsize, d) for d in dtypes
        }
        for i, (name, array) in enumerate(outside.items(), 1):
            self._buffers[name] = _view(f"table[{i}]", _extent(array), array.dtype)
        for i, value in enumerate([*given, *arrays], 1 + len(outside)):
            self._buffers[value.name] = _view(f"table[{i}]", value.size, value.dtype)
        first, *others = body.parts
        self.parts = [first, *(part for part in others if part.lines)]
        self.figures = figures
        self.control = self.slots
        self.repeats = repeats and any(value.shape for value in arrays)
        self.slots += self.repeats * (len(CONTROL) + len(arrays))
        self.owners = self.slots  # the arrays of the call, as objects
        self.slots += len(arrays)
        self.shared = [i for i, part in enumerate(self.parts) if part.extent]
        self.holds = bool(self.shared) and team.shares_products()
        self.team = self.slots  # where words are of it, of the BLAS, and its parts
        self.slots += 2 * bool(self.shared) + len(self.shared)
        self.slots += 2 * body.general  # where the numbers are that depend on sizes
        self.numbers: tuple[np.ndarray, ...] = ()

    def bound(self, body: Body, arrays: Sequence[Value]) -> Assembly:
        """Return the same text for the body on other arrays."""
        other = copy.copy(self)
        other.body, other.arrays = body, arrays
        return other

    @property
    def source(self) -> str:
        """The text of the parts."""
        return "\n".join(map(self._part, range(len(self.parts))))

    def compiled(self) -> tuple[Entry, list[int]]:
        """Return the machine code, and what its table has from `team` on."""
        source = self._text()
        if self.body.general:
            source, *numbers = filled(source, self.slots - 2)
            self.numbers = tuple(numbers)
        run = compile_source("run", source, "(intp,)")
        pieces = [compile_source(f"enter{i}", source, "(intp, intp, intp)") for i in self.shared]
        words = [team.address(), blas.held(), *map(address_of, pieces)] if pieces else []
        first = self.control - len(self.arrays)
        count = self.control * self.repeats
        entry = Entry(run, self.arrays, first, self.owners, count, self.brief, (run, *pieces))
        return entry, words

    def announce(self) -> None:
        """Let the text be known: the next one, for other sizes, will be for these, too."""
        announce(self._text())

    def _text(self) -> str:
        text = loop_text("\n".join([*self.body.functions, self.source]), self.body.dtype)
        entries = map(self._entry, range(len(self.parts)))
        provided = [*[GATHER] * self.repeats, *[team.SHARE] * bool(self.shared)]
        provided += [blas.holding()] * self.holds
        definitions = "\n".join([*self.body.definitions, *provided])
        return "\n".join(["import numpy as np", definitions, text, *entries, *self._run()])

    def _used(self, lines: Sequence[str]) -> list[str]:
        """Return the names of the buffers that lines work on."""
        words = set(re.findall(r"\w+", " ".join(lines)))
        return [name for name in self._buffers if name in words]

    def _rounds(self, part: Part) -> list[str]:
        return ["begin", "end"] if part.extent else []

    def _part(self, i: int) -> str:
        part = self.parts[i]
        pieces = _pieces(part)
        if len(pieces) == 1:
            return self._function(f"part{i}", part.lines, self._rounds(part))
        functions, lines = [], []
        for k, piece in enumerate(pieces):
            name = f"part{i}_{k}"
            functions.append(self._function(name, piece))
            lines.append(f"status = {name}({', '.join(self._used(piece))})")
            lines += ["if status != int(0):", "    return status"]
        return "\n".join([*functions, self._function(f"part{i}", lines, kind="inline_calls")])

    def _function(
        self, name: str, lines: Sequence[str], more: Sequence[str] = (), kind: str = "inline"
    ) -> str:
        names = ", ".join([*self._used(lines), *more])
        body = "\n    ".join([*lines, "return int(0)"])
        return f"@{kind}\ndef {name}({names}):\n    {body}\n"

    def _entry(self, i: int) -> str:
        """Return the text that unpacks the arguments; it is not in the body's types."""
        part = self.parts[i]
        rounds = self._rounds(part)
        given = ", ".join([*(self._buffers[name] for name in self._used(part.lines)), *rounds])
        head = f"def enter{i}({', '.join(['start', *rounds])}):"
        lines = [head, self._table(), f"return part{i}({given})"]
        kind = "only_calls" if rounds else "inline_calls"
        return f"@{kind}\n" + "\n    ".join(lines) + "\n"

    def _table(self) -> str:
        return f"table = view(start, {self.slots}, np.int64)"

    def _run(self) -> list[str]:
        """Return the text of the function that takes the address of the table."""
        steps = [] if len(self.parts) == 1 else [self._step()]
        call = "step(start)" if steps else "enter0(start)"
        lines = [self._table(), *self._repeated(call)] if self.repeats else [f"return {call}"]
        return [*steps, "@only_calls\n" + "\n    ".join(["def run(start):", *lines]) + "\n"]

    def _step(self) -> str:
        """Return the text of all parts, one after the other.

        A BLAS has one thread as long as they run: others of its own would be in the way of ours.
        """
        name = "parts" if self.holds else "step"
        lines = ["@inline_calls", f"def {name}(start{', several' * self.holds}):"]
        lines.append(f"    {self._table()}")
        for i, part in enumerate(self.parts):
            if part.extent:
                lines += self._shared(i)
            else:
                lines += [f"    status = enter{i}(start)"]
                lines += ["    if status != 0:", "        return status"]
        lines += ["    return 0", ""]
        if self.holds:
            lines += ["@inline_calls", "def step(start):", f"    {self._table()}"]
            lines += [f"    several = hold(table[{self.team + 1}]) > 1"]
            lines += ["    status = parts(start, several)"]
            lines += [f"    let_be(table[{self.team + 1}])", "    return status", ""]
        return "\n".join(lines)

    def _shared(self, i: int) -> list[str]:
        """Return the lines of a part that threads share."""
        part, code = self.parts[i], f"table[{self.team + 2 + self.shared.index(i)}]"
        pieces = team.PRODUCTS if part.product else PIECES
        given = f"{code}, start, {part.extent}, {part.grain}, {pieces}"
        share = f"share(table[{self.team}], {given})"
        if not part.product:
            return [f"    {share}"]
        alone = f"ran({code}, start, 0, {part.extent})"
        return ["    if several:", f"        {share}", "    else:", f"        {alone}"]

    def _repeated(self, call: str) -> list[str]:
        """Return the lines that do one step, or as many as the table says, with their rows."""
        count, order, settings, figures = (
            f"table[{self.control + i}]" for i in range(len(CONTROL))
        )
        lines = [f"for k in range(max({count}, 1)):", f"    if {count} > 0:"]
        for source, value in enumerate(self.arrays, self.control + len(CONTROL)):
            if value in self.drawn:
                begin = f"table[{source}] + {value.dtype.itemsize} * (k * {self.drawn[value]})"
                rows = _view(begin, value.size, value.dtype)
                lines.append(f"        copy({self._buffers[value.name]}, {rows})")
            elif value.shape:
                width = value.size // value.shape[0]
                rows = _view(f"table[{source}]", ALL, value.dtype)
                chosen = f"view({order}, {ALL}, np.int64), k * {value.shape[0]}"
                target = self._buffers[value.name]
                lines.append(f"        gather({target}, {rows}, {chosen}, {width})")
        total = sum(array.size for array in self.body.settings.values())
        begin = f"{settings} + 8 * (k * {total}"
        if total:
            lines.append(f"        if {settings} != 0:")
        for name, array in self.body.settings.items():
            entries = f"view({begin}), {array.size}, np.float64)"
            lines.append(f"            copy({self._buffers[name]}, {entries})")
            begin = f"{begin} + {array.size}"
        lines += [f"    status = {call}", "    if status != 0:"]
        lines += [f"        {count} = k", "        return status", f"    if {count} > 0:"]
        row = f"view({figures}, {ALL}, np.float64)[k * {max(len(self.figures), 1)} + "
        for i, place in enumerate(self.figures):
            lines.append(f"        {row}{i}] = {self._buffers[place.buffer]}[{place.offset}]")
        return [*lines, "        pass", "return 0"]


def _pieces(part: Part) -> list[list[str]]:
    """Cut long text: Numba takes much longer for one function than for several."""
    found: list[list[str]] = []
    begin = 0
    for end in [*part.cuts, len(part.lines)]:
        if end - begin >= PIECE or (end == len(part.lines) and (end > begin or not found)):
            found.append(part.lines[begin:end])
            begin = end
    return found


def _view(start: str, size: int, dtype: np.dtype[Any]) -> str:
    return f"view({start}, {size}, np.{'bool_' if dtype.kind == 'b' else dtype.name})"


def _extent(array: np.ndarray) -> int:
    """Return how many elements an array's memory spans."""
    pairs = zip(array.shape, array.strides, strict=True)
    return 1 + sum((size - 1) * stride // array.itemsize for size, stride in pairs)
