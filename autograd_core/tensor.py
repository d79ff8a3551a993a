"""Tensor: a value and its place on the tape.

A tensor holds an ndarray and, if derivatives can be asked of it, the node that stands for it. A
tensor without a node is a constant. Operators and NumPy's functions are attached by
`ops/operators.py`, derived from the declarations of the operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .errors import DTypeError, GraphError, ShapeError, explain
from .guard import expose, wrote
from .tape import Leaf, Node, ancestors, clock, no_grad, pullback, strong_zeros, sweep

__all__ = ["Tensor", "tensor", "wrap"]


class Tensor:
    """An ndarray that remembers how it was computed. Made by `tensor` and by every operation."""

    __slots__ = ("__weakref__", "_data", "node")

    _data: np.ndarray
    node: Node | None

    def __init__(
        self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike = None
    ) -> None:
        if isinstance(data, Tensor):
            data = data._data
        self._data = np.array(data, dtype=dtype)
        if self._data.dtype.kind not in "fciub":
            raise DTypeError(explain("tensor: numbers", f"{data!r:.60}", "Pass an array or a list"))
        if requires_grad and self._data.dtype.kind != "f":
            raise DTypeError(
                explain(
                    "tensor: requires_grad=True needs a real floating dtype",
                    self._data.dtype,
                    "Pass dtype=float, or leave requires_grad out",
                )
            )
        self.node = Leaf(self._data) if requires_grad else None

    shape = property(lambda self: self._data.shape, doc="The lengths of the axes.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of elements.")
    dtype = property(lambda self: self._data.dtype, doc="The type of the elements.")
    requires_grad = property(lambda self: self.node is not None, doc="Whether it has a node.")
    is_leaf = property(
        lambda self: self.node is None or isinstance(self.node, Leaf),
        doc="Whether no operation made it.",
    )

    @property
    def data(self) -> np.ndarray:
        """The value. Writable on leaves and constants, a read-only view on results."""
        if not self.is_leaf:
            return self.numpy()
        expose(self._data)
        return self._data

    @data.setter
    def data(self, value: ArrayLike) -> None:
        self.assign(value)

    def assign(self, value: ArrayLike) -> None:
        """Overwrite the value of a leaf in place; recorded graphs that need the old one refuse."""
        if not self.is_leaf:
            raise GraphError(
                explain("assignment: a leaf or a constant", repr(self.node), "Use the result's own")
            )
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(
                explain(f"assignment: a value of shape {self.shape}", array.shape, "Reshape it")
            )
        if array is not self._data:
            self._data[...] = array
        wrote(self._data, next(clock))

    @property
    def grad(self) -> np.ndarray | None:
        """The derivative collected by `backward`, in the leaf's shape and dtype; or None."""
        return self.node.grad if isinstance(self.node, Leaf) else None

    @grad.setter
    def grad(self, value: ArrayLike | None) -> None:
        if not isinstance(self.node, Leaf):
            raise GraphError(
                explain("grad: a leaf", self.node or "a constant", "Set it on a leaf tensor")
            )
        if value is not None:
            value = np.array(value, dtype=self.dtype)
            if value.shape != self.shape:
                raise ShapeError(explain(f"grad: shape {self.shape}", value.shape, "Reshape it"))
        self.node.grad = value

    def numpy(self) -> np.ndarray:
        """Return the value as a read-only array that shares memory."""
        view = self._data.view()
        view.flags.writeable = False
        return view

    def detach(self) -> Tensor:
        """Return the same value as a constant."""
        return wrap(self._data, None)

    def item(self) -> Any:
        """Return the only element as a Python scalar."""
        if self.size != 1:
            raise ShapeError(
                explain("item: exactly one element", f"shape {self.shape}", "Index it, or use .sum()")
            )
        return self._data.item()

    def backward(self, seed: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Collect the derivative of this tensor in the ``grad`` of every leaf it depends on.

        Parameters
        ----------
        seed : array_like, optional
            The cotangent of this tensor, in its shape. May be left out for a single number.
        retain_graph : bool
            Keep what was recorded, so that another sweep is possible.

        Raises
        ------
        GraphError
            If nothing was recorded, if the graph has been released, or without a seed where one is
            needed.
        MutationError
            If an array that the sweep needs was overwritten.
        """
        if self.node is None:
            raise GraphError(
                explain(
                    "backward: a tensor that depends on a leaf",
                    "a constant (no operand had requires_grad=True, or it was made under no_grad)",
                    "Make a leaf with tensor(..., requires_grad=True)",
                )
            )
        nodes = ancestors([self.node])
        cotangents = pullback(nodes, {self.node: self._seed(seed)}, careful)
        for node, ct in cotangents.items():
            if isinstance(node, Leaf):
                node.grad = np.array(ct) if node.grad is None else node.grad + ct
        if not retain_graph:
            for node in nodes:
                if node.edges:
                    node.edges = None

    def _seed(self, seed: ArrayLike | None) -> np.ndarray:
        if seed is None and self.size != 1:
            raise GraphError(
                explain(
                    "backward: a scalar, or a seed (the cotangent of the result)",
                    f"a result of shape {self.shape} without a seed",
                    "Reduce it with .sum() or .mean(), or pass seed=np.ones(shape)",
                )
            )
        value = seed._data if isinstance(seed, Tensor) else 1.0 if seed is None else seed
        array = np.array(value, dtype=self.dtype)
        if seed is not None and array.shape != self.shape:
            raise ShapeError(
                explain(f"backward: a seed of shape {self.shape}", array.shape, "Reshape the seed")
            )
        return array.reshape(self.shape)

    def __len__(self) -> int:
        if not self.ndim:
            raise DTypeError(explain("len: at least one axis", "a 0-d tensor", "Use .size"))
        return len(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __hash__(self) -> int:
        return id(self)

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> np.ndarray:
        if self.node is not None:
            raise DTypeError(
                explain(
                    "conversion to ndarray: a tensor without derivative",
                    f"a tensor on the tape ({self.node.op})",
                    "Use .numpy() for its value; the derivative would be lost silently",
                )
            )
        return np.array(self._data, dtype=dtype) if copy else np.asarray(self.numpy(), dtype=dtype)

    def __repr__(self) -> str:
        text = np.array2string(self._data, separator=", ", prefix="tensor(")
        kind = "" if self.node is None else ", requires_grad=True"
        kind = kind if self.is_leaf else f", made by {self.node.op.name}"  # type: ignore[union-attr]
        return f"tensor({text}, dtype={self.dtype}{kind})"


def tensor(data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike = None) -> Tensor:
    """Make a tensor from a copy of `data`; with ``requires_grad=True`` a leaf of the tape.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """
    return Tensor(data, requires_grad, dtype)


def wrap(data: np.ndarray, node: Node | None) -> Tensor:
    """Return a tensor around `data` without copying or checking it."""
    result = Tensor.__new__(Tensor)
    result._data = data
    result.node = node
    return result


def lift(node: Node, rule: Any, remembered: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the arrays that a rule remembered their places on the tape back."""
    places = {edge_rule.operand: parent for parent, edge_rule, _ in node.edges}
    places["out"] = node
    return tuple(
        wrap(value, places.get(name)) if isinstance(value, np.ndarray) else value
        for name, value in zip(rule.needs, remembered, strict=True)
    )


def careful(nodes: list[Node], seeds: dict[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    """Sweep with plain values again, a factor that is exactly zero winning over an infinite one."""
    with no_grad(), strong_zeros():
        constants = {node: wrap(seed, None) for node, seed in seeds.items()}
        cotangents = sweep(nodes, constants, lift=lift)
    return {node: ct._data for node, ct in cotangents.items()}
