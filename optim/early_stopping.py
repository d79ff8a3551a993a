"""Early stopping on a validation metric, with the best weights restored always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from autograd_core.errors import DTypeError, explain

from .hyperparameters import NONNEGATIVE, choice, number, whole

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
        Stop after so many updates in a row without improvement.
    min_delta : float
        A smaller improvement than this does not count.
    mode : {"min", "max"}
        Whether the metric should fall or rise.
    baseline : float, optional
        Improvements reset the patience only when they are better than this.
    start_from : int
        The number of first updates to ignore.
    cumulative_delta : bool
        Measure `min_delta` from the best that counted, so that small improvements can add up
        (Keras). Otherwise from the best of all (Ignite's default).

    Attributes
    ----------
    best : float or None
        The metric of the best epoch.
    best_epoch : int or None
        Its number, counted from 0. The weights of this epoch are the ones restored.

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
    ) -> None:
        self.patience = whole("EarlyStopping", "patience", patience, 0, 10)
        self.min_delta = number("EarlyStopping", "min_delta", min_delta, NONNEGATIVE)
        self.mode = choice("EarlyStopping", "mode", mode, ("min", "max"))
        self.baseline = baseline
        self.start_from = whole("EarlyStopping", "start_from", start_from, 0)
        self.cumulative_delta = cumulative_delta
        self.reset()

    def reset(self) -> None:
        """Forget everything observed, so that the object can serve another training."""
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.wait = 0
        self.epoch = -1
        self._weights: dict[str, np.ndarray] | None = None

    def update(self, metric: float, model: HasState | None = None) -> bool:
        """Take note of the metric after an epoch.

        Parameters
        ----------
        metric : float
        model : object with ``state_dict``, optional
            Whose weights to keep if this is the best epoch so far.

        Returns
        -------
        bool
            Whether to stop.
        """
        self.epoch += 1
        if self.epoch < self.start_from:
            return False
        self.wait += 1
        counts = self._improves(metric, self.best, self.min_delta)
        if counts or (not self.cumulative_delta and self._improves(metric, self.best, 0.0)):
            self.best, self.best_epoch = metric, self.epoch
            if model is not None:
                self._weights = {k: np.array(v) for k, v in model.state_dict().items()}
        if counts:
            if self.baseline is None or self._improves(metric, self.baseline, self.min_delta):
                self.wait = 0
            return False
        return self.wait >= self.patience and self.epoch > 0

    def _improves(self, metric: float, reference: float | None, delta: float) -> bool:
        if reference is None:
            return metric == metric  # all but NaN
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
