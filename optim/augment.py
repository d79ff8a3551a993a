"""Augmentation: random variations of a batch of inputs, for ``fit(augment=...)``.

Each is a function ``augment(rng, x) -> x`` on arrays with the examples along the first axis; write
others the same way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograd_core.errors import DTypeError, ShapeError, explain

from .hyperparameters import NONNEGATIVE, Domain, number, whole

__all__ = ["Augmentation", "compose", "flip", "noise", "shift"]

Augmentation = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def flip(probability: float = 0.5, axis: int = -1) -> Augmentation:
    """Return the augmentation that mirrors each example along `axis` with a probability.

    Examples
    --------
    >>> mirror = flip(probability=1.0)
    >>> mirror(np.random.default_rng(0), np.array([[1, 2, 3]]))
    array([[3, 2, 1]])
    """
    share = number("flip", "probability", probability, Domain(0.0, 1.0), 0.5)

    def augment(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        _check_axes("flip", x, (axis,))
        chosen = rng.random(len(x)) < share
        out = x.copy()
        out[chosen] = np.flip(x[chosen], axis)
        return out

    return augment


def shift(most: int = 2, axes: tuple[int, ...] = (-2, -1), fill: float = 0.0) -> Augmentation:
    """Return the augmentation that moves each example by up to `most` places along each axis.

    What comes in from outside is `fill`.

    Examples
    --------
    >>> move = shift(most=1, axes=(-1,), fill=9)
    >>> move(np.random.default_rng(3), np.array([[1, 2, 3], [4, 5, 6]]))
    array([[9, 1, 2],
           [5, 6, 9]])
    """
    most = whole("shift", "most", most, 0, 2)

    def augment(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        _check_axes("shift", x, axes)
        places = rng.integers(-most, most, size=(len(x), len(axes)), endpoint=True)
        for axis, moves in zip(axes, places.T, strict=True):
            shape = [1] * x.ndim
            shape[0], shape[axis] = len(x), x.shape[axis]
            source = (np.arange(x.shape[axis]) - moves[:, None]).reshape(shape)
            inside = (source >= 0) & (source < x.shape[axis])
            moved = np.take_along_axis(x, source.clip(0, x.shape[axis] - 1), axis)
            x = np.where(inside, moved, x.dtype.type(fill))
        return x

    return augment


def noise(scale: float) -> Augmentation:
    """Return the augmentation that adds normal noise of this standard deviation."""
    scale = number("noise", "scale", scale, NONNEGATIVE, 0.1)

    def augment(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        return x + (scale * rng.standard_normal(x.shape)).astype(dtype)

    return augment


def compose(*augmentations: Augmentation) -> Augmentation:
    """Return the augmentation that applies several, one after the other."""
    for augmentation in augmentations:
        if not callable(augmentation):
            got, do = f"a {type(augmentation).__name__}", "Pass for example flip(), shift(2)"
            raise DTypeError(explain("compose: functions of (rng, x)", got, do))

    def augment(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        for augmentation in augmentations:
            x = augmentation(rng, x)
        return x

    return augment


def _check_axes(owner: str, x: np.ndarray, axes: tuple[int, ...]) -> None:
    for axis in axes:
        if not -x.ndim <= axis < x.ndim or axis % x.ndim == 0:
            what = f"{owner}: an axis of the examples, not the first one of the batch"
            got = f"axis {axis} of an array of shape {x.shape}"
            raise ShapeError(explain(what, got, "Pass another axis, or reshape the inputs"))
