"""Rounds that a loop leaves over, because their positions are uneven: their lines as functions.

What is before and after a loop reads what no round has written, so the first rounds and the last
stand as lines beside the loop, each of them as long as the loop itself. Those that differ in
positions alone become one function, called with the positions, which is compiled once:

    @apart
    def left0(work_float32, x1, p0, p1):
        for i0 in range(14):
            v12_ = work_float32[p0 + i0] * x1[i0]
            ...
    ...
    left0(work_float32, x1, int(28), int(96))

It may be slower than with numbers in their place, so it must not be where the time goes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import chain

from .reroll import INTEGER, NO_OFFSET, SCALARS, Chunk, Reader, Reading

__all__ = ["shortened"]

MANY = 64  # rounds of a loop beside which what is left over takes no time
WORTH = 8  # lines
WHOLE = re.compile(rf"int\((\d+)\)|{INTEGER.pattern}")
LEAVES = re.compile(r"\breturn\b")


def shortened(
    found: Sequence[Sequence[Chunk]], buffers: Collection[str]
) -> tuple[list[list[Chunk]], list[str]]:
    """Return chunks with calls in the place of lines that loops leave over, and the functions.

    Parameters
    ----------
    found : sequence of sequence of Chunk
        The parts of a text, with loops; all positions are numbers.
    buffers : collection of str
        The names of the arrays.
    """
    reader = Reader()
    inside = {_key(reader.read(chunk.lines)) for chunk in _long(_repeated(chain(*found)))}
    copies: dict[object, list[Chunk]] = {}
    for chunk in _long(chain(*found)) if inside else ():
        key = _key(reader.read(chunk.lines))
        if key in inside:
            copies.setdefault(key, []).append(chunk)
    calls: dict[int, Chunk] = {}
    functions: list[str] = []
    for group in copies.values():
        if len(group) > 1:
            function, lines = _shared(f"left{len(functions)}", group, buffers)
            functions.append(function)
            calls |= {id(c): c.with_lines([x]) for c, x in zip(group, lines, strict=True)}
    return [[calls.get(id(chunk), chunk) for chunk in part] for part in found], functions


def _key(reading: Reading) -> object:
    return reading.form, reading.others


def _repeated(chunks: Sequence[Chunk] | chain[Chunk]) -> list[Chunk]:
    """Return the chunks of which a loop does many rounds."""
    found = []
    for loop in (chunk for chunk in chunks if chunk.rounds):
        inner = _repeated(loop.rounds[0])
        many = len(loop.rounds) >= MANY
        found += [chunk for chunk in loop.rounds[0] if not chunk.rounds] if many else []
        found += inner
    return found


def _long(chunks: Sequence[Chunk] | chain[Chunk]) -> list[Chunk]:
    """Return the chunks that can be functions, and are long enough."""
    plain = [chunk for chunk in chunks if not chunk.rounds and len(chunk.lines) >= WORTH]
    return [c for c in plain if not any(LEAVES.search(x) or SCALARS.search(x) for x in c.lines)]


def _shared(name: str, group: Sequence[Chunk], buffers: Collection[str]) -> tuple[str, list[str]]:
    """Return the function of alike chunks, and what calls it in their place."""
    texts = [NO_OFFSET.sub("[0 + ", "\n".join(chunk.lines)) for chunk in group]
    columns = list(zip(*map(INTEGER.findall, texts), strict=True))
    varied = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    names = {i: f"p{k}" for k, i in enumerate(varied)}
    numbers = iter(range(len(columns)))

    def named(found: re.Match[str]) -> str:
        return names.get(next(numbers), found[0])

    body = WHOLE.sub(named, texts[0]).replace("\n", "\n    ")
    words = set(re.findall(r"\w+", texts[0]))
    used = [buffer for buffer in buffers if buffer in words]
    head = f"@apart\ndef {name}({', '.join([*used, *names.values()])}):"
    given = [[f"int({columns[i][k]})" for i in varied] for k in range(len(group))]
    return f"{head}\n    {body}\n", [f"{name}({', '.join([*used, *row])})" for row in given]
