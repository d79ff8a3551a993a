"""Garbage: Python looks for it after every 700 new objects, and in all objects ever so often.

A recording makes hundreds of thousands of objects, none of which is garbage before the end; to
look through the old ones again and again takes longer than to write a program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seldom_collected"]

PATIENCE = 100_000  # new objects between two looks
NEVER = 1 << 30  # looks at new objects between two at old ones


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for garbage less often, and among new objects only.

    >>> with seldom_collected():
    ...     gc.get_threshold()[0]
    100000
    """
    before = gc.get_threshold()
    patient = not 0 < before[0] < PATIENCE  # it never looks, or another thread is here
    if patient:
        yield
        return
    gc.set_threshold(PATIENCE, NEVER, before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)
