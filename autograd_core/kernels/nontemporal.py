"""Copies past the caches, by non-temporal stores: for results that are larger than these.

A line of memory that is written the usual way is fetched first, and pushes out another. A store
that bypasses the caches does neither, but has to write a whole line. Other threads see it only
after `drained`: the order of such stores is nobody's business until then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from . import exact
from .vectors import INDEX, Vectors, declared

__all__ = ["drained", "plain", "streamed"]

LINE = 64  # bytes


def streamed(dtype: str) -> Any:
    """Declare a copy, of the addresses of target and source and of how many numbers."""
    write = functools.partial(_Stream, dtype)
    return declared("streamed", (dtype,), "target source count", types.void, write)


def plain(dtype: str) -> Callable[..., None]:
    """Return the copy as a function of addresses, for running a text uncompiled."""
    kind = np.dtype(dtype)

    def stream(target: Any, source: Any, count: Any) -> None:
        exact.view(target, count, kind)[...] = exact.view(source, count, kind)

    return stream


def drained(context: Any) -> Any:
    """Let other threads see what was written past the caches before."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), emit


class _Stream(Vectors):
    """A copy while it is being emitted: numbers up to a line, lines, and the rest."""

    def __init__(self, dtype: str, builder: Any, target: Any, source: Any, count: Any) -> None:
        super().__init__(builder, dtype)
        self.lanes = LINE // self.itemsize
        head = self._head(target, count)
        self._numbers(target, source, INDEX(0), head)
        lines = builder.sdiv(builder.sub(count, head), INDEX(self.lanes))
        self._lines(self._beyond(target, head, 1), self._beyond(source, head, 1), lines)
        done = builder.add(head, builder.mul(lines, INDEX(self.lanes)))
        self._numbers(target, source, done, count)

    def _head(self, target: Any, count: Any) -> Any:
        """Return how many numbers there are before the first whole line."""
        builder = self.builder
        missing = builder.and_(builder.neg(target), INDEX(LINE - 1))
        head = builder.sdiv(missing, INDEX(self.itemsize))
        return builder.select(builder.icmp_signed("<", head, count), head, count)

    def _numbers(self, target: Any, source: Any, begin: Any, end: Any) -> None:
        with cgutils.for_range(self.builder, self.builder.sub(end, begin)) as loop:
            i = self.builder.add(begin, loop.index)
            number = self._load(self._beyond(source, i, 1), 0, 0)
            self._store(number, self._beyond(target, i, 1), 0)

    def _lines(self, target: Any, source: Any, count: Any) -> None:
        builder = self.builder
        past = builder.module.add_metadata([ir.IntType(32)(1)])
        with cgutils.for_range(builder, count) as loop:
            line = self._load(self._beyond(source, loop.index, self.lanes), 0, self.lanes)
            place = self._pointer(self._beyond(target, loop.index, self.lanes), 0, line.type)
            builder.store(line, place, align=LINE).set_metadata("nontemporal", past)
