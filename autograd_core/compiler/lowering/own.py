"""Operations that bring a loop of their own: the facet `kernel` of their declaration."""

from __future__ import annotations

from zlib import crc32

from ..body import Body
from ..record import Apply
from .registry import Lowering, arrays_only

__all__ = ["OWN"]


def _fits(step: Apply) -> bool:
    return "kernel" in step.op.facets and arrays_only(step) and kernel_text(step) is not None


def kernel_text(step: Apply) -> str | None:
    """Return the text of a step's loop for its shapes and attributes; None if it has none."""
    shapes = [x.shape for x in step.parts]
    found: str | None = step.op.facets["kernel"](*shapes, **step.attributes)
    return found


def written_out(body: Body, step: Apply) -> None:
    """Call the loop on flat arrays; where it refuses them, the eager run says why."""
    text = kernel_text(step)
    assert text is not None
    name = text.split("(")[0].split()[-1]
    own = f"{name}_{crc32(text.encode())}"
    body.functions[f"@inline\n{text.strip().replace(name, own, 1)}\n"] = None
    places = [(body.rows(x), x.size) for x in step.parts]
    places.append((body.allot(step.result), step.result.size))
    operands = ", ".join(body.flat(place, size) for place, size in places)
    body.give_up(f"not {own}({operands})", f"{step.op.name} refuses its operands")


OWN = Lowering(written_out, _fits, integers=True)
