"""The affine layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import autograd_core as ag
from autograd_core import DTypeError, ShapeError, Tensor
from autograd_core.errors import explain

from . import init
from .module import Module, Parameter

__all__ = ["Linear", "cast"]


def cast(x: Any, dtype: DTypeLike) -> Tensor:
    """Return an input as a tensor of the layer's dtype; floats and integers are converted."""
    if isinstance(x, Tensor):
        return x if x.dtype == dtype else x.astype(dtype)
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        do = "Convert it to an array of real numbers"
        raise DTypeError(explain("layer: an input of real numbers", array.dtype, do))
    return ag.tensor(array, dtype=dtype)


class Linear(Module):
    """Affine map y = x Wᵀ + b.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    rng : Generator or int, optional
        Source of the initial weights, U(-1/√in, 1/√in) as in PyTorch.
    dtype : dtype
        Of the parameters; inputs are converted to it.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if not (isinstance(in_features, int) and isinstance(out_features, int)) or (
            min(in_features, out_features) < 1
        ):
            got = f"{in_features!r} and {out_features!r}"
            do = "Pass the widths of input and output"
            raise ShapeError(explain("Linear: positive integers as widths", got, do))
        rng = init.generator(rng)
        bound = 1.0 / math.sqrt(in_features)
        self.weight = Parameter(np.zeros((out_features, in_features)), dtype)
        init.uniform_(self.weight, -bound, bound, rng=rng)
        self.bias = None
        if bias:
            self.bias = Parameter(np.zeros(out_features), dtype)
            init.uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        """Map x, shape (..., in_features), to shape (..., out_features)."""
        weight = self.weight
        x = cast(x, weight.dtype)
        if not x.ndim or x.shape[-1] != weight.shape[1]:
            what = f"Linear({self.extra_repr()}): an input of shape (..., {weight.shape[1]})"
            raise ShapeError(explain(what, x.shape, "Check the layer before, or the data's width"))
        if self.bias is None:
            return ag.matmul(x, weight.T)
        return ag.linear(x, weight, self.bias)

    def extra_repr(self) -> str:
        """Return the widths."""
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias is not None else ", bias=False")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(3, 2, rng=rng, dtype=np.float64), (rng.normal(size=(4, 3)),)
        yield cls(3, 2, bias=False, rng=rng, dtype=np.float64), (rng.normal(size=(2, 4, 3)),)
