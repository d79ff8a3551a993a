"""What is done with a batch, and with the batches of a round: the inside of `fit`.

A *step* is one update of the parameters, from one batch or from several (``accumulate``). A
*round* is what is reported as one: an epoch, or so many steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.errors import GraphError, explain

from .ahead import Ahead, Rates
from .augment import Augmentation
from .batches import ArrayBatches, Batch, Batches
from .clipping import clip_grad_norm_, clip_grad_value_, scale_gradients
from .early_stopping import EarlyStopping
from .history import Progress
from .learner import (
    FIGURES,
    CompiledSteps,
    Judge,
    Learner,
    added,
    forward,
    refuse_divergence,
    switch,
)
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = ["Means", "Metric", "Row", "Trainer", "augmentation", "clipping"]

Row = dict[str, float]
Metric = Callable[..., float]


class Means:
    """Running means, weighted by the number of examples."""

    def __init__(self) -> None:
        self.totals: Row = {}
        self.count = 0

    def add(self, values: Mapping[str, float], count: int) -> None:
        """Take in the means over `count` examples."""
        self.count += count
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value * count

    def add_steps(self, figures: np.ndarray, count: int) -> None:
        """Take in the figures of steps of `count` examples each, one after the other."""
        self.count += len(figures) * count
        names = FIGURES[: figures.shape[1]]
        before = np.array([self.totals.get(name, 0.0) for name in names])
        self.totals.update(zip(names, added(before, figures * count).tolist(), strict=True))

    def row(self, prefix: str = "") -> Row:
        """Return the means over all examples."""
        return {prefix + name: total / self.count for name, total in self.totals.items()}


class Trainer:
    """The parts of a training, and what is done with one batch."""

    def __init__(
        self,
        model: Callable[[Any], Any],
        loss: Callable[..., Any],
        optimizer: Optimizer,
        *,
        regularizer: Callable[[Any], Any] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        clips: Sequence[Callable[[list[Tensor]], Any]] = (),
        augment: Callable[[np.ndarray], np.ndarray] | None = None,
        accumulate: int = 1,
        after_step: Sequence[Callable[[], Any]] = (),
        after_epoch: Sequence[Callable[[], Any]] = (),
        schedule: Schedule | None = None,
        compile: bool = False,
        terminate_on_nan: bool = True,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.regularizer = regularizer
        self.metrics = dict(metrics or {})
        self.clips = clips
        self.augment = augment
        self.accumulate = accumulate
        self.terminate_on_nan = terminate_on_nan
        self.after_step = after_step
        self.after_epoch = after_epoch
        self.schedule = schedule
        self.compiled: CompiledSteps | None = None
        self.judged: CompiledSteps | None = None
        if compile and accumulate == 1:
            measured = bool(metrics)
            learner = Learner(
                model, loss, optimizer, regularizer, clips, measured, terminate_on_nan
            )
            self.compiled = CompiledSteps(learner, schedule)
        if compile and not metrics:
            self.judged = CompiledSteps(Judge(model, loss))
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.steps = 0
        self.means = Means()
        self.ahead: Ahead | None = None
        self._judged: Row | None = None  # of an epoch that was done ahead

    def look_ahead(
        self,
        batches: Batches,
        held_out: Batches | None,
        early_stopping: EarlyStopping | None,
        schedule: Schedule | None,
    ) -> None:
        """Allow epochs to be done before they are reported, if nothing is done in between."""
        if self.compiled is None or not self._is_alone or self.after_epoch:
            return
        if isinstance(batches, ArrayBatches) and isinstance(held_out, ArrayBatches | None):
            rates = None
            if schedule is not None:
                rates = Rates(schedule, self.schedule is not None, batches.count)
            given = self.compiled, batches, self.judged, held_out, early_stopping, rates
            self.ahead = Ahead(self.model, *given)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Leave all as it is after the epoch that was reported last."""
        try:
            yield
        finally:
            if self.ahead is not None:
                self.ahead.settle()

    def rounds(
        self, batches: Batches, every: int | None, left: int, bar: Progress
    ) -> Iterator[Row]:
        """Update the parameters with every batch; yield the mean figures of each round.

        Parameters
        ----------
        batches : Batches
            Those of one epoch.
        every : int or None
            The number of steps in a round; None for the epoch.
        left : int
            How many epochs there are from this one on; in the last one, what has not been
            reported yet is.
        bar : Progress
        """
        done = None if self.ahead is None else self.ahead.next(left)
        if done is not None:
            bar.batch(self._counted(done.steps))
            self._judged = done.judged
            yield done.row
            return
        switch(self.model, "train")
        for steps in self._steps(batches, every):
            bar.batch(steps)
            if every is not None and self.steps % every == 0:
                yield self._reported()
                switch(self.model, "train")  # the reader may have evaluated
        for act in self.after_epoch:
            act()
        if self.means.count and (every is None or left == 1):
            yield self._reported()

    def _steps(self, batches: Batches, every: int | None) -> Iterator[int]:
        """Update the parameters with every batch; yield how many have been read."""
        alone = every is None and self._is_alone
        if self.compiled is None or not alone or not isinstance(batches, ArrayBatches):
            for group in _in_groups(batches, self.accumulate):
                self.step(group)
                yield len(group)
            return
        for figures, size in self.compiled.many(batches):
            self.means.add_steps(figures, size)
            yield self._counted(len(figures))

    @property
    def _is_alone(self) -> bool:
        """Whether nobody acts between steps."""
        return not (self.metrics or self.augment or self.after_step)

    def _counted(self, steps: int) -> int:
        """Count steps; at the first look whether it had an effect."""
        if self.steps == 0:
            self.check_reached()
        self.steps += steps
        return steps

    def _reported(self) -> Row:
        means, self.means = self.means, Means()
        return means.row()

    def step(self, group: Sequence[Batch]) -> None:
        """Update the parameters once, by the gradient of the mean over all examples of a group."""
        if self.compiled is None:
            self._step(group)
        else:
            x, *targets = group[0]
            x = x if self.augment is None else self.augment(x)
            figures, prediction = self.compiled.one((x, *targets))
            self.means.add(figures | self.measure(prediction, targets), len(x))
        self._counted(1)
        for act in self.after_step:
            act()
        if self.schedule is not None:
            self.schedule.advance()

    def _step(self, group: Sequence[Batch]) -> None:
        self.optimizer.zero_grad()
        counts = [len(batch[0]) for batch in group]
        for batch, count in zip(group, counts, strict=True):
            self.means.add(self.learn(batch, count if len(group) > 1 else None), count)
        if len(group) > 1:
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            scale_gradients(*gradients, factor=1.0 / sum(counts))
        for clip in self.clips:
            clip(self.parameters)
        self.optimizer.step()

    def learn(self, batch: Batch, weight: int | None) -> Row:
        """Collect the gradient of one batch, `weight` times if given; return its figures."""
        x, *targets = batch
        if self.augment is not None:
            x = self.augment(x)
        prediction, loss = forward(self.model, self.loss, x, targets)
        figures = {"loss": loss.item()}
        if self.regularizer is not None:
            penalty = self.regularizer(self.model)
            figures["penalty"] = float(penalty)
            loss = loss + penalty
        if self.terminate_on_nan:
            refuse_divergence(loss)
        loss.backward(None if weight is None else np.full(loss.shape, weight, loss.dtype))
        return figures | self.measure(prediction, targets)

    def check_reached(self) -> None:
        """Raise if the loss does not depend on what the optimizer updates."""
        if all(parameter.grad is None for parameter in self.parameters):
            do = "Make the optimizer with the parameters of the model that is trained"
            what = "fit: a loss that depends on the optimizer's parameters"
            raise GraphError(explain(what, "one that depends on none of them", do))

    def measure(self, prediction: Any, targets: Sequence[Any]) -> Row:
        """Return the metrics of one batch."""
        if not self.metrics:
            return {}
        values = prediction.numpy() if isinstance(prediction, Tensor) else prediction
        return {name: float(metric(values, *targets)) for name, metric in self.metrics.items()}

    def evaluate(self, batches: Batches) -> Row:
        """Return the mean figures on held-out data, without recording."""
        if self._judged is not None:
            judged, self._judged = self._judged, None
            return judged
        switch(self.model, "eval")
        means = Means()
        with no_grad():
            if self.judged is not None and isinstance(batches, ArrayBatches):
                for figures, size in self.judged.many(batches):
                    means.add_steps(figures, size)
                return means.row("val_")
            for x, *targets in batches:
                prediction, loss = forward(self.model, self.loss, x, targets)
                means.add({"loss": loss.item(), **self.measure(prediction, targets)}, len(x))
        return means.row("val_")


def _in_groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield so many batches at a time; the last group may be smaller."""
    following = iter(batches)
    while group := list(itertools.islice(following, size)):
        yield group


def clipping(
    norm: float | None, value: float | None, clip: Callable[[list[Tensor]], Any] | None
) -> list[Callable[[list[Tensor]], Any]]:
    """Return what is done with the gradients before a step, in order."""
    clips: list[Callable[[list[Tensor]], Any]] = []
    if value is not None:
        clips.append(lambda parameters: clip_grad_value_(parameters, value))
    if norm is not None:
        clips.append(lambda parameters: clip_grad_norm_(parameters, norm))
    return clips if clip is None else [*clips, clip]


def augmentation(
    augment: Augmentation | None, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return an augmentation with its source of chance."""
    return None if augment is None else lambda x: augment(rng, x)
