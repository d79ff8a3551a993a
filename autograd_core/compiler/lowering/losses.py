"""The cross-entropy of softmax: one loop for each row, as in `kernels.rows`."""

from __future__ import annotations

from ...kernels import rows
from ..body import Body
from ..record import Apply
from .registry import arrays_only, lowering


def _row_by_row(body: Body, loop: str, operands: list[str], n: int) -> None:
    body.functions[f"@inline\n{loop.strip()}\n"] = None
    name = loop.split("(")[0].split()[-1]
    body.lines.append(f"{name}({', '.join(operands)}, int({n}))")


def _is_alike(step: Apply) -> bool:
    values = step.reads
    return (
        arrays_only(step)
        and all(x.dtype.kind == "f" for x in values)
        and (values[-1].shape == values[-2].shape)
    )


@lowering("softmax_cross_entropy", fits=_is_alike)
def cross_entropy(body: Body, step: Apply) -> None:
    """-Σ q log softmax(z)."""
    x, q = step.parts
    places = body.rows(x), body.rows(q), body.scratch(x.shape)
    operands = [body.flat(place, x.size) for place in places]
    operands.append(body.flat(body.allot(step.result), step.result.size))
    _row_by_row(body, rows.CROSS_ENTROPY, operands, x.shape[-1])


def _is_pull(step: Apply) -> bool:
    return _is_alike(step) and step.parts[0].shape == step.parts[1].shape[:-1]


@lowering("softmax_cross_entropy_pull", fits=_is_pull)
def cross_entropy_pull(body: Body, step: Apply) -> None:
    """ct (softmax(z) Σq - q)."""
    ct, x, q = step.parts
    places = [(body.rows(v), v.size) for v in (x, q, ct)]
    places.append((body.allot(step.result), x.size))
    operands = [body.flat(place, size) for place, size in places]
    _row_by_row(body, rows.CROSS_ENTROPY_PULL, operands, x.shape[-1])
