"""Checking derivatives against numerical ones: `numerical_gradient` and `gradcheck`."""

from .blame import Blame, Culprit, blame
from .check import gradcheck
from .numerical import numerical_gradient
from .report import Entry, GradcheckError, GradcheckReport

__all__ = [
    "Blame",
    "Culprit",
    "Entry",
    "GradcheckError",
    "GradcheckReport",
    "blame",
    "gradcheck",
    "numerical_gradient",
]
