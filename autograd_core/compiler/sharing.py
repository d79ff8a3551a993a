"""Sharing: programs for recordings that are alike but for the objects that they are about.

To prove a program takes two recordings, and to make one many times as long as to run it. Who
trains the same model with many seeds, or on many folds, does that once: a program is also kept as
a *pattern*, with a `Blank` in the place of every parameter, state and generator. A recording that
is `alike` one of those from which the pattern was made gets the program with its own objects in
the place of the blanks. It shares machine code, and nothing that a run reads or writes.

A model learns the same, to the last bit, whether or not another was there before. After an audit
the program does the call again, so who shares it can leave out audits that have agreed at the same
call of another. Where a call cannot be taken back, it is done without the program, as an audit
does it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .compare import content
from .environment import VALUES, leads_on
from .likeness import Likeness, Unknown
from .program import Program
from .record import Value
from .recorded import Recording, is_array
from .swap import Swap

__all__ = ["Family", "find", "forget", "keep", "read"]

MOST = 64  # patterns that are kept
MOST_ALIKE = 4  # of them with other constants alone
LARGEST = 1 << 20  # bytes of constants in one


class Blank:
    """Stands for an object in a pattern."""

    __slots__ = ()


class Constant(NamedTuple):
    """A captured array that every recording has made anew, with the same content."""

    place: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    content: bytes

    def holds(self, value: Value) -> bool:
        """Whether a value is the same constant."""
        array = content(value)
        same = isinstance(array, np.ndarray) and array.dtype == self.dtype
        return same and array.shape == self.shape and array.tobytes() == self.content


class Family:
    """The programs of one pattern.

    Parameters
    ----------
    program : Program
        The first one.
    likeness : Likeness
        Of the recording that it was made from.
    constants : sequence of Constant

    Attributes
    ----------
    audited : set of int
        The calls at which an audit has agreed with a program of the family.
    """

    def __init__(
        self, program: Program, likeness: Likeness, constants: Sequence[Constant]
    ) -> None:
        self.constants = constants
        self.audited: set[int] = set()
        self._key = likeness.key
        self._blanks = [Blank() for _ in likeness.objects]
        self._pattern = program.bound(Swap(likeness.objects, self._blanks))

    def takes(self, recording: Recording) -> bool:
        """Whether a recording that reads alike has the same constants, too."""
        values = recording.trace.values
        return all(constant.holds(values[constant.place]) for constant in self.constants)

    def program(self, likeness: Likeness) -> Program:
        """Return the program for the objects of another recording."""
        return self._pattern.bound(Swap(self._blanks, likeness.objects))


_FAMILIES: OrderedDict[Hashable, list[Family]] = OrderedDict()
_LOCK = threading.Lock()


def find(likeness: Likeness, recording: Recording) -> Family | None:
    """Return the family that a recording belongs to."""
    with _LOCK:
        families = _FAMILIES.get(likeness.key, ())
        return next((family for family in families if family.takes(recording)), None)


def keep(
    program: Program, likeness: Likeness, recording: Recording, fresh: Collection[Value]
) -> Family | None:
    """Keep the pattern of a program; return its family, which may have been there already."""
    family = find(likeness, recording)
    if family is not None or sum(v.size * v.dtype.itemsize for v in fresh) > LARGEST:
        return family
    family = Family(program, likeness, list(_constants(fresh)))
    with _LOCK:
        _FAMILIES.setdefault(likeness.key, []).append(family)
        del _FAMILIES[likeness.key][:-MOST_ALIKE]
        while len(_FAMILIES) > MOST:
            _FAMILIES.popitem(last=False)
    return family


def forget(family: Family) -> None:
    """Keep the pattern no longer: a program of it was found wrong."""
    with _LOCK:
        for families in _FAMILIES.values():
            families[:] = [other for other in families if other is not family]


def read(
    recording: Recording, things: Sequence[Any], leaves: Sequence[Any], settings: Hashable
) -> Likeness | None:
    """Return the likeness of a recording; None if it can be compared with no other.

    Parameters
    ----------
    recording : Recording
    things : sequence
        What the function can reach.
    leaves : sequence
        What lies in the containers that it is called with.
    settings : hashable
        What else makes a kind of call.
    """
    try:
        given = tuple(_given(x) for x in leaves)
        return Likeness(recording, things, (settings, recording.floats, given))
    except Unknown:
        return None


def _given(x: Any) -> Hashable:
    """Return what counts of an argument; arrays and floats that are inputs are in the trace."""
    if is_array(x):
        return f"{type(x)}"
    if isinstance(x, VALUES):
        return type(x), "" if type(x) is float else repr(x)
    if leads_on(x):
        return "an object"  # which is among the things
    raise Unknown(f"{type(x)}")


def _constants(fresh: Collection[Value]) -> Iterator[Constant]:
    for value in fresh:
        array = content(value)
        yield Constant(value.index, array.dtype, array.shape, array.tobytes())
