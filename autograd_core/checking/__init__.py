"""Checking derivatives against numerical ones: `numerical_gradient` and `gradcheck`."""

from .check import gradcheck
from .numerical import numerical_gradient
from .report import Entry, GradcheckError, GradcheckReport

__all__ = ["Entry", "GradcheckError", "GradcheckReport", "gradcheck", "numerical_gradient"]
