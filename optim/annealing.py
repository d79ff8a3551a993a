"""Cosine waves: annealing once, with restarts, and to the rate of weight averaging."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .hyperparameters import NONNEGATIVE, Domain, check, choice, number, whole
from .optimizer import Optimizer
from .schedule import Schedule, per_group

__all__ = [
    "INTERPOLATIONS",
    "SWALR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
]


def half_cosine(start: float, end: float, done: float) -> float:
    """Return the value after a part of a smooth way between two."""
    return end + (start - end) * (1.0 + math.cos(math.pi * done)) / 2.0


def straight_line(start: float, end: float, done: float) -> float:
    """Return the value after a part of the straight way between two."""
    return (end - start) * done + start


INTERPOLATIONS: dict[str, Callable[[float, float, float], float]] = {
    "cos": half_cosine,
    "linear": straight_line,
}


class CosineAnnealingLR(Schedule):
    r"""Half a cosine wave from the base to `eta_min` in `T_max` steps, and up again after it.

    .. math:: \alpha_n = \eta + (\alpha_0 - \eta) \left(\frac{1 + \cos(\pi n / T)}{2}\right)^a

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        :math:`T`, the number of steps on the way down.
    eta_min : float
        :math:`\eta`, the lowest rate.
    last_epoch : int
        The last step that is over already.
    exponent : float
        :math:`a`.
    cycle : bool
        Go up again after `T_max` steps, as PyTorch does; otherwise stay at `eta_min`.

    References
    ----------
    Loshchilov & Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        exponent: float = 1.0,
        cycle: bool = True,
    ) -> None:
        self.T_max = whole("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min, NONNEGATIVE)
        self.exponent = number("CosineAnnealingLR", "exponent", exponent, NONNEGATIVE)
        self.cycle = bool(check("CosineAnnealingLR", "cycle", cycle, True))
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        done = (step if self.cycle else min(step, self.T_max)) / self.T_max
        return self.eta_min + (base - self.eta_min) * half_cosine(1.0, 0.0, done) ** self.exponent


class CosineAnnealingWarmRestarts(Schedule):
    """Cosine waves from the base to `eta_min`, each starting at the base again.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        The number of steps to the first restart.
    T_mult : float
        By which each wave is longer than the one before.
    eta_min : float
        The lowest rate.
    last_epoch : int
        The last step that is over already.
    restart_factor : float
        By which each wave is lower than the one before, counted from `eta_min`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: float = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        restart_factor: float = 1.0,
    ) -> None:
        owner = "CosineAnnealingWarmRestarts"
        self.T_0 = whole(owner, "T_0", T_0)
        self.T_mult = number(owner, "T_mult", T_mult, Domain(1.0), 1)
        self.eta_min = number(owner, "eta_min", eta_min, NONNEGATIVE)
        self.restart_factor = number(owner, "restart_factor", restart_factor, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        restarts, done = self._wave(step)
        peak = (base - self.eta_min) * self.restart_factor**restarts
        return self.eta_min + half_cosine(peak, 0.0, done)

    def _wave(self, step: int) -> tuple[int, float]:
        """Return the number of restarts so far, and the part of the present wave that is over."""
        if self.T_mult == 1.0:
            return step // self.T_0, step % self.T_0 / self.T_0
        restarts, since, length = 0, float(step), float(self.T_0)
        while since >= length:
            since -= length
            length *= self.T_mult
            restarts += 1
        return restarts, since / length


class SWALR(Schedule):
    """From the present rate to the constant one of stochastic weight averaging.

    By itself it starts from the rate that the optimizer has at its first step, so that it can
    take over from another schedule at any time. In a `SequentialLR` it starts from the base, or
    with ``carry=True`` from where the schedule before it ended.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float, or list of float
        The rate to reach; a list has one for each group of parameters.
    anneal_epochs : int
        The number of steps there.
    anneal_strategy : {"cos", "linear"}
        The form of the way.
    last_epoch : int
        The last step that is over already.

    References
    ----------
    Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self.swa_lrs: list[float] = per_group(
            "SWALR",
            "swa_lr",
            swa_lr,
            optimizer,
            lambda v: number("SWALR", "swa_lr", v, NONNEGATIVE),
        )
        self.anneal_epochs = whole("SWALR", "anneal_epochs", anneal_epochs, 0, 10)
        strategy = choice("SWALR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.anneal = INTERPOLATIONS[strategy]
        super().__init__(optimizer, last_epoch)

    def first_rates(self) -> list[float]:
        """Return the present rates."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def advance(self) -> None:
        """Go to the next step; the first one starts from the present rates."""
        if self.last_epoch == 0 and self.anneal_epochs > 0:
            self.base_lrs = self.first_rates()
        super().advance()

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`, for the first group."""
        return self.rates(step, [base])[0]

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups at `step`."""
        done = min(step / self.anneal_epochs, 1.0) if self.anneal_epochs else 1.0
        share = self.anneal(0.0, 1.0, done)
        pairs = zip(bases, self.swa_lrs, strict=False)
        return [swa_lr * share + base * (1.0 - share) for base, swa_lr in pairs]
