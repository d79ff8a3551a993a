"""Losses with a margin: hinges of scores, distances and angles.

Kinks as in PyTorch. A hinge max(0, h) has at h = 0 the derivative 1, as `clip` has at its bound;
in `multi_margin_loss` and `multilabel_margin_loss` it is 0, as that of relu.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import DTypeError, ShapeError
from autograd_core.errors import explain

from .classification import binary_cross_entropy_with_logits
from .common import (
    at_labels,
    check_options,
    class_weights,
    floats,
    host,
    labels_of,
    like,
    reduce,
    rows,
    signs,
)

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


def soft_margin_loss(
    prediction: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Any:
    """Logistic loss log(1 + exp(-y x)) of labels y = ±1, the smooth hinge."""
    x = floats("soft_margin_loss", prediction)
    y = signs("soft_margin_loss", target, x.shape, x.dtype)
    return reduce(ag.softplus(-y * x), reduction, sample_weight)


def margin_ranking_loss(
    first: Any,
    second: Any,
    target: Any,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Hinge max(0, margin - y (x₁ - x₂)): the first shall rank higher if y = 1, lower if -1.

    The derivative at the kink is that of the sloping side, as in PyTorch.
    """
    check_options("margin_ranking_loss", margin=margin)
    x = floats("margin_ranking_loss", first)
    d = x - like("margin_ranking_loss", x, second)
    y = signs("margin_ranking_loss", target, x.shape, x.dtype)
    return reduce(ag.clip(margin - y * d, min=0.0), reduction, sample_weight)


def hinge_embedding_loss(
    prediction: Any,
    target: Any,
    *,
    margin: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Loss of a distance x: x itself where y = 1, max(0, margin - x) where y = -1.

    The derivative at x = margin is -1 for y = -1, as in PyTorch.
    """
    check_options("hinge_embedding_loss", margin=margin)
    x = floats("hinge_embedding_loss", prediction)
    y = signs("hinge_embedding_loss", target, x.shape, x.dtype)
    losses = ag.where(ag.greater(y, 0.0), x, ag.clip(margin - x, min=0.0))
    return reduce(losses, reduction, sample_weight)


def cosine_embedding_loss(
    first: Any,
    second: Any,
    target: Any,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Loss of an angle: 1 - cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) - margin) where y = -1.

    As in PyTorch cos is x₁·x₂ / √((‖x₁‖² + 1e-12) (‖x₂‖² + 1e-12)), so that it is 0 for zeros.

    Parameters
    ----------
    first, second : Tensor, shape (..., features)
    target : array_like, shape (...)
        Labels 1 (alike) and -1.
    margin : float
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    check_options("cosine_embedding_loss", margin=margin)
    x = rows("cosine_embedding_loss", first)
    other = like("cosine_embedding_loss", x, second)
    y = signs("cosine_embedding_loss", target, x.shape[:-1], x.dtype)
    squares = [ag.sum(ag.square(v), axis=-1) + 1e-12 for v in (x, other)]
    cos = ag.sum(x * other, axis=-1) / (ag.sqrt(squares[0]) * ag.sqrt(squares[1]))
    losses = ag.where(ag.greater(y, 0.0), 1.0 - cos, ag.clip(cos - margin, min=0.0))
    return reduce(losses, reduction, sample_weight)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Hinge max(0, d(a, p) - d(a, n) + margin) of distances d(x, y) = ‖x - y + eps‖ₚ.

    Parameters
    ----------
    anchor, positive, negative : Tensor, shape (..., features)
    margin : float
    p : float
        Order of the norm, also infinite.
    eps : float
        Added to every difference; it keeps the distance of equal points off its kink.
    swap : bool
        Take the negative's distance from the positive where that is smaller.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional

    References
    ----------
    Balntas et al. (2016), Learning local feature descriptors with triplets.
    """
    check_options("triplet_margin_loss", margin=margin, p=p, eps=eps)
    a = rows("triplet_margin_loss", anchor)
    near, far = (like("triplet_margin_loss", a, other) for other in (positive, negative))
    distance = _norm(a - far + eps, p)
    if swap:
        distance = ag.minimum(distance, _norm(near - far + eps, p))
    losses = ag.clip(_norm(a - near + eps, p) - distance + margin, min=0.0)
    return reduce(losses, reduction, sample_weight)


def _norm(d: Any, p: float) -> Any:
    if p == 2:
        return ag.sqrt(ag.sum(ag.square(d), axis=-1))
    size = ag.abs(d)
    if p == math.inf:
        return ag.max(size, axis=-1)
    if p == 1:
        return ag.sum(size, axis=-1)
    return ag.power(ag.sum(ag.power(size, p), axis=-1), 1.0 / p)


def multi_margin_loss(
    prediction: Any,
    target: Any,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Hinge of many classes, w_y Σ_{i ≠ y} max(0, margin - x_y + x_i)ᵖ / classes.

    Parameters
    ----------
    prediction : Tensor, shape (..., classes)
    target : array_like, integers of shape (...)
    p : {1, 2}
    margin : float
    weight : array_like, shape (classes,), optional
        Weight of each class; the mean still divides by the number of samples, as in PyTorch.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional

    References
    ----------
    Crammer and Singer (2001), On the algorithmic implementation of multiclass kernel-based
    vector machines.
    """
    check_options("multi_margin_loss", p=p, margin=margin)
    x = rows("multi_margin_loss", prediction)
    scale = class_weights("multi_margin_loss", weight, x.shape[-1])
    labels, _ = labels_of("multi_margin_loss", target, x.shape)
    share = (np.arange(x.shape[-1]) != labels[..., None]) / x.shape[-1]
    if scale is not None:
        share = share * scale[labels][..., None]
    hinges = ag.relu(x - at_labels(x, labels)[..., None] + margin)
    hinges = ag.square(hinges) if p == 2 else hinges
    return reduce(_total(hinges, share, -1), reduction, sample_weight)


def _total(hinges: Any, share: np.ndarray, axis: Any) -> Any:
    return ag.sum(hinges * ag.tensor(share, dtype=hinges.dtype), axis=axis)


def multilabel_margin_loss(
    prediction: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Any:
    """Hinge of several labels, Σⱼ Σᵢ max(0, 1 - xⱼ + xᵢ) / classes, j a label and i none.

    Parameters
    ----------
    prediction : Tensor, shape (..., classes)
    target : array_like, integers of the same shape
        The labels of each sample, then -1; what follows the first -1 does not count.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    x = rows("multilabel_margin_loss", prediction)
    often = _multiplicity(host(target), x.shape)
    share = often[..., :, None] * (often == 0)[..., None, :] / x.shape[-1]
    hinges = ag.relu(1.0 - x[..., :, None] + x[..., None, :])
    return reduce(_total(hinges, share, (-2, -1)), reduction, sample_weight)


def _multiplicity(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return how often each class is among the labels before the first -1."""
    name, classes = "multilabel_margin_loss", shape[-1]
    if labels.dtype.kind not in "iu" or labels.shape != shape:
        kind = ShapeError if labels.dtype.kind in "iu" else DTypeError
        got = f"{labels.dtype} of shape {labels.shape}"
        what = f"{name}: integer labels of shape {shape}"
        raise kind(explain(what, got, "Fill each row up with -1"))
    outside = labels[(labels < -1) | (labels >= classes)]
    if outside.size:
        what = f"{name}: labels from 0 to {classes - 1}, then -1"
        raise ShapeError(explain(what, outside.flat[0], "Check the labels"))
    listed = np.logical_and.accumulate(labels >= 0, axis=-1)[..., None]
    return np.sum((labels[..., None] == np.arange(classes)) & listed, axis=-2)


def multilabel_soft_margin_loss(
    prediction: Any,
    target: Any,
    *,
    weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Mean over the classes of the binary cross-entropy with logits, one number per sample.

    Parameters
    ----------
    prediction : Tensor, shape (..., classes)
    target : array_like, the same shape
        1 for the classes that are there, 0 for the others.
    weight : array_like, shape (classes,), optional
        Weight of each class.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    x = rows("multilabel_soft_margin_loss", prediction)
    scale = class_weights("multilabel_soft_margin_loss", weight, x.shape[-1])
    losses = binary_cross_entropy_with_logits(x, target, weight=scale, reduction="none")
    return reduce(ag.mean(losses, axis=-1), reduction, sample_weight)
