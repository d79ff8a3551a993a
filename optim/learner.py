"""A step of a training as one function that can be compiled, and many of them in one call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import Tensor
from autograd_core.errors import GraphError, explain
from autograd_core.kernels.streams import permutation

from .batches import ArrayBatches, Batch
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = [
    "FIGURES",
    "CompiledSteps",
    "DivergedError",
    "Judge",
    "Learner",
    "adapted",
    "added",
    "foreseen",
    "forward",
    "refuse_divergence",
    "switch",
]

FIGURES = ("loss", "penalty")  # what a step returns
PATIENCE = 0.05  # seconds of one call, during which Ctrl-C waits


class DivergedError(FloatingPointError):
    """A loss that is not finite, so many steps after the last that were counted."""

    def __init__(self, loss: float, steps: int = 0) -> None:
        super().__init__(loss)
        self.loss = loss
        self.steps = steps


def switch(model: Any, mode: str) -> None:
    """Switch a model that can be to ``train`` or ``eval`` behaviour."""
    if hasattr(model, mode):
        getattr(model, mode)()


def refuse_divergence(loss: Tensor) -> None:
    """Raise if a loss is not finite, before anything is updated.

    Who compiles the step is not told that the host looks: a program is given up where gradients
    are not finite, and then the step comes here.
    """
    value = float(loss._value.item())
    if not math.isfinite(value):
        raise DivergedError(value)


def forward(model: Any, loss: Any, x: Any, targets: Sequence[Any]) -> tuple[Any, Tensor]:
    """Return the prediction and the loss of one batch."""
    prediction = model(x)
    value = loss(prediction, *targets)
    if not isinstance(value, Tensor) or value.size != 1:
        got = f"shape {value.shape}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        do = "Reduce the loss to its mean, and compute it with tensors throughout"
        raise GraphError(explain("fit: a loss that is one number, as a tensor", got, do))
    return prediction, value


class Learner:
    """Update the parameters by one batch, and return its loss, penalty and prediction.

    Parameters
    ----------
    model, loss, optimizer, regularizer, clips
        As `fit` has them.
    measured : bool
        Whether to return the prediction.
    terminate : bool
        Whether a loss that is not finite is refused.
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        optimizer: Optimizer,
        regularizer: Callable[[Any], Any] | None,
        clips: Sequence[Callable[[list[Tensor]], Any]],
        measured: bool,
        terminate: bool,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.regularizer = regularizer
        self.clips = tuple(clips)
        self.measured = measured
        self.terminate = terminate

    def __call__(self, x: Any, *targets: Any) -> tuple[Any, ...]:
        """Do a step."""
        self.optimizer.zero_grad()
        prediction, loss = forward(self.model, self.loss, x, targets)
        penalty = [] if self.regularizer is None else [self.regularizer(self.model)]
        total = loss + penalty[0] if penalty else loss
        if self.terminate:
            refuse_divergence(total)
        total.backward()
        for clip in self.clips:
            clip([p for group in self.optimizer.param_groups for p in group["params"]])
        self.optimizer.step()
        return (loss, *penalty, *[prediction] * self.measured)


class Judge:
    """Return the loss of one batch, and change nothing.

    Parameters
    ----------
    model, loss
        As `fit` has them.
    """

    measured = terminate = False

    def __init__(self, model: Any, loss: Any) -> None:
        self.model = model
        self.loss = loss

    def __call__(self, x: Any, *targets: Any) -> tuple[Tensor]:
        """Judge a batch."""
        return (forward(self.model, self.loss, x, targets)[1],)


class CompiledSteps:
    """Steps of a `Learner`, compiled: one at a time, or many in one call of machine code.

    How many depends on what they cost: between two calls Ctrl-C is heard.

    Parameters
    ----------
    learner : Learner or Judge
    schedule : Schedule, optional
        One that advances with every step.
    """

    def __init__(self, learner: Learner | Judge, schedule: Schedule | None = None) -> None:
        self.learner = learner
        self.schedule = schedule
        self.compiled = ag.compile(learner)
        self.chunk = 1  # steps to try in one call

    def figures(self, values: Sequence[float]) -> dict[str, float]:
        """Return the names of the numbers that a step returns, with them."""
        return dict(zip(FIGURES, values, strict=False))

    def one(self, batch: Batch) -> tuple[dict[str, float], Any]:
        """Do a step; return its figures, and its prediction if it is measured."""
        found = [x.numpy() if isinstance(x, Tensor) else x for x in self.compiled(*batch)]
        prediction = found.pop() if self.learner.measured else None
        values = [float(x) for x in found]
        self._check([values])
        return self.figures(values), prediction

    def _check(self, figures: Any) -> None:
        """Raise if a loss is not finite, of which the gradients are."""
        refused = self.refused(figures)
        if refused.any():
            first = int(np.argmax(refused))
            raise DivergedError(float(np.sum(figures, axis=1)[first]), first)

    def refused(self, figures: Any) -> np.ndarray:
        """Return which steps are refused, by their figures along the last axis."""
        found: np.ndarray = ~np.isfinite(np.sum(figures, axis=-1)) & self.learner.terminate
        return found

    def many(self, batches: ArrayBatches) -> Iterator[tuple[np.ndarray, int]]:
        """Do the steps of an epoch; yield the figures of some, and how many examples each had."""
        for (order,) in batches.cut(batches.order(permutation)[None]):
            yield from self._of_one_size(batches.arrays, order)

    def _of_one_size(
        self, arrays: Sequence[np.ndarray], order: np.ndarray
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Do the steps on the rows of `order`."""
        at, size = 0, order.shape[1]
        while at < len(order):
            begin = time.perf_counter()
            done, figures = self._natively(arrays, order[at : at + self.chunk])
            if done:
                if figures.shape[1] > 1 or not math.isfinite(figures.sum()):
                    self._check(figures)
                yield figures, size
                self.chunk = adapted(done, time.perf_counter() - begin, self.chunk)
            else:
                yield np.array([[*self._singly(arrays, order[at]).values()]]), size
                self.chunk = max(self.chunk, 2)
            at += max(done, 1)

    def _singly(self, arrays: Sequence[np.ndarray], chosen: np.ndarray) -> dict[str, float]:
        figures, _ = self.one(tuple(array[chosen] for array in arrays))
        if self.schedule is not None:
            self.schedule.advance()
        return figures

    def _natively(self, arrays: Sequence[np.ndarray], order: np.ndarray) -> tuple[int, np.ndarray]:
        schedule = self.schedule
        if schedule is None:
            return self.compiled.over(arrays, order)
        first = schedule.last_epoch

        def settings(now: Sequence[np.ndarray], steps: int) -> np.ndarray:
            return np.array(foreseen(schedule, now, steps))

        done, figures = self.compiled.over(arrays, order, settings)
        if schedule.last_epoch != first + done:
            schedule.apply(first + done)
        return done, figures


def foreseen(schedule: Schedule, now: Sequence[np.ndarray], steps: int) -> list[np.ndarray]:
    """Advance a schedule; return the settings of the optimizer, which are `now`, at each step."""
    rows = []
    for _ in range(steps):
        rows.append(np.concatenate(now))
        schedule.advance()
    return rows


def added(before: np.ndarray, *terms: np.ndarray) -> np.ndarray:
    """Return sums of figures, which lie along the last axis, over the steps along the one before.

    How many there are at a time depends on the clock; the result must not, to the last bit.
    """
    found: np.ndarray = np.concatenate([before[..., None, :], *terms], axis=-2).cumsum(axis=-2)
    return found[..., -1, :]


def adapted(steps: int, seconds: float, tried: int) -> int:
    """Return how many steps to do next, so that Ctrl-C has an effect soon."""
    most = 8 * steps if steps == tried else max(8 * steps, tried)  # there were no more to do
    return max(1, min(int(steps * PATIENCE / max(seconds, 1e-9)), most))
