"""The tape: what was computed, in the order it was computed.

Every operation on a tensor writes a `Node`: the operation, the nodes it read, and whatever the
derivative rules asked to remember. A node takes the next tick of one clock as its *position*. An
operand always exists before its result, so the order of positions is a topological order, and
backpropagation is a walk down the positions (`sweep`): no recursion and no graph theory.

A node belongs to the tensor it produced. When the last tensor that depends on it is gone, so is
the node: a forward pass that nobody differentiates leaves nothing behind. The tape of a thread
refers to its nodes weakly and is there to be looked at: ``print(ag.tape())``.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import Any, ClassVar
from weakref import ref

import numpy as np

from .errors import GraphError, MutationError, ShapeError, explain
from .guard import written_since

__all__ = ["Leaf", "Node", "Tape", "ancestors", "no_grad", "pullback", "sweep", "tape"]

clock = itertools.count(1)  # shared by all threads: an operand precedes its result everywhere
OURS = frozenset(("autograd_core", "autograd_core.ops", "nn", "optim"))


class Node:
    """One application of an operation, and an edge to each operand that has a node.

    An edge is (parent, rule, remembered): where the cotangent goes, how, and with what.
    """

    __slots__ = ("__weakref__", "code", "dtype", "edges", "instruction", "op", "position", "shape")

    def __init__(self, op: Any, edges: Any, value: Any) -> None:
        self.op = op
        self.edges = edges
        self.shape = value.shape
        self.dtype = value.dtype
        self.position = next(clock)
        frame = sys._getframe(3)  # the line is worked out when somebody asks
        while frame.f_globals.get("__package__") in OURS and frame.f_back is not None:
            frame = frame.f_back
        self.code = frame.f_code
        self.instruction = frame.f_lasti

    @property
    def line(self) -> str:
        """The user's line that made this node, as ``file:line in function``."""
        positions = itertools.islice(self.code.co_positions(), self.instruction // 2, None)
        number = next(positions, (self.code.co_firstlineno,))[0]
        return f"{self.code.co_filename}:{number} in {self.code.co_name}"

    def __repr__(self) -> str:
        return f"<{self.op} at position {self.position}, shape {self.shape}, made at {self.line}>"


class Leaf(Node):
    """A node without operation: where derivatives are asked for, and where they are collected."""

    __slots__ = ("grad",)

    def __init__(self, value: np.ndarray) -> None:
        super().__init__("leaf", (), value)
        self.grad: np.ndarray | None = None
        current().append(self)


class Tape:
    """The nodes that one thread of execution has recorded and that are still alive."""

    def __init__(self, nodes: list[ref[Node]] | None = None, **mode: bool) -> None:
        self.references: list[ref[Node]] = [] if nodes is None else nodes
        self.recording = mode.get("recording", True)
        self.strong_zeros = mode.get("strong_zeros", False)
        self.slow = self.strong_zeros or not self.recording  # ops take no shortcuts
        self.limit = 1000

    def append(self, node: Node) -> Node:
        self.references.append(ref(node))
        if len(self.references) > self.limit:  # shed the dead, at an amortised constant price
            self.limit = 1000 + 2 * len(self)
        return node

    def nodes(self) -> list[Node]:
        """Return the living nodes in order of creation."""
        nodes = [node for reference in self.references if (node := reference()) is not None]
        self.references[:] = [ref(node) for node in nodes]
        return nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes())

    def __len__(self) -> int:
        return len(self.nodes())

    def __getitem__(self, index: int) -> Node:
        return self.nodes()[index]

    def __str__(self) -> str:
        nodes = self.nodes()
        index = {node: str(i) for i, node in enumerate(nodes)}
        lines = [f"{'#':>5}  {'op':<18}{'operands':<14}{'shape':<16}dtype"]
        for i, node in enumerate(nodes):
            operands = " ".join(index.get(edge[0], "elsewhere") for edge in node.edges or ())
            operands = "released" if node.edges is None else operands
            lines.append(f"{i:>5}  {node.op!s:<18}{operands:<14}{node.shape!s:<16}{node.dtype}")
        return "\n".join(lines)


_current: ContextVar[Tape] = ContextVar("tape")


def current() -> Tape:
    """Return the tape of this thread of execution, making it at the first call."""
    found = _current.get(None)
    if found is None:
        found = Tape()
        _current.set(found)
    return found


def tape() -> Tape:
    """Return the tape of this thread: ``len``, iteration, indexing and ``print`` show its nodes.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> ag.tape()[-1].op
    <op multiply>
    """
    return current()


class _Mode(ContextDecorator):
    """Change how operations are recorded, within a ``with`` block or a decorated function."""

    mode: ClassVar[dict[str, bool]]

    def __init__(self) -> None:
        self.tokens: list[Token[Tape]] = []

    def _recreate_cm(self) -> _Mode:  # a decorated function may run in several threads at once
        return type(self)()

    def __enter__(self) -> None:
        now = current()
        kept = {"recording": now.recording, "strong_zeros": now.strong_zeros}
        self.tokens.append(_current.set(Tape(now.references, **kept | self.mode)))

    def __exit__(self, *_: object) -> None:
        _current.reset(self.tokens.pop())


class no_grad(_Mode):  # noqa: N801
    """Within this context nothing is recorded: results have no node."""

    mode: ClassVar[dict[str, bool]] = {"recording": False}


class recorded(_Mode):  # noqa: N801
    """Within this context operations are recorded, even inside `no_grad`."""

    mode: ClassVar[dict[str, bool]] = {"recording": True}


class strong_zeros(_Mode):  # noqa: N801
    """Within this context a factor that is exactly zero wins over an infinite one."""

    mode: ClassVar[dict[str, bool]] = {"strong_zeros": True}


def ancestors(roots: Iterable[Node], floor: int = 0) -> list[Node]:
    """Return the nodes that `roots` depend on, themselves included, in order of creation."""
    stack = list(roots)
    seen = set(stack)
    while stack:
        node = stack.pop()
        if node.edges is None:
            raise GraphError(
                explain(
                    f"backward: the values that {node.op} recorded at {node.line} are needed",
                    "a graph that an earlier backward() has released",
                    "Compute the result again, or pass retain_graph=True to the earlier call",
                )
            )
        for parent, _, _ in node.edges:
            if parent not in seen and parent.position > floor:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.position)


def sweep(
    nodes: list[Node],
    cotangents: dict[Node, Any],
    floor: int = 0,
    lift: Callable[[Node, Any, tuple[Any, ...]], tuple[Any, ...]] | None = None,
) -> dict[Node, Any]:
    """Backpropagate: walk down the positions, handing each cotangent on to the operands.

    The chain rule, one node at a time: a node whose result has cotangent ``ct`` gives each operand
    the cotangent ``rule(ct, ...)``, and cotangents that meet at one node are added. What is left
    at the end belongs to the nodes without edges, the leaves.
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
            args = remembered if lift is None else lift(node, rule, remembered)
            try:
                part = rule.function(ct, *args)
                if part.shape != parent.shape:
                    part = unbroadcast(part, parent.shape)
                if part.dtype is not parent.dtype:
                    part = part.astype(parent.dtype)
            except Exception as error:
                error.add_note(f"while differentiating {node.op}, recorded at {node.line}")
                raise
            known = cotangents.get(parent)
            cotangents[parent] = part if known is None else known + part
    return cotangents


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its operand had been broadcast."""
    extra = ct.ndim - len(shape)
    pairs = zip(ct.shape[max(extra, 0) :], shape, strict=False)
    if extra < 0 or any(have != want != 1 for have, want in pairs):
        raise ShapeError(
            explain(
                f"derivative rule: the operand's shape {shape} or one that broadcasts from it",
                f"a cotangent of shape {ct.shape}",
                "Correct the rule given to defvjp",
            )
        )
    stretched = (i + extra for i, size in enumerate(shape) if size == 1)
    return ct.sum(axis=(*range(extra), *stretched)).reshape(shape)


def refuse_overwritten(node: Node, rule: Any, remembered: tuple[Any, ...]) -> None:
    """Raise if an array that `node` remembered was overwritten after it was recorded."""
    if written_since(node.position, remembered):
        raise MutationError(
            explain(
                f"backward: {node.op} at {node.line} needs the {' and '.join(rule.needs)} it saw",
                "an array that an optimizer or an assignment has overwritten since",
                "Call backward() before the update, or compute the result again",
            )
        )


def all_finite(values: Iterable[Any]) -> bool:
    # One pass per array without a temporary; an overflow of the sum only costs a second sweep.
    return all(math.isfinite(np.vdot(value, value)) for value in values if value.dtype.kind == "f")


def pullback(
    nodes: list[Node],
    seeds: dict[Node, np.ndarray],
    careful: Callable[[list[Node], dict[Node, np.ndarray]], dict[Node, Any]],
) -> dict[Node, np.ndarray]:
    """Sweep with plain arrays; where the result is not finite, again with strong zeros.

    An infinity or NaN can only matter if it reaches a result, so looking at the results is enough
    to know when the careful sweep is due, and the ordinary sweep pays nothing else for it.
    """
    with np.errstate(all="ignore"):
        cotangents = sweep(nodes, dict(seeds))
        return cotangents if all_finite(cotangents.values()) else careful(nodes, seeds)
