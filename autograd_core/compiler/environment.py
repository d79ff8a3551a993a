"""What a function sees besides its arguments: closures, globals, modules and their settings.

A program holds for the Python values that were there when it was recorded: numbers, strings,
flags such as ``model.training``, and which objects a name stands for. `Surroundings` finds all of
them that a function can reach by its code, and says in a key what they are now. Arrays and
tensors count by identity: their content is read at every run.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Hashable, Sequence
from functools import cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..op import Op
from ..tensor import Tensor
from .words import Check, Word, cell, changes, entries, of_class

__all__ = ["VALUES", "Surroundings", "is_bound", "leads_on"]

VALUES = (int, float, complex, str, bytes, bool, type(None), np.generic, np.dtype, slice)
# Objects that a key takes as they are: code of libraries, arrays, types.
OPAQUE = (np.ndarray, Tensor, Op, type, ModuleType, BuiltinFunctionType, np.random.Generator)
LIBRARIES = ("autograd_core", "nn", "optim", "numpy", "builtins")
DEEPEST = 6  # containers within containers
FAILING = "(AttributeError, LookupError, ValueError)"  # what a test raises if something is gone
UNSEEN = object()  # follows a thing that leads further down

Name = Callable[[Any], str]  # the name by which a text knows an object
Words = Callable[[], Sequence[Word] | None]
Test = Callable[[Name], Check]  # whether a place holds what it does


class Surroundings:
    """The Python state that a function depends on.

    To find all of it takes a while, so it is found once and then watched: as long as the
    containers it is in hold the same objects, the key is the same.

    Parameters
    ----------
    function : callable
    objects : sequence
        Arguments that may lead to more, such as a model.

    Attributes
    ----------
    alive : list
        What the last key names. As long as it is kept, no other objects have the same key.
    things : list
        All that was found for it, in the order of the walk.
    """

    def __init__(self, function: Callable[..., Any], objects: Sequence[Any] = ()) -> None:
        self.function = function
        self.objects = tuple(objects)
        self.alive: list[Any] = []
        self.things: list[Any] = []
        self._key: Hashable = None
        self._watched: list[tuple[Callable[[], list[Any]], list[Any]]] = []
        self._tests: list[list[Test]] = []

    def key(self) -> Hashable:
        """Return what the surroundings are now; equal keys mean equal surroundings."""
        for look, known in self._watched:
            if list(map(id, look())) != known:
                break
        else:
            if self._watched:
                return self._key
        self._find()
        return self._key

    def knows(self, key: Hashable) -> bool:
        """Whether this is the key that was found last."""
        return key is self._key

    def test(self) -> Callable[[], bool]:
        """Return a function that says, fast, whether all is as it was at the last `key`.

        It may say no where a new key would be equal.
        """
        scope: dict[str, Any] = {}

        def named(thing: Any) -> str:
            name = f"o{id(thing)}"
            scope[name] = thing
            return name

        tests = " and ".join(check.text for check in self.checks(named))
        lines = ["def unchanged():", "    try:", f"        return {tests or True}"]
        lines += [f"    except {FAILING}:", "        return False"]
        exec("\n".join(lines), scope)
        found: Callable[[], bool] = scope["unchanged"]
        return found

    def checks(self, named: Name) -> list[Check]:
        """Return what `test` asks, one by one."""
        return [test(named) for tests in self._tests for test in tests]

    def words(self, named: Name) -> list[Check]:
        """Return the same; those that have words are without a text, which takes its time."""
        found = [(test, test(_unnamed)) for tests in self._tests for test in tests]
        return [test(named) if check.words is None else check for test, check in found]

    def _find(self) -> None:
        names: set[str] = set()
        before = -1
        while len(names) > before:  # what is found may lead to code that uses further names
            before = len(names)
            search = _Search(names)
            for root in (self.function, *self.objects):
                search.enter(root, 0)
        looks = search.looks
        self._tests = search.tests
        self.things = search.things
        self._key = tuple(search.found)
        contents = [look() for look in looks]
        self.alive = contents
        self._watched = [(f, list(map(id, c))) for f, c in zip(looks, contents, strict=True)]


class _Search:
    """One walk through all that a function can reach.

    `names` are those that the code met so far uses. Of an object of a user's class only the
    attributes of these names count, so that one which nobody reads may change.
    """

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.found: list[Hashable] = []
        self.things: list[Any] = []
        self.looks: list[Callable[[], list[Any]]] = []
        self.tests: list[list[Test]] = []
        self._seen: set[int] = set()
        self._kinds: set[type] = set()  # whose methods are tested

    def enter(self, x: Any, depth: int) -> None:
        """Add what an object is, with all that is reached from it."""
        self.things.append(x)
        if isinstance(x, VALUES):
            self.found.append((type(x), repr(x) if isinstance(x, slice) else x))
            return
        self.found.append(id(x))
        if id(x) in self._seen or isinstance(x, OPAQUE):
            return
        if depth > DEEPEST:
            self.things.append(UNSEEN)
            return
        self._seen.add(id(x))
        look = self.look(x)
        if look is not None:
            self.looks.append(look)
            self.tests.append(self.tested(x))
            for part in look():
                self.enter(part, depth + (not isinstance(x, FunctionType)))

    def look(self, x: Any) -> Callable[[], list[Any]] | None:
        """Return the function that lists what an object leads to now."""
        if isinstance(x, FunctionType):
            if _is_library(x.__module__):
                return None
            self.names |= _names_in(x.__code__)
            return _of_function(x)
        if type(x).__module__ in ("builtins", "types", "functools"):
            return _of_container(x)
        if not hasattr(x, "__dict__") or hasattr(x, "__compile_key__"):
            return None
        return self.of_object(x)

    def tested(self, x: Any) -> list[Test]:
        """Return tests that an object leads to what it leads to now."""
        if isinstance(x, FunctionType):
            return _tests_of_function(x)
        if isinstance(x, dict):
            return _tests_of_dict(x)
        if isinstance(x, list):
            return _tests_of_list(x)
        if isinstance(x, set):
            return [lambda named: Check(f"{named(x)} == {named(set(x))}")]
        if not hasattr(x, "__dict__") or type(x).__module__ in ("builtins", "types", "functools"):
            return []  # immutable
        kind = type(x)
        if kind in self._kinds:
            return _tests_of_dict(vars(x))
        self._kinds.add(kind)
        names = ["forward"] if _is_library(kind.__module__) else sorted(self.names)
        methods = {n: getattr(kind, n, None) for n in (*names, "__call__")}
        own = [(n, f) for n, f in methods.items() if isinstance(f, FunctionType)]
        words = cache(partial(of_class, kind))
        return [
            *_tests_of_dict(vars(x)),
            *(partial(_is_attribute, kind, n, method, words) for n, method in own),
        ]

    def of_object(self, x: Any) -> Callable[[], list[Any]]:
        """Look at the attributes of an object, and at the methods that may be called."""
        held, kind = vars(x), type(x)
        if "__wrapped__" in held:
            return lambda: [x.__wrapped__]
        names = sorted(self.names)
        called = (*names, "__call__")
        own = [name for name in called if isinstance(getattr(kind, name, None), FunctionType)]
        methods = partial(_attributes, kind, own)
        if any(_is_library(base.__module__) for base in kind.__mro__[:-1]):
            return lambda: [*held, *held.values(), *methods(), getattr(kind, "forward", None)]
        return lambda: [*(held.get(name) for name in names if name in held), *methods()]


def _attributes(x: Any, names: Sequence[str]) -> list[Any]:
    return [getattr(x, name, None) for name in names]


def leads_on(x: Any) -> bool:
    """Whether more than itself may count of an argument, as of a model or a function."""
    return not isinstance(x, VALUES + OPAQUE)


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in LIBRARIES


def _of_container(x: Any) -> Callable[[], list[Any]] | None:
    if isinstance(x, MethodType):
        return lambda: [x.__func__, x.__self__]
    if isinstance(x, partial):
        return lambda: [x.func, x.args, x.keywords]
    if isinstance(x, dict):
        return lambda: [*x, *x.values()]
    return (lambda: [*x]) if isinstance(x, (list, tuple, set, frozenset)) else None


def _of_function(function: FunctionType) -> Callable[[], list[Any]]:
    """Look at what a function's free and global names stand for."""
    cells = function.__closure__ or ()
    space = function.__globals__
    names = sorted(_names_in(function.__code__))

    def look() -> list[Any]:
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        held = [cell.cell_contents for cell in cells if is_bound(cell)]
        return [len(held), *held, *defaults, *(space.get(name) for name in names)]

    return look


def _has_size(x: Any, size: int, words: Words, named: Name) -> Check:
    return Check(f"len({named(x)}) == {size}", words())


def _is_entry(x: Any, place: Any, part: Any, words: Words, named: Name) -> Check:
    where = repr(place) if isinstance(place, int | str) else named(place)
    return Check(f"{named(x)}[{where}] is {named(part)}", words())


def _is_attribute(x: Any, name: str, part: Any, words: Words, named: Name) -> Check:
    return Check(f"{named(x)}.{name} is {named(part)}", words())


def _tests_of_list(x: list[Any]) -> list[Test]:
    words = partial(entries, x, tuple(x))
    rest = _with(words)
    own = (partial(_is_entry, x, i, part, rest) for i, part in enumerate(x))
    return [partial(_has_size, x, len(x), words), *own]


def _tests_of_dict(x: dict[Any, Any]) -> list[Test]:
    words = partial(changes, x, (*x, *x.values()))
    rest = cache(_with(words))
    own = (partial(_is_entry, x, key, part, rest) for key, part in x.items())
    return [partial(_has_size, x, len(x), words), *own]


def _with(words: Words) -> Words:
    """Return no words for what other words say, too; if there are any."""
    return lambda: None if words() is None else ()


def _tests_of_function(x: FunctionType) -> list[Test]:
    """Test what cells and global names stand for.

    Of globals no word is watched: at the top of a script every result of a call changes them.
    """
    cells = [c for c in x.__closure__ or () if is_bound(c)]
    space = x.__globals__
    names = sorted(_globals_in(x.__code__))
    known = [name for name in names if name in space]
    return [
        *map(_holds, cells),
        *(partial(_is_entry, space, name, space[name], _nothing) for name in known),
        *(partial(_is_absent, space, name) for name in names if name not in space),
    ]


def _holds(x: Any) -> Test:
    part = x.cell_contents
    return partial(_is_attribute, x, "cell_contents", part, partial(cell, x, part))


def _unnamed(_: Any) -> str:
    return ""


def _nothing() -> None:
    """There are no words."""


def _is_absent(x: dict[str, Any], name: str, named: Name) -> Check:
    return Check(f"{name!r} not in {named(x)}")


def _globals_in(code: CodeType) -> set[str]:
    own = {step.argval for step in dis.get_instructions(code) if "GLOBAL" in step.opname}
    nested = (_globals_in(part) for part in code.co_consts if isinstance(part, CodeType))
    return own.union(*nested)


def is_bound(cell: Any) -> bool:
    """Whether there is something in a closure's cell."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _names_in(code: CodeType) -> set[str]:
    nested = (_names_in(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*nested)
