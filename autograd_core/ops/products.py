"""Products of matrices."""

from __future__ import annotations

import numpy as np

from ..declare import composite, defvjp, primitive
from ..errors import ShapeError, explain
from .shape import reshape, swapaxes, transpose


def _uniform(rng, *shape):
    return rng.uniform(-2.0, 2.0, shape)


def _matmul_samples(rng):
    for x, y in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4))):
        yield (_uniform(rng, *x), _uniform(rng, *y)), {}
    yield (_uniform(rng, 5, 1, 2, 3), _uniform(rng, 4, 3, 2)), {}
    yield (_uniform(rng, 3), _uniform(rng, 4, 3, 2)), {}
    yield (_uniform(rng, 4, 2, 3), _uniform(rng, 3)), {}


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


def _flipped(x):
    return x.T if x.ndim == 2 else swapaxes(x, -1, -2)


def matmul_vjp_x(ct, x, y):
    if x.ndim == y.ndim == 2:
        return matmul(ct, y.T)
    ct, _, columns = _matrices(ct, x, y)
    part = matmul(ct, _flipped(columns))
    return part if x.ndim > 1 else reshape(part, shape=(*part.shape[:-2], -1))


def matmul_vjp_y(ct, x, y):
    if x.ndim == y.ndim == 2:
        return matmul(x.T, ct)
    ct, rows, _ = _matrices(ct, x, y)
    part = matmul(_flipped(rows), ct)
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
        ((_uniform(rng, 4, 3), _uniform(rng, 2, 3), _uniform(rng, 2)), {}),
        ((_uniform(rng, 2, 4, 3), _uniform(rng, 2, 3), _uniform(rng, 2)), {}),
        ((_uniform(rng, 3), _uniform(rng, 2, 3), _uniform(rng, 2)), {}),
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


@composite(
    samples=lambda rng: [
        ((_uniform(rng, *x), _uniform(rng, *y)), {})
        for x, y in (
            ((), (3,)),
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (4, 3, 2)),
            ((2, 3), (4, 3, 2)),
        )
    ]
)
def dot(x, y):
    """Product over the last axis of x and the last but one of y; of scalars, as `multiply`."""
    if not np.ndim(x) or not np.ndim(y):
        return x * y
    lead = np.ndim(y) - 2
    if lead < 1:
        return matmul(x, y)
    columns = transpose(y, axes=(lead, *range(lead), lead + 1))  # (k, ..., m)
    product = matmul(x, reshape(columns, shape=(columns.shape[0], -1)))
    return reshape(product, shape=(*np.shape(x)[:-1], *columns.shape[1:]))
