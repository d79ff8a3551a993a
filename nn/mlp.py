"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_core import ShapeError
from autograd_core.errors import explain

from . import init
from .activations import activation as named_activation
from .containers import Sequential
from .dropout import Dropout
from .linear import Linear
from .module import Module

__all__ = ["MLP"]

# How weights are drawn before an activation, where that is not Kaiming's way.
FILLS = {
    **dict.fromkeys(
        ("tanh", "sigmoid", "hard_tanh", "hard_sigmoid", "softsign"), init.xavier_uniform_
    ),
    "selu": init.lecun_normal_,
}


class MLP(Sequential):
    """Multilayer perceptron: affine layers with an activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output, for example ``[64, 32, 10]``.
    activation : str, Module or callable
        Applied after every layer but the last.
    dropout : float
        Probability of dropping a hidden unit while training.
    rng : Generator or int, optional
        Source of the initial weights and of the dropout masks. Weights are drawn with Xavier's
        bound for tanh, sigmoid and their kin, as `init.lecun_normal_` says for selu, and with
        Kaiming's bound otherwise; biases start at 0.
    dtype : dtype

    Examples
    --------
    >>> import nn
    >>> nn.MLP([64, 32, 10], activation="relu", dropout=0.1, rng=0)
    MLP(
      0: Linear(64, 32)  # 2,080 parameters
      1: ReLU()
      2: Dropout(p=0.1)
      3: Linear(32, 10)  # 330 parameters
    )  # 2,410 parameters
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Module | Callable[..., Any] = "relu",
        dropout: float = 0.0,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if np.ndim(sizes) != 1 or len(sizes) < 2:
            do = "Pass at least the widths of input and output, as in [64, 32, 10]"
            raise ShapeError(explain("MLP: a list of two or more widths", sizes, do))
        rng = init.generator(rng)
        name = activation if isinstance(activation, str) else ""
        fill: Callable[..., Any] = FILLS.get(name, init.kaiming_uniform_)
        layers: list[Module] = []
        for wide, narrow in zip(sizes, sizes[1:], strict=False):
            if layers:
                layers.append(named_activation(activation, dtype))
                layers.extend([Dropout(dropout, rng=rng)] if dropout else [])
            linear = Linear(wide, narrow, rng=rng, dtype=dtype)
            fill(linear.weight, rng=rng)
            if linear.bias is not None:
                init.zeros_(linear.bias)
            layers.append(linear)
        super().__init__(*layers)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls([3, 4, 2], "tanh", rng=rng, dtype=np.float64), (rng.normal(size=(5, 3)),)
