"""Epochs ahead: where nobody acts between two epochs, machine code does several of them at once.

They are reported one by one, as ever, and whoever looks at the weights then sees those of the
epoch that is reported. Where training ends before all of them are, the others have not happened.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd_core import no_grad
from autograd_core.kernels.streams import permutation

from .batches import ArrayBatches
from .early_stopping import EarlyStopping
from .learner import FIGURES, CompiledSteps, Learner, adapted, added, foreseen, switch
from .schedule import Schedule

__all__ = ["Ahead", "Epoch", "Rates"]

Settings = Callable[[Sequence[np.ndarray], int], np.ndarray]

FEWEST = 4  # epochs at once, though early stopping may then take back all but the first


class Epoch(NamedTuple):
    """What an epoch came to: its steps, and the mean figures of training and validation."""

    steps: int
    row: dict[str, float]
    judged: dict[str, float]


class Rates:
    """The settings of an optimizer in the epochs to come, as a schedule will have them.

    Parameters
    ----------
    schedule : Schedule
        One that is foreseeable.
    each_step : bool
        Whether it advances with every step, instead of every epoch.
    steps : int
        Of an epoch.
    """

    def __init__(self, schedule: Schedule, each_step: bool, steps: int) -> None:
        self.schedule = schedule
        self.each_step = each_step
        self.steps = steps
        self._first = 0  # count of the schedule, where the epochs begin
        self._rows = np.empty((0, steps, 0))

    def foreseen(self, now: Sequence[np.ndarray], epochs: int) -> np.ndarray:
        """Return the settings at each step of so many epochs, of fewer if there are no more."""
        self._first = self.schedule.last_epoch
        found: list[list[np.ndarray]] = []
        try:
            with suppress(Exception):  # it comes again when the training comes there
                for epoch in range(epochs):
                    found.append(self._epoch(now, epoch))
        finally:
            self.schedule.apply(self._first)
        width = sum(array.size for array in now)
        self._rows = np.array(found).reshape(len(found), self.steps, width)
        return self._rows

    def _epoch(self, now: Sequence[np.ndarray], epoch: int) -> list[np.ndarray]:
        if self.each_step:
            return foreseen(self.schedule, now, self.steps)
        if epoch:
            self.schedule.advance()
        return [np.concatenate(now)] * self.steps

    def again(self, epoch: int) -> np.ndarray:
        """Return the settings of one of those epochs."""
        return self._rows[epoch : epoch + 1]

    def reported(self, epochs: int) -> None:
        """Let the schedule be where it is after so many epochs, if nobody else advances it."""
        if self.each_step:
            self.schedule.apply(self._first + self.steps * epochs)


class Ahead:
    """The epochs of a training, some of them done before they are reported.

    Parameters
    ----------
    model : callable
    learner : CompiledSteps
    batches : ArrayBatches
        What it learns.
    judge : CompiledSteps, optional
    held_out : ArrayBatches, optional
        What it is judged by.
    early_stopping : EarlyStopping, optional
        Who looks at the weights, and may end the training.
    rates : Rates, optional
        What a schedule will do.
    """

    def __init__(
        self,
        model: Any,
        learner: CompiledSteps,
        batches: ArrayBatches,
        judge: CompiledSteps | None,
        held_out: ArrayBatches | None,
        early_stopping: EarlyStopping | None,
        rates: Rates | None,
    ) -> None:
        assert isinstance(learner.learner, Learner)
        self.learner = learner
        self.batches = batches
        self.early_stopping = early_stopping
        self.rates = rates
        self._optimizer = learner.learner.optimizer
        self._training = _legs(learner, batches, partial(_mode, model, "train"))
        self._judging: list[Any] = []
        self._judged: list[np.ndarray] = []  # which examples, of each leg
        if judge is not None and held_out is not None:
            self._judging = _legs(judge, held_out, partial(_mode, model, "eval"))
            self._judged = held_out.cut(_in_order(held_out))
        self._before: Any = None  # the state of the generator before the orders were drawn
        self._orders = 0  # that were drawn
        self._rounds: Any = None
        self._reported = 0  # of the rounds
        self._left: deque[Epoch] = deque()

    def next(self, most: int) -> Epoch | None:
        """Do the next epoch, of at most so many; None if it has to be done as ever."""
        if not self._left:
            self._do(most)
        if not self._left:
            return None
        self._reported += 1
        if self.rates is not None:
            self.rates.reported(self._reported)
        if self.early_stopping is not None and self._rounds.count > 1:
            self._rounds.back(self._reported)
        return self._left.popleft()

    def settle(self) -> None:
        """Leave everything as it is after the epoch that was reported last."""
        if not self._left:
            return
        self._left.clear()
        rounds, reported, before = self._rounds, self._reported, self._before
        if reported:  # once more, for the gradients
            rounds.back(reported - 1, again=True)
            self._put_back(before, reported - 1)
        if not reported or not self._run(1, reported - 1):
            rounds.back(reported)
            self._put_back(before, reported)
            self._optimizer.zero_grad()

    def _do(self, most: int) -> None:
        """Do some epochs, if several take no longer than one call should."""
        steps = self.batches.count
        at_once = self.learner.chunk // steps
        if at_once < 2:
            return
        if self.early_stopping is not None:
            most = min(most, max(self.early_stopping.soonest(steps), FEWEST))
        begin = time.perf_counter()
        self._left.extend(self._run(min(at_once, most)))
        done = steps * len(self._left)
        if done:
            self.learner.chunk = adapted(done, time.perf_counter() - begin, done)

    def _run(self, most: int, once_more: int | None = None) -> list[Epoch]:
        """Do so many epochs, or those that can be done like this; return what they came to.

        The one that was so many after the first of the last run can be done once more.
        """
        self._rounds, self._reported, self._orders = None, 0, 0
        try:
            legs = [*self._training, *self._judging]
            settings = self._settings(once_more)
            self._rounds = self.learner.compiled.relay(legs, most, self._drawn, settings)
            return [] if self._rounds is None else self._epochs()
        except BaseException:  # Ctrl-C: it has not happened, but for the gradients
            self._take_back(0)
            self._optimizer.zero_grad()
            raise

    def _settings(self, once_more: int | None) -> Settings | None:
        if self.rates is None:
            return None
        if once_more is None:
            return self.rates.foreseen
        rows = self.rates.again(once_more)
        return lambda now, epochs: rows

    def _epochs(self) -> list[Epoch]:
        """Return what the rounds came to."""
        figures = self._rounds.figures
        learned, judged = figures[: len(self._training)], figures[len(self._training) :]
        self._take_back(self._finite(learned))
        rows = _means(learned, self._training)
        rated = _means(judged, self._judging, "val_") if judged else [{} for _ in rows]
        steps = itertools.repeat(self.batches.count, self._rounds.count)
        return [Epoch(*found) for found in zip(steps, rows, rated, strict=False)]

    def _finite(self, figures: Sequence[np.ndarray]) -> int:
        """Return how many epochs there are without a loss that is refused."""
        refused = np.concatenate([self.learner.refused(x) for x in figures], axis=1)
        return int(np.argmax(np.append(refused.any(axis=1), True)))

    def _take_back(self, count: int) -> None:
        """Let the epochs after so many not have happened."""
        if self._rounds is not None and count < self._rounds.count:
            self._rounds.back(count, again=True)
        if count < self._orders:
            self._put_back(self._before, count)

    def _drawn(self, rounds: int) -> list[np.ndarray]:
        """Return the orders of so many epochs, for all legs."""
        rng = self.batches.rng
        self._orders = rounds
        self._before = None if rng is None else rng.bit_generator.state
        drawn = np.array([self.batches.order(permutation) for _ in range(rounds)])
        return [*self.batches.cut(drawn), *self._judged]

    def _put_back(self, before: Any, rounds: int) -> None:
        """Put the generator where it was, and draw for so many epochs."""
        if self.batches.rng is not None:
            self.batches.rng.bit_generator.state = before
        for _ in range(rounds):
            self.batches.order(permutation)


@contextmanager
def _mode(model: Any, mode: str) -> Iterator[None]:
    """Call it as a training, or as a validation, does."""
    switch(model, mode)
    if mode == "train":
        yield
    else:
        with no_grad():
            yield


def _in_order(batches: ArrayBatches) -> np.ndarray:
    return np.arange(len(batches.arrays[0]))[None]


def _legs(steps: CompiledSteps, batches: ArrayBatches, within: Any) -> list[Any]:
    """Return a pass over examples: whole batches, and the shorter one."""
    sizes = [order.shape[1:] for order in batches.cut(_in_order(batches))]
    return [steps.compiled.leg(batches.arrays, *size, within) for size in sizes]


def _means(
    figures: Sequence[np.ndarray], legs: Sequence[Any], prefix: str = ""
) -> list[dict[str, float]]:
    """Return the mean figures of each round."""
    if not legs:
        return []
    weighted = [x * leg.size for x, leg in zip(figures, legs, strict=True)]
    examples = sum(leg.calls * leg.size for leg in legs)
    means = (added(np.zeros_like(weighted[0][:, 0]), *weighted) / examples).tolist()
    return [{prefix + n: x for n, x in zip(FIGURES, row, strict=False)} for row in means]
