"""Losses of numbers: absolute and squared error and between, Poisson and Gaussian likelihoods."""

from __future__ import annotations

import math
from typing import Any

import autograd_core as ag
from autograd_core import ShapeError, Tensor
from autograd_core.errors import explain

from .common import check_options, floats, host, like, reduce

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def _difference(name: str, prediction: Any, target: Any) -> Any:
    prediction = floats(name, prediction)
    return prediction - like(name, prediction, target)


def mse_loss(
    prediction: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Any:
    """Squared error (f - y)², reduced over all elements.

    The lecture's form, the mean over samples of ‖f - y‖², is ``reduction="batchmean"``.
    """
    d = _difference("mse_loss", prediction, target)
    return reduce(ag.square(d), reduction, sample_weight)


def l1_loss(
    prediction: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Any:
    """Absolute error |f - y|. The derivative at 0 is 0."""
    d = _difference("l1_loss", prediction, target)
    return reduce(ag.abs(d), reduction, sample_weight)


def huber_loss(
    prediction: Any,
    target: Any,
    *,
    delta: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Huber's loss of d = f - y: ½ d² where |d| ≤ delta, delta (|d| - ½ delta) elsewhere.

    Its derivative is d, limited to ±delta: continuous at delta.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter.
    """
    check_options("huber_loss", delta=delta)
    d = _difference("huber_loss", prediction, target)
    return reduce(_huber(d, delta), reduction, sample_weight)


def _huber(d: Any, delta: float) -> Any:
    """Write both branches as c (d - c/2) with c = d limited to ±delta; d² cannot overflow."""
    c = ag.clip(d, min=-delta, max=delta)
    return c * (d - 0.5 * c)


def smooth_l1_loss(
    prediction: Any,
    target: Any,
    *,
    beta: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Smoothed absolute error of d = f - y: ½ d² / beta where |d| < beta, |d| - ½ beta elsewhere.

    It is Huber's loss over beta, and `l1_loss` for beta = 0.
    """
    check_options("smooth_l1_loss", beta=beta)
    d = _difference("smooth_l1_loss", prediction, target)
    return reduce(_huber(d, beta) / beta if beta else ag.abs(d), reduction, sample_weight)


def poisson_nll_loss(
    prediction: Any,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Negative log-likelihood of counts y under a Poisson distribution, λ - y log λ.

    Parameters
    ----------
    prediction : Tensor
        log λ; or λ itself if not `log_input`, then as λ - y log(λ + eps).
    target : array_like, the same shape
    log_input : bool
    full : bool
        Add Stirling's y log y - y + ½ log 2πy for log y!, where y > 1.
    eps : float
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    check_options("poisson_nll_loss", eps=eps)
    x = floats("poisson_nll_loss", prediction)
    y = like("poisson_nll_loss", x, target)
    losses = ag.exp(x) - y * x if log_input else x - y * ag.log(x + eps)
    return reduce(losses + _stirling(y) if full else losses, reduction, sample_weight)


def _stirling(y: Any) -> Any:
    many = ag.greater(y, 1.0)
    y = ag.where(many, y, 1.0)
    return ag.where(many, y * ag.log(y) - y + 0.5 * ag.log(2.0 * math.pi * y), 0.0)


def gaussian_nll_loss(
    prediction: Any,
    target: Any,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Any:
    """Negative log-likelihood under normal distributions, ½ (log v + (f - y)² / v).

    A variance below eps counts as eps. As in PyTorch the derivative by the variance is then the
    one at eps, not 0, so that a variance that came down to 0 can grow again.

    Parameters
    ----------
    prediction : Tensor
        The means f.
    target : array_like, the same shape
    var : Tensor or array_like
        The variances v ≥ 0: one number, or the means' shape, with 1 for any length or without
        the last axis.
    full : bool
        Add the constant ½ log 2π.
    eps : float
    reduction : {"mean", "sum", "batchmean", "none"}
    sample_weight : array_like, optional
    """
    check_options("gaussian_nll_loss", eps=eps)
    d = _difference("gaussian_nll_loss", prediction, target)
    v = _variance(var, d)
    v = v + ag.maximum(eps - v.detach(), 0.0)
    losses = 0.5 * (ag.log(v) + ag.square(d) / v)
    return reduce(
        losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction, sample_weight
    )


def _variance(var: Any, d: Tensor) -> Tensor:
    """Return variances that broadcast to the differences; refuse negative ones."""
    var = floats("gaussian_nll_loss: var", var, d.dtype)
    if (var.numpy() < 0).any():
        what, worst = "gaussian_nll_loss: variances >= 0", host(var).min()
        raise ShapeError(explain(what, worst, "Pass exp or softplus of what the model returns"))
    if var.shape == d.shape[:-1]:
        return var.reshape(*var.shape, 1) if d.ndim else var
    alike = var.ndim == d.ndim and all(
        v in (1, n) for v, n in zip(var.shape, d.shape, strict=True)
    )
    if var.ndim and not alike:
        what = f"gaussian_nll_loss: variances of shape {d.shape} or {d.shape[:-1]}"
        raise ShapeError(explain(what, var.shape, "Pass one variance per mean or per sample"))
    return var
