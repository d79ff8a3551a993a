"""The exponential of matrices, and its derivative."""

from __future__ import annotations

import math

from ...kernels import blas
from ...kernels.exponential import EXPONENTIAL, ROOMS
from ..body import Body
from ..layout import Place
from ..record import Apply
from .registry import lowering
from .stacks import columns, deliver, invoke, is_real, numbers

ALL = """
@apart
def exponential_all(count, n, a, room, pivots, memory):
    for i in range(count):
        failure = exponential(n, a + 8 * i * n * n, room, pivots, memory)
        if failure != 0:
            return failure
    return failure
"""
PULL = """
@apart
def exponential_pull_all(count, n, ct, a, block, room, pivots, memory):
    # The exponential of [[aᵀ, ct], [0, aᵀ]] has the derivative in its upper right block.
    wide = 2 * n
    whole = view(block, wide * wide, np.float64)
    for i in range(count):
        x = view(a + 8 * i * n * n, n * n, np.float64)
        direction = view(ct + 8 * i * n * n, n * n, np.float64)
        size = 0.0
        for j in range(n * n):
            if abs(direction[j]) > size:
                size = abs(direction[j])
        if not 0.0 < size < np.inf:
            size = 1.0
        for j in range(wide * wide):
            whole[j] = 0.0
        for p in range(n):
            for q in range(n):
                whole[p * wide + q] = x[q * n + p]
                whole[(n + p) * wide + n + q] = x[q * n + p]
                whole[(n + p) * wide + q] = direction[p * n + q] / size
        failure = exponential(wide, block, room, pivots, memory)
        if failure != 0:
            return failure
        for p in range(n):
            for q in range(n):
                direction[p * n + q] = whole[(n + p) * wide + q] * size
    return failure
"""


def _rooms(body: Body, n: int) -> tuple[Place, Place]:
    """Return room for the exponential of one matrix, whose text is there then."""
    body.definitions[blas.declaration("float64")] = None
    return body.scratch((ROOMS, n, n), "float64"), numbers(body, n)


def _exponential(body: Body, text: str, *arguments: Place | int) -> None:
    """Write the call of a text that needs the exponential of one matrix."""
    call = invoke(body, text, *arguments, needs=["dgesv"], calls=[EXPONENTIAL])
    body.give_up(f"{call} != int(0)", "the exponential of a matrix has no finite approximation")


@lowering("expm", fits=is_real)
def expm(body: Body, step: Apply) -> None:
    """The sum of aⁿ/n!."""
    (a,) = step.parts
    n, count = a.shape[-1], math.prod(a.shape[:-2])
    copied = columns(body, body.place(a), a.shape)
    _exponential(body, ALL, count, n, copied, *_rooms(body, n))
    deliver(body, step.result, copied)


def _is_alike(step: Apply) -> bool:
    return is_real(step) and step.parts[0].shape == step.parts[1].shape


@lowering("expm_pull", fits=_is_alike)
def expm_pull(body: Body, step: Apply) -> None:
    """The derivative of the exponential of aᵀ in the direction ct."""
    ct, a = (columns(body, body.place(x), x.shape) for x in step.parts)
    *stack, _, n = step.result.shape
    block = body.scratch((2 * n, 2 * n), "float64")
    _exponential(body, PULL, math.prod(stack), n, ct, a, block, *_rooms(body, 2 * n))
    deliver(body, step.result, ct)
