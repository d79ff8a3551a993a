"""Pieces: an array that is put together of slices, as the cotangent of what is read in slices is.

    v7 = scatter(v3, index=(..., slice(0, 2)), shape=(1000, 3))
    v9 = scatter_add(v7, v8, index=(..., 2))

Both write to where the last of them lies. What is added where nothing was scattered before is
assigned, and if slices cover all there is, no zeros are written first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from .record import Apply, Step, Value
from .rewriting import changed, meaning

__all__ = ["Piece", "pieced"]

MOST = 64  # pieces of an array that are compared with one another
Box = tuple[range, ...]  # of each axis, which elements


class Piece(NamedTuple):
    """What is known of a step that scatters a slice.

    Attributes
    ----------
    whole : Value
        The array when all pieces are there.
    fresh : bool
        Whether nothing was scattered before to where it scatters.
    covered : bool
        Whether fresh pieces are all there is.
    """

    whole: Value
    fresh: bool
    covered: bool


def pieced(steps: Sequence[Step], needed: Collection[Value]) -> list[Step]:
    """Return steps of which those that scatter slices to one array know what they are part of."""
    readers = Counter(x for step in steps for x in step.reads)
    chains: dict[Value, list[Apply]] = {}  # by the result of the last step
    for step in steps:
        if not isinstance(step, Apply) or not _is_slice(step):
            continue
        before = step.parts[0]
        if meaning(step) == "scatter":
            chains[step.result] = [step]
        elif before in chains and readers[before] == 1 and before not in needed:
            chains[step.result] = [*chains.pop(before), step]
    known: dict[Apply, Piece] = {}
    for chain in chains.values():
        known |= dict(zip(chain, _pieces(chain), strict=True))
    return [changed(step, piece=known[step]) if step in known else step for step in steps]


def _is_slice(step: Apply) -> bool:
    """Whether a step scatters what basic indexing selects."""
    if meaning(step) not in ("scatter", "scatter_add"):
        return False
    index = step.attributes["index"]
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or type(part) in (int, slice, type(...)) for part in parts)


def _pieces(chain: Sequence[Apply]) -> list[Piece]:
    whole = chain[-1].result
    boxes = [_box(step.attributes["index"], whole.shape) for step in chain[:MOST]]
    fresh = [not any(_meet(box, other) for other in boxes[:i]) for i, box in enumerate(boxes)]
    sizes = (math.prod(map(len, box)) for box, alone in zip(boxes, fresh, strict=True) if alone)
    covered = sum(sizes) == whole.size
    fresh += [False] * (len(chain) - len(boxes))
    return [Piece(whole, alone, covered) for alone in fresh]


def _box(index: Any, shape: Sequence[int]) -> Box:
    """Return which elements of each axis an index selects.

    >>> _box((..., slice(1, None), None, -1), (5, 3, 4))
    (range(0, 5), range(1, 3), range(3, 4))
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(part for part in parts if part is not None)
    at = parts.index(...) if ... in parts else len(parts)
    after = parts[at + 1 :]
    missing = len(shape) - at - len(after)
    full = (*parts[:at], *[slice(None)] * missing, *after)
    return tuple(_chosen(part, range(size)) for part, size in zip(full, shape, strict=True))


def _chosen(part: Any, axis: range) -> range:
    return axis[part] if isinstance(part, slice) else axis[part : part + 1 or None]


def _meet(box: Box, other: Box) -> bool:
    """Whether two boxes have an element in common."""
    return all(x == y or not set(x).isdisjoint(y) for x, y in zip(box, other, strict=True))
