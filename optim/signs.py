"""Methods that ask a gradient for its sign alone: every element moves, however small its slope.

At a constant rate they end up circling the minimum at that distance; let the rate fall. As in
`first_order`, each is its paper's algorithm for a single parameter element.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np

from .rule import rule

__all__ = ["Lion", "Rprop", "SignSGD"]


@rule(state=("m",), source="Bernstein et al. (2018), signSGD, Algorithms 1 and 2")
def SignSGD(p, g, m, t, *, lr=1e-3, momentum=0.0, weight_decay=0.0):
    r"""Steps of one length against the sign of the gradient.

    .. math:: p \leftarrow p - \alpha \operatorname{sign}(g)

    Where the gradient is 0 the element stays.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The length :math:`\alpha` of a step.
    momentum : float
        Take the sign of a running mean with this decay instead (the paper's Signum).
    weight_decay : float
        Shrink the parameter by ``lr * weight_decay`` beside the step.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([4.0, -8.0], requires_grad=True)
    >>> optimizer = SignSGD([x], lr=1.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy()
    array([ 3., -7.])
    """
    if momentum:
        m = momentum * m + (1 - momentum) * g
        g = m
    step = np.sign(g)
    if weight_decay:
        step = step + weight_decay * p
    return p - lr * step, m


@rule(state=("m",), source="Chen et al. (2023), Symbolic Discovery of Optimization Algorithms")
def Lion(p, g, m, t, *, lr=1e-4, betas=(0.9, 0.99), weight_decay=1e-3):
    r"""Lion: the sign of a mixture of gradient and momentum.

    .. math::
        p \leftarrow p - \alpha \left(
            \operatorname{sign}(\beta_1 m + (1 - \beta_1) g) + \lambda p \right), \qquad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    Defaults are Optax's; steps are longer than Adam's, so the rate should be three to ten times
    smaller, and the weight decay larger.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The length :math:`\alpha` of a step.
    betas : (float, float)
        The mixture :math:`\beta_1`, and the decay :math:`\beta_2` of the momentum.
    weight_decay : float
        :math:`\lambda`, beside the step; 0 in Keras.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([4.0, -8.0], requires_grad=True)
    >>> optimizer = Lion([x], lr=1.0, weight_decay=0.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy()
    array([ 3., -7.])
    """
    beta1, beta2 = betas
    step = np.sign(beta1 * m + (1 - beta1) * g)
    if weight_decay:
        step = step + weight_decay * p
    m = beta2 * m + (1 - beta2) * g
    return p - lr * step, m


@rule(
    state=("before", "size"),
    source="Riedmiller & Braun (1993), A Direct Adaptive Method for Faster Backpropagation",
    constraints=(
        (
            lambda h: h["etas"][0] < 1.0 < h["etas"][1],
            "etas below and above 1",
            "Pass etas=(0.5, 1.2)",
        ),
        (
            lambda h: h["step_sizes"][0] <= h["step_sizes"][1],
            "step_sizes in rising order",
            "Pass step_sizes=(1e-6, 50.0)",
        ),
    ),
)
def Rprop(p, g, before, size, t, *, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    r"""Rprop: every element has a step size, which grows until the gradient changes its sign.

    .. math::
        \Delta \leftarrow \Delta \cdot
        \begin{cases}
            \eta^+ & g_t g_{t-1} > 0 \\ \eta^- & g_t g_{t-1} < 0 \\ 1 & \text{else}
        \end{cases}, \qquad
        p \leftarrow p - \Delta \operatorname{sign}(g)

    An element whose gradient has just changed its sign stays for one step. Meant for gradients of
    the whole data: those of minibatches change their sign at random.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The first step size; of no influence later.
    etas : (float, float)
        The factors :math:`\eta^-, \eta^+`.
    step_sizes : (float, float)
        The least and the largest step size.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([4.0, -8.0], requires_grad=True)
    >>> optimizer = Rprop([x], lr=1.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy()
    array([ 3., -7.])
    """
    shrink, grow = etas
    least, most = step_sizes
    start = lr if t == 1 else 0.0
    agreement = g * before
    size = size + start
    size = np.where(agreement > 0, grow * size, np.where(agreement < 0, shrink * size, size))
    size = np.minimum(np.maximum(size, least), most)
    before = np.where(agreement < 0, 0.0, g)
    return p - np.sign(before) * size, before, size
