"""What all losses share: reductions, weights, and the checks of targets, labels and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import DTypeError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

from ..module import real_numbers

__all__ = [
    "REDUCTIONS",
    "at_labels",
    "check_options",
    "check_probabilities",
    "check_reduction",
    "class_weights",
    "floats",
    "host",
    "labels_of",
    "like",
    "reduce",
    "rows",
    "signs",
    "stretched",
]

REDUCTIONS = ("mean", "sum", "batchmean", "none")

Range = tuple[str, Callable[[Any], bool]]
POSITIVE: Range = ("> 0", lambda value: value > 0)
NOT_NEGATIVE: Range = (">= 0", lambda value: value >= 0)
FRACTION: Range = ("from 0 to 1", lambda value: 0 <= value <= 1)
FINITE: Range = ("a finite number", lambda value: abs(value) < float("inf"))
ONE_OR_TWO: Range = ("1 or 2", lambda value: value in (1, 2))
FRACTION_OR_NONE: Range = ("from 0 to 1, or None", lambda value: value is None or 0 <= value <= 1)

# What the options of each loss may be.
RANGES: dict[str, dict[str, Range]] = {
    "cosine_embedding_loss": {"margin": FINITE},
    "cross_entropy": {"label_smoothing": FRACTION},
    "gaussian_nll_loss": {"eps": NOT_NEGATIVE},
    "hinge_embedding_loss": {"margin": FINITE},
    "huber_loss": {"delta": POSITIVE},
    "margin_ranking_loss": {"margin": FINITE},
    "multi_margin_loss": {"margin": FINITE, "p": ONE_OR_TWO},
    "poisson_nll_loss": {"eps": NOT_NEGATIVE},
    "sigmoid_focal_loss": {"alpha": FRACTION_OR_NONE, "gamma": NOT_NEGATIVE},
    "smooth_l1_loss": {"beta": NOT_NEGATIVE},
    "softmax_focal_loss": {"gamma": NOT_NEGATIVE},
    "triplet_margin_loss": {"margin": POSITIVE, "p": POSITIVE, "eps": NOT_NEGATIVE},
}


def check_options(loss: str, **options: Any) -> None:
    """Raise if an option of the loss of that name is out of its range."""
    for name, (text, holds) in RANGES.get(loss, {}).items():
        if name in options and not _within(holds, options[name]):
            what = f"{loss}: the option {name} {text}"
            raise ShapeError(explain(what, repr(options[name]), "Correct it, or leave it out"))


def _within(holds: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(holds(value))
    except (TypeError, ValueError):  # not a number at all
        return False


def check_reduction(reduction: str) -> None:
    """Raise unless `reduction` is a name that `reduce` knows."""
    if reduction not in REDUCTIONS:
        what = f"reduction: one of {', '.join(REDUCTIONS)}"
        raise UnknownNameError(explain(what, repr(reduction), "Use one of these names"))


# ------------------------------------------------------------------------------ reductions


def reduce(losses: Any, reduction: str, sample_weight: Any = None, counts: Any = None) -> Any:
    """Reduce losses l with sample weights w: the one meaning of both, for every loss.

    "none" gives w l and "sum" gives Σ w l. "mean" is the weighted mean Σ w l / Σ w, as class
    weights have it in PyTorch: a weight of 2 is the sample twice, a weight of 0 leaves it out.
    "batchmean" divides Σ w l by the number of samples, whatever their weights, as Keras does.
    Where nothing counts, because all weights are 0 or all labels are ignored, the mean is 0 and
    so is its gradient (in PyTorch NaN).

    Parameters
    ----------
    losses : Tensor
        One number per sample or more, samples along the first axis.
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
        One weight per sample, or per element: the losses' first axes. May be on the tape.
    counts : ndarray, optional
        What each loss counts in the mean, if not 1: the class weight of its label, say.
    """
    check_reduction(reduction)
    if sample_weight is not None:
        sample_weight = _spread(sample_weight, losses)
        losses = losses * sample_weight
        if counts is not None:
            sample_weight = sample_weight * ag.tensor(counts, dtype=losses.dtype)
        counts = sample_weight
    if reduction == "none":
        return losses
    if reduction == "mean":
        return ag.mean(losses) if counts is None or not losses.size else _share(losses, counts)
    total = ag.sum(losses)
    return total if reduction == "sum" else total / max(1, losses.shape[0] if losses.ndim else 1)


def _spread(weight: Any, losses: Any) -> Tensor:
    """Return sample weights in the losses' dtype, with axes of length one for those they lack."""
    weight = floats("sample_weight", weight, losses.dtype)
    lacking = losses.ndim - weight.ndim
    if weight.shape != losses.shape[: weight.ndim] or (losses.ndim and not weight.ndim):
        what = f"sample_weight: one weight per sample, the first axes of {losses.shape}"
        raise ShapeError(explain(what, f"shape {weight.shape}", "Pass one weight per sample"))
    return weight.reshape(*weight.shape, *(1,) * lacking) if lacking else weight


def _share(losses: Any, counts: Any) -> Any:
    """Return Σ losses / Σ counts, each count as often as it is stretched; 0 where that is 0."""
    stretch = losses.size // counts.size
    if not isinstance(counts, Tensor):
        mass = float(counts.sum(dtype=float)) * stretch  # a Python number keeps float32
        return ag.sum(losses) / (mass or 1.0)
    total = ag.sum(counts) * float(stretch)
    return ag.sum(losses) / ag.where(ag.equal(total, 0.0), 1.0, total)


# ---------------------------------------------------------------------- targets and weights


def floats(name: str, x: Any, dtype: Any = None) -> Tensor:
    """Return numbers as a tensor of a floating dtype: the given one, else their own or float64."""
    if not isinstance(x, Tensor):
        array = real_numbers(name, x)
        return ag.tensor(array, dtype=dtype or (array.dtype if array.dtype.kind == "f" else float))
    return x.astype(dtype or (x.dtype if x.dtype.kind == "f" else float))


def rows(name: str, x: Any) -> Tensor:
    """Return a prediction with classes or features on its last axis, one or more of them."""
    x = floats(name, x)
    if not x.ndim or not x.shape[-1]:
        what = f"{name}: classes or features on the last axis"
        raise ShapeError(explain(what, f"shape {x.shape}", "Pass arrays of shape (N, classes)"))
    return x


def like(name: str, prediction: Tensor, target: Any) -> Tensor:
    """Return the target in the prediction's dtype; its shape must be the same.

    Broadcasting (N,) against (N, 1) would compare every sample with every other.
    """
    target = floats(f"{name}: target", target, prediction.dtype)
    if target.shape != prediction.shape:
        what = f"{name}: a target of the prediction's shape {prediction.shape}"
        raise ShapeError(explain(what, target.shape, "Reshape the target or the prediction"))
    return target


def check_probabilities(what: str, x: Tensor, do: str) -> None:
    """Raise if a number is below 0 or above 1."""
    value = x.numpy()
    outside = value[(value < 0) | (value > 1)]
    if outside.size:
        raise ShapeError(explain(f"{what} from 0 to 1", outside.flat[0], do))


def signs(name: str, target: Any, shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Return labels that are 1 or -1, one for each element of `shape`, as a constant."""
    y = floats(f"{name}: target", host(target)).numpy()
    if y.shape != shape:
        what = f"{name}: labels 1 and -1 of shape {shape}"
        raise ShapeError(explain(what, f"shape {y.shape}", "Pass one label per sample"))
    outside = y[np.abs(y) != 1.0]
    if outside.size:
        do = "Use 2 * y - 1 for labels 0 and 1"
        raise ShapeError(explain(f"{name}: labels 1 and -1", outside.flat[0], do))
    return ag.tensor(y, dtype=dtype)


def host(x: Any) -> np.ndarray:
    """Return the value of a tensor, or anything else as an array."""
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def labels_of(
    name: str, target: Any, shape: tuple[int, ...], ignore_index: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return class labels, 0 where they are ignored; and which are not, or None if all count."""
    labels, kept = host(target), None
    if labels.dtype.kind not in "iu" or labels.shape != shape[:-1]:
        what = f"{name}: integer labels of shape {shape[:-1]} for a prediction of {shape}"
        kind = ShapeError if labels.dtype.kind in "iu" else DTypeError
        got = f"{labels.dtype} of shape {labels.shape}"
        do = "Pass the prediction first, then one integer label per sample"
        if labels.shape == shape[:-1]:
            names = "Number the classes: np.unique(labels, return_inverse=True)[1]"
            do = "Convert the labels with .astype(int)" if labels.dtype.kind in "fb" else names
        raise kind(explain(what, got, do))
    valid = _are_classes(labels, shape[-1])
    if ignore_index is not None and (not valid or 0 <= ignore_index < shape[-1]):
        kept = labels != ignore_index
        labels = np.where(kept, labels, 0)
        valid = valid or _are_classes(labels, shape[-1])
    if not valid:
        outside = labels[(labels < 0) | (labels >= shape[-1])].flat[0]
        besides = "" if ignore_index is None else f" (or ignore_index={ignore_index})"
        what = f"{name}: labels from 0 to {shape[-1] - 1}{besides}"
        do = "Check the labels and the width of the last layer"
        raise ShapeError(explain(what, outside, do))
    return labels, kept


def _are_classes(labels: np.ndarray, classes: int) -> bool:
    """Whether all labels are from 0 to classes - 1: read as unsigned, a negative one is huge."""
    unsigned = labels.astype(np.int64, copy=False).view(np.uint64)
    return not labels.size or bool(unsigned.max() < classes)


def at_labels(x: Tensor, labels: np.ndarray) -> Any:
    """Return the element of each label along the last axis."""
    return x[(*np.indices(labels.shape, sparse=True), labels)]


def class_weights(name: str, weight: Any, classes: int) -> np.ndarray | None:
    """Return one weight per class, or None if there are none."""
    if weight is None:
        return None
    scale = floats(f"{name}: weight", host(weight)).numpy()
    if scale.shape != (classes,):
        what = f"{name}: {classes} class weights"
        raise ShapeError(explain(what, f"shape {scale.shape}", "Pass one weight per class"))
    return scale


def stretched(name: str, weight: Any, losses: Tensor) -> Tensor:
    """Return weights in the dtype of the losses; they must broadcast to them."""
    weight = floats(name, weight, losses.dtype)
    paired = zip(reversed(weight.shape), reversed(losses.shape), strict=False)
    if weight.ndim > losses.ndim or any(w not in (1, n) for w, n in paired):
        what = f"{name}: a shape that broadcasts to {losses.shape}"
        raise ShapeError(explain(what, weight.shape, "Pass one weight per element or column"))
    return weight
