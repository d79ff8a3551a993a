"""Diagnosis: what a tape holds, how gradients flow through layers, and how many digits they have.

Reading is all that happens here: nothing is changed, and nothing is paid where nobody asks.
"""

from __future__ import annotations

from .digits import precision
from .drawing import draw
from .flow import gradient_flow
from .monitor import FlowMonitor
from .overview import table

__all__ = ["FlowMonitor", "draw", "gradient_flow", "precision", "table"]
