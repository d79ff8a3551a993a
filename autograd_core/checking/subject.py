"""The function under test as the checker sees it: one flat vector in, one flat vector out.

Inputs of a floating dtype are differentiated, whatever containers they come in; integers and
everything else are held constant. A model's parameters are inputs like any other: for an
evaluation their values are overwritten in place, and restored whatever happens.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import MatrixError
from ..modes import no_grad
from ..tensor import Tensor
from ..transforms import jvp, vjp
from ..tree import flatten

__all__ = ["Place", "Subject", "Unfit", "joined", "parameters", "plain", "told"]

ELSEWHERE = 0.1  # in units of the point's size


class Unfit(Exception):  # noqa: N818
    """The function cannot be checked any further: the verdict, and why in one sentence."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason


@dataclass(frozen=True)
class Place:
    """A named array within a flat vector."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int

    @property
    def stop(self) -> int:
        """The position after the last entry."""
        return self.start + int(np.prod(self.shape))

    def of(self, flat: np.ndarray) -> np.ndarray:
        """Return the array that `flat` holds in this place."""
        return np.array(flat[self.start : self.stop].reshape(self.shape), dtype=self.dtype)

    def label(self, position: int) -> str:
        """Name one entry: ``x[1, 2]``."""
        index = np.unravel_index(position - self.start, self.shape)
        return f"{self.name}[{', '.join(map(str, index))}]" if index else self.name


def plain(value: Any) -> np.ndarray:
    """Return a tensor's value, or anything else, as an array."""
    return np.asarray(value.numpy() if isinstance(value, Tensor) else value)


def places(names: Sequence[str], arrays: Sequence[np.ndarray]) -> list[Place]:
    """Lay arrays out one after the other."""
    starts = np.cumsum([0, *(array.size for array in arrays)])
    return [
        Place(name, array.shape, array.dtype, int(start))
        for name, array, start in zip(names, arrays, starts[:-1], strict=True)
    ]


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return all entries as one vector, in at least double precision."""
    dtype = np.result_type(float, *(array.dtype for array in arrays))
    return np.concatenate([np.zeros(0, dtype), *(np.ravel(array) for array in arrays)])


@contextmanager
def borrowed(parameters: Sequence[Any], values: Sequence[Any]) -> Iterator[None]:
    """Give parameters other values, and the places on the tape that those have, for a while.

    The values are written in place, so that whoever holds a parameter's memory sees them. A value
    that is there already is not written again, so a recording made within remains valid.
    """
    before = []
    try:
        for parameter, value in zip(parameters, values, strict=True):
            changed = not _equal(parameter.numpy(), plain(value))
            kept = parameter.numpy().copy() if changed else None
            before.append((parameter, parameter.node, kept))
            if changed:
                parameter.data = plain(value)
            parameter.node = getattr(value, "node", None)
        yield
    finally:
        for parameter, node, kept in reversed(before):
            parameter.node = node
            if kept is not None:
                parameter.data = kept


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=True)


class Subject:
    """A function with a point: `evaluate` it nearby, `record` it there, `pull` cotangents back.

    Parameters
    ----------
    fn : callable
    inputs : tuple
        Arrays or nested containers of them; everything that is not floating stays constant.
    parameters : dict of str to Tensor
        Further inputs, that `fn` reads by itself.
    lift : bool
        Evaluate inputs of lower precision as float64.
    names : sequence of str, optional
        What to call the leaves of `inputs`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        inputs: tuple[Any, ...],
        parameters: dict[str, Any] | None = None,
        lift: bool = False,
        names: Sequence[str] | None = None,
    ) -> None:
        self.fn = fn
        self.name = "the function"
        self.has_tape = True  # whether its operations are those of this engine
        self.backward = "the backward pass"
        self.raising = "invalid"  # the verdict on a function that raises at the point
        self.parameters = list((parameters or {}).values())
        leaves, self.build = flatten(inputs)
        paths = self.names = list(names or _paths(fn, inputs))
        self.leaves = [_own(leaf) for leaf in leaves]
        self.slots = [i for i, leaf in enumerate(self.leaves) if _floating(leaf)]
        self.held = [paths[i] for i in range(len(paths)) if i not in self.slots]
        arrays = [self.leaves[i] for i in self.slots]
        if lift:
            arrays = [array.astype(np.result_type(array, float)) for array in arrays]
        arrays += [parameter.numpy() for parameter in self.parameters]
        self.inputs = places([*(paths[i] for i in self.slots), *(parameters or {})], arrays)
        self.point = joined(arrays)
        self.outputs: list[Place] = []
        self.centre = np.zeros(0)  # the outputs at the point
        self.pulled_before = (np.zeros(0), np.zeros(0))  # a cotangent and what it gave
        self.calls = 0
        self.refusal = ""  # what the function raised at a point nearby
        self.remarks: dict[str, None] = {}  # for the report, in order, each once
        self.grid: np.dtype[Any] | None = None

    def arrays(self, flat: np.ndarray) -> list[np.ndarray]:
        """Cut a flat vector into the arrays of the inputs and parameters."""
        return [place.of(flat) for place in self.inputs]

    def rounded(self, flat: np.ndarray) -> np.ndarray:
        """Return the nearest point that the dtypes of the inputs can hold, on the grid if any."""
        if self.grid is not None:
            flat = flat.astype(self.grid).astype(flat.dtype)
        for place in self.inputs:
            if place.dtype != flat.dtype:
                flat[place.start : place.stop] = place.of(flat).ravel()
        return flat

    def call(self, *values: Any) -> Any:
        """Call the function with values for the differentiated leaves and the parameters."""
        leaves = [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in self.leaves]
        for slot, value in zip(self.slots, values, strict=False):
            leaves[slot] = value
        with borrowed(self.parameters, values[len(self.slots) :]):
            return self.fn(*self.build(leaves))

    def evaluate(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs at a point, without recording."""
        self.calls += 1
        values = [Tensor(array) for array in self.arrays(flat)]
        with no_grad():
            result = self.call(*values)
        for place, value in zip(self.inputs[: len(self.slots)], values, strict=False):
            if not _equal(plain(value), place.of(flat)):
                raise Unfit("impure", f"the function overwrites an input: {place.name}")
        return self.read(result)

    def near(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs at a point; NaN where the function raises, as beyond its domain."""
        try:
            return self.evaluate(flat)
        except Unfit:
            raise
        except Exception as error:
            self.refusal = self.refusal or told(error)
            return np.full(self.width, np.nan)

    def read(self, result: Any) -> np.ndarray:
        """Flatten what the function returned, and see that it is what it was before."""
        leaves, self.like_outputs = flatten(result)
        names = _numbered("out", result)
        for name, leaf in zip(names, leaves, strict=True):
            _require_floats(name, leaf)
        arrays = [plain(leaf) for leaf in leaves]
        found = places(names, arrays)
        if not self.outputs:
            self.outputs = found
        if [p.shape for p in found] != [p.shape for p in self.outputs]:
            first, then = ([p.shape for p in group] for group in (self.outputs, found))
            raise Unfit("invalid", f"the shape of the result changes: first {first}, then {then}")
        return joined(arrays)

    def record(self) -> np.ndarray:
        """Record the function at its point, for `pull`; return the outputs."""
        self.calls += 1
        value, self._pullback = vjp(self.call, *self.arrays(self.point))
        return self.read(value)

    def visit(self, flat: np.ndarray) -> None:
        """Evaluate with the derivative at a point."""
        value, pullback = vjp(self.call, *self.arrays(flat))
        leaves, build = flatten(value)
        pullback(build([np.ones_like(plain(leaf)) for leaf in leaves]))

    def pulls_at(self, flat: np.ndarray, cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the cotangents of the flat input at another point; NaN if that fails."""
        self.calls += 1
        try:
            return self._pulls_at(flat, cotangents)
        except Exception:  # there may be no value
            return [np.full(len(flat), np.nan)] * len(cotangents)

    def _pulls_at(self, flat: np.ndarray, cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
        value, pullback = vjp(self.call, *self.arrays(flat))
        build = flatten(value)[1]
        seeds = [build([place.of(seed) for place in self.outputs]) for seed in cotangents]
        return [joined([plain(part) for part in pullback(seed)]) for seed in seeds]

    def rehearse(self) -> None:
        """Ask for the derivative elsewhere: what a rule keeps of a call is stale from then on."""
        size = np.where(self.point == 0.0, 1.0, self.point)
        size *= np.linspace(0.5, 1.5, len(size))  # not in the direction of the point itself
        self.calls += 1
        with suppress(Exception):  # there may be no value
            self.visit(self.rounded(self.point + ELSEWHERE * size))
        self.outputs = []

    def pull(self, cotangent: np.ndarray) -> np.ndarray:
        """Return the cotangent of the flat input for one of the flat output."""
        seeds = [place.of(cotangent) for place in self.outputs]
        try:
            found = self._pullback(self.like_outputs(seeds))
        except MatrixError as error:  # an operation of this engine has no derivative here
            raise Unfit("ill-conditioned", f"the backward pass raised {told(error)}") from error
        except Exception as error:
            raise Unfit("wrong", f"the backward pass raised {told(error)}") from error
        return joined([plain(part) for part in found])

    def push(self, tangent: np.ndarray) -> np.ndarray:
        """Return the tangent of the flat output for one of the flat input, in forward mode."""
        self.calls += 1
        tangents = [place.of(tangent) for place in self.inputs]
        try:
            pushed = jvp(self.call, self.arrays(self.point), tangents)[1]
        except Exception as error:
            raise Unfit("wrong", f"forward mode raised {told(error)}") from error
        return joined([plain(leaf) for leaf in flatten(pushed)[0]])

    @property
    def coarsest(self) -> float:
        """The machine epsilon of the coarsest input."""
        return max(float(np.finfo(place.dtype).eps) for place in self.inputs)

    @property
    def narrow(self) -> bool:
        """Whether an input has less than double precision."""
        return any(place.dtype.itemsize < 8 for place in self.inputs)

    @property
    def width(self) -> int:
        """The number of output entries."""
        return self.outputs[-1].stop if self.outputs else 0

    def input_unit(self, position: int) -> float:
        """Return the machine epsilon of the input that an entry belongs to."""
        place = next(place for place in self.inputs if position < place.stop)
        return float(np.finfo(place.dtype).eps)

    @property
    def unit(self) -> float:
        """The machine epsilon of the coarsest output."""
        return max(float(np.finfo(place.dtype).eps) for place in self.outputs)

    def pulled(self, seed: np.ndarray) -> Subject:
        """Return the backward pass as a subject: point and cotangent to cotangents."""
        count = len(self.inputs)

        def pullback(*values: Any) -> Any:
            with borrowed(self.parameters, values[len(self.slots) : count]):
                return vjp(self.call, *values[:count])[1](self.like_outputs(list(values[count:])))

        seeds = [place.of(seed) for place in self.outputs]
        names = [p.name for p in self.inputs] + [f"cotangent of {p.name}" for p in self.outputs]
        subject = Subject(pullback, (*self.arrays(self.point), *seeds), names=names)
        subject.name = "the derivative of the backward pass"
        subject.raising = "wrong"
        return subject


def told(error: Exception) -> str:
    """Name an exception with its message and notes."""
    return " ".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())))


def _own(leaf: Any) -> Any:
    if isinstance(leaf, (Tensor, np.ndarray, np.generic, float)):
        return np.array(plain(leaf))
    return leaf


def _floating(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"


def _require_floats(name: str, leaf: Any) -> None:
    if leaf is None:
        raise Unfit("invalid", f"the function returns nothing ({name} is None): return the result")
    if isinstance(leaf, str) or plain(leaf).dtype.kind != "f":
        kind = plain(leaf).dtype if not isinstance(leaf, str) else "a string"
        raise Unfit("invalid", f"the function must return real floating numbers, {name} is {kind}")


def _paths(fn: Callable[..., Any], inputs: tuple[Any, ...]) -> list[str]:
    """Name the leaves of the arguments after the parameters of the function."""
    known = _argument_names(fn)[: len(inputs)]
    names = [*known, *(f"input {i}" for i in range(len(known), len(inputs)))]
    pairs = zip(names, inputs, strict=True)
    return [path for name, tree in pairs for path in _numbered(name, tree)]


def _argument_names(fn: Any) -> list[str]:
    if hasattr(fn, "operands"):  # an op
        return list(fn.operands)
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind < p.VAR_POSITIONAL]


def _numbered(name: str, tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [p for key, branch in tree.items() for p in _numbered(f"{name}[{key!r}]", branch)]
    if isinstance(tree, (tuple, list)):
        return [p for i, branch in enumerate(tree) for p in _numbered(f"{name}[{i}]", branch)]
    return [name]


def parameters(fn: Any) -> dict[str, Any]:
    """Return the parameters of a module by name, each once, if `fn` is one."""
    if hasattr(fn, "named_parameters"):
        named = list(fn.named_parameters())
    elif hasattr(fn, "parameters"):
        named = [(f"parameter {i}", p) for i, p in enumerate(fn.parameters())]
    else:
        named = []
    unique = {id(p): (name, p) for name, p in reversed(named) if p.requires_grad}
    return dict(reversed(unique.values()))
