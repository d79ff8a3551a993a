"""Random numbers of programs: drawn before machine code runs, in the order of ordinary calls.

A draw reads nothing, so it can come first. What matters is what each generator gives in which
order; a run that is given up puts the generators back, and the ordinary call draws the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .record import Draw, Value
from .swap import Swap

__all__ = ["Source", "most_steps", "put_back", "sources", "states", "unused"]


class Source:
    """A generator, and what a step draws from it.

    Attributes
    ----------
    size : int
        How many numbers a step draws.
    starts : dict of Value to int
        Where the numbers of each draw begin among these.
    """

    def __init__(self, draws: Sequence[Draw]) -> None:
        self.rng = draws[0].rng
        self.dtypes = {draw.result.dtype for draw in draws}
        self.starts: dict[Value, int] = {}
        self.size = 0
        for draw in draws:
            self.starts[draw.result] = self.size
            self.size += draw.result.size

    def bound(self, swap: Swap) -> Source:
        """Return the same draws from another generator."""
        other = copy.copy(self)
        other.rng = swap(self.rng)
        return other

    def rows(self, steps: int) -> np.ndarray:
        """Return what so many steps draw, in a row each; of one dtype."""
        (dtype,) = self.dtypes
        found: np.ndarray = self.rng.random((steps, self.size), dtype)
        return found


def unused(draw: Draw) -> np.ndarray:
    """Return numbers as a step draws them; the generator is left alone."""
    found: np.ndarray = copy.deepcopy(draw.rng).random(draw.result.shape, draw.result.dtype)
    return found


def sources(draws: Sequence[Draw]) -> list[Source]:
    """Return the generators of draws."""
    found: dict[int, list[Draw]] = {}
    for draw in draws:  # two generators may share their bits
        found.setdefault(id(draw.rng.bit_generator), []).append(draw)
    return [Source(own) for own in found.values()]


def states(found: Sequence[Source]) -> list[Any]:
    """Return the states of generators, to be put back."""
    return [source.rng.bit_generator.state for source in found]


def put_back(found: Sequence[Source], before: Sequence[Any]) -> None:
    """Let generators give again what they gave since."""
    for source, state in zip(found, before, strict=True):
        source.rng.bit_generator.state = state


def most_steps(found: Sequence[Source], room: int) -> int:
    """Return for how many steps numbers can be drawn beforehand in so many bytes; at least one."""
    size = sum(source.size * 8 for source in found)
    return max(1, math.floor(room / max(size, 1)))
