"""Independent formulas of linear algebra; `truths` explains."""

import numpy as np


def contract(x, y, labels):
    letters = dict(zip(dict.fromkeys(sum(labels, ())), "abcdefghijklmnop", strict=False))
    of_x, of_y, of_out = ("".join(letters[label] for label in part) for part in labels)
    return np.einsum(f"{of_x},{of_y}->{of_out}", x, y)


def agreeing(labels, shape):
    """Yield the indices that agree wherever axes have one label, and the index they merge to."""
    kept = list(dict.fromkeys(labels))
    for index in np.ndindex(*shape):
        merged = tuple(index[labels.index(label)] for label in kept)
        if all(index[i] == merged[kept.index(label)] for i, label in enumerate(labels)):
            yield index, merged


def take_diagonal(x, labels):
    shape = [x.shape[labels.index(label)] for label in dict.fromkeys(labels)]
    out = np.empty(shape, x.dtype)
    for index, merged in agreeing(labels, x.shape):
        out[merged] = x[index]
    return out


def put_diagonal(x, labels, shape):
    out = np.zeros(shape, x.dtype)
    for index, merged in agreeing(labels, shape):
        out[index] = x[merged]
    return out


def side_by_side(*parts):
    stack = parts[0].shape[:-2]
    return np.concatenate([part.reshape(*stack, -1) for part in parts], axis=-1)


def eigh_packed(a):
    w, v = np.linalg.eigh(a)
    return side_by_side(w[..., None], v)


def svd_packed(a, full_matrices):
    u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    return side_by_side(u, s[..., None], vh)


def cofactor(a):
    """Return signed determinants of a without a row and a column."""
    n = a.shape[-1]
    out = np.empty_like(a)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(a, i, axis=-2), j, axis=-1)
        out[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


def cofactor_pull(ct, a):
    """Return the derivative of the sum of ct · cofactor(a)."""
    out = np.empty_like(a)
    for i, j in np.ndindex(*a.shape[-2:]):
        unit = np.zeros_like(a)
        unit[..., i, j] = 1.0
        change = cofactor(a + unit) - cofactor(a)  # cofactors are linear in each entry
        out[..., i, j] = np.sum(ct * change, axis=(-2, -1))
    return out


def expm(a):
    """Return the sum of the series, for a small matrix."""
    term = total = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    for k in range(1, 60):
        term = term @ a / k
        total = total + term
    return total


def expm_pull(ct, a):
    """Return the derivative of the series: all products with ct in one place."""
    a = np.swapaxes(a, -1, -2)
    power, part, total, scale = np.eye(a.shape[-1]) + 0 * a, 0 * ct, 0 * ct, 1.0
    for k in range(1, 60):
        part, power = part @ a + power @ ct, power @ a
        scale /= k
        total = total + scale * part
    return total.astype(ct.dtype)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    """Substitute column by column."""
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        eye = np.eye(a.shape[-1])
        a = a * (1 - eye) + eye
    a = np.swapaxes(a, -1, -2) if trans else a
    order = range(a.shape[-1]) if lower != bool(trans) else range(a.shape[-1] - 1, -1, -1)
    x = np.array(b) if b.ndim > 1 else np.array(b)[:, None]
    for i in order:
        x[..., i, :] /= a[..., i, i][..., None]
        for j in range(a.shape[-1]):
            if j != i and j not in order[: order.index(i)]:
                x[..., j, :] -= a[..., j, i][..., None] * x[..., i, :]
    return x if b.ndim > 1 else x[:, 0]


FORMULAS = {
    "cofactor": cofactor,
    "cofactor_pull": cofactor_pull,
    "logabsdet": lambda a: np.log(np.abs(np.linalg.det(a))),
    "sign_of_det": lambda a: np.sign(np.linalg.det(a)),
    "inv_or_inf": np.linalg.inv,
    "eigh_packed": eigh_packed,
    "eigh_values": np.linalg.eigvalsh,
    "svd_packed": svd_packed,
    "svd_values": lambda a, full_matrices: np.linalg.svd(a, compute_uv=False),
    "qr_packed": lambda a: side_by_side(*np.linalg.qr(a)),
    "expm": expm,
    "expm_pull": expm_pull,
    "p_norm": lambda x, ord, axes, keepdims: np.linalg.vector_norm(
        x, ord=ord, axis=axes, keepdims=keepdims
    ),
    "solve_triangular": solve_triangular,
    "matrix_diagonal": np.linalg.diagonal,
    "matrix_trace": np.linalg.trace,
    "contract": contract,
    "take_diagonal": take_diagonal,
    "put_diagonal": put_diagonal,
    "cross_product": np.cross,
    "matvec": lambda x1, x2: np.einsum("...ij,...j->...i", x1, x2),
    "vecmat": lambda x1, x2: np.einsum("...i,...ij->...j", x1, x2),
}
