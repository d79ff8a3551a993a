"""Losses with a margin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import functional
from .base import SHAPE, FunctionLoss, labels, normal, plus_minus

__all__ = [
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
]


class SoftMarginLoss(FunctionLoss):
    """Logistic loss log(1 + exp(-y x)) of labels y = ±1.

    See `functional.soft_margin_loss`.
    """

    function = functional.soft_margin_loss

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return scores and labels."""
        return normal(rng), plus_minus(rng)


class MarginRankingLoss(FunctionLoss):
    """Hinge max(0, margin - y (x₁ - x₂)): the first shall rank higher if y = 1, lower if -1.

    See `functional.margin_ranking_loss`.
    """

    function = functional.margin_ranking_loss
    variants = ({}, {"margin": 0.5})

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return two scores and which shall be higher."""
        return normal(rng), normal(rng), plus_minus(rng)


class HingeEmbeddingLoss(FunctionLoss):
    """Loss of a distance x: x where y = 1, max(0, margin - x) where y = -1.

    See `functional.hinge_embedding_loss`.
    """

    function = functional.hinge_embedding_loss
    variants = ({}, {"margin": 0.5})

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return distances and labels."""
        return normal(rng), plus_minus(rng)


class CosineEmbeddingLoss(FunctionLoss):
    """Loss of an angle: 1 - cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) - margin) where -1.

    See `functional.cosine_embedding_loss`.
    """

    function = functional.cosine_embedding_loss
    variants = ({}, {"margin": 0.2})

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return pairs of vectors and labels."""
        return normal(rng), normal(rng), plus_minus(rng, SHAPE[:1])


class TripletMarginLoss(FunctionLoss):
    """Hinge max(0, d(a, p) - d(a, n) + margin) of an anchor's distances ‖x - y + eps‖ₚ.

    See `functional.triplet_margin_loss`.
    """

    function = functional.triplet_margin_loss
    variants = ({}, {"p": 1.0}, {"p": 3.0, "swap": True}, {"p": float("inf"), "margin": 2.0})

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, margin=margin, p=p, eps=eps, swap=swap)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return anchors, positives and negatives."""
        return normal(rng), normal(rng), normal(rng)


class MultiMarginLoss(FunctionLoss):
    """Hinge of many classes, w_y Σ_{i ≠ y} max(0, margin - x_y + x_i)ᵖ / classes.

    See `functional.multi_margin_loss`.
    """

    function = functional.multi_margin_loss
    variants = ({}, {"p": 2, "margin": 0.5, "weight": [1.0, 2.0, 0.5]})

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, p=p, margin=margin, weight=weight)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return scores and labels."""
        return normal(rng), labels(rng)


class MultiLabelMarginLoss(FunctionLoss):
    """Hinge of several labels, Σⱼ Σᵢ max(0, 1 - xⱼ + xᵢ) / classes, j a label and i none.

    See `functional.multilabel_margin_loss`.
    """

    function = functional.multilabel_margin_loss

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return scores and lists of labels, filled up with -1."""
        return normal(rng), np.array([[0, 2, -1], [1, -1, 0], [-1, 0, 1], [2, 1, 0]])


class MultiLabelSoftMarginLoss(FunctionLoss):
    """Mean over classes of binary cross-entropies, `functional.multilabel_soft_margin_loss`."""

    function = functional.multilabel_soft_margin_loss
    variants = ({}, {"weight": [1.0, 2.0, 0.5]})

    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return logits and targets."""
        return normal(rng), rng.uniform(size=SHAPE)
