"""First-order optimizers, in order of increasing complexity.

Every one is its paper's algorithm for a single parameter element ``p`` with gradient ``g``; the
step count ``t`` starts at 1 and the state at 0. `recurrence` explains how the body is run.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

import numpy as np

from .rule import rule, variant

__all__ = ["ASGD", "SGD", "Adam", "AdamW"]


@rule(
    state=("v",),
    source="Robbins & Monro (1951); Polyak (1964); Sutskever et al. (2013)",
    constraints=(
        (
            lambda h: not h["nesterov"] or (h["momentum"] > 0 and h["dampening"] == 0),
            "nesterov=True with momentum > 0 and dampening = 0",
            "Pass momentum=0.9, dampening=0",
        ),
    ),
)
def SGD(
    p,
    g,
    v,
    t,
    *,
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    nesterov=False,
    lr_in_velocity=False,
):
    r"""Stochastic gradient descent, with momentum if wanted.

    .. math:: v \leftarrow \beta v + (1 - d) g, \qquad p \leftarrow p - \alpha v

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    momentum : float
        The decay :math:`\beta` of the velocity.
    dampening : float
        The :math:`d` by which gradients after the first are damped.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    nesterov : bool
        Look ahead: step by :math:`g + \beta v`.
    lr_in_velocity : bool
        The lecture's form :math:`V \leftarrow \beta V - \alpha g,\; p \leftarrow p + V`, with the
        rate inside the velocity. Equal at a constant rate; under a schedule, earlier gradients
        keep the rate that they were met with.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy()
    array([ 0.5, -1. ])
    """
    if weight_decay:
        g = g + weight_decay * p
    if lr_in_velocity:
        g = lr * g
    if momentum:
        fresh = 1.0 if t == 1 else 1.0 - dampening
        v = momentum * v + fresh * g
        if nesterov:
            g = g + momentum * v
        else:
            g = v
    if not lr_in_velocity:
        g = lr * g
    return p - g, v


@rule(
    state=("average",),
    source="Polyak & Juditsky (1992); Bottou (2010), Large-Scale Machine Learning with SGD",
)
def ASGD(p, g, average, t, *, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    r"""Averaged stochastic gradient descent: falling steps, and the mean of the path beside them.

    .. math::
        \eta_t = \alpha / (1 + \lambda \alpha (t - 1))^a, \qquad
        p \leftarrow (1 - \lambda \eta_t) p - \eta_t g

    The average of the parameters after step :math:`t_0` is kept as the state ``average``; until
    then it is the parameter itself. PyTorch's ASGD, except that a rate that is set acts at once
    (there, from the step after next on).

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The first step size.
    lambd : float
        :math:`\lambda`, the decay of the parameters, and of the step size with `t`.
    alpha : float
        The power :math:`a` by which the step size falls.
    t0 : float
        The step after which averaging begins.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0], requires_grad=True)
    >>> optimizer = ASGD([x], lr=0.25, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).sum().backward()
    ...     optimizer.step()
    >>> x.numpy()
    array([0.125])
    >>> optimizer.state_dict()["state"][0]["average"]
    array([0.1875])
    """
    if weight_decay:
        g = g + weight_decay * p
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    share = 1 / max(1, t - 1 - t0) if t > 1 else 1.0
    p = (1 - lambd * eta) * p - eta * g
    average = np.where(share < 1, average + share * (p - average), p)
    return p, average


@rule(
    state=("m", "v", "peak"),
    source="Kingma & Ba (2015), Algorithm 1; Loshchilov & Hutter (2019); Reddi et al. (2018)",
)
def Adam(
    p,
    g,
    m,
    v,
    peak,
    t,
    *,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    decoupled_weight_decay=False,
    eps_root=0.0,
    eps_hat=False,
    amsgrad_corrected=False,
    nesterov=False,
):
    r"""Adam: steps scaled by running estimates of the gradient's first two moments.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \hat m &= m / (1 - \beta_1^t), \qquad \hat v = v / (1 - \beta_2^t) \\
        p &\leftarrow p - \alpha \hat m / (\sqrt{\hat v + \epsilon_r} + \epsilon)

    The moments start at zero, so without the division by :math:`1 - \beta^t` the first estimates
    would be too small. The count `t` starts at 1: at 0 the correction would divide by zero.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`, about the largest change of an element in a step.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the moments.
    eps : float
        :math:`\epsilon`, added to the root.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient, unless decoupled.
    amsgrad : bool
        Use the largest :math:`v` met so far, so that the step size never grows.
    decoupled_weight_decay : bool
        Shrink the parameter by ``lr * weight_decay`` beside the step instead, as `AdamW` does.
    eps_root : float
        :math:`\epsilon_r`, added under the root.
    eps_hat : bool
        Add `eps` to the root before :math:`v` is corrected, as Keras does; it is Kingma & Ba's
        :math:`\hat\epsilon`, and larger in effect at first.
    amsgrad_corrected : bool
        Let amsgrad take the largest :math:`\hat v` instead, as Optax does.
    nesterov : bool
        Look ahead by one step of the first moment, as Optax's ``adam(nesterov=True)`` and
        ``nadam`` do; `NAdam` has the schedule of Dozat's paper.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1.5])
    """
    beta1, beta2 = betas
    if weight_decay:
        if decoupled_weight_decay:
            p = (1 - lr * weight_decay) * p
        else:
            g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    second = v
    if amsgrad_corrected:
        second = 1 / (1 - beta2**t) * second
    if amsgrad:
        peak = np.maximum(peak, second)
        second = peak
    if not amsgrad_corrected:
        second = 1 / (1 - beta2**t) * second  # a division per element costs a third of the loop
    if eps_root:
        second = second + eps_root
    if nesterov:
        first = lr * beta1 / (1 - beta1 ** (t + 1)) * m + lr * (1 - beta1) / (1 - beta1**t) * g
    else:
        first = lr / (1 - beta1**t) * m
    offset = eps / math.sqrt(1 - beta2**t) if eps_hat else eps
    return p - first / (np.sqrt(second) + offset), m, v, peak


AdamW = variant(
    Adam,
    "AdamW",
    """Adam with decoupled weight decay: ``p = p - lr * weight_decay * p``, then Adam's step.

    The parameters are those of `Adam`; by default ``weight_decay`` is 0.01.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([10.0], requires_grad=True)
    >>> optimizer = AdamW([x], lr=0.5, weight_decay=0.1)
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([9.])
    """,
    weight_decay=1e-2,
    decoupled_weight_decay=True,
)
