"""The table of lowerings.

A lowering writes one step: it asks the body where the operands are (`place`, `rows`), for memory
for the result (`allot`) or lets it be a view (`bind`), and adds lines (`nest`, `lines`) and the
functions that they call (`functions` for any float type, `definitions` as they are).

    @lowering("broadcast_to", integers=True, moves=True)
    def broadcast_to(body, step):
        place, strides = body.read(step.parts[0], step.result.shape)
        body.bind(step.result, place._replace(strides=strides))

Elementwise operations need none: their scalar expression stands in a loop (`loops`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...declare import OPS
from ..body import Body
from ..layout import name_of
from ..record import Apply, Value

__all__ = ["LOWERINGS", "Lowering", "lowering"]

Write = Callable[[Body, Apply], None]
FLOATS = ("float32", "float64")


class Lowering(NamedTuple):
    """How a step is written, and which are.

    `fits` is asked for steps whose values are of the body's float type or bool; for those with
    integers, too, if `integers`, and of the other float type if `floats`. `moves` says whether no
    line is written: a view.
    """

    write: Write
    fits: Callable[[Apply], bool]
    integers: bool = False
    floats: bool = False
    moves: Callable[[Apply], bool] = lambda step: False

    def takes(self, step: Apply, dtype: str) -> bool:
        """Whether a step can be written in a body that works in `dtype`."""
        allowed = "bfiu" if self.integers else "bf"
        floats = FLOATS if self.floats else (dtype,)
        values = (*step.reads, step.result)
        known = all(_native(v.dtype, floats) and v.dtype.kind in allowed for v in values)
        return known and all(v.size for v in values) and self.fits(step)


def _native(dtype: np.dtype, floats: Sequence[str]) -> bool:
    return dtype.isnative and (dtype.kind != "f" or name_of(dtype) in floats)


LOWERINGS: dict[str, Lowering] = {}


def arrays_only(step: Apply) -> bool:
    """Whether all operands are arrays."""
    return all(isinstance(x, Value) for x in step.parts)


def lowering(
    *names: str,
    fits: Callable[[Apply], bool] = arrays_only,
    integers: bool = False,
    floats: bool = False,
    moves: bool | Callable[[Apply], bool] = False,
) -> Callable[[Write], Write]:
    """Enter a function as the lowering of the ops of these names."""
    is_view = moves if callable(moves) else lambda step: bool(moves)

    def enter(write: Write) -> Write:
        for name in names:
            if name not in OPS:
                raise LookupError(f"no op is called {name}")
            LOWERINGS[name] = Lowering(write, fits, integers, floats, is_view)
        return write

    return enter
