"""Normalization: over the features of each example, or over the examples of a batch.

All of it is `autograd_core.standardize`, with a scale and a shift behind it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import autograd_core as ag
from autograd_core import ShapeError, Tensor
from autograd_core.errors import explain

from .linear import cast, width
from .module import Module, Parameter

__all__ = ["BatchNorm1d", "LayerNorm", "RMSNorm", "batch_norm", "layer_norm", "rms_norm"]


def last_axes(name: str, shape: tuple[int, ...], normalized: Sequence[int]) -> tuple[int, ...]:
    """Return the axes that make up `normalized`; refuse a shape that does not end with it."""
    count = len(normalized)
    if not count or shape[-count:] != tuple(normalized):
        what = f"{name}: an input of shape (..., {', '.join(map(str, normalized))})"
        raise ShapeError(explain(what, shape, "Check the layer before, or the normalized shape"))
    return tuple(range(-count, 0))


def scaled(x: Any, weight: Any, bias: Any) -> Any:
    """Return x weight + bias, either of which may be None."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def layer_norm(
    x: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """(x - mean) / √(variance + eps) · weight + bias, over the last axes of each example."""
    axes = last_axes("layer_norm", np.shape(x), normalized_shape)
    return scaled(ag.standardize(x, axis=axes, eps=eps), weight, bias)


def rms_norm(
    x: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None
) -> Any:
    """x / √(mean of x² + eps) · weight, over the last axes of each example."""
    axes = last_axes("rms_norm", np.shape(x), normalized_shape)
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    return scaled(ag.standardize(x, axis=axes, eps=eps, center=False), weight, None)


def batch_norm(
    x: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize each channel: axis 1 of x, shape (N, C) or (N, C, L).

    With ``training=True`` by the mean and the variance (over n) of the batch, and the running
    statistics move towards the batch's by the factor `momentum`, the variance towards the one
    over n - 1. Otherwise by the running statistics.
    """
    axes = (0, *range(2, np.ndim(x)))
    column = (-1,) + (1,) * (np.ndim(x) - 2)  # beside channels, in the shape of x
    weight, bias = (v if v is None else ag.reshape(v, shape=column) for v in (weight, bias))
    if not training:
        if running_mean is None or running_var is None:
            what = "batch_norm: running statistics in evaluation"
            raise ShapeError(explain(what, "None", "Pass them, or training=True"))
        factor = 1.0 / ag.sqrt(ag.reshape(running_var, shape=column) + eps)
        deviation = x - ag.reshape(running_mean, shape=column)
        return scaled(deviation, factor if weight is None else factor * weight, bias)
    count = np.size(x) // np.shape(x)[1]
    if count < 2:
        what = "batch_norm: more than one value for each channel in training"
        raise ShapeError(explain(what, f"shape {np.shape(x)}", "Use larger batches, or eval()"))
    out = scaled(ag.standardize(x, axis=axes, eps=eps), weight, bias)
    if running_mean is not None and running_var is not None:
        batch = ag.OPS["moments"](x, axis=axes)
        for running, new in ((running_mean, batch[0]), (running_var, batch[1])):
            running.assign(cast(running + momentum * (new - running), running.dtype))
    return out


def floating(x: Any, like: Tensor | None) -> Tensor:
    """Return an input as a tensor of floats, in the dtype of a layer that has one."""
    if like is not None:
        return cast(x, like.dtype)
    dtype = x.dtype if isinstance(x, Tensor) else np.asarray(x).dtype
    return cast(x, dtype if dtype.kind == "f" else np.dtype(np.float32))


def nonnegative(owner: str, name: str, value: Any) -> Any:
    """Return an option that must not be negative."""
    if not isinstance(value, (int, float, np.number)) or not value >= 0.0:
        raise ShapeError(explain(f"{owner}: {name} >= 0", repr(value), "Use the default"))
    return value


class LayerNorm(Module):
    """Normalize each example over its last axes: y = (x - mean) / √(variance + eps) · w + b.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of these axes.
    eps : float
    elementwise_affine, bias : bool
        Whether there are a weight w and a bias b.
    dtype : dtype
        Of the parameters; inputs are converted to it.

    Attributes
    ----------
    weight, bias : Parameter of the normalized shape, or None
        They begin as ones and zeros.

    References
    ----------
    Ba, Kiros and Hinton (2016), Layer normalization, equation 4.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = lengths(type(self).__name__, normalized_shape)
        self.eps = nonnegative(type(self).__name__, "eps", eps)
        ones, zeros = np.ones(self.normalized_shape), np.zeros(self.normalized_shape)
        self.weight = Parameter(ones, dtype) if elementwise_affine else None
        self.bias = Parameter(zeros, dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        """Normalize x, shape (..., *normalized_shape)."""
        x = floating(x, self.weight)
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        plain = "" if self.weight is not None else ", elementwise_affine=False"
        unshifted = ", bias=False" if self.weight is not None and self.bias is None else ""
        return f"{self.normalized_shape}, eps={self.eps}{plain}{unshifted}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(4, dtype=np.float64), (rng.normal(size=(3, 4)),)
        yield cls((3, 4), eps=0.1, bias=False, dtype=np.float64), (rng.normal(size=(2, 3, 4)),)
        yield cls(4, elementwise_affine=False), (rng.normal(size=(2, 3, 4)),)


def lengths(owner: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of axes as a tuple, one length being one axis."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    width(owner, *(sizes or ((),)))
    return tuple(operator.index(size) for size in sizes)


class RMSNorm(Module):
    """Scale each example over its last axes: y = x / √(mean of x² + eps) · w.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of these axes.
    eps : float, optional
        The spacing of floating-point numbers at 1 unless given.
    elementwise_affine : bool
        Whether there is a weight w.
    dtype : dtype
        Of the parameters; inputs are converted to it.

    Attributes
    ----------
    weight : Parameter of the normalized shape, or None
        It begins as ones.

    References
    ----------
    Zhang and Sennrich (2019), Root mean square layer normalization, equation 4.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = lengths(type(self).__name__, normalized_shape)
        self.eps = None if eps is None else nonnegative(type(self).__name__, "eps", eps)
        ones = np.ones(self.normalized_shape)
        self.weight = Parameter(ones, dtype) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        """Scale x, shape (..., *normalized_shape)."""
        return rms_norm(floating(x, self.weight), self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        plain = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{plain}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(4, dtype=np.float64), (rng.normal(size=(3, 4)),)
        yield cls((3, 4), 0.1, elementwise_affine=False), (rng.normal(size=(2, 3, 4)),)


class BatchNorm1d(Module):
    """Normalize each feature over the batch: y = (x - mean) / √(variance + eps) · w + b.

    In training by the batch's own mean and variance (over n); in evaluation by running averages
    of them. The running variance averages the unbiased one (over n - 1).

    Parameters
    ----------
    num_features : int
        C, for inputs of shape (N, C) or (N, C, L).
    eps : float
    momentum : float or None
        The weight of each new batch in the running averages; None for the plain mean of all.
    affine : bool
        Whether there are a weight w and a bias b.
    track_running_stats : bool
        Whether there are running averages; without them the batch's own statistics are used in
        evaluation too.
    dtype : dtype
        Of the parameters; inputs are converted to it.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        They begin as ones and zeros.
    running_mean, running_var : Tensor, shape (num_features,), or None
        Buffers; they begin as zeros and ones.
    num_batches_tracked : Tensor of one integer, or None

    References
    ----------
    Ioffe and Szegedy (2015), Batch normalization, algorithms 1 and 2.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        width("BatchNorm1d", num_features)
        self.num_features = num_features
        self.eps = nonnegative("BatchNorm1d", "eps", eps)
        self.momentum = (
            momentum if momentum is None else nonnegative("BatchNorm1d", "momentum", momentum)
        )
        ones, zeros = np.ones(num_features), np.zeros(num_features)
        self.weight, self.bias = (Parameter(v, dtype) if affine else None for v in (ones, zeros))
        tracked = track_running_stats
        self.running_mean = ag.tensor(zeros, dtype=dtype) if tracked else None
        self.running_var = ag.tensor(ones, dtype=dtype) if tracked else None
        self.num_batches_tracked = ag.tensor(0) if tracked else None

    def forward(self, x: Any) -> Tensor:
        """Normalize x, shape (N, C) or (N, C, L), for each of the C features."""
        x = floating(x, self.running_mean if self.weight is None else self.weight)
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            c = self.num_features
            what = f"BatchNorm1d({c}): an input of shape (N, {c}) or (N, {c}, L)"
            raise ShapeError(explain(what, x.shape, "Check the layer before, or the data's width"))
        own = self.training or self.running_mean is None
        out = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            own,
            self.share(),
            self.eps,
        )
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.assign(self.num_batches_tracked + 1)
        return out

    def share(self) -> Any:
        """Return the weight of the next batch in the running averages."""
        count, mean = self.num_batches_tracked, self.running_mean
        if self.momentum is not None or count is None or mean is None:
            return self.momentum or 0.0
        return 1.0 / cast(count + 1, mean.dtype)

    def reset_running_stats(self) -> None:
        """Forget the running averages."""
        for buffer, start in (
            (self.running_mean, 0.0),
            (self.running_var, 1.0),
            (self.num_batches_tracked, 0),
        ):
            if buffer is not None:
                buffer.assign(np.full(buffer.shape, start))

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(3, dtype=np.float64), (rng.normal(size=(5, 3)),)
        yield cls(3, momentum=None, dtype=np.float64), (rng.normal(size=(2, 3, 4)),)
        yield cls(3, affine=False, track_running_stats=False), (rng.normal(size=(5, 3)),)
