"""Module: a function with parameters. Parameters are found, not registered.

Whatever a module holds as an attribute belongs to it: a `Parameter` is trained, a constant tensor
is saved with it (a buffer), and a module, or a list of modules, is a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from autograd_core import DTypeError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

__all__ = ["Module", "Parameter", "Sequential"]


class Parameter(Tensor):
    """A leaf tensor that a module trains.

    Parameters
    ----------
    data : array_like
    dtype : dtype, optional
        float32 unless given.
    """

    __slots__ = ()

    def __init__(self, data: ArrayLike, dtype: DTypeLike = np.float32) -> None:
        super().__init__(data, requires_grad=True, dtype=dtype)


def parts(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield the parameters, buffers and modules that a module holds itself, by name."""
    for name, value in vars(module).items():
        if isinstance(value, (Tensor, Module)):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for i, part in enumerate(value):
                if isinstance(part, (Tensor, Module)):
                    yield f"{name}.{i}", part


def count(module: Module) -> int:
    """Return the number of trained numbers."""
    return sum(parameter.size for parameter in module.parameters())


class Module:
    """Base of all layers and models. Subclasses hold parameters and define ``forward``.

    Examples
    --------
    >>> import nn, numpy as np
    >>> class Quadratic(nn.Module):
    ...     def __init__(self):
    ...         self.a = nn.Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return self.a * x * x
    >>> Quadratic()(3.0)
    tensor([18.], dtype=float32, made by multiply)
    """

    training: bool = True

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; every subclass defines it."""
        raise NotImplementedError(
            explain(f"{type(self).__name__}: a method forward", "none", "Define forward(self, x)")
        )

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Apply the module."""
        return self.forward(*inputs, **options)

    def named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter and buffer of the module and its parts, each once."""
        seen: set[Tensor] = set()
        for name, part in parts(self):
            inner = (
                part.named_tensors(f"{prefix}{name}.")
                if isinstance(part, Module)
                else [(prefix + name, part)]
            )
            for full_name, value in inner:
                if value not in seen:
                    seen.add(value)
                    yield full_name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) for every parameter, parts included."""
        for name, value in self.named_tensors():
            if isinstance(value, Parameter):
                yield name, value

    def parameters(self) -> Iterator[Parameter]:
        """Yield every parameter, parts included."""
        return (parameter for _, parameter in self.named_parameters())

    def modules(self) -> Iterator[Module]:
        """Yield the module itself and every module in it."""
        yield self
        for _, part in parts(self):
            if isinstance(part, Module):
                yield from part.modules()

    def train(self, mode: bool = True) -> Module:
        """Switch to training behaviour, or to evaluation; dropout obeys. Returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation behaviour. Returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the collected derivatives of every parameter."""
        for parameter in self.parameters():
            parameter.grad = None

    def astype(self, dtype: DTypeLike) -> Module:
        """Convert every parameter and buffer, in place. Returns the module."""
        if np.dtype(dtype).kind != "f":
            raise DTypeError(
                explain("astype: a floating dtype", np.dtype(dtype), "Use np.float64")
            )
        for _, value in self.named_tensors():
            value.convert(dtype)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters and buffers, by name."""
        return {name: value.numpy().copy() for name, value in self.named_tensors()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Take all parameters and buffers from `state`; where it does not fit, change nothing."""
        mine = dict(self.named_tensors())
        missing, unknown = mine.keys() - state.keys(), state.keys() - mine.keys()
        if missing or unknown:
            got = f"missing {sorted(missing)} and unknown {sorted(unknown)}"
            what = f"load_state_dict: the names of this {type(self).__name__}"
            raise UnknownNameError(explain(what, got, "Load the state of a model built alike"))
        for name, value in mine.items():
            if np.shape(state[name]) != value.shape:
                what = f"load_state_dict: {name} of shape {value.shape}"
                do = "Load the state of a model built alike"
                raise ShapeError(explain(what, np.shape(state[name]), do))
        for name, value in mine.items():
            value.assign(state[name])

    def extra_repr(self) -> str:
        """Return the options a reader wants to see, for the representation."""
        return ""

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.extra_repr()})"
        children = [(name, part) for name, part in parts(self) if isinstance(part, Module)]
        number = f"  # {count(self):,} parameters"
        if not children:
            return head + number if count(self) else head
        lines = [f"{type(self).__name__}("]
        for name, part in children:
            text = repr(part).replace("\n", "\n  ")
            lines.append(f"  {name.removeprefix('layers.')}: {text}")
        return "\n".join([*lines, f"){number}"])


class Sequential(Module):
    """Modules applied one after the other."""

    def __init__(self, *layers: Module) -> None:
        for layer in layers:
            if not callable(layer):
                do = "Pass modules or functions, not a list"
                raise DTypeError(explain("Sequential: modules", type(layer).__name__, do))
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]
