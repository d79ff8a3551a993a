"""Gradient flow: what each layer does to the gradient on its way back."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import DTypeError, GraphError, explain
from ..tensor import Tensor
from .flow_picture import flow_picture
from .layers import Layer, derivatives, layers, slopes, watched
from .reading import Reading
from .report import Format, Report, number, plain, share
from .svg import Picture

__all__ = ["FlowReport", "gradient_flow"]

FLAT = 0.05  # of the steepest slope: below it, a unit is saturated
FAR = 1e3  # between the largest and the smallest gradient: it vanishes or explodes


class FlowReport(Report):
    """One record for each layer, from the input to the output.

    The keys are ``layer``, ``kind``, ``shape`` (of the result); ``activation``, the root mean
    square of its elements, and ``gradient``, the norm ‖∂L/∂h‖ of the loss's derivative by it;
    ``gain``, that norm before the layer divided by that behind it. Of activation functions there
    are ``slope``, the mean of |f'|; ``product``, that of the slopes from here to the output;
    ``flat``, the part of all elements with a slope below 5 % of the steepest (saturated, or where
    a ReLU is off); ``dead``, the part of units whose slope is 0 for every example. Of layers with
    parameters, the norms ``weight`` and ``weight_gradient``, and ``update``, the norm of the
    change that a step of the optimizer makes, divided by that of the parameters.

    Attributes
    ----------
    loss : float
    product : float
        Of the mean slopes of all activation functions: the lecture's factor.
    """

    columns: ClassVar[dict[str, tuple[str, Format]]] = {
        "layer": ("layer", plain),
        "kind": ("kind", plain),
        "shape": ("shape", plain),
        "activation": ("activation rms", number),
        "gradient": ("‖∂L/∂h‖", number),
        "gain": ("gain", number),
        "slope": ("mean |f'|", number),
        "product": ("product", number),
        "flat": ("flat", share),
        "dead": ("dead", share),
        "weight": ("‖θ‖", number),
        "weight_gradient": ("‖∂L/∂θ‖", number),
        "update": ("‖Δθ‖/‖θ‖", number),
    }
    optional = ("update",)

    def __init__(self, records: list[dict[str, Any]], loss: float) -> None:
        self.loss = loss
        self.product = math.prod(r["slope"] for r in records if r["slope"] is not None)
        layers = "1 layer" if len(records) == 1 else f"{len(records)} layers"
        title = f"gradient flow through {layers}, loss {number(loss)}"
        super().__init__(records, title, _findings(records))

    def draw(self, path: str | Path | None = None) -> Picture:
        """Draw gradients, activations, flat and dead units and updates, by layer; as an SVG."""
        return flow_picture(self.records, self.title).save(path)

    def _repr_html_(self) -> str:
        return f"{super()._repr_html_()}{self.draw().svg}"


def gradient_flow(model: Any, *batch: Any, loss: Any, optimizer: Any = None) -> FlowReport:
    """Report how the gradient flows through the layers of a model, at one batch.

    Parameters
    ----------
    model : nn.Module
        In the mode that it is in (``train`` or ``eval``).
    *batch
        What `model` is given, and then the further arguments of `loss`.
    loss : callable
        ``loss(prediction, *targets)``, one number.
    optimizer : Optimizer, optional
        Over the parameters of the model: the report then has the updates of its next step.

    Returns
    -------
    FlowReport
        Prints as a table; ``draw()`` shows it.

    Notes
    -----
    Everything happens to a copy of model and optimizer; neither is changed.

    Examples
    --------
    >>> import autograd_core as ag, nn, numpy as np
    >>> model = nn.MLP([3] + 8 * [16] + [1], activation="sigmoid", rng=0)
    >>> x, y = np.ones((4, 3)), np.zeros((4, 1))
    >>> report = ag.diagnostics.gradient_flow(model, x, y, loss=nn.MSELoss())
    >>> report.product < 0.25**8
    True
    """
    if not batch:
        do = "Pass the inputs and the targets of a batch"
        raise DTypeError(explain("diagnostics.gradient_flow: a batch", "none", do))
    model = getattr(model, "__wrapped__", model)  # of a compiled one, what was compiled
    model, optimizer = copy.deepcopy((model, optimizer))
    with watched(model) as calls:
        reading = Reading("diagnostics.gradient_flow", lambda: loss(model(batch[0]), *batch[1:]))
    found = layers(calls, reading)
    records = [_record(layer, reading) for layer in found]
    updates = {} if optimizer is None else _updates(optimizer, reading)
    for layer, record in zip(found, records, strict=True):
        changes = [updates[id(p)] for p in layer.parameters if id(p) in updates]
        if changes and record["weight"]:
            record["update"] = _norm(changes) / record["weight"]
    product = 1.0
    for record in reversed(records):
        product *= 1.0 if record["slope"] is None else record["slope"]
        record["product"] = None if record["slope"] is None else product
    return FlowReport(records, float(reading.root._value))


def _record(layer: Layer, reading: Reading) -> dict[str, Any]:
    made, read = layer.made, layer.read
    value = reading.values.get(made) if made else None
    behind = _length(reading, made)
    before = _length(reading, read) if read is not made else None
    slope = derivatives(layer)
    relative = slopes(layer)
    own = [p for p in layer.parameters if p.node is not None]
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "shape": None if made is None else made.shape,
        "activation": None if value is None or not value.size else _rms(value),
        "gradient": behind,
        "gain": before / behind if before is not None and behind else None,
        "slope": None if slope is None else float(np.mean(np.abs(slope), dtype=float)),
        "product": None,
        "flat": None if relative is None else float(np.mean(np.abs(relative) < FLAT)),
        "dead": None if slope is None else dead(slope),
        "weight": _norm(p._value for p in own) if own else None,
        "weight_gradient": _gradients(own, reading) if own else None,
        "update": None,
    }


def dead(slope: np.ndarray) -> float:
    """Return which part of the units has slope 0 at every example (along the first axis)."""
    return float(np.mean((slope == 0).all(axis=0) if slope.ndim else slope == 0))


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return math.sqrt(sum(float(np.sum(np.square(x, dtype=float))) for x in arrays))


def _rms(x: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(x, dtype=float))))


def _length(reading: Reading, node: Any) -> float | None:
    """Return the norm of a node's cotangent."""
    ct = reading.cotangents.get(node)
    return None if ct is None else _norm([ct])


def _gradients(own: Sequence[Tensor], reading: Reading) -> float:
    found = (reading.cotangents.get(p.node) for p in own)  # type: ignore[arg-type]
    return _norm(ct for ct in found if ct is not None)


def _updates(optimizer: Any, reading: Reading) -> dict[int, np.ndarray]:
    """Take a step of a copied optimizer; return the changes by the ids of the parameters."""
    if not hasattr(optimizer, "param_groups"):
        do = "Pass one such as Adam(model.parameters()), or leave it out"
        got = f"a {type(optimizer).__name__}"
        raise DTypeError(explain("diagnostics.gradient_flow: an optimizer", got, do))
    own = [p for group in optimizer.param_groups for p in group["params"]]
    if not any(p.node in reading.cotangents for p in own):
        do = "Make the optimizer with the parameters of this model"
        got = "one that has none of them"
        raise GraphError(explain("diagnostics.gradient_flow: the model's optimizer", got, do))
    for p in own:
        p.grad = reading.cotangents.get(p.node)
    before = [p._value.copy() for p in own]
    optimizer.step()
    pairs = zip(own, before, strict=True)
    return {id(p): p._value.astype(float) - start for p, start in pairs}


def _findings(records: Sequence[dict[str, Any]]) -> list[str]:
    """Say what is wrong, where anything is."""
    known = [r for r in records if r["gradient"]]
    notes = []
    if known:
        first, last = known[0], known[-1]
        ratio = first["gradient"] / last["gradient"]
        way = f"{number(ratio)} times from {last['layer']} back to {first['layer']}"
        if ratio < 1.0 / FAR:
            notes.append(f"vanishing gradient: {way}")
        if ratio > FAR:
            notes.append(f"exploding gradient: {way}")
    notes += [f"{r['layer']}: no gradient comes back to it" for r in records if r["gradient"] == 0]
    for record in records:
        if record["gradient"] is not None and not math.isfinite(record["gradient"]):
            notes.append(f"{record['layer']}: the gradient is not finite")
        if record["dead"]:
            notes.append(f"{record['layer']}: {share(record['dead'])} of the units are dead")
        elif record["flat"] is not None and record["flat"] > 0.9:
            notes.append(f"{record['layer']}: {share(record['flat'])} of the elements saturated")
    return notes
