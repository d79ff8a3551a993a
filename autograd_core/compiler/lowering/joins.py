"""How the elements of a line become one number, and the functions that do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

from ..body import Body

__all__ = [
    "ADDED",
    "COUNTED",
    "FOLD",
    "MULTIPLIED",
    "MULTIPLIED_INTEGERS",
    "SMALLEST",
    "Join",
    "extreme",
    "keys",
    "line",
]


class Join(NamedTuple):
    """What a line's number is at its start, and with one more element."""

    start: str
    joined: str  # of the number so far and the next element
    reordered: bool = False


SMALLEST = "~np.int64(9223372036854775807)"
ADDED = Join("0.0", "{} + {}", True)
COUNTED = Join("int(0)", "{} + {}", True)
MULTIPLIED = Join("1.0", "{} * {}")
MULTIPLIED_INTEGERS = Join("int(1)", "{} * {}")


def extreme(name: str, integers: bool) -> Join:
    """Return how the largest is found; `name` is maximum, where NaN wins, or fmax."""
    if integers:
        return Join(SMALLEST, "max({}, {})")
    start = "-F(np.inf)" if name == "maximum" else "F(np.nan)"
    return Join(start, f"{name}({{}}, {{}})")


LINE = """
{decorator}
def {name}({parameters}, n):
    found = {start}
    for j in range(n):
        new = {element}
        found = {joined}
    return found
"""
# Where sums are reordered, differences that are added stand apart: they are not to be.
TERM = """
@inline
def {name}({names}):
    return {term}
"""


def line(body: Body, term: str, elements: Mapping[str, str], join: Join) -> str:
    """Define the function of a line of n elements, and return its name.

    `elements` tells for each name in the term what it is at place j: an element such as
    ``x[x_0 + j * 4]``, of an array and the place where the line begins, or the name itself.
    """
    if join.reordered and " - " in term:
        called = _defined(
            body, "term", TERM.format(name="{name}", names=", ".join(elements), term=term)
        )
        element = f"{called}({', '.join(elements.values())})"
    else:
        element = re.sub(r"\b\w+\b", lambda found: elements.get(found[0], found[0]), term)
    text = LINE.format(
        name="{name}",
        decorator="@inline_reordered" if join.reordered else "@inline",
        parameters=", ".join(t for x, e in elements.items() for t in _parameters(x, e)),
        start=join.start,
        element=element,
        joined=join.joined.format("found", "new"),
    )
    return _defined(body, "line", text)


def _parameters(name: str, element: str) -> list[str]:
    return [name] if name == element else [name, f"{name}_0"]


def _defined(body: Body, kind: str, text: str) -> str:
    """Define a function, named after its text so that equal ones are one."""
    name = f"{kind}_{crc32(text.encode()):08x}"
    body.functions[text.replace("{name}", name)] = None
    return name


# The total of n numbers, in pairs; they are overwritten.
FOLD = """
@inline
def fold(x, n):
    while n > int(1):
        half = (n + int(1)) // int(2)
        for i in range(n - half):
            x[i] += x[half + i]
        n = half
    return x[0]
"""

# Floats as integers of the same order, of which the largest is found in any order. NaN is an end.
KEY = """
@inline
def {name}(x):
    bits = F(x).view(I)
    key = I(bits ^ ((bits >> I({sign})) & I({largest})))
    return I(select(x != x, {end}, key))
"""
UNKEY = """
@inline
def unkey(key):
    return I(key ^ ((key >> I({sign})) & I({largest}))).view(F)
"""


def keys(body: Body, nan_wins: bool) -> tuple[str, str, str]:
    """Return the texts of the smallest key, of the key of a float, and of the float of a key."""
    bits = 8 * np.dtype(body.dtype).itemsize
    facts = {"sign": bits - 1, "largest": 2 ** (bits - 1) - 1}
    smallest = f"I(~I({facts['largest']}))"
    name = "key_with_nan_last" if nan_wins else "key_with_nan_first"
    end = f"I({facts['largest']})" if nan_wins else smallest
    body.functions[KEY.format(name=name, end=end, **facts)] = None
    body.functions[UNKEY.format(**facts)] = None
    return smallest, f"{name}({{}})", "unkey({})"
