"""The affine layer, and the bilinear one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import autograd_core as ag
from autograd_core import ShapeError, Tensor
from autograd_core.errors import explain

from . import init
from .module import Module, Parameter, real_numbers

__all__ = ["Bilinear", "Linear", "bilinear", "cast", "width"]


def cast(x: Any, dtype: DTypeLike) -> Tensor:
    """Return an input as a tensor of the layer's dtype; floats and integers are converted."""
    if isinstance(x, Tensor):
        return x if x.dtype == dtype else x.astype(dtype)
    return ag.tensor(real_numbers("layer: an input", x), dtype=dtype)


def width(owner: str, *sizes: Any) -> None:
    """Raise unless all sizes are positive integers."""
    for size in sizes:
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            got = " and ".join(repr(size) for size in sizes)
            do = "Pass the widths of input and output"
            raise ShapeError(explain(f"{owner}: positive integers as widths", got, do))


def check_last(layer: Module, x: Tensor, size: int) -> None:
    """Raise unless the last axis of an input has the layer's width."""
    if not x.ndim or x.shape[-1] != size:
        what = f"{type(layer).__name__}({layer.extra_repr()}): an input of shape (..., {size})"
        raise ShapeError(explain(what, x.shape, "Check the layer before, or the data's width"))


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
        width("Linear", in_features, out_features)
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
        check_last(self, x, weight.shape[1])
        if self.bias is None:
            return ag.matmul(x, weight.T)
        return ag.linear(x, weight, self.bias)

    def extra_repr(self) -> str:
        """Return the widths."""
        out, wide = self.weight.shape
        return f"{wide}, {out}" + ("" if self.bias is not None else ", bias=False")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(3, 2, rng=rng, dtype=np.float64), (rng.normal(size=(4, 3)),)
        yield cls(3, 2, bias=False, rng=rng, dtype=np.float64), (rng.normal(size=(2, 4, 3)),)


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Any:
    """Bilinear form x₁ᵀ W x₂ + b over the last axes; W has shape (out, in1, in2)."""
    out, in1, in2 = weight.shape
    products = ag.expand_dims(x1, -1) * ag.expand_dims(x2, -2)
    rows = ag.reshape(products, shape=(*products.shape[:-2], in1 * in2))
    flat = ag.reshape(weight, shape=(out, in1 * in2))
    return ag.matmul(rows, flat.T) if bias is None else ag.linear(rows, flat, bias)


class Bilinear(Module):
    """Bilinear map of two inputs, y_k = x₁ᵀ W_k x₂ + b_k.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool
    rng : Generator or int, optional
        Source of the initial weights, U(-1/√in1, 1/√in1) as in PyTorch.
    dtype : dtype
        Of the parameters; inputs are converted to it.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in1_features, in2_features)
    bias : Parameter, shape (out_features,), or None
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        width("Bilinear", in1_features, in2_features, out_features)
        rng = init.generator(rng)
        bound = 1.0 / math.sqrt(in1_features)
        self.weight = Parameter(np.zeros((out_features, in1_features, in2_features)), dtype)
        init.uniform_(self.weight, -bound, bound, rng=rng)
        self.bias = None
        if bias:
            self.bias = Parameter(np.zeros(out_features), dtype)
            init.uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x1: Any, x2: Any) -> Tensor:
        """Map x1, shape (..., in1), and x2, shape (..., in2), to shape (..., out)."""
        x1, x2 = (cast(x, self.weight.dtype) for x in (x1, x2))
        for x, size in ((x1, self.weight.shape[1]), (x2, self.weight.shape[2])):
            check_last(self, x, size)
        if x1.shape[:-1] != x2.shape[:-1]:
            what = "Bilinear: two inputs that agree in all axes but the last"
            raise ShapeError(explain(what, f"{x1.shape} and {x2.shape}", "Check the inputs"))
        return bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the widths."""
        out, in1, in2 = self.weight.shape
        return f"{in1}, {in2}, {out}" + ("" if self.bias is not None else ", bias=False")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        inputs = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
        yield cls(3, 2, 4, rng=rng, dtype=np.float64), inputs
        yield cls(3, 2, 4, bias=False, rng=rng, dtype=np.float64), inputs
