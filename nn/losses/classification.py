"""Losses of classes and distributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import functional
from .base import SHAPE, FunctionLoss, labels, normal

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "KLDivLoss",
    "NLLLoss",
    "SoftmaxFocalLoss",
]


class BCELoss(FunctionLoss):
    """Binary cross-entropy of probabilities p, -y log p - (1 - y) log(1 - p).

    See `functional.binary_cross_entropy`.
    """

    function = functional.binary_cross_entropy
    variants = ({}, {"weight": [1.0, 2.0, 0.5]})

    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return probabilities of the positive class and targets."""
        return rng.uniform(0.1, 0.9, SHAPE), rng.uniform(size=SHAPE)


class BCEWithLogitsLoss(FunctionLoss):
    """Binary cross-entropy of logits z, -y log σ(z) - (1 - y) log(1 - σ(z)); gradient σ(z) - y.

    See `functional.binary_cross_entropy_with_logits`.
    """

    function = functional.binary_cross_entropy_with_logits
    variants = ({}, {"pos_weight": [1.0, 2.0, 0.5]}, {"weight": [[1.0], [2.0], [0.5], [0.0]]})

    def __init__(
        self,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(reduction, weight=weight, pos_weight=pos_weight)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return logits and targets."""
        return normal(rng), rng.uniform(size=SHAPE)


class CrossEntropyLoss(FunctionLoss):
    """Softmax cross-entropy of logits z, -Σ q log softmax(z); gradient p - q.

    See `functional.cross_entropy`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
    ignore_index : int
    reduction : {"mean", "sum", "batchmean", "none"}
    label_smoothing : float
        α in [0, 1] of the smoothed target (1 - α) q + α / classes.
    """

    function = functional.cross_entropy
    variants = ({}, {"label_smoothing": 0.1}, {"ignore_index": 0, "weight": [1.0, 2.0, 0.5]})

    def __init__(
        self,
        weight: ArrayLike | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            reduction, weight=weight, ignore_index=ignore_index, label_smoothing=label_smoothing
        )

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return logits and labels."""
        return normal(rng), labels(rng)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[Any]:
        """Yield instances and inputs for the laws, the last with probabilities as target."""
        yield from super().examples(rng)
        target = rng.dirichlet(np.ones(3), 4)
        yield cls(weight=[1.0, 2.0, 0.5], label_smoothing=0.2), (normal(rng), target)


class NLLLoss(FunctionLoss):
    """Negative log-likelihood -w_y x_y of labels y, given log-probabilities x.

    See `functional.nll_loss`.
    """

    function = functional.nll_loss
    variants = ({}, {"ignore_index": 0, "weight": [1.0, 2.0, 0.5]})

    def __init__(
        self,
        weight: ArrayLike | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, weight=weight, ignore_index=ignore_index)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return log-probabilities and labels."""
        return normal(rng), labels(rng)


class FocalLoss(FunctionLoss):
    """Focal loss of binary labels, -α y (1-p)ᵞ log p - (1-α) (1-y) pᵞ log(1-p) with p = σ(z).

    See `functional.sigmoid_focal_loss`.
    """

    function = functional.sigmoid_focal_loss
    variants = ({}, {"alpha": None, "gamma": 0.5})

    def __init__(
        self, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, alpha=alpha, gamma=gamma)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return logits and targets."""
        return normal(rng), rng.uniform(size=SHAPE)


class SoftmaxFocalLoss(FunctionLoss):
    """Focal loss of many classes, -w_y (1 - p_y)ᵞ log p_y with p = softmax(z).

    See `functional.softmax_focal_loss`.
    """

    function = functional.softmax_focal_loss
    variants = ({}, {"gamma": 0.5, "ignore_index": 0, "weight": [1.0, 2.0, 0.5]})

    def __init__(
        self,
        weight: ArrayLike | None = None,
        gamma: float = 2.0,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, weight=weight, gamma=gamma, ignore_index=ignore_index)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return logits and labels."""
        return normal(rng), labels(rng)


class KLDivLoss(FunctionLoss):
    """Kullback-Leibler divergence q (log q - x) of log-probabilities x from a target q.

    See `functional.kl_div`.
    """

    function = functional.kl_div
    variants = ({}, {"log_target": True})

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction, log_target=log_target)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return log-probabilities and a target."""
        return normal(rng), rng.uniform(0.2, 0.9, SHAPE)
