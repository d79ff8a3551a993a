"""Who may have written into an array that the tape still needs.

Three rules make a silently wrong gradient impossible (`docs/decisions/0003-mutation.md`):

* a raw ndarray that a rule remembers is *copied* when it is captured (`own`), because nothing can
  tell when its owner overwrites it;
* the memory of a tensor is private until somebody asks for `tensor.data`; from then on it is
  *exposed* and treated like a raw ndarray;
* optimizers write in place and say so (`wrote`); a sweep that meets an array written after it was
  recorded raises instead of using it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["EXPOSED", "expose", "own", "written_since", "wrote"]

EXPOSED: dict[int, Any] = {}
_WRITES: dict[int, tuple[int, Any]] = {}
_last_write = 0


def _owner(array: np.ndarray) -> np.ndarray:
    """Return the array whose memory `array` looks at; NumPy keeps chains of views one long."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _forget(table: dict[int, Any], key: int) -> Callable[[Any], None]:
    # Ids are reused: an entry must die with its array.
    return lambda _: table.pop(key, None)  # type: ignore[no-any-return]


def expose(array: np.ndarray) -> None:
    """Note that foreign hands hold `array`, so that the tape copies it before remembering it."""
    owner = _owner(array)
    key = id(owner)
    if key not in EXPOSED:
        EXPOSED[key] = weakref.ref(owner, _forget(EXPOSED, key))


def own(value: Any, foreign: bool) -> Any:
    """Return `value` itself, or a copy when somebody else could still write into it."""
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if foreign or id(_owner(value)) in EXPOSED else value


def wrote(array: np.ndarray, position: int) -> None:
    """Note that `array` was overwritten at `position` of the tape's clock."""
    global _last_write
    owner = _owner(array)
    key = id(owner)
    entry = _WRITES.get(key)
    reference = entry[1] if entry else weakref.ref(owner, _forget(_WRITES, key))
    _WRITES[key] = (position, reference)
    _last_write = position


def written_since(position: int, values: Any = None) -> bool:
    """Whether any array (or any of `values`) was overwritten after `position`."""
    if position > _last_write:
        return False
    if values is None:
        return True
    arrays = (value for value in values if isinstance(value, np.ndarray))
    return any(_WRITES.get(id(_owner(array)), (0,))[0] > position for array in arrays)
