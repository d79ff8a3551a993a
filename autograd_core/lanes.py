"""Lanes: the same application of an op as `Op.__call__`, without loops, for the frequent cases.

An op of one or two operands without attributes is recorded in about half the time this way; what
is out of the ordinary (another mode, a raw ndarray, exposed memory) takes the general road.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .binding import SCALARS, refuse_misfit
from .guard import EXPOSED, own
from .modes import _current
from .op import Op
from .tensor import Tensor

__all__ = ["Binary", "Unary"]

ndarray = np.ndarray


class Unary(Op):
    """An op of one operand without attributes."""

    def __call__(self, x: Any = None, /, *more: Any, **named: Any) -> Any:
        """Apply the op and record it."""
        if x is None or more or named:
            return super().__call__(*(() if x is None else (x, *more)), **named)
        if x.__class__ is ndarray:
            return self.forward(x)  # a rule at work on plain arrays
        tape = _current.get(None)
        if self.slow or tape is None or tape.slow:
            seen = tape is not None and tape.quiet is not None
            return _seen(self, tape, self, x) if seen else super().__call__(x)
        if not isinstance(x, Tensor) or x.node is None:
            return super().__call__(x)
        a = x._value
        try:
            out = self.forward(a)
        except ValueError as error:
            refuse_misfit(self, (a,), {}, error)
        if out.__class__ is not ndarray:
            out = np.asarray(out)
        env: Any = (a, out, None) if not EXPOSED else (own(a, False), own(out, False), None)
        (rule,) = self.edge_rules
        return self.record((x.node, rule, rule.save(env)), out, tape)


class Binary(Op):
    """An op of two operands without attributes; ``method`` is what Tensor's operators are."""

    def __init__(self, forward: Callable[..., Any], facets: dict[str, Any]) -> None:
        super().__init__(forward, facets)
        self.method = _method(self)

    def __call__(self, x: Any = None, y: Any = None, /, *more: Any, **named: Any) -> Any:
        """Apply the op and record it."""
        if y is None or more or named:
            given = [operand for operand in (x, y) if operand is not None]
            return super().__call__(*given, *more, **named)
        if x.__class__ is ndarray is y.__class__:
            return self.forward(x, y)
        return self.method(x, y)


def _seen(op: Op, tape: Any, apply: Callable[..., Any], *operands: Any) -> Any:
    """Apply an op as if nobody listened, and tell the listener of its result."""
    token = _current.set(tape.quiet)
    try:
        result = apply(*operands)
    finally:
        _current.reset(token)
    if isinstance(result, Tensor):
        tape.trace.look(op, operands, result._value)
    return result


def _method(op: Binary) -> Callable[[Any, Any], Any]:
    """Return the op as a function, which an operator calls without a step between."""

    def method(x: Any, y: Any) -> Any:
        tape = _current.get(None)
        if op.slow or tape is None or tape.slow:
            seen = tape is not None and tape.quiet is not None
            return _seen(op, tape, method, x, y) if seen else Op.__call__(op, x, y)
        a: Any
        b: Any
        if isinstance(x, Tensor):
            a, m = x._value, x.node
        elif x.__class__ in SCALARS:
            a, m = x, None
        else:
            return Op.__call__(op, x, y)
        if isinstance(y, Tensor):
            b, n = y._value, y.node
        elif y.__class__ in SCALARS:
            b, n = y, None
        else:
            return Op.__call__(op, x, y)
        if m is None and n is None:
            return Op.__call__(op, x, y)
        try:
            out = op.forward(a, b)
        except ValueError as error:
            refuse_misfit(op, (a, b), {}, error)
        if out.__class__ is not ndarray:
            out = np.asarray(out)
        env: Any = (a, b, out, None)
        if EXPOSED:
            env = tuple(own(value, False) for value in env)
        rule_x, rule_y = op.edge_rules
        if n is None:
            links: Any = (m, rule_x, rule_x.save(env))
        elif m is None:
            links = (n, rule_y, rule_y.save(env))
        else:
            links = (m, rule_x, rule_x.save(env), n, rule_y, rule_y.save(env))
        return op.record(links, out, tape)

    return method
