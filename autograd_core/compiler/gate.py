"""The gate: machine code that looks at the arrays of a call, and at words in memory, and goes on.

A call that is like the last one needs no more than that certain words are what they were then.
They are in the *words* of a gate, an array that begins with

    how many arguments there are, the address of the program or 0, where in its table it keeps
    the arrays alive, where that says how many steps to do or 0 for one, how many are brief, and
    how many arrays, constants, tests and marks there are;

then come for each array where it is in the tuple of arguments, its class, where a tensor has its
node and its array, its dtype, flags, place in the table, and number of axes, and for each axis
length and stride; for each constant its position and address; for each test an address, the word
there, and whether it shall be that or another one; for each mark an address and a word.

A mark that is another word is no reason not to run, but to be told so.

Other threads of Python run while the program does, unless it is brief: who has let go of the
interpreter's lock may wait for it longer than that took, asleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..kernels.jit import address_of, compile_source
from .layout import address, contiguous
from .record import Value
from .words import (
    AXES,
    DATA,
    DTYPE,
    FLAGS,
    ITEMS,
    SIZE,
    SIZES,
    STRIDES,
    TYPE,
    readable,
)

__all__ = ["ALIGNED", "BADLY_SHAPED", "CLOSED", "MARKED", "Entry", "below", "gate", "record"]

BADLY_SHAPED = -1  # or another array, or something else than it was
MARKED = -2  # the program has run, but a mark is not there
ANY = -(1 << 62)  # of a stride that does not matter
ALIGNED = 0x100  # NumPy's flag
CLOSED = np.array([-1])  # the words of a gate that nothing passes

SOURCE = f"""
import numpy as np

def gate(args, words, table):
    given, at, memory = place(args), load(place(words) + {DATA}), place(table)
    if load(given + {SIZE}) != load(at):
        return {BADLY_SHAPED}
    memory = load(memory + {DATA})
    program, owners = load(at + 8), memory + load(at + 16)
    steps = load(memory + load(at + 24)) if load(at + 24) != 0 else 1
    is_brief, arrays = max(steps, 1) <= load(at + 32), load(at + 40)
    constants, tests, marks = load(at + 48), load(at + 56), load(at + 64)
    at += 72
    for i in range(arrays):
        x = load(given + load(at))
        if load(x + {TYPE}) != load(at + 8):
            return {BADLY_SHAPED}
        if load(at + 24) != 0:
            if load(x + load(at + 16)) != load(at + 32):
                return {BADLY_SHAPED}
            x = load(x + load(at + 24))
            if load(x + {TYPE}) != load(at + 40):
                return {BADLY_SHAPED}
        axes, flags = load(at + 72), load(at + 56)
        if load(x + {DTYPE}) != load(at + 48) or load_half(x + {AXES}) != axes:
            return {BADLY_SHAPED}
        if load_half(x + {FLAGS}) & flags != flags:
            return {BADLY_SHAPED}
        sizes, strides = load(x + {SIZES}), load(x + {STRIDES})
        slot = memory + load(at + 64)
        at += 80
        for axis in range(axes):
            if load(sizes + 8 * axis) != load(at):
                return {BADLY_SHAPED}
            if load(at + 8) != {ANY} and load(strides + 8 * axis) != load(at + 8):
                return {BADLY_SHAPED}
            at += 16
        store(slot, load(x + {DATA}))
        store(owners + 8 * i, x)
    for _ in range(constants):
        if load(given + load(at)) != load(at + 8):
            return {BADLY_SHAPED}
        at += 16
    for _ in range(tests):
        if (load(load(at)) == load(at + 8)) != (load(at + 16) != 0):
            return {BADLY_SHAPED}
        at += 24
    done = 0
    for _ in range(marks):
        if load(load(at)) != load(at + 8):
            done = {MARKED}
        at += 16
    if program == 0:
        return done
    if is_brief:
        status = finished(program, memory)
        return status if status != 0 else done
    for i in range(arrays):  # another thread may take them from their tensors
        retain(load(owners + 8 * i))
    state = leave()
    status = finished(program, memory)
    enter(state)
    for i in range(arrays):
        release(load(owners + 8 * i))
    return status if status != 0 else done
"""


@cache
def gate() -> Any:
    """Return ``gate(args, words, table)``; None where memory cannot be read."""
    return compile_source("gate", SOURCE, "(Here, Here, Here)") if readable() else None


BELOW = f"""
def below(rows, limit):
    at = load(place(rows) + {DATA})
    sizes = load(place(rows) + {SIZES})
    signs = 0
    for i in range(load(sizes) * load(sizes + 8)):
        row = load(at + 8 * i)
        signs |= row | (limit - 1 - row)
    return signs >= 0
"""


def below(rows: np.ndarray, limit: int) -> bool:
    """Whether all of a matrix of int64, stored by rows, is from 0 to `limit`, without its end.

    NumPy would let go of the interpreter's lock for so little, and another thread would take it.
    """
    if gate() is None:
        return bool(rows.view(np.uint64).max() < limit)  # negative numbers are large
    return bool(_below()(rows, limit))


@cache
def _below() -> Any:
    return compile_source("below", BELOW, "(Here, intp)")


def record(
    place: int, value: Value, slot: int, tensor: Sequence[int] = (), flags: int = 0
) -> list[int]:
    """Return the words about an array.

    Parameters
    ----------
    place : int
        Which argument it is.
    value : Value
    slot : int
        Where the table has its address.
    tensor : sequence of int, optional
        If it is a tensor's: the class, where it has node and array, and the node.
    flags : int, optional
        What the array must be, such as aligned.
    """
    given = [*tensor, id(np.ndarray)] if tensor else [id(np.ndarray), 0, 0, 0, 0]
    words = [ITEMS + 8 * place, *given, id(value.dtype), flags, 8 * slot, len(value.shape)]
    for size, stride in zip(value.shape, contiguous(value.shape), strict=True):
        words += [size, stride * value.dtype.itemsize if size > 1 else ANY]
    return words


class Entry:
    """The way into a program: ``entry(*arrays, table)`` enters arrays in the table, and runs it.

    Parameters
    ----------
    function : callable
        Takes the address of the table.
    arrays : sequence of Value
        What is to come.
    first : int
        The place in the table where the addresses of these begin.
    owners : int
        The place where the arrays themselves are.
    count : int
        The place that says how many steps to do; 0 if there is none.
    brief : int
        How many steps take less time than to let go of the interpreter's lock.
    alive : sequence
        What has to stay as long as this does.
    """

    def __init__(
        self,
        function: Any,
        arrays: Sequence[Value],
        first: int,
        owners: int,
        count: int = 0,
        brief: int = 0,
        alive: Sequence[Any] = (),
    ) -> None:
        self.function = function
        self.alive = alive
        self.arrays = arrays
        self.first = first
        self.owners = owners
        self.gate = gate()
        if self.gate is not None:
            self.code = address_of(function)
            records = (record(i, v, first + i) for i, v in enumerate(arrays))
            self.head = [8 * owners, 8 * count, brief]
            words = [len(arrays), self.code, *self.head, len(arrays), 0, 0, 0]
            self.words = np.array(sum(records, words), np.int64)

    def __call__(self, *given: np.ndarray) -> int:
        """Return 0, or why the run was given up."""
        arrays, table = given[:-1], given[-1]
        if self.gate is not None:
            status: int = self.gate(arrays, self.words, table)
            if status != BADLY_SHAPED:
                return status
        for i, (value, array) in enumerate(zip(self.arrays, arrays, strict=True), self.first):
            if not _lies_in_rows(array, value):
                return BADLY_SHAPED
            table[i] = address(array)
        return int(self.function(address(table)))


def _lies_in_rows(array: np.ndarray, value: Value) -> bool:
    wanted = zip(value.shape, contiguous(value.shape), array.strides, strict=False)
    itemsize = value.dtype.itemsize
    strides = all(size <= 1 or have == step * itemsize for size, step, have in wanted)
    return array.shape == value.shape and array.dtype == value.dtype and strides
