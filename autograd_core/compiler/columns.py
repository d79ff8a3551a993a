"""Columns: within a strip, what passes from loop to loop lies column by column.

A processor works on eight rows at a time if their first elements lie side by side, and so the
second ones. In an array of rows of three they do not. But where only the loops of a strip look
(`strips`), elements may lie as suits them:

    for i0 in range(min(128, 1000 - r0 * 128)):
        for i1 in range(3):
            work_float64[i0 + i1 * 128] = sqrt(x0[r0 * 384 + i0 * 3 + i1])

The compiler writes the short loop out, three times, and does eight rows at once. A loop that would
stay a loop is better off with rows as they were.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from .accesses import CHECK, ELEMENT, INNER, PRODUCT, Home, itemsize, terms
from .leaving import Leaving
from .positions import FAR

__all__ = ["Strip", "turned"]

SHORT = 128  # lines that the compiler writes out


class Strip(NamedTuple):
    """How loops go over strips of rows, and what lies where meanwhile.

    Attributes
    ----------
    rows, step : int
        All rows, and those of a strip.
    lanes : int
        How many may run at the same time; 0 if threads do not share them.
    passing : dict of int to int
        Blocks with room for one strip only, and where they lie in the room for a strip.
    room : int
        The bytes of that.
    columns : set of int
        Those of the blocks that lie column by column.
    leaving : dict of str to Leaving
        Results that are copied from a room for one strip, which is one of the blocks.
    """

    rows: int
    step: int
    lanes: int
    passing: Mapping[int, int]
    room: int
    columns: set[int]
    leaving: Mapping[str, Leaving]

    @property
    def number(self) -> int:
        """How many strips there are."""
        return -(-self.rows // self.step)

    def heads(self) -> list[str]:
        """Return the lines of the loops over strips."""
        if not self.lanes:
            return [f"for r0 in range({self.number}):"]
        share = -(-self.number // self.lanes)
        strip = f"range(lane * {share}, min(lane * {share} + {share}, {self.number}))"
        return ["for lane in range(begin, end):", f"    for r0 in {strip}:"]

    def loop(self, lines: Sequence[str], times: int, homes: Sequence[Home]) -> list[str]:
        """Return the text in a strip of a loop with so many rounds for a row, or of a check."""
        check = CHECK.match(lines[0])
        if check is not None:
            return [self._part(check, times), *lines[1:]]
        turns = times > 1 and not self.columns.isdisjoint(homes)
        each = 1 if turns else times
        step, rounds = self.step * each, self.rows * each
        heads = [f"for i0 in range(min({step}, {rounds} - r0 * {step})):"]
        if turns:
            heads.append(f"    for j0 in range({times}):")
        element = partial(self._element, times, turns, iter(homes))
        return heads + [f"{'    ' * turns}{ELEMENT.sub(element, line)}" for line in lines[1:]]

    def _part(self, check: re.Match[str], times: int) -> str:
        """Return the check of what a strip has written."""
        name, first, last = check[1], int(check[2]), int(check[3])
        step = self.step * times
        if name in self.leaving:
            place = self.leaving[name].place
            begin, count = place.offset + first, f"min({step}, {last - first} - r0 * {step})"
            return f"if not is_finite({place.buffer}[{begin}:{begin} + {count}]):"
        at = f"{first} + " if first else ""
        end = f"min(r0 * {step} + {step}, {last - first})"
        return f"if not is_finite({name}[{at}r0 * {step}:{at}{end}]):"

    def ends(self) -> list[str]:
        """Return the lines at the end of a strip: results leave it."""
        room = self.room if self.lanes else 0
        return [found.line(self.step, room) for found in self.leaving.values()]

    def _element(
        self, times: int, turns: bool, homes: Iterator[Home], match: re.Match[str]
    ) -> str:
        """Return the text of an element in strip `r0`: what passes is where it is in all."""
        name, position = match[1], match[2].removesuffix(":")
        home, factors = next(homes), terms(position) or {}
        offset, pitch = factors.pop("", 0), factors.get("i0", 0)
        if home in self.leaving:
            place = self.leaving[str(home)].place
            name, offset, home = place.buffer, offset + place.offset, place.block
        further = {"r0": pitch * times * self.step} if pitch else {}
        if home in self.passing:
            further = {"lane": self.room // itemsize(name)} if self.lanes else {}
        if turns and pitch:
            factors = {"i0": pitch * times, "j0": pitch} | {
                x: factor for x, factor in factors.items() if x != "i0"
            }
        if home in self.columns:
            block, column = divmod(offset, FAR)
            offset = block * FAR + column * self.step
            factors = {x: 1 if x == "i0" else f * self.step for x, f in factors.items()}
        return f"{name}[{_position(offset, further | factors)}{match[2][len(position) :]}]"


def _position(offset: int, factors: Mapping[str, int]) -> str:
    """Return the text of a position.

    >>> _position(5, {"r0": 384, "i0": 3, "i1": 1})
    '5 + r0 * 384 + i0 * 3 + i1'
    """
    products = [x if factor == 1 else f"{x} * {factor}" for x, factor in factors.items()]
    return " + ".join([str(offset)] * bool(offset or not products) + products)


def turned(
    loops: Iterable[tuple[Sequence[str], int, Collection[Home]]], passing: Iterable[int]
) -> set[int]:
    """Return which blocks lie column by column; of loops: lines, rounds for a row, and homes."""
    long = {
        home for lines, times, homes in loops if _written(lines) * times > SHORT for home in homes
    }
    return set(passing) - long


def _written(lines: Sequence[str]) -> float:
    """Return how many lines there are of a loop where those in it are written out."""
    count: float = len(lines)
    for line in lines:
        if PRODUCT.search(line):
            return math.inf
        inner = INNER.fullmatch(line)
        if inner is not None:
            count *= int(inner[2] or inner[4] or 1)
    return count
