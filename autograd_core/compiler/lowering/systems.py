"""Systems of linear equations and inverses."""

from __future__ import annotations

import math

import numpy as np

from ..body import Body
from ..record import Apply
from .products import stretched_stack
from .registry import lowering
from .stacks import by_columns, columns, deliver, invoke, is_real, numbers

SOLVE = """
@apart
def solve_all(count, n, columns, a, b, pivots, memory):
    for i in range(count):
        begin = b + 8 * i * n * columns
        failure = dgesv(n, columns, a + 8 * i * n * n, n, pivots, begin, n, memory)
        if failure != 0:
            return failure
    return failure
"""
INVERT = """
@apart
def invert_all(count, n, a, b, pivots, memory):
    # Returns the last failure; there is no inverse then, but infinity.
    worst = 0
    for i in range(count):
        inverse = view(b + 8 * i * n * n, n * n, np.float64)
        for j in range(n * n):
            inverse[j] = 1.0 if j % (n + 1) == 0 else 0.0
        failure = dgesv(n, n, a + 8 * i * n * n, n, pivots, b + 8 * i * n * n, n, memory)
        if failure != 0:
            worst = 1
            for j in range(n * n):
                inverse[j] = np.inf
    return worst
"""


@lowering("solve", fits=is_real)
def solve(body: Body, step: Apply) -> None:
    """The x of a x = b."""
    a, b = step.parts
    n, result = a.shape[-1], step.result
    one = len(b.shape) == 1
    of_b = (n, 1) if one else b.shape
    place = body.place(b)
    place = place._replace(strides=(*place.strides, 0)) if one else place
    stack, wide = np.broadcast_shapes(a.shape[:-2], of_b[:-2]), of_b[-1]
    left, right = (
        columns(body, p._replace(strides=stretched_stack(p, shape, stack)), (*stack, n, width))
        for p, shape, width in ((body.place(a), a.shape, n), (place, of_b, wide))
    )
    pivots = numbers(body, n)
    call = invoke(body, SOLVE, math.prod(stack), n, wide, left, right, pivots, needs=["dgesv"])
    body.give_up(f"{call} != int(0)", "a matrix has no inverse")
    found = right._replace(strides=right.strides[:-1]) if one else right
    deliver(body, result, found)


@lowering("inv", "inv_or_inf", fits=is_real)
def inv(body: Body, step: Apply) -> None:
    """The inverse of each matrix; infinite, where that is the op, if there is none."""
    (a,) = step.parts
    n, stack = a.shape[-1], a.shape[:-2]
    copied = columns(body, body.place(a), a.shape)
    out = body.scratch(a.shape, "float64")._replace(strides=by_columns(stack, n, n))
    pivots = numbers(body, n)
    call = invoke(body, INVERT, math.prod(stack), n, copied, out, pivots, needs=["dgesv"])
    if step.op.name == "inv":
        body.give_up(f"{call} != int(0)", "a matrix has no inverse")
    else:
        body.lines.append(call)
    deliver(body, step.result, out)
