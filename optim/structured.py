"""Optimizers whose update looks at a whole tensor at once, not at one element.

They share the step, the groups and the state of all optimizers, and write their plan out: the
elementwise part is a recurrence like any other, the rest is NumPy on whole tensors.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from autograd_core.update import update_op

from .clipping import clip_grad_norm_, l2_norm
from .groups import ParamGroup, Plan
from .optimizer import Optimizer
from .recurrence import Program, Recurrence

__all__ = ["LAMB"]


def direction(
    p,
    g,
    m,
    v,
    u,
    t,
    *,
    betas=(0.9, 0.999),
    eps=1e-6,
    weight_decay=0.0,
    bias_correction=True,
    eps_root=0.0,
):
    """Adam's step at rate 1 with the decay inside: `u` in LAMB's notation r + lambda x."""
    beta1, beta2 = betas
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    first = m
    second = v
    if bias_correction:
        first = 1 / (1 - beta1**t) * m
        second = 1 / (1 - beta2**t) * v
    if eps_root:
        second = second + eps_root
    u = first / (np.sqrt(second) + eps)
    if weight_decay:
        u = u + weight_decay * p
    return p, m, v, u


class LAMB(Optimizer):
    r"""LAMB: Adam's direction, with a length proportional to the length of the tensor itself.

    .. math::
        u = \hat m / (\sqrt{\hat v + \epsilon_r} + \epsilon) + \lambda p, \qquad
        p \leftarrow p - \alpha \frac{\lVert p \rVert}{\lVert u \rVert} u

    The trust ratio :math:`\lVert p \rVert / \lVert u \rVert` is taken per tensor, and is 1 where
    either norm is 0. The defaults are Optax's, which are closest to the paper.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`: the relative change of a tensor in a step.
    betas : (float, float)
        The decays of the moments.
    eps, eps_root : float
        Added to the root, and under it.
    weight_decay : float
        :math:`\lambda`, inside the trust ratio.
    bias_correction : bool
        Divide the moments by :math:`1 - \beta^t`, as Adam does.
    trust_clip : bool
        Limit the trust ratio to 1.
    always_adapt : bool
        Whether to apply the trust ratio also without weight decay.
    max_grad_norm : float, optional
        Scale the gradients of all tensors down to this joint norm first; the paper uses 1.
    maximize : bool
        Ascend instead.

    References
    ----------
    You et al. (2020), Large Batch Optimization for Deep Learning, Algorithm 2, arXiv 1904.00962.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = LAMB([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 2.646447, -3.646447])
    """

    recurrence: ClassVar[Recurrence] = Recurrence(direction, ("m", "v", "u"))
    defaults: ClassVar[dict[str, Any]] = {
        "lr": 1e-3,
        **recurrence.hyper,
        "trust_clip": False,
        "always_adapt": True,
        "max_grad_norm": None,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the direction's recurrence, followed by the step along it."""
        adapt = group["always_adapt"] or group["weight_decay"] > 0
        largest = 1.0 if group["trust_clip"] else math.inf
        return trust_ratio(self.recurrence.program(group), adapt, largest)

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        limits = [group["max_grad_norm"] for group in self.param_groups]
        limit = min((limit for limit in limits if limit is not None), default=None)
        if limit is not None:
            clip_grad_norm_([slot.parameter for slot in self._slots()], limit, eps=0.0)
        super().step()


class TrustRatio:
    """A step along the direction that a recurrence computes, as long as the tensor deserves."""

    state = ("m", "v")

    def __init__(self, program: Program, adapt: bool, largest: float) -> None:
        self.program = program
        self.adapt = adapt
        self.largest = largest

    def scalars(self, t: int, hyper: Mapping[str, Any]) -> dict[str, float]:
        """Return the scalars of the direction, and the learning rate."""
        return {"lr": hyper["lr"], **self.program.scalars(t, hyper)}

    def update(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return the op ``lamb(p, g, m, v, **scalars)``."""
        advance = self.program.function(dtype)

        def lamb(p, g, m, v, *, lr, **scalars):
            u = np.empty_like(m)
            advance(p, g, m, v, u, **scalars)
            u *= lr * self.ratio(p, u)
            in_order = p if p.flags.c_contiguous else p.T
            in_order -= u.reshape(in_order.shape)

        return update_op("lamb", lamb, ("p", "g", "m", "v"), ("p", "m", "v"))

    def ratio(self, p: np.ndarray, u: np.ndarray) -> float:
        """Return the trust ratio of one tensor."""
        if not self.adapt:
            return 1.0
        size, length = l2_norm(p), l2_norm(u)
        return min(size / length, self.largest) if size > 0 and length > 0 else 1.0


trust_ratio = functools.cache(TrustRatio)
