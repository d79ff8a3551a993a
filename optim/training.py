"""The training loop: `fit`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import explain

from .arguments import check_company, check_functions, check_numbers, generator
from .augment import Augmentation
from .averaging import WeightAverage
from .batches import Batches, as_batches
from .early_stopping import EarlyStopping
from .history import History, Progress
from .hyperparameters import check, whole
from .learner import DivergedError, switch
from .optimizer import Optimizer
from .schedule import Schedule
from .trainer import Metric, Row, Trainer, augmentation, clipping

__all__ = ["Wish", "fit"]

TO_TRY = (
    "The training has ended before it. Try a lower lr, clip_norm=1.0, or finite and scaled data; "
    "autograd_core.detect_anomaly() shows where it comes from, terminate_on_nan=False goes on"
)
WORTH_COMPILING = 2000  # steps; to compile takes as long as so many small ones


def fit(
    model: Any,
    loss: Callable[..., Any],
    data: Any,
    optimizer: Optimizer,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    validation: Any = None,
    validate_every: int | None = None,
    regularizer: Callable[[Any], Any] | None = None,
    schedule: Schedule | None = None,
    schedule_every: str = "epoch",
    early_stopping: EarlyStopping | None = None,
    averaging: WeightAverage | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    clip: Callable[[list[Tensor]], Any] | None = None,
    accumulate: int = 1,
    augment: Augmentation | None = None,
    metrics: Mapping[str, Metric] | None = None,
    after_step: Sequence[Callable[[Any], Any]] = (),
    callbacks: Sequence[Callable[[Row], Any]] = (),
    shuffle: bool = True,
    drop_last: bool = False,
    rng: np.random.Generator | int | None = 0,
    progress: bool = True,
    compile: bool | None = None,
    terminate_on_nan: bool = True,
) -> History:
    """Train a model by minibatch gradient descent.

    Each epoch shuffles the examples and uses every one exactly once, in ``ceil(n / batch_size)``
    iterations. During an epoch the model is in training mode, for the validation and afterwards
    in evaluation mode. Ctrl-C ends the training as if it were over.

    Parameters
    ----------
    model : callable
        Maps a batch of inputs to predictions; an ``nn.Module`` or any function.
    loss : callable
        ``loss(prediction, target)``, a mean over the examples of a batch.
    data : (array, array), or iterable of (x, y)
        Inputs and targets, examples along the first axis; or ready-made batches. Whatever else
        belongs to the examples may follow, such as weights: ``(x, y, w)``, which `loss` and the
        metrics are then given as further arguments.
    optimizer : Optimizer
        Over the parameters of the model.
    epochs, batch_size : int
        The number of passes over the data, and of examples in a batch.
    validation : (array, array), or iterable of (x, y), optional
        Data to evaluate after each epoch, without recording.
    validate_every : int, optional
        Report, and validate, after every so many steps instead of after each epoch. The history
        has a row for each report, with the ``step``; callbacks, early stopping and
        `ReduceLROnPlateau` act at each.
    regularizer : callable, optional
        ``regularizer(model)`` is added to the loss of each batch, as ``nn.L2(1e-4)`` is. The
        history has it as ``penalty``, apart from the loss.
    schedule : Schedule, optional
        Sets the learning rate; it is given the validation loss (else the training loss). The rates
        of one that does not look at it may be asked for before their time, and more than once.
    schedule_every : {"epoch", "step"}
        Whether the schedule counts epochs or steps.
    early_stopping : EarlyStopping, optional
        Watches the validation loss. The best weights are restored in any case.
    averaging : EMA or SWA, optional
        Takes in the weights after each step or epoch. Validation and early stopping judge the
        averages, and the model has them in the end.
    clip_norm, clip_value : float, optional
        Limits for the gradients: `clip_grad_norm_`, `clip_grad_value_`.
    clip : callable, optional
        ``clip(parameters)`` changes the gradients in place, after those: `clip_grad_adaptive_`.
    accumulate : int
        The number of batches for one step, by the gradient of the mean over all their examples.
    augment : callable, optional
        ``augment(rng, x)`` varies the inputs of each training batch; see `optim.augment`.
    metrics : mapping of str to callable, optional
        ``metric(prediction, target)`` on arrays, a mean over the examples; reported for the
        training data and, with the prefix ``val_``, for the validation data.
    after_step : sequence of callable, optional
        Each is called with the model after every step, such as a constraint on the weights.
    callbacks : sequence of callable, optional
        Each is called after every epoch with its figures; training ends if one returns True.
    shuffle : bool
        Whether to shuffle arrays each epoch.
    drop_last : bool
        Leave out a last batch that is shorter.
    rng : numpy.random.Generator or int, optional
        Determines the order of the examples, and the augmentation.
    progress : bool
        Show a bar (with tqdm installed) or a line per epoch.
    compile : bool, optional
        Whether a step becomes machine code (`autograd_core.compile`); where nothing else is to be
        done in between, many steps run at once. Left out, it does if there are enough steps for
        it to pay and the model is an ``nn.Module``. So does the validation, if there are no
        metrics. What model and loss do besides computing, such as printing, then happens at few
        steps only.
    terminate_on_nan : bool
        End the training with a RuntimeWarning if the loss of a batch (with the penalty) is NaN or
        infinite, before that step changes anything: the weights are the last ones of a finite
        loss, or the best ones if there is early stopping. Otherwise it goes on.

    Returns
    -------
    History
        ``epoch, loss, ..., lr``: lists of equal length. ``loss`` is the mean over the examples, as
        met during the epoch.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from optim import SGD
    >>> w = ag.tensor([[0.0]], requires_grad=True)
    >>> x = np.linspace(-1.0, 1.0, 20).reshape(-1, 1)
    >>> def squared_error(prediction, target):
    ...     return ((prediction - target) ** 2).mean()
    >>> history = fit(lambda x: x @ w, squared_error, (x, 3.0 * x), SGD([w], lr=0.3),
    ...               epochs=20, batch_size=5, progress=False)
    >>> w.numpy().round(3)
    array([[3.]])
    """
    epochs = whole("fit", "epochs", epochs, 1, 10)
    check_company(optimizer, schedule, schedule_every, early_stopping, validation, averaging)
    functions = {"regularizer": regularizer, "clip": clip, "augment": augment}
    check_functions(metrics, after_step=after_step, callbacks=callbacks, **functions)
    check_numbers(clip_norm, clip_value, validate_every)
    rng = generator(rng)
    order = rng if check("fit", "shuffle", shuffle, True) else None
    batches = as_batches("data", data, batch_size, order, epochs, drop_last)
    held_out = _held_out(validation, batch_size, epochs, validate_every)
    after = _hooks(model, after_step, averaging)
    if compile is None:
        compile = hasattr(model, "train") and (batches.count or 0) * epochs >= WORTH_COMPILING
    trainer = Trainer(
        model,
        loss,
        optimizer,
        regularizer=regularizer,
        metrics=metrics,
        clips=clipping(clip_norm, clip_value, clip),
        augment=augmentation(augment, rng),
        accumulate=whole("fit", "accumulate", accumulate),
        after_step=after["step"],
        after_epoch=after["epoch"],
        schedule=schedule if schedule_every == "step" else None,
        compile=bool(check("fit", "compile", compile, True)),
        terminate_on_nan=bool(check("fit", "terminate_on_nan", terminate_on_nan, True)),
    )
    training = Training(trainer, held_out, schedule, early_stopping, averaging, callbacks)
    training.look_ahead(batches, validate_every)
    with training.orderly(bar := Progress(epochs, batches.count, progress)):
        for epoch in training.epochs(epochs):
            for figures in trainer.rounds(batches, validate_every, epochs - epoch + 1, bar):
                steps = {} if validate_every is None else {"step": trainer.steps}
                bar.epoch(training.report({"epoch": epoch, **steps, **figures}))
                if training.stops():
                    break
            training.end_epoch(advance=schedule_every == "epoch")
            if training.stopped:
                break
    return training.finish()


def _held_out(
    validation: Any, batch_size: int, epochs: int, validate_every: int | None
) -> Batches | None:
    """Return the batches to evaluate, which are read more than once if there is more to report."""
    if validation is None:
        return None
    passes = epochs if validate_every is None else max(epochs, 2)
    return as_batches("validation", validation, max(batch_size, 1024), None, passes)


def _hooks(
    model: Any,
    after_step: Sequence[Callable[[Any], Any]],
    averaging: WeightAverage | None,
) -> dict[str, list[Callable[[], Any]]]:
    """Return what is to be called after each step and each epoch, in order."""
    after: dict[str, list[Callable[[], Any]]] = {"step": [], "epoch": []}
    after["step"] += [partial(hook, model) for hook in after_step]
    if averaging is not None:
        after[averaging.unit].append(averaging.update)
    return after


class Wish:
    """A callback that looks at nothing: it says whether somebody wants the training to end."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self.is_wanted = is_wanted

    def __call__(self, _: Row) -> bool:
        """Ask."""
        return self.is_wanted()


class Training:
    """What happens between the rounds of a training: judging, recording, deciding to stop."""

    def __init__(
        self,
        trainer: Trainer,
        held_out: Batches | None,
        schedule: Schedule | None,
        early_stopping: EarlyStopping | None,
        averaging: WeightAverage | None,
        callbacks: Sequence[Callable[[Row], Any]],
    ) -> None:
        self.trainer = trainer
        self.model: Any = trainer.model
        self.held_out = held_out
        self.schedule = schedule
        self.early_stopping = early_stopping
        self.averaging = averaging
        self.callbacks = callbacks
        self.history = History()
        self.row: Row = {}
        self.epoch = 0
        self.rate = trainer.optimizer.lr

    @property
    def stopped(self) -> bool:
        """Whether the training is to end before its last epoch."""
        return self.history.stopped_by != "epochs"

    def look_ahead(self, batches: Batches, validate_every: int | None) -> None:
        """Allow epochs to be done before they are reported, if nobody acts between two of them."""
        known = type(self.early_stopping) in (type(None), EarlyStopping)
        wishes = all(isinstance(callback, Wish) for callback in self.callbacks)
        foreseeable = self.schedule is None or self.schedule.is_foreseeable
        if known and wishes and foreseeable and validate_every is None:
            given = batches, self.held_out, self.early_stopping, self.schedule
            self.trainer.look_ahead(*given)

    def epochs(self, count: int) -> Iterator[int]:
        """Count epochs."""
        for self.epoch in range(1, count + 1):
            yield self.epoch

    def report(self, row: Row) -> Row:
        """Judge the present weights, and record a row; return it."""
        with self._averaged():
            if self.held_out is not None:
                row |= self.trainer.evaluate(self.held_out)
            row["lr"] = self.rate
            self.history.add(row)
            self.row = row
            self._watch(row.get("val_loss", row["loss"]))
        self.rate = self.trainer.optimizer.lr
        return row

    def _averaged(self) -> AbstractContextManager[None]:
        if self.averaging is None or not self.averaging.count or self.held_out is None:
            return nullcontext()
        return self.averaging.applied()

    def _watch(self, metric: float) -> None:
        steps, early_stopping = self.trainer.steps, self.early_stopping
        if early_stopping is not None and early_stopping.update(metric, self.model, steps):
            self.history.stopped_by = "early stopping"
        if self.schedule is not None:
            self.schedule.observe(metric, self.schedule.last_epoch)
            self.schedule.apply()

    def stops(self) -> bool:
        """Tell the callbacks of the last row; return whether to stop."""
        if any([_says_stop(callback(self.row)) for callback in self.callbacks]):
            self.history.stopped_by = "callback"
        return self.stopped

    def end_epoch(self, advance: bool) -> None:
        """Note that an epoch is over, where schedules count epochs."""
        if self.schedule is not None and advance:
            self.schedule.advance()
        self.rate = self.trainer.optimizer.lr

    @contextmanager
    def orderly(self, bar: Progress) -> Iterator[None]:
        """Leave in order, however a training ends: best weights, free terminal, no traceback."""
        watching = self.early_stopping and self.early_stopping.watch(self.model)
        try:
            with watching or nullcontext(), self.trainer.settled():
                yield
        except KeyboardInterrupt:
            self.history.stopped_by = "interrupt"
        except DivergedError as error:
            self.history.stopped_by = "nan"
            step = self.trainer.steps + error.steps + 1
            what = f"fit: a finite loss at step {step} (epoch {self.epoch})"
            warnings.warn(explain(what, error.loss, TO_TRY), RuntimeWarning, stacklevel=4)
        finally:
            bar.close()
            self._note_best()

    def _note_best(self) -> None:
        if self.early_stopping is not None and self.early_stopping.best_epoch is not None:
            self.history.best_epoch = int(self.history["epoch"][self.early_stopping.best_epoch])

    def finish(self) -> History:
        """Leave the model with the averages, where nothing better is known; return the history."""
        if self.averaging is not None and self.averaging.count and self.early_stopping is None:
            self.averaging.copy_to()
        switch(self.model, "eval")
        return self.history


def _says_stop(answer: object) -> bool:
    # Only a plain truth value counts: what a logging function returns should end no training.
    return isinstance(answer, bool | np.bool_) and bool(answer)
