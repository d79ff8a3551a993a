"""Systems of linear equations, inverses and determinants."""

from __future__ import annotations

import math

import numpy as np

from ...kernels import lapack
from ..body import Body
from ..layout import Place
from ..record import Apply
from .products import stretched_stack
from .registry import lowering
from .stacks import by_columns, columns, deliver, invoke, is_real, numbers

SOLVE = """
@inline
def solve_all(count, n, columns, a, b, pivots, memory):
    for i in range(count):
        begin = b + 8 * i * n * columns
        failure = dgesv(n, columns, a + 8 * i * n * n, n, pivots, begin, n, memory)
        if failure != 0:
            return failure
    return failure
"""
INVERT = """
@inline
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
            inverse[:] = np.inf
    return worst
"""
DETERMINANTS = """
@inline
def determinants(count, n, a, signs, logarithms, pivots, memory):
    # The signs, and the logarithms of the absolute values.
    for i in range(count):
        failure = dgetrf(n, n, a + 8 * i * n * n, n, pivots, memory)
        factors = view(a + 8 * i * n * n, n * n, np.float64)
        swapped = view(pivots, n, np.INTEGER)
        sign, total = 1.0, 0.0
        for j in range(n):
            if swapped[j] != j + 1:
                sign = -sign
            if factors[j * n + j] < 0.0:
                sign = -sign
            total += np.log(abs(factors[j * n + j]))
        view(signs, count, np.float64)[i] = sign if failure == 0 else 0.0
        view(logarithms, count, np.float64)[i] = total if failure == 0 else -np.inf
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
    call = invoke(
        body, SOLVE, math.prod(stack), n, wide, left, right, pivots, needs=["dgesv"]
    )
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


def signs_and_logarithms(body: Body, a: Place, shape: tuple[int, ...]) -> tuple[Place, Place]:
    """Write the determinants of matrices by columns, which they destroy; return where they are."""
    stack, n = shape[:-2], shape[-1]
    found = body.scratch(stack, "float64"), body.scratch(stack, "float64")
    pivots = numbers(body, n)
    text = DETERMINANTS.replace("INTEGER", lapack.integer())
    call = invoke(body, text, math.prod(stack), n, a, *found, pivots, needs=["dgetrf"])
    body.lines.append(call)
    return found


@lowering("det", "logabsdet", "sign_of_det", fits=is_real)
def det(body: Body, step: Apply) -> None:
    """The determinant, the logarithm of its absolute value, or its sign."""
    (a,) = step.parts
    copied = columns(body, body.place(a), a.shape)
    signs, logarithms = signs_and_logarithms(body, copied, a.shape)
    if step.op.name == "det":
        total = f"{body.at(signs)} * np.exp({body.at(logarithms)})"
        body.nest(a.shape[:-2], [f"{body.at(signs)} = {total}"])
    deliver(body, step.result, logarithms if step.op.name == "logabsdet" else signs)
