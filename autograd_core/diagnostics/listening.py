"""Listening: a function's operations, one by one, with what they took, gave and cost.

While a `Recorder` is told of them, operations do what they always do. It is the way by which a
compiler learns of a function, too (`modes.traced`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..listening import Listener
from ..tape import Node, clock

__all__ = ["Application", "Recorder", "owners"]


class Application(NamedTuple):
    """One application of an operation: ``op(*operands, **attributes)`` gave `out`.

    It took place at `position` of the tape's clock, in `seconds`, while the sweep was at the node
    `during`; that is None in a forward pass.
    """

    op: Any
    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    out: np.ndarray
    position: int
    seconds: float
    during: Node | None


class Recorder(Listener):
    """What is told of every application of an op, also of those in sweeps, and writes it down."""

    compiles = True  # like a compiler, it hears of sweeps op by op

    def __init__(self) -> None:
        self.applications: list[Application] = []
        self.during: Node | None = None
        self.copies: dict[int, np.ndarray] = {}  # by id: the array that it is a copy of
        self._alive: list[Any] = []  # ids stay theirs

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op, and notes it."""

        def applied(*arrays: Any, **attributes: Any) -> np.ndarray:
            begin = time.perf_counter()
            out: np.ndarray = op.compute(*arrays, **attributes)
            seconds = time.perf_counter() - begin
            entry = (op, arrays, attributes, out, next(clock), seconds, self.during)
            self.applications.append(Application(*entry))
            return out

        return applied

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Note that `copy` is a copy of `array`."""
        self.copies[id(copy)] = array
        self._alive.append(copy)


def owners(
    nodes: Sequence[Node], applications: Sequence[Application]
) -> Iterator[tuple[Node, Application]]:
    """Yield nodes with the applications that they are of, which came just before them."""
    entries = iter(applications)
    entry = next(entries, None)
    for node in nodes:
        last = None
        while entry is not None and entry.position < node.position:
            last, entry = entry, next(entries, None)
        if last is not None and last.op is node.op and last.out.shape == node.shape:
            yield node, last
