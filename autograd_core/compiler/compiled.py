"""`compile`: a function that is recorded twice and then run as a program.

The first two calls of a kind are ordinary ones, recorded. Where they agree, and their inputs were
different, the calls that follow run the program that both have in common. Some of them are
recorded again and compared (the audit). What cannot be a program runs as it always did, and
`Compiled.explain` says why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..errors import GraphError, explain
from ..modes import current, traced
from ..tensor import Tensor, wrap
from ..tree import flatten
from .batches import Batches, fits
from .compare import alike, difference, fresh, unproven
from .emit import Stale
from .environment import Surroundings
from .program import Program, objection
from .quick import MISS, Quick, quick
from .record import Trace, Value

__all__ = ["Compiled", "compile"]

MOST_QUICK_WAYS = 4  # of one kind; where surroundings change all the time it is not worth while
MOST_KINDS = 64  # of calls with different shapes or settings; more of them run as they always did


def compile(
    function: Callable[..., Any] | None = None, *, audit: bool = True, native: bool = True
) -> Any:
    """Turn a function into a program of the operations that it applies.

    Parameters
    ----------
    function : callable
        Takes and returns nested containers of arrays, tensors and Python values. It may call
        ``backward()``, ``optimizer.step()`` and transforms such as `value_and_grad`. Parameters
        and optimizers that it reaches are updated in place.
    audit : bool
        Whether to record the calls 3, 10, 100, 1000, ... again and compare.
    native : bool
        Whether to make machine code of elementwise operations, sums and matrix products. Else a
        program calls the same functions of NumPy as without it, one by one.

    Returns
    -------
    Compiled
        Called like the function. Tensors in its results are constants.

    Raises
    ------
    GraphError
        At a call that the audit finds to do something else than the program does.

    Notes
    -----
    Calls with other shapes, dtypes, Python values or settings (``model.eval()``, another closure)
    are kinds of their own, recorded anew. Effects other than on parameters, gradients and
    optimizers (printing, appending to a list) happen at recorded calls only.

    A program has no tape. A call with operands on the tape, or a function whose result can still
    be differentiated, runs as it always did: call ``backward()`` within, or use `no_grad`.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> norm = ag.compile(ag.value_and_grad(lambda x: ag.sqrt(ag.sum(x * x))))
    >>> for x in ([3.0, 4.0], [6.0, 8.0], [8.0, 15.0], [5.0, 12.0]):
    ...     value, gradient = norm(np.array(x))
    >>> value
    np.float64(13.0)
    >>> print(norm.explain())
    1 kind of call
      float64(2,): a program of 7 steps, run 1 time
    """
    if function is None:
        return functools.partial(compile, audit=audit, native=native)
    return Compiled(function, audit, native)


class Kind:
    """The calls of one kind: what was recorded of them, and the program."""

    def __init__(self, native: bool, audit: bool) -> None:
        self.native = native
        self.audit = audit
        self.runs = 0  # calls that the program took
        self.others = 0
        self.limit = 0.0  # the number of runs before which a recording is due
        self.quick: Quick | None = None
        self.quick_ways = 0  # that were made
        self.batches: Batches | None = None
        self.left: dict[str, int] = {}  # why runs were given up, and how often
        self.reason: str | None = "recorded once"  # why there is no program
        self.hopeless = False
        self.recording: Recording | None = None
        self.program: Program | None = None

    def learn(self, recording: Recording) -> None:
        """Take in another recording; make a program if it shows that one is right."""
        before, self.recording = self.recording, recording
        found = recording.objection()
        if found is None and before is not None:
            found = before.difference(recording)
        self.hopeless = found is not None
        if self.hopeless or before is None:
            self.reason = found or "recorded once"
        elif self.program is None and before.leaves_open(recording):
            self.reason = "recorded with equal inputs only, which proves no constant"
        elif self.program is None:
            constants = fresh(before.trace, recording.trace)
            self.program = Program(recording.trace, recording.outputs, self.native, constants)
            self.quick, self.quick_ways, self.batches = None, 0, None
            recording.before.clear()  # they have proved what they could

    def leave(self, stale: Stale) -> None:
        """Note that a run was given up; start anew if the program is no longer right."""
        self.left[str(stale)] = self.left.get(str(stale), 0) + 1
        if stale.lasting:
            self.recording = self.program = self.quick = self.batches = None

    def worth_recording(self) -> bool:
        """Whether to try again to make a program; ever more rarely, because it takes its time."""
        return self.calls <= 4 or self.recording is None or self.calls & (self.calls - 1) == 0

    @property
    def calls(self) -> int:
        """How often the function was called."""
        return self.runs + self.others

    def due(self) -> bool:
        """Whether the audit wants the next call recorded again: 3, 10, 100, 1000, ..."""
        after = self.calls + 1
        power = 10 ** (len(str(after)) - (str(after).strip("0") == "1" and after > 1))
        due = 3 if after <= 3 else max(power, 10)
        self.limit = due - self.others if self.audit else math.inf
        return self.audit and after == due

    def pave(self, leaves: Sequence[Any], unchanged: Callable[[], Callable[[], bool]]) -> None:
        """Make the quick way for calls like this one, but not again and again."""
        assert self.program is not None and self.recording is not None
        if self.quick_ways < MOST_QUICK_WAYS and self.program.is_native and _is_flat(leaves):
            self.quick_ways += 1
            way = quick(self.program.emission, leaves, self, unchanged(), self.recording)
            self.quick = way


class Recording:
    """One recorded call: its trace, its inputs and where its results come from."""

    def __init__(self, function: Callable[..., Any], leaves: Sequence[Any], build: Any) -> None:
        # Views, so that one array passed twice is two inputs.
        arrays = [_array(x).view() for x in leaves if _is_array(x)]
        self.trace = Trace(arrays)
        tensors = iter([wrap(array, None) for array in arrays])
        args, kwargs = build([next(tensors) if _is_array(x) else x for x in leaves])
        with traced(self.trace):
            self.result = function(*args, **kwargs)
        flat, self.build = flatten(self.result)
        self.live = any(_can_be_differentiated(x) for x in flat)
        self.flat = [self._place(x) for x in flat]
        self.outputs = [x for x in self.flat if isinstance(x, Value)]
        self.plain = [isinstance(x, Tensor) and self.trace.is_plain(x._value) for x in flat]
        self.before = [array.copy() for array in arrays]
        self.trace.close()

    def _place(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.trace.value(x._value, x)
        return self.trace.value(x) if isinstance(x, np.ndarray) else x

    def objection(self) -> str | None:
        """Say why no program can be made; None if one can."""
        if self.live:
            return "a result that can be differentiated: call it under no_grad(), or detach() it"
        return objection(self.trace)

    def difference(self, other: Recording) -> str | None:
        """Say where two recordings differ; None if they do not."""
        mine = [x.index if isinstance(x, Value) else x for x in self.flat]
        theirs = [x.index if isinstance(x, Value) else x for x in other.flat]
        found = difference(self.trace, other.trace)
        return found or (None if alike(mine, theirs) else "results that change without operations")

    def leaves_open(self, other: Recording) -> bool:
        """Whether equal inputs may be the reason for equal constants."""
        same = all(map(alike, self.before, other.before))
        return same and unproven(self.trace, other.trace)

    def text(self, names: Sequence[str], named: Callable[[str, Any], str]) -> str:
        """Return an expression for the result, of the names of arrays."""
        left = iter(names)
        flat = [
            _handed_text(next(left), x, p) if isinstance(x, Value) else named("leaf", x)
            for x, p in zip(self.flat, self.plain, strict=True)
        ]
        alone = self.build([0]) == 0 if len(flat) == 1 else False
        return flat[0] if alone else f"{named('build', self.build)}([{', '.join(flat)}])"

    def results(self, arrays: Sequence[np.ndarray] | None = None) -> Any:
        """Return the results, of this call or of another, in the function's containers."""
        if arrays is None:
            result, self.result = self.result, None
            if self.live:
                return result
            arrays = [_array(x).copy() for x in flatten(result)[0] if _is_array(x)]
        found = iter(arrays)
        pairs = zip(self.flat, self.plain, strict=True)
        return self.build(
            [_handed(next(found), p) if isinstance(x, Value) else x for x, p in pairs]
        )


def _is_flat(leaves: Sequence[Any]) -> bool:
    return all(isinstance(x, Tensor) or type(x) is np.ndarray for x in leaves)


def _handed(array: np.ndarray, plain: bool) -> Any:
    return (array if array.shape else array[()]) if plain else wrap(array, None)


def _handed_text(name: str, value: Value, plain: bool) -> str:
    if not plain:
        return f"wrap({name}, None)"
    return name if value.shape else f"{name}[()]"


def _can_be_differentiated(x: Any) -> bool:
    """Whether somebody may still ask for a derivative of a result."""
    node = x.node if isinstance(x, Tensor) and current().recording else None
    return node is not None and node.links is not None


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray | np.floating)


def _array(x: Any) -> np.ndarray:
    array: np.ndarray = x._value if isinstance(x, Tensor) else np.asarray(x)
    return array


class Compiled:
    """A function that `compile` has taken on; see there."""

    def __init__(
        self, function: Callable[..., Any], audit: bool = True, native: bool = True
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.audit = audit
        self.native = native
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        self.strangers = 0  # calls that no program is for
        self._surroundings = Surroundings(function)
        self._quick: Quick | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, by a program where there is one."""
        if self._quick is not None and not kwargs:
            result = self._quick(args)
            if result is not MISS:
                return result
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, build = flatten((args, kwargs))
        kind = self._kind(leaves, args, kwargs)
        if kind is None:
            self.strangers += 1
            return self.function(*args, **kwargs)
        due = kind.due()
        if kind.program is not None and not due:
            try:
                return self._run(kind, leaves, args)
            except Stale as stale:
                kind.leave(stale)
                if not stale.lasting:
                    kind.others += 1
                    return self.function(*args, **kwargs)
        kind.others += 1
        if kind.hopeless or not (kind.program or kind.worth_recording()):
            return self.function(*args, **kwargs)
        return self._record(kind, leaves, build)

    def _kind(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> Kind | None:
        """Return the kind of a call; None if programs are not for it."""
        if current().trace is not None or any(_on_tape(x) for x in leaves):
            return None
        given = tuple(map(_description, leaves))
        shapes = _shape_of(args), _shape_of(kwargs)
        key = (given, shapes, current().recording, self._surroundings.key())
        if key not in self.kinds and len(self.kinds) >= MOST_KINDS:
            return None
        return self.kinds.setdefault(key, Kind(self.native, self.audit))

    def _run(self, kind: Kind, leaves: Sequence[Any], args: tuple[Any, ...]) -> Any:
        assert kind.program is not None and kind.recording is not None
        results = kind.program.run([_array(x) for x in leaves if _is_array(x)])
        kind.runs += 1
        if len(args) == len(leaves):
            kind.pave(args, self._surroundings.test)
            self._quick = kind.quick
        return kind.recording.results(results)

    def _record(self, kind: Kind, leaves: Sequence[Any], build: Any) -> Any:
        """Call the function as ever, and learn from it."""
        if kind.program is not None and not kind.program.holds():
            kind.leave(Stale("updates or captured arrays are others now", lasting=True))
        audited = kind.program is not None
        recording = Recording(self.function, leaves, build)
        kind.learn(recording)
        if audited and kind.hopeless:
            name = getattr(self.function, "__name__", "the function")
            what = f"compile: a function that does the same at every call of a kind ({name})"
            do = "Pass what changes as an argument, or call it without compile"
            raise GraphError(explain(what, kind.reason, do))
        return recording.results()

    def over(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray,
        settings: Callable[[Sequence[np.ndarray], int], np.ndarray] | None = None,
    ) -> tuple[int, np.ndarray]:
        """Call the function on many batches of rows, natively, as far as that goes.

        Parameters
        ----------
        arrays : sequence of ndarray
            One for each argument, with the rows of all examples.
        order : ndarray of int64, shape (calls, rows)
            Which rows make a batch.
        settings : callable, optional
            Given the arrays of float64 that hold the settings of the optimizers, and a number of
            calls, returns what they are to hold at each, in a row.

        Returns
        -------
        int
            How many calls were done. The next batch has to be passed to the function itself: there
            is no program yet, a recording is due, or it was given up.
        ndarray of float64, shape (calls, outputs)
            The numbers that the function returned.
        """
        kind = self._kind_of_rows(arrays, order)
        steps = 0 if kind is None else int(min(len(order), kind.limit - kind.runs - 1))
        if kind is None or steps <= 0 or kind.batches is None:
            return 0, np.empty((0, 0))
        try:
            done, figures = kind.batches.run(arrays, order[:steps], settings)
        except Stale as stale:
            kind.leave(stale)
            return 0, np.empty((0, 0))
        kind.runs += done
        return done, figures

    def _kind_of_rows(self, arrays: Sequence[np.ndarray], order: np.ndarray) -> Kind | None:
        """Return the kind of calls on rows of arrays, if its program can do many of them."""
        batch = [array[order[0]] for array in arrays]
        kind = self._kind(batch, tuple(batch), {}) if len(order) else None
        if kind is None or kind.program is None or kind.recording is None or kind.due():
            return None
        if kind.batches is None and fits(kind.program):
            kind.batches = Batches(kind.program)
        return kind

    @property
    def programs(self) -> list[Program]:
        """The programs there are."""
        return [kind.program for kind in self.kinds.values() if kind.program is not None]

    def explain(self) -> str:
        """Say for each kind of call what runs it, and why."""
        plural = "" if len(self.kinds) == 1 else "s"
        lines = [f"{len(self.kinds)} kind{plural} of call"]
        for (given, *_), kind in self.kinds.items():
            lines.append(f"  {', '.join(map(_in_words, given))}: {_summary(kind)}")
        if self.strangers:
            lines.append(f"  {self.strangers} calls on the tape, or of kinds beyond {MOST_KINDS}")
        return "\n".join(lines)


def _summary(kind: Kind) -> str:
    left = "".join(f"; left {count}×: {reason}" for reason, count in kind.left.items())
    if kind.program is None:
        return f"no program: {kind.reason}{left}"
    times = "1 time" if kind.runs == 1 else f"{kind.runs} times"
    islands = ", ".join(dict.fromkeys(kind.program.islands))
    alone = f"; one by one: {islands}" if islands and kind.program.segments else ""
    return f"a program of {len(kind.program.steps)} steps, run {times}{alone}{left}"


def _on_tape(x: Any) -> bool:
    return isinstance(x, Tensor) and x.node is not None


def _description(x: Any) -> Hashable:
    """Return what a program takes for granted of an argument."""
    if isinstance(x, Tensor):
        return x._value.dtype, x._value.shape, "tensor"
    if isinstance(x, np.ndarray | np.floating):
        return x.dtype, x.shape
    return (type(x), x) if isinstance(x, Hashable) else (type(x), id(x))


def _in_words(description: Any) -> str:
    what, value, *_ = description
    return f"{what}{value}" if isinstance(what, np.dtype) else f"{value!r:.40}"


def _shape_of(tree: Any) -> Hashable:
    """Return how containers are nested."""
    if isinstance(tree, dict):
        return (dict, *((key, _shape_of(value)) for key, value in tree.items()))
    if isinstance(tree, list | tuple):
        return (type(tree), *map(_shape_of, tree))
    return None
