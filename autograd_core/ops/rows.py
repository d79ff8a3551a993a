"""Softmax, its logarithm and the cross-entropy: functions of whole rows, one jitted loop each."""

from __future__ import annotations

import numpy as np

from ..declare import composite, defvjp, primitive
from ..kernels import rows
from .pointwise import exp
from .reduce import logsumexp, sum


def _row_samples(rng):
    yield (rng.uniform(-2.0, 2.0, (3, 4)),), {}
    yield (rng.uniform(-2.0, 2.0, (2, 3, 4)),), {"axis": 1}


@primitive(samples=_row_samples)
def softmax(x, *, axis=-1):
    """Softmax along an axis, eˣ / Σ eˣ, shifted by the largest element."""
    return rows.softmax(x, axis)


@primitive(samples=_row_samples)
def log_softmax(x, *, axis=-1):
    """Logarithm of the softmax along an axis, x - log Σ eˣ."""
    return rows.log_softmax(x, axis)


@composite(samples=_row_samples)
def softmin(x, axis=-1):
    """Softmax of the negative along an axis, e⁻ˣ / Σ e⁻ˣ."""
    return softmax(-x, axis=axis)


def _axes_samples(rng):
    for axis in (None, 1, (0, -1)):
        yield (rng.uniform(-2.0, 2.0, (2, 3, 4)),), {"axis": axis}


@composite(namespace="special", name="softmax", samples=_axes_samples)
def softmax_over(x, axis=None):
    """Softmax over the axes, all unless given, as in SciPy; `ag.softmax` takes the last one."""
    return exp(log_softmax_over(x, axis))


@composite(namespace="special", name="log_softmax", samples=_axes_samples)
def log_softmax_over(x, axis=None):
    """Logarithm of the softmax over the axes, all unless given, as in SciPy."""
    return x - logsumexp(x, axis=axis, keepdims=True)


@primitive(
    samples=lambda rng: [
        ((rng.uniform(-2.0, 2.0, (3, 4)), rng.dirichlet(np.ones(4), 3)), {}),
        ((rng.uniform(-2.0, 2.0, (2, 3, 4)), rng.dirichlet(np.ones(4), (2, 3))), {}),
    ]
)
def softmax_cross_entropy(logits, target):
    """Cross-entropy -Σ q log softmax(z) over the last axis; its gradient is p Σq - q."""
    return rows.cross_entropy(logits, target)


@primitive(
    internal=True,
    samples=lambda rng: [
        ((rng.uniform(-2.0, 2.0, 3), rng.uniform(-2, 2, (3, 4)), rng.dirichlet(np.ones(4), 3)), {})
    ],
)
def softmax_cross_entropy_pull(ct, logits, target):
    """ct (p Σq - q) with p = softmax(z), the pullback of the cross-entropy."""
    return rows.cross_entropy_pull(ct, logits, target)


def cross_entropy_slope(logits, target):
    return softmax(logits) * sum(target, axis=-1, keepdims=True) - target


def cross_entropy_pull_vjp(g, ct, logits, target):
    p = softmax(logits)
    centred = p * (g - sum(g * p, axis=-1, keepdims=True))
    return ct[..., None] * sum(target, axis=-1, keepdims=True) * centred


defvjp(
    softmax_cross_entropy,
    logits=softmax_cross_entropy_pull,
    target=lambda ct, logits: -ct[..., None] * log_softmax(logits),
)
defvjp(
    softmax_cross_entropy_pull,
    ct=lambda g, logits, target: sum(g * cross_entropy_slope(logits, target), axis=-1),
    logits=cross_entropy_pull_vjp,
    target=lambda g, ct, logits: (
        ct[..., None] * (sum(g * softmax(logits), axis=-1, keepdims=True) - g)
    ),
)
defvjp(softmax, x=lambda ct, out, axis: out * (ct - sum(ct * out, axis=axis, keepdims=True)))
defvjp(log_softmax, x=lambda ct, out, axis: ct - exp(out) * sum(ct, axis=axis, keepdims=True))
