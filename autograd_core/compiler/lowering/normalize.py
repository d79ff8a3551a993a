"""Standardizing along axes, and its pullback; the formulas are those of `ops.normalize`."""

from __future__ import annotations

from ..body import Body
from ..record import Apply, Value
from .passes import Passes
from .reduce import length_of
from .registry import arrays_only, lowering


def _is_float(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)


def _passes(body: Body, step: Apply, names: tuple[str, ...]) -> tuple[Passes, float]:
    """Return passes along the axes, and how many elements there are along them."""
    shape, axis = step.result.shape, step.attributes["axis"]
    operands = {name: body.read(x, shape) for name, x in zip(names, step.parts, strict=True)}
    out = body.allot(step.result)
    arrays = {"x": operands["x"], **operands, "out": (out, out.strides)}
    result: Value = step.result
    return Passes(body, shape, axis, arrays), float(length_of(result, axis))


def _deviation(passes: Passes, name: str, n: float, center: bool) -> str:
    """Return the text of an array's deviation from its mean, which is taken off in two steps."""
    if not center:
        return name
    passes.total(f"{name}_mean", name, f"total / {n}")
    passes.total(f"{name}_rest", f"{name} - {name}_mean", f"total / {n}")
    return f"(({name} - {name}_mean) - {name}_rest)"


def _factor(passes: Passes, deviation: str, n: float, eps: float) -> None:
    passes.total("root", f"{deviation} * {deviation}", f"np.sqrt(total / {n} + {float(eps)!r})")
    passes.number("factor", "0.0 if root == 0.0 else 1.0 / root")


@lowering("standardize", fits=_is_float)
def standardize(body: Body, step: Apply) -> None:
    """(x - mean) / √(variance + eps)."""
    passes, n = _passes(body, step, ("x",))
    deviation = _deviation(passes, "x", n, step.attributes["center"])
    _factor(passes, deviation, n, step.attributes["eps"])
    passes.each("out", f"{deviation} * factor")


@lowering("standardize_pull", fits=_is_float)
def standardize_pull(body: Body, step: Apply) -> None:
    """r (ct - mean(ct) - y mean(ct y))."""
    passes, n = _passes(body, step, ("ct", "x"))
    center = step.attributes["center"]
    deviation = _deviation(passes, "x", n, center)
    _factor(passes, deviation, n, step.attributes["eps"])
    ct, y = _deviation(passes, "ct", n, center), f"({deviation} * factor)"
    passes.total("along", f"{ct} * {y}", f"total / {n}")
    passes.each("out", f"factor * ({ct} - {y} * along)")
