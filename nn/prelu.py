"""The activation with a slope that is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import autograd_core as ag
from autograd_core import ShapeError
from autograd_core.errors import explain

from .linear import cast
from .module import Module, Parameter

__all__ = ["PReLU"]


class PReLU(Module):
    """x where x > 0, weight x elsewhere; the weight is learned.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels, which are axis 1 of the input.
    init : float
        The weight at the start.
    dtype : dtype
        Of the weight; inputs are converted to it.
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32
    ) -> None:
        if not (isinstance(num_parameters, int) and num_parameters > 0):
            what = "PReLU: a positive number of parameters"
            raise ShapeError(explain(what, num_parameters, "Pass 1, or the number of channels"))
        self.weight = Parameter(np.full(num_parameters, init), dtype)

    def forward(self, x: Any) -> Any:
        """Apply the function elementwise."""
        weight, count = self.weight, self.weight.size
        x = cast(x, weight.dtype)
        if count > 1 and (x.ndim < 2 or x.shape[1] != count):
            what = f"PReLU({count}): an input of shape (N, {count}, ...)"
            raise ShapeError(explain(what, x.shape, "Give the number of channels, axis 1, or 1"))
        shape = (count, *(1,) * (x.ndim - 2)) if x.ndim else ()
        return ag.prelu(x, weight if shape == weight.shape else weight.reshape(shape))

    def extra_repr(self) -> str:
        """Return the number of parameters."""
        return f"num_parameters={self.weight.size}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws, away from the kink at 0."""
        x = rng.uniform(0.2, 2.0, (4, 3, 2)) * rng.choice([-1.0, 1.0], (4, 3, 2))
        yield cls(dtype=np.float64), (x,)
        yield cls(3, init=0.5, dtype=np.float64), (x,)
