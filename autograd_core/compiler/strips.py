"""Strips: loops over the same many rows, one after the other, go over a few rows at a time.

Where a sum over short rows, a slice of columns or a scattering ends a loop, the next one reads
from memory what the last one has written there. If each row of every result depends on the same
row of the operands alone, the loops can do a strip of rows each, in turn, then the next strip:

    for r0 in range(8):
        for i0 in range(min(128, 1000 - r0 * 128)):
            work_float64[64 + i0] = sqrt(x0[r0 * 128 + i0])
        for i0 in range(min(384, 3000 - r0 * 384)):
            ...

What they alone need has room for one strip, and stays in the processor's cache. Each loop goes
through its rows in the order in which it did, so that sums over rows are the same.

Whether rows are independent is read in the text (`accesses`): what one loop writes and another
touches has to be at the same distances in both. Other lines in between come before, or after, if
they touch nothing of it. Threads that shared one of the loops share the strips: each has
memory of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .accesses import Home, Reader, Touched
from .body import Body, Part
from .columns import Strip, turned
from .leaving import leaving
from .memory import Block, plan, rounded
from .record import Value
from .reroll import Chunk

__all__ = ["Strips", "merged", "planned", "shifted", "strips"]

FEWEST = 3  # loops
ROWS, WIDE = 1024, 1 << 12  # of the shortest loops; or bytes of a row, if there are fewer
LARGE = 1 << 19  # bytes that pass from loop to loop, which hardly stay in a cache
CACHED, SECOND = 1 << 16, 1 << 19  # bytes of a strip: the innermost cache, half of the next
SMALLEST, LARGEST = 8, 256  # rows of a strip
ASIDE = 32  # others in between
LINES = 600  # from which Numba would take long for the text
LANES = 16  # in which threads go over strips, each with memory of its own


class Strips(NamedTuple):
    """Chunks, by number, that go over strips of rows together.

    Attributes
    ----------
    before, after : list of int
        Chunks that come before and after them.
    loops : dict of int to int
        How many rounds each loop has for a row.
    homes : list of list of Home
        For each loop, where the elements in its lines are at home.
    touched : set of int
        All blocks that any of the chunks needs.
    strip : Strip
        How loops go over a strip.
    """

    before: list[int]
    after: list[int]
    loops: dict[int, int]
    homes: list[list[Home]]
    touched: set[int]
    strip: Strip

    @property
    def begin(self) -> int:
        """The first of the chunks."""
        return min([*self.before, *self.after, *self.loops])

    @property
    def end(self) -> int:
        """The chunk after the last."""
        return max(self.loops) + 1


# ---------------------------------------------------------------------------------- to find them


class _Use(NamedTuple):
    """What loops do at a home: all at one pitch, or 0; `only` one loop, or -1."""

    only: int
    writes: bool
    pitch: int

    def legal(self, shared: bool) -> bool:
        """Whether the order of rows and loops does not matter; in one loop rows stay ordered."""
        return self.pitch > 0 or not self.writes or (self.only >= 0 and not shared)


class _Run:
    """Loops that can go over strips together, as far as they are known.

    `ends` says whether a check between them can end a run: not where threads share loops.
    """

    def __init__(self, ends: bool = True) -> None:
        self.ends = ends
        self.rows = 0
        self.shared = False
        self.loops: dict[int, Touched] = {}
        self.aside: dict[int, Touched] = {}
        self.after: list[int] = []
        self.uses: dict[Home, _Use] = {}
        self._later: dict[Home, bool] = {}  # whether what comes after writes it

    def takes(self, number: int, touched: Touched | None, shared: bool) -> bool:
        """Take a chunk as a loop, or aside; return whether it could be."""
        if touched is None or len(self.aside) > ASIDE:
            return False
        mine = self._checks(touched) if touched.checks else self._is_long(touched)
        return (mine and self._takes_loop(number, touched, shared)) or (
            bool(self.loops) and not shared and self._takes_aside(number, touched)
        )

    def _is_long(self, touched: Touched) -> bool:
        """Whether a loop has many rows; or few that are wide, if there are not many up to now."""
        if touched.rounds >= ROWS:
            return True
        size = max((access.pitch for access in touched.accesses), default=0) * touched.rounds
        rows = min(self.rows or touched.rounds, touched.rounds)
        many = self.rows >= ROWS and len(self.loops) >= FEWEST
        return size >= max(LARGE, WIDE * rows) and not many

    def _checks(self, touched: Touched) -> bool:
        """Whether a check is of what these loops write, and can be made strip by strip."""
        known = touched.accesses[0].home in self.uses
        return self.ends and known and touched.rounds >= self.rows

    def _takes_loop(self, number: int, touched: Touched, shared: bool) -> bool:
        rows = min(self.rows or touched.rounds, touched.rounds)
        if touched.rounds % rows or self.rows % rows:
            return False
        shared = shared or self.shared
        if shared and rows < ROWS:  # each thread would need as wide a room
            return False
        uses = self.uses if rows == self.rows else _uses(self.loops, rows)
        news = _added(uses, number, touched, rows)
        known = (rows, shared) == (self.rows, self.shared)
        doubtful = news if known else uses | news
        legal = all(use.legal(shared) for use in doubtful.values())
        if not legal or self._meets_later(touched):
            return False
        uses.update(news)
        self.rows, self.shared, self.uses = rows, shared, uses
        self.loops[number] = touched
        return True

    def _takes_aside(self, number: int, touched: Touched) -> bool:
        self.aside[number] = touched
        uses = self.uses
        meets = any(a.home in uses and (a.writes or uses[a.home].writes) for a in touched.accesses)
        if meets or self._meets_later(touched):
            self.after.append(number)
            for access in touched.accesses:
                self._later[access.home] = access.writes or self._later.get(access.home, False)
        return True

    def _meets_later(self, touched: Touched) -> bool:
        later = self._later
        return any(a.home in later and (a.writes or later[a.home]) for a in touched.accesses)

    def cut(self) -> None:
        """Leave what is after the last loop where it is."""
        last = max(self.loops)
        self.aside = {i: touched for i, touched in self.aside.items() if i < last}
        self.after = [i for i in self.after if i < last]


def _uses(loops: dict[int, Touched], rows: int) -> dict[Home, _Use]:
    uses: dict[Home, _Use] = {}
    for number, touched in loops.items():
        uses.update(_added(uses, number, touched, rows))
    return uses


def _added(uses: dict[Home, _Use], number: int, touched: Touched, rows: int) -> dict[Home, _Use]:
    """Return the uses of what a loop touches, its own included, if so many rows are all."""
    found: dict[Home, _Use] = {}
    for access in touched.accesses:
        home, pitch = access.home, access.pitch_of_rows(touched.rounds // rows)
        known = found.get(home) or uses.get(home) or _Use(number, False, pitch)
        only = number if known.only == number else -1
        pitch = pitch if pitch == known.pitch else 0
        found[home] = _Use(only, known.writes or access.writes, pitch)
    return found


def strips(
    parts: Sequence[Sequence[Chunk]],
    rolled: Sequence[Sequence[Chunk]],
    body: Body,
    given: Sequence[Value],
) -> list[Strips]:
    """Return which loops are worth going over strips together.

    `parts` are the chunks of a body, `rolled` the same where those that repeat are loops, and
    `given` the results that nobody sees before the end.
    """
    if sum(block.size for block in body.blocks if block.root < 0) < LARGE:
        return []
    row = [chunk for part in parts for chunk in part]
    extents = [p.extent for p, part in zip(body.parts, parts, strict=True) for _ in part]
    reader = Reader(body.blocks, body.buffers(), [value.name for value in given])
    inside = _inside(rolled)
    known: dict[int, Touched | None] = {i: None for i, c in enumerate(row) if c in inside}
    found: list[Strips] = []
    begin, ends = 0, not any(extents)
    while begin < len(row):
        run, lines, i = _Run(ends), 0, begin
        while i < len(row) and lines < LINES:
            if i not in known:
                known[i] = reader.read(row[i].lines, extents[i])
            if not run.takes(i, known[i], extents[i] > 0):
                break
            lines, i = lines + len(row[i].lines), i + 1
        worth = _worth(run, row, body, given) if len(run.loops) >= FEWEST else None
        found += [] if worth is None else [worth]
        begin = begin + 1 if worth is None else worth.end
    return found


def _inside(rolled: Iterable[Iterable[Chunk]]) -> set[Chunk]:
    """Return the chunks that are rounds of loops, whose text shall stay short."""
    found: set[Chunk] = set()
    open_ = [chunk for part in rolled for chunk in part if chunk.rounds]
    while open_:
        inner = [chunk for part in open_.pop().rounds for chunk in part]
        found.update(inner)
        open_ += inner
    return found


def _worth(run: _Run, row: Sequence[Chunk], body: Body, given: Sequence[Value]) -> Strips | None:
    """Return the strips of a run, if much passes from loop to loop."""
    run.cut()
    pitches = _passing(run, row, body.blocks)
    between = [*pitches.values()]
    if run.rows < ROWS:  # then also what is needed afterwards
        between = [use.pitch for use in run.uses.values() if use.only < 0]
    enough = sum(between) * run.rows >= LARGE
    step = _step(sum(use.pitch for use in run.uses.values())) if enough else run.rows
    if step >= run.rows:
        return None
    outer = {str(home): use.pitch for home, use in run.uses.items()}
    others = (line for i, chunk in enumerate(row) if i not in run.loops for line in chunk.lines)
    moments = row[min([*run.loops, *run.aside])].begin, row[max(run.loops)].end
    leaves = leaving(body, given, outer, run.rows, others, moments)
    near = {leaf.place.block: leaf.pitch * leaf.itemsize for leaf in leaves.values()}
    passing, room = _packed(pitches | near, step, body.blocks)
    every = [*run.loops.values(), *run.aside.values()]
    loops = {i: touched.rounds // run.rows for i, touched in run.loops.items()}
    homes = [[access.home for access in touched.accesses] for touched in run.loops.values()]
    texts = (row[i].lines for i in loops)
    columns = turned(zip(texts, loops.values(), homes, strict=True), pitches)
    return Strips(
        before=[i for i in run.aside if i not in run.after],
        after=run.after,
        loops=loops,
        homes=homes,
        touched={a.home for touched in every for a in touched.accesses if isinstance(a.home, int)},
        strip=Strip(run.rows, step, LANES * run.shared, passing, room, columns, leaves),
    )


def _step(width: int) -> int:
    """Return how many rows a strip has: they fit into a cache, the second one if they are wide."""
    if width * SMALLEST > SECOND:
        return max(1 << (SECOND // width).bit_length() >> 1, 1)
    return min(max(1 << (CACHED // width).bit_length() >> 1, SMALLEST), LARGEST)


def _passing(run: _Run, row: Sequence[Chunk], blocks: Sequence[Block]) -> dict[int, int]:
    """Return the blocks that the loops alone need, and the bytes of a row there."""
    mine = {*run.loops, *run.aside}
    others = {chunk.begin for i, chunk in enumerate(row) if i not in mine}
    units = range(row[min(mine)].begin, row[max(mine)].end + 1)
    whole = [*run.aside.values(), *(touched for touched in run.loops.values() if touched.checks)]
    seen = {a.home for touched in whole for a in touched.accesses}
    found = {}
    for home, use in run.uses.items():
        if isinstance(home, int) and use.pitch and home not in seen:
            first, last = blocks[home].first, blocks[home].last
            if first in units and last in units and others.isdisjoint(range(first, int(last) + 1)):
                found[home] = use.pitch
    return found


def _packed(
    pitches: dict[int, int], step: int, blocks: Sequence[Block]
) -> tuple[dict[int, int], int]:
    """Return where blocks lie that have room for so many rows, and the room of all."""
    ordered = sorted(pitches, key=lambda i: blocks[i].first)
    small = [Block(rounded(step * pitches[i]), blocks[i].first, blocks[i].last) for i in ordered]
    offsets, room = plan(small)
    return dict(zip(ordered, offsets, strict=True)), room


# -------------------------------------------------------------------------- memory, and the text


def planned(
    found: Iterable[Strips], parts: Sequence[Sequence[Chunk]], blocks: Iterable[Block]
) -> list[Block]:
    """Return blocks as strips need them: the first of those that pass has room for all."""
    blocks = list(map(copy.copy, blocks))
    row = [chunk for part in parts for chunk in part]
    for each in found:
        first, last = row[each.begin].begin, row[each.end - 1].end
        for number in each.touched - each.strip.passing.keys():
            block = blocks[number]
            block.first, block.last = min(block.first, first), max(block.last, last)
        if not each.strip.passing:
            continue
        home = min(each.strip.passing)
        for number, block in enumerate(blocks):
            if {number, block.root} & each.strip.passing.keys():
                block.root = home
        blocks[home] = Block(each.strip.room * max(each.strip.lanes, 1), first, last)
    return blocks


def shifted(found: Iterable[Strips], blocks: Sequence[Block], offsets: Sequence[int]) -> list[int]:
    """Return offsets of blocks that tell those apart which pass."""
    places = {number: place for each in found for number, place in each.strip.passing.items()}
    roots = (i if block.root < 0 else block.root for i, block in enumerate(blocks))
    return [at + places.get(root, 0) for at, root in zip(offsets, roots, strict=True)]


def merged(
    found: Iterable[Strips], parts: Sequence[Part], rows: Sequence[Sequence[Chunk]]
) -> tuple[list[Part], list[list[Chunk]]]:
    """Return parts, and the chunks of each; strips that threads share are a part."""
    row = [chunk for own in rows for chunk in own]
    starts = {each.begin: each for each in found}
    result: list[tuple[Part, list[Chunk]]] = []
    number = end = 0
    for part, own in zip(parts, rows, strict=True):
        result.append((part, []))
        for chunk in own:
            each = starts.get(number)
            if each is not None:
                _enter(each, row, result)
                end = each.end
            elif number >= end:
                result[-1][1].append(chunk)
            number += 1
    joined = _joined(result)
    return [part for part, _ in joined], [own for _, own in joined]


def _joined(parts: Iterable[tuple[Part, list[Chunk]]]) -> list[tuple[Part, list[Chunk]]]:
    """Return parts without shared ones that are empty; then those at their sides are one."""
    found: list[tuple[Part, list[Chunk]]] = []
    for part, row in parts:
        if found and not part.extent and not found[-1][0].extent:
            found[-1][1].extend(row)
        elif row or not part.extent:
            found.append((part, row))
    return found


def _enter(each: Strips, row: Sequence[Chunk], result: list[tuple[Part, list[Chunk]]]) -> None:
    """Add strips, with what is before and after them."""
    inside = row[each.begin : each.end]
    begin, end = inside[0].begin, inside[-1].end
    found = [chunk.blocks for chunk in inside if chunk.blocks]
    blocks = range(found[0].start, found[-1].stop) if found else range(0)
    before, after = (_text(row[i] for i in group) for group in (each.before, each.after))
    lines = _lines(each, row)
    if not each.strip.lanes:
        result[-1][1].append(Chunk([*before, *lines, *after], begin, end, blocks))
        return
    result.append((Part([]), [Chunk(before, begin, begin, range(0))]))
    shared = Part([], min(each.strip.lanes, each.strip.number), 1)
    result.append((shared, [Chunk(lines, begin, end, blocks)]))
    result.append((Part([]), [Chunk(after, end, end, range(0))]))


def _text(found: Iterable[Chunk]) -> list[str]:
    return [line for chunk in found for line in chunk.lines]


def _lines(each: Strips, row: Sequence[Chunk]) -> list[str]:
    """Return the loops of all strips."""
    lines = each.strip.heads()
    indent = "    " * len(lines)
    for (number, times), homes in zip(each.loops.items(), each.homes, strict=True):
        found = each.strip.loop(row[number].lines, times, homes)
        lines += [f"{indent}{line}" for line in found]
    lines += [f"{indent}{line}" for line in each.strip.ends()]
    return lines + ["drained()"] * bool(each.strip.leaving)
