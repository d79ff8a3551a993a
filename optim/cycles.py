"""Cycles: rates that rise and fall between limits of their own, and the momentum against them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd_core.errors import DTypeError, UnknownNameError, explain

from .annealing import INTERPOLATIONS
from .hyperparameters import (
    NONNEGATIVE,
    POSITIVE,
    Domain,
    HyperparameterError,
    check,
    choice,
    number,
    whole,
)
from .optimizer import Optimizer
from .schedule import Schedule, momentum_of, per_group

__all__ = ["CyclicLR", "OneCycleLR"]

Rates = float | Sequence[float]
UNIT = Domain(0.0, 1.0)


class _Cycle(Schedule):
    """A schedule that moves the momentum between two limits, too, if asked to."""

    base_momenta: list[float]
    max_momenta: list[float]

    def _take_momenta(self, optimizer: Optimizer, cycle: Any, low: Any, high: Any) -> None:
        owner = type(self).__name__
        self.cycle_momentum = bool(check(owner, "cycle_momentum", cycle, True))
        self.base_momenta = self._limits("base_momentum", low, optimizer, UNIT)
        self.max_momenta = self._limits("max_momentum", high, optimizer, UNIT)
        if not self.cycle_momentum or not isinstance(optimizer, Optimizer):
            return
        if not {"momentum", "betas"} & optimizer.defaults.keys():
            what = f"{owner}: an optimizer with momentum or betas, for cycle_momentum=True"
            got = f"a {type(optimizer).__name__}"
            raise HyperparameterError(explain(what, got, "Pass cycle_momentum=False"))
        self.own_momenta = [momentum_of(group) for group in optimizer.param_groups]

    def _limits(
        self, name: str, value: Any, optimizer: Optimizer, domain: Domain = NONNEGATIVE
    ) -> list[float]:
        owner = type(self).__name__
        return per_group(owner, name, value, optimizer, lambda v: number(owner, name, v, domain))

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`, for the first group."""
        return self.rates(step, [base])[0]


class OneCycleLR(_Cycle):
    """One wave: up to a large rate, down to a very small one, and the momentum the other way.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, list of float, or None
        The highest rate, or one for each group; None for the optimizer's own. The rate starts at
        ``max_lr / div_factor``.
    total_steps : int, optional
        The number of steps; after them the rate stays.
    epochs, steps_per_epoch : int, optional
        Their product is the number of steps where `total_steps` is not given.
    pct_start : float
        The part of the steps that goes up.
    anneal_strategy : {"cos", "linear"}
        The form of the ways up and down.
    cycle_momentum : bool
        Move the momentum (or the first beta), too.
    base_momentum, max_momentum : float, or list of float
        Its values at the highest rate and at the lowest.
    div_factor : float
        How often the highest rate is the first one.
    final_div_factor : float
        How often the first rate is the last one.
    three_phase : bool
        Go down to the first rate symmetrically, and then to the last one.
    last_epoch : int
        The last step that is over already.

    References
    ----------
    Smith & Topin (2019), Super-Convergence.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10, anneal_strategy="linear")
    >>> [round(schedule.lr(step, 0.5), 2) for step in range(4)]
    [0.04, 0.52, 1.0, 0.86]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Rates | None = None,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.85,
        max_momentum: Rates = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        owner = "OneCycleLR"
        self.max_lrs = None if max_lr is None else self._limits("max_lr", max_lr, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        strategy = choice(owner, "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.anneal = INTERPOLATIONS[strategy]
        self.div_factor = number(owner, "div_factor", div_factor, POSITIVE)
        self.final_div_factor = number(owner, "final_div_factor", final_div_factor, POSITIVE)
        self.three_phase = bool(check(owner, "three_phase", three_phase, False))
        up = number(owner, "pct_start", pct_start, UNIT) * self.total_steps
        back = [2.0 * up - 2.0] if three_phase else []
        self.turns = [up - 1.0, *back, self.total_steps - 1.0]
        self._take_momenta(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups at `step`."""
        return [self._between(step, self._levels(peak)) for peak in self.max_lrs or bases]

    def _levels(self, peak: float) -> list[float]:
        first = peak / self.div_factor
        back = [first] if self.three_phase else []
        return [first, peak, *back, first / self.final_div_factor]

    def momenta(self, step: int) -> list[float] | None:
        """Return the momenta of all groups at `step`."""
        if not self.cycle_momentum:
            return None
        back = int(self.three_phase)
        return [
            self._between(step, [high, low, high, *[high] * back])
            for low, high in zip(self.base_momenta, self.max_momenta, strict=True)
        ]

    def _between(self, step: int, levels: Sequence[float]) -> float:
        """Return the value at `step` on the way from level to level, with a turn at each."""
        now = min(float(step), self.turns[-1])
        start, i = 0.0, 0
        while now > self.turns[i] and i < len(self.turns) - 1:
            start = self.turns[i]
            i += 1
        way = self.turns[i] - start
        return self.anneal(levels[i], levels[i + 1], (now - start) / way if way else 1.0)


def _total_steps(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        return whole("OneCycleLR", "total_steps", total_steps, suggestion=1000)
    if epochs is None or steps_per_epoch is None:
        got = f"epochs={epochs}, steps_per_epoch={steps_per_epoch}"
        what = "OneCycleLR: total_steps, or both epochs and steps_per_epoch"
        raise DTypeError(explain(what, got, "Pass total_steps=1000"))
    return whole("OneCycleLR", "epochs", epochs, suggestion=10) * whole(
        "OneCycleLR", "steps_per_epoch", steps_per_epoch, suggestion=100
    )


class CyclicLR(_Cycle):
    """Triangles between two rates, again and again, and the momentum the other way.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr : float, list of float, or None
        The lowest rate, or one for each group; None for the optimizer's own.
    max_lr : float, or list of float
        The highest rate, at the top of the first triangle.
    step_size_up, step_size_down : int
        The numbers of steps on the way up and down; by default they are equal.
    mode : {"triangular", "triangular2", "exp_range"}
        Triangles of equal height, of half the height each time, or shrinking by `gamma` per step.
    gamma : float
        For ``mode="exp_range"``.
    scale_fn : callable, optional
        Instead of `mode`: the height of the triangle as a fraction of the first,
        ``scale_fn(cycle)`` with cycles counted from 1, or ``scale_fn(step)``.
    scale_mode : {"cycle", "iterations"}
        What `scale_fn` takes.
    cycle_momentum : bool
        Move the momentum (or the first beta), too.
    base_momentum, max_momentum : float, or list of float
        Its values at the highest rate and at the lowest.
    last_epoch : int
        The last step that is over already.

    References
    ----------
    Smith (2017), Cyclical Learning Rates for Training Neural Networks.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Rates | None,
        max_lr: Rates,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[int], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.8,
        max_momentum: Rates = 0.9,
        last_epoch: int = -1,
    ) -> None:
        owner = "CyclicLR"
        self.low_lrs = None if base_lr is None else self._limits("base_lr", base_lr, optimizer)
        self.max_lrs = self._limits("max_lr", max_lr, optimizer)
        up = whole(owner, "step_size_up", step_size_up, suggestion=2000)
        down = up if step_size_down is None else whole(owner, "step_size_down", step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.gamma = number(owner, "gamma", gamma, POSITIVE)
        choice(owner, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.scale_fn = _scale(mode, self.gamma) if scale_fn is None else _own_scale(scale_fn)
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.by_cycle = scale_mode == "cycle"
        self._take_momenta(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups at `step`."""
        pairs = zip(self.low_lrs or bases, self.max_lrs, strict=False)
        height, scale = self._height(step)
        return [low + (high - low) * height * scale for low, high in pairs]

    def momenta(self, step: int) -> list[float] | None:
        """Return the momenta of all groups at `step`."""
        if not self.cycle_momentum:
            return None
        pairs = zip(self.base_momenta, self.max_momenta, strict=True)
        height, scale = self._height(step)
        return [high - (high - low) * height * scale for low, high in pairs]

    def _height(self, step: int) -> tuple[float, float]:
        """Return the height in the present triangle, and that of the triangle, as fractions."""
        cycle = math.floor(1 + step / self.total_size)
        x = 1.0 + step / self.total_size - cycle
        ratio = self.step_ratio
        height = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        return height, self.scale_fn(cycle if self.by_cycle else step)


def _scale(mode: str, gamma: float) -> Callable[[int], float]:
    modes: dict[str, Callable[[int], float]] = {
        "triangular": lambda cycle: 1.0,
        "triangular2": lambda cycle: 2.0 ** (1 - cycle),
        "exp_range": lambda step: gamma**step,
    }
    if mode not in modes:
        what = f"CyclicLR: mode must be {', '.join(map(repr, modes))}"
        raise UnknownNameError(explain(what, repr(mode), "Pass mode='triangular', or a scale_fn"))
    return modes[mode]


def _own_scale(scale_fn: Any) -> Callable[[int], float]:
    if not callable(scale_fn):
        what = "CyclicLR: scale_fn must be a function of the cycle or the step"
        raise DTypeError(explain(what, repr(scale_fn), "Pass lambda cycle: 0.8 ** (cycle - 1)"))
    return scale_fn
