"""Losses as functions, with PyTorch's names and default semantics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import autograd_core as ag
from autograd_core import DTypeError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

from .activations import gelu

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "gelu", "mse_loss", "reduce"]

REDUCTIONS = ("mean", "sum", "batchmean", "none")


def check_reduction(reduction: str) -> None:
    """Raise unless `reduction` is a name that `reduce` knows."""
    if reduction not in REDUCTIONS:
        what = f"reduction: one of {', '.join(REDUCTIONS)}"
        raise UnknownNameError(explain(what, repr(reduction), "Use one of these names"))


def reduce(losses: Any, reduction: str) -> Any:
    """Reduce elementwise losses to their mean, sum, or sum per sample; or not at all."""
    check_reduction(reduction)
    if reduction == "none":
        return losses
    if reduction == "mean":
        return ag.mean(losses)
    total = ag.sum(losses)
    return total if reduction == "sum" else total / max(1, len(losses))


def _target(name: str, prediction: Any, target: Any) -> Any:
    """Return the target in the prediction's dtype, as a tensor; its shape must be the same."""
    if np.shape(prediction) != np.shape(target):
        what = f"{name}: a target of the prediction's shape {np.shape(prediction)}"
        raise ShapeError(explain(what, np.shape(target), "Reshape the target or the prediction"))
    if isinstance(target, Tensor):
        return target
    return ag.tensor(target, dtype=getattr(prediction, "dtype", None))


def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """Squared error (f - y)², reduced over all elements.

    The lecture's form, the mean over samples of ‖f - y‖², is ``reduction="batchmean"``.
    """
    difference = prediction - _target("mse_loss", prediction, target)
    return reduce(ag.square(difference), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, reduction: str = "mean", pos_weight: ArrayLike | None = None
) -> Any:
    """Binary cross-entropy -w y log σ(z) - (1 - y) log(1 - σ(z)); its gradient is σ(z) - y.

    Written with softplus(z) = -log(1 - σ(z)), so that it is exact for logits of ±1000.

    Parameters
    ----------
    logits : Tensor, any shape
    target : array_like, the same shape
        Probabilities of the positive class.
    reduction : {"mean", "sum", "batchmean", "none"}
    pos_weight : array_like, optional
        The weight w of positive examples.
    """
    y = _target("binary_cross_entropy_with_logits", logits, target)
    positive = ag.softplus(-logits) * y
    if pos_weight is not None:
        positive = positive * ag.tensor(pos_weight, dtype=positive.dtype)
    return reduce(positive + ag.softplus(logits) * (1.0 - y), reduction)


def cross_entropy(
    logits: Any,
    target: Any,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
) -> Any:
    """Softmax cross-entropy -Σ q log softmax(z); its gradient is p - q.

    Parameters
    ----------
    logits : Tensor, shape (..., classes)
    target : array_like
        Labels, integers of shape (...); or probabilities q, shape (..., classes).
    weight : array_like, shape (classes,), optional
        Weight of each class; the mean is then the weighted one.
    reduction : {"mean", "sum", "batchmean", "none"}
    label_smoothing : float
        α in the smoothed target (1 - α) q + α / classes.
    ignore_index : int
        Samples with this label do not count.

    References
    ----------
    Szegedy et al. (2016), Rethinking the Inception architecture, section 7 (label smoothing).
    """
    check_reduction(reduction)
    shape = logits.shape if isinstance(logits, Tensor) else np.shape(logits)
    if not isinstance(target, Tensor):
        target = np.asarray(target)
    elif not target.requires_grad:
        target = target.numpy()
    distribution, norm = _distribution(
        target, shape, weight, label_smoothing, ignore_index, getattr(logits, "dtype", None)
    )
    losses = ag.softmax_cross_entropy(logits, distribution)
    if reduction != "mean" or norm is None:
        return reduce(losses, reduction)
    return ag.sum(losses) / norm if norm else ag.sum(losses)


def _distribution(
    target: Any,
    shape: tuple[int, ...],
    weight: ArrayLike | None,
    smoothing: float,
    ignore_index: int,
    dtype: Any,
) -> tuple[Tensor, float | None]:
    """Return the target distribution, weighted, and what the mean divides by if not the count."""
    classes = shape[-1] if shape else 0
    norm = None
    rows: Any
    if target.shape == shape and target.dtype.kind == "f":
        rows = target * (1.0 - smoothing) + smoothing / classes
    elif target.shape == shape[:-1] and target.dtype.kind in "iu":
        rows, norm = _smoothed(target, classes, smoothing, ignore_index)
    else:
        what = f"cross_entropy: integer labels of shape {shape[:-1]} or probabilities of {shape}"
        got = f"{target.dtype} of shape {target.shape}"
        kind = ShapeError if target.dtype.kind in "iu" else DTypeError
        raise kind(explain(what, got, "Pass one integer label per sample"))
    if weight is not None:
        scale = np.asarray(weight, dtype=float)
        if scale.shape != (classes,):
            what = f"cross_entropy: {classes} class weights"
            raise ShapeError(explain(what, scale.shape, "Pass one weight per class"))
        rows = rows * scale
        if target.dtype.kind in "iu":
            norm = float(scale[target[target != ignore_index]].sum())
    return rows if isinstance(rows, Tensor) else ag.tensor(rows, dtype=dtype), norm


def _smoothed(
    labels: np.ndarray, classes: int, smoothing: float, ignore_index: int
) -> tuple[np.ndarray, float | None]:
    """Return (1 - α) onehot + α/K for every label, zeros where it is ignored; and the count."""
    flat = labels.ravel()
    rows = np.full((flat.size, classes), smoothing / classes)
    counted = np.arange(flat.size)
    norm = None
    if flat.size and (ignore_index >= 0 or flat.min() < 0):
        ignored = flat == ignore_index
        rows[ignored] = 0.0
        counted = counted[~ignored]
        norm = float(counted.size)
    valid = flat[counted] if norm is not None else flat
    try:
        if norm is not None and (valid < 0).any():
            raise IndexError  # NumPy would count a negative label from the end
        rows[counted, valid] += 1.0 - smoothing
    except IndexError:
        what = f"cross_entropy: labels from 0 to {classes - 1} (or ignore_index={ignore_index})"
        outside = valid[(valid < 0) | (valid >= classes)][0]
        do = "Check the labels and the width of the last layer"
        raise ShapeError(explain(what, outside, do)) from None
    return rows.reshape(*labels.shape, classes), norm
