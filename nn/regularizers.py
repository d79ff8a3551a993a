"""Penalties on parameters, to be added to a loss, or applied as a step of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import DTypeError, GraphError, ShapeError, Tensor
from autograd_core.errors import explain

from .module import Module

__all__ = ["L1", "L2", "ElasticNet", "Orthogonal", "Regularizer"]

Choice = Callable[[str, Tensor], bool] | str | Sequence[str] | None


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a weight rather than a bias: it has two axes or more."""
    return parameter.ndim > 1


def choosing(owner: str, chosen: Choice) -> Callable[[str, Tensor], bool]:
    """Return a choice of parameters as a function of name and parameter."""
    if chosen is None or callable(chosen):
        return chosen or is_weight
    patterns = [chosen] if isinstance(chosen, str) else list(chosen)
    if not all(isinstance(pattern, str) for pattern in patterns):
        do = "Pass for example '*.weight', or lambda name, parameter: True"
        raise DTypeError(explain(f"{owner}: chosen, patterns or a function", repr(chosen), do))
    return lambda name, _: any(fnmatchcase(name, pattern) for pattern in patterns)


def selected(owner: Any, model: Module) -> list[Any]:
    """Return the parameters that a regularizer or constraint is for; there must be one."""
    if not isinstance(model, Module):
        what, got = f"{type(owner).__name__}: a model, an nn.Module", f"a {type(model).__name__}"
        raise DTypeError(explain(what, got, "Pass the model itself; chosen= picks parameters"))
    found = [p for name, p in model.named_parameters() if owner.chosen(name, p)]
    if not found:
        what = f"{type(owner).__name__}: at least one parameter to act on"
        do = "Pass chosen=lambda name, parameter: True for all of them"
        raise GraphError(explain(what, "none", do))
    return found


def factor(owner: object, name: str, value: float) -> float:
    """Return a factor that is neither negative nor infinite."""
    number = isinstance(value, (int, float, np.number))
    if not number or not 0.0 <= value < float("inf"):
        what, got = f"{type(owner).__name__}: a factor {name} >= 0", f"{value!r:.60}"
        kind = ShapeError if number else DTypeError
        raise kind(explain(what, got, "Use for example 1e-4"))
    return value


class Regularizer:
    """Base of the penalties: λ times the sum of a penalty over the chosen parameters.

    ``loss + regularizer(model)`` has the penalty's gradient in its own. ``regularizer.decay(model,
    lr)`` after an optimizer's step applies the penalty apart from the loss instead, so that
    neither momentum nor Adam's scaling meets it.

    Parameters
    ----------
    lam : float
        The factor λ ≥ 0.
    chosen : callable, str or sequence of str, optional
        Which parameters count: ``chosen(name, parameter)`` says so, or a pattern of names such as
        ``"*.weight"``, or several. The weights, not the biases, unless given.
    """

    def __init__(self, lam: float, chosen: Choice = None) -> None:
        self.lam = factor(self, "lam", lam)
        self.chosen = choosing(type(self).__name__, chosen)

    def penalty(self, parameter: Any) -> Any:
        """Return the penalty of one parameter, without the factor."""
        raise NotImplementedError

    def __call__(self, model: Module) -> Any:
        """Return the penalty of the model's chosen parameters."""
        parts = [self.penalty(parameter) for parameter in selected(self, model)]
        return self.lam * sum(parts[1:], start=parts[0])

    def decay(self, model: Module, lr: float) -> None:
        """Apply the penalty to the chosen parameters in place, as a step of length `lr`.

        A frozen parameter stays as it is.
        """
        lr = factor(self, "lr", lr)
        trained = [p for p in selected(self, model) if p.requires_grad]
        for parameter, value in [(p, self.decayed(p.numpy(), lr)) for p in trained]:
            parameter.assign(value)

    def decayed(self, value: np.ndarray, lr: float) -> np.ndarray:
        """Return a parameter's value after the step: θ - α λ ∂penalty/∂θ."""
        return value - (lr * self.lam) * ag.grad(self.penalty)(value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lam})"


def soft_threshold(value: np.ndarray, distance: float) -> np.ndarray:
    """Move each number towards 0 by a distance, and no further than 0."""
    return np.sign(value) * np.maximum(np.abs(value) - distance, 0.0)


class L1(Regularizer):
    """λ ‖θ‖₁ = λ Σ |θ|; the derivative at 0 is 0.

    Its `decay` is the proximal step, the soft threshold sign(θ) max(|θ| - α λ, 0): it makes
    parameters exactly 0, which the gradient never does.

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm, equation 1.5.
    """

    def penalty(self, parameter: Any) -> Any:
        """Return Σ |θ|."""
        return ag.sum(ag.abs(parameter))

    def decayed(self, value: np.ndarray, lr: float) -> np.ndarray:
        """Return the soft threshold of θ at α λ."""
        return soft_threshold(value, lr * self.lam)


def shrunk(value: np.ndarray, rate: float) -> np.ndarray:
    """Return (1 - rate) θ; refuse a rate that would go beyond 0."""
    if rate > 1.0:
        what = "decay: 2 lr lam <= 1"
        raise ShapeError(explain(what, rate, "Use a smaller learning rate or factor"))
    return value * (1.0 - rate)


class L2(Regularizer):
    """λ ‖θ‖² = λ Σ θ², without the factor ½: its gradient is 2 λ θ.

    Its `decay` is weight decay, θ ← (1 - 2 α λ) θ. Under plain gradient descent that is the same
    as the penalty in the loss; under momentum or Adam it is not.

    References
    ----------
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, proposition 1.
    """

    def penalty(self, parameter: Any) -> Any:
        """Return Σ θ²."""
        return ag.sum(ag.square(parameter))

    def decayed(self, value: np.ndarray, lr: float) -> np.ndarray:
        """Return (1 - 2 α λ) θ."""
        return shrunk(value, 2.0 * lr * self.lam)


class ElasticNet(Regularizer):
    """λ₁ ‖θ‖₁ + λ₂ ‖θ‖²: both penalties, and no ½ before the second.

    Its `decay` is that of `L2`, then that of `L1`.

    Parameters
    ----------
    l1, l2 : float
        The factors λ₁, λ₂ ≥ 0.
    chosen : callable, str or sequence of str, optional
        As in `Regularizer`.

    References
    ----------
    Zou and Hastie (2005), Regularization and variable selection via the elastic net, equation 3.
    """

    def __init__(self, l1: float, l2: float, chosen: Choice = None) -> None:
        super().__init__(1.0, chosen)
        self.l1 = factor(self, "l1", l1)
        self.l2 = factor(self, "l2", l2)

    def penalty(self, parameter: Any) -> Any:
        """Return λ₁ Σ |θ| + λ₂ Σ θ²."""
        absolute, squared = ag.sum(ag.abs(parameter)), ag.sum(ag.square(parameter))
        return self.l1 * absolute + self.l2 * squared

    def decayed(self, value: np.ndarray, lr: float) -> np.ndarray:
        """Return the soft threshold of (1 - 2 α λ₂) θ at α λ₁."""
        return soft_threshold(shrunk(value, 2.0 * lr * self.l2), lr * self.l1)

    def __repr__(self) -> str:
        return f"ElasticNet(l1={self.l1}, l2={self.l2})"


class Orthogonal(Regularizer):
    """λ ‖W Wᵀ - I‖², squared Frobenius norm, W having no more rows than columns; else of Wᵀ W.

    It draws the rows (or the columns, if they are fewer) towards an orthonormal system. Axes after
    the first are taken together. Its gradient is 4 λ (W Wᵀ - I) W, and `decay` a step against it.

    References
    ----------
    Brock et al. (2017), Neural photo editing with introspective adversarial networks, section 3.4.
    """

    def penalty(self, parameter: Any) -> Any:
        """Return ‖W Wᵀ - I‖²."""
        shape = np.shape(parameter)
        if len(shape) < 2:
            what = "Orthogonal: parameters with at least two axes"
            raise ShapeError(explain(what, shape, "Choose the weights alone"))
        matrix = parameter if len(shape) == 2 else ag.reshape(parameter, shape=(shape[0], -1))
        rows, columns = np.shape(matrix)
        matrix = matrix if rows <= columns else ag.transpose(matrix)
        gram = ag.matmul(matrix, ag.transpose(matrix))
        return ag.sum(ag.square(gram - np.eye(min(rows, columns), dtype=gram.dtype)))
