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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MutationError, explain
from .modes import current

if TYPE_CHECKING:
    from .tape import Node

__all__ = [
    "EXPOSED",
    "Lent",
    "Stamp",
    "collect",
    "copied",
    "expose",
    "exposed",
    "gradient",
    "held",
    "hold",
    "own",
    "refuse_overwritten",
    "seen",
    "set_gradient",
    "taken",
    "written",
    "written_at",
    "written_since",
    "wrote",
    "wrote_all",
]

EXPOSED: dict[int, Any] = {}
_WRITES: dict[int, tuple[list[int], Any]] = {}  # the owner's id: the moment, a reference to it
_last_write = 0
_turn = 0


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
    return copied(value) if foreign or exposed(value) else value


def copied(array: np.ndarray) -> np.ndarray:
    """Return a copy; for whoever traces what is computed, it is the same value."""
    copy = array.copy()
    trace = current().trace
    if trace is not None:
        trace.same(copy, array)
    return copy


def seen(array: np.ndarray) -> np.ndarray:
    """Return a read-only view for the host; who traces what is computed is told."""
    trace = current().trace
    if trace is not None:
        trace.read(array)
    view = array.view()
    view.flags.writeable = False
    return view


def collect(leaf: Any, ct: np.ndarray) -> None:
    """Add a cotangent to what a leaf has collected."""
    trace = current().trace
    if trace is not None:
        ct = trace.collected(leaf, ct)
    leaf.grad = ct if leaf.grad is None or trace is not None else np.asarray(leaf.grad + ct)


def gradient(leaf: Any) -> np.ndarray | None:
    """Return what a leaf has collected, to be looked at or changed by anybody."""
    trace = current().trace
    if trace is not None:
        trace.gradient(leaf)
    found: np.ndarray | None = leaf.grad
    return found


class Lent:
    """A gradient in memory that its owner will overwrite: to be copied before it is used."""

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


def held(leaf: Any) -> np.ndarray | None:
    """Return what a leaf has collected; what was lent becomes its own."""
    if leaf._grad.__class__ is Lent:
        leaf._grad = leaf._grad.array.copy()
    found: np.ndarray | None = leaf._grad
    return found


def hold(leaf: Any, value: np.ndarray | None) -> None:
    """Let a leaf have collected an array, or nothing."""
    leaf._grad = value


def set_gradient(leaf: Any, value: np.ndarray | None) -> None:
    """Let a leaf have collected a copy of `value`, or nothing."""
    leaf.grad = None if value is None else np.array(value)
    trace = current().trace
    if trace is not None:
        trace.set_gradient(leaf, value)


def written(tensor: Any, value: np.ndarray) -> np.ndarray:
    """Return what a tensor is assigned, for a constant a copy; who traces is told."""
    trace = current().trace
    if trace is not None:
        trace.assigned(tensor, value)
    return copied(value) if tensor.node is None else value


def _counted(table: dict[Any, Any], key: Any) -> tuple[Any, int]:
    value = table.pop(key)
    return value, sys.getrefcount(value)


ALONE = _counted({0: np.empty(1)}, 0)[1]  # what an array counts that nobody else refers to


def taken(table: dict[Any, Any], key: Any) -> np.ndarray:
    """Remove an array from a table; a copy of it if anybody else can see its memory."""
    value, count = _counted(table, key)
    array = np.asarray(value)
    private = count <= ALONE and array is value and array.base is None and array.flags.writeable
    return array if private else copied(array)


class Stamp:
    """When some arrays were overwritten, the last time, at once.

    The table of writes has the moment alone, so that it keeps no array alive.
    """

    __slots__ = ("arrays", "moment", "turn")

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = arrays
        self.moment = [0]  # a position of the tape's clock
        self.turn = -1  # of the last other write


def wrote(array: np.ndarray, position: int) -> None:
    """Note that `array` was overwritten at `position` of the tape's clock."""
    wrote_all(Stamp([array]), position)


def wrote_all(stamp: Stamp, position: int) -> None:
    """Note that the arrays of a stamp were overwritten; fast if they were the last time, too."""
    global _last_write, _turn
    stamp.moment[0] = _last_write = position
    if stamp.turn == _turn:
        return
    stamp.turn = _turn = _turn + 1
    for array in stamp.arrays:
        owner = _owner(array)
        key = id(owner)
        entry = _WRITES.get(key)
        reference = entry[1] if entry else weakref.ref(owner, _forget(_WRITES, key))
        _WRITES[key] = (stamp.moment, reference)


def written_since(position: int) -> bool:
    """Whether any array at all was overwritten after `position`."""
    return position < _last_write


def written_at(array: np.ndarray) -> int:
    """Return the position of the tape's clock at which an array was last overwritten, or 0."""
    entry = _WRITES.get(id(_owner(array)))
    return entry[0][0] if entry else 0


def refuse_overwritten(node: Node, rule: Any, kept: Any) -> None:
    """Raise if an array that `node` remembered was overwritten after it was recorded."""
    values = kept if isinstance(kept, tuple) else (kept,)
    arrays = (value for value in values if isinstance(value, np.ndarray))
    if any(written_at(array) > node.position for array in arrays):
        what = f"backward: {node.name} at {node.line} needs {' and '.join(rule.needs)} as recorded"
        got = "an array that an optimizer or an assignment has overwritten since"
        do = "Call backward() before the update, or compute the result again"
        raise MutationError(explain(what, got, do))
