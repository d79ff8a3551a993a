"""Functions of anybody's: arrays in, arrays out, with a derivative that was written by hand.

Nothing but NumPy is known here. Tensors of PyTorch and arrays of JAX are met by what they can do:
the one makes others like itself, the other becomes an array when asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..tree import flatten, leaves_like
from .patterns import shape_pattern
from .subject import Subject, Unfit, joined, plain, told

__all__ = ["Foreign"]


class Foreign(Subject):
    """A function with a hand-written derivative, of one argument that may be a container.

    Parameters
    ----------
    fn : callable
    x : array_like or nested containers
        Where; if `fn` takes several arguments, the tuple of them.
    derivative : callable
        Takes what `fn` takes, and the cotangent of the result unless `scalar`.
    scalar : bool
        The result is one number, and `derivative` its gradient.
    lift : bool
        Evaluate inputs of lower precision as float64.
    """

    def __init__(
        self, fn: Callable[..., Any], x: Any, derivative: Any, scalar: bool, lift: bool = False
    ) -> None:
        leaves, self.build_x = flatten(x)
        self.templates = leaves
        arrays = [_own(leaf) for leaf in leaves]
        remarks: dict[str, None] = {}
        if not any(_kind(array) == "f" for array in arrays):
            arrays = [a.astype(float) if _kind(a) in "iu" else a for a in arrays]
            if any(_kind(array) == "f" for array in arrays):
                remarks["the inputs are integers: checked as floating numbers"] = None
        several = isinstance(x, (tuple, list))
        self.apart = several and _takes(fn, len(x), 0)
        self.derivative_apart = several and _takes(derivative, len(x), 0 if scalar else 1)
        self.derivative, self.scalar = derivative, scalar
        self.at_point = False
        inputs = self.build_x(arrays)
        super().__init__(fn, tuple(inputs) if self.apart else (inputs,), lift=lift)
        self.remarks = remarks
        self.has_tape = False
        self.backward = "the derivative"
        self.raising = "wrong"

    # ------------------------------------------------------------------ the function

    def evaluate(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs at a point."""
        self.calls += 1
        self.at_point = False
        return self.read(self._pure(flat, self.fn, self.apart, "the function"))

    def near(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs at a point; NaN where the function has none of the same kind."""
        try:
            return super().near(flat)
        except Unfit as unfit:
            if unfit.verdict == "impure":
                raise
            self.refusal = self.refusal or unfit.reason
            return np.full(self.width, np.nan)

    def _pure(
        self, flat: np.ndarray, fn: Callable[..., Any], apart: bool, who: str, *extra: Any
    ) -> Any:
        """Call a function with arguments of its own and see that it leaves them as they were."""
        values = self._leaves(flat)
        before = [np.array(_host(value)) for value in values]
        x = self.build_x(values)
        result = fn(*x, *extra) if apart else fn(x, *extra)
        after, _ = flatten(x)
        for name, was, value, now in zip(self.names, before, values, after, strict=False):
            if now is not value or not _same(was, _host(value)):
                raise Unfit("impure", f"{who} overwrites an input: {name}")
        return result

    def _leaves(self, flat: np.ndarray) -> list[Any]:
        leaves = [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in self.leaves]
        for slot, value in zip(self.slots, self.arrays(flat), strict=True):
            leaves[slot] = value
        pairs = zip(leaves, self.templates, strict=True)
        return [_like(value, template) for value, template in pairs]

    def read(self, result: Any) -> np.ndarray:
        """Flatten what the function returned."""
        leaves, build = flatten(result)
        hosts = [leaf if leaf is None else _host(leaf) for leaf in leaves]
        numbers = [h.astype(float) if h is not None and _kind(h) in "iub" else h for h in hosts]
        try:
            flat = super().read(build(numbers))
        except Unfit as unfit:
            verdict = "nondeterministic" if self.outputs else "wrong"
            raise Unfit(verdict, unfit.reason) from unfit
        self.like_outputs = build
        self.scalars = [not hasattr(leaf, "shape") or np.isscalar(leaf) for leaf in leaves]
        self.output_templates = leaves
        return flat

    # ------------------------------------------------------------------ its derivative

    def visit(self, flat: np.ndarray) -> None:
        """Evaluate with the derivative."""
        self._claimed(flat, np.ones_like(self.evaluate(flat)))

    def _pulls_at(self, flat: np.ndarray, cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.evaluate(flat)
        return [joined(self._claimed(flat, seed)) for seed in cotangents]

    def record(self) -> np.ndarray:
        """Evaluate at the point, for a derivative that keeps something of the last call."""
        values = self.evaluate(self.point)
        self.at_point = True
        return values

    def pull(self, cotangent: np.ndarray) -> np.ndarray:
        """Return the cotangent of the flat input for one of the flat output."""
        if not self.at_point:
            self.record()
        try:
            found = self._claimed(self.point, cotangent)
        except Unfit:
            raise
        except Exception as error:
            raise Unfit("wrong", f"the derivative raised {told(error)}") from error
        return joined(found)

    def _claimed(self, flat: np.ndarray, cotangent: np.ndarray) -> list[np.ndarray]:
        if self.scalar:
            return self._gradient(flat, cotangent)
        seeds = [place.of(cotangent) for place in self.outputs]
        given = [
            _like(seed[()] if scalar else seed.copy(), template)
            for seed, scalar, template in zip(
                seeds, self.scalars, self.output_templates, strict=True
            )
        ]
        ct = self.like_outputs(given)
        found = self._pure(flat, self.derivative, self.derivative_apart, "the derivative", ct)
        if not all(_same(s, _host(g)) for s, g in zip(seeds, given, strict=True)):
            raise Unfit("impure", "the derivative overwrites its cotangent")
        return self._arrays(found)

    def _gradient(self, flat: np.ndarray, cotangent: np.ndarray) -> list[np.ndarray]:
        if self.width != 1:
            shapes = ", ".join(str(place.shape) for place in self.outputs)
            what = "grad= is for a function of one number; the result has shape"
            raise Unfit("wrong", f"{what} {shapes}: pass vjp=lambda x, ct: ...")
        found = self._pure(flat, self.derivative, self.derivative_apart, "the derivative")
        return [cotangent[0] * part for part in self._arrays(found)]

    def _arrays(self, found: Any) -> list[np.ndarray]:
        """Return the derivatives by the floating inputs, each in its input's shape."""
        if found is None:
            raise Unfit("wrong", "the derivative returns nothing: return the result")
        x = self.build_x(self.leaves)
        try:
            parts = leaves_like(_unwrapped(found, x), x, "the derivative")
        except (ShapeError, DTypeError) as error:
            missing = _missing(found, x)
            raise Unfit("wrong", f"one operand's gradient is missing: {error}"
                        if missing else str(error)) from error  # fmt: skip
        return [
            self._array(parts[slot], place, _host(self.templates[slot]).dtype)
            for slot, place in zip(self.slots, self.inputs, strict=True)
        ]

    def _array(self, part: Any, place: Any, given: np.dtype) -> np.ndarray:
        if part is None:
            self.remarks[f"the derivative by {place.name} is missing (None): taken as zero"] = None
            return np.zeros(place.shape)
        array = _host(part)
        if _kind(array) == "c" and not np.any(array.imag):
            self.remarks[
                f"the derivative by {place.name} is complex, with imaginary parts of 0"
            ] = None
            array = array.real
        if _kind(array) not in "fiub":
            kind = type(part).__name__ if _kind(array) == "O" else array.dtype
            raise Unfit("wrong", f"the derivative by {place.name} is not of real numbers: {kind}")
        if array.shape != place.shape:
            raise Unfit("wrong", shape_pattern(place.name, array.shape, place.shape))
        if array.dtype not in (place.dtype, given):  # as handed in, or as evaluated
            what = f"the derivative by {place.name} is {array.dtype}, {place.name} {place.dtype}"
            self.remarks[what] = None
        return array.astype(np.result_type(array, float))


# ---------------------------------------------------------------------- arrays of any library


def _host(value: Any) -> np.ndarray:
    """Return anything that holds numbers as a NumPy array."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor of PyTorch
        value = value.detach().cpu()
    return plain(value)


def _own(leaf: Any) -> Any:
    """Return a private array of what holds numbers, anything else as it is."""
    array = _host(leaf)
    return np.array(array) if _kind(array) in "fciu" else leaf


def _like(array: Any, template: Any) -> Any:
    """Return an array as the kind that `template` is of."""
    if hasattr(template, "new_tensor"):  # PyTorch
        same = array.dtype == _host(template).dtype
        return (template.detach() if same else template.detach().double()).new_tensor(array)
    if hasattr(template, "at") and array.dtype == template.dtype:  # JAX
        return template.at[...].set(array)
    return array


def _kind(value: Any) -> str:
    return value.dtype.kind if isinstance(value, np.ndarray) else "O"


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind in "fc":
        return np.array_equal(a, b, equal_nan=True)
    return bool(np.array_equal(a, b))


# ---------------------------------------------------------------------- arguments and containers


def _takes(fn: Callable[..., Any], count: int, more: int) -> bool:
    """Whether a function takes the parts of its input one by one."""
    if isinstance(fn, np.ufunc):
        return fn.nin == count + more
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return False
    if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return True
    try:
        signature.bind(*range(1 + more))
    except TypeError:
        return _binds(signature, count + more)
    return False


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _unwrapped(found: Any, x: Any) -> Any:
    """Return what a derivative gave, without the tuple that some libraries put around it."""
    single = not isinstance(x, (tuple, list, dict))
    if isinstance(found, (tuple, list)) and len(found) == 1:
        inner = found[0]
        if single or (len(x) != 1 and isinstance(inner, type(x))):
            return inner
    if isinstance(x, (tuple, list)) and isinstance(found, np.ndarray) and len(x) == len(found):
        return list(found)
    return found


def _missing(found: Any, x: Any) -> bool:
    if isinstance(x, dict):
        return isinstance(found, dict) and len(found) < len(x)
    return isinstance(x, (tuple, list)) and not (
        isinstance(found, (tuple, list)) and len(found) >= len(x)
    )
