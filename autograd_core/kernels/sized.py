"""Functions that a kernel's text declares by sizes: in machine code, and plainly by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import nontemporal, panels, skipping, sparse, tiles, tiling, vectors

__all__ = ["COMPILED", "PLAIN", "WRITERS"]

WRITERS = nontemporal, panels, skipping, sparse, tiles, tiling, vectors

COMPILED: dict[str, Callable[..., Any]] = {
    "nonzeros": skipping.nonzeros,
    "skipping": skipping.skipping,
    "streamed": nontemporal.streamed,
    "tiled": tiles.tiled,
    "turned": vectors.turned,
}
PLAIN: dict[str, Callable[..., Any]] = {
    "nonzeros": sparse.plain_nonzeros,
    "skipping": sparse.plain_skipping,
    "streamed": nontemporal.plain,
    "tiled": tiling.plain,
    "turned": tiling.plain_turn,
}
