"""Layers without parameters of their own that bring others together, or change the shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import DTypeError, ShapeError
from autograd_core.errors import explain

from .linear import Linear
from .module import Module

__all__ = ["Flatten", "Identity", "Lambda", "Residual", "Unflatten"]


class Identity(Module):
    """The input itself: a place where another layer may go. All arguments are ignored."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(), (rng.normal(size=(4, 3)),)


class Lambda(Module):
    """A function as a module.

    `Sequential` makes one of every function it is given. Parameters that the function uses are
    not found: write a subclass of `Module` for those.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> import nn, numpy as np
    >>> nn.Lambda(np.square)(3.0)
    np.float64(9.0)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            got = type(function).__name__
            raise DTypeError(explain("Lambda: a function", got, "Pass for example np.tanh"))
        self.function = function

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied or pickled: an op goes by its name."""
        op = isinstance(self.function, ag.Op) and ag.OPS.get(self.function.name) is self.function
        return vars(self) | ({"function": self.extra_repr(), "op": True} if op else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if vars(self).pop("op", False):
            self.function = ag.OPS[state["function"]]

    def forward(self, *inputs: Any) -> Any:
        """Apply the function."""
        return self.function(*inputs)

    def extra_repr(self) -> str:
        """Return the name of the function."""
        return str(getattr(self.function, "__name__", self.function))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(np.tanh), (rng.normal(size=(4, 3)),)


def check_module(owner: str, module: Any) -> Module:
    """Return the module; a function becomes a `Lambda`. Refuse anything else."""
    if isinstance(module, Module):
        return module
    if not callable(module) or isinstance(module, type):
        do = "Pass modules or functions one by one, not a list or a class"
        raise DTypeError(explain(f"{owner}: modules", f"{module!r:.60}", do))
    return Lambda(module)


def axis_of(name: str, shape: tuple[int, ...], dim: int) -> int:
    """Return the number of an axis, counted from 0; refuse one that does not exist."""
    if not -len(shape) <= dim < len(shape):
        what = f"{name}: an input with an axis {dim}"
        raise ShapeError(explain(what, f"shape {shape}", "Check the layer's options or the input"))
    return dim % len(shape)


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim` into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int

    Examples
    --------
    >>> import nn, numpy as np
    >>> nn.Flatten()(np.ones((2, 28, 28))).shape
    (2, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """Reshape x, in C order."""
        shape = np.shape(x)
        first, last = (axis_of("Flatten", shape, dim) for dim in (self.start_dim, self.end_dim))
        if first > last:
            what = f"Flatten: start_dim not after end_dim (for shape {shape})"
            got = f"{self.start_dim} and {self.end_dim}"
            raise ShapeError(explain(what, got, "Interchange them"))
        joined = math.prod(shape[first : last + 1])
        return ag.reshape(x, shape=(*shape[:first], joined, *shape[last + 1 :]))

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(), (rng.normal(size=(4, 3, 2)),)
        yield cls(1, 2), (rng.normal(size=(2, 3, 2, 2)),)


class Unflatten(Module):
    """Split one axis into several: the inverse of `Flatten`.

    Parameters
    ----------
    dim : int
    unflattened_size : sequence of int
        The new lengths; one of them may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        """Reshape x, in C order."""
        shape = np.shape(x)
        axis = axis_of("Unflatten", shape, self.dim)
        try:
            lengths = np.empty(shape[axis], bool).reshape(self.unflattened_size).shape
        except ValueError as error:
            what = f"Unflatten: lengths whose product is that of axis {self.dim} of {shape}"
            raise ShapeError(explain(what, self.unflattened_size, "Correct them")) from error
        return ag.reshape(x, shape=(*shape[:axis], *lengths, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """Return the axis and the lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(1, (2, -1)), (rng.normal(size=(4, 6)),)


class Residual(Module):
    """A module and a way around it: y = x + module(x).

    Parameters
    ----------
    module : Module or callable
        Its output must have the shape of its input.
    projection : Module or callable, optional
        Applied to x on the way around, so that y = projection(x) + module(x); for modules that
        change the width, as ``nn.Linear(4, 8, bias=False)``.

    References
    ----------
    He et al. (2016), Deep residual learning for image recognition, equations 1 and 2.

    Examples
    --------
    >>> import nn, numpy as np
    >>> nn.Residual(np.square)(np.array([1.0, 3.0]))
    array([ 2., 12.])
    """

    def __init__(
        self,
        module: Module | Callable[..., Any],
        projection: Module | Callable[..., Any] | None = None,
    ) -> None:
        self.module = check_module("Residual", module)
        self.projection = None if projection is None else check_module("Residual", projection)

    def forward(self, x: Any) -> Any:
        """Add the module's output to its input."""
        around = x if self.projection is None else self.projection(x)
        out = self.module(x)
        if np.shape(around) != np.shape(out):
            what = f"Residual: an output of the shape {np.shape(around)} of what it is added to"
            do = "Pass projection=nn.Linear(...), or keep the width"
            raise ShapeError(explain(what, np.shape(out), do))
        return out + around

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        same, wide, side = (Linear(3, n, bias=n > 2, rng=rng, dtype=np.float64) for n in (3, 2, 2))
        yield cls(same), (rng.normal(size=(4, 3)),)
        yield cls(wide, projection=side), (rng.normal(size=(4, 3)),)
