"""Kind: the calls that one program can take, and what was learned from those recorded.

A kind goes from *recorded once* to a program, or becomes hopeless: then the function runs as it
always did. A run that finds something changed for good (`Stale.lasting`) sends it back to start.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import GraphError, explain
from ..kernels import blas, team
from ..tensor import Tensor
from .background import Job
from .batches import Batches
from .compare import alike, fresh
from .draws import put_back, states
from .environment import Surroundings
from .garbage import seldom_collected
from .likeness import Likeness
from .program import Program
from .quick import Quick, quick
from .record import Value
from .recorded import Recording
from .running import Stale
from .sharing import Family, find, forget, keep, read

__all__ = ["Kind", "Options", "description", "shape_of", "sizeless"]

MOST_QUICK_WAYS = 4  # of one kind; where surroundings change all the time it is not worth while


class Options(NamedTuple):
    """What `compile` was told."""

    audit: bool = True
    native: bool = True
    wait: bool = True
    dynamic: bool | None = None


class Kind:
    """The calls of one kind: what was recorded of them, and the program.

    Parameters
    ----------
    options : Options
    floats : tuple of int
        The positions of the arguments that are Python floats and inputs.
    settings : hashable
        How the arguments are nested, and the mode of the tape; None if programs of other
        functions are no help.
    elder : Program, optional
        Of a kind that differs in sizes alone.
    """

    def __init__(
        self,
        options: Options,
        floats: tuple[int, ...] = (),
        settings: Hashable = None,
        elder: Program | None = None,
    ) -> None:
        self.options = options
        self.floats = floats
        self.settings = settings
        self.elder = elder
        # Whether machine code shall be for other sizes, too.
        self.general = elder is not None if options.dynamic is None else options.dynamic
        self.family: Family | None = None  # of the program, if others share it
        self.constants: set[Value] = set()
        self.runs = 0  # calls that the program took
        self.others = 0
        self.lock = threading.RLock()  # held by calls that change something
        self.limit = 0.0  # the number of runs before which a recording is due
        self.quick: Quick | None = None
        self.quick_ways = 0  # that were made
        self.batches: Batches | None = None
        self.left: dict[str, int] = {}  # why runs were given up, and how often
        self.reason: str | None = "recorded once"  # why there is no program
        self.hopeless = False
        self.recording: Recording | None = None
        self.program: Program | None = None
        self.alive: list[Any] = []  # what the key of the kind names
        self.inputs: Callable[..., list[np.ndarray]] | None = None  # of a call's leaves
        self.job: Job | None = None

    def fits(self) -> bool:
        """Whether gradients are there, or not, as they were before the recorded call."""
        if self.recording is None:
            return True
        return all((x._grad is None) is bare for x, bare in self.recording.trace.bare.items())

    # -------------------------------------------------------------------------- to learn

    def learn(self, recording: Recording) -> None:
        """Take in another recording; make a program if it shows that one is right."""
        before = self.recording
        if recording.trace.overflowed:
            self.reason = "a gradient was not finite"
            return
        if self.program is not None and before is not None and before.parts_from(recording):
            return  # the program would have been given up at this call
        self.recording = recording
        found = recording.objection()
        if found is None and before is not None:
            found = before.difference(recording)
        self.hopeless = found is not None
        if self.hopeless or before is None:
            self.reason = found or "recorded once"
        elif self.program is None and before.leaves_open(recording):
            self.reason = "recorded with equal inputs only, which proves no constant"
        elif self.program is None:
            self.constants = fresh(before.trace, recording.trace)
            self.make(partial(self._program, recording))
            recording.before.clear()  # they have proved what they could

    def _program(self, recording: Recording) -> Program:
        for segment in self.elder.segments if self.general and self.elder is not None else ():
            segment.announce()
        made = recording.trace, recording.outputs, self.options.native, self.constants
        with seldom_collected():
            return Program(*made, self.general)

    def make(self, task: Callable[[], Program]) -> None:
        """Make the program, now or in the background."""
        self.reason = "being compiled"
        self.job = Job(task, background=not self.options.wait)
        if self.options.wait:
            self.adopt()

    def adopt(self) -> None:
        """Take what the job has made."""
        assert self.job is not None and self.recording is not None
        job, self.job = self.job, None
        if job.error is not None:
            self.refuse(f"compiling failed: {type(job.error).__name__}: {job.error}")
            return
        self.program = job.result
        self.inputs = self.recording.converter()
        self.quick, self.quick_ways, self.batches = None, 0, None

    # ------------------------------------------------------------------------- to share

    def likeness(self, around: Surroundings | None, leaves: Sequence[Any]) -> Likeness | None:
        """Read what was recorded; None if no other program can help, or be helped.

        Parameters
        ----------
        around : Surroundings or None
            Of the function.
        leaves : sequence
            What lies in the containers of a call.
        """
        if around is None or self.settings is None or self.recording is None:
            return None
        if not self.options.wait:
            return None
        products = blas.available(), blas.is_alone(), team.shares_products(), team.shares_loops()
        code = self.options.native and (products, self.general)  # which machine code it is
        settings = self.settings, code
        return read(self.recording, around.things, leaves, settings)

    def offer(self, around: Surroundings | None, leaves: Sequence[Any]) -> None:
        """Let others share the program that was made, if one was."""
        likeness = None if self.program is None else self.likeness(around, leaves)
        if likeness is not None and self.program is not None and self.recording is not None:
            self.family = keep(self.program, likeness, self.recording, self.constants)

    def relatives(self, likeness: Likeness | None, arrays: Sequence[np.ndarray]) -> Family | None:
        """Return whose program is right for the second call of the kind, on other inputs."""
        if likeness is None or self.recording is None:
            return None
        family = find(likeness, self.recording)
        if (
            family is not None
            and family.constants
            and all(map(alike, self.recording.before, arrays))
        ):
            return None  # two recordings would not prove the constants, either
        return family

    def join(self, family: Family, likeness: Likeness) -> None:
        """Take the program of a family, on what was recorded."""
        assert self.recording is not None
        self.program, self.family = family.program(likeness), family
        self.inputs = self.recording.converter()
        self.recording.before.clear()
        if not self.program.holds():
            self.program = self.family = self.recording = None

    def spared(self) -> bool:
        """Whether the audit of a program that is shared has agreed at this call before."""
        if self.family is None or self.program is None or self.calls not in self.family.audited:
            return False
        return self.program.holds()

    def audited(self, recording: Recording, function: Callable[..., Any]) -> None:
        """Note that an audit has agreed; raise if it has not."""
        if self.family is not None and not self.hopeless and self.recording is recording:
            self.family.audited.add(self.calls)
        if not self.hopeless:
            return
        if self.family is not None:
            forget(self.family)
        name = getattr(function, "__name__", "the function")
        what = f"compile: a function that does the same at every call of a kind ({name})"
        do = "Pass what changes as an argument, or call it without compile"
        raise GraphError(explain(what, self.reason, do))

    def refuse(self, reason: str) -> None:
        """Let the function run as it always did."""
        self.program = self.quick = self.batches = self.family = None
        self.hopeless, self.reason = True, reason

    def leave(self, stale: Stale) -> None:
        """Note that a run was given up; start anew if the program is no longer right."""
        self.left[str(stale)] = self.left.get(str(stale), 0) + 1
        if stale.lasting:
            self.program = self.recording = self.quick = self.batches = self.family = None

    # ---------------------------------------------------------------------------- to run

    @property
    def calls(self) -> int:
        """How often the function was called."""
        return self.runs + self.others

    def worth_recording(self) -> bool:
        """Whether to try again to make a program; ever more rarely, because it takes its time."""
        if self.hopeless or self.job is not None:
            return False
        return self.calls <= 4 or self.recording is None or self.calls & (self.calls - 1) == 0

    def due(self) -> bool:
        """Whether the audit wants the next call recorded again: 3, 10, 100, 1000, ..."""
        after = self.calls + 1
        power = 10 ** (len(str(after)) - (str(after).strip("0") == "1" and after > 1))
        due = 3 if after <= 3 else max(power, 10)
        if self.family is not None and self.program is not None and self.program.is_reversible:
            while due in self.family.audited:
                due = 10 if due == 3 else 10 * due
        self.limit = due - self.others if self.options.audit else math.inf
        return self.options.audit and after == due

    def run(self, leaves: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Run the program on what lies in the containers of a call."""
        program, inputs = self.program, self.inputs
        if program is None or inputs is None:
            raise Stale("another thread has given up the program")
        return program.run(inputs(leaves))

    def tried(self, leaves: Sequence[Any]) -> tuple[np.ndarray, ...] | None:
        """Return what a program that changes nothing gives; generators are as before."""
        program = self.program
        if program is None or not program.is_pure:
            return None
        before = states(program.random)
        try:
            return self.run(leaves)
        except Stale:
            return None
        finally:
            put_back(program.random, before)

    def snapshot(self) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Return what a call overwrites, with copies, if the program can repeat the call."""
        reversible = self.program is not None and self.program.is_reversible
        return self.program.snapshot() if reversible and self.program is not None else None

    def repeated(
        self, before: Sequence[tuple[np.ndarray, np.ndarray]], leaves: Sequence[Any]
    ) -> Any:
        """Take back what a call has overwritten, and have the program do the call."""
        for array, copy in before:
            array[...] = copy
        found, recording = self.run(leaves), self.recording
        if recording is None:
            raise Stale("another thread has given up the program")
        return recording.results(found)

    def pave(self, args: Any, kwargs: Any, around: Surroundings) -> Quick | None:
        """Make the quick way for calls like this one, but not again and again; return it."""
        assert self.program is not None and self.recording is not None
        if self.quick_ways < MOST_QUICK_WAYS and self.program.is_native:
            self.quick_ways += 1
            self.quick = quick(self, args, kwargs, around)
        return self.quick


def description(x: Any) -> Hashable:
    """Return what a program takes for granted of an argument."""
    if isinstance(x, Tensor):
        return x._value.dtype, x._value.shape, "tensor"
    if isinstance(x, np.ndarray | np.floating):
        return x.dtype, x.shape
    if type(x) is float:
        return float, repr(x)  # 0.0 and -0.0 are equal, but not the same
    return (type(x), x) if isinstance(x, Hashable) else (type(x), id(x))


def sizeless(key: Sequence[Any]) -> Hashable:
    """Return what calls of other sizes have in common with those of a kind, by its key."""
    given, *others = key
    found = (tuple(len(x) if type(x) is tuple else x for x in known) for known in given)
    return tuple(found), *others


def shape_of(tree: Any) -> Hashable:
    """Return how containers are nested."""
    if isinstance(tree, dict):
        return (dict, *((key, shape_of(value)) for key, value in tree.items()))
    if isinstance(tree, list | tuple):
        return (type(tree), *map(shape_of, tree))
    return None
