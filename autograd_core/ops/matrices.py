"""What the ops on matrices have in common: samples, checks, triangles, diagonals."""

from __future__ import annotations

import numpy as np

from ..domains import uniform
from ..errors import MatrixError, ShapeError, explain
from .shape import reshape


def invertible(rng, *shape):
    """Draw well-conditioned matrices: up to 3 x 3 the diagonal dominates."""
    return uniform(rng, *shape) + 7.0 * np.eye(*shape[-2:])


def positive_definite(rng, *shape):
    """Draw symmetric matrices with eigenvalues apart from one another and from 0."""
    n = shape[-1]
    q, _ = np.linalg.qr(rng.normal(size=shape))
    return q * (1.0 + np.arange(n) + 0.2 * rng.uniform(size=n)) @ np.swapaxes(q, -1, -2)


def graded(rng, *shape):
    """Draw matrices of full rank with singular values apart from one another."""
    u, _, vh = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    return u * (1.0 + np.arange(vh.shape[-2])) @ vh


def each(draw, *shapes, **named):
    """Return samples of functions of one matrix."""
    return lambda rng: [((draw(rng, *shape),), named) for shape in shapes]


def refuse_not_matrix(name, a):
    """Raise unless there are two axes at least."""
    if np.ndim(a) < 2:
        what = f"linalg.{name}: a matrix or a stack of them"
        raise ShapeError(explain(what, f"shape {np.shape(a)}", "Reshape it"))


def refuse_not_square(name, a):
    """Raise unless the last two axes have one length."""
    shape = np.shape(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        what = f"linalg.{name}: a square matrix or a stack of them"
        raise ShapeError(explain(what, f"shape {shape}", "Check it, or use pinv, svd or lstsq"))


def singular(name, a, error):
    """Return the error about a matrix that has no inverse."""
    stack = np.reshape(a, (-1, *np.shape(a)[-2:]))
    ranks = np.linalg.matrix_rank(stack)
    first = int(np.argmin(ranks))
    which = f"matrix {first} of the stack, " if np.ndim(a) > 2 else ""
    n = stack.shape[-1]
    got = f"{which}{n} x {n} of rank {ranks[first]} (NumPy: {error})"
    do = "Use pinv or lstsq, or add a multiple of the identity"
    return MatrixError(explain(f"linalg.{name}: an invertible matrix", got, do))


def unconverged(name, a, error):
    """Return the error about a decomposition that LAPACK gave up."""
    got = f"{int((~np.isfinite(a)).sum())} entries that are not, in {np.shape(a)} (NumPy: {error})"
    do = "Find out where they come from"
    return MatrixError(explain(f"linalg.{name}: finite entries", got, do))


def column(x):
    """Return stacks of vectors as columns."""
    return reshape(x, shape=(*x.shape, 1))


def row(x):
    """Return stacks of vectors as rows."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def diagonal_matrix(x):
    """Return the square matrices with x on their diagonals."""
    return column(x) * np.eye(x.shape[-1], dtype=x.dtype)


def lower(x, diagonal=1.0):
    """Return x with zeros above the diagonal, and the diagonal times a factor."""
    mask = np.tri(x.shape[-2], x.shape[-1], -1, dtype=x.dtype)
    np.fill_diagonal(mask, diagonal)
    return x * mask
