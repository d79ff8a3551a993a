"""The curves: closed forms of the learning rate as a function of the step.

Names, arguments and values are PyTorch's; options that PyTorch lacks are given by name, and with
them the curves of Optax and Keras are met. All of them combine: see `combinations`. Waves are in
`annealing` and `cycles`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autograd_core.errors import DTypeError, explain

from .hyperparameters import NONNEGATIVE, POSITIVE, check, number, whole
from .optimizer import Optimizer
from .schedule import Schedule, per_group

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


Factor = Callable[[int], float]


class LambdaLR(Schedule):
    """The base times a function of the step: any schedule of your own.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callable
        ``lr_lambda(step)`` returns the factor; a list has one for each group of parameters.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.lr_lambdas = _functions("LambdaLR", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return ``base * lr_lambda(step)``, for the first group."""
        return base * self.lr_lambdas[0](step)

    def rates(self, step: int, bases: Sequence[float]) -> list[float]:
        """Return the rates of all groups at `step`."""
        return [base * f(step) for base, f in zip(bases, self.lr_lambdas, strict=False)]


class MultiplicativeLR(LambdaLR):
    """The rate of the step before times a function of the step.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callable
        ``lr_lambda(step)`` returns the factor from the step before to `step`, from step 1 on.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        factors = _functions("MultiplicativeLR", lr_lambda, optimizer)
        super().__init__(optimizer, [_product(factor) for factor in factors], last_epoch)


def _functions(owner: str, value: Any, optimizer: Optimizer) -> list[Factor]:
    def checked(function: Any) -> Factor:
        if not callable(function):
            what = f"{owner}: lr_lambda must be a function of the step"
            raise DTypeError(explain(what, repr(function), "Pass lambda step: 0.95**step"))
        return function

    return per_group(owner, "lr_lambda", value, optimizer, checked)


def _product(factor: Factor) -> Factor:
    """Return the function ``step -> factor(1) * ... * factor(step)``."""
    products = [1.0]

    def product(step: int) -> float:
        while len(products) <= step:
            products.append(products[-1] * factor(len(products)))
        return products[step]

    return product


class ConstantLR(Schedule):
    """The base times `factor` for `total_iters` steps, then the base."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = number("ConstantLR", "factor", factor, NONNEGATIVE)
        self.total_iters = whole("ConstantLR", "total_iters", total_iters, least=0)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * self.factor if step < self.total_iters else base


class LinearLR(Schedule):
    """A straight line between two factors: linear warm-up, or linear decay.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float
        The factors at step 0 and from step `total_iters` on.
    total_iters : int
        The number of steps between them.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> rates = [optimizer.lr]
    >>> for _ in range(3):
    ...     warm_up.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [0.25, 0.375, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number("LinearLR", "start_factor", start_factor, NONNEGATIVE)
        self.end_factor = number("LinearLR", "end_factor", end_factor, NONNEGATIVE)
        self.total_iters = whole("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        done = min(step, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(Schedule):
    r"""Exponential decay: the logarithm of the rate falls on a straight line.

    .. math:: \alpha_n = \alpha_0 \gamma^n, \qquad \log \alpha_n = -a n + b

    with :math:`a = -\log \gamma` and :math:`b = \log \alpha_0`.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
        The factor of one step.
    last_epoch : int
        The last step that is over already.
    every : float
        The number of steps that one factor takes.
    staircase : bool
        Apply whole factors only, in one step.
    end_lr : float, optional
        The rate at which to stop.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float,
        last_epoch: int = -1,
        *,
        every: float = 1.0,
        staircase: bool = False,
        end_lr: float | None = None,
    ) -> None:
        owner = "ExponentialLR"
        self.gamma = number(owner, "gamma", gamma, POSITIVE)
        self.every = number(owner, "every", every, POSITIVE)
        self.staircase = bool(check(owner, "staircase", staircase, False))
        self.end_lr = None if end_lr is None else number(owner, "end_lr", end_lr, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        rate = base * _power(self.gamma, _count(step, self.every, self.staircase))
        if self.end_lr is None:
            return rate
        return max(rate, self.end_lr) if self.gamma < 1.0 else min(rate, self.end_lr)


def _count(step: int, every: float, staircase: bool) -> float:
    """Return how often `every` steps have passed."""
    return float(step // every) if staircase else step / every


def _power(base: float, exponent: float) -> float:
    """Return a power that is infinite where Python's raises; `end_lr` then bounds it."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf


class InverseTimeLR(Schedule):
    r"""Decay like a power of the step, the rates of Robbins and Monro.

    .. math:: \alpha_n = \alpha_0 / (1 + d n)^a \sim 1 / n^a

    Parameters
    ----------
    optimizer : Optimizer
    decay : float
        :math:`d`: after :math:`1/d` steps the decay sets in.
    power : float
        :math:`a`. The sum of the rates diverges and that of their squares converges, which is
        what stochastic gradients need, for powers above 1/2 and up to 1.
    last_epoch : int
        The last step that is over already.
    every : float
        The number of steps that count as one.
    staircase : bool
        Count whole ones only.

    References
    ----------
    Robbins & Monro (1951), A Stochastic Approximation Method.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay: float = 1.0,
        power: float = 1.0,
        last_epoch: int = -1,
        *,
        every: float = 1.0,
        staircase: bool = False,
    ) -> None:
        self.decay = number("InverseTimeLR", "decay", decay, NONNEGATIVE)
        self.power = number("InverseTimeLR", "power", power, NONNEGATIVE)
        self.every = number("InverseTimeLR", "every", every, POSITIVE)
        self.staircase = bool(check("InverseTimeLR", "staircase", staircase, False))
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base / (1.0 + self.decay * _count(step, self.every, self.staircase)) ** self.power


class PolynomialLR(Schedule):
    r"""A power of the remaining time: from the base to `end_lr` in `total_iters` steps.

    .. math:: \alpha_n = \alpha_T + (\alpha_0 - \alpha_T) (1 - n / T)^a

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
        :math:`T`, the number of steps.
    power : float
        :math:`a`.
    last_epoch : int
        The last step that is over already.
    end_lr : float
        The rate in the end.
    cycle : bool
        Stretch :math:`T` to the next of its multiples, rather than stay at `end_lr`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
        *,
        end_lr: float = 0.0,
        cycle: bool = False,
    ) -> None:
        self.total_iters = whole("PolynomialLR", "total_iters", total_iters)
        self.power = number("PolynomialLR", "power", power, NONNEGATIVE)
        self.end_lr = number("PolynomialLR", "end_lr", end_lr, NONNEGATIVE)
        self.cycle = bool(check("PolynomialLR", "cycle", cycle, False))
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        total = self.total_iters
        if self.cycle:
            total *= max(math.ceil(step / total), 1)
        remaining = 1.0 - min(step, total) / total
        return (base - self.end_lr) * remaining**self.power + self.end_lr


class StepLR(Schedule):
    """The base times `gamma` once every `step_size` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = whole("StepLR", "step_size", step_size)
        self.gamma = number("StepLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * self.gamma ** (step // self.step_size)


class MultiStepLR(Schedule):
    """The base times `gamma` once for every milestone passed."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, Iterable):
            what = "MultiStepLR: milestones, a list of steps"
            raise DTypeError(explain(what, repr(milestones), "Pass for example [30, 80]"))
        self.milestones = sorted(
            whole("MultiStepLR", "milestones", m, least=0) for m in milestones
        )
        self.gamma = number("MultiStepLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * self.gamma ** bisect.bisect_right(self.milestones, step)
