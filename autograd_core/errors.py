"""Exception types, and the one helper that words every message.

A user who meets an error learns three things in this order: what was expected, what came, and
what to do about it. Every message of the project is built by `explain`, so all of them read alike.
"""

from __future__ import annotations

from itertools import islice
from types import CodeType
from typing import Any

import numpy as np

__all__ = [
    "OURS",
    "AnomalyError",
    "DTypeError",
    "GraphError",
    "MatrixError",
    "MutationError",
    "NondifferentiableError",
    "ShapeError",
    "UnknownNameError",
    "explain",
    "line_of",
    "say_whose",
]


# The packages whose frames are passed over in search of the user's line.
OURS = frozenset(
    ("autograd_core", "autograd_core.checking", "autograd_core.compiler")
    + ("autograd_core.diagnostics", "autograd_core.ops")
    + ("nn", "nn.functional", "nn.losses", "optim")
)


class AnomalyError(FloatingPointError):
    """A number that is not finite; raised within `detect_anomaly`.

    Attributes
    ----------
    phase : {"input", "forward", "backward", "tangent"}
        Where the first one is: in what was given, in an operation, or in one of the sweeps.
    op, line : str
        The operation, and the user's line that applied it.
    operand : str
        Which operand was given, or is differentiated by; "" of an operation's result.
    index : tuple of int
        The element.
    position : int
        When it was found, on the clock of the tape.
    """

    phase = op = line = operand = ""
    index: tuple[int, ...] = ()
    position = 0


class ShapeError(ValueError):
    """Shapes disagree, or an axis does not exist."""


class DTypeError(TypeError):
    """A dtype or a type that the operation cannot take."""


class GraphError(ValueError):
    """The recorded graph cannot answer: nothing recorded, already released, no seed."""


class MatrixError(np.linalg.LinAlgError):
    """A matrix without the property asked of it: singular, not positive definite, not finite."""


class MutationError(ValueError):
    """An array that a recorded operation still needs was overwritten."""


class NondifferentiableError(TypeError):
    """A derivative was asked of an operation that has none."""


class UnknownNameError(ValueError):
    """A name (activation, option, method) that does not exist."""


def explain(what: str, got: object, do: str) -> str:
    """Word an error message: what was expected, what came, what to do.

    Parameters
    ----------
    what : str
        The operation and the expectation, without a final stop.
    got : object
        What came instead.
    do : str
        The remedy, as an imperative sentence without a final stop.

    Returns
    -------
    str
        The message in the project's one form.

    Examples
    --------
    >>> explain("sum: axis must be below 2", 5, "Pass an axis from -2 to 1")
    'sum: axis must be below 2, but got 5. Pass an axis from -2 to 1.'
    """
    return f"{what}, but got {got}. {do}."


def line_of(code: CodeType, instruction: int) -> str:
    """Return the line of an instruction, as ``file:line in function``."""
    number = next(islice(code.co_positions(), instruction // 2, None), (None,))[0]
    return f"{code.co_filename}:{number or code.co_firstlineno} in {code.co_name}"


def say_whose(error: Exception, node: Any, rule: Any) -> None:
    """Add to an error in a sweep whose rule it was, and the line that made the node.

    If what the rule returned is no array, which shows behind the rule, raise an error about that.
    """
    note = f"while differentiating {node.name}, recorded at {node.line}"
    place: Any = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    ours = place.tb_frame.f_globals.get("__package__") == __package__
    if not (ours and isinstance(error, AttributeError)):
        error.add_note(note)
        return
    what = f"the rule of {node.name} for {rule.operand}: a cotangent, an array or tensor"
    do = "Return one, such as ct * x, or ct * 0.0 for none"
    if error.name == "node":  # sweeps that are recorded, or that go forwards, differentiate it
        what = f"the rule of {node.name} for {rule.operand}: a tensor that depends on ct"
        do = "Write the rule with ops, not with NumPy on values"
    wrong = DTypeError(explain(what, f"{' '.join(repr(error.obj).split()):.60}", do))
    wrong.add_note(note)
    raise wrong from error
