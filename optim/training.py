"""The training loop: `fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.errors import DTypeError, GraphError, explain

from .batches import Batches, as_batches
from .clipping import clip_grad_norm_, clip_grad_value_
from .early_stopping import EarlyStopping
from .history import History, Progress
from .hyperparameters import choice, whole
from .optimizer import Optimizer
from .schedule import Schedule

__all__ = ["fit"]

Row = dict[str, float]
Metric = Callable[[np.ndarray, np.ndarray], float]


def fit(
    model: Any,
    loss: Callable[[Any, Any], Any],
    data: Any,
    optimizer: Optimizer,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    validation: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    schedule: Schedule | None = None,
    schedule_every: str = "epoch",
    early_stopping: EarlyStopping | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callable[[Row], Any]] = (),
    shuffle: bool = True,
    rng: np.random.Generator | int | None = 0,
    progress: bool = True,
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
        Inputs and targets, examples along the first axis; or ready-made batches.
    optimizer : Optimizer
        Over the parameters of the model.
    epochs, batch_size : int
        The number of passes over the data, and of examples in a batch.
    validation : (array, array), or iterable of (x, y), optional
        Data to evaluate after each epoch, without recording.
    regularizer : callable, optional
        ``regularizer(model)`` is added to the loss of each batch, as ``nn.L2(1e-4)`` is. The
        history has it as ``penalty``, apart from the loss.
    schedule : Schedule, optional
        Sets the learning rate; it is given the validation loss (else the training loss).
    schedule_every : {"epoch", "step"}
        Whether the schedule counts epochs or batches.
    early_stopping : EarlyStopping, optional
        Watches the validation loss. The best weights are restored in any case.
    clip_norm, clip_value : float, optional
        Limits for the gradients: `clip_grad_norm_`, `clip_grad_value_`.
    metrics : mapping of str to callable, optional
        ``metric(prediction, target)`` on arrays, a mean over the examples; reported for the
        training data and, with the prefix ``val_``, for the validation data.
    callbacks : sequence of callable, optional
        Each is called after every epoch with its figures; training ends if one returns True.
    shuffle : bool
        Whether to shuffle arrays each epoch.
    rng : numpy.random.Generator or int, optional
        Determines the order of the examples.
    progress : bool
        Show a bar (with tqdm installed) or a line per epoch.

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
    _check_company(optimizer, schedule, schedule_every, early_stopping, validation)
    order = np.random.default_rng(rng) if shuffle else None
    batches = as_batches("data", data, batch_size, order, epochs)
    held_out = None
    if validation is not None:
        held_out = as_batches("validation", validation, max(batch_size, 1024), None, epochs)
    trainer = Trainer(model, loss, optimizer, regularizer, metrics, clip_norm, clip_value)
    every_step = schedule if schedule_every == "step" else None
    history = History()
    bar = Progress(epochs, batches.count, progress)
    with _orderly(history, early_stopping, model, bar):
        for epoch in range(1, epochs + 1):
            rate = optimizer.lr
            row = {"epoch": epoch, **trainer.train(batches, every_step, bar)}
            if held_out is not None:
                row |= trainer.evaluate(held_out)
            row["lr"] = rate
            history.add(row)
            metric = row.get("val_loss", row["loss"])
            if early_stopping is not None and early_stopping.update(metric, model):
                history.stopped_by = "early stopping"
            if schedule is not None:
                _advance(schedule, metric, schedule_every)
            bar.epoch(row)
            if any([_says_stop(callback(row)) for callback in callbacks]):
                history.stopped_by = "callback"
            if history.stopped_by != "epochs":
                break
    _switch(model, "eval")
    return history


def _check_company(
    optimizer: Any, schedule: Any, schedule_every: str, early_stopping: Any, validation: Any
) -> None:
    """Raise where the parts of a training do not fit together."""
    if not isinstance(optimizer, Optimizer):
        do = "Pass one such as Adam(model.parameters())"
        got = f"a {type(optimizer).__name__}"
        raise DTypeError(explain("fit: an optimizer in the fourth place", got, do))
    choice("fit", "schedule_every", schedule_every, ("epoch", "step"))
    if schedule is not None and getattr(schedule, "optimizer", None) is not optimizer:
        got = f"a {type(schedule).__name__} that is not"
        do = "Make the schedule with the optimizer that fit gets"
        raise DTypeError(explain("fit: a schedule of the same optimizer", got, do))
    if early_stopping is not None and validation is None:
        do = "Pass validation=(X, y) with examples that are not trained on"
        raise DTypeError(explain("fit: validation data for early stopping", "none", do))


@contextmanager
def _orderly(
    history: History, early_stopping: EarlyStopping | None, model: Any, bar: Progress
) -> Iterator[None]:
    """Leave a training in order, however it ends: best weights, free terminal, no traceback."""
    try:
        if early_stopping is None:
            yield
        else:
            with early_stopping.watch(model):
                yield
    except KeyboardInterrupt:
        history.stopped_by = "interrupt"
    finally:
        bar.close()
        if early_stopping is not None and early_stopping.best_epoch is not None:
            history.best_epoch = early_stopping.best_epoch + 1


def _advance(schedule: Schedule, metric: float, every: str) -> None:
    if every == "epoch":
        schedule.step(metric)
    else:
        schedule.observe(metric, schedule.last_epoch)
        schedule.apply()


def _says_stop(answer: object) -> bool:
    # Only a plain truth value counts: what a logging function returns should end no training.
    return isinstance(answer, bool | np.bool_) and bool(answer)


def _switch(model: Any, mode: str) -> None:
    if hasattr(model, mode):
        getattr(model, mode)()


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

    def row(self, prefix: str = "") -> Row:
        """Return the means over all examples."""
        return {prefix + name: total / self.count for name, total in self.totals.items()}


class Trainer:
    """The parts of a training, and what is done with one batch."""

    def __init__(
        self,
        model: Callable[[Any], Any],
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        regularizer: Callable[[Any], Any] | None,
        metrics: Mapping[str, Metric] | None,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.regularizer = regularizer
        self.metrics = dict(metrics or {})
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def train(self, batches: Batches, schedule: Schedule | None, bar: Progress) -> Row:
        """Update the parameters with every batch; return the mean figures."""
        _switch(self.model, "train")
        means = Means()
        for x, y in batches:
            means.add(self.learn(x, y), len(x))
            if schedule is not None:
                schedule.advance()
            bar.batch()
        return means.row()

    def learn(self, x: Any, y: Any) -> Row:
        """Update the parameters with one batch; return its figures."""
        self.optimizer.zero_grad()
        prediction, loss = self.forward(x, y)
        figures = {"loss": loss.item()}
        if self.regularizer is not None:
            penalty = self.regularizer(self.model)
            figures["penalty"] = float(penalty)
            loss = loss + penalty
        loss.backward()
        self.check_reached()
        if self.clip_value is not None:
            clip_grad_value_(self.parameters, self.clip_value)
        if self.clip_norm is not None:
            clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        return figures | self.measure(prediction, y)

    def forward(self, x: Any, y: Any) -> tuple[Any, Tensor]:
        """Return the prediction and the loss of one batch."""
        prediction = self.model(x)
        loss = self.loss(prediction, y)
        if not isinstance(loss, Tensor) or loss.size != 1:
            got = f"shape {loss.shape}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            do = "Reduce the loss to its mean, and compute it with tensors throughout"
            raise GraphError(explain("fit: a loss that is one number, as a tensor", got, do))
        return prediction, loss

    def check_reached(self) -> None:
        """Raise if the loss does not depend on what the optimizer updates."""
        if all(parameter.grad is None for parameter in self.parameters):
            do = "Make the optimizer with the parameters of the model that is trained"
            what = "fit: a loss that depends on the optimizer's parameters"
            raise GraphError(explain(what, "one that depends on none of them", do))

    def measure(self, prediction: Any, y: Any) -> Row:
        """Return the metrics of one batch."""
        if not self.metrics:
            return {}
        values = prediction.numpy() if isinstance(prediction, Tensor) else prediction
        return {name: float(metric(values, y)) for name, metric in self.metrics.items()}

    def evaluate(self, batches: Batches) -> Row:
        """Return the mean figures on held-out data, without recording."""
        _switch(self.model, "eval")
        means = Means()
        with no_grad():
            for x, y in batches:
                prediction, loss = self.forward(x, y)
                means.add({"loss": loss.item(), **self.measure(prediction, y)}, len(x))
        return means.row("val_")
