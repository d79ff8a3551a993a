"""Losses of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from .base import SHAPE, FunctionLoss, normal

__all__ = [
    "GaussianNLLLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]


class MSELoss(FunctionLoss):
    """Mean squared error over all elements; ``reduction="batchmean"`` is the mean of ‖f - y‖²."""

    function = functional.mse_loss


class L1Loss(FunctionLoss):
    """Mean absolute error |f - y| over all elements."""

    function = functional.l1_loss


class HuberLoss(FunctionLoss):
    """Huber's loss of d = f - y: ½ d² where |d| ≤ delta, delta (|d| - ½ delta) elsewhere.

    See `functional.huber_loss`.
    """

    function = functional.huber_loss
    variants = ({}, {"delta": 0.3})

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction, delta=delta)


class SmoothL1Loss(FunctionLoss):
    """½ d² / beta where |d| < beta, |d| - ½ beta elsewhere, of the error d = f - y.

    See `functional.smooth_l1_loss`.
    """

    function = functional.smooth_l1_loss
    variants = ({}, {"beta": 0.3}, {"beta": 0.0})

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction, beta=beta)


class PoissonNLLLoss(FunctionLoss):
    """Negative log-likelihood λ - y log λ of counts y, given log λ.

    See `functional.poisson_nll_loss`.
    """

    function = functional.poisson_nll_loss
    variants = ({}, {"full": True}, {"log_input": False})

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, log_input=log_input, full=full, eps=eps)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return positive rates, or their logarithms, and counts above and below 1."""
        return rng.uniform(0.5, 2.0, SHAPE), rng.choice([0.4, 2.5, 4.0], SHAPE)


class GaussianNLLLoss(FunctionLoss):
    """Negative log-likelihood ½ (log v + (f - y)² / v) of normal distributions.

    Called with prediction f, target y, variance v; see `functional.gaussian_nll_loss`.
    """

    function = functional.gaussian_nll_loss
    variants = ({}, {"full": True})

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction, full=full, eps=eps)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return means, targets and one variance per sample."""
        return normal(rng), normal(rng), rng.uniform(0.5, 2.0, SHAPE[0])
