"""Tensor: an ndarray and, if a derivative can be asked of it, its node; else it is a constant.

Operators and methods are attached by `ops/operators.py`, derived from the declarations of ops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .checks import fitting, numeric
from .errors import GraphError, explain
from .guard import collect, expose, exposed, gradient, seen, set_gradient, taken, written, wrote
from .pullback import pullback
from .tape import Leaf, Node, ancestors, clock

if TYPE_CHECKING:
    Attached = Any  # what operators.py attaches is not declared here
else:
    Attached = object

__all__ = ["Tensor", "wrap"]


class Tensor(Attached):  # type: ignore[misc]
    """A value and its place on the tape. Made by `tensor` and by every operation."""

    __slots__ = ("__weakref__", "_value", "node")

    def __init__(
        self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None
    ) -> None:
        self._value: np.ndarray = numeric(getattr(data, "_value", data), dtype, requires_grad)
        self.node: Node | None = Leaf(self._value) if requires_grad else None

    shape = property(lambda self: self._value.shape, doc="The lengths of the axes.")
    ndim = property(lambda self: self._value.ndim, doc="The number of axes.")
    size = property(lambda self: self._value.size, doc="The number of elements.")
    dtype = property(lambda self: self._value.dtype, doc="The type of the elements.")
    requires_grad = property(lambda self: self.node is not None, doc="Whether it has a node.")
    is_leaf = property(lambda self: isinstance(self.node, Leaf | None), doc="No op made it.")

    @property
    def data(self) -> np.ndarray:
        """The value: on leaves and constants writable, on results a read-only view."""
        if not self.is_leaf:
            return self.numpy()
        seen(self._value)
        if not exposed(self._value):  # what was recorded keeps the old memory to itself
            self._value = self._value.copy()
            expose(self._value)
        return self._value

    @data.setter
    def data(self, value: ArrayLike) -> None:
        self.assign(value)

    def assign(self, value: ArrayLike) -> None:
        """Overwrite a leaf or constant in place; recordings that need the old value refuse."""
        if not self.is_leaf:
            what, do = "assignment: a leaf or a constant", "Give the new value a name of its own"
            raise GraphError(explain(what, repr(self.node), do))
        value = written(self, fitting("assignment", value, self._value))
        if self.node is None:  # its memory may be that of a result it was detached from
            self._value = value
            return
        self._value[...] = value
        wrote(self._value, next(clock))

    @property
    def grad(self) -> np.ndarray | None:
        """The derivative collected by `backward`, in the leaf's shape and dtype; or None."""
        return gradient(self.node) if isinstance(self.node, Leaf) else None

    @grad.setter
    def grad(self, value: ArrayLike | None) -> None:
        if not isinstance(self.node, Leaf):
            raise GraphError(explain("grad: a leaf", repr(self), "Set it on a leaf tensor"))
        set_gradient(self.node, None if value is None else fitting("grad", value, self._value))

    def numpy(self) -> np.ndarray:
        """Return the value as a read-only array that shares memory."""
        return seen(self._value)

    def detach(self) -> Tensor:
        """Return the same value as a constant."""
        return wrap(self._value, None)

    def backward(self, seed: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Collect the derivative of this tensor in the ``grad`` of every leaf it depends on.

        Parameters
        ----------
        seed : array_like, optional
            The cotangent of this tensor. May be left out for a single number.
        retain_graph : bool
            Keep what was recorded, so that another sweep is possible.

        Raises
        ------
        GraphError
            If nothing was recorded or it has been released, or if a seed is needed.
        MutationError
            If an array that the sweep needs was overwritten.
        """
        if self.node is None:
            got = "a constant (no operand had requires_grad=True, or it was made under no_grad)"
            do = "Make a leaf with tensor(..., requires_grad=True)"
            raise GraphError(explain("backward: a tensor that depends on a leaf", got, do))
        if seed is None and self.size != 1:
            what = "backward: a single number, or a seed (the cotangent of the result)"
            do = "Reduce it with .sum() or .mean(), or pass seed=np.ones(shape)"
            raise GraphError(explain(what, f"shape {self.shape} without a seed", do))
        seed = np.ones(self.shape) if seed is None else seed
        start = fitting("seed", seed, self._value)
        nodes = ancestors([self.node])
        cotangents = pullback(nodes, {self.node: start}, wrap)
        for leaf in [node for node in cotangents if isinstance(node, Leaf)]:
            collect(leaf, taken(cotangents, leaf))
        for node in nodes if not retain_graph else ():
            node.links = node.links and None


def wrap(data: np.ndarray, node: Node | None) -> Tensor:
    """Return a tensor around `data`, as it is."""
    result = Tensor.__new__(Tensor)
    result._value = data
    result.node = node
    return result
