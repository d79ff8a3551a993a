"""Gradient clipping: keep one bad batch from throwing the parameters far away.

Called between ``backward()`` and ``optimizer.step()``. Like the optimizers' updates, the clipping
of gradients goes through update ops, which write their operands; within a compiled function it is
made of ops that any derivative is made of, so that the program has it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Tensor
from autograd_core.errors import DTypeError, explain
from autograd_core.update import collected, noted, regrade, update_op

from .hyperparameters import POSITIVE, HyperparameterError, number

__all__ = [
    "clip_grad_adaptive_",
    "clip_grad_norm_",
    "clip_grad_value_",
    "l2_norm",
    "scale_gradients",
]


def l2_norm(array: np.ndarray) -> float:
    """Return the Euclidean norm, in double precision where the array's own overflows."""
    squares = float(np.vdot(array, array))
    if not math.isfinite(squares):
        wide = array.astype(np.float64)
        squares = float(np.vdot(wide, wide))
    return math.sqrt(squares)


def _joint_norm(gradients: list[np.ndarray], order: float) -> float:
    """Return the norm of all gradients as one vector."""
    if order == 2.0:
        return math.hypot(*map(l2_norm, gradients))
    magnitudes = [np.abs(g, dtype=np.float64) for g in gradients if g.size]
    if math.isinf(order):
        return max((float(m.max()) for m in magnitudes), default=0.0)
    return float(sum(float((m**order).sum()) for m in magnitudes) ** (1.0 / order))


@np.errstate(all="ignore")  # infinities become NaN, which the next loss shows
def _scale(*gradients: np.ndarray, factor: float) -> None:
    for gradient in gradients:
        gradient *= factor


def _clip(*gradients: np.ndarray, limit: float) -> None:
    for gradient in gradients:
        np.clip(gradient, -limit, limit, out=gradient)


@np.errstate(all="ignore")
def _limit_rows(parameter: np.ndarray, gradient: np.ndarray, *, factor: float, eps: float) -> None:
    largest = factor * np.maximum(_row_norms(parameter), eps)
    norms = _row_norms(gradient)
    # So worded, NaN spreads instead of passing unseen.
    gradient *= np.where(norms <= largest, 1.0, largest / norms).astype(gradient.dtype)


def _row_norms(array: np.ndarray) -> np.ndarray:
    """Return the norm of what belongs to each unit, in double precision, ready to broadcast."""
    wide = array.astype(np.float64)
    scale = np.max(np.abs(wide), initial=0.0) or 1.0  # squares of large elements would overflow
    wide /= scale
    axes = tuple(range(1, wide.ndim)) if wide.ndim > 1 else None
    return scale * np.sqrt(np.sum(wide * wide, axis=axes, keepdims=True))


scale_gradients = update_op("scale_gradients", _scale, ("gradients",), ("gradients",))
clip_gradients = update_op("clip_gradients", _clip, ("gradients",), ("gradients",))
limit_rows = update_op("limit_rows", _limit_rows, ("parameter", "gradient"), ("gradient",))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    eps: float = 1e-6,
) -> float | Tensor:
    r"""Scale the gradients so that their joint norm is at most `max_norm`.

    All gradients are taken as one vector and multiplied by
    :math:`\min(1, \text{max\_norm} / (\text{norm} + \epsilon))`, so their direction stays.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
        The largest norm allowed.
    norm_type : float
        The order of the norm; ``inf`` for the largest magnitude.
    error_if_nonfinite : bool
        Raise if the norm is infinite or NaN, instead of spreading NaN or zeros.
    eps : float
        Added to the norm: PyTorch's value by default; Optax and Keras have 0.

    Returns
    -------
    float
        The norm before clipping; within a function that is compiled, a tensor that holds it.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = [30.0, 40.0]
    >>> clip_grad_norm_([x], 5.0)
    50.0
    >>> x.grad.round(6)
    array([3., 4.])
    """
    limit = number("clip_grad_norm_", "max_norm", max_norm, POSITIVE, 1.0)
    order = norm_type
    if order != math.inf:
        order = number("clip_grad_norm_", "norm_type", norm_type, POSITIVE, 2.0)
    tensors = _with_gradients("clip_grad_norm_", parameters)
    if noted() and (some := [tensor for tensor in tensors if tensor.size]):
        return _clip_by_ops(some, limit, order, error_if_nonfinite, eps)
    gradients = _gradients(tensors)
    norm = _joint_norm(gradients, order)
    _check_finite(error_if_nonfinite, norm)
    if not norm + eps <= limit:  # so worded, NaN spreads instead of passing unseen
        scale_gradients(*gradients, factor=limit / (norm + eps))
    return norm


def _check_finite(wanted: bool, norm: float | Tensor) -> None:
    if wanted and not ag.isfinite(norm):
        do = "Lower the learning rate, or look for the operation that overflowed"
        raise HyperparameterError(explain("clip_grad_norm_: finite gradients", float(norm), do))


def _clip_by_ops(
    tensors: Sequence[Tensor], limit: float, order: float, error_if_nonfinite: bool, eps: float
) -> Tensor:
    norms: list[Tensor] = []

    def scaled(gradients: list[Tensor]) -> list[Tensor]:
        norm = _norm_by_ops(gradients, order)
        _check_finite(error_if_nonfinite, norm)
        norms.append(norm)
        factor = ag.minimum(limit / (norm + eps), 1.0)  # NaN spreads
        return [g * _of_dtype(factor, g.dtype) for g in gradients]

    regrade(tensors, scaled)
    return norms[0]


def _norm_by_ops(gradients: Sequence[Tensor], order: float) -> Tensor:
    """Return what `_joint_norm` does; squares that overflow have stopped a program before."""
    if order == 2.0:
        return ag.sqrt(_total([flat @ flat for flat in map(ag.ravel, gradients)]))
    if math.isinf(order):
        return functools.reduce(ag.maximum, [ag.max(ag.abs(g)) for g in gradients])
    wide = [_of_dtype(g, np.dtype(np.float64)) for g in gradients]
    return ag.power(_total([ag.sum(ag.abs(g) ** order) for g in wide]), 1.0 / order)


def _of_dtype(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return x if x.dtype == dtype else ag.astype(x, dtype=dtype)


def _total(parts: Sequence[Tensor]) -> Tensor:
    return functools.reduce(ag.add, parts)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of the gradients to ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    clip_value : float
        The largest magnitude allowed.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = [0.1, -7.0]
    >>> clip_grad_value_([x], 0.5)
    >>> x.grad
    array([ 0.1, -0.5])
    """
    limit = number("clip_grad_value_", "clip_value", clip_value, POSITIVE, 1.0)
    tensors = _with_gradients("clip_grad_value_", parameters)
    if noted():
        regrade(tensors, lambda gradients: [ag.clip(g, -limit, limit) for g in gradients])
    else:
        clip_gradients(*_gradients(tensors), limit=limit)


def clip_grad_adaptive_(
    parameters: Tensor | Iterable[Tensor], clip_factor: float = 0.01, eps: float = 1e-3
) -> None:
    r"""Limit the gradient of each unit to a fraction of the norm of the unit's own weights.

    .. math:: g_i \leftarrow g_i \min\left(1,
              \lambda \frac{\max(\lVert w_i \rVert, \epsilon)}{\lVert g_i \rVert}\right)

    A unit is a row of a weight matrix (all but the first axis), or a whole bias.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    clip_factor : float
        :math:`\lambda`, the largest relative size of a step of rate 1.
    eps : float
        The smallest norm of the weights to count, so that units at zero can start.

    References
    ----------
    Brock et al. (2021), High-Performance Large-Scale Image Recognition Without Normalization,
    equation 3.

    Examples
    --------
    >>> import autograd_core as ag
    >>> w = ag.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    >>> w.grad = [[0.0, 1.0], [0.0, 1.0]]
    >>> clip_grad_adaptive_([w], clip_factor=0.1, eps=0.01)
    >>> w.grad
    array([[0.   , 0.5  ],
           [0.   , 0.001]])
    """
    owner = "clip_grad_adaptive_"
    factor = number(owner, "clip_factor", clip_factor, POSITIVE, 0.01)
    floor = number(owner, "eps", eps, POSITIVE, 1e-3)
    for tensor in _tensors(owner, parameters):
        if tensor.grad is not None:
            limit_rows(tensor, tensor.grad, factor=factor, eps=floor)


def _with_gradients(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = _tensors(owner, parameters)
    return [tensor for tensor in tensors if collected(tensor) is not None]


def _gradients(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    return [gradient for tensor in tensors if (gradient := collected(tensor)) is not None]


def _tensors(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            what = f"{owner}: parameters that are tensors"
            do = "Pass model.parameters()"
            raise DTypeError(explain(what, f"a {type(tensor).__name__}", do))
    return tensors
