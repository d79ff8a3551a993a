"""Constraints: projections that bring parameters back to where they are allowed to be.

A constraint is called with a model after the optimizer's step. It writes in place, and what was
recorded with the old values refuses to be swept, as after a step.
"""

from __future__ import annotations

import numpy as np

from autograd_core import ShapeError
from autograd_core.errors import explain

from .module import Module
from .regularizers import Choice, choosing, selected

__all__ = ["Constraint", "MaxNorm", "NonNegative", "UnitNorm"]


class Constraint:
    """Base of the constraints; subclasses define `project`.

    Parameters
    ----------
    chosen : callable, str or sequence of str, optional
        Which parameters it is for: ``chosen(name, parameter)`` says so, or a pattern of names such
        as ``"*.weight"``, or several. The weights, not the biases, unless given.
    """

    def __init__(self, chosen: Choice = None) -> None:
        self.chosen = choosing(type(self).__name__, chosen)

    def project(self, value: np.ndarray) -> np.ndarray:
        """Return the nearest value that is allowed."""
        raise NotImplementedError

    def __call__(self, model: Module) -> None:
        """Project the chosen parameters of a model, in place; frozen ones stay as they are."""
        trained = [p for p in selected(self, model) if p.requires_grad]
        for parameter, value in [(p, self.project(p.numpy())) for p in trained]:
            parameter.assign(value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def lengths(value: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Return the Euclidean norms along axes, which are kept."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(-value.ndim <= a < value.ndim for a in axes):
        what = f"constraint: a parameter with an axis {axis}"
        raise ShapeError(explain(what, f"shape {value.shape}", "Pass axis= or chosen="))
    largest = np.max(np.abs(value), axis=axes, keepdims=True, initial=0.0)
    scale = np.where(largest > 0.0, largest, 1.0)  # squares must neither overflow nor vanish
    return np.asarray(scale * np.sqrt(np.sum(np.square(value / scale), axis=axes, keepdims=True)))


class MaxNorm(Constraint):
    """‖w‖ ≤ c for the incoming weights w of each unit: longer ones are scaled to length c.

    Parameters
    ----------
    max_value : float
        The length c.
    axis : int or tuple of int
        Along which the norm is taken; for a weight of shape (out, in), -1 takes what comes in.
    chosen : callable, str or sequence of str, optional
        As in `Constraint`.

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting,
    section 5.1.

    Examples
    --------
    >>> import nn
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> layer.weight.assign([[3.0, 4.0], [0.3, 0.4]])
    >>> nn.MaxNorm(1.0)(layer)
    >>> layer.weight.numpy()
    array([[0.6, 0.8],
           [0.3, 0.4]], dtype=float32)
    """

    def __init__(
        self, max_value: float = 2.0, axis: int | tuple[int, ...] = -1, chosen: Choice = None
    ) -> None:
        super().__init__(chosen)
        if not max_value > 0.0:
            do = "Pass the largest length allowed"
            raise ShapeError(explain("MaxNorm: max_value > 0", max_value, do))
        self.max_value = max_value
        self.axis = axis

    def project(self, value: np.ndarray) -> np.ndarray:
        """Return w min(1, c / ‖w‖)."""
        norms = lengths(value, self.axis)
        long = norms > self.max_value
        return np.where(long, value * (self.max_value / np.where(long, norms, 1.0)), value)

    def __repr__(self) -> str:
        return f"MaxNorm({self.max_value}, axis={self.axis})"


class UnitNorm(Constraint):
    """‖w‖ = 1 for the incoming weights w of each unit; zeros stay zeros.

    Parameters
    ----------
    axis : int or tuple of int
        Along which the norm is taken; for a weight of shape (out, in), -1 takes what comes in.
    chosen : callable, str or sequence of str, optional
        As in `Constraint`.
    """

    def __init__(self, axis: int | tuple[int, ...] = -1, chosen: Choice = None) -> None:
        super().__init__(chosen)
        self.axis = axis

    def project(self, value: np.ndarray) -> np.ndarray:
        """Return w / ‖w‖."""
        norms = lengths(value, self.axis)
        return value / np.where(norms > 0.0, norms, 1.0)

    def __repr__(self) -> str:
        return f"UnitNorm(axis={self.axis})"


class NonNegative(Constraint):
    """θ ≥ 0: negative numbers become 0."""

    def project(self, value: np.ndarray) -> np.ndarray:
        """Return max(θ, 0)."""
        return np.maximum(value, 0.0)
