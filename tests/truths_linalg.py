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


FORMULAS = {
    "contract": contract,
    "take_diagonal": take_diagonal,
    "put_diagonal": put_diagonal,
    "cross_product": np.cross,
    "matvec": lambda x1, x2: np.einsum("...ij,...j->...i", x1, x2),
    "vecmat": lambda x1, x2: np.einsum("...i,...ij->...j", x1, x2),
}
