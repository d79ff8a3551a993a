"""Activations made of straight lines and a parabola, with PyTorch's derivatives at the kinks.

Only hard_tanh, which is `clip` with other names, does as that does. Values and pullbacks are
kernels, as in `activations`; a pullback that is piecewise constant in x has no derivative there.
"""

from __future__ import annotations

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import AwayFrom, Interval
from ..errors import ShapeError, explain
from .activations import KINK_AT_0, PULL, SLOPE_DOMAIN, VALUE
from .compare import greater, less, less_equal, where
from .pointwise import abs

# Wide enough for every number that the tests draw in the place of a default.
KINKS_AT_1 = AwayFrom((-1.1, 1.1), 0.55)
KINKS_AT_HALF = AwayFrom((-0.55, 0.55), 0.27)
KINKS_OF_RELU6 = AwayFrom((0.0, 6.0), reach=8.0)
KINKS_AT_3 = AwayFrom((-3.0, 3.0), reach=5.0)
KINKS_INSIDE = AwayFrom((-0.4, -0.25, 0.25, 0.4), 0.05)
BOUNDS = {"min_val": -0.25, "max_val": 0.4}
NEARER = {"lambd": 0.25}


def _samples(operands, options):
    """Return samples with options so far from the defaults that one forgotten is seen."""
    domain = (Interval(), KINKS_INSIDE)[-operands:]
    return lambda rng: [(tuple(d.sample(rng, (4, 5)) for d in domain), options)]


@primitive(pointwise=True, scalar="relu(x)", domain=(KINK_AT_0,))
def relu(x):
    """Rectified linear unit, max(x, 0). The derivative at 0 is 0."""
    return VALUE["relu"](x)


@primitive(pointwise=True, scalar="pulled(ct, relu_slope(x))", domain=SLOPE_DOMAIN, internal=True)
def relu_pull(ct, x):
    """ct relu'(x)."""
    return PULL["relu"](ct, x)


@primitive(pointwise=True, scalar="leaky_relu(x, slope)", domain=(KINK_AT_0,))
def leaky_relu(x, *, slope=0.01):
    """x where x > 0, slope x elsewhere. The derivative at 0 is the slope."""
    return VALUE["leaky_relu"](x, slope=slope)


@primitive(
    pointwise=True,
    scalar="pulled(ct, leaky_relu_slope(x, slope))",
    domain=SLOPE_DOMAIN,
    internal=True,
)
def leaky_relu_pull(ct, x, *, slope=0.01):
    """ct leaky_relu'(x)."""
    return PULL["leaky_relu"](ct, x, slope=slope)


@primitive(
    pointwise=True,
    scalar="select(x > 0.0, x, weight * x)",
    domain=(KINK_AT_0, Interval()),
    reference="He et al. (2015)",
)
def prelu(x, weight):
    """x where x > 0, weight x elsewhere. The derivative at 0 is the weight."""
    left = np.minimum(x, 0, dtype=np.result_type(x, weight))  # so that nothing unused overflows
    return np.where(np.greater(x, 0), x, weight * left)


@primitive(pointwise=True, scalar="relu6(x)", domain=(KINKS_OF_RELU6,))
def relu6(x):
    """Rectified linear unit up to 6, min(max(x, 0), 6). The derivative at 0 and 6 is 0."""
    return VALUE["relu6"](x)


@primitive(
    pointwise=True,
    scalar="pulled(ct, relu6_slope(x))",
    domain=(Interval(), KINKS_OF_RELU6),
    internal=True,
)
def relu6_pull(ct, x):
    """ct relu6'(x)."""
    return PULL["relu6"](ct, x)


@primitive(
    pointwise=True,
    scalar="hard_tanh(x, min_val, max_val)",
    domain=(KINKS_AT_1,),
    samples=_samples(1, BOUNDS),
)
def hard_tanh(x, *, min_val=-1.0, max_val=1.0):
    """x limited to [min_val, max_val]. The derivative at the bounds is 1, as with clip."""
    if min_val > max_val:
        what, got = "hard_tanh: min_val <= max_val", f"{min_val} and {max_val}"
        raise ShapeError(explain(what, got, "Exchange them"))
    return VALUE["hard_tanh"](x, min_val=min_val, max_val=max_val)


@primitive(
    pointwise=True,
    scalar="pulled(ct, hard_tanh_slope(x, min_val, max_val))",
    domain=(Interval(), KINKS_AT_1),
    samples=_samples(2, BOUNDS),
    internal=True,
)
def hard_tanh_pull(ct, x, *, min_val=-1.0, max_val=1.0):
    """ct hard_tanh'(x)."""
    return PULL["hard_tanh"](ct, x, min_val=min_val, max_val=max_val)


@primitive(pointwise=True, scalar="hard_sigmoid(x)", domain=(KINKS_AT_3,))
def hard_sigmoid(x):
    """A sigmoid of three lines, min(max(x + 3, 0), 6) / 6. The derivative at -3 and 3 is 0."""
    return VALUE["hard_sigmoid"](x)


@primitive(
    pointwise=True,
    scalar="pulled(ct, hard_sigmoid_slope(x))",
    domain=(Interval(), KINKS_AT_3),
    internal=True,
)
def hard_sigmoid_pull(ct, x):
    """ct hard_sigmoid'(x)."""
    return PULL["hard_sigmoid"](ct, x)


@primitive(
    pointwise=True, scalar="hard_swish(x)", domain=(KINKS_AT_3,), reference="Howard et al. (2019)"
)
def hard_swish(x):
    """x hard_sigmoid(x). The derivative is 0 at -3 and 1 at 3."""
    return VALUE["hard_swish"](x)


@primitive(
    pointwise=True,
    scalar="pulled(ct, hard_swish_slope(x))",
    domain=(Interval(), KINKS_AT_3),
    internal=True,
)
def hard_swish_pull(ct, x):
    """ct hard_swish'(x)."""
    return PULL["hard_swish"](ct, x)


@primitive(
    pointwise=True,
    scalar="softshrink(x, lambd)",
    domain=(KINKS_AT_HALF,),
    samples=_samples(1, NEARER),
)
def softshrink(x, *, lambd=0.5):
    """x moved towards 0 by lambd, at most to 0. The derivative at ±lambd is 0."""
    if not lambd >= 0:
        what = "softshrink: lambd >= 0"
        raise ShapeError(explain(what, lambd, "Pass the distance to move by"))
    return VALUE["softshrink"](x, lambd=lambd)


@primitive(
    pointwise=True,
    scalar="pulled(ct, softshrink_slope(x, lambd))",
    domain=(Interval(), KINKS_AT_HALF),
    samples=_samples(2, NEARER),
    internal=True,
)
def softshrink_pull(ct, x, *, lambd=0.5):
    """ct softshrink'(x), which is ct where |x| > lambd, and also hard_shrink's pullback."""
    return PULL["softshrink"](ct, x, lambd=lambd)


@primitive(
    pointwise=True,
    scalar="hard_shrink(x, lambd)",
    domain=(KINKS_AT_HALF,),
    samples=_samples(1, NEARER),
)
def hard_shrink(x, *, lambd=0.5):
    """x where |x| > lambd, 0 elsewhere. The derivative at ±lambd is 0."""
    return VALUE["hard_shrink"](x, lambd=lambd)


def _threshold_samples(rng):
    yield (AwayFrom((0.5,)).sample(rng, (4, 3)), 0.5, -1.0), {}


@composite(samples=_threshold_samples)
def threshold(x, threshold, value):
    """x where x > threshold, a value elsewhere. The derivative at the threshold is 0."""
    return where(less_equal(x, threshold), value, x)


defvjp(relu, x=relu_pull)
defvjp(leaky_relu, x=lambda ct, x, slope: leaky_relu_pull(ct, x, slope=slope))
defvjp(
    prelu,
    x=lambda ct, x, weight: where(greater(x, 0.0), ct, ct * weight),
    weight=lambda ct, x: where(greater(x, 0.0), 0.0, ct * x),
)
defvjp(relu6, x=relu6_pull)
defvjp(
    hard_tanh,
    x=lambda ct, x, min_val, max_val: hard_tanh_pull(ct, x, min_val=min_val, max_val=max_val),
)
defvjp(hard_sigmoid, x=hard_sigmoid_pull)
defvjp(hard_swish, x=hard_swish_pull)
defvjp(softshrink, x=lambda ct, x, lambd: softshrink_pull(ct, x, lambd=lambd))
defvjp(hard_shrink, x=lambda ct, x, lambd: softshrink_pull(ct, x, lambd=lambd))

defvjp(relu_pull, ct=relu_pull, x=None)
defvjp(leaky_relu_pull, ct=lambda g, x, slope: leaky_relu_pull(g, x, slope=slope), x=None)
defvjp(relu6_pull, ct=relu6_pull, x=None)
defvjp(
    hard_tanh_pull,
    ct=lambda g, x, min_val, max_val: hard_tanh_pull(g, x, min_val=min_val, max_val=max_val),
    x=None,
)
defvjp(hard_sigmoid_pull, ct=hard_sigmoid_pull, x=None)
defvjp(
    hard_swish_pull,
    ct=hard_swish_pull,
    x=lambda g, ct, x: where(less(abs(x), 3.0), g * ct / 3.0, 0.0),
)
defvjp(softshrink_pull, ct=lambda g, x, lambd: softshrink_pull(g, x, lambd=lambd), x=None)
