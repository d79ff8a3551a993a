"""Learning-rate schedules: one small idea, and the two ways to combine it.

A schedule is a function ``lr(step, base)``: the rate at a step, given the rate that the optimizer
was made with. Everything else follows from that:

* `ChainedScheduler` hands the rate of one schedule to the next as its base: the *product*, where
  the schedules are factors;
* `SequentialLR` changes schedules at milestones, each counting its own steps from 0;
* both are schedules again, so they nest, and `ReduceLROnPlateau` is one, so it takes part.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.errors import DTypeError, ShapeError, UnknownNameError, explain

from .hyperparameters import HyperparameterError, whole
from .optimizer import Optimizer

__all__ = ["ChainedScheduler", "Schedule", "SequentialLR"]


class Schedule:
    """Base of all schedules; a subclass gives ``lr(step, base)``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rate to set. The base is the rate that each of its groups was made with.
    last_epoch : int
        The last step that is over already; -1 starts anew.
    """

    saved: tuple[str, ...] = ()
    """The attributes that change from step to step, for ``state_dict``."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            what = f"{type(self).__name__}: an optimizer first"
            do = "Pass the optimizer whose rate the schedule sets"
            raise DTypeError(explain(what, f"a {type(optimizer).__name__}", do))
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = 1 + whole(type(self).__name__, "last_epoch", last_epoch, -1, -1)
        self.apply()

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step` when the optimizer's own is `base`."""
        raise NotImplementedError

    def needs_metric(self, step: int) -> bool:
        """Whether the rate after `step` depends on a metric."""
        return False

    def observe(self, metric: float, step: int) -> None:
        """Take note of a metric measured at `step`."""

    def step(self, metrics: float | None = None) -> None:
        """Go to the next step and set the optimizer's rate.

        Parameters
        ----------
        metrics : float, optional
            What `ReduceLROnPlateau` watches, such as a validation loss.
        """
        if metrics is not None:
            self.observe(float(metrics), self.last_epoch)
        elif self.needs_metric(self.last_epoch):
            what = f"{type(self).__name__}.step: the metric that ReduceLROnPlateau watches"
            raise DTypeError(explain(what, "none", "Call step(validation_loss)"))
        self.advance()

    def advance(self) -> None:
        """Go to the next step without a metric."""
        self.last_epoch += 1
        self.apply()

    def apply(self) -> None:
        """Set the rate of the present step in every group."""
        for group, lr in zip(self.optimizer.param_groups, self.get_last_lr(), strict=False):
            group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """Return the rate of the present step, for each group."""
        return [self.lr(self.last_epoch, base) for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to continue later."""
        return {name: getattr(self, name) for name in ("last_epoch", "base_lrs", *self.saved)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what ``state_dict()`` of an equal schedule returned."""
        self.check_state_dict(state_dict)
        self.take_state(state_dict)
        self.apply()

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Raise if `state_dict` is not one of an equal schedule."""
        expected = self.state_dict().keys()
        if not isinstance(state_dict, Mapping) or state_dict.keys() != expected:
            what = f"{type(self).__name__}.load_state_dict: the entries {', '.join(expected)}"
            got = ", ".join(map(str, state_dict)) or "none"
            raise UnknownNameError(explain(what, got, "Load the state of an equal schedule"))
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            what = f"{type(self).__name__}.load_state_dict: {len(self.base_lrs)} base rates"
            do = "Load the state of an equal optimizer's schedule"
            raise ShapeError(explain(what, len(state_dict["base_lrs"]), do))

    def take_state(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a checked state."""
        for name, value in state_dict.items():
            setattr(self, name, value)


class _Combination(Schedule):
    """A schedule made of others."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[Schedule], last_epoch: int = -1
    ) -> None:
        self.schedulers = list(schedulers)
        if not self.schedulers:
            what = f"{type(self).__name__}: at least one schedule"
            raise HyperparameterError(explain(what, "none", "Pass a list of schedules"))
        for schedule in self.schedulers:
            self._check_part(optimizer, schedule)
        super().__init__(optimizer, last_epoch)

    def _check_part(self, optimizer: Optimizer, schedule: Any) -> None:
        name = type(self).__name__
        if not isinstance(schedule, Schedule):
            got = f"a {type(schedule).__name__}"
            raise DTypeError(explain(f"{name}: schedules", got, "Pass a list of schedules"))
        if schedule.optimizer is not optimizer:
            do = "Make all of them for the same optimizer"
            got = "a schedule of another one"
            raise HyperparameterError(explain(f"{name}: schedules of one optimizer", got, do))

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to continue later, of the parts too."""
        return super().state_dict() | {"schedulers": [s.state_dict() for s in self.schedulers]}

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Raise if `state_dict` is not one of an equal schedule."""
        super().check_state_dict(state_dict)
        states = state_dict["schedulers"]
        if len(states) != len(self.schedulers):
            what = f"{type(self).__name__}.load_state_dict: {len(self.schedulers)} schedules"
            raise ShapeError(explain(what, len(states), "Load the state of an equal schedule"))
        for schedule, state in zip(self.schedulers, states, strict=True):
            schedule.check_state_dict(state)

    def take_state(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a checked state, in the parts too."""
        super().take_state({k: v for k, v in state_dict.items() if k != "schedulers"})
        for schedule, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            schedule.take_state(state)


class ChainedScheduler(_Combination):
    """All schedules at once: each takes the rate of the one before as its base.

    Parameters
    ----------
    schedulers : sequence of Schedule
        Their factors multiply.
    optimizer : Optimizer, optional
        That of the schedules.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD, ExponentialLR, LinearLR
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> parts = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> both = ChainedScheduler(parts)
    >>> both.step()
    >>> optimizer.lr == 0.5 * 0.75 * 0.5
    True
    """

    def __init__(self, schedulers: Sequence[Schedule], optimizer: Optimizer | None = None) -> None:
        schedulers = list(schedulers)
        own = getattr(schedulers[0], "optimizer", None) if schedulers else None
        super().__init__(optimizer or own, schedulers)  # type: ignore[arg-type]

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        for schedule in self.schedulers:
            base = schedule.lr(step, base)
        return base

    def needs_metric(self, step: int) -> bool:
        """Whether one of the schedules does."""
        return any(schedule.needs_metric(step) for schedule in self.schedulers)

    def observe(self, metric: float, step: int) -> None:
        """Tell all schedules."""
        for schedule in self.schedulers:
            schedule.observe(metric, step)


class SequentialLR(_Combination):
    """One schedule after the other; each counts its steps from 0 and starts from the base.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of Schedule
    milestones : sequence of int
        The steps at which the second, third, ... schedule takes over.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD, CosineAnnealingLR, LinearLR
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> parts = LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule = SequentialLR(optimizer, parts, milestones=[2])
    >>> [schedule.lr(step, 0.5) for step in range(5)]
    [0.25, 0.375, 0.5, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[Schedule],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self.milestones = [
            whole("SequentialLR", "milestones", milestone) for milestone in milestones
        ]
        rising = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
        if len(self.milestones) != len(schedulers) - 1 or not rising:
            count = max(len(schedulers) - 1, 0)
            what = f"SequentialLR: {count} rising milestones for {len(schedulers)} schedules"
            do = "Give the step at which each schedule but the first takes over"
            raise HyperparameterError(explain(what, self.milestones, do))
        super().__init__(optimizer, schedulers, last_epoch)

    def _active(self, step: int) -> tuple[Schedule, int]:
        """Return the schedule in charge at `step`, and its own count of steps."""
        index = bisect.bisect_right(self.milestones, step)
        return self.schedulers[index], step - (self.milestones[index - 1] if index else 0)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        schedule, own_step = self._active(step)
        return schedule.lr(own_step, base)

    def needs_metric(self, step: int) -> bool:
        """Whether the schedule in charge does."""
        schedule, own_step = self._active(step)
        return schedule.needs_metric(own_step)

    def observe(self, metric: float, step: int) -> None:
        """Tell the schedule in charge."""
        schedule, own_step = self._active(step)
        schedule.observe(metric, own_step)
