"""Early stopping on a validation metric, with the best weights restored always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from autograd_core.errors import DTypeError, explain

from .hyperparameters import NONNEGATIVE, REALS, check, choice, number, whole

__all__ = ["EarlyStopping", "HasState"]


class HasState(Protocol):
    """A model whose weights can be saved and loaded."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the weights by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take over weights."""


class EarlyStopping:
    """Say when a metric has stopped improving, and bring the best weights back.

    Within ``with stopping.watch(model):`` the weights of the best epoch are kept, and they are
    restored when the block is left, in whatever way: after the last epoch too, and on an
    exception or Ctrl-C. `fit` does the same.

    Parameters
    ----------
    patience : int
        Stop after so many updates in a row without improvement (or so many steps of the
        optimizer: see `unit`).
    min_delta : float
        A smaller improvement than this does not count.
    mode : {"min", "max"}
        Whether the metric should fall or rise.
    baseline : float, optional
        Improvements reset the patience only when they are better than this.
    start_from : int
        The number of first updates, or steps, to ignore.
    cumulative_delta : bool
        Measure `min_delta` from the best that counted, so that small improvements can add up
        (Keras). Otherwise from the best of all (Ignite's default).
    min_delta_mode : {"abs", "rel"}
        Whether `min_delta` is an amount, or a fraction of the magnitude of the best.
    unit : {"update", "step"}
        What `patience` and `start_from` count: updates (in `fit` one per validation, so one per
        epoch by default), or steps of the optimizer, however often one validates.

    Attributes
    ----------
    best : float or None
        The metric of the best epoch.
    best_epoch : int or None
        Its number, counted from 0. The weights of this epoch are the ones restored.
    best_step : int or None
        The number of steps that the optimizer had made by then, where `update` was told.

    Notes
    -----
    NaN is never an improvement.

    Examples
    --------
    >>> stopping = EarlyStopping(patience=2)
    >>> [stopping.update(loss) for loss in (3.0, 1.0, 2.0, 1.5)]
    [False, False, False, True]
    >>> stopping.best, stopping.best_epoch
    (1.0, 1)
    """

    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "min",
        baseline: float | None = None,
        start_from: int = 0,
        cumulative_delta: bool = True,
        min_delta_mode: str = "abs",
        unit: str = "update",
    ) -> None:
        owner = "EarlyStopping"
        self.patience = whole(owner, "patience", patience, 0, 10)
        self.min_delta = number(owner, "min_delta", min_delta, NONNEGATIVE)
        self.mode = choice(owner, "mode", mode, ("min", "max"))
        self.baseline = None if baseline is None else number(owner, "baseline", baseline, REALS)
        self.start_from = whole(owner, "start_from", start_from, 0)
        self.cumulative_delta = check(owner, "cumulative_delta", cumulative_delta, True)
        self.relative = choice(owner, "min_delta_mode", min_delta_mode, ("abs", "rel")) == "rel"
        self.unit = choice(owner, "unit", unit, ("update", "step"))
        self.reset()

    def reset(self) -> None:
        """Forget everything observed, so that the object can serve another training."""
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.best_step: int | None = None
        self.wait = 0
        self.epoch = -1
        self.clock = 0
        self._weights: dict[str, np.ndarray] | None = None

    def update(
        self, metric: float, model: HasState | None = None, step: int | None = None
    ) -> bool:
        """Take note of the metric after an epoch.

        Parameters
        ----------
        metric : float
        model : object with ``state_dict``, optional
            Whose weights to keep if this is the best epoch so far.
        step : int, optional
            How many steps the optimizer has made; needed where ``unit="step"``.

        Returns
        -------
        bool
            Whether to stop.
        """
        clock = self._time(step)
        self.epoch += 1
        passed, self.clock = clock - self.clock, clock
        if clock <= self.start_from:
            return False
        self.wait += passed
        counts = self._improves(metric, self.best, self.min_delta)
        if counts or (not self.cumulative_delta and self._improves(metric, self.best, 0.0)):
            self._keep(metric, model, step)
        if counts:
            if self.baseline is None or self._improves(metric, self.baseline, self.min_delta):
                self.wait = 0
            return False
        return self.wait >= self.patience and self.epoch > 0

    def soonest(self, steps: int) -> int:
        """Return with which update from here on it can stop first, with so many steps for each."""
        left = max(self.start_from - self.clock, 0) + max(self.patience - self.wait, 1)
        return left if self.unit == "update" else -(-left // steps)

    def _time(self, step: int | None) -> int:
        """Return the number of updates so far, this one included, or of steps."""
        if self.unit == "update":
            return self.clock + 1
        owner = "EarlyStopping.update"
        if step is None:
            what = f'{owner}: the number of steps, for unit="step"'
            raise DTypeError(explain(what, "none", "Call update(metric, model, step=steps)"))
        return whole(owner, "step", step, self.clock, self.clock)

    def _keep(self, metric: float, model: HasState | None, step: int | None) -> None:
        self.best, self.best_epoch, self.best_step = metric, self.epoch, step
        if model is not None:
            self._weights = {k: np.array(v) for k, v in model.state_dict().items()}

    def _improves(self, metric: float, reference: float | None, delta: float) -> bool:
        if reference is None:
            return metric == metric  # all but NaN
        if self.relative:
            delta *= abs(reference)
        return metric < reference - delta if self.mode == "min" else metric > reference + delta

    def restore(self, model: HasState) -> None:
        """Load the weights of the best epoch into `model`; without one, leave it alone."""
        if self._weights is not None:
            model.load_state_dict(self._weights)

    @contextmanager
    def watch(self, model: HasState) -> Iterator[EarlyStopping]:
        """Start anew, and restore the best weights of `model` on the way out.

        Examples
        --------
        >>> stopping = EarlyStopping(patience=3)
        >>> with stopping.watch(model):                         # doctest: +SKIP
        ...     for epoch in range(100):
        ...         train(model)
        ...         if stopping.update(validate(model), model):
        ...             break
        """
        if not hasattr(model, "state_dict") or not hasattr(model, "load_state_dict"):
            what = "EarlyStopping: a model with state_dict() and load_state_dict()"
            do = "Pass an nn.Module, or leave early stopping out"
            raise DTypeError(explain(what, f"a {type(model).__name__}", do))
        self.reset()
        try:
            yield self
        finally:
            self.restore(model)
            self._weights = None
