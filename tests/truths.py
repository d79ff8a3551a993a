"""Independent values: what an op should compute, written another way than the op computes it.

The function of NumPy that has the op's name, if there is one; the textbook expressions of the
activations; and a formula here for what neither has. An op may also declare ``oracle=``.
"""

from __future__ import annotations

import numpy as np
import truths_activations
import truths_arrays
import truths_linalg
import truths_normalize
import truths_special

from autograd_core.kernels.expressions import DERIVATIVES, VALUES


class Truth:
    """A formula; `naive` if it may give NaN where a better one knows the limit."""

    def __init__(self, function, naive=False, variadic=False):
        self.function = function
        self.naive = naive
        self.variadic = variadic

    def __call__(self, *operands, **attributes):
        return self.function(*((operands,) if self.variadic else operands), **attributes)


def truth(op):
    """Return the independent formula of an op."""
    name = op.name
    if "oracle" in op.facets:
        return Truth(op.facets["oracle"])
    if name in VALUES:
        return Truth(VALUES[name], naive=True)
    if name in FORMULAS:
        return Truth(FORMULAS[name], naive=True)
    if name.endswith("_pull") and name.removesuffix("_pull") in DERIVATIVES:
        return Truth(DERIVATIVES[name.removesuffix("_pull")], naive=True)
    home = np.linalg if op.facets.get("namespace") == "linalg" else np
    assert hasattr(home, name), f"{name}: NumPy has no such function; add a formula"
    return Truth(getattr(home, name), variadic=op.variadic)


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def softmax(x, axis=-1):
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    return np.log(softmax(x, axis))


def getitem(x, index):
    places = np.arange(x.size).reshape(x.shape)[index]
    return np.take(x.ravel(), places)


def scatter(x, index, shape):
    out = [0.0] * int(np.prod(shape))
    places = np.arange(len(out)).reshape(shape)[index]
    for place, value in zip(np.ravel(places), np.ravel(x), strict=True):
        out[place] += float(value)
    return np.array(out, np.asarray(x).dtype).reshape(shape)


def scatter_add(base, x, index):
    return base + scatter(x, index, np.shape(base))


def affine(x, weight, bias):
    return np.einsum("...k,mk->...m", x, weight) + bias


def cross_entropy(logits, target):
    return -np.sum(target * log_softmax(logits), axis=-1)


def cross_entropy_pull(ct, logits, target):
    return ct[..., None] * (softmax(logits) * target.sum(-1, keepdims=True) - target)


FORMULAS = {
    **truths_activations.FORMULAS,
    **truths_arrays.FORMULAS,
    **truths_linalg.FORMULAS,
    **truths_normalize.FORMULAS,
    **truths_special.FORMULAS,
    "softmax_cross_entropy": cross_entropy,
    "softmax_cross_entropy_pull": cross_entropy_pull,
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "getitem": getitem,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "linear": affine,
    "reshape": lambda x, shape: np.array(x.ravel().tolist(), x.dtype).reshape(shape),
    "astype": lambda x, dtype: np.array(x.tolist(), dtype),
}
