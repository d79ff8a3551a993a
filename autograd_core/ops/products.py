"""Products of matrices and vectors: matmul, linear, dot, outer, cross and their kin."""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, explain
from ..tensor import Tensor
from .reduce import sum
from .shape import ravel, reshape, transpose


def _matmul_samples(rng):
    for x, y in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4))):
        yield (uniform(rng, *x), uniform(rng, *y)), {}
    yield (uniform(rng, 5, 1, 2, 3), uniform(rng, 4, 3, 2)), {}
    yield (uniform(rng, 3), uniform(rng, 4, 3, 2)), {}
    yield (uniform(rng, 4, 2, 3), uniform(rng, 3)), {}


@primitive(signature="(n?,k),(k,m?)->(n?,m?)", samples=_matmul_samples)
def matmul(x, y):
    """Matrix product x @ y, with NumPy's rules for vectors and stacks of matrices."""
    try:
        return np.matmul(x, y)
    except ValueError as error:
        raise ShapeError(_disagreement(np.shape(x), np.shape(y))) from error


def _disagreement(x, y):
    if not x or not y:
        return explain("matmul: operands with at least one axis", f"{x} and {y}", "Use * instead")
    k, other = x[-1], y[-2] if len(y) > 1 else y[0]
    got = f"x of shape {x} and y of shape {y}, where k is {k} against {other}"
    if k == other:
        got = f"x of shape {x} and y of shape {y}, whose stacks do not broadcast"
    do = "Transpose an operand, or check the layer before"
    return explain("matmul: shapes (n,k) and (k,m) that agree in k", got, do)


def _matrices(ct, x, y):
    """Return cotangent and operands as (stacks of) matrices, vectors as rows and columns."""
    rows = x if x.ndim > 1 else reshape(x, shape=(1, -1))
    columns = y if y.ndim > 1 else reshape(y, shape=(-1, 1))
    shape = list(np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2]))
    return reshape(ct, shape=(*shape, rows.shape[-2], columns.shape[-1])), rows, columns


def array_like(x):
    """Return lists and numbers as arrays; tensors and arrays as they are."""
    return x if isinstance(x, (Tensor, np.ndarray)) else np.asarray(x)


def moved(x, source, destination):
    """Return x with one axis at another place."""
    axes = list(range(x.ndim))
    if not all(-x.ndim <= axis < x.ndim for axis in (source, destination)):
        what = f"moving an axis: axes of an array of shape {x.shape}"
        raise ShapeError(explain(what, f"{source} and {destination}", "Correct the axis"))
    axes.insert(destination % x.ndim, axes.pop(source))
    return transpose(x, axes=tuple(axes))


def flipped(x):
    """Return each matrix transposed."""
    n = x.ndim - 2
    return x.T if n == 0 else transpose(x, axes=(*range(n), n + 1, n))


def matmul_vjp_x(ct, x, y):
    if x.ndim == y.ndim == 2:
        return matmul(ct, y.T)
    ct, _, columns = _matrices(ct, x, y)
    part = matmul(ct, flipped(columns))
    return part if x.ndim > 1 else reshape(part, shape=(*part.shape[:-2], -1))


def matmul_vjp_y(ct, x, y):
    if x.ndim == y.ndim == 2:
        return matmul(x.T, ct)
    ct, rows, _ = _matrices(ct, x, y)
    part = matmul(flipped(rows), ct)
    return part if y.ndim > 1 else reshape(part, shape=(*part.shape[:-2], -1))


@primitive(register=False)
def strong_matmul(x, y):
    """Matrix product in which a factor that is exactly zero wins over an infinite one."""
    with np.errstate(all="ignore"):
        out = np.asarray(np.matmul(x, y))
        if np.isfinite(out).all():
            return out
        bad_x, bad_y = ~np.isfinite(x), ~np.isfinite(y)
        finite = np.matmul(np.where(bad_x, 0.0, x), np.where(bad_y, 0.0, y))
        met = np.matmul(bad_x * 1.0, (y != 0) * 1.0) + np.matmul((x != 0) * 1.0, bad_y * 1.0)
        return np.where(met > 0, out, finite).astype(out.dtype)


@primitive(
    signature="(n,k),(m,k),(m)->(n,m)",
    samples=lambda rng: [
        ((uniform(rng, 4, 3), uniform(rng, 2, 3), uniform(rng, 2)), {}),
        ((uniform(rng, 2, 4, 3), uniform(rng, 2, 3), uniform(rng, 2)), {}),
        ((uniform(rng, 3), uniform(rng, 2, 3), uniform(rng, 2)), {}),
    ],
)
def linear(x, weight, bias):
    """Affine map x Wᵀ + b, the layer of a perceptron; W has shape (out, in)."""
    out = np.matmul(x, weight.T)
    out += bias
    return out


def linear_vjp_weight(ct, x):
    if x.ndim == 2:
        return matmul(ct.T, x)
    rows = reshape(x, shape=(-1, x.shape[-1]))
    return matmul(reshape(ct, shape=(-1, ct.shape[-1])).T, rows)


defvjp(matmul, x=matmul_vjp_x, y=matmul_vjp_y)
defvjp(strong_matmul, x=matmul_vjp_x, y=matmul_vjp_y)
defvjp(
    linear, x=lambda ct, weight: matmul(ct, weight), weight=linear_vjp_weight, bias=lambda ct: ct
)
matmul.strong = strong_matmul


def _pairs(*shapes, **named):
    """Return samples: a pair of arrays for each pair of shapes."""
    return lambda rng: [((uniform(rng, *x), uniform(rng, *y)), named) for x, y in shapes]


@composite(
    samples=_pairs(
        ((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (4, 3, 2)), ((2, 3), (4, 3, 2))
    )
)
def dot(a, b):
    """Product over the last axis of a and the last but one of b; of scalars, as `multiply`."""
    if not np.ndim(a) or not np.ndim(b):
        return a * b
    a, b = array_like(a), array_like(b)
    lead = b.ndim - 2
    if lead < 1:
        return matmul(a, b)
    columns = transpose(b, axes=(lead, *range(lead), lead + 1))  # (k, ..., m)
    product = matmul(a, reshape(columns, shape=(columns.shape[0], -1)))
    return reshape(product, shape=(*a.shape[:-1], *columns.shape[1:]))


@composite(samples=_pairs(((), ()), ((3,), (3,)), ((2, 3), (3, 2))))
def vdot(a, b):
    """Sum of the products of all elements, Σ a b; arrays are read in C order."""
    return matmul(ravel(a), ravel(b))


@composite(samples=_pairs(((), (3,)), ((3,), (3,)), ((2, 3), (4, 3)), ((3,), (2, 2, 3))))
def inner(a, b):
    """Sum of products over the last axis of both; of scalars, as `multiply`."""
    if not np.ndim(a) or not np.ndim(b):
        return a * b
    a, b = array_like(a), array_like(b)
    if a.shape[-1] != b.shape[-1]:
        raise _unequal("inner", a, b)
    rows = reshape(b, shape=(math.prod(b.shape[:-1]), b.shape[-1]))
    return reshape(matmul(a, flipped(rows)), shape=(*a.shape[:-1], *b.shape[:-1]))


def _unequal(name, a, b):
    what = f"{name}: operands whose summed axes have one length"
    return ShapeError(explain(what, f"shapes {a.shape} and {b.shape}", "Transpose one of them"))


@composite(samples=_pairs(((3,), (2,)), ((2, 2), (3,)), ((), (2,))))
def outer(a, b):
    """All products of an element of a and one of b: a matrix, one row for each element of a."""
    return reshape(a, shape=(-1, 1)) * reshape(b, shape=(1, -1))


@composite(
    samples=lambda rng: [
        *_pairs(((3,), (3,)), ((2, 3), (2, 3)), ((4, 1, 3), (2, 3)))(rng),
        *_pairs(((3, 2), (3, 2)), axis=0)(rng),
    ]
)
def vecdot(x1, x2, *, axis=-1):
    """Sum of products along one axis, for stacks of vectors that broadcast."""
    x1, x2 = moved(array_like(x1), axis, -1), moved(array_like(x2), axis, -1)
    if x1.shape[-1] != x2.shape[-1]:
        raise _unequal("vecdot", x1, x2)
    return sum(x1 * x2, axis=-1)


@composite(samples=_pairs(((2, 3), (3,)), ((4, 2, 3), (4, 3)), ((2, 3), (4, 1, 3))))
def matvec(x1, x2):
    """Product of each matrix of a stack and the vector that belongs to it."""
    x1, x2 = array_like(x1), array_like(x2)
    columns = reshape(x2, shape=(*x2.shape, 1))
    product = matmul(x1, columns)
    return reshape(product, shape=product.shape[:-1])


@composite(samples=_pairs(((2,), (2, 3)), ((4, 2), (4, 2, 3)), ((4, 1, 2), (2, 3))))
def vecmat(x1, x2):
    """Product of each vector of a stack and the matrix that belongs to it."""
    x1, x2 = array_like(x1), array_like(x2)
    product = matmul(reshape(x1, shape=(*x1.shape[:-1], 1, x1.shape[-1])), x2)
    return reshape(product, shape=(*product.shape[:-2], product.shape[-1]))


@composite(samples=lambda rng: [((uniform(rng, 2, 3),), {}), ((uniform(rng, 4, 2, 3),), {})])
def matrix_transpose(x):
    """The last two axes interchanged: each matrix of a stack transposed."""
    x = array_like(x)
    if x.ndim < 2:
        what = "matrix_transpose: at least two axes"
        raise ShapeError(explain(what, f"shape {x.shape}", "Pass a matrix"))
    return flipped(x)


@primitive(internal=True, samples=_pairs(((3,), (3,)), ((4, 3), (4, 3)), ((2, 1, 3), (4, 3))))
def cross_product(x, y):
    """Vector product x × y along the last axis."""
    return np.cross(x, y)


defvjp(
    cross_product,
    x=lambda ct, y: cross_product(y, ct),
    y=lambda ct, x: cross_product(ct, x),
)


@composite(
    samples=lambda rng: [
        *_pairs(((3,), (3,)), ((4, 3), (4, 3)), ((2, 1, 3), (4, 3)))(rng),
        *_pairs(((3, 4), (3, 4)), axis=0)(rng),
        *_pairs(((3, 4), (4, 3)), axisa=0, axisb=1, axisc=0)(rng),
    ]
)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Vector product a × b of vectors of three elements, which lie along an axis of each."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moved(array_like(a), axisa, -1), moved(array_like(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        got = f"shapes {a.shape} and {b.shape} (vectors last)"
        do = "Choose the axes, or append a zero to vectors in the plane"
        raise ShapeError(explain("cross: vectors of three elements", got, do))
    return moved(cross_product(a, b), -1, axisc)
