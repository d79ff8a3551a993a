"""Initial weights: each function fills a parameter in place, from an explicit generator.

Names and formulas are PyTorch's. A weight has shape (out, in): fan_in is ``in``, fan_out ``out``.
"""

from __future__ import annotations

import math

import numpy as np

from autograd_core import DTypeError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

__all__ = [
    "calculate_gain",
    "constant_",
    "generator",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0)}


def generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """Return `rng` if it is a generator; otherwise one seeded by it, by the system if None."""
    if rng is None or isinstance(rng, (int, np.integer)):
        return np.random.default_rng(rng)
    if not isinstance(rng, np.random.Generator):
        do = "Pass np.random.default_rng(seed) or a seed"
        raise DTypeError(explain("rng: a numpy Generator, a seed or None", type(rng).__name__, do))
    return rng


def calculate_gain(nonlinearity: str, a: float = 0.0) -> float:
    """Return the factor that keeps the variance through a nonlinearity (slope `a` if leaky)."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + a * a))
    if nonlinearity not in GAINS:
        known = ", ".join((*GAINS, "leaky_relu"))
        do = "Use one of these names"
        raise UnknownNameError(explain(f"nonlinearity: one of {known}", repr(nonlinearity), do))
    return GAINS[nonlinearity]


def _fans(weight: Tensor) -> tuple[int, int]:
    if weight.ndim < 2:
        do = "Use uniform_, normal_ or zeros_ for vectors"
        raise ShapeError(explain("init: a weight with at least two axes", weight.shape, do))
    receptive = math.prod(weight.shape[2:])
    return weight.shape[1] * receptive, weight.shape[0] * receptive


def _fan(weight: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise UnknownNameError(explain("mode: fan_in or fan_out", repr(mode), "Use one of them"))
    return _fans(weight)[mode == "fan_out"]


def uniform_(
    weight: Tensor, low: float = 0.0, high: float = 1.0, *, rng: np.random.Generator | int | None
) -> None:
    """Fill with draws from the uniform distribution on [low, high)."""
    weight.assign(generator(rng).uniform(low, high, weight.shape))


def normal_(
    weight: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator | int | None
) -> None:
    """Fill with draws from the normal distribution."""
    weight.assign(generator(rng).normal(mean, std, weight.shape))


def constant_(weight: Tensor, value: float) -> None:
    """Fill with one value."""
    weight.assign(np.full(weight.shape, value))


def zeros_(weight: Tensor) -> None:
    """Fill with zeros."""
    constant_(weight, 0.0)


def kaiming_uniform_(
    weight: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | int | None,
) -> None:
    """Fill from U(-b, b), b = gain √(3 / fan): keeps the variance through rectifiers.

    References
    ----------
    He et al. (2015), Delving deep into rectifiers, section 2.2.
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(weight, mode))
    uniform_(weight, -bound, bound, rng=rng)


def kaiming_normal_(
    weight: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | int | None,
) -> None:
    """Fill from N(0, s²), s = gain / √fan (He et al. 2015)."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(weight, mode))
    normal_(weight, 0.0, std, rng=rng)


def xavier_uniform_(
    weight: Tensor, gain: float = 1.0, *, rng: np.random.Generator | int | None
) -> None:
    """Fill from U(-b, b), b = gain √(6 / (fan_in + fan_out)).

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep networks, eq. 16.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(weight)))
    uniform_(weight, -bound, bound, rng=rng)


def xavier_normal_(
    weight: Tensor, gain: float = 1.0, *, rng: np.random.Generator | int | None
) -> None:
    """Fill from N(0, s²), s = gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    normal_(weight, 0.0, gain * math.sqrt(2.0 / sum(_fans(weight))), rng=rng)
