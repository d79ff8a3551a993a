"""`compile`: a function that is recorded twice and then run as a program.

The first two calls of a kind are ordinary ones, recorded. Where they agree, and their inputs were
different, the calls that follow run the program that both have in common. Some of them are
recorded again and compared (the audit). What cannot be a program runs as it always did, and
`Compiled.explain` says why.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..errors import GraphError, explain
from ..modes import current
from ..tensor import Tensor
from ..tree import flatten
from .batches import Batches, fits
from .compare import close
from .draws import put_back, states
from .environment import Surroundings, leads_on
from .groups import Disagreement, disagreements
from .kind import Kind, description, shape_of
from .program import Program
from .quick import MISS, Quick
from .recorded import Recording, array_of, constant, is_array
from .report import report
from .running import Stale

__all__ = ["Compiled", "compile"]

MOST_KINDS = 64  # of calls with different shapes or settings; more of them run as they always did


def compile(
    function: Callable[..., Any] | None = None,
    *,
    audit: bool = True,
    native: bool = True,
    wait: bool = True,
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
        Whether to make machine code of all that has some. Else a program calls the same functions
        of NumPy as without it, one by one.
    wait : bool
        Whether the second call waits until the program is made. Else that happens in the
        background, and calls run as without `compile` until it is; before it takes over, what it
        gives is compared with what one more such call gives.

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
    are kinds of their own, recorded anew. A Python float among the arguments is an input, however,
    if nothing but operations, and ``+ - * / **`` on the way there, takes it. Effects other than on
    parameters, gradients and optimizers (printing, appending to a list) happen at recorded calls
    only.

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
    >>> print(norm.explain())  # doctest: +ELLIPSIS
    1 kind of call
      float64(2,): a program of 7 steps, run 1 time
        ...
    """
    if function is None:
        return functools.partial(compile, audit=audit, native=native, wait=wait)
    return Compiled(function, audit, native, wait)


class Compiled:
    """A function with its programs; `compile` makes it.

    Attributes
    ----------
    function : callable
        The function itself.
    programs : list of Program
        The programs there are, one for each kind of call; each has `steps`, `source`, `segments`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        audit: bool = True,
        native: bool = True,
        wait: bool = True,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.audit = audit
        self.native = native
        self.wait = wait
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        self.strangers = 0  # calls that no program is for
        # By the objects among the arguments.
        self._surroundings: dict[tuple[int, ...], Surroundings] = {(): Surroundings(function)}
        self._read: dict[Hashable, dict[int, str]] = {}  # floats that the function looks at
        self._lock = threading.RLock()  # of what was learned
        self._quick: Quick | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, by a program where there is one."""
        if self._quick is not None:
            result = self._quick(args, kwargs)
            if result is not MISS:
                return result
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, build = flatten((args, kwargs))
        with self._lock:
            kind = self._kind(leaves, args, kwargs)
            due = kind is not None and kind.due()
        if kind is None:
            self.strangers += 1
            foreign = _is_foreign(leaves)
            return self.function(*args, **kwargs) if foreign else self._plainly(leaves, build)
        pure = kind.program is not None and kind.program.is_pure
        with nullcontext() if pure else kind.lock:
            return self._learned(kind, due, leaves, build, args, kwargs)

    def _learned(
        self,
        kind: Kind,
        due: bool,
        leaves: list[Any],
        build: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call the function by what is known of calls of a kind."""
        if kind.program is not None and not due:
            try:
                return self._run(kind, leaves, args, kwargs)
            except Stale as stale:
                with self._lock:
                    kind.leave(stale)
                if not stale.lasting:
                    kind.others += 1
                    return self._plainly(leaves, build)
        kind.others += 1
        if kind.job is not None and kind.job.done():
            return self._tried(kind, leaves, build)
        if kind.program is None and not kind.worth_recording():
            return self._plainly(leaves, build)
        return self._record(kind, leaves, build)

    def _plainly(self, leaves: Sequence[Any], build: Any) -> Any:
        """Call the function as without `compile`, on constants as when it is recorded."""
        args, kwargs = build([constant(x) if is_array(x) else x for x in leaves])
        return self.function(*args, **kwargs)

    def _kind(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> Kind | None:
        """Return the kind of a call; None if programs are not for it."""
        if _is_foreign(leaves):
            return None
        shapes = shape_of(args), shape_of(kwargs)
        read = self._read.get(shapes, ())
        floats = tuple(i for i, x in enumerate(leaves) if type(x) is float and i not in read)
        given = tuple((float, "") if i in floats else description(x) for i, x in enumerate(leaves))
        around = self._around(leaves)
        if around is None:
            return None
        tape = current()
        rules = tuple((tape.rules or {}).items())
        key = (given, shapes, tape.recording, rules, around.key())
        for variant in itertools.count():  # by the gradients that were there before
            kind = self.kinds.get((*key, variant))
            if kind is None:
                break
            if kind.fits():
                return kind
        if len(self.kinds) >= MOST_KINDS:
            return None
        kind = self.kinds[*key, variant] = Kind(self.native, self.audit, self.wait, floats)
        kind.alive = around.alive
        return kind

    def _around(self, leaves: Sequence[Any]) -> Surroundings | None:
        """Return what the function sees besides arrays and numbers; None if it is ever more."""
        objects = [x for x in leaves if leads_on(x)]
        ids = tuple(map(id, objects))
        if ids not in self._surroundings and len(self._surroundings) <= MOST_KINDS:
            self._surroundings[ids] = Surroundings(self.function, objects)
        return self._surroundings.get(ids)

    def _run(self, kind: Kind, leaves: list[Any], args: Any, kwargs: Any) -> Any:
        recording = kind.recording
        results = kind.run(leaves)
        assert recording is not None
        kind.runs += 1
        with self._lock:
            if kind.program is not None:
                around = self._around(leaves)
                if around is not None:
                    self._quick = kind.pave(args, kwargs, around.test)
        return recording.results(results)

    def _record(self, kind: Kind, leaves: Sequence[Any], build: Any) -> Any:
        """Call the function as ever, and learn from it."""
        if kind.program is not None and not kind.program.holds():
            kind.leave(Stale("updates or captured arrays are others now", lasting=True))
        audited, calls = kind.program is not None, kind.calls
        recording = Recording(self.function, leaves, build, kind.floats)
        if audited and kind.calls != calls:  # another thread may have changed what both work on
            return recording.results()
        with self._lock:
            if recording.trace.read_floats:
                self._look(kind, recording, build(range(len(leaves))))
            else:
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
            is no program yet, a recording is due, or the program was given up.
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
        if kind is None or kind.program is None or kind.due():
            return None
        if kind.batches is None and fits(kind.program):
            kind.batches = Batches(kind.program)
        return kind

    def _look(self, kind: Kind, recording: Recording, tree: tuple[Any, Any]) -> None:
        """Note that floats are looked at: other values of theirs are other kinds from now on."""
        read = self._read.setdefault(tuple(map(shape_of, tree)), {})
        read |= recording.trace.read_floats
        self.kinds = {key: other for key, other in self.kinds.items() if other is not kind}
        self._quick = None

    def _tried(self, kind: Kind, leaves: list[Any], build: Any) -> Any:
        """Call the function as ever, and take on the program made meanwhile if it agrees."""
        kind.adopt()
        if kind.program is None:
            return self._plainly(leaves, build)
        random = kind.program.random
        before = states(random)
        try:
            found = kind.run(leaves) if kind.program.is_pure else None
        except Stale:
            found = None
        put_back(random, before)
        results = self._record(kind, leaves, build)
        arrays = [array_of(x) for x in flatten(results)[0] if is_array(x)]
        if found is not None and not all(map(close, found, arrays)):
            kind.refuse("the program gives other results than the function")
        return results

    @property
    def programs(self) -> list[Program]:
        """The programs there are."""
        return [kind.program for kind in self.kinds.values() if kind.program is not None]

    def explain(self) -> str:
        """Say for each kind of call what runs it, and why."""
        lines = report(self.kinds)
        lines += [
            f"  argument {i} counts by its value: the host looks at it at {line}"
            for read in self._read.values()
            for i, line in read.items()
        ]
        if self.strangers:
            lines.append(f"  {self.strangers} calls on the tape, or of kinds beyond {MOST_KINDS}")
        return "\n".join(lines)

    def postmortem(self, *args: Any, **kwargs: Any) -> str:
        """Say where NaN or infinity comes from in a call with these arguments.

        The operations of the program run one by one, on parameters as they are now, and change
        nothing. Nothing is kept of calls for this: pass the arguments of the one in question, and
        ask before further steps change the parameters.

        Returns
        -------
        str
            The first operation that makes NaN or infinity of finite operands, with the user's
            line, the element, and its operands; and arrays that were not finite before.
        """
        program, inputs = self._asked("postmortem", args, kwargs)
        return program.postmortem(inputs)

    def check(self, *args: Any, **kwargs: Any) -> list[Disagreement]:
        """Compare machine code with the operations that it stands for, on these arguments.

        Returns
        -------
        list of Disagreement
            Where they differ by more than rounding: operation, user's line, group. Mostly empty.
        """
        return disagreements(*self._asked("check", args, kwargs))

    def _asked(self, what: str, args: Any, kwargs: Any) -> tuple[Program, list[np.ndarray]]:
        """Return the program that takes a call, and its inputs; nothing is kept of calls."""
        leaves, _ = flatten((args, kwargs))
        with self._lock:
            kind = self._kind(leaves, args, kwargs)
        if kind is None or kind.program is None or kind.inputs is None:
            expected, do = f"{what}: arguments that a program takes", "See explain()"
            raise GraphError(explain(expected, "a call that has none", do))
        return kind.program, kind.inputs(leaves)


def _is_foreign(leaves: Sequence[Any]) -> bool:
    """Whether somebody follows what a call does: another recording, or the tape."""
    on_tape = any(isinstance(x, Tensor) and x.node is not None for x in leaves)
    return on_tape or current().trace is not None
