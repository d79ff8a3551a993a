"""Optimizer: what all optimizers share, above all the step.

What an update *is* comes from elsewhere: a `Plan` names the state arrays of one group, evaluates
the scalars of a step and hands out the operation that writes. `rule` makes plans from scalar
recurrences; `structured` writes them out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import is_
from typing import Any, ClassVar

from autograd_core.errors import DTypeError, GraphError, ShapeError, UnknownNameError, explain
from autograd_core.update import BoundRecipe, collected, hosted

from .groups import ParamGroup, Plan, Slot, gather_groups
from .hyperparameters import HyperparameterError

__all__ = ["Constraint", "Optimizer"]

Constraint = tuple[Callable[[Mapping[str, Any]], bool], str, str]


class Optimizer:
    """Base of all optimizers: a subclass gives ``defaults`` and ``make_plan``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The leaves to update; or groups, each a dictionary with the key ``"params"`` and the
        hyperparameters in which it differs.
    **hyperparameters
        As the subclass documents, by name or in order. Each is an attribute that can be read and
        set at any time: ``optimizer.lr = 0.01`` sets it in every group (reading gives the first
        group's), ``optimizer.param_groups[1]["lr"] = 0.01`` in one.
    """

    defaults: ClassVar[dict[str, Any]] = {}
    constraints: ClassVar[tuple[Constraint, ...]] = ()
    lr: float

    def __init_subclass__(cls) -> None:
        """Make every hyperparameter an attribute, and the call signature a true one."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter("params", kind)]
        for name, default in cls.defaults.items():
            setattr(cls, name, _hyperparameter(name))
            parameters.append(inspect.Parameter(name, kind, default=default))
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

    def __init__(self, params: Any, *positional: Any, **named: Any) -> None:
        if len(positional) > len(self.defaults):
            what = f"{type(self).__name__}: the hyperparameters {', '.join(self.defaults)}"
            raise DTypeError(explain(what, f"{len(positional)} values", "Pass them by name"))
        given = dict(zip(self.defaults, positional, strict=False)) | named
        self.param_groups: list[ParamGroup] = []
        for entries in gather_groups(type(self).__name__, params):
            self.add_param_group({**given, **entries})

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={self.param_groups[0][name]}" for name in self.defaults)
        sizes = [len(group.slots) for group in self.param_groups]
        return f"{type(self).__name__}({settings}), groups of {sizes} parameters"

    def __compile_key__(self) -> None:
        """What a program takes for granted: nothing, `_witness` tells it."""

    def add_param_group(self, entries: Mapping[str, Any]) -> None:
        """Add parameters with hyperparameters of their own.

        Parameters
        ----------
        entries : mapping
            ``"params"`` (a tensor or an iterable of tensors) and any hyperparameters.
        """
        name = type(self).__name__
        [entries] = gather_groups(name, [entries])
        group = ParamGroup(name, self.defaults, entries)
        self._check_constraints(group)
        group.plan = self.make_plan(group)
        group.slots = [Slot(parameter) for parameter in group["params"]]
        known = [*(slot.parameter for slot in self._slots()), *group["params"]]
        if len({id(parameter) for parameter in known}) < len(known):
            do = "Remove the repetition; a shared parameter belongs into one group, once"
            raise GraphError(explain(f"{name}: every parameter once", "one of them twice", do))
        self.param_groups.append(group)

    def _check_constraints(self, group: Mapping[str, Any]) -> None:
        for holds, what, do in self.constraints:
            if not holds(group):
                got = ", ".join(f"{name}={group[name]}" for name in self.defaults)
                raise HyperparameterError(explain(f"{type(self).__name__}: {what}", got, do))

    def _slots(self) -> Iterator[Slot]:
        return (slot for group in self.param_groups for slot in group.slots)

    def make_plan(self, group: ParamGroup) -> Plan:
        """Return how a group with these hyperparameters is updated."""
        raise NotImplementedError

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for group in self.param_groups:
            if group.plan is None:  # a hyperparameter was set
                self._plan(group)
        chosen = [
            (slot, group)
            for group in self.param_groups
            for slot in group.slots
            if collected(slot.parameter) is not None
        ]
        numbers = hosted(
            partial(self._advance, chosen), self._witness, partial(self._recipes, chosen)
        )
        for (slot, _), scalars in zip(chosen, numbers, strict=True):
            slot.update(slot.parameter, collected(slot.parameter), *slot.arrays, **scalars)

    def _advance(self, chosen: Sequence[tuple[Slot, ParamGroup]]) -> list[dict[str, float]]:
        """Count a step of some parameters; return what it takes besides arrays."""
        numbers: list[dict[str, float]] = []
        now, last = 0.0, None
        for slot, group in chosen:
            plan = group.plan or self._plan(group)
            dtype = slot.parameter.dtype
            if slot.plan is not plan or dtype is not slot.dtype:
                slot.bind(plan, slot.state, slot.numbers)
                group.slots = list(group.slots)  # `_witness` takes the list for its contents
            cell = slot.cell
            step = cell.item(0) + 1.0
            cell[0] = step
            if step != now or group is not last or plan.numbers:  # mostly the same for all
                now, last = step, group
                scalars = plan.scalars(int(step), group, slot.numbers)
            numbers.append(scalars)
        return numbers

    def _recipes(self, chosen: Sequence[tuple[Slot, ParamGroup]]) -> list[BoundRecipe | None]:
        """Return how machine code does what `_advance` prepares, and the updates themselves."""
        return [slot.recipe(group.settings) for slot, group in chosen]

    def _plan(self, group: ParamGroup) -> Plan:
        """Make the plan of a group anew."""
        self._check_constraints(group)
        group.plan = self.make_plan(group)
        return group.plan

    def _witness(self) -> Witness:
        """Return what says whether the next step will be one of the same kind."""
        return Witness(self, self._plan)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with ``set_to_none=False`` overwrite them with zeros."""
        for slot in self._slots():
            if set_to_none:
                slot.parameter.grad = None
            elif slot.parameter.grad is not None:
                slot.parameter.grad.fill(0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the state, by position of the parameter, and the hyperparameters.

        Returns
        -------
        dict
            ``{"state": {0: {"step": ..., name: array, ...}, ...}, "param_groups": [...]}``
        """
        slots = list(self._slots())
        places = {id(slot): i for i, slot in enumerate(slots)}
        groups = [
            {**group, "params": [places[id(slot)] for slot in group.slots]}
            for group in self.param_groups
        ]
        return {
            "state": {i: slot.export() for i, slot in enumerate(slots) if slot.step},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state that ``state_dict()`` of an equal optimizer returned.

        Everything is checked before anything is changed.
        """
        name = type(self).__name__
        try:
            saved, states = state_dict["param_groups"], state_dict["state"]
            sizes = [len(group["params"]) for group in saved]
        except (KeyError, TypeError):
            what = f'{name}.load_state_dict: a dictionary with "state" and "param_groups"'
            do = "Pass what state_dict() returned"
            raise UnknownNameError(explain(what, f"{state_dict!r:.60}", do)) from None
        own = [len(group.slots) for group in self.param_groups]
        if sizes != own:
            what = f"{name}.load_state_dict: groups of {own} parameters"
            do = "Load the state of an equal optimizer"
            raise ShapeError(explain(what, f"groups of {sizes}", do))
        pairs = zip(self.param_groups, saved, strict=True)
        groups = [self._restored(group, entries) for group, entries in pairs]
        places = iter(range(sum(own)))
        for group in groups:
            plan = group.plan = self.make_plan(group)
            group.slots = [
                slot.restored(states.get(i, {"step": 0}), plan, f"{name}.load_state_dict")
                for slot, i in zip(group.slots, places, strict=False)
            ]
        self.param_groups[:] = groups

    def _restored(self, group: ParamGroup, entries: Mapping[str, Any]) -> ParamGroup:
        """Return `group` with the hyperparameters of a saved one."""
        name = type(self).__name__
        missing = sorted(self.defaults.keys() - entries.keys())
        if missing:
            what = f"{name}.load_state_dict: the hyperparameter {missing[0]}"
            raise UnknownNameError(explain(what, "none", f"Load a state of {name}"))
        restored = ParamGroup(name, self.defaults, {**entries, "params": group["params"]})
        self._check_constraints(restored)
        restored.slots = group.slots
        return restored


class Witness:
    """Whether the next step of an optimizer will be of the kind that the present one is.

    Attributes
    ----------
    places : list of (object, str, object)
        Attributes and their values: as long as they are that, and `groups` holds its entries, it
        will be.
    groups : list of ParamGroup
    entries : list of ParamGroup
    """

    def __init__(self, optimizer: Optimizer, plan: Callable[[ParamGroup], Plan]) -> None:
        self.optimizer = optimizer
        self.plan = plan
        self.groups = optimizer.param_groups
        self.entries = list(self.groups)
        self.known = [(group, group.plan, group.slots) for group in self.groups]
        self.places: list[tuple[Any, str, Any]] = [(optimizer, "param_groups", self.groups)]
        for group, chosen, slots in self.known:
            self.places += [(group, "plan", chosen), (group, "slots", slots)]

    def __call__(self) -> bool:
        """Look, and plan anew where a hyperparameter was set."""
        # Groups are compared as objects: as dictionaries, they hold tensors.
        now, then = self.optimizer.param_groups, self.entries
        if len(now) != len(then) or not all(map(is_, now, then)):
            return False
        for group, plan, slots in self.known:
            if (group.plan or self.plan(group)) is not plan or group.slots is not slots:
                return False
        return True


def _hyperparameter(name: str) -> property:
    def read(optimizer: Optimizer) -> Any:
        return optimizer.param_groups[0][name]

    def write(optimizer: Optimizer, value: Any) -> None:
        for group in optimizer.param_groups:
            group[name] = value

    return property(read, write, doc=f"The hyperparameter {name}, of the first group.")
