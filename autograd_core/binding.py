"""Sorting a call's arguments into operands and attributes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .errors import DTypeError, MatrixError, ShapeError, UnknownNameError, explain
from .guard import own
from .tensor import Tensor

if TYPE_CHECKING:
    from .op import Op

__all__ = ["SCALARS", "bind", "keep", "plain", "refuse_misfit", "unwrap"]

ARRAYS = frozenset((np.ndarray, np.float64, np.float32))
METADATA = frozenset((int, float, bool, tuple, type(None)))
SCALARS = frozenset((float, int, bool, np.float64, np.float32))


def plain(op: Op, operands: tuple[Any, ...], attributes: dict[str, Any]) -> bool:
    """Whether a call has arrays only, as when a rule is at work on them: nothing to sort out."""
    if len(operands) != op.arity or not ARRAYS.issuperset(map(type, operands)):
        return False
    return not attributes or METADATA.issuperset(map(type, attributes.values()))


def unwrap(op: Op, operands: tuple[Any, ...]) -> tuple[list[Any], list[Any], bool, bool]:
    """Return the operands' arrays and nodes; whether any is a tensor, and whether any is not."""
    arrays: list[Any] = []
    nodes: list[Any] = []
    lifted = foreign = False
    for operand in operands:
        if isinstance(operand, Tensor):
            lifted = True
            arrays.append(operand._value)
            nodes.append(operand.node)
        else:
            foreign = True
            arrays.append(array(op, operand))
            nodes.append(None)
    return arrays, nodes, lifted, foreign


def keep(arrays: list[Any], operands: tuple[Any, ...]) -> list[Any]:
    """Return the arrays to be remembered: those that others could write into are copied."""
    pairs = zip(arrays, operands, strict=True)
    return [own(array, not isinstance(operand, Tensor)) for array, operand in pairs]


def array(op: Op, operand: Any) -> Any:
    """Return an operand that is not a tensor as an array of numbers."""
    if operand.__class__ in SCALARS:
        return operand  # a Python number must not widen a float32 operand
    numbers = np.asarray(operand)
    if numbers.dtype.kind not in "fciub" or getattr(operand, "mask", None) is not None:
        what = f"{op.name}: operands that are tensors, arrays or numbers"
        raise DTypeError(
            explain(what, f"{operand!r:.60}", "Convert it to a plain array of numbers")
        )
    return numbers


def bind(
    op: Op, operands: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort a call's arguments into operands and attributes; NumPy allows both by position."""
    if len(operands) == op.arity and op.required <= named.keys() <= op.attributes.keys():
        return operands, op.attributes | {n: frozen(op, value) for n, value in named.items()}
    if op.variadic:
        head, *extra = operands or ((),)
        operands, lacking = tuple(head), 0
    else:
        count = len(op.operands)
        extra = list(operands[count:])
        missing = [name for name in op.operands[len(operands) :] if name in named]
        operands = (*operands[:count], *(named.pop(name) for name in missing))
        lacking = count - len(operands)
    given = dict(zip(op.attributes, extra, strict=False))
    surplus = len(extra) > len(op.attributes) or given.keys() & named.keys()
    given |= named
    attributes = op.attributes | {name: frozen(op, value) for name, value in given.items()}
    absent = [name for name, value in attributes.items() if value is inspect.Parameter.empty]
    if lacking or surplus or absent or given.keys() - op.attributes.keys():
        names = ", ".join((*op.operands, *op.attributes))
        got = f"{len(operands) + len(extra)} by position and {', '.join(named) or 'none'} by name"
        raise DTypeError(explain(f"{op.name}: arguments ({names})", got, "Pass each of them once"))
    return operands, attributes


def frozen(op: Op, value: Any) -> Any:
    """Return an attribute that nobody else can write into: containers and arrays are copied."""
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, tuple):
        return tuple(frozen(op, part) for part in value)
    if isinstance(value, list):
        return [frozen(op, part) for part in value]
    if isinstance(value, Tensor) and value.node is not None:
        what = f"{op.name}: options without derivative"
        do = "Pass its .numpy(), or compose the result from ops such as maximum and minimum"
        raise DTypeError(explain(what, "a tensor on the tape", do))
    if isinstance(value, Tensor):
        value = value.numpy()  # who traces what is computed is told that its content counts
    return np.array(value) if isinstance(value, np.ndarray) else value


# What becomes of an error that NumPy raised in a forward function, and what to do about it.
MISFITS: dict[type[Exception], tuple[type[Exception], str, str]] = {
    np.exceptions.AxisError: (ShapeError, "axes that exist", "Count the axes from 0"),
    ValueError: (ShapeError, "operands whose shapes fit", "Reshape or transpose one of them"),
    IndexError: (IndexError, "positions that exist", "Check the positions against the shape"),
    TypeError: (DTypeError, "operands and options of types that fit", "Correct one of them"),
}


def refuse_misfit(
    op: Op, arrays: tuple[Any, ...], attributes: dict[str, Any], error: Exception
) -> NoReturn:
    """Say which op NumPy's error came from, and with what."""
    if isinstance(error, (ShapeError, DTypeError, MatrixError, UnknownNameError)):
        raise error  # it says already what to do
    kind, expected, do = next(MISFITS[base] for base in MISFITS if isinstance(error, base))
    shapes = " and ".join(str(np.shape(array)) for array in arrays) or "none"
    options = "".join(f", {name}={value!r:.40}" for name, value in attributes.items())
    got = f"shapes {shapes}{options} (NumPy: {str(error).rstrip('. ')})"
    raise kind(explain(f"{op.name}: {expected}", got, do)) from error
