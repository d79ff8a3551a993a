"""Diagnosis: what a tape holds, how gradients flow through layers, and how many digits they have.

Reading is all that happens here: nothing is changed, and nothing is paid where nobody asks. Not
even for loading: a name is looked up in its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .anomaly import detect_anomaly
    from .choices import conventions
    from .digits import precision
    from .drawing import draw
    from .flow import gradient_flow
    from .monitor import FlowMonitor
    from .overview import table

__all__ = [
    "FlowMonitor",
    "conventions",
    "detect_anomaly",
    "draw",
    "gradient_flow",
    "precision",
    "table",
]

PLACES = {
    "FlowMonitor": "monitor",
    "conventions": "choices",
    "detect_anomaly": "anomaly",
    "draw": "drawing",
    "gradient_flow": "flow",
    "precision": "digits",
    "table": "overview",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{PLACES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *PLACES])
