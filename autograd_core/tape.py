"""The tape: what was computed, in the order it was computed.

Every operation on a tensor writes a `Node`: the operation, an edge to each node that it read, and
whatever the derivative rules asked to remember. A node takes the next tick of one clock as its
*position*. An operand always exists before its result, so the order of positions is a topological
order, and backpropagation is a walk down the positions (`sweep`): no recursion, no graph theory.

A node lives as long as a tensor depends on it: what nobody differentiates leaves nothing behind.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from .errors import OURS, GraphError, ShapeError, explain, line_of, say_whose
from .guard import held, hold, refuse_overwritten, written_since
from .modes import Tape, current

__all__ = ["Leaf", "Node", "ancestors", "clock", "sweep"]

clock = itertools.count(1)  # shared by all threads: an operand precedes its result everywhere


class Node:
    """One application of an operation.

    Its edges (parent, rule, remembered) say whom the cotangent goes to, how, and with what. They
    lie flat in the tuple `links`, single values bare: Python's collector visits each container.
    """

    __slots__ = ("code", "dtype", "home", "instruction", "links", "op", "position", "shape")

    def __init__(self, op: Any, links: tuple[Any, ...], value: np.ndarray, home: Any) -> None:
        self.op = op
        self.links: tuple[Any, ...] | None = links
        self.home = home
        shape = value.shape
        self.shape = links[0].shape if links and links[0].shape == shape else shape  # one tuple
        self.dtype = value.dtype
        self.position = next(clock)
        frame = sys._getframe(3)  # where the user is; which line, `line` works out when asked
        while frame.f_globals.get("__package__") in OURS and frame.f_back is not None:
            frame = frame.f_back
        self.code = frame.f_code
        self.instruction = frame.f_lasti

    @property
    def edges(self) -> Iterator[tuple[Node, Any, tuple[Any, ...]]]:
        """The edges to the operands that have a node."""
        links = iter(self.links or ())
        for parent, rule, kept in zip(links, links, links, strict=True):
            yield parent, rule, kept if isinstance(kept, tuple) else (kept,)

    @property
    def name(self) -> str:
        """The operation's name, or "leaf"."""
        return getattr(self.op, "name", "leaf")

    @property
    def line(self) -> str:
        """The user's line that made this node, as ``file:line in function``."""
        return line_of(self.code, self.instruction)

    def __repr__(self) -> str:
        return f"<{self.name} at position {self.position}, shape {self.shape}, from {self.line}>"


class Leaf(Node):
    """A node without operation: where derivatives are asked for and collected."""

    __slots__ = ("_grad",)
    grad = property(held, hold)

    def __init__(self, value: np.ndarray) -> None:
        super().__init__(None, (), value, current().home)
        self._grad: Any = None


Tape.kinds = (Node, Leaf)


def ancestors(roots: Iterable[Node], floor: int = 0) -> list[Node]:
    """Return the nodes above `floor` that `roots` depend on, with them, in order of creation."""
    stack = list(roots)
    seen = dict.fromkeys(stack)  # in order of discovery, which is nearly sorted already
    while stack:
        node = stack.pop()
        if node.links is None:
            what = f"backward: what {node.name} recorded at {node.line}"
            do = "Compute the result again, or pass retain_graph=True to the earlier call"
            raise GraphError(explain(what, "a graph that an earlier backward() has released", do))
        for parent in node.links[::3]:
            if parent not in seen and parent.position > floor:
                seen[parent] = None
                stack.append(parent)
    return sorted(seen, key=attrgetter("position"))


def sweep(
    nodes: list[Node],
    cotangents: dict[Node, Any],
    floor: int = 0,
    lift: Callable[[Node, Any, Any], tuple[Any, ...]] | None = None,
) -> dict[Node, Any]:
    """Backpropagate: walk down the positions, handing each cotangent on to the operands.

    The chain rule: a node whose result has cotangent ``ct`` gives each operand the cotangent
    ``rule(ct, ...)``; cotangents that meet at one node are added; those left at the end are the
    leaves'. With tensors as cotangents, and `lift` to put what was remembered on the tape again,
    the sweep records itself.
    """
    check = written_since(next((node.position for node in nodes if node.links), sys.maxsize))
    for node in reversed(nodes):
        if not node.links or (ct := cotangents.pop(node, None)) is None:
            continue
        links = iter(node.links)
        for parent, rule, kept in zip(links, links, links):  # noqa: B905
            if floor and parent.position <= floor:
                continue
            if check:
                refuse_overwritten(node, rule, kept)
            try:
                part = rule.function(ct, *lift(node, rule, kept)) if lift else rule.pull(ct, kept)
                if part.shape != parent.shape:
                    part = unbroadcast(part, parent.shape)
                if part.dtype is not parent.dtype:
                    part = part.astype(parent.dtype)
            except Exception as error:
                say_whose(error, node, rule)
                raise
            known = cotangents.get(parent)
            cotangents[parent] = part if known is None else known + part
    return cotangents


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its operand was broadcast."""
    extra = ct.ndim - len(shape)
    if extra > 0 and ct.shape[extra:] == shape:
        return ct.sum(axis=tuple(range(extra)))
    pairs = zip(ct.shape[max(extra, 0) :], shape, strict=False)
    if extra < 0 or any(have != want != 1 for have, want in pairs):
        what = f"derivative rule: the operand's shape {shape} or one that broadcasts from it"
        raise ShapeError(explain(what, f"shape {ct.shape}", "Correct the rule given to defvjp"))
    stretched = (i + extra for i, size in enumerate(shape) if size == 1)
    return ct.sum(axis=(*range(extra), *stretched)).reshape(shape)
