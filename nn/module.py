"""Module: a function with parameters. Parameters are found, not registered.

Whatever a module holds as an attribute belongs to it, also within lists, tuples and dictionaries:
a `Parameter` is trained, a constant tensor is saved with it (a buffer), and a module is a part of
it. What is held twice counts once, under the first of its names.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from autograd_core import DTypeError, GraphError, ShapeError, Tensor, UnknownNameError
from autograd_core.errors import explain

__all__ = ["Module", "Parameter"]


class Parameter(Tensor):
    """A leaf tensor that a module trains.

    Parameters
    ----------
    data : array_like
    dtype : dtype, optional
        float32 unless given.
    requires_grad : bool
        False for a parameter that is frozen: it keeps its value, and no derivative reaches it.
    """

    __slots__ = ()

    def __init__(
        self, data: ArrayLike, dtype: DTypeLike = np.float32, requires_grad: bool = True
    ) -> None:
        super().__init__(data, requires_grad=requires_grad, dtype=dtype)

    @Tensor.grad.setter  # type: ignore[attr-defined, untyped-decorator]
    def grad(self, value: ArrayLike | None) -> None:  # noqa: D102
        if value is not None or self.requires_grad:  # a frozen one has nothing to forget
            Tensor.grad.__set__(self, value)  # type: ignore[attr-defined]

    def requires_grad_(self, requires_grad: bool = True) -> Parameter:
        """Freeze the parameter, or thaw it. Graphs that lead to it are void. Returns itself."""
        if self.requires_grad != requires_grad:
            self.convert(self.dtype)
            Tensor.__init__(self, self, requires_grad)
        return self


class Keys(NamedTuple):
    """What `Module.load_state_dict` did without, when it was not strict."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def check(valid: bool, what: str, got: object, do: str) -> None:
    """Raise unless an option is valid."""
    if not valid:
        raise ShapeError(explain(what, got, do))


def real_numbers(name: str, x: Any) -> np.ndarray:
    """Return an array of real numbers, or raise."""
    try:
        array = np.asarray(x)
    except ValueError:  # lists of unequal lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        got = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else f"{x!r:.60}"
        do = "Pass an array, or lists of equal lengths"
        raise DTypeError(explain(f"{name}: real numbers", got, do))
    return array


def refuse_options(owner: object, base: type, options: Mapping[str, Any]) -> None:
    """Raise if options reach the constructor of a base: a class that has options names them."""
    if options and type(owner).__init__ is base.__init__:  # type: ignore[misc]
        what = f"{type(owner).__name__}: no such option"
        do = "Leave it out; help() of the class lists what there is"
        raise DTypeError(explain(what, ", ".join(options), do))


CONTAINERS = (dict, list, tuple, set, frozenset)
PLAIN = frozenset([int, float, bool, str, type(None)])  # what most attributes are
LEAVES = PLAIN | {Tensor, Parameter}


def held(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors and modules in an attribute, also within containers, by name."""
    if isinstance(value, (Tensor, Module)):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from held(f"{name}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from held(f"{name}.{i}", inner)
    elif isinstance(value, (set, frozenset)):
        if any(isinstance(inner, (Tensor, Module)) for inner in value):
            what = f"Module: {name}, a list or a dictionary of modules or tensors"
            raise DTypeError(explain(what, "a set", "A set has no order; use a list"))


def parts(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield the parameters, buffers and modules that a module holds itself, by name."""
    for name, value in vars(module).items():
        for full_name, part in () if type(value) in PLAIN else held(name, value):
            yield full_name.removeprefix(module.unnamed), part


def walk(
    module: Module, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Module]]:
    """Yield (name, module) for a module and every module in it, each once, from outside in."""
    seen = set() if seen is None else seen
    if id(module) in seen:
        return
    seen.add(id(module))
    yield prefix, module
    for name, part in parts(module):
        if isinstance(part, Module):
            yield from walk(part, f"{prefix}.{name}" if prefix else name, seen)


def everywhere(module: Module) -> Collection[Module]:
    """Return a module and every module in it, each once: what `walk` yields, without names."""
    found = {id(module): module}
    left = [module]
    while left:
        for value in vars(left.pop()).values():
            if type(value) in LEAVES:
                continue
            if isinstance(value, Module):
                inside = [value]
            elif isinstance(value, CONTAINERS) and value:
                inside = [part for _, part in held("", value) if isinstance(part, Module)]
            else:
                continue
            left += [part for part in inside if id(part) not in found]
            found |= {id(part): part for part in inside}
    return found.values()


def inside_out(module: Module, seen: set[int]) -> Iterator[Module]:
    """Yield every module in a module, each once, and the module itself last."""
    seen.add(id(module))
    for _, part in parts(module):
        if isinstance(part, Module) and id(part) not in seen:
            yield from inside_out(part, seen)
    yield module


def tensors(module: Module, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) for the parameters and buffers of a module and its parts, each once.

    The result of an operation that was put aside in an attribute is neither.
    """
    seen: set[int] = set()
    for place, part in walk(module, prefix):
        for name, value in parts(part):
            if isinstance(value, Tensor) and value.is_leaf and id(value) not in seen:
                seen.add(id(value))
                yield f"{place}.{name}" if place else name, value


def trained(value: Tensor) -> bool:
    """Whether a tensor that a module holds is a parameter; otherwise it is a buffer."""
    return isinstance(value, Parameter) or value.requires_grad


def by_name(module: Module) -> dict[str, Tensor]:
    """Return the parameters and buffers by name; refuse names that are not unique."""
    found: dict[str, Tensor] = {}
    for name, value in tensors(module):
        if name in found:
            what = f"{type(module).__name__}: a name of its own for each parameter"
            raise UnknownNameError(explain(what, f"{name!r} twice", "Rename one of them"))
        found[name] = value
    return found


def misfits(mine: Mapping[str, Tensor], state: Mapping[str, Any]) -> Iterator[tuple[type, str]]:
    """Yield (error, what is wrong) for every array of a state that does not fit its tensor."""
    for name, value in mine.items():
        if name in state:
            array = np.asarray(getattr(state[name], "_value", state[name]))
            if array.shape != value.shape:
                yield ShapeError, f"{name} of shape {array.shape} for {value.shape}"
            elif array.dtype.kind not in "fiub":
                yield DTypeError, f"{name} of dtype {array.dtype} for {value.dtype}"


def size_note(module: Module) -> str:
    """Return the number of parameters as a comment; nothing if there are none."""
    count = module.num_parameters()
    frozen = count - module.num_parameters(trainable=True)
    note = f"  # {count:,} parameters" if count else ""
    return f"{note}, {frozen:,} of them frozen" if frozen else note


class Module:
    """Base of all layers and models. Subclasses hold parameters and define ``forward``.

    Any attribute that holds parameters or modules is found, also in lists and dictionaries.

    Examples
    --------
    >>> import nn, numpy as np
    >>> class Quadratic(nn.Module):
    ...     def __init__(self):
    ...         self.a = nn.Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return self.a * x * x
    >>> Quadratic()(3.0)
    tensor([18.], dtype=float32, made by multiply)
    """

    training: bool = True
    unnamed: ClassVar[str] = ""  # the beginning that the names of parts go without

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; every subclass defines it."""
        raise NotImplementedError(
            explain(f"{type(self).__name__}: a method forward", "none", "Define forward(self, x)")
        )

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Apply the module."""
        return self.forward(*inputs, **options)

    # ------------------------------------------------------------------ what belongs to it

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield (name, parameter) for every parameter, parts included, frozen ones too."""
        return ((name, value) for name, value in tensors(self, prefix) if trained(value))

    def parameters(self) -> Iterator[Tensor]:
        """Yield every parameter, parts included, frozen ones too."""
        return (value for _, value in tensors(self) if trained(value))

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield (name, tensor) for every constant that is saved with the parameters."""
        return ((name, value) for name, value in tensors(self, prefix) if not trained(value))

    def buffers(self) -> Iterator[Tensor]:
        """Yield every constant that is saved with the parameters."""
        return (value for _, value in self.named_buffers())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the module itself and every module in it, each once."""
        return walk(self, prefix)

    def modules(self) -> Iterator[Module]:
        """Yield the module itself and every module in it, each once."""
        return (module for _, module in walk(self))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules that this one holds itself."""
        return ((name, part) for name, part in parts(self) if isinstance(part, Module))

    def children(self) -> Iterator[Module]:
        """Yield the modules that this one holds itself."""
        return (part for _, part in parts(self) if isinstance(part, Module))

    def num_parameters(self, trainable: bool = False) -> int:
        """Return the number of numbers in all parameters, or in those that are not frozen."""
        return sum(p.size for p in self.parameters() if p.requires_grad or not trainable)

    # -------------------------------------------------------------------------- switching

    def train(self, mode: bool = True) -> Module:
        """Switch to training behaviour, or to evaluation; dropout obeys. Returns the module."""
        for module in everywhere(self):
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation behaviour. Returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Freeze every parameter, or thaw it; frozen ones get no gradient. Returns the module."""
        found = dict(self.named_parameters())
        for name, parameter in found.items():
            if not isinstance(parameter, Parameter):
                what = f"requires_grad_: {name}, an nn.Parameter"
                raise GraphError(explain(what, "a plain tensor", "Make it with nn.Parameter"))
        for parameter in found.values():
            parameter.requires_grad_(requires_grad)
        return self

    def apply(self, function: Callable[[Module], Any]) -> Module:
        """Call a function with every module in this one, parts first. Returns the module."""
        for module in inside_out(self, set()):
            function(module)
        return self

    def zero_grad(self) -> None:
        """Forget the collected derivatives of every parameter."""
        for parameter in self.parameters():
            parameter.grad = None

    def astype(self, dtype: DTypeLike) -> Module:
        """Convert every parameter and buffer of floats, in place. Returns the module."""
        if np.dtype(dtype).kind != "f":
            raise DTypeError(
                explain("astype: a floating dtype", np.dtype(dtype), "Use np.float64")
            )
        for _, value in tensors(self):
            if value.dtype.kind == "f":
                value.convert(dtype)
        return self

    # ------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters and buffers, by name."""
        return {name: value.numpy().copy() for name, value in by_name(self).items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Keys:
        """Take all parameters and buffers from `state`; where it does not fit, change nothing.

        Parameters
        ----------
        state : mapping of str to array_like
        strict : bool
            Whether names that are missing or unknown are errors; otherwise they are left alone.

        Returns
        -------
        (missing_keys, unexpected_keys)
        """
        what = f"load_state_dict: the names and shapes of this {type(self).__name__}"
        do = "Load the state of a model built alike"
        if not isinstance(state, Mapping):
            raise DTypeError(explain(what, f"{state!r:.60}", "Pass what state_dict() returned"))
        mine = by_name(self)
        keys = Keys([n for n in mine if n not in state], [n for n in state if n not in mine])
        problems = list(misfits(mine, state))
        if strict:
            names = zip(("missing", "unknown"), keys, strict=True)
            problems[:0] = [(UnknownNameError, f"{word} {some}") for word, some in names if some]
        if problems:
            got = "; ".join(text for _, text in problems)
            raise problems[0][0](explain(what, got, do))
        for name in mine.keys() & state.keys():
            mine[name].assign(state[name])
        return keys

    # --------------------------------------------------------------------- representation

    def extra_repr(self) -> str:
        """Return the options a reader wants to see, for the representation."""
        return ""

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        name, options, note = type(self).__name__, self.extra_repr(), size_note(self)
        children = list(self.named_children())
        if not children:
            return f"{name}({options}){note}"
        lines = [f"{name}(" + (f"  # {options}" if options else "")]
        for part_name, part in children:
            text = repr(part).replace("\n", "\n  ")
            lines.append(f"  {part_name}: {text}")
        return "\n".join([*lines, f"){note}"])
