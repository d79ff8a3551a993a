"""Listener: hears of every application of an op, and changes nothing about it.

What listens stands in `Tape.trace`. A compiler's recording is one that repeats what it hears;
those made from this class look at it only: they override what they want to hear.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from .errors import OURS

__all__ = ["Listener", "user"]

Place = tuple[CodeType, int]


class Listener:
    """Hears of everything that `modes.traced` tells, and does nothing."""

    compiles = False  # whether what is heard will be repeated, so that all of it must be ops

    looks = False  # whether results are all that it wants; then `look` is told of the frequent ops

    def look(self, op: Any, operands: tuple[Any, ...], out: np.ndarray) -> None:
        """Hear of the result of an op of one or two operands without attributes."""

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op to these operands' arrays."""
        found: Callable[..., np.ndarray] = op.compute
        return found

    def plain(self, tensor: Any) -> Any:
        """Return a result as an array or number of its own."""
        return np.array(tensor._value)[()]

    def collected(self, leaf: Any, ct: np.ndarray) -> np.ndarray:
        """Return a leaf's gradient with a cotangent added."""
        return ct if leaf.grad is None else np.asarray(leaf.grad + ct)

    def swept(
        self, nodes: Sequence[Any], seeds: dict[Any, Any], found: dict[Any, Any], floor: int = 0
    ) -> None:
        """Hear of the result of a backward sweep: cotangents; tensors if it recorded itself."""

    def pushed(self, nodes: Sequence[Any], known: dict[Any, Any], results: Sequence[Any]) -> None:
        """Hear of a forward sweep: the tangents of all nodes, and those that are the result."""

    def read(self, array: np.ndarray) -> None:
        """Hear that the host looks at an array."""

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Hear that an array was copied."""

    def _ignore(self, *_: Any) -> None:
        """Hear of what concerns a compiler."""

    assigned = begins = drawn = finite = gradient = host = refuse = set_gradient = _ignore
    update = value = _ignore


def user() -> Place:
    """Return where the user is: the code and the instruction, of which `line_of` makes a line."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__package__") in OURS:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti
