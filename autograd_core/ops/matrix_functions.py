"""Powers, products and the exponential of matrices."""

from __future__ import annotations

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import DTypeError, ShapeError, explain
from ..kernels.exponential import COEFFICIENTS, LARGEST
from .compare import where
from .joining import concatenate
from .linalg import inv
from .matrices import (
    each,
    invertible,
    refuse_not_square,
)
from .products import array_like, flipped, matmul


@composite(
    namespace="linalg",
    samples=lambda rng: [((invertible(rng, 2, 3, 3), n), {}) for n in (0, 1, 2, 3, 5, -1, -2)],
)
def matrix_power(a, n):
    """The matrix product of n factors a; of -n inverses for negative n."""
    a = array_like(a)
    refuse_not_square("matrix_power", a)
    if not hasattr(n, "__index__"):
        what, do = "linalg.matrix_power: a whole exponent", "Use eigh for roots of matrices"
        raise DTypeError(explain(what, f"{n!r:.60}", do))
    if n == 0:
        eye = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
        return where(np.zeros(a.shape, bool), a, eye)
    a, n = (inv(a), -n) if n < 0 else (a, n)
    product = None
    while n:
        if n % 2:
            product = a if product is None else matmul(product, a)
        n //= 2
        a = matmul(a, a) if n else a
    return product


@composite(
    namespace="linalg",
    samples=lambda rng: [
        ((([uniform(rng, *shape) for shape in shapes]),), {})
        for shapes in (
            ((2, 3), (3, 4)),
            ((2, 3), (3, 4), (4, 2)),
            ((3,), (3, 4), (4, 2), (2, 5), (5,)),
        )
    ],
)
def multi_dot(arrays):
    """The product of several matrices, in the order that costs least; the ends may be vectors."""
    arrays = [array_like(array) for array in arrays]
    ndims = [array.ndim for array in arrays]
    if len(arrays) < 2 or {*ndims[1:-1]} - {2} or {ndims[0], ndims[-1]} - {1, 2}:
        what = (
            "linalg.multi_dot: at least two matrices, of which the first and last may be vectors"
        )
        raise ShapeError(explain(what, f"arrays of {ndims} axes", "Use matmul for stacks"))
    first, last = ((1, *arrays[0].shape)[-2], (*arrays[-1].shape, 1)[1])
    lengths = [first, *(array.shape[0] for array in arrays[1:]), last]
    splits = _cheapest(lengths)

    def product(i, j):
        return arrays[i] if i == j else matmul(product(i, k := splits[i, j]), product(k + 1, j))

    return product(0, len(arrays) - 1)


def _cheapest(lengths):
    """Return where to split each chain of matrices (Cormen et al., matrix-chain order)."""
    count = len(lengths) - 1
    costs = {(i, i): 0 for i in range(count)}
    splits = {}
    for j in range(1, count):
        for i in reversed(range(j)):
            costs[i, j], splits[i, j] = min(
                (
                    costs[i, k] + costs[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1],
                    k,
                )
                for k in range(i, j)
            )
    return splits


PADE = np.array(COEFFICIENTS, float)


@primitive(
    namespace="linalg",
    reference="Higham (2005), degree 13",
    samples=each(uniform, (3, 3), (2, 2, 2)),
)
def expm(a):
    """Matrix exponential, the sum of aⁿ/n!."""
    refuse_not_square("expm", a)
    dtype = np.result_type(a, np.float32)
    a = np.asarray(a, float)
    norm = np.abs(a).sum(axis=-2).max(axis=-1, initial=0.0)[..., None, None]
    squarings = np.maximum(np.frexp(norm / LARGEST)[1], 0)
    a = np.ldexp(a, -squarings)
    two = a @ a
    four = two @ two
    six = four @ two
    c, eye = PADE, np.eye(a.shape[-1])
    odd = a @ (
        six @ (c[13] * six + c[11] * four + c[9] * two) + _low(c[1::2], six, four, two, eye)
    )
    even = six @ (c[12] * six + c[10] * four + c[8] * two) + _low(c[::2], six, four, two, eye)
    out = np.linalg.solve(even - odd, even + odd)
    for step in range(squarings.max(initial=0)):
        out = np.where(step < squarings, out @ out, out)
    return out.astype(dtype)


def _low(c, six, four, two, eye):
    return c[3] * six + c[2] * four + c[1] * two + c[0] * eye


@primitive(
    internal=True,
    samples=lambda rng: [
        ((uniform(rng, *shape), uniform(rng, *shape)), {}) for shape in ((2, 2), (2, 2, 2))
    ],
)
def expm_pull(ct, a):
    """Derivative of the exponential of aᵀ in the direction ct."""
    n = a.shape[-1]
    size = np.abs(ct).max(axis=(-2, -1), keepdims=True, initial=0.0)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0).astype(ct.dtype)
    blocks = expm.forward(_blocks(flipped(a), ct / size))
    return blocks[..., :n, n:] * size


def _blocks(a, b):
    """Return [[a, b], [0, a]], whose exponential has the derivative in its upper right block."""
    zero = np.zeros(b.shape, b.dtype)
    rows = [concatenate([a, b], axis=-1), concatenate([zero, a], axis=-1)]
    return concatenate(rows, axis=-2)


def expm_pull_vjp_a(g, ct, a):
    n = a.shape[-1]
    zero = np.zeros(g.shape, g.dtype)
    part = expm_pull(_corner(g, zero), _blocks(flipped(a), ct))
    return flipped(part[..., :n, :n] + part[..., n:, n:])


def _corner(x, zero):
    rows = [concatenate([zero, x], axis=-1), concatenate([zero, zero], axis=-1)]
    return concatenate(rows, axis=-2)


defvjp(expm, a=lambda ct, a: expm_pull(ct, a))
defvjp(expm_pull, ct=lambda g, a: expm_pull(g, flipped(a)), a=expm_pull_vjp_a)
