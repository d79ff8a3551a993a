"""Update ops: operations that overwrite their operands, as an optimizer does with parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .guard import wrote
from .tape import clock
from .tensor import Tensor

__all__ = ["update_op"]


def update_op(
    name: str, function: Callable[..., None], operands: tuple[str, ...], writes: tuple[str, ...]
) -> Callable[..., None]:
    """Make an op that overwrites operands in place: how an optimizer updates parameters.

    Parameters
    ----------
    name : str
    function : callable
        ``function(*arrays, **attributes)`` writes into the arrays named by `writes`.
    operands : tuple of str
        The names of the arrays, in order.
    writes : tuple of str
        The operands that it overwrites. Graphs that need their old value refuse to be swept.
    """
    written = tuple(operands.index(operand) for operand in writes)

    def update(*values: Any, **attributes: Any) -> None:
        arrays = [value._value if isinstance(value, Tensor) else value for value in values]
        function(*arrays, **attributes)
        position = next(clock)
        for i in written:
            if isinstance(values[i], Tensor):
                wrote(arrays[i], position)

    update.__name__ = name
    return update
