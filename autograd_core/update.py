"""Update ops: operations that overwrite their operands, as an optimizer does with parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .guard import set_gradient, wrote
from .modes import current, no_grad
from .tape import Leaf, clock
from .tensor import Tensor, wrap

__all__ = [
    "BoundRecipe",
    "Recipe",
    "collected",
    "hosted",
    "noted",
    "regrade",
    "unrepeatable",
    "update_op",
]

Numbers = Sequence[Mapping[str, float]]


class Recipe(NamedTuple):
    """How machine code does an update, and counts it: text for a generated module.

    Attributes
    ----------
    definitions : str
        The text. Equal texts define the same names, different ones do not.
    scalars : str
        The name of ``scalars(cell, settings)``, which advances the step count ``cell[0]`` and the
        numbers after it, and returns a tuple of what the loop takes.
    loop : str
        The name of ``loop(p, g, *state, begin, end, *constants)``, which updates a range of the
        elements of flat arrays.
    constants : tuple of str
        The names of what ``scalars`` returns.
    """

    definitions: str
    scalars: str
    loop: str
    constants: tuple[str, ...]


class BoundRecipe(NamedTuple):
    """A recipe with the arrays, of float64, that its scalars are made from.

    The parameter's memory is in one piece. Gradient and state are flat, in the order of it.
    """

    definitions: str
    scalars: str
    loop: str
    constants: tuple[str, ...]
    cell: np.ndarray
    settings: np.ndarray


Recipes = Sequence[BoundRecipe | None]


def collected(parameter: Tensor) -> np.ndarray | None:
    """Return the gradient of a leaf, not to be changed: what an optimizer hands to an update."""
    leaf = parameter.node
    if not isinstance(leaf, Leaf):
        return None
    trace = current().trace
    if trace is not None:
        trace.begins(leaf)
    found: np.ndarray | None = leaf.grad
    return found


def noted() -> bool:
    """Whether a compiler notes what is computed: what is not an op would be lost on it."""
    trace = current().trace
    return trace is not None and trace.compiles


def unrepeatable(what: str) -> None:
    """Tell a compiler of a change to Python objects, which a program would not repeat."""
    trace = current().trace
    if trace is not None:
        trace.refuse(what)


def regrade(
    parameters: Sequence[Tensor], change: Callable[[list[Tensor]], Sequence[Tensor]]
) -> None:
    """Replace the gradients of leaves by what ops make of them, in a way that can be noted."""
    leaves = [parameter.node for parameter in parameters if isinstance(parameter.node, Leaf)]
    trace = current().trace
    for leaf in leaves:
        trace.begins(leaf)
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        trace.value(gradient, leaf)  # one from outside is looked up at every run
    with no_grad(), np.errstate(all="ignore"):
        changed = change([wrap(gradient, None) for gradient in gradients])
    for leaf, result in zip(leaves, changed, strict=True):
        set_gradient(leaf, result._value)


def hosted(
    function: Callable[[], Numbers],
    witness: Callable[[], Callable[[], bool]],
    recipes: Callable[[], Recipes],
) -> Numbers:
    """Return numbers that depend on more than arrays, such as a rate that a schedule sets.

    A compiled program calls `function` again at each of its runs, as long as what ``witness()``
    returned after the first call is true. It need not call where ``recipes()`` say, for each of
    the updates that follow, how machine code does the same.
    """
    numbers = function()
    trace = current().trace
    if trace is not None and trace.compiles:
        trace.host(function, witness(), numbers, recipes())
    return numbers


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
        trace = current().trace
        if trace is not None:
            trace.update(function, values, attributes, written)
        function(*arrays, **attributes)
        position = next(clock)
        for i in written:
            if isinstance(values[i], Tensor):
                wrote(arrays[i], position)

    update.__name__ = name
    return update
