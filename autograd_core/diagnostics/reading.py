"""Reading a tape: the values and cotangents of its nodes, and the time of their rules.

A node does not hold its value. It is found in a tensor that is still alive, in what a derivative
rule has remembered, or by computing the operation again; or else it is not known. Of a function
that is called while a `Recorder` writes down everything, all values are known.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, GraphError, ShapeError, explain
from ..guard import written_at
from ..modes import no_grad, recorded, strong_zeros, traced
from ..pullback import lifting
from ..tape import Leaf, Node, ancestors, sweep
from ..tensor import Tensor, wrap
from .listening import Recorder, owners

__all__ = ["Met", "Reading", "heard", "names_of", "on_tape", "sweep_all"]

lift = lifting(wrap)

# Options that no derivative depends on, and how to have the value without knowing them.
RECOVERED: dict[str, Callable[[Node], Any]] = {
    "keepdims": lambda node: False,
    "shape": lambda node: node.shape,
    "dtype": lambda node: node.dtype,
}


def on_tape(name: str, result: Any) -> Tensor:
    """Return a result if there is something to look at."""
    if not isinstance(result, Tensor):
        do = "Pass the loss, or a function that computes it with tensors throughout"
        raise DTypeError(explain(f"{name}: a tensor", f"a {type(result).__name__}", do))
    if result.node is None:
        got = "a constant (no operand had requires_grad=True, or it was made under no_grad)"
        do = "Make a leaf with tensor(..., requires_grad=True)"
        raise GraphError(explain(f"{name}: a tensor that depends on a leaf", got, do))
    return result


def heard(name: str, f: Any, args: Sequence[Any]) -> tuple[Tensor, Recorder]:
    """Call a function and write down its operations; return its result and what was heard.

    If it does not depend on a leaf, it is called as transforms do, its arguments being leaves.
    """
    result, listener = _heard(f, args)
    if getattr(result, "node", None) is None and any(map(_is_free, args)):
        result, listener = _heard(f, [Tensor(x, True) if _is_free(x) else x for x in args])
    return on_tape(name, result), listener


def _heard(f: Any, args: Sequence[Any]) -> tuple[Any, Recorder]:
    listener = Recorder()
    with recorded(), traced(listener):
        return f(*args), listener


def _is_free(x: Any) -> bool:
    """Whether an argument is floating-point numbers that are not on the tape."""
    array = getattr(x, "_value", x)
    number = isinstance(array, np.ndarray | float) and np.result_type(array).kind == "f"
    return number and getattr(x, "node", None) is None


def names_of(model: Any) -> dict[Node, str]:
    """Return the names of a model's parameters, by their nodes; none if there is no model."""
    if model is None:
        return {}
    if not hasattr(model, "named_parameters"):
        do = "Pass an nn.Module, or leave it out"
        what = "diagnostics: a model of modules"
        raise DTypeError(explain(what, f"model={model!r:.40}", do))
    return {p.node: name for name, p in model.named_parameters() if p.node is not None}


class Met(dict[Node, Any]):
    """Cotangents for a `sweep`, which keeps those that it has handed on, and the times of that.

    `at` is told of each node that the sweep comes to.
    """

    def __init__(self, seeds: dict[Node, Any], at: Callable[[Node], Any] = lambda _: None) -> None:
        super().__init__(seeds)
        self.met: dict[Node, Any] = {}
        self.times: list[tuple[Node, float]] = []
        self.at = at

    def pop(self, node: Node, *default: Any) -> Any:
        """Hand a node's cotangent to the sweep."""
        ct = super().pop(node, *default)
        self.met[node] = ct
        self.at(node)
        self.times.append((node, time.perf_counter()))
        return ct

    def all(self) -> dict[Node, Any]:
        """Return the cotangents of all nodes that have one, as arrays."""
        found = {**self.met, **self}
        return {n: getattr(ct, "_value", ct) for n, ct in found.items() if ct is not None}


def sweep_all(nodes: list[Node], root: Node, seed: Any) -> tuple[Met, float]:
    """Sweep as `backward` does, but keep every cotangent; return them and when it ended."""
    with np.errstate(all="ignore"):
        cotangents = Met({root: seed})
        sweep(nodes, cotangents)
        end = time.perf_counter()
        if all(np.isfinite(ct).all() for ct in cotangents.values()):
            return cotangents, end
        careful = Met({root: wrap(seed, None)})
        try:
            with strong_zeros(), no_grad():
                sweep(nodes, careful, lift=lift)
        except DTypeError:  # a rule of the user's that takes arrays only
            return cotangents, end
        return careful, time.perf_counter()


class Reading:
    """What is known of the nodes that a tensor depends on.

    Attributes
    ----------
    nodes : list of Node
        In order of creation.
    values, cotangents : dict of Node to ndarray
        Those that are known, and those that there are.
    forward, backward : dict of Node to float
        Seconds: of the operation, where it was heard or computed again; of its derivative rules.
    """

    def __init__(self, name: str, f: Any, args: Sequence[Any] = (), seed: Any = None) -> None:
        listener = None
        if callable(f):
            self.root, listener = heard(name, f, args)
        else:
            self.root = on_tape(name, f)
        self.name = name
        self.nodes = ancestors([self.root.node])  # type: ignore[list-item]
        self.values: dict[Node, np.ndarray] = {}
        self.constants: dict[Node, dict[str, Any]] = {}
        self.forward: dict[Node, float] = {}
        self.cotangents: dict[Node, np.ndarray] = {}
        self.backward: dict[Node, float] = {}
        self._look_around()
        if listener is not None:
            for node, entry in owners(self.nodes, listener.applications):
                self.values[node] = entry.out
                self.forward[node] = entry.seconds
        self._remember()
        self._compute_again()
        self._sweep(seed)

    # ------------------------------------------------------------------------------ values

    def _look_around(self) -> None:
        """Find the values of tensors that are still alive."""
        first: dict[Node, int] = {}
        for node in self.nodes:
            for parent, _, _ in node.edges:
                first.setdefault(parent, node.position)
        wanted = dict.fromkeys(self.nodes)
        for thing in gc.get_objects():
            # By its type: to ask a weak proxy what class it says it is may raise.
            if issubclass(type(thing), Tensor) and thing.node in wanted:
                used = first.get(thing.node, thing.node.position)
                if written_at(thing._value) <= used:  # else it was trained in the meantime
                    self.values[thing.node] = thing._value

    def _remember(self) -> None:
        """Find values among what the derivative rules have remembered."""
        for node in self.nodes:
            places = {rule.operand: parent for parent, rule, _ in node.edges}
            for _, rule, kept in node.edges:
                for name, value in zip(rule.needs, kept, strict=False):
                    owner = node if name == "out" else places.get(name)
                    if _variadic(node) or owner is None:
                        self.constants.setdefault(node, {})[name] = value
                    elif isinstance(value, np.ndarray):
                        self.values.setdefault(owner, value)

    def _compute_again(self) -> None:
        """Compute operations again whose operands are all known."""
        with np.errstate(all="ignore"):
            for node in self.nodes:
                call = None if node in self.values else self._call(node)
                if call is None:
                    continue
                begin = time.perf_counter()
                out = np.asarray(node.op.compute(*call[0], **call[1]))
                self.forward[node] = time.perf_counter() - begin
                if out.size == np.prod(node.shape, dtype=int):
                    self.values[node] = out.reshape(node.shape)

    def _call(self, node: Node) -> tuple[list[Any], dict[str, Any]] | None:
        """Return operands and attributes of a node's operation, if all of them are known."""
        if _is_leaf(node) or _variadic(node) or not hasattr(node.op, "operands"):
            return None
        known = dict(self.constants.get(node, {}))
        places = {rule.operand: parent for parent, rule, _ in node.edges}
        known |= {n: self.values[p] for n, p in places.items() if p in self.values}
        known |= {n: make(node) for n, make in RECOVERED.items() if n in node.op.attributes}
        names = (*node.op.operands, *node.op.attributes)
        if not known.keys() >= set(names):
            return None
        attributes = {name: known[name] for name in node.op.attributes}
        return [known[name] for name in node.op.operands], attributes

    # -------------------------------------------------------------------------- cotangents

    def _sweep(self, seed: Any) -> None:
        if seed is None and self.root.size != 1:
            what = f"{self.name}: a single number, or a seed (the cotangent of the result)"
            do = "Reduce it with .sum() or .mean(), or pass seed=np.ones(shape)"
            raise GraphError(explain(what, f"shape {self.root.shape} without a seed", do))
        ones = np.ones(self.root.shape) if seed is None else seed
        try:
            start = np.array(np.broadcast_to(ones, self.root.shape), self.root.dtype)
        except ValueError:
            what = f"{self.name}: a seed of the result's shape {self.root.shape}"
            raise ShapeError(explain(what, np.shape(ones), "Reshape it")) from None
        assert self.root.node is not None
        sweep_all(self.nodes, self.root.node, start)  # kernels are compiled at their first use
        cotangents, end = sweep_all(self.nodes, self.root.node, start)
        self.cotangents = cotangents.all()
        ends = [begin for _, begin in cotangents.times[1:]] + [end] * bool(cotangents.times)
        pairs = zip(cotangents.times, ends, strict=True)
        self.backward = {node: stop - begin for (node, begin), stop in pairs}

    def leaves(self) -> Iterator[Node]:
        """Yield the leaves."""
        return (node for node in self.nodes if _is_leaf(node))


def _is_leaf(node: Node) -> bool:
    return isinstance(node, Leaf)


def _variadic(node: Node) -> bool:
    return bool(getattr(node.op, "variadic", None))
