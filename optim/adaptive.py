"""A learning rate for every element: scaled by the gradients that the element has met.

As in `first_order`, each is its paper's algorithm for a single parameter element.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np

from .rule import rule

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


@rule(state=("s",), source="Duchi, Hazan & Singer (2011)")
def Adagrad(
    p,
    g,
    s,
    t,
    *,
    lr=1e-2,
    lr_decay=0.0,
    weight_decay=0.0,
    initial_accumulator_value=0.0,
    eps=1e-10,
    eps_in_sqrt=False,
):
    r"""Adagrad: steps divided by the root of the sum of all squared gradients.

    .. math::
        s \leftarrow s + g^2, \qquad
        p \leftarrow p - \frac{\alpha}{1 + \eta (t - 1)} \frac{g}{\sqrt s + \epsilon}

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    lr_decay : float
        :math:`\eta`, by which the rate falls besides.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    initial_accumulator_value : float
        Where :math:`s` starts; 0.1 in Optax and Keras.
    eps : float
        :math:`\epsilon`; 1e-7 in Optax and Keras.
    eps_in_sqrt : bool
        Add `eps` under the root instead, as Optax and Keras do.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1.5])
    """
    if weight_decay:
        g = g + weight_decay * p
    if initial_accumulator_value:
        start = initial_accumulator_value if t == 1 else 0.0
        s = s + start
    s = s + g * g
    if eps_in_sqrt:
        root = np.sqrt(s + eps)
    else:
        root = np.sqrt(s) + eps
    return p - lr / (1 + (t - 1) * lr_decay) * g / root, s


@rule(
    state=("s", "mean", "v"),
    source="Tieleman & Hinton (2012), lecture 6.5; Graves (2013), arXiv 1308.0850",
    constraints=(
        (
            lambda h: not h["nesterov"] or h["momentum"] > 0,
            "nesterov=True with momentum > 0",
            "Pass momentum=0.9",
        ),
    ),
)
def RMSprop(
    p,
    g,
    s,
    mean,
    v,
    t,
    *,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    centered=False,
    eps_in_sqrt=False,
    lr_in_velocity=False,
    nesterov=False,
):
    r"""RMSprop: steps divided by a running root mean square of the gradient.

    .. math::
        s \leftarrow a s + (1 - a) g^2, \qquad
        p \leftarrow p - \alpha \frac{g}{\sqrt s + \epsilon}

    PyTorch's method. Keras and Optax call the decay `rho` or `decay` and have 0.9; both add `eps`
    under the root and keep the rate inside the velocity: pass ``alpha=0.9, eps_in_sqrt=True,
    lr_in_velocity=True``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    alpha : float
        The decay :math:`a` of the mean square.
    eps : float
        :math:`\epsilon`, added to the root.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    momentum : float
        The decay of a velocity that gathers the scaled gradients.
    centered : bool
        Divide by a running standard deviation instead: subtract from :math:`s` the square of a
        running mean.
    eps_in_sqrt : bool
        Add `eps` under the root instead.
    lr_in_velocity : bool
        Gather the steps in the velocity, as they were at their time. Equal at a constant rate.
    nesterov : bool
        Look ahead: step by the scaled gradient and the velocity that it leads to.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RMSprop([x], lr=0.05)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.5, -1.5])
    """
    if weight_decay:
        g = g + weight_decay * p
    s = alpha * s + (1 - alpha) * g * g
    square = s
    if centered:
        mean = mean + (1 - alpha) * (g - mean)
        square = s - mean * mean
    if eps_in_sqrt:
        root = np.sqrt(square + eps)
    else:
        root = np.sqrt(square) + eps
    g = g / root
    if lr_in_velocity:
        g = lr * g
    if momentum:
        v = momentum * v + g
        if nesterov:
            g = g + momentum * v
        else:
            g = v
    if not lr_in_velocity:
        g = lr * g
    return p - g, s, mean, v


@rule(state=("s", "d"), source="Zeiler (2012), ADADELTA, arXiv 1212.5701")
def Adadelta(p, g, s, d, t, *, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    r"""Adadelta: steps in the units of the parameter, by the ratio of two root mean squares.

    .. math::
        s \leftarrow \rho s + (1 - \rho) g^2, \qquad
        \Delta = \frac{\sqrt{d + \epsilon}}{\sqrt{s + \epsilon}} g, \qquad
        d \leftarrow \rho d + (1 - \rho) \Delta^2, \qquad
        p \leftarrow p - \alpha \Delta

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The factor :math:`\alpha` of the steps; the paper has none.
    rho : float
        The decay of both mean squares; 0.95 in Keras.
    eps : float
        :math:`\epsilon`, on which the first steps depend; 1e-7 in Keras.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient.
    maximize : bool
        Ascend instead.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adadelta([x], eps=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 0.105573, -1.029857])
    """
    if weight_decay:
        g = g + weight_decay * p
    s = rho * s + (1 - rho) * g * g
    change = np.sqrt(d + eps) / np.sqrt(s + eps) * g
    d = rho * d + (1 - rho) * change * change
    return p - lr * change, s, d
