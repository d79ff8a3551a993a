"""What `fit` asks of its arguments, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_core.errors import DTypeError, UnknownNameError, explain

from .hyperparameters import POSITIVE, choice, number, whole
from .optimizer import Optimizer

__all__ = ["check_company", "check_functions", "check_numbers", "generator"]

RESERVED = {"epoch", "step", "loss", "penalty", "lr"}


def check_company(
    optimizer: Any,
    schedule: Any,
    schedule_every: str,
    early_stopping: Any,
    validation: Any,
    averaging: Any,
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
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    averaged = getattr(averaging, "tensors", {}).values()
    if averaging is not None and trained.isdisjoint(map(id, averaged)):
        got = f"a {type(averaging).__name__} that has none of them"
        do = "Make it with the model that is trained, such as EMA(model)"
        raise DTypeError(explain("fit: an average of the optimizer's parameters", got, do))


def check_functions(metrics: Any, **functions: Any) -> None:
    """Raise where something that will be called cannot be."""
    for name, given in functions.items():
        many = name in ("callbacks", "after_step")
        if many and (callable(given) or not isinstance(given, list | tuple)):
            what, do = f"fit: {name}: a list of functions", f"Pass {name}=[...]"
            raise DTypeError(explain(what, f"a {type(given).__name__}", do))
        for function in given if many else [given]:
            if function is not None and not callable(function):
                got, do = f"a {type(function).__name__}", "Pass a function, or leave it out"
                raise DTypeError(explain(f"fit: {name}: a function", got, do))
    if not isinstance(metrics or {}, Mapping) or not all(map(callable, (metrics or {}).values())):
        do = "Pass metrics={'accuracy': accuracy}"
        raise DTypeError(explain("fit: metrics: functions by name", f"{metrics!r:.60}", do))
    if taken := RESERVED & (metrics or {}).keys():
        what = f"fit: names of metrics other than {', '.join(sorted(RESERVED))}"
        raise UnknownNameError(explain(what, ", ".join(sorted(taken)), "Choose another name"))


def check_numbers(clip_norm: Any, clip_value: Any, validate_every: Any) -> None:
    """Raise where limits, or how often to validate, are no such numbers."""
    for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if limit is not None:
            number("fit", name, limit, POSITIVE, 1.0)
    if validate_every is not None:
        whole("fit", "validate_every", validate_every, suggestion=100)


def generator(rng: Any) -> np.random.Generator:
    """Return a generator as it is, or made from a seed."""
    if rng is None or isinstance(rng, np.random.Generator | int | np.integer):
        return np.random.default_rng(rng)
    what, do = "fit: rng: a generator or a seed", "Pass np.random.default_rng(0), or 0"
    raise DTypeError(explain(what, f"a {type(rng).__name__}", do))
