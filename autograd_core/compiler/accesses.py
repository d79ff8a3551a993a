"""What lines read and write, as their text says it.

A loop over rows says of each element where it lies:

    for i0 in range(1000):
        for i1 in range(3):
            v7_ = work_float64[64 + i0 * 3 + i1]

A round of `i0` reads three elements here, and the next round the three after them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .memory import Block
from .positions import FAR
from .reroll import SCALARS

__all__ = [
    "CHECK",
    "ELEMENT",
    "INNER",
    "PRODUCT",
    "Access",
    "Home",
    "Reader",
    "Touched",
    "itemsize",
    "terms",
]

ELEMENT = re.compile(r"\b(\w+)\[([^\[\]]*)\]")
HEAD = re.compile(r"for i0 in range\((\d+)\):")
INNER = re.compile(
    r" +for (\w+) in range\((?:(\d+)|0, (\d+), \d+|\w+, min\(\w+ \+ \d+, (\d+)\))\):"
)
CHECK = re.compile(r"if not is_finite\((\w+)\[(\d+):(\d+)\]\):")
PRODUCT = re.compile(r"\b[sd]product_(\d+)x(\d+)x(\d+)_([nt])([nt])_(\d+)_(\d+)_(\d+)\w*\((.*)\)$")
TERM = re.compile(r"(?P<number>\d+)|(?P<name>[a-z]\w*)(?: \* (?P<factor>\d+))?")
SLICE = re.compile(r"(\d+)(?::\d+)?")
ASSIGNED = re.compile(r" [^\w\s]*= ")
WORK = "work_"

Home = int | str  # a block of the workspace, or the name of another array


class Access(NamedTuple):
    """Elements that each round of a loop reads, or writes.

    Counted in bytes from the beginning of their home they are from `first` to `end` in the first
    round, and in each other `pitch` further; without a pitch they may be anywhere.
    """

    home: Home
    writes: bool
    pitch: int = 0
    first: int = 0
    end: int = 0

    def pitch_of_rows(self, rounds: int) -> int:
        """Return how far rows of some rounds are apart, or 0 if one meets another's elements."""
        pitch = self.pitch * rounds
        inside = self.first >= 0 and self.end + (rounds - 1) * self.pitch <= pitch
        return pitch if inside else 0


class Touched(NamedTuple):
    """What lines touch, element by element; `rounds` are those of a loop, or 0 if it is none.

    A check that elements are finite is like a loop that reads them.
    """

    rounds: int
    accesses: list[Access]
    checks: bool = False


def terms(position: str) -> dict[str, int] | None:
    """Return the factor of each name in a position, with its offset as that of "".

    >>> terms("5 + i0 * 3 + i1")
    {'': 5, 'i0': 3, 'i1': 1}
    """
    found = {"": 0}
    for term in position.split(" + "):
        match = TERM.fullmatch(term)
        if match is None:
            return None
        found[match["name"] or ""] = int(match["number"] or match["factor"] or 1)
    return found


class Reader:
    """Reads lines before anybody knows where blocks lie; a block is at home where its root is.

    Parameters
    ----------
    blocks : sequence of Block
    names : collection of str
        Of the arrays that lines may work on.
    free : collection of str
        Of those among them that nobody sees before the end.
    """

    def __init__(
        self, blocks: Sequence[Block], names: Collection[str], free: Collection[str]
    ) -> None:
        self._roots = [i if block.root < 0 else block.root for i, block in enumerate(blocks)]
        self._names = frozenset(names)
        self._free = free

    def read(self, lines: Sequence[str], extent: int = 0) -> Touched | None:
        """Return what lines touch; None if their text does not tell, or what others may see.

        The lines of a loop that threads share say nothing of its `extent`.
        """
        if not lines:
            return Touched(0, [])
        if any(map(SCALARS.search, lines)):
            return None
        check = CHECK.fullmatch(lines[0])
        if check is not None and len(lines) == 2 and self._is_free(check[1]):
            return self._check(check[1], int(check[2]), int(check[3]))
        head = HEAD.fullmatch(lines[0])
        rounds = int(head[1]) if head else extent
        alone = rounds and all(line[0] == " " for line in lines[1:])
        found = self._loop(lines[1:]) if alone else None
        if found is not None:
            return Touched(rounds, found)
        listed = self._statements(lines)
        return None if listed is None else Touched(0, listed)

    def _check(self, name: str, begin: int, end: int) -> Touched:
        item = itemsize(name)
        home, number = self._home(name, begin)
        access = Access(home, False, item, number * item, (number + 1) * item)
        return Touched(end - begin, [access], True)

    def _loop(self, lines: Sequence[str]) -> list[Access] | None:
        """Read the lines in a loop."""
        lasts: dict[str, int] = {}
        found: list[Access] = []
        for line in lines:
            inner = INNER.fullmatch(line)
            if inner is not None:
                lasts[inner[1]] = int(inner[2] or inner[3] or inner[4]) - 1
            elif not self._says_all(line) or re.search(r"\bi0\b|return", ELEMENT.sub("", line)):
                return None
            for name, position, writes, size in _elements(line):
                access = self._element(name, position, lasts, writes, size)
                if access is None:
                    return None
                found.append(access)
        return found

    def _element(
        self, name: str, position: str, lasts: dict[str, int], writes: bool, size: int
    ) -> Access | None:
        factors = terms(position)
        if factors is None or (writes and not self._is_free(name)):
            return None
        offset, pitch = factors.pop(""), factors.pop("i0", 0)
        if not factors.keys() <= lasts.keys():  # from a table
            return None if name.startswith(WORK) else Access(name, writes)
        item = itemsize(name)
        home, number = self._home(name, offset)
        length = size + sum(factor * lasts[x] for x, factor in factors.items())
        first = number * item
        return Access(home, writes, pitch * item, first, first + length * item)

    def _statements(self, lines: Sequence[str]) -> list[Access] | None:
        """Read lines that are no loop: what they name they may write."""
        found = []
        for line in lines:
            if not self._says_all(line):
                return None
            for match in ELEMENT.finditer(line):
                name, position = match.groups()
                part = SLICE.fullmatch(position)
                if part is None or not self._is_free(name):
                    return None
                found.append(Access(self._home(name, int(part[1]))[0], True))
        return found

    def _says_all(self, line: str) -> bool:
        """Whether a line names arrays only to say which elements."""
        words = re.findall(r"\w+", ELEMENT.sub("", line))
        return not any(word in self._names or word.startswith(WORK) for word in words)

    def _home(self, name: str, offset: int) -> tuple[Home, int]:
        """Return where an element is at home, and which one it is there."""
        if not name.startswith(WORK):
            return name, offset
        block, rest = divmod(offset, FAR)
        return self._roots[block - 1], rest

    def _is_free(self, name: str) -> bool:
        return name.startswith(WORK) or name in self._free


def _elements(line: str) -> Iterator[tuple[str, str, bool, int]]:
    """Yield what a line touches: array, position, whether it is written, how many elements."""
    product = PRODUCT.search(line)
    before = line[: product.start()] if product else line
    assigned = ASSIGNED.search(line)
    end = assigned.start() if assigned else 0
    for match in ELEMENT.finditer(before):
        yield match[1], match[2], match.end() <= end, 1
    if product is not None:
        yield from _matrices(product)


def _matrices(product: re.Match[str]) -> Iterator[tuple[str, str, bool, int]]:
    """Yield what a product touches; without need of room it is given the first matrix again."""
    m, n, k, lda, ldb, ldc = (int(product[i]) for i in (1, 2, 3, 6, 7, 8))
    a = (k, m) if product[4] == "t" else (m, k)
    b = (n, k) if product[5] == "t" else (k, n)
    shapes = (a, lda), (b, ldb), ((m, n), ldc)
    spans = [(rows - 1) * distance + columns for (rows, columns), distance in shapes]
    given = product[9].split(", ")
    again = given[0] == given[-1]
    sizes = [*spans, spans[0] if again else 1]
    for text, size, writes in zip(given, sizes, (False, False, True, not again), strict=False):
        for match in ELEMENT.finditer(text):
            yield match[1], match[2].removesuffix(":"), writes, size


def itemsize(name: str) -> int:
    """Return the bytes of an element; elsewhere than in the workspace one will do as well."""
    return np.dtype(name.removeprefix(WORK)).itemsize if name.startswith(WORK) else 1
