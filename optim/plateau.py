"""Reduce the rate when the loss no longer falls: a schedule that listens."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .hyperparameters import DECAY, NONNEGATIVE, choice, number, whole
from .optimizer import Optimizer
from .schedule import Schedule, per_group

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Schedule):
    """Multiply the rate by `factor` when a metric has not improved for long.

    After more than `patience` observations in a row without improvement, so at the
    ``patience + 1``-th, the rate is reduced; observations during the `cooldown` after that do not
    count. The state is a number of reductions, so that the rate is a function of it and of the
    base, and the schedule can be part of a `ChainedScheduler` or a `SequentialLR`.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether the metric should fall or rise.
    factor : float
        Below 1.
    patience : int
        How many observations without improvement to tolerate.
    threshold : float
        What counts as an improvement: one by more than this fraction of the best (or this
        amount).
    threshold_mode : {"rel", "abs"}
        Whether `threshold` is a fraction or an amount.
    cooldown : int
        How many observations to ignore after a reduction.
    min_lr : float, or list of float
        The lowest rate; a list has one for each group of parameters.
    eps : float
        Reductions by no more than this are not made.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.25
    """

    saved = ("best", "num_bad_epochs", "cooldown_counter", "reductions")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        owner = "ReduceLROnPlateau"
        self.mode = choice(owner, "mode", mode, ("min", "max"))
        self.threshold_mode = choice(
            "ReduceLROnPlateau", "threshold_mode", threshold_mode, ("rel", "abs")
        )
        self.factor = number(owner, "factor", factor, DECAY)
        self.threshold = number(owner, "threshold", threshold, NONNEGATIVE)
        self.min_lrs: list[float] = per_group(
            owner, "min_lr", min_lr, optimizer, lambda v: number(owner, "min_lr", v, NONNEGATIVE)
        )
        self.eps = number(owner, "eps", eps, NONNEGATIVE)
        self.patience = whole(owner, "patience", patience, least=0)
        self.cooldown = whole(owner, "cooldown", cooldown, least=0)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.reductions = 0
        super().__init__(optimizer)

    def lr(self, step: int, base: float) -> float:
        """Return `base` after the reductions made so far, for the first group."""
        return self._reduced(base, self.min_lrs[0])

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups after the reductions made so far."""
        pairs = zip(bases, self.min_lrs, strict=False)
        return [self._reduced(base, min_lr) for base, min_lr in pairs]

    def _reduced(self, base: float, min_lr: float) -> float:
        for _ in range(self.reductions):
            reduced = max(base * self.factor, min_lr)
            if base - reduced <= self.eps:
                break
            base = reduced
        return base

    def needs_metric(self, step: int) -> bool:
        """Always."""
        return True

    def observe(self, metric: float, step: int) -> None:
        """Count an observation, and a reduction when it is due."""
        if self.improves(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reductions += 1
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def improves(self, metric: float) -> bool:
        """Whether `metric` is better than the best so far by more than the threshold."""
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "rel":
            return sign * metric < sign * (self.best * (1.0 - sign * self.threshold))
        return sign * metric < sign * (self.best - sign * self.threshold)
