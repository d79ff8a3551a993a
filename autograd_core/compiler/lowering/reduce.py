"""Reductions: sums and what is made of them, extremes, truth, norms."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from ..body import Body
from ..record import Apply, Value
from .joins import ADDED, COUNTED, MULTIPLIED, MULTIPLIED_INTEGERS
from .passes import Passes, axes_of, kept_strides
from .registry import arrays_only, lowering


@contextlib.contextmanager
def reduction(body: Body, step: Apply, integers: bool = False) -> Iterator[tuple[Passes, int]]:
    """Yield passes over the lines that become a result, `out`, and the lines' length.

    Threads share what is written meanwhile, if it is much.
    """
    (x,) = step.parts
    axis = axis_of(step)
    place, out = body.place(x), body.allot(step.result)
    along = kept_strides(x.shape, axis)
    arrays = {"x": (place, place.strides), "out": (out, along)}
    passes = Passes(body, x.shape, axis, arrays, integers)
    with passes.shared():
        yield passes, length_of(x, axis)


def axis_of(step: Apply) -> int | tuple[int, ...] | None:
    """Return the axes that a step works along, under either name."""
    attributes = step.attributes
    return attributes["axes"] if "axes" in attributes else attributes["axis"]


def length_of(x: Value, axis: int | tuple[int, ...] | None) -> int:
    """Return how many elements there are along axes."""
    return math.prod(x.shape[a] for a in axes_of(axis, len(x.shape)))


def _is_float(step: Apply) -> bool:
    return arrays_only(step) and step.result.dtype.kind == "f"


def _is_ordered(step: Apply) -> bool:
    return arrays_only(step) and step.parts[0].dtype.name != "uint64"


# -------------------------------------------------------------------------------- sums, products


@lowering("sum", "prod", integers=True)
def folded(body: Body, step: Apply) -> None:
    """Add or multiply; integers and truths as 64 bits."""
    integers = step.result.dtype.kind != "f"
    with reduction(body, step, integers) as (passes, _):
        joins = {"sum": (ADDED, COUNTED), "prod": (MULTIPLIED, MULTIPLIED_INTEGERS)}
        join = joins[step.op.name][integers]
        passes.total("found", "np.int64(x)" if integers else "x", join=join)
        passes.store("out", "found")


@lowering("mean", fits=_is_float, integers=True)
def mean(body: Body, step: Apply) -> None:
    """Add and divide."""
    with reduction(body, step) as (passes, n):
        passes.total("found", "x", f"total / {float(n)!r}")
        passes.store("out", "found")


@lowering("var", "std", fits=_is_float, integers=True)
def spread(body: Body, step: Apply) -> None:
    """Add the squared deviations from the mean."""
    with reduction(body, step) as (passes, n):
        passes.total("centre", "x", f"total / {float(n)!r}")
        freedom = max(n - step.attributes["ddof"], 0)
        squares = f"total / {float(freedom)!r}"
        after = f"np.sqrt({squares})" if step.op.name == "std" else squares
        passes.total("found", "(x - centre) * (x - centre)", after)
        passes.store("out", "found")


@lowering("logsumexp", fits=_is_float)
def logsumexp(body: Body, step: Apply) -> None:
    """log Σ eˣ, shifted by the largest element where it is finite."""
    with reduction(body, step) as (passes, _):
        passes.largest("top", "x", "total if abs(total) < F(np.inf) else 0.0")
        passes.total("found", "exp(x - top)", "log(total) + top")
        passes.store("out", "found")


@lowering("p_norm", fits=_is_float)
def p_norm(body: Body, step: Apply) -> None:
    """(Σ |x|ᵖ)^(1/p)."""
    with reduction(body, step) as (passes, _):
        p = float(step.attributes["ord"])
        if p == 2.0:
            passes.total("found", "x * x", "np.sqrt(total)")
        else:
            passes.total("found", f"power(abs(x), {p!r})", f"power(total, {1.0 / p!r})")
        passes.store("out", "found")


# -------------------------------------------------------------------------------- extremes, truth

EXTREMES = {"max": "maximum", "min": "maximum", "nanmax": "fmax", "nanmin": "fmax"}


@lowering(*EXTREMES, fits=_is_ordered, integers=True)
def extreme(body: Body, step: Apply) -> None:
    """Find the largest; the smallest is the largest of the opposites."""
    kind, name = step.result.dtype.kind, step.op.name
    with reduction(body, step, kind != "f") as (passes, _):
        term = "x" if kind == "f" else "np.int64(x)"
        opposite = "" if name.endswith("max") else "-" if kind == "f" else "~"
        passes.largest("found", f"{opposite}{term}", f"{opposite}total", EXTREMES[name])
        passes.store("out", "found != int(0)" if kind == "b" else "found")


@lowering("all", "any", "count_nonzero", integers=True)
def truth(body: Body, step: Apply) -> None:
    """Count what is not zero."""
    with reduction(body, step, integers=True) as (passes, n):
        passes.total("found", "int(x != 0)", join=COUNTED)
        answers = {"all": f"found == int({n})", "any": "found != int(0)", "count_nonzero": "found"}
        passes.store("out", answers[step.op.name])
