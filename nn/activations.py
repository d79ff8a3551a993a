"""Activation functions as modules, and by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import UnknownNameError
from autograd_core.errors import explain

from .module import Module

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "Activation",
    "LeakyReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "activation",
]


class Activation(Module):
    """An activation function as a layer; subclasses name the function and its options."""

    function: Callable[..., Any]

    def __init__(self, **options: float) -> None:
        self.options = options

    def forward(self, x: Any) -> Any:
        """Apply the function elementwise."""
        return type(self).function(x, **self.options)

    def extra_repr(self) -> str:
        """Return the options."""
        return ", ".join(f"{name}={value}" for name, value in self.options.items())

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws, away from the kink at 0."""
        x = rng.uniform(0.2, 2.0, (4, 3)) * rng.choice([-1.0, 1.0], (4, 3))
        yield cls(), (x,)


class ReLU(Activation):
    """max(x, 0)."""

    function = ag.relu


class LeakyReLU(Activation):
    """x where x > 0, negative_slope x elsewhere."""

    function = ag.leaky_relu

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(slope=negative_slope)


class ELU(Activation):
    """x where x > 0, alpha (eˣ - 1) elsewhere."""

    function = ag.elu

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)."""

    function = ag.sigmoid


class Tanh(Activation):
    """Hyperbolic tangent."""

    function = ag.tanh


class SiLU(Activation):
    """x sigmoid(x), also called swish."""

    function = ag.silu


class GELU(Activation):
    """x Φ(x), Φ the distribution function of the normal distribution."""

    function = ag.gelu


class Softplus(Activation):
    """log(1 + eˣ)."""

    function = ag.softplus


class Softmax(Activation):
    """Softmax along an axis."""

    function = ag.softmax

    def __init__(self, axis: int = -1) -> None:
        super().__init__(axis=axis)


ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "silu": SiLU,
    "swish": SiLU,
    "gelu": GELU,
    "softplus": Softplus,
}


def activation(name: str | Module | Callable[..., Any]) -> Any:
    """Return the activation of that name; a module or a function is returned as it is."""
    if not isinstance(name, str):
        return name
    if name not in ACTIVATIONS:
        near = min(ACTIVATIONS, key=lambda known: len(set(known) ^ set(name.lower())))
        letters = len(set(near) ^ set(name.lower()))
        do = f"Did you mean {near!r}" if letters < 3 else "Use one of these names"
        what = f"activation: one of {', '.join(ACTIVATIONS)}"
        raise UnknownNameError(explain(what, repr(name), do))
    return ACTIVATIONS[name]()
