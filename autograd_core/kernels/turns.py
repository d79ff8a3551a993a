"""Turns in Python: threads that mostly run machine code wait awake for the interpreter's lock.

The first word is the thread whose turn it is, or 0; the second, how often another one looks before
it waits asleep like everybody else. It is 0, so that there are no turns, unless somebody asks.
Only machine code takes and ends turns (`objects.leave`, `objects.enter`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np

__all__ = ["address", "ended", "turns"]

LOOKS = 4000  # with the processor's rests some 250 microseconds
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
        _words[1] = LOOKS if _users else 0
