"""Determinants, and their derivatives by singular values."""

from __future__ import annotations

import math

from ...kernels import lapack
from ..body import Body
from ..layout import Place
from ..record import Apply, Value
from .decompositions import Singular, singular
from .products import products
from .registry import lowering
from .stacks import columns, deliver, invoke, is_real, numbers, turned

DETERMINANTS = """
@apart
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
ALL_FINITE = """
@apart
def all_finite(count, n, a, signs):
    # A matrix with an entry that is not gives way to the identity, and its sign is NaN.
    for i in range(count):
        entries, finite = view(a + 8 * i * n * n, n * n, np.float64), 1.0
        for j in range(n * n):
            if not abs(entries[j]) < np.inf:
                finite = np.nan
        if finite != finite:
            for j in range(n * n):
                entries[j] = 1.0 if j % (n + 1) == 0 else 0.0
        view(signs, count, np.float64)[i] = finite
"""
TIMES_OTHERS = """
@apart
def times_others(count, n, signs, s, u):
    # Each vector times the values of all others.
    for i in range(count):
        values, vectors = view(s + 8 * i * n, n, np.float64), u + 8 * i * n * n
        for p in range(n):
            others = view(signs, count, np.float64)[i]
            for q in range(n):
                others *= values[q] if q != p else 1.0
            vector = view(vectors + 8 * p * n, n, np.float64)
            for j in range(n):
                vector[j] *= others
"""
PAIRS = """
@apart
def pairs(count, n, signs, s, x, out):
    # The products of all values but two.
    for i in range(count):
        values, sign = view(s + 8 * i * n, n, np.float64), view(signs, count, np.float64)[i]
        inner = view(x + 8 * i * n * n, n * n, np.float64)
        found = view(out + 8 * i * n * n, n * n, np.float64)
        for p in range(n):
            total = 0.0
            for q in range(n):
                others = 0.0 if p == q else 1.0
                for r in range(n):
                    others *= values[r] if r != p and r != q else 1.0
                found[p * n + q] = -others * inner[q * n + p] * sign
                total += others * inner[q * n + q]
            found[p * n + p] = total * sign
"""


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


def _rotations(body: Body, a: Value) -> tuple[Singular, Place]:
    """Write the singular value decompositions and det(u) det(v); NaN where a is not finite."""
    shape, stack = a.shape, a.shape[:-2]
    copied, signs = columns(body, body.place(a), shape), body.scratch(stack, "float64")
    body.lines.append(invoke(body, ALL_FINITE, math.prod(stack), shape[-1], copied, signs))
    found = singular(body, copied, shape, "A")
    for rotation in (found.u, found.vt):
        one, _ = signs_and_logarithms(body, columns(body, rotation, shape), shape)
        body.nest(stack, [f"{body.at(signs)} *= {body.at(one)}"])
    return found, signs


@lowering("cofactor", fits=is_real)
def cofactor(body: Body, step: Apply) -> None:
    """The matrix of cofactors: u diag(the products of the other values) vᵀ."""
    (a,) = step.parts
    stack, n = a.shape[:-2], a.shape[-1]
    (u, s, vt), signs = _rotations(body, a)
    body.lines.append(invoke(body, TIMES_OTHERS, math.prod(stack), n, signs, s, u))
    out = body.scratch(a.shape, "float64")
    products(body, stack, u, vt, (n, n, n), out, dtype="float64")
    deliver(body, step.result, out)


def _is_alike(step: Apply) -> bool:
    return is_real(step) and step.parts[0].shape == step.parts[1].shape


@lowering("cofactor_pull", fits=_is_alike)
def cofactor_pull(body: Body, step: Apply) -> None:
    """The derivative of the cofactors in the direction ct, in the axes of the decomposition."""
    ct, a = step.parts
    stack, n = a.shape[:-2], a.shape[-1]
    (u, s, vt), signs = _rotations(body, a)
    inner, room = (body.scratch(a.shape, "float64") for _ in range(2))
    body.copy(body.place(ct), a.shape, inner)

    def multiply(x: Place, y: Place, out: Place) -> None:
        products(body, stack, x, y, (n, n, n), out, dtype="float64")

    multiply(turned(u), inner, room)
    multiply(room, turned(vt), inner)
    body.lines.append(invoke(body, PAIRS, math.prod(stack), n, signs, s, inner, room))
    multiply(u, room, inner)
    multiply(inner, vt, room)
    deliver(body, step.result, room)
