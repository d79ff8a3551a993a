"""Turns in Python: threads that mostly run machine code wait for it, and not for its lock.

NumPy lets go of the interpreter's lock in each operation on more than some hundred numbers. Where
another thread waits for the lock, it is woken every time, and the first one has to wait in turn.
So a thread that comes back from machine code waits until the other one goes there: at first awake,
then in short naps, and after some hundredths of a second asleep, like everybody else.

The first word is the thread whose turn it is, or 0; the second, how often another one looks before
it waits for the lock. It is 0, so that there are no turns, unless somebody asks. Only machine code
takes and ends turns (`objects.leave`, `objects.enter`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np

__all__ = ["AWAKE", "NAP", "address", "ended", "turns"]

AWAKE = 4000  # looks, with the processor's rests some 250 microseconds
NAP, NAPS = 50, 200  # microseconds between later looks, and the system's, which are as many more
_words = np.zeros(2, np.int64)
_lock = Lock()
_users = 0


def address() -> int:
    """Return where the words are, for as long as the process lives."""
    return int(_words.ctypes.data)


@contextmanager
def turns() -> Iterator[None]:
    """Let threads take turns meanwhile."""
    _change(1)
    try:
        yield
    finally:
        _change(-1)


def ended() -> None:
    """Say that a thread which had a turn will not come again."""
    _words[0] = 0


def _change(by: int) -> None:
    global _users
    with _lock:
        _users += by
        _words[1] = AWAKE + NAPS if _users else 0
