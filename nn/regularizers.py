"""Penalties on parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd_core as ag
from autograd_core import GraphError, ShapeError, Tensor
from autograd_core.errors import explain

from .module import Module

__all__ = ["L1", "L2", "Regularizer"]


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a weight rather than a bias: it has two axes or more."""
    return parameter.ndim > 1


class Regularizer:
    """Base of the penalties: λ times the sum of a penalty over the chosen parameters.

    Parameters
    ----------
    lam : float
        The factor λ ≥ 0.
    chosen : callable, optional
        ``chosen(name, parameter)`` says which parameters count; the weights, not the biases.
    """

    def __init__(self, lam: float, chosen: Callable[[str, Tensor], bool] | None = None) -> None:
        if not 0.0 <= lam < float("inf"):
            what = f"{type(self).__name__}: a factor lam >= 0"
            raise ShapeError(explain(what, lam, "Use for example 1e-4"))
        self.lam = lam
        self.chosen = chosen or is_weight

    def penalty(self, parameter: Tensor) -> Tensor:
        """Return the penalty of one parameter, without the factor."""
        raise NotImplementedError

    def __call__(self, model: Module) -> Any:
        """Return the penalty of the model's chosen parameters."""
        named = model.named_parameters()
        parts = [self.penalty(p) for name, p in named if self.chosen(name, p)]
        if not parts:
            what = f"{type(self).__name__}: at least one parameter to penalise"
            do = "Pass chosen=lambda name, parameter: True for all of them"
            raise GraphError(explain(what, "none", do))
        return self.lam * sum(parts[1:], start=parts[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lam})"


class L1(Regularizer):
    """λ ‖θ‖₁ = λ Σ |θ|; the derivative at 0 is 0."""

    def penalty(self, parameter: Tensor) -> Tensor:
        """Return Σ |θ|."""
        return ag.sum(ag.abs(parameter))


class L2(Regularizer):
    """λ ‖θ‖² = λ Σ θ², without the factor ½: its gradient is 2 λ θ."""

    def penalty(self, parameter: Tensor) -> Tensor:
        """Return Σ θ²."""
        return ag.sum(ag.square(parameter))
