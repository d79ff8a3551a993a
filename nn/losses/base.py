"""The base of the losses, and what their examples are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from .. import functional
from ..module import Module, refuse_options

__all__ = ["SHAPE", "FunctionLoss", "Loss", "labels", "normal", "plus_minus"]

SHAPE = (4, 3)  # of the examples


def normal(rng: np.random.Generator) -> np.ndarray:
    """Return an example of numbers of either sign."""
    return rng.normal(size=SHAPE)


def labels(rng: np.random.Generator) -> np.ndarray:
    """Return an example of class labels."""
    return rng.permutation([0, 2, 1, 2])


def plus_minus(rng: np.random.Generator, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return an example of labels 1 and -1."""
    return rng.choice([-1, 1], shape)


class Loss(Module):
    """Base of the losses, also of your own: holds the reduction, which `functional.reduce` does.

    Examples
    --------
    >>> import nn, autograd_core as ag
    >>> class LogCosh(nn.Loss):
    ...     def forward(self, prediction, target, sample_weight=None):
    ...         losses = ag.log(ag.cosh(prediction - target))
    ...         return nn.functional.reduce(losses, self.reduction, sample_weight)
    >>> LogCosh("sum")(ag.tensor([0.0, 1.0]), ag.tensor([0.0, 1.0])).item()
    0.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        functional.check_reduction(reduction)
        self.reduction = reduction

    def extra_repr(self) -> str:
        """Return the reduction."""
        return f"reduction={self.reduction!r}"


class FunctionLoss(Loss):
    """A function of `functional` with its options, which are attributes."""

    function: ClassVar[Callable[..., Any]]
    variants: ClassVar[tuple[dict[str, Any], ...]] = ({},)  # options of the examples

    def __init__(self, reduction: str = "mean", **options: Any) -> None:
        super().__init__(reduction)
        refuse_options(self, FunctionLoss, options)
        functional.check_options(type(self).function.__name__, **options)
        vars(self).update(options)
        self.options = tuple(options)

    def forward(self, *inputs: Any, sample_weight: Any = None) -> Any:
        """Return the loss of a prediction and a target, with one weight per sample if given."""
        options = {name: getattr(self, name) for name in self.options}
        return type(self).function(
            *inputs, reduction=self.reduction, sample_weight=sample_weight, **options
        )

    def extra_repr(self) -> str:
        """Return the reduction, and the options that are given."""
        given = [(name, getattr(self, name)) for name in ("reduction", *self.options)]
        return ", ".join(f"{name}={value!r}" for name, value in given if value is not None)

    @classmethod
    def inputs(cls, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return an example of what the loss is called with."""
        return normal(rng), normal(rng)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[Any]:
        """Yield instances and inputs for the laws: every variant with every reduction."""
        for options in cls.variants:
            for reduction in functional.REDUCTIONS:
                yield cls(reduction=reduction, **options), cls.inputs(rng)
