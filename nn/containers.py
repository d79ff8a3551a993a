"""Modules that hold modules: in a row, in a list, in a dictionary."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, overload

import numpy as np

from autograd_core import DTypeError, UnknownNameError
from autograd_core.errors import explain

from .linear import Linear
from .module import Module
from .structure import check_module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


def check_name(owner: str, name: Any) -> str:
    """Return a name under which a module can be held."""
    if not isinstance(name, str) or not name or "." in name:
        do = "Use for example 'hidden'"
        raise UnknownNameError(explain(f"{owner}: names without dots", repr(name), do))
    return name


def named(owner: Sequential | ModuleDict, name: str) -> Module:
    """Return the module of that name; say which there are if there is none."""
    if name not in owner.layers:
        what = f"{type(owner).__name__}: a name among {', '.join(owner.layers) or 'none'}"
        raise UnknownNameError(explain(what, repr(name), "Correct the name"))
    return owner.layers[name]


class ModuleDict(Module):
    """Modules by name, as in a dictionary. It is not called itself.

    Parameters
    ----------
    modules : mapping of str to Module, optional

    Examples
    --------
    >>> import nn
    >>> heads = nn.ModuleDict({"mean": nn.Linear(4, 1, rng=0), "spread": nn.Linear(4, 1, rng=1)})
    >>> [name for name, _ in heads.named_parameters()]
    ['mean.weight', 'mean.bias', 'spread.weight', 'spread.bias']
    """

    unnamed = "layers."

    def __init__(self, modules: Mapping[str, Any] | None = None) -> None:
        self.layers: dict[str, Module] = {}
        self.update(modules or {})

    def update(self, modules: Mapping[str, Any]) -> None:
        """Hold further modules; those with a known name take its place."""
        kind = type(self).__name__
        if not isinstance(modules, Mapping):
            do = "Pass a dictionary"
            raise DTypeError(explain(f"{kind}: modules by name", type(modules).__name__, do))
        self.layers |= {check_name(kind, n): check_module(kind, m) for n, m in modules.items()}

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self.layers.keys()

    def values(self) -> ValuesView[Module]:
        """Return the modules."""
        return self.layers.values()

    def items(self) -> ItemsView[str, Module]:
        """Return pairs of name and module."""
        return self.layers.items()

    def pop(self, name: str) -> Module:
        """Remove a module and return it."""
        module = self[name]
        del self.layers[name]
        return module

    def __getitem__(self, name: str) -> Module:
        return named(self, name)

    def __setitem__(self, name: str, module: Any) -> None:
        self.update({name: module})

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def __contains__(self, name: object) -> bool:
        return name in self.layers

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


class ModuleList(Module):
    """Modules in order, as in a list. It is not called itself.

    A plain list as an attribute of a module serves as well: its modules are found.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> import nn
    >>> blocks = nn.ModuleList(nn.Linear(4, 4, rng=i) for i in range(3))
    >>> len(blocks), len(list(blocks.parameters()))
    (3, 6)
    """

    unnamed = "layers."

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        self.layers: list[Module] = []
        self.extend(modules)

    def append(self, module: Any) -> ModuleList:
        """Add a module at the end. Returns the list."""
        return self.extend([module])

    def extend(self, modules: Iterable[Any]) -> ModuleList:
        """Add several modules at the end. Returns the list."""
        kind = type(self).__name__
        if not isinstance(modules, Iterable):
            do = "Pass a list of modules"
            raise DTypeError(explain(f"{kind}: several modules", type(modules).__name__, do))
        self.layers += [check_module(kind, module) for module in modules]
        return self

    def insert(self, index: int, module: Any) -> None:
        """Add a module before another."""
        self.layers.insert(index, check_module(type(self).__name__, module))

    def pop(self, index: int = -1) -> Module:
        """Remove a module, the last one by default, and return it."""
        module = self[index]
        del self.layers[index]
        return module

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module | ModuleList:
        if isinstance(index, slice):
            return ModuleList(self.layers[index])
        return self.layers[check_index(self, index)]

    def __setitem__(self, index: int, module: Any) -> None:
        self.layers[check_index(self, index)] = check_module(type(self).__name__, module)

    def __delitem__(self, index: int | slice) -> None:
        del self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def check_index(owner: Sequential | ModuleList, index: Any) -> int:
    """Return the index; refuse it if there is no such module."""
    if not isinstance(index, (int, np.integer)):
        do = "Pass the number of a module, or a slice"
        raise DTypeError(explain(f"{type(owner).__name__}: an integer index", repr(index), do))
    if not -len(owner) <= index < len(owner):
        what = f"{type(owner).__name__}: an index below its length {len(owner)}"
        # An IndexError is what ends a loop over something indexed, so it must be one.
        raise IndexError(explain(what, index, "Count from 0"))
    return int(index)


class Sequential(Module):
    """Modules applied one after the other.

    Parameters
    ----------
    *layers : Module or callable
        Or one dictionary of them, whose keys become the names.

    Examples
    --------
    >>> import nn
    >>> model = nn.Sequential({"hidden": nn.Linear(3, 4, rng=0), "last": nn.Linear(4, 2, rng=1)})
    >>> [name for name, _ in model.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'last.weight', 'last.bias']
    >>> len(model[:1]), model["hidden"] is model[0]
    (1, True)
    """

    unnamed = "layers."

    def __init__(self, *layers: Module | Callable[..., Any] | Mapping[str, Any]) -> None:
        self.layers: dict[str, Module] = {}
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            chosen = dict(layers[0])
        else:
            chosen = {str(i): layer for i, layer in enumerate(layers)}
        kind = type(self).__name__
        self.layers |= {check_name(kind, n): check_module(kind, m) for n, m in chosen.items()}

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for layer in self.layers.values():
            x = layer(x)
        return x

    def append(self, layer: Any) -> Sequential:
        """Add a layer at the end, under its number. Returns the model."""
        name = str(len(self))
        if name in self.layers:
            what = f"{type(self).__name__}: the name {name!r} for the next layer"
            raise UnknownNameError(
                explain(what, "one that is taken", "Build the model from a dictionary")
            )
        self.layers[name] = check_module(type(self).__name__, layer)
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers.values())

    @overload
    def __getitem__(self, index: int | str) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | str | slice) -> Module | Sequential:
        """Return a layer by number or name; for a slice, a model that shares its layers."""
        if isinstance(index, slice):
            return Sequential(dict(list(self.layers.items())[index]))
        if isinstance(index, str):
            return named(self, index)
        return list(self)[check_index(self, index)]

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        wide, narrow = (Linear(n, m, rng=rng, dtype=np.float64) for n, m in ((3, 4), (4, 2)))
        yield Sequential(wide, np.tanh, narrow), (rng.normal(size=(5, 3)),)
