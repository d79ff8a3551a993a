"""Entering and leaving the tape: tensors from arrays, and as numbers, arrays or sequences."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..errors import DTypeError, GraphError, ShapeError, explain
from ..guard import seen
from ..tape import Leaf
from ..tensor import Tensor

STORE_SUBSCR = dis.opmap["STORE_SUBSCR"]


def tensor(data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None) -> Tensor:
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


def item(self: Tensor) -> Any:
    """Return the only element as a Python number."""
    if self.size != 1:
        what = "a Python number: a tensor with exactly one element"
        raise ShapeError(
            explain(what, f"shape {self.shape}", "Index it, or reduce it with .sum()")
        )
    return seen(self._value).item()


def length(self: Tensor) -> int:
    """Return the length of the first axis."""
    if not self.ndim:
        raise DTypeError(explain("len: at least one axis", "a 0-d tensor", "Use .size"))
    return len(self._value)


def iterate(self: Tensor) -> Iterator[Tensor]:
    """Yield the parts along the first axis."""
    return (self[i] for i in range(len(self)))


def to_array(self: Tensor, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
    """Return a constant as an ndarray; refuse where a derivative would be lost."""
    if self.node is not None:
        what = "conversion to ndarray: a tensor without derivative"
        do = "Use ag.stack for several, .numpy() for values; its derivative would be lost silently"
        raise DTypeError(explain(what, f"a tensor on the tape ({self.node.name})", do))
    return (
        np.array(seen(self._value), dtype=dtype) if copy else np.asarray(self.numpy(), dtype=dtype)
    )


def represent(self: Tensor) -> str:
    """Return the value, dtype and origin as text."""
    text = np.array2string(self._value, separator=", ", prefix="tensor(")
    origin = "" if self.node is None else f", made by {self.node.name}"
    origin = ", requires_grad=True" if self.node is not None and self.is_leaf else origin
    return f"tensor({text}, dtype={self.dtype}{origin})"


def number(self: Tensor) -> float:
    """Return the only element as a float, unless NumPy asks for it to fill an array.

    ``array[0] = tensor`` would lose the derivative silently; the instruction that is being
    executed tells it from ``float(tensor)``.
    """
    frame = sys._getframe(1)
    if self.node is not None and frame.f_code.co_code[frame.f_lasti] == STORE_SUBSCR:
        what, do = "array[index] = value: a number", "Use stack or concatenate, or value.item()"
        raise DTypeError(explain(what, f"a tensor on the tape ({self.node.name})", do))
    return float(item(self))


def position(self: Tensor) -> int:
    """Return the only element where Python wants an index: it must be an integer."""
    if self.dtype.kind not in "iu":
        what, do = "an index: a tensor of one integer", "Convert it with int()"
        raise DTypeError(explain(what, self.dtype, do))
    return int(item(self))


def rebuild(kind: type[Tensor], data: np.ndarray, requires_grad: bool) -> Tensor:
    """Make a leaf or constant again from what `reduce` returned."""
    tensor = kind.__new__(kind)
    Tensor.__init__(tensor, data, requires_grad)
    return tensor


def reduce(self: Tensor, protocol: int) -> Any:
    """Say how to copy or pickle a leaf or constant; a result belongs to its tape."""
    if not self.is_leaf:
        what, do = "copy or pickle: a leaf or a constant", "Use .detach() or .numpy()"
        raise GraphError(explain(what, f"a result of {self.node.name}", do))  # type: ignore[union-attr]
    return rebuild, (type(self), self._value, self.requires_grad)


def convert(self: Tensor, dtype: DTypeLike) -> None:
    """Change the dtype of a leaf or constant in place; graphs that lead to it are void."""
    if isinstance(self.node, Leaf):
        self.node.links = None
    Tensor.__init__(self, self._value, self.requires_grad, dtype)


METHODS = {
    "convert": convert,
    "item": item,
    "tolist": lambda self: seen(self._value).tolist(),
    "__format__": lambda self, spec: format(item(self) if spec else str(self), spec),
    "__reduce_ex__": reduce,
    "__len__": length,
    "__iter__": iterate,
    "__array__": to_array,
    "__repr__": represent,
    "__float__": number,
    "__int__": lambda self: int(item(self)),
    "__index__": position,
    "__bool__": lambda self: bool(item(self)),
    "__hash__": lambda self: id(self),
}
for name, method in METHODS.items():
    setattr(Tensor, name, method)
