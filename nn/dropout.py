"""Dropout: multiplying by random masks while training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import ShapeError
from autograd_core.draws import uniform
from autograd_core.errors import explain

from . import init
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "alpha_dropout", "dropout"]

# What SELU tends to for large negative numbers: minus the product of its two constants.
SATURATION = -1.0507009873554805 * 1.6732632423543772


def fraction(name: str, p: float) -> float:
    """Return the probability of dropping; refuse one that leaves nothing or is none."""
    if not 0.0 <= p < 1.0:
        raise ShapeError(explain(f"{name}: 0 <= p < 1", p, "Pass the fraction to drop"))
    return p


def kept(x: Any, p: float, rng: np.random.Generator | int | None) -> Any:
    """Return a random mask of what is kept."""
    return ag.greater_equal(uniform(init.generator(rng), np.shape(x), np.float32), p)


def dropout(
    x: Any,
    p: float = 0.5,
    training: bool = True,
    *,
    rng: np.random.Generator | int | None,
) -> Any:
    """Set each element to 0 with probability p, and scale the others by 1 / (1 - p)."""
    if not training or fraction("dropout", p) == 0.0:
        return x
    return x * kept(x, p, rng) * (1.0 / (1.0 - p))


def alpha_dropout(
    x: Any,
    p: float = 0.5,
    training: bool = True,
    *,
    rng: np.random.Generator | int | None,
) -> Any:
    """Set each element to α' with probability p, and keep mean 0 and variance 1.

    With α' = -1.758, the limit of SELU: y = a (x m + α' (1 - m)) + b with the mask m,
    a = 1 / √((1 - p) (1 + p α'²)) and b = -a α' p.
    """
    if not training or fraction("alpha_dropout", p) == 0.0:
        return x
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * SATURATION**2))
    return ag.where(kept(x, p, rng), x, SATURATION) * a - a * SATURATION * p


class Dropout(Module):
    """Set each element to 0 with probability p while training, and scale the others by 1/(1 - p).

    In evaluation it is the identity.

    Parameters
    ----------
    p : float
        Probability of an element being dropped, 0 ≤ p < 1.
    rng : Generator or int, optional
        Source of the masks; the same state gives the same masks.

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        self.p = fraction(type(self).__name__, p)
        self.rng = init.generator(rng)

    def forward(self, x: Any) -> Any:
        """Drop elements while training; return x itself otherwise."""
        return dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(0.3, rng=rng).eval(), (rng.normal(size=(4, 3)),)


class AlphaDropout(Dropout):
    """Dropout for SELU networks: it keeps mean 0 and variance 1. See `Dropout`.

    References
    ----------
    Klambauer et al. (2017), Self-normalizing neural networks, section "New dropout technique".
    """

    def forward(self, x: Any) -> Any:
        """Drop elements while training; return x itself otherwise."""
        return alpha_dropout(x, self.p, self.training, rng=self.rng)
