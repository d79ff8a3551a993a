"""Transforms: functions to their derivatives, with JAX's names.

`vjp` records a function on the tape and reads the tape backwards; `jvp` reads it forwards. The
others are made of these two. A transform within a transform needs nothing special: where the
recorded part of the tape touches nodes that were there before, the sweep records itself, and
otherwise it runs on plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import DTypeError, ShapeError, explain
from .op import OPS, defvjp, primitive
from .tape import Node, ancestors, clock, current, pullback, recorded, strong_zeros, sweep
from .tensor import Tensor, careful, lift, wrap
from .tree import flatten

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


@primitive(pointwise=True, register=False)
def alias(x):
    """The same value as a new node: what a transform differentiates with respect to."""
    return x


defvjp(alias, x=lambda ct: ct)


class Recording:
    """The part of the tape that a function wrote, from its inputs to its outputs."""

    def __init__(self, f: Callable[..., Any], primals: Sequence[Any]) -> None:
        values, self.like_inputs = flatten(tuple(primals))
        outside = current().recording
        self.floor = next(clock)
        with recorded():
            self.inputs = [_input(value) for value in values]
            result = f(*self.like_inputs(self.inputs))
        flat, self.like_outputs = flatten(result)
        self.outputs = [_output(f, y) for y in flat]
        roots = [y.node for y in self.outputs if y.node and y.node.position > self.floor]
        self.reached = ancestors(roots, self.floor)
        own = {x.node for x in self.inputs}
        self.nodes = [node for node in self.reached if node not in own]
        edges = [edge for node in self.reached for edge in node.edges]
        self.open = outside and any(parent.position < self.floor for parent, _, _ in edges)

    def value(self) -> Any:
        """Return what the function returned, without the recording if nothing outside needs it."""
        return self.like_outputs([y if self.open else y._data[()] for y in self.outputs])

    def pull(self, cotangents: Any) -> list[Any]:
        """Read the recording backwards: one cotangent per input."""
        seeds = _like(self.outputs, cotangents, "vjp: cotangents like the outputs")
        pairs = [(y.node, ct) for y, ct in zip(self.outputs, seeds, strict=True)]
        if self.open or any(ct.node for ct in seeds):
            found = self._sweep(_sum(pairs))
            return [found.get(x.node, wrap(np.zeros_like(x._data), None)) for x in self.inputs]
        arrays = _sum([(node, ct._data) for node, ct in pairs])
        found = pullback(self.nodes, {n: ct for n, ct in arrays.items() if n}, careful)
        return [found.get(x.node, np.zeros_like(x._data))[()] for x in self.inputs]

    def _sweep(self, seeds: dict[Any, Any]) -> dict[Node, Any]:
        with recorded(), strong_zeros():
            return sweep(self.nodes, seeds, self.floor, lift)

    def push(self, tangents: Any) -> list[Any]:
        """Read the recording forwards: one tangent per output."""
        given = _like(self.inputs, tangents, "jvp: tangents like the inputs")
        known: dict[Any, Tensor] = dict(zip([x.node for x in self.inputs], given, strict=True))
        place = lift if self.open else _constants
        with recorded(), strong_zeros():
            for node in self.nodes:
                parts = [
                    pushforward(node, rule, place(node, rule, remembered), known[parent])
                    for parent, rule, remembered in node.edges
                    if parent in known
                ]
                if parts:
                    known[node] = sum(parts[1:], start=parts[0])
        results = [known.get(y.node, wrap(np.zeros_like(y._data), None)) for y in self.outputs]
        keep = self.open or any(t.node for t in given)
        return [t if keep else t._data[()] for t in results]


def pushforward(node: Node, rule: Any, remembered: tuple[Any, ...], tangent: Tensor) -> Tensor:
    """Carry an operand's tangent to the result of `node`, with the rule for the cotangent.

    An elementwise op multiplies by the same factor both ways. Any other rule is linear in its
    cotangent, so its transpose is found by differentiating it.
    """
    if node.op.pointwise:
        tangent = tangent + np.zeros(node.shape, node.dtype)
        return rule.function(tangent, *remembered).astype(node.dtype)
    seed = Tensor(np.zeros(node.shape, node.dtype), requires_grad=True)
    floor = seed.node.position - 1  # type: ignore[union-attr]
    part = rule.function(seed, *remembered)
    if part.shape != tangent.shape:
        tangent = tangent + np.zeros(part.shape, part.dtype)
    inner = ancestors([part.node], floor)
    return sweep(inner, {part.node: tangent}, floor, lift)[seed.node]  # type: ignore[index]


def _constants(node: Node, rule: Any, remembered: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(wrap(v, None) if isinstance(v, np.ndarray) else v for v in remembered)


def _input(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.node is not None:
        return alias(value)
    if np.asarray(getattr(value, "_data", value)).dtype.kind != "f":
        raise DTypeError(
            explain(
                "differentiation: inputs of a real floating dtype",
                f"{type(value).__name__} {value!r:.40}",
                "Convert the input, for example with float() or .astype(float), or close over it",
            )
        )
    return Tensor(value, requires_grad=True)


def _output(f: Callable[..., Any], y: Any) -> Tensor:
    if y is None or isinstance(y, str):
        name = getattr(f, "__name__", "the function")
        do = "Return the result, a tensor or a number"
        raise DTypeError(explain(f"{name}: a differentiable result", repr(y), do))
    return y if isinstance(y, Tensor) else wrap(np.asarray(y, dtype=float), None)


def _like(places: list[Tensor], values: Any, what: str) -> list[Tensor]:
    """Return `values` as tensors in the shapes and dtypes of `places`."""
    flat, _ = flatten(values)
    tensors = [v if isinstance(v, Tensor) else wrap(np.array(v), None) for v in flat]
    shapes = [x.shape for x in places]
    if [t.shape for t in tensors] != shapes:
        raise ShapeError(explain(what, [t.shape for t in tensors], f"Pass shapes {shapes}"))
    return [t.astype(x.dtype) for t, x in zip(tensors, places, strict=True)]


def _sum(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    total: dict[Any, Any] = {}
    for node, ct in pairs:
        total[node] = total[node] + ct if node in total else ct
    return total


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Evaluate `f` and return its value and its pullback, cotangent ↦ cotangent · Jacobian.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested tuples, lists and dicts of them.
    *primals : array_like or nested containers

    Returns
    -------
    value
        What `f` returned.
    pullback : callable
        ``pullback(cotangent)`` returns a tuple with one cotangent per primal; may be called again.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> value, pull = ag.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    recording = Recording(f, primals)
    return recording.value(), lambda ct: recording.like_inputs(recording.pull(ct))


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate `f` and its directional derivative, Jacobian · tangent.

    Examples
    --------
    >>> import autograd_core as ag
    >>> ag.jvp(ag.square, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    recording = Recording(f, tuple(primals))
    return recording.value(), recording.like_outputs(recording.push(tuple(tangents)))


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the function that evaluates a scalar `f` and its gradient together.

    Parameters
    ----------
    f : callable
        Its result must be a single number.
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to; a sequence gives a tuple.
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        recording = _record(f, chosen, args, kwargs)
        if [y.size for y in recording.outputs] != [1]:
            shapes = [y.shape for y in recording.outputs]
            do = "Reduce it with sum() or mean(), or use vjp or jacobian"
            raise ShapeError(explain("grad: a function with one number as result", shapes, do))
        ones = recording.like_outputs([np.ones_like(recording.outputs[0]._data)])
        grads = recording.like_inputs(recording.pull(ones))
        return recording.value(), grads[0] if isinstance(argnums, int) else grads

    return evaluate


def _record(
    f: Callable[..., Any], chosen: tuple[int, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Recording:
    if not all(-len(args) <= i < len(args) for i in chosen):
        what = f"argnums: positions below {len(args)}, the number of positional arguments"
        raise ShapeError(explain(what, chosen, "Pass the arguments by position"))

    def of_chosen(*primals: Any) -> Any:
        full = list(args)
        for i, primal in zip(chosen, primals, strict=True):
            full[i] = primal
        return f(*full, **kwargs)

    return Recording(of_chosen, [args[i] for i in chosen])


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the gradient of a scalar function, as a function of the same arguments.

    Examples
    --------
    >>> import autograd_core as ag
    >>> ag.grad(ag.grad(ag.sin))(0.5) == -ag.sin(0.5)
    np.True_
    """
    evaluate = value_and_grad(f, argnums)
    return lambda *args, **kwargs: evaluate(*args, **kwargs)[1]


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the product of the Hessian of a scalar `f` at `x` with `v`, forward over reverse.

    References
    ----------
    Pearlmutter (1994), Fast exact multiplication by the Hessian.
    """
    return jvp(grad(f), (x,), (v,))[1]


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that evaluates the Jacobian, shape (*output, *input).

    One sweep per element of the output, or of the input if that has fewer.
    """

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        recording = _record(f, (argnums,), args, kwargs)
        (x,), (y,) = recording.inputs, recording.outputs
        if x.size < y.size:
            columns = [recording.push((unit,))[0] for unit in _units(x)]
            return _stack(columns, y.shape, x.shape, last=True)
        rows = [recording.pull(recording.like_outputs([unit]))[0] for unit in _units(y)]
        return _stack(rows, y.shape, x.shape)

    return evaluate


def _units(x: Tensor) -> list[np.ndarray]:
    return list(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape))


def _stack(parts: list[Any], rows: tuple[int, ...], columns: tuple[int, ...], last=False) -> Any:
    if not parts:
        return np.zeros((*rows, *columns))
    stacked = OPS["stack"](parts, axis=len(rows) if last else 0)
    return stacked.reshape((*rows, *columns))


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that evaluates the matrix of second derivatives of a scalar `f`."""
    return jacobian(grad(f, argnums), argnums)
