"""Initial weights: each function fills a parameter in place, from an explicit generator.

Names and formulas are PyTorch's. A weight has shape (out, in): fan_in is ``in``, fan_out ``out``.
Each function returns the weight.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_core import DTypeError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

from .module import check

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "generator",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Rng = np.random.Generator | int | None

GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
    # What keeps the second moment, 1 / √E f(z)² for a standard normal z, as √2 does for relu.
    "gelu": 1.5335304411955352,
    "silu": 1.6765324703310912,
}


def generator(rng: Rng) -> np.random.Generator:
    """Return `rng` if it is a generator; otherwise one seeded by it, by the system if None."""
    if rng is None or isinstance(rng, (int, np.integer)):
        check(rng is None or rng >= 0, "rng: a seed from 0", rng, "Pass for example 0")
        return np.random.default_rng(rng)
    if not isinstance(rng, np.random.Generator):
        do = "Pass np.random.default_rng(seed) or a seed"
        raise DTypeError(explain("rng: a numpy Generator, a seed or None", type(rng).__name__, do))
    return rng


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps the size of what goes through a nonlinearity.

    Parameters
    ----------
    nonlinearity : str
        A name in `GAINS`, or "leaky_relu" with gain √(2 / (1 + a²)).
    param : float, optional
        The slope a of the leaky rectifier, 0.01 unless given.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in GAINS:
        known = ", ".join((*GAINS, "leaky_relu"))
        do = "Use one of these names"
        raise UnknownNameError(explain(f"nonlinearity: one of {known}", repr(nonlinearity), do))
    return GAINS[nonlinearity]


def check_tensor(name: str, weight: Any, ndim: int | None = None) -> None:
    """Raise unless `weight` is a tensor; a matrix if `ndim` is 2."""
    if not isinstance(weight, Tensor):
        do = "Pass for example layer.weight"
        raise DTypeError(explain(f"{name}: a tensor to fill", type(weight).__name__, do))
    if ndim is not None and weight.ndim != ndim:
        do = "Use uniform_ or normal_ for other shapes"
        raise ShapeError(explain(f"{name}: a weight with two axes", weight.shape, do))


def _fans(weight: Tensor) -> tuple[int, int]:
    check_tensor("init", weight)
    if weight.ndim < 2 or not weight.size:
        do = "Use uniform_, normal_ or zeros_ for vectors"
        raise ShapeError(explain("init: a weight with at least two axes", weight.shape, do))
    receptive = math.prod(weight.shape[2:])
    return weight.shape[1] * receptive, weight.shape[0] * receptive


def _fan(weight: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise UnknownNameError(explain("mode: fan_in or fan_out", repr(mode), "Use one of them"))
    return _fans(weight)[mode == "fan_out"]


# ----------------------------------------------------------------- values and distributions


def uniform_(weight: Tensor, a: float = 0.0, b: float = 1.0, *, rng: Rng) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b)."""
    check_tensor("uniform_", weight)
    check(a <= b, "uniform_: a <= b", f"{a} and {b}", "Interchange them")
    weight.assign(generator(rng).uniform(a, b, weight.shape))
    return weight


def normal_(weight: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: Rng) -> Tensor:
    """Fill with draws from the normal distribution."""
    check_tensor("normal_", weight)
    check(std >= 0.0, "normal_: std >= 0", std, "Pass the standard deviation")
    weight.assign(generator(rng).normal(mean, std, weight.shape))
    return weight


def trunc_normal_(
    weight: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: Rng,
) -> Tensor:
    """Fill with draws from the normal distribution, given that they lie in [a, b].

    The bounds are numbers, not multiples of `std`; `std` is that of the whole distribution, so
    that of the draws is smaller.
    """
    check_tensor("trunc_normal_", weight)
    check(std > 0.0, "trunc_normal_: std > 0", std, "Pass the standard deviation")
    check(a < b, "trunc_normal_: a < b", f"{a} and {b}", "Pass the smaller bound first")
    draws = _truncated(generator(rng), weight.size, (a - mean) / std, (b - mean) / std)
    weight.assign(np.clip(mean + std * draws, a, b).reshape(weight.shape))
    return weight


def _truncated(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Draw from the standard normal distribution between two bounds, by rejection."""
    mode = min(max(0.0, low), high)  # where the density is largest
    reach = math.sqrt(mode * mode + 80.0)  # where it has fallen to exp(-40) of that
    low, high = max(low, -reach), min(high, reach)
    found = np.empty(0)
    while found.size < count:
        x = rng.uniform(low, high, 2 * (count - found.size) + 8)
        height = np.exp(0.5 * (mode - x) * (mode + x))  # the density, relative to its largest
        found = np.concatenate([found, x[rng.random(x.size) < height]])
    return found[:count]


def constant_(weight: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    check_tensor("constant_", weight)
    weight.assign(np.full(weight.shape, val))
    return weight


def zeros_(weight: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(weight, 0.0)


def ones_(weight: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(weight, 1.0)


# ------------------------------------------------------------------- scaled by the widths


def kaiming_uniform_(
    weight: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng,
) -> Tensor:
    """Fill from U(-b, b), b = gain √(3 / fan): keeps the variance through rectifiers.

    References
    ----------
    He et al. (2015), Delving deep into rectifiers, section 2.2.
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(weight, mode))
    return uniform_(weight, -bound, bound, rng=rng)


def kaiming_normal_(
    weight: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Rng,
) -> Tensor:
    """Fill from N(0, s²), s = gain / √fan (He et al. 2015)."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(weight, mode))
    return normal_(weight, 0.0, std, rng=rng)


def xavier_uniform_(weight: Tensor, gain: float = 1.0, *, rng: Rng) -> Tensor:
    """Fill from U(-b, b), b = gain √(6 / (fan_in + fan_out)).

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep networks, eq. 16.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(weight)))
    return uniform_(weight, -bound, bound, rng=rng)


def xavier_normal_(weight: Tensor, gain: float = 1.0, *, rng: Rng) -> Tensor:
    """Fill from N(0, s²), s = gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal_(weight, 0.0, gain * math.sqrt(2.0 / sum(_fans(weight))), rng=rng)


def lecun_uniform_(weight: Tensor, *, rng: Rng) -> Tensor:
    """Fill from U(-b, b), b = √(3 / fan_in).

    References
    ----------
    LeCun et al. (1998), Efficient BackProp, equation 16.
    """
    return kaiming_uniform_(weight, nonlinearity="linear", rng=rng)


def lecun_normal_(weight: Tensor, *, rng: Rng) -> Tensor:
    """Fill from N(0, 1 / fan_in), as SELU networks want it (LeCun et al. 1998)."""
    return kaiming_normal_(weight, nonlinearity="linear", rng=rng)


# ------------------------------------------------------------------------------ structured


def eye_(weight: Tensor) -> Tensor:
    """Fill with the identity matrix, as far as the shape has one."""
    check_tensor("eye_", weight, 2)
    weight.assign(np.eye(*weight.shape))
    return weight


def orthogonal_(weight: Tensor, gain: float = 1.0, *, rng: Rng) -> Tensor:
    """Fill with a random matrix whose rows or columns, the fewer ones, are orthonormal times gain.

    Axes after the first are taken together. The matrix is uniform among all of its kind: the
    signs of R in Z = QR are those of a positive diagonal.

    References
    ----------
    Saxe et al. (2014), Exact solutions to the nonlinear dynamics of learning. Mezzadri (2007),
    How to generate random matrices from the classical compact groups, section 5.
    """
    _fans(weight)
    rows, columns = weight.shape[0], weight.size // weight.shape[0]
    z = generator(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(z)
    q *= np.where(np.diag(r) < 0.0, -1.0, 1.0)
    weight.assign(gain * (q if rows >= columns else q.T).reshape(weight.shape))
    return weight


def sparse_(weight: Tensor, sparsity: float, std: float = 0.01, *, rng: Rng) -> Tensor:
    """Fill from N(0, std²), and set ⌈sparsity · out⌉ weights of each column (input) to 0.

    References
    ----------
    Martens (2010), Deep learning via Hessian-free optimization, section 5.
    """
    check_tensor("sparse_", weight, 2)
    do = "Pass the fraction of zeros"
    check(0.0 <= sparsity <= 1.0, "sparse_: 0 <= sparsity <= 1", sparsity, do)
    check(std >= 0.0, "sparse_: std >= 0", std, "Pass the standard deviation")
    rng = generator(rng)
    values = rng.normal(0.0, std, weight.shape)
    zeros = math.ceil(sparsity * len(values))
    places = np.argsort(rng.random(weight.shape), axis=0)[:zeros]
    np.put_along_axis(values, places, 0.0, axis=0)
    weight.assign(values)
    return weight
