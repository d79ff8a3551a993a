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
    """-Σ q log softmax(z); the softmax is kept if the derivative follows."""
    x, q = step.parts
    places = [(body.rows(v), v.size) for v in (x, q)]
    softmax, totals = body.scratch(x.shape), body.scratch(x.shape[:-1])
    places += [(softmax, x.size), (totals, step.result.size)]
    places.append((body.allot(step.result), step.result.size))
    _row_by_row(body, rows.CROSS_ENTROPY, [body.flat(*place) for place in places], x.shape[-1])
    body.offer(("softmax", x), softmax)


def _is_pull(step: Apply) -> bool:
    return _is_alike(step) and step.parts[0].shape == step.parts[1].shape[:-1]


@lowering("softmax_cross_entropy_pull", fits=_is_pull)
def cross_entropy_pull(body: Body, step: Apply) -> None:
    """ct (softmax(z) Σq - q)."""
    ct, x, q = step.parts
    softmax = body.offered(("softmax", x))
    places = [(softmax or body.rows(x), x.size)]
    places += [(body.rows(q), q.size), (body.rows(ct), ct.size)]
    places.append((body.allot(step.result), x.size))
    loop = rows.CROSS_ENTROPY_PULL_OF_SOFTMAX if softmax else rows.CROSS_ENTROPY_PULL
    _row_by_row(body, loop, [body.flat(*place) for place in places], x.shape[-1])
