"""Re-rolling: lines that repeat become a loop again.

A loop of the host is recorded as what it did: a thousand time steps are a thousand times the same
lines, but for the names of scalars and for positions in memory that grow by the same amount. One
copy of them in a loop over the rounds does the same, and is short enough to compile:

    for r0 in range(1000):
        for i0 in range(14):
            v12_ = F(x0[28 + r0 * 14 + i0])
            ...

The lines of a unit share names, so they stay together: a `Chunk`. It is read once, with positions
in the workspace that are to be filled in, and searched for loops for more than one plan. Two
chunks are alike if their text is, with names numbered by their first appearance and without the
numbers that count. These stand in brackets, in ``range`` or in ``int``, where a literal is no
float; all others are text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from .body import Body
from .memory import Block
from .positions import FAR, Positions, is_far

__all__ = [
    "LONG",
    "Chunk",
    "Reader",
    "Reading",
    "Row",
    "chunks",
    "cuts",
    "reroll",
    "settled",
    "stretches",
    "text",
]

LONG = 400  # lines from which a loop is worth it
FEWEST = 4  # rounds of a loop
CANDIDATES = 64  # periods that are tried at once

INTEGER = re.compile(r"(?<![\w.])(?<!e[-+])\d+(?![\w.])")
NAME_OR_INTEGER = re.compile(r"(\b(?:[tv]\d+_+|(?<!\.)(?<!e[-+])\d+(?![\w.])))")  # in one go
NO_OFFSET = re.compile(r"\[(?<=\w\[)(?=[ir]\d)")  # where `index` has left out a zero
MARK = re.compile(r"[#\[\]()]")
SUMMAND = re.compile(r"(?:[(,+] ?)int\(#\)(?! [*/%])")
SCALARS = re.compile(r"\bs\d+\b")
ASSIGNMENT = re.compile(r"\w+ [^\w\s]*= ")


class Chunk:
    """Lines that share no names with others, or a loop of such.

    Attributes
    ----------
    lines : list of str
    begin, end : int
        The units to which the first and the last line belong.
    blocks : range
        The blocks of the workspace that were allotted for lines that are no loop.
    rounds : list of list of Chunk
        What a loop stands for; empty otherwise.
    """

    __slots__ = ("begin", "blocks", "depth", "end", "lines", "rounds")

    def __init__(
        self,
        lines: list[str],
        begin: int,
        end: int,
        blocks: range,
        rounds: Sequence[Sequence[Chunk]] = (),
    ) -> None:
        self.lines = lines
        self.begin = begin
        self.end = end
        self.blocks = blocks
        self.rounds = rounds
        self.depth: int = 1 + max((c.depth for c in rounds[0]), default=-1) if rounds else 0

    def with_lines(self, lines: list[str]) -> Chunk:
        """Return a chunk of the same units and blocks."""
        return Chunk(lines, self.begin, self.end, self.blocks, self.rounds)


def settled(found: Sequence[Chunk], positions: Positions) -> list[Chunk]:
    """Return chunks with the positions in their lines; loops have them."""
    return [c if c.rounds else c.with_lines(_written(c, positions)) for c in found]


def _written(chunk: Chunk, positions: Positions, zeros: bool = False) -> list[str]:
    if chunk.rounds or not chunk.lines:
        return chunk.lines
    return positions.written("\n".join(chunk.lines), zeros).split("\n")


def text(found: Sequence[Chunk]) -> list[str]:
    """Return the lines of chunks, one after the other."""
    return [line for chunk in found for line in chunk.lines]


def cuts(found: Sequence[Chunk]) -> list[int]:
    """Return where the text of chunks can be cut; not between scalars of updates, `s0`."""
    ends = list(accumulate(len(chunk.lines) for chunk in found))
    joined = [i for i, line in enumerate(text(found)) if SCALARS.search(line)]
    return [i for i in ends if not joined or not joined[0] < i <= joined[-1]]


# ---------------------------------------------------------------------------- from text to chunks


def chunks(body: Body) -> list[list[Chunk]]:
    """Return the chunks of each part of a body."""
    found: list[list[Chunk]] = [[] for _ in body.parts]
    stops = [*body.marks[1:], (len(body.parts), 0, len(body.blocks))]
    for unit, (start, stop) in enumerate(zip(body.marks, stops, strict=True)):
        blocks = range(start[2], stop[2])
        for i in range(start[0], min(stop[0] + 1, len(body.parts))):
            lines = body.parts[i].lines
            first = start[1] if i == start[0] else 0
            last = stop[1] if i == stop[0] else len(lines)
            needed = [line for line in lines[first:last] if line]
            for piece in _pieces(needed, bool(blocks)):
                found[i].append(Chunk(piece, unit, unit, blocks))
                blocks = blocks[:0]
    return found


def _pieces(lines: list[str], needed: bool) -> list[list[str]]:
    """Split the lines of a unit where no name is alive; one piece at least if it is needed."""
    outermost = [i for i, line in enumerate(lines) if line[0] != " " and line[:2] != "el"]
    if any(ASSIGNMENT.match(lines[i]) for i in outermost) or not lines:
        return [lines] if lines or needed else []
    return [lines[i:j] for i, j in zip(outermost, [*outermost[1:], len(lines)], strict=True)]


# -------------------------------------------------------------------------------- what is alike


class Reading(NamedTuple):
    """A text without names: its form, the numbers that count, and those that are text."""

    form: str
    numbers: list[int]
    others: tuple[str, ...]


class Reader:
    """Reads texts; what is the same in many is found out once."""

    def __init__(self) -> None:
        self._counts: dict[str, list[bool]] = {}

    def read(self, lines: Sequence[str]) -> Reading:
        """Return what lines are but for names."""
        names: dict[str, str] = {}
        pieces = NAME_OR_INTEGER.split(NO_OFFSET.sub("[0 + ", "\n".join(lines)))
        found = pieces[1::2]
        numbers = [piece for piece in found if piece[0] not in "tv"]
        for name in found:
            if name[0] in "tv" and name not in names:
                names[name] = f"v{len(names)}_"
        pieces[1::2] = [names.get(piece, "#") for piece in found]
        form = "".join(pieces)
        if form not in self._counts:
            self._counts[form] = _counts(form)
        pairs = list(zip(numbers, self._counts[form], strict=True))
        others = tuple(n for n, counts in pairs if not counts)
        return Reading(form, [int(n) for n, counts in pairs if counts], others)


def _counts(form: str) -> list[bool]:
    """Say of each number in a text whether it counts.

    >>> _counts("for i in range(#): y[# + i] = f(x[i] * # + min(#, #), int(#))")
    [True, True, False, False, False, True]
    """
    found: list[bool] = []
    inside = [False]
    summands = {match.end() - 2 for match in SUMMAND.finditer(form)}
    for mark in MARK.finditer(form):
        before = form[max(mark.start() - 6, 0) : mark.start()]
        if mark[0] == "#":
            found.append(inside[-1] or mark.start() in summands)
        elif mark[0] in "])":
            inside.pop()
        elif mark[0] == "[":
            inside.append(inside[-1] or before[-1:].isalnum() or before[-1:] in ("_", "]", ")"))
        else:
            inside.append(inside[-1] or re.search(r"\brange$", before) is not None)
    return found


class _Arrays:
    """Chunks one after the other as arrays, to look for periods."""

    def __init__(self, forms: Sequence[int], numbers: Sequence[np.ndarray]) -> None:
        self.forms = np.array(forms, np.int64)
        self.lengths = np.array(list(map(len, numbers)), np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.numbers = np.concatenate([np.zeros(0, np.int64), *numbers])

    def periods(self) -> list[int]:
        """Return the distances at which many forms appear again, the shortest first."""
        order = np.argsort(self.forms, kind="stable")
        forms = self.forms[order]
        found = [
            (order[k:] - order[:-k])[forms[k:] == forms[:-k]] for k in (1, 2) if k < len(order)
        ]
        counts = np.bincount(np.concatenate(found)) if found else np.zeros(0, np.int64)
        best = np.argsort(-counts, kind="stable")[:CANDIDATES]
        longest = len(order) // FEWEST
        return sorted(int(p) for p in best if counts[p] >= FEWEST - 1 and p <= longest)

    def runs(self, period: int) -> list[tuple[int, int]]:
        """Return where rounds of this period repeat: from where to where."""
        again = self.forms[:-period] == self.forms[period:]
        twice = again[:-period] & again[period:]
        least = (FEWEST - 2) * period
        for begin, end in stretches(twice, least):
            where = np.arange(begin, end)
            twice[begin:end] = self._evenly(where, period)
        return [(begin, end + 2 * period) for begin, end in stretches(twice, least)]

    def _evenly(self, where: np.ndarray, period: int) -> Any:
        """Whether the numbers grow by the same amount from each round to the next."""
        lengths = self.lengths[where]
        which = np.repeat(np.arange(len(where)), lengths)
        inner = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        first, second, third = (
            self.numbers[self.starts[where + k * period][which] + inner] for k in range(3)
        )
        uneven = third - second != second - first
        return np.bincount(which, uneven, len(where)) == 0


def stretches(holds: np.ndarray, least: int) -> list[tuple[int, int]]:
    """Return the stretches of at least so many true values.

    >>> stretches(np.array([True, False, True, True]), 2)
    [(2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], holds.astype(np.int8), [0]])))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(begin, end) for begin, end in pairs if end - begin >= least]


# ------------------------------------------------------------------------------------- the loops


def reroll(found: Sequence[Chunk], blocks: Sequence[Block]) -> list[Chunk]:
    """Return chunks of which those that repeat have become loops, where no position is open."""
    return Row(found).rolled(blocks, Positions(()))


class Row:
    """The chunks of one part, read.

    Parameters
    ----------
    chunks : sequence of Chunk
        They stay as they are.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self._reader = Reader()
        self._readings = [self._reader.read(chunk.lines) for chunk in chunks]
        pairs = [divmod(n, FAR) for reading in self._readings for n in reading.numbers]
        split = np.array(pairs, np.int64).reshape(-1, 2)
        self._blocks, self._rests = split[:, 0], split[:, 1]
        self._ends = np.cumsum([len(reading.numbers) for reading in self._readings])

    def rolled(self, blocks: Sequence[Block], positions: Positions) -> list[Chunk]:
        """Return chunks of which those that repeat have become loops, also loops of loops.

        Parameters
        ----------
        blocks : sequence of Block
            The workspace: a round had best begin where few of them are in use.
        positions : Positions
            Where the blocks are. The chunks that are no loops still have to be `settled`.
        """
        used, known = _in_use(blocks), _Known(positions)
        row = list(self.chunks)
        forms = list(map(known.form, self._readings))
        numbers = np.split(positions.numbers(self._blocks, self._rests), self._ends[:-1])
        while (loops := _shortest(row, _Arrays(forms, numbers), used)) is not None:
            position = 0
            new: list[Chunk] = []
            new_forms: list[int] = []
            new_numbers: list[np.ndarray] = []
            for begin, count, period in loops:
                end = begin + count * period
                rounds = [row[i : i + period] for i in range(begin, end, period)]
                loop = _loop(rounds, positions)
                reading = self._reader.read(loop.lines)
                new += [*row[position:begin], loop]
                new_forms += [*forms[position:begin], known.form(reading)]
                new_numbers += [*numbers[position:begin], np.array(reading.numbers, np.int64)]
                position = end
            row = [*new, *row[position:]]
            forms = [*new_forms, *forms[position:]]
            numbers = [*new_numbers, *numbers[position:]]
        return row


class _Known:
    """Numbers for forms, equal for those that are."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._known: dict[Hashable, int] = {}

    def form(self, reading: Reading) -> int:
        """Return the number of the form of a text."""
        others = reading.others
        if any(map(is_far, others)):
            others = tuple(self._positions.written(number) for number in others)
        return self._known.setdefault((reading.form, others), len(self._known))


def _in_use(blocks: Sequence[Block]) -> np.ndarray:
    """Return how many blocks are in use between each unit and the one before."""
    size = 2 + max((block.first for block in blocks), default=0)
    changes = np.zeros(size + 1, np.int64)
    for block in (block for block in blocks if block.root < 0):
        changes[block.first + 1] += 1
        changes[int(min(block.last + 1, size))] -= 1
    return np.cumsum(changes)


def _shortest(
    row: Sequence[Chunk], arrays: _Arrays, used: np.ndarray
) -> list[tuple[int, int, int]] | None:
    """Return the loops of the shortest period: where each begins, its rounds, the period."""
    for period in arrays.periods():
        runs = arrays.runs(period)
        if runs:
            return [(*_aligned(row, begin, end, period, used), period) for begin, end in runs]
    return None


def _aligned(
    row: Sequence[Chunk], begin: int, end: int, period: int, used: np.ndarray
) -> tuple[int, int]:
    """Choose where rounds begin, and count them."""
    count = (end - begin) // period
    spare = end - begin - count * period if count == FEWEST else period - 1
    middle = count // 2 * period
    busy = [
        used[min(row[i + middle].begin, len(used) - 1)] for i in range(begin, begin + spare + 1)
    ]
    start = begin + int(np.argmin(busy))
    return start, (end - start) // period


def _loop(rounds: Sequence[Sequence[Chunk]], positions: Positions) -> Chunk:
    """Return the loop that does what all rounds do."""
    first, second, last = rounds[0], rounds[1], rounds[-1]
    loop = Chunk([], first[0].begin, last[-1].end, range(0), rounds)
    name = f"r{loop.depth}"
    loop.lines = [f"for {name} in range({len(rounds)}):"]
    for one, other in zip(first, second, strict=True):
        lines, following = (_written(chunk, positions, zeros=True) for chunk in (one, other))
        loop.lines += [f"    {line}" for line in _varied(lines, following, name)]
    return loop


def _varied(lines: Sequence[str], following: Sequence[str], name: str) -> list[str]:
    """Return lines with numbers that grow as they do from these lines to the following."""
    plain, other = (NO_OFFSET.sub("[0 + ", "\n".join(part)) for part in (lines, following))
    numbers = iter(INTEGER.findall(other))

    def grown(match: re.Match[str]) -> str:
        step = int(next(numbers)) - int(match[0])
        return _grown(match, step, name) if step else match[0]

    return INTEGER.sub(grown, plain).split("\n")


def _grown(match: re.Match[str], step: int, name: str) -> str:
    sign = "+" if step > 0 else "-"
    begin, end = match.span()
    before, after = match.string[max(begin - 4, 0) : begin], match.string[end : end + 2]
    if before.endswith("int("):
        return f"{match[0]}) {sign} {name} * int({abs(step)}"
    term = f"{match[0]} {sign} {name} * {abs(step)}"
    alone = before.endswith(("[", "(", ":", ", ")) and not after.startswith((" *", " /", " %"))
    return term if alone else f"({term})"
