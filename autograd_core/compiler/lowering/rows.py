"""Softmax and its logarithm, along any axis."""

from __future__ import annotations

from ..body import Body
from ..record import Apply
from .passes import Passes
from .registry import arrays_only, lowering


def _is_float(step: Apply) -> bool:
    return arrays_only(step) and step.parts[0].dtype.kind == "f"


def _along(body: Body, step: Apply) -> Passes:
    """Return passes along the axis, with the largest element of each line found."""
    (x,) = step.parts
    place, out = body.place(x), body.allot(step.result)
    arrays = {"x": (place, place.strides), "out": (out, out.strides)}
    passes = Passes(body, x.shape, step.attributes["axis"], arrays)
    passes.largest("top", "x")
    return passes


@lowering("softmax", fits=_is_float)
def softmax(body: Body, step: Apply) -> None:
    """eˣ / Σ eˣ."""
    passes = _along(body, step)
    passes.each("out", "exp_scaled(x - top, -0.0) * UNSCALE")
    passes.total("whole", "out")
    passes.each("out", "out / whole")


@lowering("log_softmax", fits=_is_float)
def log_softmax(body: Body, step: Apply) -> None:
    """x - log Σ eˣ."""
    passes = _along(body, step)
    passes.total("shift", "exp_scaled(x - top, -0.0) * UNSCALE", "log(total)")
    passes.each("out", "(x - top) - shift")
