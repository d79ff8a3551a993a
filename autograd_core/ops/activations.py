"""Smooth activation functions: jitted values, and jitted pullbacks that keep their digits.

Each activation f is two ops: f itself, and ``f_pull(ct, x) = ct f'(x)``, which one kernel computes
in a single pass from x (not from the value, whose digits are spent in the tails) and in which an
exact zero wins over an infinity. The pullback is an op like any other, so second derivatives need
only the formula of f''.
"""

from __future__ import annotations

import math

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import AwayFrom, Interval
from ..errors import ShapeError, explain
from ..kernels import activations as kernels
from .compare import greater, sign, where
from .index import getitem
from .pointwise import abs, exp, square

VALUE = {name: kernels.value_kernel(name) for name in kernels.NAMES}
PULL = {name: kernels.pull_kernel(name) for name in kernels.NAMES}
KINK_AT_0 = AwayFrom((0.0,))
SLOPE_DOMAIN = (Interval(), KINK_AT_0)


@primitive(
    pointwise=True, scalar="elu(x, alpha)", domain=(KINK_AT_0,), reference="Clevert et al. (2016)"
)
def elu(x, *, alpha=1.0):
    """x where x > 0, alpha (eˣ - 1) elsewhere. The derivative at 0 is alpha."""
    return VALUE["elu"](x, alpha=alpha)


@primitive(
    pointwise=True, scalar="pulled(ct, elu_slope(x, alpha))", domain=SLOPE_DOMAIN, internal=True
)
def elu_pull(ct, x, *, alpha=1.0):
    """ct elu'(x)."""
    return PULL["elu"](ct, x, alpha=alpha)


@primitive(
    pointwise=True, scalar="selu(x)", domain=(KINK_AT_0,), reference="Klambauer et al. (2017)"
)
def selu(x):
    """Scaled elu, 1.0507 elu(x, 1.67326). The derivative at 0 is that of the left, 1.7581."""
    return VALUE["selu"](x)


@primitive(pointwise=True, scalar="pulled(ct, selu_slope(x))", domain=SLOPE_DOMAIN, internal=True)
def selu_pull(ct, x):
    """ct selu'(x)."""
    return PULL["selu"](ct, x)


@primitive(pointwise=True, scalar="celu(x, alpha)", domain=(KINK_AT_0,), reference="Barron (2017)")
def celu(x, *, alpha=1.0):
    """x where x > 0, alpha (e**(x / alpha) - 1) elsewhere. The derivative at 0 is 1."""
    if not alpha > 0:
        raise ShapeError(explain("celu: alpha > 0", alpha, "Pass the depth of the left branch"))
    return VALUE["celu"](x, alpha=alpha)


@primitive(
    pointwise=True, scalar="pulled(ct, celu_slope(x, alpha))", domain=SLOPE_DOMAIN, internal=True
)
def celu_pull(ct, x, *, alpha=1.0):
    """ct celu'(x)."""
    return PULL["celu"](ct, x, alpha=alpha)


@primitive(pointwise=True, scalar="sigmoid(x)")
def sigmoid(x):
    """Logistic sigmoid, 1 / (1 + e⁻ˣ)."""
    return VALUE["sigmoid"](x)


@primitive(pointwise=True, scalar="pulled(ct, sigmoid_slope(x))", internal=True)
def sigmoid_pull(ct, x):
    """ct sigmoid'(x)."""
    return PULL["sigmoid"](ct, x)


@primitive(pointwise=True, scalar="log_sigmoid(x)")
def log_sigmoid(x):
    """Logarithm of the sigmoid, -log(1 + e⁻ˣ)."""
    return VALUE["log_sigmoid"](x)


@primitive(pointwise=True, scalar="pulled(ct, log_sigmoid_slope(x))", internal=True)
def log_sigmoid_pull(ct, x):
    """ct sigmoid(-x), the pullback of log_sigmoid."""
    return PULL["log_sigmoid"](ct, x)


@primitive(pointwise=True, scalar="tanh(x)", reference="DLMF 4.34.8")
def tanh(x):
    """Hyperbolic tangent."""
    return VALUE["tanh"](x)


@primitive(pointwise=True, scalar="pulled(ct, tanh_slope(x))", internal=True)
def tanh_pull(ct, x):
    """ct tanh'(x) = ct / cosh²(x)."""
    return PULL["tanh"](ct, x)


@primitive(pointwise=True, scalar="tanhshrink(x)")
def tanhshrink(x):
    """x - tanh(x), without cancellation near 0."""
    return VALUE["tanhshrink"](x)


@primitive(pointwise=True, scalar="pulled(ct, tanhshrink_slope(x))", internal=True)
def tanhshrink_pull(ct, x):
    """ct tanh²(x), the pullback of tanhshrink."""
    return PULL["tanhshrink"](ct, x)


@primitive(
    pointwise=True, scalar="softsign(x)", domain=(KINK_AT_0,), reference="Bergstra et al. (2009)"
)
def softsign(x):
    """x / (1 + |x|). The derivative at 0 is 1, the second derivative 0."""
    return VALUE["softsign"](x)


@primitive(
    pointwise=True, scalar="pulled(ct, softsign_slope(x))", domain=SLOPE_DOMAIN, internal=True
)
def softsign_pull(ct, x):
    """ct softsign'(x) = ct / (1 + |x|)²."""
    return PULL["softsign"](ct, x)


@primitive(pointwise=True, scalar="silu(x)", reference="Ramachandran et al. (2017)")
def silu(x):
    """Sigmoid linear unit or swish, x sigmoid(x)."""
    return VALUE["silu"](x)


@primitive(pointwise=True, scalar="pulled(ct, silu_slope(x))", internal=True)
def silu_pull(ct, x):
    """ct silu'(x)."""
    return PULL["silu"](ct, x)


@primitive(pointwise=True, scalar="mish(x)", reference="Misra (2019)")
def mish(x):
    """x tanh(softplus(x))."""
    return VALUE["mish"](x)


@primitive(pointwise=True, scalar="pulled(ct, mish_slope(x))", internal=True)
def mish_pull(ct, x):
    """ct mish'(x)."""
    return PULL["mish"](ct, x)


@primitive(pointwise=True, scalar="gelu(x)", reference="Hendrycks and Gimpel (2016)")
def gelu(x):
    """Gaussian error linear unit, x Φ(x) with the normal distribution function Φ."""
    return VALUE["gelu"](x)


@primitive(pointwise=True, scalar="pulled(ct, gelu_slope(x))", internal=True)
def gelu_pull(ct, x):
    """ct gelu'(x)."""
    return PULL["gelu"](ct, x)


@primitive(pointwise=True, scalar="gelu_tanh(x)", reference="Hendrycks and Gimpel (2016)")
def gelu_tanh(x):
    """Approximate gelu, x sigmoid(u) with u = sqrt(8/π) (x + 0.044715 x³)."""
    return VALUE["gelu_tanh"](x)


@primitive(pointwise=True, scalar="pulled(ct, gelu_tanh_slope(x))", internal=True)
def gelu_tanh_pull(ct, x):
    """ct gelu_tanh'(x)."""
    return PULL["gelu_tanh"](ct, x)


@primitive(pointwise=True, scalar="softplus(x)")
def softplus(x):
    """Smooth rectifier, log(1 + eˣ)."""
    return VALUE["softplus"](x)


@primitive(pointwise=True, scalar="pulled(ct, softplus_slope(x))", internal=True)
def softplus_pull(ct, x):
    """ct sigmoid(x), the pullback of softplus."""
    return PULL["softplus"](ct, x)


def _halves(shape, axis):
    """Return the indices of the two halves along an axis."""
    if not -len(shape) <= axis < len(shape) or shape[axis] % 2:
        what = f"glu: an even number of elements along axis {axis}"
        do = "Make the layer before twice as wide as its result, or choose another axis"
        raise ShapeError(explain(what, f"shape {shape}", do))
    before, half = (slice(None),) * (axis % len(shape)), shape[axis] // 2
    return (*before, slice(half)), (*before, slice(half, None))


def _glu_samples(rng):
    yield (rng.uniform(-2.0, 2.0, (3, 4)),), {}
    yield (rng.uniform(-2.0, 2.0, (3, 2, 5)),), {"axis": 1}


@composite(samples=_glu_samples)
def glu(x, axis=-1):
    """Gated linear unit, a sigmoid(b) with the halves a and b of x along an axis."""
    first, second = _halves(np.shape(x), axis)
    return getitem(x, index=first) * sigmoid(getitem(x, index=second))


def normal_density(x):
    return exp(-0.5 * square(x)) * (1.0 / math.sqrt(2.0 * math.pi))


def mish_curvature(g, ct, x):
    """Return g ct f''(x): with t = tanh(softplus) and t' its derivative, f'' = 2 t' + x t''.

    With s = sigmoid(x) and c = sigmoid(-x), t = (1 - c²) / (1 + c²).
    """
    s, c = sigmoid(x), sigmoid(-x)
    below = 1.0 + square(c)
    t, slope = (1.0 - square(c)) / below, square(2.0 * c / below) * s
    return g * ct * (slope * (2.0 + x * (c - 2.0 * s * t)))


def gelu_tanh_curvature(g, ct, x):
    """Return g ct f''(x), f'' = sigmoid'(u) (2 u' + x u'' - x u'² tanh(u/2)), x u'' = 2 u' - 2 L.

    u = L x + C x³ as in the declaration.
    """
    line, cubic = math.sqrt(8.0 / math.pi), 0.044715 * math.sqrt(8.0 / math.pi)
    u, slope = x * (line + cubic * square(x)), line + 3.0 * cubic * square(x)
    bend = slope * (4.0 - x * slope * tanh(0.5 * u)) - 2.0 * line
    return sigmoid_pull(g * ct, u) * bend


defvjp(elu, x=lambda ct, x, alpha: elu_pull(ct, x, alpha=alpha))
defvjp(selu, x=selu_pull)
defvjp(celu, x=lambda ct, x, alpha: celu_pull(ct, x, alpha=alpha))
defvjp(sigmoid, x=sigmoid_pull)
defvjp(log_sigmoid, x=log_sigmoid_pull)
defvjp(tanh, x=tanh_pull)
defvjp(tanhshrink, x=tanhshrink_pull)
defvjp(softsign, x=softsign_pull)
defvjp(silu, x=silu_pull)
defvjp(mish, x=mish_pull)
defvjp(gelu, x=gelu_pull)
defvjp(gelu_tanh, x=gelu_tanh_pull)
defvjp(softplus, x=softplus_pull)

# The pullbacks: linear in ct, and for x the second derivative of the activation.
# sigmoid'' = -sigmoid' tanh(x/2) and tanh'' = -2 tanh tanh' lose no digits in the tails.
defvjp(
    elu_pull,
    ct=lambda g, x, alpha: elu_pull(g, x, alpha=alpha),
    x=lambda g, ct, x, alpha: where(greater(x, 0.0), 0.0, elu_pull(g * ct, x, alpha=alpha)),
)
defvjp(
    selu_pull,
    ct=selu_pull,
    x=lambda g, ct, x: where(greater(x, 0.0), 0.0, selu_pull(g * ct, x)),
)
defvjp(
    celu_pull,
    ct=lambda g, x, alpha: celu_pull(g, x, alpha=alpha),
    x=lambda g, ct, x, alpha: where(
        greater(x, 0.0), 0.0, celu_pull(g * ct, x, alpha=alpha) / alpha
    ),
)
defvjp(
    sigmoid_pull,
    ct=sigmoid_pull,
    x=lambda g, ct, x: sigmoid_pull(g * ct, x) * -tanh(0.5 * x),
)
defvjp(
    log_sigmoid_pull,
    ct=log_sigmoid_pull,
    x=lambda g, ct, x: -sigmoid_pull(g * ct, x),
)
defvjp(
    tanh_pull,
    ct=tanh_pull,
    x=lambda g, ct, x: tanh_pull(g * ct, x) * (-2.0 * tanh(x)),
)
defvjp(
    tanhshrink_pull,
    ct=tanhshrink_pull,
    x=lambda g, ct, x: tanh_pull(g * ct, x) * (2.0 * tanh(x)),
)
defvjp(
    softsign_pull,
    ct=softsign_pull,
    x=lambda g, ct, x: softsign_pull(g * ct, x) * (-2.0 * sign(x)) / (1.0 + abs(x)),
)
defvjp(
    silu_pull,
    ct=silu_pull,
    x=lambda g, ct, x: sigmoid_pull(g * ct, x) * (2.0 - x * tanh(0.5 * x)),
)
defvjp(mish_pull, ct=mish_pull, x=mish_curvature)
defvjp(
    gelu_pull,
    ct=gelu_pull,
    x=lambda g, ct, x: g * ct * (normal_density(x) * (2.0 - square(x))),
)
defvjp(gelu_tanh_pull, ct=gelu_tanh_pull, x=gelu_tanh_curvature)
defvjp(softplus_pull, ct=softplus_pull, x=lambda g, ct, x: sigmoid_pull(g * ct, x))
