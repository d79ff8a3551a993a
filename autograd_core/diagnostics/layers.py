"""Layers on a tape: which nodes the modules of a model read and made, and how they bend.

A layer is one call of a module that has no parts, or has parameters of its own; or an activation
function that a module applies without a module for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import DTypeError, explain
from ..modes import no_grad
from ..tape import Leaf, Node, ancestors, clock, sweep
from ..tensor import Tensor
from ..tree import flatten
from .reading import Reading

__all__ = ["Layer", "layers", "slopes", "watched"]

# The largest slope of activation functions for which it is not about 1.
STEEPEST = {"sigmoid": 0.25, "hard_sigmoid": 1.0 / 6.0}


class Layer:
    """One call of a module, or one activation function.

    Attributes
    ----------
    name, kind : str
    start, end : int
        When the call began and ended, by the clock of the tape.
    read, made : Node or None
        Of its first argument on the tape, and of its result.
    parameters : list of Tensor
        Those that the module holds itself.
    """

    def __init__(self, name: str, kind: str, start: int) -> None:
        self.name = name
        self.kind = kind
        self.start = self.end = start
        self.read: Node | None = None
        self.made: Node | None = None
        self.parameters: list[Tensor] = []


def _is_layer(module: Any) -> bool:
    children = list(module.children())
    own = sum(1 for _ in module.parameters()) > sum(1 for c in children for _ in c.parameters())
    return own or not children


def _own_parameters(module: Any) -> list[Tensor]:
    inner = {id(p) for child in module.children() for p in child.parameters()}
    return [p for p in module.parameters() if id(p) not in inner]


def _node(tree: Any) -> Node | None:
    """Return the node of the first tensor in a container that has one."""
    tensors = (x for x in flatten(tree)[0] if isinstance(x, Tensor))
    return next((x.node for x in tensors if x.node is not None), None)


@contextmanager
def watched(model: Any) -> Iterator[list[Layer]]:
    """Note the calls of all layers of a model within a ``with`` block, as they end."""
    if not hasattr(model, "named_modules"):
        do = "Pass an nn.Module; a function can be wrapped in one"
        got = f"a {type(model).__name__}"
        raise DTypeError(explain("diagnostics: a model made of modules", got, do))
    calls: list[Layer] = []
    chosen = [(name, m) for name, m in model.named_modules() if _is_layer(m)]
    for name, module in chosen:
        module.forward = _noting(name, module, calls)
    try:
        yield calls
    finally:
        for _, module in chosen:
            del module.forward


def _noting(name: str, module: Any, calls: list[Layer]) -> Callable[..., Any]:
    """Return a module's ``forward`` that notes its calls."""
    forward = module.forward
    kind = type(module).__name__

    def noting(*inputs: Any, **options: Any) -> Any:
        layer = Layer(name or kind, kind, next(clock))
        layer.read = _node(inputs)
        result = forward(*inputs, **options)
        layer.made = _node([result])
        layer.end = next(clock)
        layer.parameters = _own_parameters(module)
        calls.append(layer)
        return result

    return noting


def layers(calls: Sequence[Layer], reading: Reading) -> list[Layer]:
    """Return the calls of modules and the activations without a module, in order."""
    plain = [call for call in calls if call.made is not call.read or call.parameters]
    bent = [call for call in plain if slopes(call) is not None]
    found = [*plain]
    for node in reading.nodes:
        if is_activation(node) and not any(c.start < node.position < c.end for c in bent):
            found.append(_bare(node, plain))
    found.sort(key=lambda layer: (layer.made.position if layer.made else layer.end, layer.end))
    _number(found)
    return found


def _bare(node: Node, calls: Sequence[Layer]) -> Layer:
    """Return the layer that an activation function is which no module stands for."""
    around = [c for c in calls if c.start < node.position < c.end]
    owner = min(around, key=lambda c: c.end - c.start).name if around else ""
    layer = Layer(f"{owner}: {node.name}" if owner else node.name, "function", node.position)
    layer.read, layer.made = next(iter(node.edges))[0], node
    return layer


def _number(found: Sequence[Layer]) -> None:
    """Tell calls of the same name apart."""
    counts = Counter(layer.name for layer in found)
    seen: Counter[str] = Counter()
    for layer in found:
        if counts[layer.name] > 1:
            seen[layer.name] += 1
            layer.name += f" ({seen[layer.name]})"


def is_activation(node: Node) -> bool:
    """Whether a node is one of the activation functions."""
    forward = getattr(node.op, "forward", None)
    family = getattr(forward, "__module__", "").rpartition(".")[2]
    return bool(family in ("activations", "piecewise") and node.op.pointwise and _bends(node))


def _bends(node: Node) -> bool:
    """Whether a node's derivative depends on what it read or made, so that it is not linear."""
    edges = list(node.edges)
    own = {"out", *(rule.operand for _, rule, _ in edges)}
    return any(own.intersection(rule.needs) for _, rule, _ in edges)


def slopes(layer: Layer) -> np.ndarray | None:
    """Return f'(x) of every element, as a part of the steepest slope that f has; or None.

    That is for layers that are an elementwise function, and not a linear one.
    """
    found = derivatives(layer)
    if found is None or layer.made is None:
        return None
    return np.asarray(found / STEEPEST.get(layer.made.name, 1.0))


def derivatives(layer: Layer) -> np.ndarray | None:
    """Return f'(x) of every element, where the layer is an elementwise function that bends."""
    read, made = layer.read, layer.made
    if read is None or made is None or read is made or read.shape != made.shape:
        return None
    floor = read.position - 1
    inner = [node for node in ancestors([made], floor) if node is not read]
    if any(isinstance(n, Leaf) or not getattr(n.op, "pointwise", False) for n in inner):
        return None
    if not any(map(_bends, inner)):
        return None
    with np.errstate(all="ignore"), no_grad():
        found = sweep(inner, {made: np.ones(made.shape, made.dtype)}, floor)
    slope = found.get(read)
    return np.zeros(read.shape) if slope is None else np.asarray(slope)
