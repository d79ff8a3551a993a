"""The declaration of an elementwise optimizer: one scalar recurrence, decorated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from .groups import ParamGroup, Plan
from .optimizer import Constraint, Optimizer
from .recurrence import Recurrence

__all__ = ["Elementwise", "rule", "variant"]


class Elementwise(Optimizer):
    """An optimizer whose update is a scalar recurrence; made by `rule`."""

    recurrence: ClassVar[Recurrence]
    source: ClassVar[str]

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return the recurrence with the branches decided that the hyperparameters choose."""
        return self.recurrence.program(group)


def rule(
    state: Sequence[str] = (),
    source: str = "",
    constraints: Sequence[Constraint] = (),
    numbers: Mapping[str, float] | None = None,
) -> Callable[[Callable[..., Any]], type[Elementwise]]:
    """Turn a scalar recurrence into an optimizer class.

    Parameters
    ----------
    state : sequence of str
        The names of the state elements. They start at zero; one that no chosen branch assigns is
        not kept.
    source : str
        Where the recurrence comes from.
    constraints : sequence of (predicate, str, str)
        What hyperparameters must satisfy together: a predicate on the mapping of them, what it
        expects in words, and what to do.
    numbers : mapping of str to float, optional
        State that is one number per tensor, as a product over the steps is, and its start.

    Returns
    -------
    callable
        A decorator for ``function(p, g, *state, *numbers, t, *, hyperparameters)`` that returns
        ``(p, *state, *numbers)``. The function reads as the paper's algorithm for one element;
        `t` counts the steps from 1.

    Examples
    --------
    >>> import autograd_core as ag
    >>> @rule(state=("v",), source="Riedmiller & Braun (1993), simplified")
    ... def SignSGD(p, g, v, t, *, lr=0.5, momentum=0.5):
    ...     '''Steps of one length, with momentum.'''
    ...     v = momentum * v + np.sign(g)
    ...     return p - lr * v, v
    >>> x = ag.tensor([4.0, -8.0], requires_grad=True)
    >>> optimizer = SignSGD([x], lr=1.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.numpy()
    array([ 3., -7.])
    """

    def declare(function: Callable[..., Any]) -> type[Elementwise]:
        recurrence = Recurrence(function, state, numbers)
        members = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "constraints": tuple(constraints),
            "defaults": recurrence.hyper,
            "recurrence": recurrence,
            "source": source,
        }
        return type(function.__name__, (Elementwise,), members)

    return declare


def variant(base: type[Elementwise], name: str, doc: str, **defaults: Any) -> type[Elementwise]:
    """Return an optimizer that differs from `base` in its defaults alone."""
    members = {
        "__doc__": doc,
        "__module__": base.__module__,
        "defaults": {**base.defaults, **defaults},
    }
    return type(name, (base,), members)
