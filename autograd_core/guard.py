"""Who may have written into an array that the tape still needs.

Three rules make a silently wrong gradient impossible (`docs/decisions/0003-mutation.md`):

* a raw ndarray that a rule remembers is *copied* when it is captured (`own`), because nothing can
  tell when its owner overwrites it;
* the memory of a tensor is private; who asks for `tensor.data` gets a new private copy, which
  from then on is *exposed* and treated like a raw ndarray;
* optimizers write in place and say so (`wrote`); a sweep that meets an array written after it was
  recorded raises instead of using it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MutationError, explain

if TYPE_CHECKING:
    from .tape import Node

__all__ = [
    "EXPOSED",
    "expose",
    "exposed",
    "own",
    "refuse_overwritten",
    "taken",
    "written_since",
    "wrote",
]

EXPOSED: dict[int, Any] = {}
_WRITES: dict[int, tuple[int, Any]] = {}
_last_write = 0


def _owner(array: np.ndarray) -> np.ndarray:
    """Return the array whose memory `array` looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _forget(table: dict[int, Any], key: int) -> Callable[[Any], None]:
    # Ids are reused: an entry must die with its array.
    return lambda _: table.pop(key, None)


def expose(array: np.ndarray) -> None:
    """Note that foreign hands hold `array`, so that the tape copies it before remembering it."""
    owner = _owner(array)
    EXPOSED[id(owner)] = weakref.ref(owner, _forget(EXPOSED, id(owner)))


def exposed(array: np.ndarray) -> bool:
    """Whether foreign hands may hold the memory of `array`."""
    return id(_owner(array)) in EXPOSED


def own(value: Any, foreign: bool) -> Any:
    """Return `value` itself, or a copy if somebody else could still write into it."""
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if foreign or exposed(value) else value


def _counted(table: dict[Any, Any], key: Any) -> tuple[Any, int]:
    value = table.pop(key)
    return value, sys.getrefcount(value)


ALONE = _counted({0: np.empty(1)}, 0)[1]  # what an array counts that nobody else refers to


def taken(table: dict[Any, Any], key: Any) -> np.ndarray:
    """Remove an array from a table; a copy of it if anybody else can see its memory."""
    value, count = _counted(table, key)
    array = np.asarray(value)
    private = count <= ALONE and array is value and array.base is None and array.flags.writeable
    return array if private else array.copy()


def wrote(array: np.ndarray, position: int) -> None:
    """Note that `array` was overwritten at `position` of the tape's clock."""
    global _last_write
    owner = _owner(array)
    key = id(owner)
    entry = _WRITES.get(key)
    reference = entry[1] if entry else weakref.ref(owner, _forget(_WRITES, key))
    _WRITES[key] = (position, reference)
    _last_write = position


def written_since(position: int) -> bool:
    """Whether any array at all was overwritten after `position`."""
    return position < _last_write


def refuse_overwritten(node: Node, rule: Any, kept: Any) -> None:
    """Raise if an array that `node` remembered was overwritten after it was recorded."""
    values = kept if isinstance(kept, tuple) else (kept,)
    arrays = (value for value in values if isinstance(value, np.ndarray))
    if any(_WRITES.get(id(_owner(array)), (0,))[0] > node.position for array in arrays):
        what = f"backward: {node.name} at {node.line} needs {' and '.join(rule.needs)} as recorded"
        got = "an array that an optimizer or an assignment has overwritten since"
        do = "Call backward() before the update, or compute the result again"
        raise MutationError(explain(what, got, do))
