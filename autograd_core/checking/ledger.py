"""The ledger of a function: which operations it applied, to what, where, and what became of it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import line_of
from ..listening import Listener, user
from ..modes import traced
from ..recording import Recording
from ..rule import indexed_rules
from ..tape import Node, clock
from ..tensor import Tensor

__all__ = ["Call", "Edge", "Ledger", "heard"]


class Edge:
    """How one operand of an application gets its cotangent: its rule, and what that remembered.

    Without a rule it gets nothing.
    """

    __slots__ = ("index", "kept", "name", "rule")

    def __init__(self, index: int, name: str, rule: Any = None, kept: Any = None) -> None:
        self.index = index
        self.name = name
        self.rule = rule
        self.kept = kept


class Call:
    """One application of an op: ``op(*arrays, **attributes)``, with the nodes of its operands."""

    def __init__(
        self,
        op: Any,
        arrays: list[Any],
        attributes: dict[str, Any],
        nodes: list[Node | None],
        place: Any,
    ) -> None:
        self.op = op
        self.arrays = arrays
        self.attributes = attributes
        self.nodes = nodes
        self.place = place
        self.out = np.empty(0)
        self.node: Node | None = None  # its own, if the result depends on it
        self.position = 0  # among the operations of the function
        self.tick = 0

    @property
    def line(self) -> str:
        """The user's line."""
        return line_of(*self.place)

    @property
    def name(self) -> str:
        """The op's."""
        return str(self.op.name)

    @property
    def alike(self) -> Any:
        """What it has in common with applications that one test speaks for."""
        kinds = tuple((np.shape(x), np.result_type(x).str) for x in self.arrays)
        tracked = tuple(node is not None for node in self.nodes)
        return id(self.op), kinds, tracked, repr(self.attributes)

    @property
    def edges(self) -> list[Edge]:
        """The edges to the operands that have a place on the tape."""
        tracked = [i for i, node in enumerate(self.nodes) if node is not None]
        names = [self._operand(i) for i in tracked]
        if self.node is None:
            env = (*self.arrays, self.out, self.attributes)
            rules = self.op.edge_rules or indexed_rules(self.op, len(self.nodes))
            known = {i: (rules[i], rules[i].save(env)) for i in tracked if rules[i] is not None}
        else:
            links = self.node.links or ()
            pairs = list(zip(links[1::3], links[2::3], strict=True))
            places = tracked if self.op.variadic else [self._place(rule) for rule, _ in pairs]
            known = dict(zip(places, pairs, strict=False))
        pairs_of = (known.get(i, (None, None)) for i in tracked)
        return [Edge(i, n, *pair) for i, n, pair in zip(tracked, names, pairs_of, strict=True)]

    def _place(self, rule: Any) -> int:
        return int(self.op.operands.index(rule.operand))

    def _operand(self, i: int) -> str:
        return f"operand {i}" if self.op.variadic else str(self.op.operands[i])


class Ledger(Listener):
    """Hears of every application, and writes it down."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.leaks: list[str] = []  # where a value left the tape, in words
        self._made: dict[int, tuple[Any, str]] = {}  # by id: an array on the tape, and what it is

    def enter(self, name: str, tensor: Any) -> None:
        """Note an input."""
        self._made[id(tensor._value)] = (tensor._value, f"the input {name}")

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op, and notes it."""

        def noted(*arrays: Any, **attributes: Any) -> np.ndarray:
            nodes = [x.node if isinstance(x, Tensor) else None for x in operands]
            own = [x.copy() if isinstance(x, np.ndarray) else x for x in arrays]
            call = Call(op, own, attributes, nodes, user())
            self._look_for_leaks(call, operands)
            call.out = op.compute(*arrays, **attributes)
            call.tick = next(clock)
            self.calls.append(call)
            if any(nodes) and op.nondiff is None:
                what = f"the result of {call.name} ({call.line})"
                self._made.setdefault(id(call.out), (call.out, what))
            return call.out

        return noted

    def _look_for_leaks(self, call: Call, operands: Sequence[Any]) -> None:
        for operand in operands:
            if isinstance(operand, Tensor) and operand.node is None:
                _, what = self._made.get(id(operand._value), (None, ""))
                if what:
                    self.leaks.append(f"{what} is a constant in {call.name} ({call.line})")

    def read(self, array: np.ndarray) -> None:
        """Note that the host looks at what is on the tape."""
        _, what = self._made.get(id(array), (None, ""))
        if what:
            line = line_of(*user())
            self.leaks.append(f"{what} is read by the host ({line}), which no derivative passes")

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Note that a copy is what its original is."""
        if id(array) in self._made:
            self._made[id(copy)] = (copy, self._made[id(array)][1])

    def reaching(self, nodes: Sequence[Node]) -> list[Call]:
        """Return the applications that the result depends on, in order, with their nodes.

        A node takes the next tick of the clock after its application. Those inside a function
        that is computed again for its derivative (`checkpoint`) have none: they count all.
        """
        ticks = [call.tick for call in self.calls]
        again = False
        for node in nodes:
            call = self.calls[bisect.bisect(ticks, node.position) - 1] if ticks else None
            if call is not None and call.op is node.op and call.node is None:
                call.node = node
            else:
                again = again or node.name == "checkpoint"
        found = [c for c in self.calls if c.node or (again and _is_differentiated(c))]
        for position, call in enumerate(found):
            call.position = position
        return found


def _is_differentiated(call: Call) -> bool:
    return any(call.nodes) and call.op.nondiff is None


def heard(
    fn: Callable[..., Any], arrays: Sequence[np.ndarray], ledger: Ledger | None = None
) -> list[Call]:
    """Record a function of arrays; return the applications that its result depends on."""
    ledger = ledger or Ledger()
    with traced(ledger), np.errstate(all="ignore"):
        recording = Recording(fn, arrays)
    return ledger.reaching(recording.nodes)
