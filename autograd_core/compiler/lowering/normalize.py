"""Standardizing along axes, and its pullback; the formulas are those of `ops.normalize`."""

from __future__ import annotations

from ..body import Body
from ..record import Apply
from .passes import Passes, kept_strides
from .reduce import length_of
from .registry import arrays_only, lowering


def _is_float(step: Apply) -> bool:
    return arrays_only(step) and all(x.dtype.kind == "f" for x in step.parts)


def _passes(body: Body, step: Apply, names: tuple[str, ...]) -> tuple[Passes, float]:
    """Return passes along the axes, and how many elements there are along them.

    `x` and `ct` are operands, `out` the result, and `y` memory for what becomes of x.
    """
    shape, axis = step.result.shape, step.attributes["axis"]
    operands = {name: body.read(x, shape) for name, x in zip(names, step.parts, strict=True)}
    out = body.allot(step.result)
    y = body.scratch(shape) if "ct" in names else out
    arrays = {"x": operands["x"], **operands, "y": (y, y.strides), "out": (out, out.strides)}
    return Passes(body, shape, axis, arrays), float(length_of(step.result, axis))


def _centre(passes: Passes, source: str, target: str, n: float, center: bool) -> None:
    """Take off the mean, and once more what rounding has left of it."""
    if not center:
        passes.each(target, source)
        return
    for start in (source, target):
        mean = f"{start}_mean"
        passes.total(mean, start, f"total / {n}")
        passes.each(target, f"{start} - {mean}")


def _scale(passes: Passes, n: float, eps: float) -> None:
    """Multiply the deviation with a factor that makes its mean square one."""
    passes.total("root", "y * y", f"np.sqrt(total / {n} + {float(eps)!r})")
    passes.number("factor", "0.0 if root == 0.0 else 1.0 / root")
    passes.each("y", "y * factor")


@lowering("standardize", fits=_is_float)
def standardize(body: Body, step: Apply) -> None:
    """(x - mean) / √(variance + eps)."""
    passes, n = _passes(body, step, ("x",))
    _centre(passes, "x", "y", n, step.attributes["center"])
    _scale(passes, n, step.attributes["eps"])


@lowering("moments", fits=_is_float)
def moments(body: Body, step: Apply) -> None:
    """The mean, and the sum of squared deviations over n - 1."""
    (x,) = step.parts
    axis = step.attributes["axis"]
    place, out = body.place(x), body.allot(step.result)
    along, n = kept_strides(x.shape, axis), length_of(x, axis)
    second = out._replace(offset=out.offset + step.result.size // 2)
    arrays = {"x": (place, place.strides), "mean": (out, along), "spread": (second, along)}
    passes = Passes(body, x.shape, axis, arrays)
    passes.total("centre", "x", f"total / {float(n)!r}")
    passes.store("mean", "centre")
    passes.total("found", "(x - centre) * (x - centre)", f"total / {float(max(n - 1, 1))!r}")
    passes.store("spread", "found")


@lowering("standardize_pull", fits=_is_float)
def standardize_pull(body: Body, step: Apply) -> None:
    """r (ct - mean(ct) - y mean(ct y))."""
    passes, n = _passes(body, step, ("ct", "x"))
    _centre(passes, "x", "y", n, step.attributes["center"])
    _scale(passes, n, step.attributes["eps"])
    _centre(passes, "ct", "out", n, step.attributes["center"])
    passes.total("along", "out * y", f"total / {n}")
    passes.each("out", "factor * (out - y * along)")
