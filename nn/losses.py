"""Losses as modules: a configured function of prediction and target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autograd_core import ShapeError
from autograd_core.errors import explain

from . import functional
from .module import Module

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "Loss", "MSELoss"]


class Loss(Module):
    """Base of the losses: called with prediction and target, reduced as the option says."""

    def __init__(self, reduction: str = "mean") -> None:
        functional.check_reduction(reduction)
        self.reduction = reduction

    def extra_repr(self) -> str:
        """Return the reduction."""
        return f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """Mean squared error over all elements; ``reduction="batchmean"`` is the mean of ‖f - y‖²."""

    def forward(self, prediction: Any, target: Any) -> Any:
        """Return the loss."""
        return functional.mse_loss(prediction, target, self.reduction)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        for reduction in functional.REDUCTIONS:
            yield cls(reduction), (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits, `functional.binary_cross_entropy_with_logits`."""

    def __init__(self, reduction: str = "mean", pos_weight: ArrayLike | None = None) -> None:
        super().__init__(reduction)
        self.pos_weight = pos_weight

    def forward(self, logits: Any, target: Any) -> Any:
        """Return the loss."""
        return functional.binary_cross_entropy_with_logits(
            logits, target, self.reduction, self.pos_weight
        )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        for pos_weight in (None, [1.0, 2.0, 0.5]):
            yield (
                cls(pos_weight=pos_weight),
                (rng.normal(size=(4, 3)), rng.integers(0, 2, (4, 3)) * 1.0),
            )


class CrossEntropyLoss(Loss):
    """Softmax cross-entropy of logits, `functional.cross_entropy`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
    reduction : {"mean", "sum", "batchmean", "none"}
    label_smoothing : float
        α in [0, 1] of the smoothed target (1 - α) q + α / classes.
    ignore_index : int
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
    ) -> None:
        super().__init__(reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            what = "CrossEntropyLoss: 0 <= label_smoothing <= 1"
            raise ShapeError(explain(what, label_smoothing, "Use for example 0.1"))
        self.weight = weight
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index

    def forward(self, logits: Any, target: Any) -> Any:
        """Return the loss."""
        return functional.cross_entropy(
            logits,
            target,
            self.weight,
            self.reduction,
            self.label_smoothing,
            self.ignore_index,
        )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        labels = np.array([3, 0, 1])
        for reduction in functional.REDUCTIONS:
            yield cls(reduction=reduction, label_smoothing=0.1), (rng.normal(size=(3, 4)), labels)
        yield cls(weight=[1.0, 2.0, 0.5, 3.0]), (rng.normal(size=(3, 4)), labels)
        yield cls(ignore_index=0), (rng.normal(size=(3, 4)), labels)
