"""Machine code for arrays of any size: what two texts have in common, and the numbers between.

The texts of two programs that differ only in the sizes of their arrays are the same but for some
numbers: the ends of loops, positions in memory, 1 / n. Where they differ, a text for both reads
the number from an array:

    for i0 in range(512):                    for i0 in range(whole4):
        work_float32[1024 + i0] = ...            work_float32[whole7 + i0] = ...

That is right whatever the numbers mean, because a number and a name that holds it are the same
to the text. A third program fits if it differs from the others at no other place; its machine
code is there already.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

__all__ = ["Filled", "announce", "filled"]

FUNCTION = re.compile(r"^def ((?:part|enter)\d\w*)\((.*)\):\n((?:    .*\n|\n)*)", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.])")
PART = re.compile(r"\b(part\d\w*)\(")


class Filled(NamedTuple):
    """A text, and the numbers that it reads."""

    text: str
    wholes: np.ndarray
    reals: np.ndarray


class _Split(NamedTuple):
    """The numbers in the functions of a text, and what is before, between and after them."""

    rest: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """What texts for different sizes have in common."""
        return self.rest, tuple(map(_is_whole, self.numbers))


_lock = Lock()
_known: dict[tuple[object, ...], list[tuple[str, ...]]] = {}


def announce(source: str) -> None:
    """Let a text be known, so that the next one that differs in numbers alone can be for both."""
    filled(source, 0)


def filled(source: str, slot: int) -> Filled:
    """Return a text for all programs whose texts differ from this one's in the same places.

    Parameters
    ----------
    source : str
        Functions ``part...``, and ``enter...`` that begin with a line about their table.
    slot : int
        The place in the table where the address of the whole numbers is; the next is for the
        others.
    """
    split = _split(source)
    with _lock:
        others = _known.setdefault(split.key, [])
        names = _names([*others, split.numbers])
        if not others or names != _names(others):
            others.append(split.numbers)
    chosen = [names[i] or number for i, number in enumerate(split.numbers)]
    text = "".join(map("".join, zip(split.rest, [*chosen, ""], strict=True)))
    held = {name: number for name, number in zip(names, split.numbers, strict=True) if name}
    wholes = [int(number) for name, number in held.items() if name.startswith("whole")]
    reals = [float(number) for name, number in held.items() if name.startswith("real")]
    if held:
        text = FUNCTION.sub(lambda found: _reading(found, slot), text)
    return Filled(text, np.array(wholes, np.int64), np.array(reals, np.float64))


def _split(source: str) -> _Split:
    rest, numbers, end = [""], [], 0
    for function in FUNCTION.finditer(source):
        for found in NUMBER.finditer(source, *function.span(3)):
            rest[-1] += source[end : found.start()]
            numbers.append(found[0])
            rest.append("")
            end = found.end()
    rest[-1] += source[end:]
    return _Split(tuple(rest), tuple(numbers))


def _is_whole(number: str) -> bool:
    return number.isdigit()


def _names(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a name for each number that is not the same everywhere; "" for the others.

    Two that were equal so far have two names: at another size they may not be, as the end of an
    array and the beginning of the next are not where that has to begin at a multiple of 64 bytes.
    """
    counts = {True: itertools.count(), False: itertools.count()}
    found = []
    for column in zip(*rows, strict=True):
        whole = _is_whole(column[0])
        name = f"{'whole' if whole else 'real'}{next(counts[whole])}" if len({*column}) > 1 else ""
        found.append(name)
    return found


def _reading(found: re.Match[str], slot: int) -> str:
    """Return a function that reads its numbers, and hands them on."""
    name, parameters, body = found.groups()
    lines = []
    if name.startswith("part"):
        parameters = f"wholes, reals, {parameters}"
    else:
        first, _, body = body.partition("\n")  # which says what the table is
        lines += [
            first.strip(),
            f"wholes = view(table[{slot}], table.size, np.int64)",
            f"reals = view(table[{slot + 1}], table.size, np.float64)",
        ]
    body = PART.sub(r"\1(wholes, reals, ", body)
    for kind in ("whole", "real"):
        used = sorted({int(i) for i in re.findall(rf"\b{kind}(\d+)\b", body)})
        lines += [f"{kind}{i} = {kind}s[{i}]" for i in used]
    head = "".join(f"    {line}\n" for line in lines)
    return f"def {name}({parameters}):\n{head}{body}"
