"""Rates given at milestones: constant between them, or interpolated."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_core.errors import DTypeError, explain

from .annealing import INTERPOLATIONS
from .hyperparameters import NONNEGATIVE, HyperparameterError, check, choice, number, whole
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = ["PiecewiseLR"]


class PiecewiseLR(Schedule):
    """Another rate from each milestone on: as factors of the base, or as the rates themselves.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : mapping of int to float, or sequence of int
        ``{step: factor}``: from each step on, the rate is multiplied by its factor, as in Optax.
        Or the steps only, with `values`.
    values : sequence of float, optional
        The rates themselves, one more than milestones: before the first, between, and after the
        last.
    last_epoch : int
        The last step that is over already.
    inclusive : bool
        Whether a milestone itself belongs to the rate before it, as in Keras.
    interpolate : {"linear", "cos"}, optional
        Go from rate to rate instead of jumping: each is reached at its milestone.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD
    >>> optimizer = SGD([ag.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> schedule = PiecewiseLR(optimizer, {2: 0.5, 3: 0.5})
    >>> [schedule.lr(step, 0.5) for step in range(5)]
    [0.5, 0.5, 0.25, 0.125, 0.125]
    >>> schedule = PiecewiseLR(optimizer, [2, 3], [0.5, 0.2, 0.1], inclusive=True)
    >>> [schedule.lr(step, 0.5) for step in range(5)]
    [0.5, 0.5, 0.5, 0.2, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Mapping[int, float] | Sequence[int],
        values: Sequence[float] | None = None,
        last_epoch: int = -1,
        *,
        inclusive: bool = False,
        interpolate: str | None = None,
    ) -> None:
        self.factors: list[float] = []
        self.values = None
        self.inclusive = bool(check("PiecewiseLR", "inclusive", inclusive, False))
        if isinstance(milestones, Mapping) and values is None:
            self.milestones, self.factors = _factors(milestones)
        else:
            self.milestones, self.values = _rates(milestones, values)
        if interpolate is not None:
            choice("PiecewiseLR", "interpolate", interpolate, ("linear", "cos"))
        self.interpolate = interpolate
        super().__init__(optimizer, last_epoch)

    def lr(self, step: int, base: float) -> float:
        """Return the rate at `step`."""
        find = bisect.bisect_left if self.inclusive else bisect.bisect_right
        i = find(self.milestones, step)
        levels = self._levels(base)
        if self.interpolate is None or i == len(self.milestones):
            return levels[i]
        start = self.milestones[i - 1] if i else 0
        done = (step - start) / (self.milestones[i] - start)
        return INTERPOLATIONS[self.interpolate](levels[i], levels[i + 1], done)

    def _levels(self, base: float) -> list[float]:
        if self.values is not None:
            return self.values
        levels = [base]
        for factor in self.factors:
            levels.append(levels[-1] * factor)
        return levels


def _steps(milestones: Any) -> list[int]:
    steps = [whole("PiecewiseLR", "milestones", milestone) for milestone in milestones]
    if any(a >= b for a, b in zip(steps, steps[1:], strict=False)):
        do = "Give each step once, in order"
        raise HyperparameterError(explain("PiecewiseLR: rising milestones", steps, do))
    return steps


def _factors(milestones: Mapping[int, float]) -> tuple[list[int], list[float]]:
    steps = _steps(sorted(milestones))
    return steps, [number("PiecewiseLR", "factor", milestones[s], NONNEGATIVE) for s in steps]


def _rates(milestones: Any, values: Any) -> tuple[list[int], list[float]]:
    if isinstance(milestones, Mapping) or not isinstance(values, Sequence):
        what = "PiecewiseLR: {step: factor}, or steps and their values"
        got = f"a {type(milestones).__name__} and a {type(values).__name__}"
        raise DTypeError(explain(what, got, "Pass {5: 0.5}, or [5] and [0.1, 0.05]"))
    steps = _steps(milestones)
    if len(values) != len(steps) + 1:
        what = f"PiecewiseLR: {len(steps) + 1} values for {len(steps)} milestones"
        do = "Give the rate before the first one, too"
        raise HyperparameterError(explain(what, len(values), do))
    return steps, [number("PiecewiseLR", "values", value, NONNEGATIVE) for value in values]
