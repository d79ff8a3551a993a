"""Why a step of a program is no machine code, in words, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..declare import OPS
from .native import lowering_of, lowers
from .partition import FLOATS, float_type
from .record import Apply, Guard, Host, Step, Update, Value

__all__ = ["Reason", "advice", "reason"]

TOO_FEW = "too few operations for a native function of their own"
OWN = "Declare it with scalar= or kernel="
POSITIONS = ("getitem", "scatter", "scatter_add", "take", "take_along_axis")

# What to do where there is no program, by how the reason begins.
ADVICE = {
    "recorded once": "Call it again",
    "recorded with equal inputs": "Call it with other inputs",
    "an array of shape": "Compute it with operations, draw it by nn.Dropout, or pass it",
    "a number that changes": "Pass it as an argument; a float is an input",
    "the host reads": "Keep large arrays on tensors: ag.where, not if",
    "host code has hold": "Change gradients with operations, or by optim's clipping",
    "a value is looked at": "Read it before optimizer.step(), or after the call",
}


class Reason(NamedTuple):
    """Why, and what to do, which may be nothing."""

    why: str
    do: str = ""


def advice(reason: str | None) -> str:
    """Return what to do where there is no program for a reason."""
    found = (do for begin, do in ADVICE.items() if (reason or "").startswith(begin))
    return next(found, "")


def reason(step: Step, held: Mapping[Step, str], native: bool) -> Reason:
    """Return why a step runs by itself; `held` says of some why they have to."""
    if not native:
        return Reason("without machine code, as native=False says")
    if isinstance(step, Guard):
        return Reason("read by the host", "Let operations decide, such as ag.where")
    if step in held:
        return Reason(held[step])
    if isinstance(step, Apply):
        return _of_operation(step)
    if isinstance(step, Host | Update):
        return Reason("an update that the host computes, or a part of which it does")
    return _of_types(step.reads) or Reason(TOO_FEW)


def _of_operation(step: Apply) -> Reason:
    if lowers(step, float_type(step)):
        return Reason(TOO_FEW)
    values = [*step.reads, step.result]
    return _of_types(values) or (_of_elements(step) if step.op.pointwise else _of_lowering(step))


def _of_types(values: list[Value]) -> Reason | None:
    """Return the reason that lies in the arrays' types and sizes, if it does."""
    dtypes = {value.dtype for value in values}
    if any(dtype.kind == "c" for dtype in dtypes):
        return Reason("no machine code for complex numbers", "Compute with their parts")
    foreign = sorted(str(d) for d in dtypes if d.kind not in "biu" and d.name not in FLOATS)
    if foreign:
        do = "Convert it with astype to float32 or float64"
        return Reason(f"no machine code for {' and '.join(foreign)}", do)
    if not all(dtype.isnative for dtype in dtypes):
        return Reason("bytes in another order than the machine's", "Convert it with astype")
    if not all(value.size for value in values):
        return Reason("arrays without elements")
    if len({dtype.name for dtype in dtypes if dtype.kind == "f"}) > 1:
        return Reason("of two float types", "Convert one of them with astype")
    return None


def _is_ours(step: Apply) -> bool:
    return step.op is OPS.get(step.op.name)


def _of_elements(step: Apply) -> Reason:
    if not _is_ours(step) and "scalar" not in step.op.facets:
        return Reason("an operation of your own without an expression", OWN)
    if "no_scalar" in step.op.facets:
        return Reason(str(step.op.facets["no_scalar"]))
    if any(value.dtype.kind in "biu" for value in step.reads):
        return Reason("no machine code for it on integers", "Convert them with astype to floats")
    return _of_options(step)


def _of_lowering(step: Apply) -> Reason:
    found = lowering_of(step)
    if found is None:
        if not _is_ours(step):
            return Reason("an operation of your own without a loop", OWN)
        return Reason(str(step.op.facets.get("no_scalar", "no machine code for it")))
    if not found.integers and any(v.dtype.kind in "iu" for v in (*step.reads, step.result)):
        data = step.op.name in POSITIONS
        return Reason("positions that are data" if data else "no machine code for it on integers")
    return _of_options(step)


def _of_options(step: Apply) -> Reason:
    numbers = [x for x in step.parts if not isinstance(x, Value)]
    options = [f"{name}={_brief(x)}" for name, x in step.attributes.items()]
    given = ", ".join([*map(_brief, numbers), *options])
    return Reason(f"no machine code for it with {given}" if given else "no machine code for it")


def _brief(x: object) -> str:
    if isinstance(x, np.ndarray):
        return f"an array of {x.dtype}"
    text = repr(x)
    return text if len(text) <= 40 else f"{text[:37]}..."
