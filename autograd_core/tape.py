"""The tape: what was computed, in the order it was computed.

Every operation on a tensor writes a `Node`: the operation, an edge to each node that it read, and
whatever the derivative rules asked to remember. A node takes the next tick of one clock as its
*position*. An operand always exists before its result, so the order of positions is a topological
order, and backpropagation is a walk down the positions (`sweep`): no recursion, no graph theory.

A node belongs to the tensor it produced. When the last tensor that depends on it is gone, so is
the node: a forward pass that nobody differentiates leaves nothing behind.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import GraphError, ShapeError, explain
from .guard import refuse_overwritten, written_since
from .modes import current

__all__ = ["Leaf", "Node", "ancestors", "clock", "pullback", "sweep"]

clock = itertools.count(1)  # shared by all threads: an operand precedes its result everywhere
OURS = frozenset(("autograd_core", "autograd_core.ops", "nn", "optim"))


class Node:
    """One application of an operation.

    Each edge is (parent, rule, remembered): whom the cotangent goes to, how, and with what.
    """

    __slots__ = ("__weakref__", "code", "dtype", "edges", "instruction", "op", "position", "shape")

    def __init__(self, op: Any, edges: Any, value: np.ndarray) -> None:
        self.op = op
        self.edges = edges
        self.shape = value.shape
        self.dtype = value.dtype
        self.position = next(clock)
        frame = sys._getframe(3)  # where the user is; which line, `line` works out when asked
        while frame.f_globals.get("__package__") in OURS and frame.f_back is not None:
            frame = frame.f_back
        self.code = frame.f_code
        self.instruction = frame.f_lasti

    @property
    def name(self) -> str:
        """The operation's name, or "leaf"."""
        return getattr(self.op, "name", "leaf")

    @property
    def line(self) -> str:
        """The user's line that made this node, as ``file:line in function``."""
        positions = itertools.islice(self.code.co_positions(), self.instruction // 2, None)
        number = next(positions, (self.code.co_firstlineno,))[0]
        return f"{self.code.co_filename}:{number} in {self.code.co_name}"

    def __repr__(self) -> str:
        return f"<{self.name} at position {self.position}, shape {self.shape}, from {self.line}>"


class Leaf(Node):
    """A node without operation: where derivatives are asked for, and where they are collected."""

    __slots__ = ("grad",)

    def __init__(self, value: np.ndarray) -> None:
        super().__init__(None, (), value)
        self.grad: np.ndarray | None = None
        current().append(self)


def ancestors(roots: Iterable[Node], floor: int = 0) -> list[Node]:
    """Return the nodes above `floor` that `roots` depend on, with them, in order of creation."""
    stack = list(roots)
    seen = set(stack)
    while stack:
        node = stack.pop()
        if node.edges is None:
            raise GraphError(_released(node))
        for parent, _, _ in node.edges:
            if parent not in seen and parent.position > floor:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.position)


def _released(node: Node) -> str:
    what = f"backward: what {node.name} recorded at {node.line}"
    do = "Compute the result again, or pass retain_graph=True to the earlier call"
    return explain(what, "a graph that an earlier backward() has released", do)


def sweep(
    nodes: list[Node],
    cotangents: dict[Node, Any],
    floor: int = 0,
    lift: Callable[[Node, Any, tuple[Any, ...]], tuple[Any, ...]] | None = None,
) -> dict[Node, Any]:
    """Backpropagate: walk down the positions, handing each cotangent on to the operands.

    The chain rule, one node at a time: a node whose result has cotangent ``ct`` gives each operand
    the cotangent ``rule(ct, ...)``, and cotangents that meet at one node are added. What is left
    at the end belongs to the leaves. With plain arrays this computes; with tensors as cotangents,
    and `lift` to give remembered arrays their places on the tape back, it records itself as well.
    """
    check = bool(nodes) and written_since(nodes[0].position)
    for node in reversed(nodes):
        if not node.edges or (ct := cotangents.pop(node, None)) is None:
            continue
        for parent, rule, remembered in node.edges:
            if parent.position <= floor:
                continue
            if check:
                refuse_overwritten(node, rule, remembered)
            try:
                part = rule.function(ct, *(lift(node, rule, remembered) if lift else remembered))
                if part.shape != parent.shape:
                    part = unbroadcast(part, parent.shape)
                if part.dtype is not parent.dtype:
                    part = part.astype(parent.dtype)
            except Exception as error:
                error.add_note(f"while differentiating {node.name}, recorded at {node.line}")
                raise
            known = cotangents.get(parent)
            cotangents[parent] = part if known is None else known + part
    return cotangents


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its operand had been broadcast."""
    extra = ct.ndim - len(shape)
    pairs = zip(ct.shape[max(extra, 0) :], shape, strict=False)
    if extra < 0 or any(have != want != 1 for have, want in pairs):
        what = f"derivative rule: the operand's shape {shape} or one that broadcasts from it"
        raise ShapeError(explain(what, f"shape {ct.shape}", "Correct the rule given to defvjp"))
    stretched = (i + extra for i, size in enumerate(shape) if size == 1)
    return ct.sum(axis=(*range(extra), *stretched)).reshape(shape)


def pullback(
    nodes: list[Node],
    seeds: dict[Node, np.ndarray],
    careful: Callable[[list[Node], dict[Node, np.ndarray]], dict[Node, np.ndarray]],
) -> dict[Node, np.ndarray]:
    """Sweep with plain arrays; if the result is not finite, sweep again with strong zeros.

    An infinity or NaN matters only where it reaches a result, so looking at the results is enough
    to know when the careful sweep is due, and the ordinary sweep pays nothing else for it.
    """
    with np.errstate(all="ignore"):
        cotangents = sweep(nodes, dict(seeds))
        # One pass without temporaries; a sum of squares that overflows costs a second sweep only.
        finite = all(math.isfinite(np.vdot(ct, ct)) for ct in cotangents.values())
        return cotangents if finite else careful(nodes, seeds)
