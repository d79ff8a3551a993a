"""Parameters in groups: which tensors an optimizer updates, with what settings and state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol

import numpy as np

from autograd_core import Tensor
from autograd_core.errors import DTypeError, GraphError, ShapeError, UnknownNameError, explain
from autograd_core.update import BoundRecipe, Recipe, unrepeatable

from .hyperparameters import REALS, check, number, places

__all__ = ["ParamGroup", "Plan", "Shape", "Slot", "gather_groups"]

Shape = tuple[int, ...]


class Plan(Protocol):
    """How the parameters of one group are updated, given its hyperparameters."""

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the state arrays."""

    @property
    def numbers(self) -> Mapping[str, float]:
        """State that is one number per parameter, and its start."""

    @property
    def scalars(self) -> Callable[..., dict[str, float]]:
        """``scalars(t, hyper, numbers)``: what the t-th update takes besides arrays.

        It advances the numbers.
        """

    def shapes(self, shape: Shape) -> Mapping[str, Shape]:
        """Return the shapes of the state arrays that are not flat, for a parameter's shape."""

    def update(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        """Return the op ``update(p, g, *state, **scalars)``."""

    def native(self, dtype: np.dtype[Any]) -> Recipe | None:
        """Return how machine code does all of it, or None if only the host can."""


class Numbers(MutableMapping[str, float]):
    """The numbers of a slot by name: a view of what follows the step count in its cell."""

    def __init__(self, cell: np.ndarray, names: Iterable[str]) -> None:
        self._cell = cell
        self._places = {name: i for i, name in enumerate(names, start=1)}

    def __getitem__(self, name: str) -> float:
        return float(self._cell.item(self._places[name]))

    def __setitem__(self, name: str, value: float) -> None:
        self._cell[self._places[name]] = value

    def __delitem__(self, name: str) -> None:
        raise TypeError(explain("numbers of a fixed set", f"del {name!r}", "Set it to a value"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Slot:
    """One parameter: how often it was updated, and the state kept for it.

    The state arrays are of the parameter's dtype; flat, in its memory order, unless the plan gives
    them shapes of their own. The step count and the plan's numbers are in one array, `cell`, where
    machine code can advance them.
    """

    __slots__ = ("arrays", "cell", "dtype", "numbers", "parameter", "plan", "update")

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.cell = np.zeros(1)
        self.numbers = Numbers(self.cell, ())
        self.arrays: tuple[np.ndarray, ...] = ()
        self.plan: Plan | None = None
        self.dtype: np.dtype[Any] | None = None

    @property
    def step(self) -> int:
        """How often the parameter was updated."""
        return int(self.cell[0])

    @step.setter
    def step(self, count: int) -> None:
        self.cell[0] = count

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The state arrays by name."""
        names = self.plan.state if self.plan else ()
        return dict(zip(names, self.arrays, strict=True))

    def bind(
        self, plan: Plan, known: Mapping[str, np.ndarray], numbers: Mapping[str, float]
    ) -> None:
        """Prepare for `plan`, with the state that is `known` already; the rest starts at zero."""
        dtype, size = self.parameter.dtype, self.parameter.size
        shapes = plan.shapes(self.parameter.shape)
        self.arrays = tuple(
            known[name].astype(dtype, copy=False)
            if name in known
            else np.zeros(shapes.get(name, size), dtype)
            for name in plan.state
        )
        own = [numbers.get(name, start) for name, start in plan.numbers.items()]
        if len(self.cell) != 1 + len(own):
            self.cell = np.array([self.cell[0], *own])
        self.cell[1:] = own
        self.numbers = Numbers(self.cell, plan.numbers)
        self.plan, self.dtype, self.update = plan, dtype, plan.update(dtype)

    def recipe(self, settings: np.ndarray) -> BoundRecipe | None:
        """Return how machine code updates the parameter, or None if only the host can."""
        assert self.plan is not None
        assert self.dtype is not None
        recipe = self.plan.native(self.dtype)
        whole = self.parameter._value.flags.forc  # else the host copies it there and back
        return BoundRecipe(*recipe, self.cell, settings) if recipe and whole else None

    def export(self) -> dict[str, Any]:
        """Return the step count and copies of the state, in the parameter's shape."""
        assert self.plan is not None
        own = self.plan.shapes(self.parameter.shape)
        shaped = {n: a if n in own else self._shaped(a) for n, a in self.state.items()}
        copies = {name: array.copy() for name, array in shaped.items()}
        return {"step": self.step, **copies, **self.numbers}

    def _shaped(self, flat: np.ndarray) -> np.ndarray:
        shape = self.parameter.shape
        return flat.reshape(shape) if self._by_rows() else flat.reshape(shape[::-1]).T

    def flatten(self, array: np.ndarray) -> np.ndarray:
        """Return a copy of `array` as state of this parameter, element for element."""
        return (array if self._by_rows() else array.T).astype(self.parameter.dtype).ravel()

    def restored(self, saved: Mapping[str, Any], plan: Plan, where: str) -> Slot:
        """Return a slot for the same parameter in the state that `export` gave."""
        slot = Slot(self.parameter)
        slot.step = _step_count(saved, where)
        names = (*plan.state, *plan.numbers) if slot.step else ()
        if saved.keys() - {"step"} != set(names):
            what = f"{where}: the state {', '.join(names) or 'of a plain step'}"
            got = ", ".join(sorted(saved.keys() - {"step"})) or "none"
            raise UnknownNameError(explain(what, got, "Load the state of an equal optimizer"))
        numbers = {
            name: number(where, name, saved[name], REALS) for name in names if name in plan.numbers
        }
        arrays = {name: np.asarray(saved[name]) for name in names if name not in numbers}
        shapes = plan.shapes(self.parameter.shape)
        for name, array in arrays.items():
            expected = shapes.get(name, self.parameter.shape)
            if array.shape != expected:
                what = f"{where}: {name} of shape {expected}"
                raise ShapeError(explain(what, array.shape, "Load the state of this model"))
        known = {n: a.copy() if n in shapes else slot.flatten(a) for n, a in arrays.items()}
        slot.bind(plan, known, numbers)
        return slot

    def _by_rows(self) -> bool:
        return bool(self.parameter.numpy().flags.c_contiguous)


def _step_count(saved: Mapping[str, Any], where: str) -> int:
    step = saved.get("step")
    if not isinstance(step, int | np.integer) or step < 0:
        what = f'{where}: "step", a count of updates'
        raise UnknownNameError(explain(what, repr(step), "Pass what state_dict() returned"))
    return int(step)


class ParamGroup(dict[str, Any]):
    """Hyperparameters shared by some parameters: a dictionary that checks what is put into it.

    ``group["params"]`` are the parameters. Every other entry is a hyperparameter. All their values
    are in one flat array, too: `settings`, in the order of the defaults, None as NaN.
    """

    def __init__(
        self, owner: str, defaults: Mapping[str, Any], entries: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.owner = owner
        self.defaults = defaults
        self.plan: Plan | None = None
        self.slots: list[Slot] = []
        self._places = places(defaults)
        self.settings = np.empty(max(place.stop for place in self._places.values()))
        self.update({**defaults, **entries})

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self.defaults or name == "initial_lr":
            value = check(self.owner, name, value, self.defaults.get(name, 0.0))
        elif name == "params" and name in self:
            do = "Add others with add_param_group, or make a new optimizer"
            what = f"{self.owner}: a group keeps its parameters"
            raise GraphError(explain(what, "an assignment to them", do))
        elif name != "params":
            known = ", ".join(self.defaults)
            what = f"{self.owner}: a hyperparameter among {known}"
            raise UnknownNameError(explain(what, repr(name), "Correct the name"))
        unrepeatable(f"{name} is set by the function: set it between the calls")
        self.plan = None  # it depends on them
        super().__setitem__(name, value)
        if name in self._places:
            self.settings[self._places[name]] = value

    def update(self, entries: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Set several entries, each of them checked."""
        for name, value in entries.items():
            self[name] = value

    def __ior__(self, entries: Mapping[str, Any]) -> ParamGroup:  # type: ignore[override,misc]
        self.update(entries)
        return self


def gather_groups(owner: str, params: Any) -> list[dict[str, Any]]:
    """Sort what a user passes as ``params`` into groups."""
    wrong = isinstance(params, Tensor | np.ndarray | Mapping | str | set)
    if wrong or not isinstance(params, Iterable):
        what = f"{owner}: an ordered iterable of parameters"
        do = "Pass model.parameters(), a list of tensors, or a list of groups"
        raise DTypeError(explain(what, f"a {type(params).__name__}", do))
    entries = list(params)
    if not entries:
        do = "Pass model.parameters() anew; a generator gives its items only once"
        raise GraphError(explain(f"{owner}: at least one parameter", "none", do))
    if all(isinstance(entry, Mapping) for entry in entries):
        return [_group(owner, entry) for entry in entries]
    return [_group(owner, {"params": entries})]


def _group(owner: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group with its parameters as a list, each of them fit for updates."""
    if "params" not in entries:
        what = f'{owner}: groups with the key "params"'
        raise UnknownNameError(explain(what, f"the keys {sorted(entries)}", "Add it"))
    params = entries["params"]
    params = (params,) if isinstance(params, Tensor) else tuple(params)
    if not params:
        do = "Pass a list; a generator gives its items only once"
        raise GraphError(explain(f"{owner}: at least one parameter in a group", "none", do))
    for parameter in params:
        _check_parameter(owner, parameter)
    return {**entries, "params": params}


def _check_parameter(owner: str, parameter: Any) -> None:
    do = "Make it with tensor(..., requires_grad=True), or pass model.parameters()"
    if not isinstance(parameter, Tensor):
        got = f"a {type(parameter).__name__}"
        raise DTypeError(explain(f"{owner}: parameters that are tensors", got, do))
    if not parameter.is_leaf or not parameter.requires_grad:
        got = "a constant" if parameter.is_leaf else "the result of an operation"
        raise GraphError(explain(f"{owner}: parameters that are leaves", got, do))
