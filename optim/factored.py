"""Optimizers that keep less than one number per element: a norm, or one number per row and column.

Their updates are NumPy on whole tensors. State that is not element for element has a shape of its
own, which the plan names.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from autograd_core.update import update_op

from .clipping import l2_norm
from .groups import ParamGroup, Plan, Shape
from .optimizer import Optimizer

__all__ = ["SM3", "Adafactor", "NovoGrad"]


class NovoGrad(Optimizer):
    r"""NovoGrad: momentum of gradients divided by a running norm of the whole tensor's gradient.

    .. math::
        v \leftarrow \beta_2 v + (1 - \beta_2) \lVert g \rVert^2, \qquad
        m \leftarrow \beta_1 m + \frac{g}{\sqrt{v + \epsilon_r} + \epsilon} + \lambda p, \qquad
        p \leftarrow p - \alpha m

    where :math:`v` starts as the first :math:`\lVert g \rVert^2`. Definition and defaults are
    Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    betas : (float, float)
        The decays :math:`\beta_1, \beta_2`.
    eps, eps_root : float
        Added to the root, and under it.
    weight_decay : float
        :math:`\lambda`, inside the momentum.
    maximize : bool
        Ascend instead.

    References
    ----------
    Ginsburg et al. (2019), Stochastic Gradient Methods with Layer-wise Adaptive Moments, arXiv
    1905.11286.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = NovoGrad([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 2.7, -3.6])
    """

    defaults: ClassVar[dict[str, Any]] = {
        "lr": 1e-3,
        "betas": (0.9, 0.25),
        "eps": 1e-6,
        "eps_root": 0.0,
        "weight_decay": 0.0,
        "maximize": False,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the update, the same for all hyperparameters."""
        return WholePlan(novograd, ("m", "v"), novograd_shapes, novograd_scalars)


def novograd_shapes(shape):
    """One mean per element, and one square norm."""
    return {"m": shape, "v": ()}


def novograd_scalars(t, hyper):
    """The norm starts as that of the first gradient, not at 0."""
    beta1, beta2 = hyper["betas"]
    kept = 0.0 if t == 1 else beta2
    names = "lr", "eps", "eps_root", "weight_decay"
    return {"beta1": beta1, "kept": kept, **{name: hyper[name] for name in names}}


def novograd(p, g, m, v, *, lr, beta1, kept, eps, eps_root, weight_decay):
    """Update one tensor in place."""
    v[...] = kept * v + (1 - kept) * l2_norm(g) ** 2
    m *= beta1
    m += g / (math.sqrt(v + eps_root) + eps)
    if weight_decay:
        m += weight_decay * p
    p -= lr * m


class SM3(Optimizer):
    r"""SM3: Adagrad with one number per row, column, ..., in the place of one per element.

    .. math::
        a_{ij} = \min(r_i, c_j) + g_{ij}^2, \qquad
        r_i = \max_j a_{ij}, \qquad c_j = \max_i a_{ij} \\
        m \leftarrow \beta m + (1 - \beta) \frac{g}{\sqrt{a + \epsilon}}, \qquad
        p \leftarrow p - \alpha m

    and likewise along every axis of a tensor. Definition and defaults are Optax's.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The learning rate :math:`\alpha`.
    momentum : float
        The decay :math:`\beta` of the mean.
    eps : float
        :math:`\epsilon`, under the root.
    maximize : bool
        Ascend instead.

    References
    ----------
    Anil et al. (2019), Memory-Efficient Adaptive Optimization, arXiv 1901.11150.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = SM3([x], lr=0.5, momentum=0.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 2.5, -3.5])
    """

    defaults: ClassVar[dict[str, Any]] = {
        "lr": 1e-3,
        "momentum": 0.9,
        "eps": 1e-8,
        "maximize": False,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the update, the same for all hyperparameters."""
        return WholePlan(sm3, ("m", "largest"), sm3_shapes, sm3_scalars)


def sm3_shapes(shape):
    """One mean per element; the numbers of all axes, one after the other."""
    return {"m": shape, "largest": (sum(shape or (1,)),)}


def sm3_scalars(t, hyper):
    """As they are."""
    return {name: hyper[name] for name in ("lr", "momentum", "eps")}


def sm3(p, g, m, largest, *, lr, momentum, eps):
    """Update one tensor in place."""
    if not p.size:
        return
    ends = [0, *itertools.accumulate(p.shape or (1,))]
    parts = [largest[a:b] for a, b in itertools.pairwise(ends)]
    axes = np.ix_(*parts) if p.ndim else (largest[0],)
    total = functools.reduce(np.minimum, axes) + g * g
    m *= momentum
    m += (1 - momentum) * g / np.sqrt(np.where(total > 0, total + eps, 1.0))
    for axis, part in enumerate(parts):
        part[...] = total.max(tuple(i for i in range(p.ndim) if i != axis))
    p -= lr * m


class Adafactor(Optimizer):
    r"""Adafactor: Adam's second moment from its row and column means alone, and no first moment.

    .. math::
        v &\leftarrow (1 - t^{-c}) v + t^{-c} g^2, \qquad
        u = g / \sqrt{\max(v, \epsilon_1^2)} \\
        p &\leftarrow p - \max(\epsilon_2, \operatorname{rms}(p)) \min(\alpha, t^{-1/2})
            \frac{u}{\max(1, \operatorname{rms}(u) / d)}

    For a matrix (in the last two axes) only the means of :math:`v` over rows and over columns are
    kept, and their outer product divided by the total mean is taken for it. Definition and
    defaults are PyTorch's; Keras's has ``eps=(1e-15, 1e-3)``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update, or groups of them.
    lr : float
        The largest relative step :math:`\alpha`.
    beta2_decay : float
        :math:`-c`, how fast the memory of squared gradients grows.
    eps : (float or None, float)
        :math:`\epsilon_1`, by default the precision of the dtype, and :math:`\epsilon_2`.
    d : float
        The largest root mean square of :math:`u`.
    weight_decay : float
        Shrink the parameter by ``lr * weight_decay`` beside the step.
    maximize : bool
        Ascend instead.

    References
    ----------
    Shazeer & Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv
    1804.04235.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = Adafactor([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy().round(6)
    array([ 2.646447, -3.646447])
    """

    defaults: ClassVar[dict[str, Any]] = {
        "lr": 1e-2,
        "beta2_decay": -0.8,
        "eps": (None, 1e-3),
        "d": 1.0,
        "weight_decay": 0.0,
        "maximize": False,
    }

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the update, the same for all hyperparameters."""
        return WholePlan(adafactor, ("rows", "columns"), adafactor_shapes, adafactor_scalars)


def adafactor_shapes(shape):
    """Rows and columns of a matrix; the elements of a vector as its rows."""
    if len(shape) < 2:
        return {"rows": shape, "columns": ()}
    return {"rows": (*shape[:-1], 1), "columns": (*shape[:-2], 1, shape[-1])}


def adafactor_scalars(t, hyper):
    """What depends on the step count; a first eps of 0 stands for the precision of the dtype."""
    eps1, eps2 = hyper["eps"]
    return {
        "rate": min(hyper["lr"], 1 / math.sqrt(t)),
        "fresh": t ** hyper["beta2_decay"],
        "eps1": eps1 or 0.0,
        "eps2": eps2,
        "d": hyper["d"],
        "keep": 1 - hyper["lr"] * hyper["weight_decay"],
    }


def adafactor(p, g, rows, columns, *, rate, fresh, eps1, eps2, d, keep):
    """Update one tensor in place."""
    if not p.size:
        return
    eps1 = eps1 or float(np.finfo(p.dtype).eps)
    rate *= max(eps2, l2_norm(p) / math.sqrt(p.size))
    p *= keep
    squares = g * g
    if p.ndim < 2:
        rows += fresh * (squares - rows)
        second = rows
    else:
        rows += fresh * (squares.mean(-1, keepdims=True) - rows)
        columns += fresh * (squares.mean(-2, keepdims=True) - columns)
        second = rows * columns / np.maximum(rows.mean(-2, keepdims=True), eps1)
    step = g / np.sqrt(np.maximum(second, eps1 * eps1))
    p -= rate / max(1.0, l2_norm(step) / (math.sqrt(p.size) * d)) * step


class WholePlan:
    """A plan whose update is a function on whole arrays.

    The state arrays have the shapes that ``shapes`` gives, in row order.
    """

    numbers: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self,
        function: Callable[..., None],
        state: tuple[str, ...],
        shapes: Callable[[Shape], dict[str, Shape]],
        scalars: Callable[..., dict[str, float]],
    ) -> None:
        self.function = function
        self.state = state
        self.shapes = shapes
        self.hyper = scalars

    def scalars(
        self, t: int, hyper: Mapping[str, Any], numbers: Mapping[str, float]
    ) -> dict[str, float]:
        """Return what the update takes besides arrays."""
        return {"sign": -1.0 if hyper["maximize"] else 1.0, **self.hyper(t, hyper)}

    def update(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return the op ``update(p, g, *state, **scalars)``."""

        @np.errstate(all="ignore")
        def run(p, g, *state, sign, **scalars):
            self.function(p, g if sign > 0 else -g, *state, **scalars)

        operands = ("p", "g", *self.state)
        return update_op(self.function.__name__, run, operands, ("p", *self.state))

    def native(self, dtype: np.dtype[Any]) -> None:
        """Return nothing: only the host can do this."""
