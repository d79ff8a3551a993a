"""Checking derivatives against numerical ones: `numerical_gradient`, `gradcheck` and its kin."""

from .blame import Blame, Culprit, blame
from .check import assert_gradients_match, gradcheck, gradcheck_callable
from .numerical import numerical_gradient
from .report import Entry, GradcheckError, GradcheckReport

__all__ = [
    "Blame",
    "Culprit",
    "Entry",
    "GradcheckError",
    "GradcheckReport",
    "assert_gradients_match",
    "blame",
    "gradcheck",
    "gradcheck_callable",
    "numerical_gradient",
]
