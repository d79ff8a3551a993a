"""Activation functions: jitted value kernels, and jitted pullbacks that keep their digits.

Each activation f is two ops: f itself, and ``f_pull(ct, x) = ct f'(x)``, which one kernel computes
in a single pass from x (not from the value, whose digits are spent in the tails) and in which an
exact zero wins over an infinity. The pullback is an op like any other, so second derivatives need
only the formula of f''.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import defvjp, primitive
from ..domains import AwayFrom, Interval
from ..kernels import activations as kernels
from ..kernels import rows
from .compare import greater, where
from .pointwise import exp, square
from .reduce import sum

VALUE = {name: kernels.value_kernel(name) for name in kernels.NAMES}
PULL = {name: kernels.pull_kernel(name) for name in kernels.NAMES}
KINK_AT_0 = AwayFrom((0.0,))
SLOPE_DOMAIN = (Interval(), KINK_AT_0)


@primitive(pointwise=True, domain=(KINK_AT_0,))
def relu(x):
    """Rectified linear unit, max(x, 0). The derivative at 0 is 0."""
    return VALUE["relu"](x)


@primitive(pointwise=True, domain=SLOPE_DOMAIN, internal=True)
def relu_pull(ct, x):
    """ct relu'(x)."""
    return PULL["relu"](ct, x)


@primitive(pointwise=True, domain=(KINK_AT_0,))
def leaky_relu(x, *, slope=0.01):
    """x where x > 0, slope x elsewhere. The derivative at 0 is the slope."""
    return VALUE["leaky_relu"](x, slope=slope)


@primitive(pointwise=True, domain=SLOPE_DOMAIN, internal=True)
def leaky_relu_pull(ct, x, *, slope=0.01):
    """ct leaky_relu'(x)."""
    return PULL["leaky_relu"](ct, x, slope=slope)


@primitive(pointwise=True, domain=(KINK_AT_0,), reference="Clevert et al. (2016)")
def elu(x, *, alpha=1.0):
    """Exponential linear unit: x where x > 0, alpha (eˣ - 1) elsewhere."""
    return VALUE["elu"](x, alpha=alpha)


@primitive(pointwise=True, domain=SLOPE_DOMAIN, internal=True)
def elu_pull(ct, x, *, alpha=1.0):
    """ct elu'(x)."""
    return PULL["elu"](ct, x, alpha=alpha)


@primitive(pointwise=True)
def sigmoid(x):
    """Logistic sigmoid, 1 / (1 + e⁻ˣ)."""
    return VALUE["sigmoid"](x)


@primitive(pointwise=True, internal=True)
def sigmoid_pull(ct, x):
    """ct sigmoid'(x)."""
    return PULL["sigmoid"](ct, x)


@primitive(pointwise=True, reference="DLMF 4.34.8")
def tanh(x):
    """Hyperbolic tangent."""
    return VALUE["tanh"](x)


@primitive(pointwise=True, internal=True)
def tanh_pull(ct, x):
    """ct tanh'(x) = ct / cosh²(x)."""
    return PULL["tanh"](ct, x)


@primitive(pointwise=True, reference="Ramachandran et al. (2017)")
def silu(x):
    """Sigmoid linear unit or swish, x sigmoid(x)."""
    return VALUE["silu"](x)


@primitive(pointwise=True, internal=True)
def silu_pull(ct, x):
    """ct silu'(x)."""
    return PULL["silu"](ct, x)


@primitive(pointwise=True, reference="Hendrycks and Gimpel (2016)")
def gelu(x):
    """Gaussian error linear unit, x Φ(x) with the normal distribution function Φ."""
    return VALUE["gelu"](x)


@primitive(pointwise=True, internal=True)
def gelu_pull(ct, x):
    """ct gelu'(x)."""
    return PULL["gelu"](ct, x)


@primitive(pointwise=True)
def softplus(x):
    """Smooth rectifier, log(1 + eˣ)."""
    return VALUE["softplus"](x)


@primitive(pointwise=True, internal=True)
def softplus_pull(ct, x):
    """ct sigmoid(x), the pullback of softplus."""
    return PULL["softplus"](ct, x)


def _normal_density(x):
    return exp(-0.5 * square(x)) * (1.0 / math.sqrt(2.0 * math.pi))


defvjp(relu, x=relu_pull)
defvjp(leaky_relu, x=lambda ct, x, slope: leaky_relu_pull(ct, x, slope=slope))
defvjp(elu, x=lambda ct, x, alpha: elu_pull(ct, x, alpha=alpha))
defvjp(sigmoid, x=sigmoid_pull)
defvjp(tanh, x=tanh_pull)
defvjp(silu, x=silu_pull)
defvjp(gelu, x=gelu_pull)
defvjp(softplus, x=softplus_pull)

# The pullbacks: linear in ct, and for x the second derivative of the activation.
# sigmoid'' = -sigmoid' tanh(x/2) and tanh'' = -2 tanh tanh' lose no digits in the tails.
defvjp(relu_pull, ct=relu_pull, x=None)
defvjp(leaky_relu_pull, ct=lambda g, x, slope: leaky_relu_pull(g, x, slope=slope), x=None)
defvjp(
    elu_pull,
    ct=lambda g, x, alpha: elu_pull(g, x, alpha=alpha),
    x=lambda g, ct, x, alpha: where(greater(x, 0.0), 0.0, elu_pull(g * ct, x, alpha=alpha)),
)
defvjp(
    sigmoid_pull,
    ct=sigmoid_pull,
    x=lambda g, ct, x: sigmoid_pull(g * ct, x) * -tanh(0.5 * x),
)
defvjp(
    tanh_pull,
    ct=tanh_pull,
    x=lambda g, ct, x: tanh_pull(g * ct, x) * (-2.0 * tanh(x)),
)
defvjp(
    silu_pull,
    ct=silu_pull,
    x=lambda g, ct, x: sigmoid_pull(g * ct, x) * (2.0 - x * tanh(0.5 * x)),
)
defvjp(
    gelu_pull,
    ct=gelu_pull,
    x=lambda g, ct, x: g * ct * (_normal_density(x) * (2.0 - square(x))),
)
defvjp(
    softplus_pull,
    ct=softplus_pull,
    x=lambda g, ct, x: sigmoid_pull(g * ct, x),
)


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
