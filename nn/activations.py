"""Activation functions as modules, with PyTorch's names, and by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import autograd_core as ag
from autograd_core import UnknownNameError
from autograd_core.errors import explain

from .module import Module, check, refuse_options
from .prelu import PReLU

__all__ = [
    "ACTIVATIONS",
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Activation",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "activation",
    "gelu",
]


class Activation(Module):
    """An activation function as a layer; subclasses name the function and its options."""

    function: Callable[..., Any]

    def __init__(self, **options: Any) -> None:
        refuse_options(self, Activation, options)
        self.options = options

    def forward(self, x: Any) -> Any:
        """Apply the function elementwise."""
        return type(self).function(x, **self.options)

    def extra_repr(self) -> str:
        """Return the options."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws, away from 0 and to beyond 6."""
        x = rng.uniform(0.2, 2.0, (4, 6)) * rng.choice([-1.0, 1.0], (4, 6))
        yield cls(), (x,)
        yield cls(), (4.0 * x,)


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


class CELU(Activation):
    """x where x > 0, alpha (e**(x / alpha) - 1) elsewhere."""

    function = ag.celu

    def __init__(self, alpha: float = 1.0) -> None:
        check(alpha > 0, "CELU: alpha > 0", alpha, "Pass the depth of the left branch")
        super().__init__(alpha=alpha)


class SELU(Activation):
    """ELU scaled so that mean 0 and variance 1 are kept through layers."""

    function = ag.selu


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    function = ag.relu6


class Threshold(Activation):
    """x where x > threshold, value elsewhere."""

    function = ag.threshold

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__(threshold=threshold, value=value)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws, away from the kink."""
        yield cls(-0.5, 3.0), (rng.uniform(0.2, 2.0, (4, 3)) * [-1.0, 1.0, -1.0] - 0.5,)


class Hardtanh(Activation):
    """x limited to the interval from min_val to max_val."""

    function = ag.hard_tanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        what, got = "Hardtanh: min_val < max_val", f"{min_val} and {max_val}"
        check(min_val < max_val, what, got, "Exchange them or widen the interval")
        super().__init__(min_val=min_val, max_val=max_val)


class Hardsigmoid(Activation):
    """min(max(x + 3, 0), 6) / 6."""

    function = ag.hard_sigmoid


class Hardswish(Activation):
    """x min(max(x + 3, 0), 6) / 6."""

    function = ag.hard_swish


class Hardshrink(Activation):
    """x where |x| > lambd, 0 elsewhere."""

    function = ag.hard_shrink

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd=lambd)


class Softshrink(Activation):
    """x moved towards 0 by lambd, at most to 0."""

    function = ag.softshrink

    def __init__(self, lambd: float = 0.5) -> None:
        check(lambd >= 0, "Softshrink: lambd >= 0", lambd, "Pass the distance to move by")
        super().__init__(lambd=lambd)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)."""

    function = ag.sigmoid


class LogSigmoid(Activation):
    """-log(1 + e⁻ˣ)."""

    function = ag.log_sigmoid


class Tanh(Activation):
    """Hyperbolic tangent."""

    function = ag.tanh


class Tanhshrink(Activation):
    """x - tanh(x)."""

    function = ag.tanhshrink


class Softsign(Activation):
    """x / (1 + |x|)."""

    function = ag.softsign


class SiLU(Activation):
    """x sigmoid(x), also called swish."""

    function = ag.silu


class Mish(Activation):
    """x tanh(softplus(x))."""

    function = ag.mish


GELUS = {"none": ag.gelu, "tanh": ag.gelu_tanh}


def check_approximate(name: str) -> None:
    """Raise unless `name` is a way to compute gelu."""
    if name not in GELUS:
        what = f"gelu: approximate is one of {', '.join(GELUS)}"
        raise UnknownNameError(explain(what, repr(name), "Use one of these names"))


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x Φ(x); with "tanh", 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    check_approximate(approximate)
    return GELUS[approximate](x)


class GELU(Activation):
    """x Φ(x), Φ the distribution function of the normal distribution; or an approximation.

    Parameters
    ----------
    approximate : {"none", "tanh"}
    """

    function = gelu

    def __init__(self, approximate: str = "none") -> None:
        check_approximate(approximate)
        super().__init__(approximate=approximate)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        for approximate in GELUS:
            yield cls(approximate), (rng.uniform(-2.0, 2.0, (4, 3)),)


def softplus(x: Any, beta: float) -> Any:
    """Return log(1 + e**(beta x)) / beta."""
    return ag.softplus(x) if beta == 1 else ag.softplus(x * beta) / beta


class Softplus(Activation):
    """log(1 + e**(beta x)) / beta, exact for every x: no threshold is needed."""

    function = softplus

    def __init__(self, beta: float = 1.0) -> None:
        check(beta > 0, "Softplus: beta > 0", beta, "Pass the sharpness of the bend at 0")
        super().__init__(beta=beta)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        for beta in (1.0, 2.5):
            yield cls(beta), (rng.uniform(-2.0, 2.0, (4, 3)),)


class AlongAxis(Activation):
    """A function of whole rows, which lie along an axis: `dim`, as PyTorch names it."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__(axis=dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.options['axis']}"


class GLU(AlongAxis):
    """a sigmoid(b) with the halves a and b of x along the axis `dim`."""

    function = ag.glu


class Softmax(AlongAxis):
    """eˣ / Σ eˣ along the axis `dim`: positive numbers with the sum 1."""

    function = ag.softmax


class LogSoftmax(AlongAxis):
    """x - log Σ eˣ along the axis `dim`, the logarithm of the softmax."""

    function = ag.log_softmax


class Softmin(AlongAxis):
    """e⁻ˣ / Σ e⁻ˣ along the axis `dim`."""

    function = ag.softmin


ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "relu6": ReLU6,
    "elu": ELU,
    "selu": SELU,
    "celu": CELU,
    "sigmoid": Sigmoid,
    "log_sigmoid": LogSigmoid,
    "tanh": Tanh,
    "tanhshrink": Tanhshrink,
    "softsign": Softsign,
    "silu": SiLU,
    "swish": SiLU,
    "mish": Mish,
    "gelu": GELU,
    "gelu_tanh": partial(GELU, "tanh"),
    "softplus": Softplus,
    "hard_tanh": Hardtanh,
    "hard_sigmoid": Hardsigmoid,
    "hard_swish": Hardswish,
    "hard_shrink": Hardshrink,
    "softshrink": Softshrink,
}


def activation(name: str | Module | Callable[..., Any], dtype: DTypeLike = np.float32) -> Any:
    """Return the activation of that name; a module or a function is returned as it is.

    `dtype` is that of its parameters, if it has any.
    """
    if not isinstance(name, str):
        return name
    if name not in ACTIVATIONS:
        near = min(ACTIVATIONS, key=lambda known: len(set(known) ^ set(name.lower())))
        letters = len(set(near) ^ set(name.lower()))
        do = f"Did you mean {near!r}" if letters < 3 else "Use one of these names"
        what = f"activation: one of {', '.join(ACTIVATIONS)}"
        raise UnknownNameError(explain(what, repr(name), do))
    return ACTIVATIONS[name]().astype(dtype)
