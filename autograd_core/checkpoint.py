"""`checkpoint`: a function whose intermediate results are computed again when they are needed.

On the tape it is one node: from the outer nodes that the function read, be they arguments or
captured, to all its results, joined in one vector. The rule of each edge runs the function again,
on the tape, and sweeps over what that recorded.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .declare import OPS, primitive
from .errors import GraphError, explain
from .guard import copied, refuse_overwritten, written_since
from .modes import current, recorded, ruled
from .pullback import lifting, pullback
from .tape import Node, ancestors, clock, sweep
from .tensor import Tensor, wrap
from .tree import flatten

__all__ = ["checkpoint"]

lift = lifting(wrap)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` such that derivatives compute its intermediate results again.

    It costs another evaluation in every sweep and saves the memory of all that lies between the
    arguments and the results, which are nested containers of tensors, arrays or numbers. `f` must
    compute the same again: it may draw no random numbers and change nothing.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from autograd_core.checkpoint import checkpoint
    >>> ag.grad(checkpoint(lambda x: ag.sin(ag.sin(x))))(0.0)
    np.float64(1.0)
    """

    @functools.wraps(f)
    def light(*args: Any) -> Any:
        floor = next(clock)
        result = f(*args)
        values, build = flatten(result)
        made = [i for i, y in enumerate(values) if _is_made(y, floor)]
        if not made or not current().recording:
            return result
        packed = Body(f, args, made).stand_for([values[i] for i in made], floor)
        for i, y in zip(made, _unpacked(packed, [values[i] for i in made]), strict=True):
            values[i] = y
        return build(values)

    return light


class Body:
    """A function with its arguments, which stands on the tape for all that it computes.

    `made` are the places, among the leaves of its result, of those to differentiate.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], made: Sequence[int]) -> None:
        given, build = flatten(tuple(args))
        # Whoever owns a raw array may overwrite it before it is needed again.
        own = [copied(x) if isinstance(x, np.ndarray) else x for x in given]
        self.run: Callable[[], list[Any]] = lambda: flatten(f(*build(own)))[0]
        self.made = made
        self.rules = current().rules
        self.seed: Any = None  # the last cotangent, and what became of it
        self.found: dict[Node, Any] = {}
        self.value = np.empty(0)
        self.place: Any = None

    def stand_for(self, results: Sequence[Tensor], floor: int) -> Tensor:
        """Return the results as one tensor with one node, which forgets how they came about."""
        packed = _packed(results)
        inner = ancestors([packed.node], floor)
        outer = dict.fromkeys(p for n in inner for p, *_ in n.edges if p.position <= floor)
        links = itertools.chain(*((parent, Edge(self, parent), ()) for parent in outer))
        self.value = packed._value
        # The edges keep this object alive: a node without edges tells it where the user was.
        self.place = recomputed.record((), self.value, current()).node
        return recomputed.record(tuple(links), self.value, current())

    def cotangent(self, parent: Node, ct: Any, down: Callable[[list[Node], Node], Any]) -> Any:
        """Return the cotangent of an outer node; one sweep finds those of all of them."""
        if self.seed is not ct or parent not in self.found:
            self.seed, self.found = ct, down(*self.again())
        if parent not in self.found:
            raise self.other_results()
        return self.found.pop(parent)

    def again(self) -> tuple[list[Node], Node]:
        """Compute once more; return the nodes, and that of the results."""
        with _again(), ruled(self.rules):
            floor = next(clock)
            values = self.run()
            packed = _packed([values[i] for i in self.made])
        self.refuse_others(packed._value)
        assert packed.node is not None
        nodes = ancestors([packed.node], floor)
        if written_since(self.place.position):
            for node in nodes:
                for _, rule, kept in node.edges:
                    refuse_overwritten(self.place, rule, kept)
        return nodes, packed.node

    def refuse_others(self, value: np.ndarray) -> None:
        """Raise if results are not what they were, but for rounding."""
        near = np.finfo(value.dtype).eps ** 0.5
        alike = value.shape == self.value.shape and np.allclose(
            value, self.value, rtol=near, atol=near, equal_nan=True
        )
        if not alike:
            raise self.other_results()

    def other_results(self) -> GraphError:
        """Say that the function is none that can be computed again."""
        what = f"checkpoint: a function that computes the same again ({self.place.line})"
        do = "Draw random numbers outside and pass them, and change no captured array"
        return GraphError(explain(what, "other results in the backward sweep", do))


class Edge:
    """The derivative rule of a `Body` for one outer node; see `rule.Rule`."""

    __slots__ = ("body", "parent")
    needs = ()
    operand = ""

    def __init__(self, body: Body, parent: Node) -> None:
        self.body = body
        self.parent = parent

    def pull(self, ct: np.ndarray, kept: Any) -> Any:
        """Return the parent's cotangent, an array."""

        def arrays(nodes: list[Node], root: Node) -> Any:
            return pullback(nodes, {root: ct}, wrap)

        return self.body.cotangent(self.parent, ct, arrays)

    def function(self, ct: Tensor) -> Any:
        """Return the parent's cotangent, a tensor."""

        def tensors(nodes: list[Node], root: Node) -> Any:
            return sweep(nodes, {root: ct}, 0, lift)

        return self.body.cotangent(self.parent, ct, tensors)


def _recomputed(x: Any) -> Any:
    """All results of a function that is computed again for its derivative."""
    return x


recomputed = primitive(_recomputed, register=False)
recomputed.name = "checkpoint"


class _again(recorded):  # noqa: N801
    """Compute as at first, whatever mode a sweep is in."""

    mode = {"recording": True, "strong_zeros": False}


def _is_made(y: Any, floor: int) -> bool:
    return isinstance(y, Tensor) and y.node is not None and y.node.position > floor


def _packed(results: Sequence[Any]) -> Any:
    """Return results as one tensor."""
    if len(results) == 1:
        return results[0]
    return OPS["concatenate"]([y.reshape((y.size,)) for y in results])


def _unpacked(packed: Any, like: Sequence[Any]) -> list[Any]:
    """Return the results that were packed."""
    if len(like) == 1:
        return [packed]
    ends = list(itertools.accumulate(y.size for y in like))
    parts = (packed[end - y.size : end] for y, end in zip(like, ends, strict=True))
    return [part.reshape(y.shape).astype(y.dtype) for part, y in zip(parts, like, strict=True)]
