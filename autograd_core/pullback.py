"""Pullback: a sweep with plain arrays, and the two ways to sweep with tensors.

Plain arrays are fast. Where their result is not finite, the sweep is repeated with strong zeros;
and where somebody may want to differentiate the derivative, the sweep records itself (`lift`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DTypeError
from .modes import current, no_grad, strong_zeros
from .tape import Node, sweep

__all__ = ["lifting", "pullback"]

Wrap = Callable[[np.ndarray, Node | None], Any]


def pullback(
    nodes: list[Node], seeds: dict[Node, np.ndarray], wrap: Wrap
) -> dict[Node, np.ndarray]:
    """Sweep with plain arrays; if the result is not finite, sweep again with strong zeros.

    An infinity or NaN matters only where it reaches a result, so looking at the results is enough
    to know when the careful sweep is due, and the ordinary sweep pays nothing else for it.
    """
    with np.errstate(all="ignore"):
        trace = current().trace
        if trace is None or not trace.compiles:
            cotangents = sweep(nodes, dict(seeds))
        else:  # it is told of ops on tensors only
            cotangents = _lifted(nodes, seeds, wrap)
        # One pass without temporaries; a sum of squares that overflows costs a second sweep only.
        finite = all(math.isfinite(np.vdot(ct, ct)) for ct in cotangents.values())
        if trace is not None:
            trace.finite(list(cotangents.values()), finite)
        if finite:
            return cotangents
        try:
            cotangents = _careful(nodes, seeds, wrap)
        except DTypeError:
            pass  # a rule of the user's that takes arrays only
        if trace is not None:
            trace.swept(nodes, seeds, cotangents)
        return cotangents


def _careful(
    nodes: list[Node], seeds: dict[Node, np.ndarray], wrap: Wrap
) -> dict[Node, np.ndarray]:
    """Sweep again, a factor that is exactly zero winning over an infinite one."""
    with strong_zeros():
        return _lifted(nodes, seeds, wrap)


def _lifted(
    nodes: list[Node], seeds: dict[Node, np.ndarray], wrap: Wrap
) -> dict[Node, np.ndarray]:
    """Sweep with tensors that are not recorded."""
    with no_grad():
        constants = {node: wrap(seed, None) for node, seed in seeds.items()}
        cotangents = sweep(nodes, constants, lift=lifting(wrap))
    # A rule of the user's may turn a constant into an array, which has no derivative to lose.
    return {node: getattr(ct, "_value", ct) for node, ct in cotangents.items()}


def lifting(wrap: Wrap) -> Callable[[Node, Any, tuple[Any, ...]], tuple[Any, ...]]:
    """Return the function that gives remembered arrays their places on the tape back."""

    def lift(node: Node, rule: Any, kept: Any) -> tuple[Any, ...]:
        remembered = kept if isinstance(kept, tuple) else (kept,)
        if not any(isinstance(value, np.ndarray) for value in remembered):
            return remembered  # a join of a thousand operands is not searched for each of them
        places = {edge_rule.operand: parent for parent, edge_rule, _ in node.edges} | {"out": node}
        options = node.op.attributes  # they are not on the tape, arrays among them included
        return tuple(
            wrap(value, places.get(name))
            if isinstance(value, np.ndarray) and name not in options
            else value
            for name, value in zip(rule.needs, remembered, strict=True)
        )

    return lift
