"""Losses of classes and distributions: cross-entropies, likelihoods, focal loss, divergence."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import ShapeError, Tensor
from autograd_core.errors import explain

from .common import (
    at_labels,
    check_options,
    check_probabilities,
    check_reduction,
    class_weights,
    floats,
    labels_of,
    like,
    reduce,
    rows,
    stretched,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "nll_loss",
    "sigmoid_focal_loss",
    "softmax_focal_loss",
]


def binary_cross_entropy(
    probability: Any,
    target: Any,
    *,
    weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Binary cross-entropy of probabilities, -y log p - (1 - y) log(1 - p).

    Logarithms are limited to -100 from below, as in PyTorch, and are flat beyond: a probability
    of exactly 0 for what happened costs 100 and has no slope. Prefer
    `binary_cross_entropy_with_logits`, which needs no limit.

    Parameters
    ----------
    probability : Tensor, any shape
        Probabilities p from 0 to 1.
    target : array_like, the same shape
    weight : array_like, optional
        Factors that broadcast to the losses; the mean still divides by the number of losses.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    p = floats("binary_cross_entropy", probability)
    do = "Use binary_cross_entropy_with_logits for logits"
    check_probabilities("binary_cross_entropy: probabilities", p, do)
    y = _binary("binary_cross_entropy", p, target)
    with np.errstate(divide="ignore"):
        log_p, log_not_p = ag.log(p), ag.log1p(-p)
    losses = (y - 1.0) * ag.clip(log_not_p, min=-100.0) - y * ag.clip(log_p, min=-100.0)
    if weight is not None:
        losses = losses * stretched("binary_cross_entropy: weight", weight, losses)
    return reduce(losses, reduction, sample_weight)


def _binary(name: str, prediction: Tensor, target: Any) -> Tensor:
    """Return the probabilities of the positive class that a target gives."""
    y = like(name, prediction, target)
    check_probabilities(f"{name}: targets", y, "Use (y + 1) / 2 for labels -1 and 1")
    return y


def binary_cross_entropy_with_logits(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
    sample_weight: Any = None,
) -> Any:
    """Binary cross-entropy -w y log σ(z) - (1 - y) log(1 - σ(z)); its gradient is σ(z) - y.

    Written with softplus(z) = -log(1 - σ(z)), so that it is exact for logits of ±1000.

    Parameters
    ----------
    logits : Tensor, any shape
    target : array_like, the same shape
        Probabilities of the positive class.
    weight : array_like, optional
        Factors that broadcast to the losses; the mean still divides by the number of losses.
    reduction : {"mean", "sum", "batchmean", "none"}
    pos_weight : array_like, optional
        The weight w of positive examples, of a shape that broadcasts to the logits.
    sample_weight : array_like, optional
    """
    name = "binary_cross_entropy_with_logits"
    z = floats(name, logits)
    y = _binary(name, z, target)
    positive = y if pos_weight is None else y * stretched(f"{name}: pos_weight", pos_weight, z)
    losses = ag.softplus(-z) * positive + ag.softplus(z) * (1.0 - y)
    if weight is not None:
        losses = losses * stretched(f"{name}: weight", weight, losses)
    return reduce(losses, reduction, sample_weight)


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    sample_weight: Any = None,
) -> Any:
    """Softmax cross-entropy -Σ q log softmax(z); its gradient is p - q.

    Parameters
    ----------
    logits : Tensor, shape (..., classes)
    target : array_like
        Labels, integers of shape (...); or probabilities q, shape (..., classes).
    weight : array_like, shape (classes,), optional
        Weight of each class in the sum over classes. With labels the mean divides by the sum of
        the labels' weights, with probabilities by the number of samples, as in PyTorch.
    ignore_index : int
        Samples with this label do not count. If all are ignored the loss is 0.
    reduction : {"mean", "sum", "batchmean", "none"}
    label_smoothing : float
        α in the smoothed target (1 - α) q + α / classes.
    sample_weight : array_like, optional

    References
    ----------
    Szegedy et al. (2016), Rethinking the Inception architecture, section 7 (label smoothing).
    """
    check_reduction(reduction)
    check_options("cross_entropy", label_smoothing=label_smoothing)
    z = rows("cross_entropy", logits)
    scale = class_weights("cross_entropy", weight, z.shape[-1])
    q, counts = _distribution(z, target, scale, label_smoothing, ignore_index)
    if scale is not None:
        q = q * ag.tensor(scale, dtype=z.dtype)
    return reduce(ag.softmax_cross_entropy(z, q), reduction, sample_weight, counts)


def _distribution(
    z: Tensor, target: Any, scale: Any, smoothing: float, ignore_index: int
) -> tuple[Tensor, Any]:
    """Return the target distribution, and what each sample counts in the mean if not 1."""
    value = target if isinstance(target, Tensor) else np.asarray(target)
    if value.dtype.kind == "f" and value.ndim == z.ndim:
        q = like("cross_entropy", z, target)
        return q * (1.0 - smoothing) + smoothing / z.shape[-1] if smoothing else q, None
    place = {"shape": z.shape, "dtype": z.dtype, "ignore_index": ignore_index}
    if isinstance(target, Tensor):  # operations all the way, so that a compiler can follow
        q = distributions(target, smoothing=smoothing, **place)
        return q, label_counts(target, scale=scale, **place)
    labels, kept = labels_of("cross_entropy", target, z.shape, ignore_index)
    return ag.tensor(_smoothed(labels, kept, z.shape, z.dtype, smoothing)), _counts(
        labels, kept, scale
    )


def _distributions_kernel(_labels, *, shape, dtype, smoothing, ignore_index):  # type: ignore[no-untyped-def]
    rest = smoothing / shape[-1]
    return f"""
def label_rows(labels, out):
    n = out.size // labels.size
    for i in range(labels.size):
        label = labels[i]
        kept = label != int({ignore_index})
        if kept and (label < int(0) or label >= n):
            return False
        for j in range(n):
            out[i * n + j] = {rest!r} if kept else 0.0
        if kept:
            out[i * n + label] = {1.0 - smoothing + rest!r}
    return True
"""


def _label_counts_kernel(_labels, *, shape, dtype, scale, ignore_index):  # type: ignore[no-untyped-def]
    if scale is not None:
        return None
    return f"""
def label_ones(labels, out):
    for i in range(labels.size):
        label = labels[i]
        kept = label != int({ignore_index})
        if kept and (label < int(0) or label >= int({shape[-1]})):
            return False
        out[i] = 1.0 if kept else 0.0
    return True
"""


@ag.primitive(register=False, nondiff="labels are positions", kernel=_distributions_kernel)
def distributions(labels, *, shape, dtype, smoothing, ignore_index):  # type: ignore[no-untyped-def]
    """(1 - α) onehot + α/K for labels, zeros where they are ignored."""
    labels, kept = labels_of("cross_entropy", labels, shape, ignore_index)
    return _smoothed(labels, kept, shape, dtype, smoothing)


@ag.primitive(register=False, nondiff="labels are positions", kernel=_label_counts_kernel)
def label_counts(labels, *, shape, dtype, scale, ignore_index):  # type: ignore[no-untyped-def]
    """What each sample counts in the mean: the weight of its label, 0 where it is ignored."""
    labels, kept = labels_of("cross_entropy", labels, shape, ignore_index)
    counts = _counts(labels, kept, scale)
    return np.ones(shape[:-1], dtype) if counts is None else counts.astype(dtype)


def _smoothed(
    labels: np.ndarray, kept: Any, shape: tuple[int, ...], dtype: Any, smoothing: float
) -> np.ndarray:
    """Return (1 - α) onehot + α/K for every label, zeros where it is ignored."""
    rest = smoothing / shape[-1]
    q = np.full(shape, rest, dtype)
    q.reshape(-1, shape[-1])[np.arange(labels.size), labels.ravel()] = 1.0 - smoothing + rest
    if kept is not None:
        q[~kept] = 0.0
    return q


def _counts(labels: np.ndarray, kept: Any, scale: Any) -> np.ndarray | None:
    """Return the weight of each label, 0 where it is ignored; None if every one is 1."""
    if scale is None:
        return None if kept is None else kept.astype(float)
    return scale[labels] if kept is None else np.where(kept, scale[labels], 0.0)


def nll_loss(
    log_probability: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Negative log-likelihood -w_y x_y of labels y; `cross_entropy` is this of log-softmax.

    Parameters
    ----------
    log_probability : Tensor, shape (..., classes)
    target : array_like, integers of shape (...)
    weight : array_like, shape (classes,), optional
        Weight of each class; the mean is then the weighted one.
    ignore_index : int
        Samples with this label do not count. If all are ignored the loss is 0.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    x = rows("nll_loss", log_probability)
    picked, counts = _picked("nll_loss", x, target, weight, ignore_index)
    return reduce(_weighted(-picked, counts), reduction, sample_weight, counts)


def _picked(name: str, x: Tensor, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """Return the element of each label, 0 where it is ignored; and what it counts if not 1."""
    scale = class_weights(name, weight, x.shape[-1])
    labels, kept = labels_of(name, target, x.shape, ignore_index)
    picked = at_labels(x, labels)
    if kept is not None:
        picked = ag.where(ag.tensor(kept), picked, 0.0)
    return picked, _counts(labels, kept, scale)


def _weighted(losses: Any, counts: Any) -> Any:
    return losses if counts is None else losses * ag.tensor(counts, dtype=losses.dtype)


def sigmoid_focal_loss(
    logits: Any,
    target: Any,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Focal loss of binary labels, -α y (1-p)ᵞ log p - (1-α) (1-y) pᵞ log(1-p) with p = σ(z).

    What is predicted well counts little. For y between 0 and 1 it is the mixture of the two.

    Parameters
    ----------
    logits : Tensor, any shape
    target : array_like, the same shape
        Labels 0 and 1.
    alpha : float, optional
        Weight α of the positive class; with None neither class has a weight.
    gamma : float
        Exponent γ ≥ 0; with 0 it is the binary cross-entropy, weighted.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional

    References
    ----------
    Lin et al. (2017), Focal loss for dense object detection.
    """
    check_options("sigmoid_focal_loss", alpha=alpha, gamma=gamma)
    z = floats("sigmoid_focal_loss", logits)
    y = like("sigmoid_focal_loss", z, target)
    yes, no = (y, 1.0 - y) if alpha is None else (alpha * y, (1.0 - alpha) * (1.0 - y))
    less, more = ag.softplus(-z), ag.softplus(z)  # -log p and -log(1 - p)
    losses = yes * less * ag.exp(-gamma * more) + no * more * ag.exp(-gamma * less)
    return reduce(losses, reduction, sample_weight)


def softmax_focal_loss(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    gamma: float = 2.0,
    ignore_index: int = -100,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Focal loss of many classes, -w_y (1 - p_y)ᵞ log p_y with p = softmax(z).

    Parameters
    ----------
    logits : Tensor, shape (..., classes)
    target : array_like, integers of shape (...)
    weight : array_like, shape (classes,), optional
        Weight of each class, α in the paper; the mean is then the weighted one.
    gamma : float
        Exponent γ ≥ 0; with 0 it is the cross-entropy.
    ignore_index : int
        Samples with this label do not count. If all are ignored the loss is 0.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional

    References
    ----------
    Lin et al. (2017), Focal loss for dense object detection.
    """
    check_options("softmax_focal_loss", gamma=gamma)
    x = ag.log_softmax(rows("softmax_focal_loss", logits))
    picked, counts = _picked("softmax_focal_loss", x, target, weight, ignore_index)
    losses = -picked * ag.power(-ag.expm1(picked), gamma)
    return reduce(_weighted(losses, counts), reduction, sample_weight, counts)


def kl_div(
    log_probability: Any,
    target: Any,
    *,
    log_target: bool = False,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Kullback-Leibler divergence of x = log p from q, elementwise q (log q - x); 0 where q = 0.

    The divergence of distributions is ``reduction="batchmean"``; the mean is over all elements.

    Parameters
    ----------
    log_probability : Tensor, any shape
    target : array_like, the same shape
        Probabilities q, or their logarithms if `log_target`.
    log_target : bool
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    x = floats("kl_div", log_probability)
    target = like("kl_div", x, target)
    lowest = 0.0 if log_target else target.numpy().min(initial=0.0)
    if lowest < 0.0:
        do = "Pass probabilities, or log_target=True for their logarithms"
        raise ShapeError(explain("kl_div: targets >= 0", lowest, do))
    q = ag.exp(target) if log_target else target
    zero = ag.equal(q, 0.0)
    log_q = ag.where(zero, 0.0, target) if log_target else ag.log(ag.where(zero, 1.0, q))
    return reduce(q * (log_q - ag.where(zero, 0.0, x)), reduction, sample_weight)
