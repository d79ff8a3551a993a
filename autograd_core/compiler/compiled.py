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
from ..tree import flatten
from .batches import Settings
from .compare import close
from .environment import Surroundings, leads_on
from .garbage import seldom_collected
from .groups import Disagreement, disagreements
from .kind import Kind, Options, description, shape_of, sizeless
from .program import Program
from .quick import MISS, Quick
from .recorded import Recording, Unnoted, array_of, constant, is_array, is_foreign
from .relay import Leg, relay
from .report import report
from .rows import Rows, run, with_batches
from .running import Stale

__all__ = ["Compiled", "compile"]

MOST_KINDS, MOST_SIZES = 64, 1024  # of calls; and if others differ in sizes alone


def compile(
    function: Callable[..., Any] | None = None,
    *,
    audit: bool = True,
    native: bool = True,
    wait: bool = True,
    dynamic: bool | None = None,
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
    dynamic : bool, optional
        Whether machine code is for arrays of any size: what is made for the second size serves
        all further ones, but makes less of a size that is known. By default only the first size
        has its own. False: each has.

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
        return functools.partial(compile, audit=audit, native=native, wait=wait, dynamic=dynamic)
    return Compiled(function, Options(audit, native, wait, dynamic))


class Compiled:
    """A function with its programs; `compile` makes it.

    Attributes
    ----------
    function : callable
        The function itself.
    programs : list of Program
        The programs there are, one for each kind of call; each has `steps`, `source`, `segments`.
    rows : Rows
        The kinds of calls on rows of arrays, as they were found last.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        self.strangers = 0  # calls that no program is for
        # By the objects among the arguments.
        self._surroundings: dict[tuple[int, ...], Surroundings] = {(): Surroundings(function)}
        self._read: dict[Hashable, dict[int, str]] = {}  # floats that the function looks at
        self._lock = threading.RLock()  # of what was learned
        self._quick: Quick | None = None
        self.rows = Rows(self._surroundings[()])

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
            foreign = is_foreign(leaves)
            return self.function(*args, **kwargs) if foreign else self._plainly(leaves, build)
        pure = kind.program is not None and kind.program.is_pure
        with nullcontext() if pure else kind.lock:
            return self._learned(kind, due, leaves, build, args, kwargs)

    def _learned(
        self, kind: Kind, due: bool, leaves: list[Any], build: Any, args: Any, kwargs: Any
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
        if kind.spared():
            return Unnoted(self.function, leaves, build).results()
        if kind.calls == 2 and kind.program is None:
            return self._second(kind, leaves, build)
        return self._record(kind, leaves, build)

    @seldom_collected()
    def _second(self, kind: Kind, leaves: Sequence[Any], build: Any) -> Any:
        """Take over a program that others have, or make one, at a call as ever."""
        likeness = kind.likeness(self._around(leaves), leaves)
        family = kind.relatives(likeness, [array_of(x) for x in leaves if is_array(x)])
        if family is None or likeness is None:
            return self._record(kind, leaves, build)
        results = Unnoted(self.function, leaves, build).results()
        kind.join(family, likeness)
        return results

    def _plainly(self, leaves: Sequence[Any], build: Any) -> Any:
        """Call the function as without `compile`, on constants as when it is recorded."""
        args, kwargs = build([constant(x) if is_array(x) else x for x in leaves])
        return self.function(*args, **kwargs)

    def _kind(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> Kind | None:
        """Return the kind of a call; None if programs are not for it."""
        if is_foreign(leaves):
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
        alike = sizeless((*key, variant))
        last = reversed(self.kinds.items())  # the first one's machine code is for one size alone
        elders = (k.program for other, k in last if sizeless(other) == alike)
        elder = next(filter(None, elders), None)
        if len(self.kinds) >= (MOST_KINDS if elder is None else MOST_SIZES):
            return None
        settings = None if rules else (shapes, tape.recording)
        kind = Kind(self.options, floats, settings, elder)
        self.kinds[*key, variant] = kind
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
                    self._quick = kind.pave(args, kwargs, around)
        return recording.results(results)

    @seldom_collected()
    def _record(self, kind: Kind, leaves: Sequence[Any], build: Any, repeat: bool = True) -> Any:
        """Call the function as ever, and learn from it.

        If it is compared with a program that can `repeat` the call, what the program does counts.
        """
        if kind.program is not None and not kind.program.holds():
            kind.leave(Stale("updates or captured arrays are others now", lasting=True))
        audited, calls = kind.program is not None, kind.calls
        before = kind.snapshot() if repeat else None
        recording = Recording(self.function, leaves, build, kind.floats)
        if audited and kind.calls != calls:  # another thread may have changed what both work on
            return recording.results()
        with self._lock:
            if recording.trace.read_floats:
                self._look(kind, recording, build(range(len(leaves))))
            else:
                kind.learn(recording)
                if not audited:
                    kind.offer(self._around(leaves), leaves)
        if audited:
            kind.audited(recording, self.function)
        if before is None or kind.program is None:
            return recording.results()
        try:
            return kind.repeated(before, leaves)
        except Stale:
            return self._plainly(leaves, build)

    def over(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray,
        settings: Settings | None = None,
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
        done = self.rows.again(arrays, order, settings)
        if done is not None:
            return done
        seen = self.rows.seen(order.shape[1])
        kind = self._kind_of_rows(arrays, order)
        return run(kind, arrays, order, settings, seen)

    relay = staticmethod(relay)

    def leg(self, *given: Any) -> Leg:
        """Return what this function does in each round of a `relay`."""
        return Leg(self.rows, *given)

    def _kind_of_rows(self, arrays: Sequence[np.ndarray], order: np.ndarray) -> Kind | None:
        """Return the kind of calls on rows of arrays, if its program can do many of them."""
        count = order.shape[1]
        kind = self.rows.find(arrays, count)
        if kind is None and len(order):
            batch = [array[order[0]] for array in arrays]
            kind = self._kind(batch, tuple(batch), {})
            self.rows.note(kind, arrays, count)
        return with_batches(kind)

    def _look(self, kind: Kind, recording: Recording, tree: tuple[Any, Any]) -> None:
        """Note that floats are looked at: other values of theirs are other kinds from now on."""
        read = self._read.setdefault(tuple(map(shape_of, tree)), {})
        read |= recording.trace.read_floats
        self.kinds = {key: other for key, other in self.kinds.items() if other is not kind}
        self._quick = None
        self.rows.clear()

    def _tried(self, kind: Kind, leaves: list[Any], build: Any) -> Any:
        """Call the function as ever, and take on the program made meanwhile if it agrees."""
        kind.adopt()
        if kind.program is None:
            return self._plainly(leaves, build)
        found = kind.tried(leaves)
        results = self._record(kind, leaves, build, repeat=False)
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
            expected = f"{what}: arguments that a program takes"
            raise GraphError(explain(expected, "a call that has none", "See explain()"))
        return kind.program, kind.inputs(leaves)
