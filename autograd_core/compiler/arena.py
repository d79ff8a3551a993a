"""Arena: the workspace of a native segment, and the table of addresses that it reads.

The table begins with the address of the workspace; then come the arrays outside, the arrays of
results that are given away, the arrays of the call (the machine code enters them itself), and what
`assembly.CONTROL` says of many steps, and where the numbers are that depend on sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount
from typing import Any, NamedTuple

import numpy as np

from ..guard import Lent, Stamp
from .gate import CLOSED
from .layout import address
from .memory import LINE

__all__ = ["Arena", "Room"]

_LIST = [np.empty(0)]
UNSHARED = getrefcount(_LIST[0])  # of what only a list has


class Room(NamedTuple):
    """Where a result lies in the workspace; at -1 it has an array of its own."""

    offset: int  # in bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Arena:
    """Memory for one run at a time.

    Attributes
    ----------
    table : ndarray of int64
        The addresses of the workspace, of what lies outside, and of what comes with a call.
    held : list of ndarray
        What lies outside: kept alive, and known where it is.
    views : list of ndarray
        The results, where a run leaves them.
    given : list of int
        Which of the results are given away.
    spare : dict of int to list of ndarray
        Of each of these an array that was given away before, in case nobody has it any more.
    lent : list of Lent
        The other results, for the leaves whose gradients they are.
    stamp : Stamp
        When the arrays outside that a run overwrites were overwritten.
    numbers : sequence of ndarray
        What depends on sizes in machine code for any; their addresses come last in the table.
    replaced : sequence of (int, Tensor)
        Which of the arrays outside are those of constant tensors that a run assigns to.
    words : ndarray of int64
        Of the `gate` of a run that is like the last one.
    watch : Watch or None
        What keeps alive all that these are about.
    rows : (Watch, ndarray of int64) or None
        The same of calls for many steps.
    """

    __slots__ = (
        *("given", "held", "lent", "memory", "numbers", "replaced", "rows", "spare"),
        *("stamp", "table", "views", "watch", "words", "written"),
    )

    def __init__(
        self,
        size: int,
        held: Sequence[np.ndarray],
        slots: int,
        rooms: Sequence[Room],
        written: Sequence[int],
        numbers: Sequence[np.ndarray] = (),
        replaced: Sequence[tuple[int, Any]] = (),
    ) -> None:
        raw = np.empty(size + LINE, np.uint8)
        begin = -address(raw) % LINE
        self.memory = raw[begin : begin + size]
        self.held = list(held)
        self.table = np.zeros(slots, np.int64)
        self.table[: 1 + len(held)] = [address(self.memory), *map(address, held)]
        self.numbers = numbers
        self.table[slots - len(numbers) :] = [*map(address, numbers)]
        self.views = [
            np.empty(room.shape, room.dtype)
            if room.offset < 0
            else np.ndarray(room.shape, room.dtype, self.memory, room.offset)
            for room in rooms
        ]
        self.given = [i for i, room in enumerate(rooms) if room.offset < 0]
        for slot, i in enumerate(self.given, 1 + len(held)):
            self.table[slot] = address(self.views[i])
        self.spare: dict[int, list[np.ndarray]] = {i: [] for i in self.given}
        self.lent = [None if i in self.given else Lent(v) for i, v in enumerate(self.views)]
        self.written = written
        self.replaced = replaced
        self.stamp = Stamp([held[i] for i in written])
        self.watch: Any = None
        self.close()

    def close(self) -> None:
        """Let the next call ask in Python whether all is as it was."""
        self.words = CLOSED
        self.rows: tuple[Any, np.ndarray] | None = None

    def renew(self) -> None:
        """Take other arrays in the place of those given away that somebody still has.

        Who calls in a loop has the last result until there is the next one, so two take turns:
        memory that is new to the process costs more, page by page, than many a program.
        """
        for slot, i in enumerate(self.given, 1 + len(self.held)):
            if getrefcount(self.views[i]) > UNSHARED:
                old, spare = self.views[i], self.spare[i]
                free = bool(spare) and getrefcount(spare[0]) == UNSHARED
                self.views[i] = spare[0] if free else np.empty(old.shape, old.dtype)
                spare[:] = [old]
                self.table[slot] = address(self.views[i])

    def part(self) -> None:
        """Give tensors that are assigned to new arrays, where anybody else has theirs."""
        for i, tensor in self.replaced:
            if self._is_shared(i):
                self.close()
                tensor._value = self.held[i] = self.held[i].copy()
                self.table[i + 1] = address(self.held[i])

    def shares(self) -> bool:
        """Whether anybody else has an array of theirs."""
        return any(self._is_shared(i) for i, _ in self.replaced)

    def _is_shared(self, i: int) -> bool:
        own = self.held[i].base is None and self.held[i].flags.writeable
        return not own or getrefcount(self.held[i]) > UNSHARED + 1  # the tensor's is one

    def rebind(self, arrays: Sequence[np.ndarray]) -> bool:
        """Take other arrays for the first of those outside; False if they do not fit."""
        self.close()  # the words are about what was held
        for i, (new, old) in enumerate(zip(arrays, self.held, strict=False)):
            if new is old:
                continue
            if (new.shape, new.dtype, new.strides) != (old.shape, old.dtype, old.strides):
                return False
            self.held[i] = new
            self.table[i + 1] = address(new)
        self.stamp = Stamp([self.held[i] for i in self.written])
        return True
