"""What is being recorded right now: the tape of each thread, and the modes that change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, ClassVar
from weakref import ref

if TYPE_CHECKING:
    from .tape import Node

__all__ = ["Tape", "current", "no_grad", "recorded", "strong_zeros", "tape"]


class Tape:
    """The nodes that one thread of execution has recorded and that are still alive.

    The references are weak: nodes belong to the tensors they produced, and the tape is there to
    be looked at. ``len``, iteration, indexing and ``print`` see the living nodes in order.
    """

    def __init__(
        self,
        references: list[ref[Node]] | None = None,
        recording: bool = True,
        strong_zeros: bool = False,
    ) -> None:
        self.references = [] if references is None else references
        self.recording = recording
        self.strong_zeros = strong_zeros
        self.slow = strong_zeros or not recording  # ops take no shortcuts
        self.limit = 1000

    def append(self, node: Node) -> None:
        """Enter a node; the dead are shed now and then, at an amortised constant price."""
        self.references.append(ref(node))
        if len(self.references) > self.limit:
            self.limit = 1000 + 2 * len(self)

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
            lines.append(f"{i:>5}  {node.name:<18}{operands:<14}{node.shape!s:<16}{node.dtype}")
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
    """Within this context nothing is recorded: results are constants."""

    mode: ClassVar[dict[str, bool]] = {"recording": False}


class recorded(_Mode):  # noqa: N801
    """Within this context operations are recorded, even inside `no_grad`."""

    mode: ClassVar[dict[str, bool]] = {"recording": True}


class strong_zeros(_Mode):  # noqa: N801
    """Within this context a factor that is exactly zero wins over an infinite one."""

    mode: ClassVar[dict[str, bool]] = {"strong_zeros": True}
