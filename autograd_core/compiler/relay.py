"""Relay: several compiled functions in turn, round after round, in one call of machine code.

A round of a training is steps on batches of rows, one of fewer rows, and then another function on
other rows, which judges. Where nothing else is to be done in between, machine code goes on with
the next round by itself. After each it keeps a copy of all that the functions overwrite, so that
any of them can still become the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..guard import wrote_all
from ..kernels.jit import compile_source
from ..tape import clock
from .arena import Arena
from .assembly import COPY
from .batches import Batches, Plan, Settings, checked, planned
from .kind import Kind
from .layout import address
from .rows import Rows
from .words import DATA

__all__ = ["Leg", "Rounds", "relay"]

MOST = 1 << 24  # bytes of copies

Orders = Callable[[int], Sequence[np.ndarray]]

# The words say how many rounds, programs and arrays there are, where the copies go, how long those
# of a round are, and whether there are any; then of each program its address and its table's,
# where in that it says how many steps to do, how many there are, and where in each round their
# order begins, their figures go and their settings are (nowhere if they stay as they are): the
# place in the first one, and the distance; then of each array where it is, and its length.
COPIED, FIRST = 5, 6  # words: there are copies, and the first program
SOURCE = f"""
import numpy as np
{COPY}
@inline_calls
def moved(at, rounds, away):
    array = at + {8 * FIRST} + 80 * load(at + 8)
    copies = load(at + 24) + rounds * load(at + 32)
    for _ in range(load(at + 16)):
        size = load(array + 8)
        x, y = view(load(array), size, np.uint8), view(copies, size, np.uint8)
        if away:
            copy(y, x)
        else:
            copy(x, y)
        copies += size
        array += 16

def run(words):
    at = load(place(words) + {DATA})
    rounds, programs = load(at), load(at + 8)
    thread = leave()
    moved(at, 0, True)
    store(at + {8 * COPIED}, 1)
    done, status = 0, 0
    while done < rounds:
        leg = at + {8 * FIRST}
        for _ in range(programs):
            if status == 0:
                control = load(leg + 16)
                store(control, load(leg + 24))
                store(control + 8, load(leg + 32) + done * load(leg + 40))
                store(control + 16, load(leg + 64) + done * load(leg + 72))
                store(control + 24, load(leg + 48) + done * load(leg + 56))
                status = finished(load(leg), load(leg + 8))
                store(control, 0)
            leg += 80
        if status != 0:
            break
        done += 1
        moved(at, done, True)
    enter(thread)
    return done

def restore(words, rounds):
    moved(load(place(words) + {DATA}), rounds, False)
"""


class Leg(NamedTuple):
    """What one function does in each round.

    Parameters
    ----------
    rows : Rows
        Of the function.
    arrays : sequence of ndarray
        One for each argument, with the rows of all examples.
    calls, size : int
        How many calls there are, and on how many rows each.
    within : callable
        Returns a context in which the function is called.
    """

    rows: Rows
    arrays: Sequence[np.ndarray]
    calls: int
    size: int
    within: Callable[[], AbstractContextManager[Any]] = nullcontext


class Rounds:
    """Rounds that were done.

    Attributes
    ----------
    count : int
        How many. The next one has to be done otherwise if they are fewer than asked for.
    figures : list of ndarray of float64, shape (rounds, calls, outputs)
        For each leg, the numbers that the function returned.
    """

    def __init__(
        self,
        runners: Sequence[_Runner],
        orders: Sequence[np.ndarray],
        rounds: int,
        course: _Course,
    ) -> None:
        self.count = 0
        self._runners = runners
        self._course = course
        arrays = {id(array): array for runner in runners for array in runner.state}
        self._state = list(arrays.values())
        sizes = [array.nbytes for array in self._state]
        self._copies = np.empty((rounds + 1, sum(sizes)), np.uint8)
        self.figures = [runner.figures(rounds) for runner in runners]
        words = [rounds, len(runners), len(sizes), address(self._copies), sum(sizes), 0]
        for runner, *given in zip(runners, orders, self.figures, strict=True):
            words += runner.words(*given) + course.words(runner)
        for array in self._state:
            words += [address(array), array.nbytes]
        self._words = np.array(words, np.int64)
        try:
            self._run(rounds)
        except BaseException:  # Ctrl-C while it ran
            if self._words[COPIED]:
                self.back(0, again=True)
            raise

    def _run(self, rounds: int) -> None:
        try:
            self._counted(_machine("run", "(Here,)")(self._words))
        finally:
            self._course.plan.leave()
        pairs = zip(self._runners, self.figures, strict=True)
        self.figures = [runner.batches.outputs(x[: self.count]) for runner, x in pairs]
        if self.count < rounds:
            self._restore(self.count)

    def back(self, rounds: int, again: bool = False) -> None:
        """Leave all that the functions overwrite as it was after so many rounds.

        If the rounds that follow are to be done `again`, they have not happened.
        """
        self._restore(rounds)
        if again:
            self._counted(rounds)

    def _counted(self, rounds: int) -> None:
        for runner in self._runners:
            runner.counted(rounds - self.count)
        self.count = rounds

    def _restore(self, rounds: int) -> None:
        _machine("restore", "(Here, intp)")(self._words, rounds)
        for runner in self._runners:
            if runner.arena.written:
                wrote_all(runner.arena.stamp, next(clock))


def relay(
    legs: Sequence[Leg], rounds: int, orders: Orders, settings: Settings | None = None
) -> Rounds | None:
    """Do several rounds of calls, or as many of them as machine code can.

    Parameters
    ----------
    legs : sequence of Leg
    rounds : int
    orders : callable
        Given the number of rounds, which may be fewer, returns for each leg which rows make a
        batch: int64, of shape (rounds, calls, rows), or (1, calls, rows) if always the same.
    settings : callable, optional
        Given the settings of the optimizers as they are now and a number of rounds, returns theirs
        at each call that uses them: shape (rounds, calls, numbers), of fewer rounds if it cannot
        tell any further. Afterwards they are what they were when it returned.

    Returns
    -------
    Rounds or None
        None if it has to be asked first whether all is as it was (who gives settings changes what
        words look at, so that then it is asked here), a call is due to be recorded in the next
        round, or machine code cannot go back to the end of a round. Then nothing has happened.
    """
    if not all(leg.rows.can_go_back(leg.size) for leg in legs):
        return None
    runners: list[_Runner] = []
    with ExitStack() as stack:
        try:
            for leg in legs:
                with leg.within():
                    runner = _ready(leg, stack, settings is not None)
                if runner is None:
                    return None
                runners.append(runner)
            most = MOST // max(sum(x.nbytes for runner in runners for x in runner.state), 1)
            rounds = min(rounds, most, *(runner.most for runner in runners))
            course = _Course(runners, settings)
            rounds = course.most(rounds) if rounds > 0 else 0
            return Rounds(runners, orders(rounds), rounds, course) if rounds > 0 else None
        finally:
            for runner in runners:
                runner.leave()


def _ready(leg: Leg, stack: ExitStack, asks: bool) -> _Runner | None:
    """Return what runs a leg until the stack is left; None if it may not.

    If nobody `asks` in Python, it may where words can tell.
    """
    known = leg.rows.known(leg.arrays, leg.size)
    if known is None:
        return None
    kind, batches, watch = known
    stack.enter_context(kind.lock)
    arena = batches.entered(leg.arrays, watch)
    if arena is None and asks:
        arena = leg.rows.asked(known, leg.arrays, leg.size)
    if arena is None:
        return None
    state = batches.segment.overwritten()
    if not all(array.flags.forc for array in state):
        batches.left(arena, False)
        return None
    batches.lend(arena)
    return _Runner(leg, kind, batches, arena, state)


class _Course:
    """The settings of the optimizers at each call of the rounds, if they change."""

    def __init__(self, runners: Sequence[_Runner], settings: Settings | None) -> None:
        self._settings = settings
        self._begins: dict[_Runner, int] = {}  # calls of a round that come before a runner's own
        self._arrays: list[np.ndarray] = []
        self._calls = 0  # of a round
        self._known = True  # whether all have the same settings
        for runner in runners:
            own = runner.batches.segment.settings
            if own and settings is not None:
                self._arrays = self._arrays or own
                self._known &= [*map(id, own)] == [*map(id, self._arrays)]
                self._begins[runner] = self._calls
                self._calls += runner.leg.calls
        self.plan = Plan(None, [])

    def most(self, rounds: int) -> int:
        """Ask for the settings; return of how many rounds they are known."""
        if not self._known:
            return 0
        self.plan = planned(self._arrays, self._settings, rounds)
        rows = self.plan.rows
        if rows is None:
            return rounds
        assert rows.shape[1:] == (self._calls, sum(array.size for array in self._arrays))
        return min(rounds, len(rows))

    def words(self, runner: _Runner) -> list[int]:
        """Return where a program finds its settings."""
        rows = self.plan.rows
        if rows is None or runner not in self._begins:
            return [0, 0]
        return [address(rows) + rows.strides[1] * self._begins[runner], rows.strides[0]]


class _Runner:
    """A leg, and the memory that it runs in."""

    def __init__(
        self, leg: Leg, kind: Kind, batches: Batches, arena: Arena, state: Sequence[np.ndarray]
    ) -> None:
        self.leg = leg
        self.kind = kind
        self.batches = batches
        self.arena = arena
        self.state = state
        self.order: np.ndarray | None = None  # of all rounds
        self.most = int(min(kind.limit - kind.runs - 1, 1 << 40)) // leg.calls
        self.ran = False

    def figures(self, rounds: int) -> np.ndarray:
        """Return room for the numbers of so many rounds."""
        return np.empty((rounds, self.leg.calls, self.batches.width))

    def words(self, orders: np.ndarray, figures: np.ndarray) -> list[int]:
        """Return the words about a program that reads orders and leaves figures."""
        rounds, calls, size = orders.shape
        assert rounds in (1, len(figures)) and (calls, size) == self.leg[2:4]
        self.order = checked(orders.reshape(-1, size), self.leg.arrays, self.batches.given)
        segment, table = self.batches.segment, address(self.arena.table)
        program = segment.run.code, table, table + 8 * segment.control, calls
        distance = self.order.strides[0] * calls if rounds > 1 else 0
        return [*program, address(self.order), distance, address(figures), figures.strides[0]]

    def counted(self, rounds: int) -> None:
        """Count calls; less than 0 of those that were taken back."""
        self.ran = True
        self.kind.runs += rounds * self.leg.calls

    def leave(self) -> None:
        """Let others have the memory; leaves have gradients now if it has run."""
        self.batches.left(self.arena, self.ran)


@cache
def _machine(name: str, signature: str) -> Any:
    return compile_source(name, SOURCE, signature)
