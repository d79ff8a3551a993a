"""Relatives of Adam: other uses of a running mean of gradients and of their squares.

As in `first_order`, each is its paper's algorithm for a single parameter element.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

import numpy as np

from .rule import rule

__all__ = ["AdaBelief", "Adamax", "Adan", "NAdam", "RAdam", "Yogi"]


@rule(state=("m", "u"), source="Kingma & Ba (2015), Algorithm 2")
def Adamax(
    p, g, m, u, t, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, eps_in_norm=True
):
    r"""Adamax: Adam with the largest recent gradient in the place of the root mean square.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        u \leftarrow \max(\beta_2 u, |g| + \epsilon), \qquad
        p \leftarrow p - \frac{\alpha}{1 - \beta_1^t} \frac{m}{u}

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the mean and of the largest gradient.
    eps : float
        :math:`\epsilon`, which keeps the divisor from 0.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    eps_in_norm : bool
        Whether `eps` is added to :math:`|g|`, as in PyTorch and Optax, or to :math:`u` when it
        divides, as in Keras.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adamax([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1.5])
    """
    beta1, beta2 = betas
    if weight_decay:
        g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    if eps_in_norm:
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        divisor = u
    else:
        u = np.maximum(beta2 * u, np.abs(g))
        divisor = u + eps
    return p - lr / (1 - beta1**t) * m / divisor, m, u


@rule(
    state=("m", "v"),
    numbers={"product": 1.0},
    source="Dozat (2016), Incorporating Nesterov Momentum into Adam",
)
def NAdam(
    p,
    g,
    m,
    v,
    product,
    t,
    *,
    lr=2e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    momentum_decay=4e-3,
    decoupled_weight_decay=False,
):
    r"""NAdam: Adam that looks ahead, with a momentum that grows from half to all of beta.

    .. math::
        \mu_t &= \beta_1 (1 - 0.96^{t \psi} / 2), \qquad
        \hat v = v / (1 - \beta_2^t) \\
        \hat m &= \frac{\mu_{t+1} m}{1 - \mu_1 \cdots \mu_{t+1}}
            + \frac{(1 - \mu_t) g}{1 - \mu_1 \cdots \mu_t}, \qquad
        p \leftarrow p - \alpha \hat m / (\sqrt{\hat v} + \epsilon)

    with Adam's moments :math:`m` and :math:`v`. The product of the :math:`\mu` met is part of the
    state, so that betas may change on the way.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the moments.
    eps : float
        :math:`\epsilon`, added to the root.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient, unless decoupled.
    momentum_decay : float
        :math:`\psi`: how fast the momentum grows; 1 in Keras. Optax's ``nadam`` has no growth at
        all: ``Adam(nesterov=True)``.
    decoupled_weight_decay : bool
        Shrink the parameter by ``lr * weight_decay`` beside the step instead.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = NAdam([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.471774, -1.471774])
    """
    beta1, beta2 = betas
    if weight_decay:
        if decoupled_weight_decay:
            p = (1 - lr * weight_decay) * p
        else:
            g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    ahead = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    reached = product * mu
    first = lr * (1 - mu) / (1 - reached) * g + lr * ahead / (1 - reached * ahead) * m
    return p - first / (np.sqrt(1 / (1 - beta2**t) * v) + eps), m, v, reached


@rule(state=("m", "v"), source="Liu et al. (2020), On the Variance of the Adaptive Learning Rate")
def RAdam(
    p,
    g,
    m,
    v,
    t,
    *,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    decoupled_weight_decay=False,
    eps_hat=True,
):
    r"""RAdam: Adam that trusts the second moment only as far as enough gradients have been seen.

    .. math::
        \rho_\infty = \frac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}
            {(\rho_\infty - 4)(\rho_\infty - 2)\rho_t}}

    While :math:`\rho_t \le 5`, the step is :math:`\alpha \hat m`; afterwards
    :math:`\alpha r_t \hat m \sqrt{1 - \beta_2^t} / (\sqrt v + \epsilon)`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the moments.
    eps : float
        :math:`\epsilon`, added to the root.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient, unless decoupled.
    decoupled_weight_decay : bool
        Shrink the parameter by ``lr * weight_decay`` beside the step instead.
    eps_hat : bool
        Whether `eps` is added before the correction of :math:`v`, as in PyTorch, or after it, as
        in Optax.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RAdam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1. ])
    """
    beta1, beta2 = betas
    if weight_decay:
        if decoupled_weight_decay:
            p = (1 - lr * weight_decay) * p
        else:
            g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    final = 2 / (1 - beta2) - 1
    rho = final - 2 * t * beta2**t / (1 - beta2**t)
    trust = (rho - 4) * (rho - 2) * final / ((final - 4) * (final - 2) * rho) if rho > 5 else 1.0
    correction = math.sqrt(1 - beta2**t)
    rate = lr / (1 - beta1**t) * (math.sqrt(trust) * correction if rho > 5 else 1.0)
    offset = eps if eps_hat else eps * correction
    return p - rate * m / np.where(rho > 5, np.sqrt(v) + offset, 1.0), m, v


@rule(state=("m", "v"), source="Zhuang et al. (2020), AdaBelief Optimizer")
def AdaBelief(p, g, m, v, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-16, eps_root=1e-16):
    r"""AdaBelief: Adam whose steps are long where gradients are as expected, short where not.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2) (g - m)^2 + \epsilon_r \\
        p &\leftarrow p - \alpha \hat m / (\sqrt{\hat v} + \epsilon)

    with both moments corrected as in Adam. Defaults and details are Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the moments.
    eps, eps_root : float
        Added to the root, and in every step to :math:`v`.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = AdaBelief([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.888889, -1.888889])
    """
    beta1, beta2 = betas
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g - m) * (g - m) + eps_root
    return p - lr / (1 - beta1**t) * m / (np.sqrt(1 / (1 - beta2**t) * v) + eps), m, v


@rule(state=("m", "v"), source="Zaheer et al. (2018), Adaptive Methods for Nonconvex Optimization")
def Yogi(p, g, m, v, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-3, initial_accumulator_value=1e-6):
    r"""Yogi: Adam whose second moment falls as slowly as it rises.

    .. math:: v \leftarrow v - (1 - \beta_2) \operatorname{sign}(v - g^2) g^2

    and otherwise Adam. Defaults and details are Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2` of the moments.
    eps : float
        Added to the root.
    initial_accumulator_value : float
        Where both moments start.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Yogi([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(4)
    array([ 0.5003, -1.5001])
    """
    beta1, beta2 = betas
    start = initial_accumulator_value if t == 1 else 0.0
    m = beta1 * (m + start) + (1 - beta1) * g
    v = v + start
    v = v - (1 - beta2) * np.sign(v - g * g) * g * g
    return p - lr / (1 - beta1**t) * m / (np.sqrt(1 / (1 - beta2**t) * v) + eps), m, v


@rule(state=("m", "d", "n", "before"), source="Xie et al. (2022), Adan, Algorithm 1")
def Adan(
    p,
    g,
    m,
    d,
    n,
    before,
    t,
    *,
    lr=1e-3,
    betas=(0.98, 0.92, 0.99),
    eps=1e-8,
    eps_root=1e-8,
    weight_decay=0.0,
):
    r"""Adan: Nesterov's look-ahead, estimated from the differences of successive gradients.

    .. math::
        \delta &= g_t - g_{t-1}, \qquad
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        d \leftarrow \beta_2 d + (1 - \beta_2) \delta \\
        n &\leftarrow \beta_3 n + (1 - \beta_3) (g + (1 - \beta_2) \delta)^2 \\
        p &\leftarrow p - \alpha \left( \frac{\hat m + (1 - \beta_2) \hat d}
            {\sqrt{\hat n + \epsilon_r} + \epsilon} + \lambda p \right)

    with all three corrected as Adam's moments; :math:`\delta` is 0 at first. Defaults and details
    are Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float, float)
        The decays :math:`\beta_1, \beta_2, \beta_3`.
    eps, eps_root : float
        Added to the root, and under it.
    weight_decay : float
        :math:`\lambda`, beside the step.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adan([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1.5])
    """
    beta1, beta2, beta3 = betas
    seen = 0.0 if t == 1 else 1.0
    change = seen * (g - before)
    ahead = g + (1 - beta2) * change
    m = beta1 * m + (1 - beta1) * g
    d = beta2 * d + (1 - beta2) * change
    n = beta3 * n + (1 - beta3) * ahead * ahead
    first = 1 / (1 - beta1**t) * m + (1 - beta2) / (1 - beta2**t) * d
    step = first / (np.sqrt(1 / (1 - beta3**t) * n + eps_root) + eps)
    if weight_decay:
        step = step + weight_decay * p
    before = g
    return p - lr * step, m, d, n, before
