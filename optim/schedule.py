"""Learning-rate schedules: one small idea.

A schedule is a function ``lr(step, base)``: the rate at a step, given the rate that the optimizer
was made with. `combinations` has the ways to combine such functions.

Where groups of parameters have settings of their own, ``rates(step, bases)`` is the same function
for all groups at once. A schedule that moves the momentum, too, says so in ``momenta(step)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograd_core.errors import DTypeError, ShapeError, UnknownNameError, explain

from .groups import ParamGroup
from .hyperparameters import NONNEGATIVE, HyperparameterError, check, number, whole
from .optimizer import Optimizer

__all__ = ["Schedule", "momentum_of", "per_group"]


def per_group(
    owner: str, name: str, value: Any, optimizer: Optimizer, checked: Callable[[Any], Any]
) -> list[Any]:
    """Return a setting for each group: `value` for all of them, or a list with one for each."""
    groups = getattr(optimizer, "param_groups", [None])
    if not isinstance(value, list | tuple):
        return [checked(value)] * len(groups)
    if len(value) != len(groups):
        what = f"{owner}: one {name}, or {len(groups)} for {len(groups)} groups of parameters"
        raise ShapeError(explain(what, f"{len(value)} of them", "Give one for each group"))
    return [checked(entry) for entry in value]


def momentum_of(group: ParamGroup) -> float:
    """Return the momentum of a group: its own, or the first of its betas."""
    return float(group["betas"][0] if "betas" in group.defaults else group["momentum"])


def _momentum_setting(group: ParamGroup, momentum: float) -> dict[str, Any]:
    if "betas" in group.defaults:
        return {"betas": (momentum, *group["betas"][1:])}
    return {"momentum": momentum}


ACTS = "needs_metric", "observe", "advance", "apply"  # what it may do, besides telling rates


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
    own_momenta: list[float] | None = None
    """The momenta that the groups were made with, in a schedule that moves them."""
    base_lrs: list[float]
    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            what = f"{type(self).__name__}: an optimizer first"
            do = "Pass the optimizer whose rate the schedule sets"
            raise DTypeError(explain(what, f"a {type(optimizer).__name__}", do))
        last_epoch = 1 + whole(type(self).__name__, "last_epoch", last_epoch, -1, -1)
        self.optimizer = optimizer
        groups = optimizer.param_groups
        self.base_lrs = self.first_rates()
        self.apply(last_epoch)
        for group, base in zip(groups, self.base_lrs, strict=True):
            group.setdefault("initial_lr", base)

    def first_rates(self) -> list[float]:
        """Return the rates that the optimizer's groups were made with."""
        return [group.get("initial_lr", group["lr"]) for group in self.optimizer.param_groups]

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step` when the optimizer's own is `base`."""
        raise NotImplementedError

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups at `step`, given theirs."""
        return [self.lr(step, base) for base in bases]

    def momenta(self, step: int) -> list[float] | None:
        """Return the momenta of all groups at `step`; None where they stay as they are."""
        return None

    def needs_metric(self, step: int) -> bool:
        """Whether the rate after `step` depends on a metric."""
        return False

    def observe(self, metric: float, step: int) -> None:
        """Take note of a metric measured at `step`."""

    @property
    def is_foreseeable(self) -> bool:
        """Whether the rates to come depend on nothing but the count of steps.

        Those of somebody's own schedule do, unless it observes or advances in a way of its own.
        """
        return all(getattr(type(self), name) is getattr(Schedule, name) for name in ACTS)

    def step(self, metrics: float | None = None) -> None:
        """Go to the next step and set the optimizer's rate.

        Parameters
        ----------
        metrics : float, optional
            What `ReduceLROnPlateau` watches, such as a validation loss.
        """
        if metrics is not None:
            self.observe(self._number(metrics), self.last_epoch)
        elif self.needs_metric(self.last_epoch):
            what = f"{type(self).__name__}.step: the metric that ReduceLROnPlateau watches"
            raise DTypeError(explain(what, "none", "Call step(validation_loss)"))
        self.advance()

    def _number(self, metric: Any) -> float:
        try:
            return float(metric)
        except (TypeError, ValueError) as error:
            what, do = f"{type(self).__name__}.step: a metric, one number", "Pass a mean loss"
            raise DTypeError(explain(what, f"{metric!r:.60}", do)) from error

    def advance(self) -> None:
        """Go to the next step without a metric."""
        self.apply(self.last_epoch + 1)

    def apply(self, step: int | None = None) -> None:
        """Set the rates of `step` (by default the present one) and go there, or change nothing."""
        step = self.last_epoch if step is None else step
        groups = self.optimizer.param_groups
        settings: list[dict[str, Any]] = [{"lr": lr} for lr in self.rates(step, self.base_lrs)]
        for group, setting, momentum in zip(
            groups, settings, self.momenta(step) or (), strict=False
        ):
            setting |= _momentum_setting(group, momentum)
        for group, setting in zip(groups, settings, strict=False):
            for name, value in setting.items():
                check(group.owner, name, value, group.defaults[name])
        for group, setting in zip(groups, settings, strict=False):
            group.update(setting)
        self.last_epoch = step

    def get_last_lr(self) -> list[float]:
        """Return the rate of the present step, for each group."""
        return self.rates(self.last_epoch, self.base_lrs)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to continue later."""
        state = {"schedule": type(self).__name__, "last_epoch": self.last_epoch}
        own = {name: getattr(self, name) for name in self.saved}
        return {**state, "base_lrs": list(self.base_lrs), **own}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what ``state_dict()`` of an equal schedule returned."""
        self.check_state_dict(state_dict)
        before = self.state_dict()
        self.take_state(state_dict)
        try:
            self.apply()
        except (ValueError, TypeError):  # a rate that the optimizer refuses
            self.take_state(before)
            raise

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Raise if `state_dict` is not one of an equal schedule."""
        owner = f"{type(self).__name__}.load_state_dict"
        expected = self.state_dict()
        do = "Load the state of an equal schedule"
        if not isinstance(state_dict, Mapping) or state_dict.keys() != expected.keys():
            names = state_dict if isinstance(state_dict, Mapping) else [type(state_dict).__name__]
            got = ", ".join(map(str, names)) or "none"
            what = f"{owner}: the entries {', '.join(expected)}"
            raise UnknownNameError(explain(what, got, do))
        if state_dict["schedule"] != expected["schedule"]:
            what = f"{owner}: the state of a {expected['schedule']}"
            raise UnknownNameError(explain(what, f"that of a {state_dict['schedule']}", do))
        whole(owner, "last_epoch", state_dict["last_epoch"], 0, 0)
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            what = f"{owner}: {len(self.base_lrs)} base rates"
            do = "Load the state of an equal optimizer's schedule"
            raise ShapeError(explain(what, len(state_dict["base_lrs"]), do))
        for base in state_dict["base_lrs"]:
            number(owner, "base_lrs", base, NONNEGATIVE)
        for name in self.saved:
            _check_saved(owner, name, state_dict[name], expected[name])

    def take_state(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a checked state."""
        for name in ("last_epoch", *self.saved):
            setattr(self, name, state_dict[name])
        self.base_lrs = list(state_dict["base_lrs"])


def _check_saved(owner: str, name: str, value: Any, present: Any) -> None:
    """Raise if a saved number is not of the kind of the present one."""
    if isinstance(present, int):
        whole(owner, name, value, 0, 0)
    elif not isinstance(value, float) or math.isnan(value):
        what = f"{owner}: {name}, a number"
        raise HyperparameterError(explain(what, repr(value), "Load what state_dict() returned"))
