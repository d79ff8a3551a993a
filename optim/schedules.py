"""The curves: closed forms of the learning rate as a function of the step.

Names, arguments and values are PyTorch's. All of them combine: see `schedule`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

from autograd_core.errors import DTypeError, explain

from .hyperparameters import NONNEGATIVE, POSITIVE, number, whole
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "StepLR",
]


class LambdaLR(Schedule):
    """The base times a function of the step: any schedule of your own.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable
        ``lr_lambda(step)`` returns the factor.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float], last_epoch: int = -1
    ) -> None:
        if not callable(lr_lambda):
            what = "LambdaLR: lr_lambda must be a function of the step"
            raise DTypeError(explain(what, repr(lr_lambda), "Pass lambda step: 0.95**step"))
        self.lr_lambda = lr_lambda
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return ``base * lr_lambda(step)``."""
        return base * self.lr_lambda(step)


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
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * self.gamma**step


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

    References
    ----------
    Robbins & Monro (1951), A Stochastic Approximation Method.
    """

    def __init__(
        self, optimizer: Optimizer, decay: float = 1.0, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.decay = number("InverseTimeLR", "decay", decay, NONNEGATIVE)
        self.power = number("InverseTimeLR", "power", power, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base / (1.0 + self.decay * step) ** self.power


class PolynomialLR(Schedule):
    """A power of the remaining time: from the base to 0 in `total_iters` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = whole("PolynomialLR", "total_iters", total_iters)
        self.power = number("PolynomialLR", "power", power, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * (1.0 - min(step, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(Schedule):
    r"""Half a cosine wave from the base to `eta_min` in `T_max` steps, and up again after it.

    .. math:: \alpha_n = \eta + (\alpha_0 - \eta) (1 + \cos(\pi n / T)) / 2

    References
    ----------
    Loshchilov & Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = whole("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return _half_cosine(base, self.eta_min, step / self.T_max)


class CosineAnnealingWarmRestarts(Schedule):
    """Cosine waves from the base to `eta_min`, each starting at the base again.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        The number of steps to the first restart.
    T_mult : int
        By which each wave is longer than the one before.
    eta_min : float
        The lowest rate.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = whole("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = whole("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = number("CosineAnnealingWarmRestarts", "eta_min", eta_min, NONNEGATIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        length = self.T_0
        while step >= length and self.T_mult > 1:
            step -= length
            length *= self.T_mult
        return _half_cosine(base, self.eta_min, step % length / length)


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * done)) / 2.0


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
        self.milestones = sorted(
            whole("MultiStepLR", "milestones", m, least=0) for m in milestones
        )
        self.gamma = number("MultiStepLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        return base * self.gamma ** bisect.bisect_right(self.milestones, step)
