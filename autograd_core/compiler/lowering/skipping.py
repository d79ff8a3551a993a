"""Products with a matrix of many zeros: these are left out, where there are enough of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...kernels import sparse
from ...kernels.products import nonzeros_source, skipping_source
from ...kernels.tiling import Sizes
from ..body import Body
from ..layout import Place
from ..record import Value
from .calls import address, in_types, shared_panels, turn

__all__ = ["skipped"]


def skipped(
    body: Body,
    sizes: Sizes,
    places: tuple[Place, Place, Place],
    checked: Value | None,
    dense: Callable[[], None],
) -> None:
    """Write a product that leaves zeros of A out, and beside it the one that is done otherwise.

    Parameters
    ----------
    body : Body
    sizes : Sizes
        Threads share the product if they say so.
    places : tuple of Place
        Of A, B and C.
    checked : Value or None
        The result whose Σ 0 c the other product offers; then this one does, too.
    dense : callable
        Writes the other one.
    """
    body.skips += 1
    words = body.scratch((sparse.words(sizes),), np.int64)
    count = body.at(body.scratch((), np.int64))
    x, y, out = places
    if sizes.transpose_a:
        stored, x = x, body.scratch((sizes.m, sizes.k))
        turn(body, stored, x, (sizes.m, sizes.k))
        sizes = sizes._replace(transpose_a=False, lda=sizes.k)
    a, b, c = map(address, (x, y, out))
    begin = f"{words.buffer}[{words.offset}:].ctypes.data"
    bits = nonzeros_source(sizes, a, begin)
    body.definitions[bits.definition] = None
    body.lines.append(f"{count} = {in_types(bits.call)}")
    most, panels = sparse.most(sizes), sparse.panels(sizes)
    with body.where(f"{count} > int({most})"):
        dense()
    zero = None if checked is None else body.offered(("zero", checked))
    ends = ("begin", "end") if sizes.shared else ("0", str(panels))
    found = skipping_source(sizes._replace(checked=zero is not None), a, begin, b, c, *ends)
    body.definitions[found.definition] = None
    with body.where(f"{count} <= int({most})"):
        if sizes.shared:
            shared_panels(body, found.call, panels, zero)
        else:
            target = f"{body.at(zero)} = " if zero is not None else ""
            body.lines.append(target + in_types(found.call))
