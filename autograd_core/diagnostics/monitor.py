"""Gradient flow while a model is trained: a callback for `optim.fit`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import GraphError, ShapeError, UnknownNameError, explain
from .flow import FlowReport, gradient_flow
from .flow_picture import history_picture, summary
from .report import plain, share
from .svg import Picture

__all__ = ["FlowMonitor"]

# What may be drawn over time: the columns of numbers.
FIGURES = {k: head for k, (head, form) in FlowReport.columns.items() if form is not plain}


class FlowMonitor:
    """Report the gradient flow after every epoch of a training: one of the ``callbacks`` of `fit`.

    Parameters
    ----------
    model, *batch, loss, optimizer
        As `gradient_flow` has them; a batch of a few dozen examples is enough.
    every : int
        Report at every so manieth call only.
    show : bool
        Whether to print a line at each report.

    Attributes
    ----------
    reports : list of FlowReport
    epochs : list of int
        When each was made.

    Examples
    --------
    >>> import autograd_core as ag, nn, numpy as np, optim
    >>> model = nn.MLP([1, 8, 8, 1], activation="tanh", rng=0)
    >>> x = np.linspace(-1.0, 1.0, 32).reshape(-1, 1)
    >>> flow = ag.diagnostics.FlowMonitor(model, x, x * x, loss=nn.MSELoss(), show=False)
    >>> adam = optim.Adam(model.parameters(), lr=0.01)
    >>> history = optim.fit(model, nn.MSELoss(), (x, x * x), adam, epochs=3, callbacks=[flow],
    ...                     progress=False)
    >>> len(flow.reports), [record["layer"] for record in flow.reports[-1]]
    (3, ['0', '1', '2', '3', '4'])
    """

    def __init__(
        self,
        model: Any,
        *batch: Any,
        loss: Any,
        optimizer: Any = None,
        every: int = 1,
        show: bool = True,
    ) -> None:
        if not isinstance(every, int) or every < 1:
            do = "Pass the number of epochs from report to report"
            raise ShapeError(explain("FlowMonitor: every, an integer from 1 on", every, do))
        self.model = model
        self.batch = batch
        self.loss = loss
        self.optimizer = optimizer
        self.every = every
        self.show = show
        self.calls = 0
        self.reports: list[FlowReport] = []
        self.epochs: list[int] = []

    def __call__(self, row: Mapping[str, float]) -> None:
        """Report, if it is time to."""
        self.calls += 1
        if self.calls % self.every:
            return
        report = gradient_flow(self.model, *self.batch, loss=self.loss, optimizer=self.optimizer)
        self.reports.append(report)
        self.epochs.append(int(row.get("step", row.get("epoch", self.calls))))
        if self.show:
            print(_line(self.epochs[-1], report), file=sys.stderr, flush=True)

    def __str__(self) -> str:
        pairs = zip(self.epochs, self.reports, strict=True)
        return "\n".join([_line(*pair) for pair in pairs] or ["no report yet"])

    __repr__ = __str__

    def draw(self, path: str | Path | None = None, key: str = "gradient") -> Picture:
        """Draw a column of the reports by layer and time, such as "gradient" or "activation"."""
        if key not in FIGURES:
            what = f"FlowMonitor.draw: key, one of {', '.join(FIGURES)}"
            raise UnknownNameError(explain(what, repr(key), "Choose one of these"))
        if not self.reports:
            do = "Pass it to fit as callbacks=[monitor]"
            raise GraphError(explain("FlowMonitor: a report to draw", "none", do))
        names = [str(epoch) for epoch in self.epochs]
        records = [report.records for report in self.reports]
        return history_picture(names, records, FIGURES[key], key).save(path)

    def _repr_svg_(self) -> str | None:
        return self.draw().svg if self.reports else None


def _line(epoch: int, report: FlowReport) -> str:
    words = [f"{epoch:>5}", f"loss {report.loss:.4g}", summary(report.records)]
    dead = max((r["dead"] or 0.0 for r in report), default=0.0)
    flat = max((r["flat"] or 0.0 for r in report), default=0.0)
    words += [f"flat up to {share(flat)}"] * bool(flat)
    words += [f"dead up to {share(dead)}"] * bool(dead)
    return "  ".join(words)
