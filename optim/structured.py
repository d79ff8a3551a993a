"""Optimizers whose update looks at a whole tensor at once, not at one element.

They share the step, the groups and the state of all optimizers, and write their plan out: the
elementwise part is a recurrence like any other, the rest is NumPy on whole tensors.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from autograd_core.update import update_op

from .clipping import clip_grad_norm_, l2_norm
from .first_order import SGD
from .groups import ParamGroup, Plan
from .optimizer import Optimizer
from .recurrence import Program, Recurrence

__all__ = ["LAMB", "LARS"]


def direction(
    p,
    g,
    m,
    v,
    u,
    t,
    *,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-6,
    weight_decay=0.0,
    bias_correction=True,
    eps_root=0.0,
    decoupled_weight_decay=False,
):
    """Adam's step at rate 1 with the decay inside: `u` in LAMB's notation r + lambda x."""
    beta1, beta2 = betas
    if weight_decay and decoupled_weight_decay:
        p = (1 - lr * weight_decay) * p
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
    if weight_decay and not decoupled_weight_decay:
        u = u + weight_decay * p
    return p, m, v, u


def decayed(p, g, u, t, *, weight_decay=0.0):
    """The gradient with the decay added: LARS's direction."""
    u = g
    if weight_decay:
        u = u + weight_decay * p
    return p, u


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
    decoupled_weight_decay : bool
        Shrink the parameter by ``lr * weight_decay`` beside the step instead, as Keras does.
    trust_clip : bool
        Limit the trust ratio to 1.
    always_adapt : bool
        Whether to apply the trust ratio also without weight decay.
    max_grad_norm : float, optional
        Scale the gradients of all tensors down to this joint norm first; the paper uses 1.
    clamp_value : float, optional
        The largest :math:`\lVert p \rVert` to count; torch_optimizer's Lamb has 10, and no bias
        correction.
    rate_correction : bool
        Correct the rate by :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)` outside the trust
        ratio, which is what torch_optimizer's Lamb calls `debias`; in place of `bias_correction`.
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
    constraints = (
        (
            lambda h: not (h["bias_correction"] and h["rate_correction"]),
            "one correction, of the moments or of the rate",
            "Pass bias_correction=False with rate_correction=True",
        ),
    )
    defaults: ClassVar[dict[str, Any]] = {
        **recurrence.hyper,
        "trust_clip": False,
        "always_adapt": True,
        "max_grad_norm": None,
        "clamp_value": None,
        "rate_correction": False,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the direction's recurrence, followed by the step along it."""
        trust = TrustRatio(
            largest=1.0 if group["trust_clip"] else math.inf,
            clamp=group["clamp_value"] or math.inf,
            always=group["always_adapt"] or group["weight_decay"] > 0,
        )
        rate = corrected_rate if group["rate_correction"] else plain_rate
        along = SGD.recurrence.program(SGD.defaults)
        return scaled_step(self.recurrence.program(group), along, trust, rate)

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        limits = [group["max_grad_norm"] for group in self.param_groups]
        limit = min((limit for limit in limits if limit is not None), default=None)
        if limit is not None:
            clip_grad_norm_([slot.parameter for slot in self._slots()], limit, eps=0.0)
        super().step()


class LARS(Optimizer):
    r"""LARS: gradient descent with momentum, the rate of every tensor in proportion to its length.

    .. math::
        u = g + \lambda p, \qquad
        v \leftarrow \beta v + \alpha \frac{\eta \lVert p \rVert}
            {\lVert u \rVert + \epsilon} u, \qquad
        p \leftarrow p - v

    The trust ratio is taken per tensor, and is 1 where either norm is 0. Definition and defaults
    are Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    momentum : float
        The decay :math:`\beta` of the velocity, which holds the rate inside.
    weight_decay : float
        :math:`\lambda`, inside the trust ratio.
    trust_coefficient : float
        :math:`\eta`.
    eps : float
        :math:`\epsilon`.
    nesterov : bool
        Look ahead, as in `SGD`.
    maximize : bool
        Ascend instead.

    References
    ----------
    You, Gitman & Ginsburg (2017), Large Batch Training of Convolutional Networks, arXiv
    1708.03888.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = LARS([x], lr=1.0, trust_coefficient=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 2.7, -3.6])
    """

    recurrence: ClassVar[Recurrence] = Recurrence(decayed, ("u",))
    constraints = (
        (
            lambda h: not h["nesterov"] or h["momentum"] > 0,
            "nesterov=True with momentum > 0",
            "Pass momentum=0.9",
        ),
    )
    defaults: ClassVar[dict[str, Any]] = {
        "lr": 1e-3,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "trust_coefficient": 1e-3,
        "eps": 0.0,
        "nesterov": False,
        "maximize": False,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the decayed gradient, followed by a step of `SGD` along it."""
        trust = TrustRatio(group["trust_coefficient"], group["eps"])
        chosen = {name: group[name] for name in ("momentum", "nesterov")}
        along = SGD.recurrence.program({**SGD.defaults, "lr_in_velocity": True, **chosen})
        return scaled_step(self.recurrence.program(group), along, trust, plain_rate)


def plain_rate(t: int, hyper: Mapping[str, Any]) -> float:
    """Return the learning rate as it is."""
    return hyper["lr"]


def corrected_rate(t: int, hyper: Mapping[str, Any]) -> float:
    """Return the learning rate corrected for the moments' start at zero."""
    beta1, beta2 = hyper["betas"]
    return hyper["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)


class TrustRatio(NamedTuple):
    """How long a step may be, given the lengths of a tensor and of the direction."""

    coefficient: float = 1.0
    eps: float = 0.0
    largest: float = math.inf
    clamp: float = math.inf
    always: bool = True

    def __call__(self, p: np.ndarray, u: np.ndarray) -> float:
        """Return the factor for the direction `u` from the point `p`."""
        if not self.always:
            return 1.0
        size, length = min(l2_norm(p), self.clamp), l2_norm(u)
        if not (size > 0 and length > 0):
            return 1.0
        return min(self.coefficient * size / (length + self.eps), self.largest)


class ScaledStep:
    """Two recurrences: the first computes a direction, the second steps along it.

    The rate of the second is scaled by the trust ratio.
    """

    def __init__(
        self, direction: Program, along: Program, trust: TrustRatio, rate: Callable[..., float]
    ) -> None:
        self.direction = direction
        self.along = along
        self.trust = trust
        self.rate = rate
        self.state = (*direction.state[:-1], *along.state)
        self.numbers: Mapping[str, float] = {}
        self.shapes = along.shapes

    def scalars(
        self, t: int, hyper: Mapping[str, Any], numbers: Mapping[str, float]
    ) -> dict[str, float]:
        """Return the scalars of both recurrences."""
        along = self.along.scalars(t, {**SGD.defaults, **hyper, "lr": self.rate(t, hyper)})
        return {
            **self.direction.scalars(t, hyper),
            **{f"along_{name}": value for name, value in along.items()},
        }

    def update(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return the op ``scaled_step(p, g, *state, **scalars)``."""
        direct, advance = self.direction.function(dtype), self.along.function(dtype)
        kept, trust = len(self.direction.state) - 1, self.trust
        first = self.direction.constants
        then = [(name, f"along_{name}") for name in self.along.constants]

        def scaled_step(p, g, *state, **scalars):
            u = np.empty(p.size, p.dtype)
            direct(p, g, *state[:kept], u, **{name: scalars[name] for name in first})
            along = {name: scalars[prefixed] for name, prefixed in then}
            along["lr"] *= trust(p, u)
            advance(p, u, *state[kept:], **along)

        operands = ("p", "g", *self.state)
        return update_op("scaled_step", scaled_step, operands, ("p", *self.state))

    def native(self, dtype: np.dtype[Any]) -> None:
        """Return nothing: only the host can do the norms between the two."""


scaled_step = functools.cache(ScaledStep)
