"""Recording: the part of the tape that one function wrote, read backwards and forwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .declare import OPS, defvjp, primitive
from .errors import DTypeError, ShapeError, explain, say_whose
from .modes import current, recorded, strong_zeros
from .pullback import lifting, pullback
from .tape import Leaf, Node, ancestors, clock, sweep, unbroadcast
from .tensor import Tensor, wrap
from .tree import flatten, leaves_like

__all__ = ["Recording"]

lift = lifting(wrap)


def _same(x: Any) -> Any:
    """The same value as a new node: what a transform differentiates with respect to."""
    return x


alias = primitive(_same, pointwise=True, register=False)
defvjp(alias, x=lambda ct: ct)


def several(name: str, values: Any) -> tuple[Any, ...]:
    """Return the primals or tangents of `jvp`, of which there is one for each argument."""
    if not isinstance(values, (tuple, list)):
        what = f"jvp: {name}, a tuple with one entry for each argument"
        raise DTypeError(explain(what, f"{values!r:.60}", "Write jvp(f, (x,), (v,))"))
    return tuple(values)


class Recording:
    """A function applied to primals, from new nodes for its inputs to its outputs.

    It is *open* if it touches nodes that were there before, so that somebody outside could want to
    differentiate through it; then its sweeps record themselves. Otherwise they compute arrays.
    """

    def __init__(self, f: Callable[..., Any], primals: Sequence[Any]) -> None:
        self.primals = tuple(primals)
        values, self.like_inputs = flatten(self.primals)
        outside = current().recording
        self.floor = next(clock)
        with recorded():
            self.inputs = [_input(value) for value in values]
            self.result = f(*self.like_inputs(self.inputs))
        flat, self.like_outputs = flatten(self.result)
        self.outputs = [_output(f, y) for y in flat]
        roots = [y.node for y in self.outputs if y.node and y.node.position > self.floor]
        reached = ancestors(roots, self.floor)
        own = {x.node for x in self.inputs}
        self.nodes = [node for node in reached if node not in own]
        parents = (edge[0] for node in reached for edge in node.edges)
        before = any(parent.position < self.floor for parent in parents)
        passed = any(y.node and y.node.position < self.floor for y in self.outputs)
        self.open = outside and (before or passed)

    @classmethod
    def of(
        cls, f: Callable[..., Any], chosen: tuple[int, ...], args: tuple[Any, ...], named: Any
    ) -> Recording:
        """Record ``f(*args, **named)`` as a function of the chosen positional arguments."""
        if not all(isinstance(i, int) and -len(args) <= i < len(args) for i in chosen):
            what = f"argnums: positions below {len(args)}, the number of positional arguments"
            raise ShapeError(
                explain(
                    what, chosen, "Pass the arguments by position, as in grad(f, argnums=0)(x)"
                )
            )

        @functools.wraps(f)
        def of_chosen(*primals: Any) -> Any:
            full = list(args)
            for i, primal in zip(chosen, primals, strict=True):
                full[i] = primal
            return f(*full, **named)

        return cls(of_chosen, [args[i] for i in chosen])

    def value(self) -> Any:
        """Return what the function returned, without the recording if nothing outside needs it."""
        return self.like_outputs([y if self.open else _plain(y._value) for y in self.outputs])

    def pull(self, cotangents: Any) -> list[Any]:
        """Read the recording backwards: one cotangent per input."""
        what = "vjp: cotangents like the outputs"
        seeds = _like(self.outputs, leaves_like(cotangents, self.result, what), what)
        pairs = [(y.node, ct) for y, ct in zip(self.outputs, seeds, strict=True)]
        inputs: list[tuple[Any, Tensor]] = [(x.node, x) for x in self.inputs]
        if self.open or any(ct.node for ct in seeds):
            with recorded(), strong_zeros(), np.errstate(all="ignore"):
                found = sweep(self.nodes, _sum(pairs), self.floor, lift)
            if (trace := current().trace) is not None:
                trace.swept(self.nodes, _sum(pairs), found, self.floor)
            return [found.get(n, wrap(np.zeros_like(x._value), None)) for n, x in inputs]
        arrays = _sum([(node, ct._value) for node, ct in pairs if node])
        found = pullback(self.nodes, arrays, wrap)
        return [_plain(found.get(n, np.zeros_like(x._value))) for n, x in inputs]

    def jacobian(self) -> Any:
        """Return the Jacobian of the one output with respect to the one input."""
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            got = f"{len(self.inputs)} and {len(self.outputs)}"
            do = "Differentiate one array at a time, or use vjp or jvp"
            raise ShapeError(explain("jacobian: one array as input and one as output", got, do))
        (x,), (y,) = self.inputs, self.outputs
        forwards = x.size < y.size
        units = list(np.eye(min(x.size, y.size), dtype=x.dtype))
        if forwards:
            parts = [self.push(self.like_inputs([unit.reshape(x.shape)]))[0] for unit in units]
        else:
            parts = [self.pull(self.like_outputs([unit.reshape(y.shape)]))[0] for unit in units]
        if not parts:
            return np.zeros((*y.shape, *x.shape), x.dtype)
        stacked = OPS["stack"](parts, axis=y.ndim if forwards else 0)
        return stacked.reshape((*y.shape, *x.shape))

    def push(self, tangents: Any) -> list[Any]:
        """Read the recording forwards: one tangent per output."""
        what = "jvp: tangents like the inputs"
        given = _like(self.inputs, leaves_like(tangents, self.primals, what), what)
        known: dict[Any, Any] = dict(zip([x.node for x in self.inputs], given, strict=True))
        place = lift if self.open else _constants
        with recorded(), strong_zeros(), np.errstate(all="ignore"):
            for node in self.nodes:
                parts = [
                    pushforward(node, rule, place(node, rule, remembered), known[parent])
                    for parent, rule, remembered in node.edges
                    if parent in known
                ]
                if parts:
                    known[node] = sum(parts[1:], start=parts[0])
        results = [known.get(y.node, wrap(np.zeros_like(y._value), None)) for y in self.outputs]
        if (trace := current().trace) is not None:
            trace.pushed(self.nodes, known, results)
        keep = self.open or any(t.node for t in given)
        return [t if keep else _plain(t._value) for t in results]


def pushforward(node: Node, rule: Any, remembered: tuple[Any, ...], tangent: Any) -> Any:
    """Carry an operand's tangent to the result of `node`, with the rule for the cotangent.

    An elementwise op multiplies by the same factor both ways. Any other rule is linear in its
    cotangent, so its transpose is found by differentiating it.
    """
    try:
        return _pushed(node, rule, remembered, tangent)
    except Exception as error:
        say_whose(error, node, rule)
        raise


def _pushed(node: Node, rule: Any, remembered: tuple[Any, ...], tangent: Any) -> Any:
    if node.op.pointwise:
        tangent = tangent + np.zeros(node.shape, node.dtype)
        part = rule.function(tangent, *remembered)
        part = part if part.shape == node.shape else unbroadcast(part, node.shape)
        return part.astype(node.dtype)
    seed = Tensor(np.zeros(node.shape, node.dtype), requires_grad=True)
    floor = seed.node.position - 1  # type: ignore[union-attr]
    part = rule.function(seed, *remembered)
    if part.shape != tangent.shape:
        tangent = tangent + np.zeros(part.shape, part.dtype)
    found = sweep(ancestors([part.node], floor), {part.node: tangent}, floor, lift)
    return found[seed.node]  # type: ignore[index]


def _constants(node: Node, rule: Any, remembered: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(wrap(v, None) if isinstance(v, np.ndarray) else v for v in remembered)


def _plain(array: np.ndarray) -> Any:
    """Return a result as an array or number of its own; in a trace as a tensor, to be followed."""
    trace = current().trace
    return np.array(array)[()] if trace is None else trace.plain(wrap(array, None))


def _input(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.node is not None:
        return alias(value)
    if isinstance(value, Tensor) and current().trace is not None and value.dtype.kind == "f":
        return wrap(value._value, Leaf(value._value))
    if np.asarray(getattr(value, "_value", value)).dtype.kind != "f":
        what = "differentiation: inputs of a real floating dtype"
        do = "Convert it, for example with float() or .astype(float), or close over it"
        raise DTypeError(explain(what, f"{type(value).__name__} {value!r:.40}", do))
    return Tensor(value, requires_grad=True)


def _output(f: Callable[..., Any], y: Any) -> Tensor:
    if isinstance(y, Tensor):
        return y
    array = np.asarray(y)
    if array.dtype.kind not in "fiub":
        name = getattr(f, "__name__", "the function")
        do = "Return the result, a tensor or a number"
        raise DTypeError(explain(f"{name}: a differentiable result", f"{y!r:.60}", do))
    return wrap(array.astype(array.dtype if array.dtype.kind == "f" else float), None)


def _like(places: list[Tensor], flat: list[Any], what: str) -> list[Any]:
    """Return values as tensors in the shapes and dtypes of `places`."""
    tensors: list[Any] = [v if isinstance(v, Tensor) else wrap(np.array(v), None) for v in flat]
    shapes = [x.shape for x in places]
    if [t.shape for t in tensors] != shapes:
        raise ShapeError(explain(what, [t.shape for t in tensors], f"Pass shapes {shapes}"))
    return [t.astype(x.dtype) for t, x in zip(tensors, places, strict=True)]


def _sum(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    total: dict[Any, Any] = {}
    for node, ct in pairs:
        total[node] = total[node] + ct if node in total else ct
    return total
