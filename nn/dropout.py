"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import ShapeError, Tensor
from autograd_core.errors import explain

from . import init
from .module import Module

__all__ = ["Dropout"]


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
        if not 0.0 <= p < 1.0:
            raise ShapeError(explain("Dropout: 0 <= p < 1", p, "Pass the fraction to drop"))
        self.p = p
        self.rng = init.generator(rng)

    def forward(self, x: Any) -> Any:
        """Drop elements while training; return x itself otherwise."""
        if not self.training or self.p == 0.0:
            return x
        keep = self.rng.random(np.shape(x), dtype=np.float32) >= self.p
        dtype = x.dtype if isinstance(x, Tensor) else np.asarray(x).dtype
        scale = np.asarray(1.0 / (1.0 - self.p), dtype=dtype)
        return x * ag.tensor(keep * scale)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(0.3, rng=rng).eval(), (rng.normal(size=(4, 3)),)
