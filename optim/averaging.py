r"""Averages of the weights along the way: smoother, and often better, than the last ones.

An average is a copy of every weight that moves a part of the way to the present value at each
update: :math:`\bar\theta \leftarrow \bar\theta + w_t (\theta - \bar\theta)`. The kinds differ in
:math:`w_t` alone, and all have :math:`w_1 = 1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_core import Tensor, no_grad
from autograd_core.errors import DTypeError, GraphError, ShapeError, UnknownNameError, explain

from .hyperparameters import DECAY, HyperparameterError, check, choice, number, whole

__all__ = ["EMA", "SWA", "WeightAverage", "update_bn"]


class WeightAverage:
    """Base of the averages; a subclass gives ``weight(t)``.

    Parameters
    ----------
    model : Module, or iterable of Tensor
        Whose weights to average.
    start : int
        The number of first calls of `update` to ignore.
    every : int
        Only every so-manieth call after that counts.
    buffers : {"copy", "average"}
        What to do with tensors that are not trained, such as running statistics: keep them equal
        to the model's, or average them (numbers that are not floating are copied).
    unit : {"step", "epoch"}
        When `fit` calls `update`.
    """

    def __init__(
        self, model: Any, *, start: int = 0, every: int = 1, buffers: str = "copy", unit: str
    ) -> None:
        owner = type(self).__name__
        self.start = whole(owner, "start", start, 0, 0)
        self.every = whole(owner, "every", every)
        self.average_buffers = choice(owner, "buffers", buffers, ("copy", "average")) == "average"
        self.unit = choice(owner, "unit", unit, ("step", "epoch"))
        self.tensors = _named_tensors(owner, model)
        self.averages = {name: tensor.numpy().copy() for name, tensor in self.tensors.items()}
        self.calls = self.count = 0
        self._in_use = False

    def weight(self, t: int) -> float:
        """Return how far the average moves towards the weights at the t-th update."""
        raise NotImplementedError

    def update(self) -> None:
        """Take in the present weights."""
        owner = type(self).__name__
        if self._in_use:
            do = "Train outside of the block"
            got = "an update within applied()"
            raise GraphError(explain(f"{owner}.update: the weights that are trained", got, do))
        self.calls += 1
        since = self.calls - self.start - 1
        if since < 0 or since % self.every:
            return
        self.count += 1
        weight = self.weight(self.count)
        for name, tensor in self.tensors.items():
            self._move(self.averages[name], tensor, weight)

    def _move(self, average: np.ndarray, tensor: Tensor, weight: float) -> None:
        floating = average.dtype.kind == "f"
        if weight == 1.0 or not floating or not (tensor.requires_grad or self.average_buffers):
            average[...] = tensor.numpy()
        else:
            average += (tensor.numpy() - average) * weight

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the model use the averages within a block, and its own weights again after it.

        Examples
        --------
        >>> with ema.applied():                         # doctest: +SKIP
        ...     print(evaluate(model))
        """
        self._check_begun("applied")
        own = {name: tensor.numpy().copy() for name, tensor in self.tensors.items()}
        before, self._in_use = self._in_use, True
        try:
            self.copy_to()
            yield
        finally:
            self._in_use = before
            for name, tensor in self.tensors.items():
                tensor.assign(own[name])

    def copy_to(self, model: Any = None) -> None:
        """Write the averages into the weights of `model`, by default of the averaged one."""
        owner = f"{type(self).__name__}.copy_to"
        self._check_begun("copy_to")
        targets = self.tensors if model is None else _named_tensors(owner, model)
        shapes = {name: tensor.shape for name, tensor in targets.items()}
        _check_fits(owner, self.averages, shapes)
        for name, tensor in targets.items():
            tensor.assign(self.averages[name])

    def _check_begun(self, method: str) -> None:
        if not self.count:
            what = f"{type(self).__name__}.{method}: averages of at least one update"
            raise HyperparameterError(explain(what, "none so far", "Call update() in training"))

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the averages, and the counts."""
        averages = {name: average.copy() for name, average in self.averages.items()}
        kind = type(self).__name__
        return {"kind": kind, "calls": self.calls, "count": self.count, "averages": averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what ``state_dict()`` of an equal average returned, or change nothing."""
        owner = f"{type(self).__name__}.load_state_dict"
        expected = self.state_dict()
        if not isinstance(state_dict, Mapping) or state_dict.keys() != expected.keys():
            what = f"{owner}: the entries {', '.join(expected)}"
            do = "Pass what state_dict() returned"
            raise UnknownNameError(explain(what, f"{state_dict!r:.60}", do))
        if state_dict["kind"] != expected["kind"]:
            what = f"{owner}: the state of a {expected['kind']}"
            do = "Load it into an equal average"
            raise UnknownNameError(explain(what, f"that of a {state_dict['kind']}", do))
        calls = whole(owner, "calls", state_dict["calls"], 0, 0)
        count = whole(owner, "count", state_dict["count"], 0, 0)
        shapes = {name: average.shape for name, average in self.averages.items()}
        _check_fits(owner, state_dict["averages"], shapes)
        saved = state_dict["averages"]
        self.averages = {name: np.array(saved[name], a.dtype) for name, a in self.averages.items()}
        self.calls, self.count = calls, count


class EMA(WeightAverage):
    r"""The exponential moving average, :math:`\bar\theta \leftarrow d \bar\theta + (1-d) \theta`.

    Parameters
    ----------
    model : Module, or iterable of Tensor
        Whose weights to average.
    decay : float
        :math:`d`; the average reaches back about :math:`1 / (1-d)` updates.
    warm_up : bool
        Decay by no more than ``(1 + t) / (10 + t)`` after `t` updates (TensorFlow), so that the
        first weights are forgotten sooner.
    correct_bias : bool
        Divide by :math:`1 - d^t` the average that starts from zeros (Adam's way, Optax). Otherwise
        the first update is copied and decays like all others (PyTorch, Keras).
    start, every, buffers, unit
        As in `WeightAverage`.

    Examples
    --------
    >>> import autograd_core as ag
    >>> w = ag.tensor([0.0], requires_grad=True)
    >>> ema = EMA([w], decay=0.75)
    >>> for value in (1.0, 2.0, 3.0):
    ...     w.data[:] = value
    ...     ema.update()
    >>> with ema.applied():
    ...     print(w.numpy())
    [1.6875]
    >>> w.numpy()
    array([3.])
    """

    def __init__(
        self,
        model: Any,
        decay: float = 0.999,
        *,
        warm_up: bool = False,
        correct_bias: bool = False,
        start: int = 0,
        every: int = 1,
        buffers: str = "copy",
        unit: str = "step",
    ) -> None:
        self.decay = number("EMA", "decay", decay, DECAY, 0.999)
        self.warm_up = bool(check("EMA", "warm_up", warm_up, False))
        self.correct_bias = bool(check("EMA", "correct_bias", correct_bias, False))
        if self.warm_up and self.correct_bias:
            do = "Choose one, they serve the same purpose"
            what = "EMA: either warm_up or correct_bias"
            raise HyperparameterError(explain(what, "both", do))
        super().__init__(model, start=start, every=every, buffers=buffers, unit=unit)

    def weight(self, t: int) -> float:
        """Return how far the average moves at the t-th update."""
        if t == 1:
            return 1.0
        if self.correct_bias:
            return (1.0 - self.decay) / (1.0 - self.decay**t)
        return 1.0 - (min(self.decay, t / (9.0 + t)) if self.warm_up else self.decay)


class SWA(WeightAverage):
    r"""The plain mean of the weights, :math:`\bar\theta = \frac1t \sum_{i \le t} \theta_i`.

    With a large constant rate (`SWALR`), or a cyclic one. Batch normalization needs new running
    statistics for the averaged weights: `update_bn`.

    Parameters
    ----------
    model : Module, or iterable of Tensor
        Whose weights to average.
    start, every, buffers, unit
        As in `WeightAverage`; counted in epochs by default.

    References
    ----------
    Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization.

    Examples
    --------
    >>> import autograd_core as ag
    >>> w = ag.tensor([0.0], requires_grad=True)
    >>> swa = SWA([w], start=1)
    >>> for value in (100.0, 2.0, 3.0):
    ...     w.data[:] = value
    ...     swa.update()
    >>> swa.copy_to()
    >>> w.numpy()
    array([2.5])
    """

    def __init__(
        self,
        model: Any,
        *,
        start: int = 0,
        every: int = 1,
        buffers: str = "copy",
        unit: str = "epoch",
    ) -> None:
        super().__init__(model, start=start, every=every, buffers=buffers, unit=unit)

    def weight(self, t: int) -> float:
        """Return how far the average moves at the t-th update."""
        return 1.0 / t


def _named_tensors(owner: str, model: Any) -> dict[str, Tensor]:
    if hasattr(model, "named_buffers"):
        found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    elif isinstance(model, Iterable) and not isinstance(model, Tensor | Mapping | str):
        found = {str(i): tensor for i, tensor in enumerate(model)}
    else:
        what = f"{owner}: a model, or an iterable of its parameters"
        do = "Pass an nn.Module, or a list of tensors"
        raise DTypeError(explain(what, f"a {type(model).__name__}", do))
    if not found:
        do = "Pass a list; a generator gives its items only once"
        raise GraphError(explain(f"{owner}: at least one tensor to average", "none", do))
    for tensor in found.values():
        if not isinstance(tensor, Tensor) or not tensor.is_leaf:
            got = "a result" if isinstance(tensor, Tensor) else f"a {type(tensor).__name__}"
            do = "Pass an nn.Module, or model.parameters()"
            raise DTypeError(explain(f"{owner}: tensors that are leaves", got, do))
    return found


def _check_fits(
    owner: str, averages: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise if averages and tensors do not have the same names and shapes."""
    do = "Use a model built alike"
    names = list(averages) if isinstance(averages, Mapping) else [f"a {type(averages).__name__}"]
    if set(names) != shapes.keys():
        what = f"{owner}: the names {', '.join(shapes)}"
        raise UnknownNameError(explain(what, ", ".join(map(str, names)) or "none", do))
    for name, shape in shapes.items():
        if np.shape(averages[name]) != shape:
            what = f"{owner}: {name} of shape {shape}"
            raise ShapeError(explain(what, np.shape(averages[name]), do))


def update_bn(batches: Iterable[Any], model: Any) -> None:
    """Compute the running statistics of batch normalization anew, for the present weights.

    The model runs over all batches in training mode; the statistics become plain means over the
    batches. Other modules keep theirs. If it fails, nothing is changed.

    Parameters
    ----------
    batches : iterable of array, or of (x, y)
        Inputs; targets are passed over.
    model : Module
        Its modules with ``reset_running_stats()`` are concerned.
    """
    if not hasattr(model, "modules") or not hasattr(model, "state_dict"):
        do = "Pass an nn.Module"
        raise DTypeError(explain("update_bn: a model second", f"a {type(model).__name__}", do))
    norms = [module for module in model.modules() if hasattr(module, "reset_running_stats")]
    if not norms:
        return
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    saved = model.state_dict()
    try:
        _run_anew(batches, model, norms)
    except BaseException:
        model.load_state_dict(saved)
        raise
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


def _run_anew(batches: Iterable[Any], model: Any, norms: Iterable[Any]) -> None:
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
    model.train()
    empty = True
    with no_grad():
        for batch in batches:
            empty = False
            model(batch[0] if isinstance(batch, tuple | list) else batch)
    if empty:
        do = "Pass a list; a generator gives its items only once"
        raise HyperparameterError(explain("update_bn: at least one batch", "none", do))
