"""What is being recorded right now: the tape of each thread, and the modes that change it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .tape import Node

__all__ = [
    "Tape",
    "current",
    "known",
    "no_grad",
    "recorded",
    "ruled",
    "strong_zeros",
    "tape",
    "traced",
]


class Tape:
    """The nodes that one thread of execution has recorded and that are still alive.

    Nodes belong to the tensors they produced, and recording does not enter them anywhere. To look
    at the tape (``len``, iteration, indexing, ``print``) is to ask Python's collector for them:
    looking costs some milliseconds, recording costs nothing.
    """

    kinds: ClassVar[tuple[type, ...]] = ()

    def __init__(
        self,
        home: object = None,
        recording: bool = True,
        strong_zeros: bool = False,
        trace: Any = None,
        rules: dict[Any, tuple[Any, ...]] | None = None,
    ) -> None:
        self.home = object() if home is None else home  # what all modes of one tape share
        self.recording = recording
        self.strong_zeros = strong_zeros
        self.trace = trace  # what listens to every application of an op: a compiler's recording
        self.rules = rules or None  # of ops, in the place of their own: other conventions
        # Whether ops take no shortcuts.
        self.slow = strong_zeros or trace is not None or not recording or self.rules is not None
        # Where results are looked at and nothing else is out of the ordinary: the tape for them.
        usual = recording and not strong_zeros and self.rules is None
        self.quiet = Tape(self.home) if usual and getattr(trace, "looks", False) else None

    def nodes(self) -> list[Node]:
        """Return the living nodes in order of creation."""
        nodes = [o for o in gc.get_objects() if type(o) in self.kinds and o.home is self.home]
        return sorted(nodes, key=lambda node: node.position)

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
            operands = " ".join(index.get(edge[0], "elsewhere") for edge in node.edges)
            operands = "released" if node.links is None else operands
            lines.append(f"{i:>5}  {node.name:<18}{operands:<14}{node.shape!s:<16}{node.dtype}")
        return "\n".join(lines)


_current: ContextVar[Tape] = ContextVar("tape")
known = _current.get  # the tape, or what it is given if there is none yet


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
    <op multiply(x, y)>
    """
    return current()


class _Mode(ContextDecorator):
    """Change how operations are recorded, within a ``with`` block or a decorated function."""

    mode: dict[str, Any]

    def __init__(self) -> None:
        self.tokens: list[Token[Tape]] = []

    def _recreate_cm(self) -> _Mode:  # a decorated function may run in several threads at once
        return type(self)()

    def __enter__(self) -> None:
        now = current()
        kept = {
            "recording": now.recording,
            "strong_zeros": now.strong_zeros,
            "trace": now.trace,
            "rules": now.rules,
        }
        self.tokens.append(_current.set(Tape(now.home, **kept | self.mode)))

    def __exit__(self, *_: object) -> None:
        _current.reset(self.tokens.pop())


class no_grad(_Mode):  # noqa: N801
    """Within this context nothing is recorded: results are constants."""

    mode = {"recording": False}


class recorded(_Mode):  # noqa: N801
    """Within this context operations are recorded, even inside `no_grad`."""

    mode = {"recording": True}


class traced(_Mode):  # noqa: N801
    """Within this context `trace` is told of every application of an op, and of every read.

    Not a decorator.
    """

    def __init__(self, trace: Any) -> None:
        super().__init__()
        self.mode = {"trace": trace}


class strong_zeros(_Mode):  # noqa: N801
    """Within this context a factor that is exactly zero wins over an infinite one."""

    mode = {"strong_zeros": True}


class ruled(_Mode):  # noqa: N801
    """Within this context ops are recorded with other derivative rules.

    Not a decorator.
    """

    def __init__(self, rules: dict[Any, tuple[Any, ...]] | None) -> None:
        super().__init__()
        self.mode = {"rules": rules}
