"""Op: one elementary function and its derivative rules, declared once.

The declared function computes on plain arrays. Its positional parameters are the *operands*
(arrays), its keyword-only parameters the *attributes* (metadata). Each operand has one derivative
rule, whose own parameters say what is remembered for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .binding import bind, keep, plain, refuse_misfit, unwrap
from .errors import DTypeError, explain
from .guard import EXPOSED, own
from .modes import Tape, current
from .rule import Rule, indexed_rules
from .signature import EMPTY, parameters
from .tape import Node
from .tensor import Tensor, wrap

__all__ = ["Op"]


class Op:
    """An elementary function on tensors and arrays; made by `primitive`.

    With arrays only, it returns an array. With a tensor among the operands, it returns a tensor.
    """

    def __init__(self, forward: Callable[..., Any], facets: dict[str, Any]) -> None:
        self.forward = forward
        self.name = self.__name__ = forward.__name__
        self.__doc__ = forward.__doc__
        self.facets = facets
        self.nondiff: str | None = facets.get("nondiff")
        self.pointwise: bool = facets.get("pointwise", False)
        self.operands, self.variadic, self.attributes, _ = parameters(forward)
        self.arity = -1 if self.variadic else len(self.operands)
        self.required = {name for name, value in self.attributes.items() if value is EMPTY}
        self.rules: dict[str, Callable[..., Any]] = {}
        self.edge_rules: tuple[Any, ...] = ()
        self.indexed: list[Rule] = []  # the rules of a variadic op, as many as were needed
        self.slow = True  # until every operand has a rule
        self.strong: Op | None = None  # the twin in which zero wins over infinity

    def __repr__(self) -> str:
        return f"<op {self.name}{self.__signature__}>"

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.forward)

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Apply the op; record it if a derivative can be asked of an operand."""
        if plain(self, operands, attributes):
            return self.forward(*operands, **attributes)
        if len(operands) != self.arity or self.attributes or attributes:
            operands, attributes = bind(self, operands, attributes)
        arrays, nodes, lifted, foreign = unwrap(self, operands)
        if not lifted:
            return self.forward(*arrays, **attributes)
        tape = current()
        if self.strong is not None and tape.strong_zeros:
            return self.strong(*operands, **attributes)
        compute = self.compute if tape.trace is None else tape.trace.compute(self, operands)
        out = compute(*arrays, **attributes)
        if self.nondiff is not None or not tape.recording or not any(nodes):
            return wrap(out, None)
        if foreign or EXPOSED:
            arrays = keep(arrays, operands)
        env = (*arrays, own(out, False) if EXPOSED else out, attributes)
        rules = self.edge_rules or indexed_rules(self, len(nodes))
        rules = tape.rules.get(self, rules) if tape.rules else rules
        links: list[Any] = []
        for node, rule in zip(nodes, rules, strict=True):
            if node is not None and rule is not None:
                links += (node, rule, rule.save(env))
        return self.record(tuple(links), out, tape)

    def compute(self, *arrays: Any, **attributes: Any) -> np.ndarray:
        """Run the forward function; say which op it was if it refuses what it is given."""
        try:
            out = self.forward(*arrays, **attributes)
        except (ValueError, IndexError, TypeError) as error:
            refuse_misfit(self, arrays, attributes, error)
        return out if out.__class__ is np.ndarray else np.asarray(out)

    def record(self, links: Any, out: np.ndarray, tape: Tape) -> Tensor:
        """Write the node of one application and return its result."""
        if out.dtype.kind != "f":
            do = "Use real operands, or .detach() them"
            raise DTypeError(explain(f"{self.name}: a real result", out.dtype, do))
        return wrap(out, Node(self, links, out, tape.home))
