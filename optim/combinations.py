"""The two ways to combine schedules, and the most common combination.

* `ChainedScheduler` hands the rate of one schedule to the next as its base: the *product*, where
  the schedules are factors;
* `SequentialLR` changes schedules at milestones, each counting its own steps from 0;
* both are schedules again, so they nest, and `ReduceLROnPlateau` is one, so it takes part.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.errors import DTypeError, ShapeError, explain

from .hyperparameters import NONNEGATIVE, HyperparameterError, check, number, whole
from .optimizer import Optimizer
from .schedule import Schedule
from .schedules import LinearLR

__all__ = ["ChainedScheduler", "SequentialLR", "warm_up"]


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
        own = [s.own_momenta for s in self.schedulers if s.own_momenta is not None]
        self.own_momenta = own[0] if own else None
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

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return self.rates(step, [base] * len(self.base_lrs))[0]

    @property
    def is_foreseeable(self) -> bool:
        """Whether the rates of all parts are, also of those that are not in charge yet."""
        ours = type(self) in (ChainedScheduler, SequentialLR)
        return ours and all(schedule.is_foreseeable for schedule in self.schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to continue later, of the parts too."""
        return super().state_dict() | {"schedulers": [s.state_dict() for s in self.schedulers]}

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Raise if `state_dict` is not one of an equal schedule."""
        super().check_state_dict(state_dict)
        states = state_dict["schedulers"]
        if not isinstance(states, list | tuple) or len(states) != len(self.schedulers):
            what = f"{type(self).__name__}.load_state_dict: {len(self.schedulers)} schedules"
            got = len(states) if isinstance(states, list | tuple) else repr(states)
            raise ShapeError(explain(what, got, "Load the state of an equal schedule"))
        for schedule, state in zip(self.schedulers, states, strict=True):
            schedule.check_state_dict(state)

    def take_state(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a checked state, in the parts too."""
        super().take_state(state_dict)
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

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates at `step`."""
        for schedule in self.schedulers:
            bases = schedule.rates(step, bases)
        return list(bases)

    def momenta(self, step: int) -> list[float] | None:
        """Return the momenta at `step`: those of the last schedule that moves them."""
        found = [schedule.momenta(step) for schedule in reversed(self.schedulers)]
        return next((momenta for momenta in found if momenta is not None), self.own_momenta)

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
    carry : bool
        Start each schedule from the rate that the one before has come to, instead of the base.

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
        carry: bool = False,
    ) -> None:
        self.carry = bool(check("SequentialLR", "carry", carry, False))
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

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates at `step`."""
        if self.carry:
            starts = [0, *self.milestones]
            for schedule, start, end in zip(
                self.schedulers, starts, self.milestones, strict=False
            ):
                if step >= end:
                    bases = schedule.rates(end - start, bases)
        schedule, own_step = self._active(step)
        return schedule.rates(own_step, bases)

    def momenta(self, step: int) -> list[float] | None:
        """Return the momenta of the schedule in charge at `step`, or the optimizer's own."""
        schedule, own_step = self._active(step)
        return schedule.momenta(own_step) or self.own_momenta

    def needs_metric(self, step: int) -> bool:
        """Whether the schedule in charge does."""
        schedule, own_step = self._active(step)
        return schedule.needs_metric(own_step)

    def observe(self, metric: float, step: int) -> None:
        """Tell the schedule in charge."""
        schedule, own_step = self._active(step)
        schedule.observe(metric, own_step)


def warm_up(schedule: Schedule, steps: int, start_factor: float = 0.0) -> SequentialLR:
    """Return `schedule` after a linear warm-up to the optimizer's own rate.

    Parameters
    ----------
    schedule : Schedule
        Any; it counts its steps from the end of the warm-up.
    steps : int
        How long to warm up.
    start_factor : float
        The first rate, as a fraction of the optimizer's own.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD, CosineAnnealingLR
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> schedule = warm_up(CosineAnnealingLR(optimizer, T_max=2), steps=2)
    >>> [schedule.lr(step, 0.5) for step in range(5)]
    [0.0, 0.25, 0.5, 0.25, 0.0]
    """
    if not isinstance(schedule, Schedule):
        got = f"a {type(schedule).__name__}"
        raise DTypeError(explain("warm_up: a schedule first", got, "Pass CosineAnnealingLR(...)"))
    steps = whole("warm_up", "steps", steps)
    start = number("warm_up", "start_factor", start_factor, NONNEGATIVE)
    ramp = LinearLR(schedule.optimizer, start, total_iters=steps)
    return SequentialLR(schedule.optimizer, [ramp, schedule], [steps])
