"""Independent formulas of the normalizing functions; `truths` explains."""

import numpy as np


def standardize(x, axis=-1, eps=1e-5, center=True):
    spread = np.var(x, axis=axis, keepdims=True) if center else np.mean(x**2, axis, keepdims=True)
    shift = np.mean(x, axis=axis, keepdims=True) if center else 0.0
    return (x - shift) / np.sqrt(spread + eps)


def standardize_pull(ct, x, axis=-1, eps=1e-5, center=True):
    """The Jacobian, row by row: of y_i with respect to x_j, δ_ij - [center] / n - y_i y_j / n."""
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    front = [i for i in range(x.ndim) if i not in axes]
    order = (*front, *axes)
    rows, cts = (np.transpose(a, order).reshape(-1, *[x.shape[i] for i in axes]) for a in (x, ct))
    out = np.empty_like(np.result_type(ct, x).type(0) * rows)
    for i, (row, c) in enumerate(zip(rows, cts, strict=True)):
        n = row.size
        y = standardize(row.reshape(1, n), -1, eps, center)[0]
        r = 1.0 / np.sqrt((row.var() if center else np.mean(row**2)) + eps)
        jacobian = np.eye(n) - np.outer(y, y) / n - (1.0 / n if center else 0.0)
        out[i] = (r * jacobian.T @ c.ravel()).reshape(row.shape)
    return np.transpose(out.reshape([x.shape[i] for i in order]), np.argsort(order))


def moments(x, axis=-1):
    axes = axis if isinstance(axis, tuple) else (axis,)
    n = np.prod([x.shape[a] for a in axes])
    mean = x.sum(axes, keepdims=True) / x.dtype.type(n)
    spread = ((x - mean) ** 2).sum(axes) / x.dtype.type(max(n - 1, 1))
    return np.stack([mean.reshape(spread.shape), spread])


FORMULAS = {
    "moments": moments,
    "standardize": standardize,
    "standardize_pull": standardize_pull,
}
