"""Many calls at once: a native program on one batch of rows after the other.

The machine code gathers the rows of each batch from whole arrays, does the step, writes down the
numbers that the function returns (the *figures*), and goes on, without Python in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..kernels.team import ready
from .arena import Arena
from .assembly import CONTROL
from .draws import Source, most_steps, put_back, states
from .environment import Surroundings
from .gate import below, gate
from .layout import address
from .program import Program
from .record import Value
from .running import in_rows
from .watch import Watch, watched_rows

__all__ = ["Batches", "Plan", "Settings", "checked", "fits", "planned"]

Settings = Callable[[Sequence[np.ndarray], int], np.ndarray]

ROOM = 1 << 24  # bytes of random numbers that are drawn beforehand


def fits(program: Program) -> bool:
    """Whether a program can do many steps in one call of machine code."""
    if not program.is_native or len(program.segments) != 1:
        return False
    (segment,) = program.segments
    numbers = all(value in segment.figures for value in program.emission.outputs)
    drawn = {value for source in program.random for value in source.starts}
    given = all(value.place >= 0 or value in drawn for value in segment.arrays)
    alike = all(len(source.dtypes) == 1 for source in program.random)
    return segment.repeats and numbers and given and alike


class Plan(NamedTuple):
    """The settings of optimizers at each step, if they change, and what they are in the end."""

    rows: np.ndarray | None
    afterwards: list[tuple[np.ndarray, np.ndarray]]

    def leave(self) -> None:
        """Leave the settings as they were planned to be in the end."""
        for array, values in self.afterwards:
            array[:] = values


def planned(known: Sequence[np.ndarray], settings: Settings | None, steps: int) -> Plan:
    """Ask for the settings at so many steps, given the arrays that have them."""
    if settings is None or not known:
        return Plan(None, [])
    rows = in_rows(settings(known, steps))
    return Plan(rows, [(array, array.copy()) for array in known])


class Batches:
    """A program, ready to run on batches of rows of arrays, by one thread at a time.

    Parameters
    ----------
    program : Program
        One that `fits`.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        (self.segment,) = program.segments
        self.random = program.random
        self.given = [value for value in self.segment.arrays if value.place >= 0]
        self._before, self._after = program.emission.stages()
        self._chosen = [self.segment.figures.index(v) for v in program.emission.outputs]
        self._is_all = self._chosen == list(range(len(self.segment.figures)))
        self._buffers = [np.empty(v.shape, v.dtype) for v in self.segment.arrays]
        self._gate = gate()

    # ------------------------------------------------------------------- without questions

    def watch(self, kind: Any, arrays: Sequence[np.ndarray], around: Surroundings) -> Watch | None:
        """Return what must be as it is now for a run without questions, if words can tell."""
        begin = self.segment.control + len(CONTROL)
        return watched_rows(kind, arrays, begin, around)

    def again(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray,
        settings: Settings | None,
        watch: Watch,
    ) -> tuple[int, np.ndarray] | None:
        """Do as `run` does if all is as it was, as far as words tell; otherwise return None."""
        order = checked(order, arrays, self.given)
        arena = self.entered(arrays, watch)
        if arena is None:
            return None
        return self._done(arena, order, planned(self.segment.settings, settings, len(order)))

    def entered(self, arrays: Sequence[np.ndarray], watch: Watch) -> Arena | None:
        """Return memory for a run, with the arrays entered; None if words do not allow it."""
        if watch.asks is not None and not watch.asks():
            return None
        try:
            arena = self.segment.pool.pop()
        except IndexError:
            return None
        if not self._passes(arena, tuple(arrays), watch):
            self.segment.pool.append(arena)
            return None
        if self.segment.shares:
            ready()
        return arena

    def lend(self, arena: Arena) -> None:
        """Let steps gather their rows here, and not in what the last call was given."""
        first = self.segment.run.first
        arena.table[first : first + len(self._buffers)] = [*map(address, self._buffers)]

    def left(self, arena: Arena, ran: bool) -> None:
        """Take the memory back; if it has run, hand the gradients over."""
        if ran:
            self._after(arena)
        else:
            self.segment.pool.append(arena)

    def _passes(self, arena: Arena, arrays: tuple[np.ndarray, ...], watch: Watch) -> bool:
        """Whether all is as it was; then the table has the addresses of the arrays."""
        if arena.rows is None or arena.rows[0] is not watch or arena.shares():
            return False
        words = arena.rows[1]
        return watch.renewed(words) and not self._gate(arrays, words, arena.table)

    # --------------------------------------------------------------------------- with them

    def run(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray,
        settings: Settings | None,
        watch: Watch | None = None,
        seen: Sequence[int] | None = None,
    ) -> tuple[int, np.ndarray]:
        """Run on the rows of `order`, a line for each step.

        Parameters
        ----------
        arrays : sequence of ndarray
            One for each input, of its dtype, with the rows of all examples.
        order : ndarray of int64, shape (steps, rows)
        settings : callable, optional
            Returns the settings of the optimizers for so many steps.
        watch : Watch, optional
            What is to be certified, because it has been asked whether all is as it was;
        seen : sequence of int, optional
            and what it had seen before.

        Returns
        -------
        int
            The number of steps that were done; fewer than asked for if there would be too many
            random numbers, or if the next one has to be done otherwise.
        ndarray of float64, shape (steps, figures)
            The program's outputs.

        Raises
        ------
        Stale
            If the program does not hold any more; nothing was done.
        """
        order = checked(order[: most_steps(self.random, ROOM)], arrays, self.given)
        rows = [in_rows(arrays[value.place]) for value in self.given]
        plan = planned(self.segment.settings, settings, len(order))
        arena = self._allowed(watch, seen)
        before = states(self.random)
        drawn = self._drawn(len(order))
        self._enter(arena, rows, _begins(drawn))
        done, figures = self._done(arena, order, plan)
        if done < len(order):  # the ordinary call that follows draws what it would have drawn
            put_back(self.random, before)
            self._drawn(done)
        return done, figures

    def asked(self, arrays: Sequence[np.ndarray], watch: Watch, seen: Sequence[int]) -> Arena:
        """Return memory for a run, as `entered` does, after Python was asked.

        Raises
        ------
        Stale
            If the program does not hold any more.
        """
        arena = self._allowed(watch, seen)
        self._enter(arena, [arrays[value.place] for value in self.given], {})
        return arena

    def _allowed(self, watch: Watch | None, seen: Sequence[int] | None) -> Arena:
        arena: Arena = self._before()
        if watch is not None and seen is not None:
            arena.rows = watch, watch.certificate(arena, seen)
        return arena

    def _enter(self, arena: Arena, rows: Sequence[np.ndarray], drawn: dict[Value, int]) -> None:
        """Enter where the arrays are, of which a step takes rows."""
        begins = dict(zip(self.given, map(address, rows), strict=True)) | drawn
        begin = self.segment.control + len(CONTROL)
        found = [begins[value] for value in self.segment.arrays]
        arena.table[begin : begin + len(found)] = found

    def _done(self, arena: Arena, order: np.ndarray, plan: Plan) -> tuple[int, np.ndarray]:
        """Run, in an arena whose table has the addresses of the arrays."""
        steps, control = len(order), self.segment.control
        figures = np.empty((steps, self.width))
        start = 0 if plan.rows is None else address(plan.rows)
        table = arena.table
        table[control : control + len(CONTROL)] = steps, address(order), start, address(figures)
        status = self.segment.run(*self._buffers, table)
        done = int(table[control]) if status else steps
        table[control] = 0
        plan.leave()
        if done:
            self._after(arena)
        return done, self.outputs(figures[:done])

    @property
    def width(self) -> int:
        """How many numbers a step leaves."""
        return max(len(self.segment.figures), 1)

    def outputs(self, figures: np.ndarray) -> np.ndarray:
        """Return those that the function returned, along the last axis."""
        return figures if self._is_all else figures[..., self._chosen]

    def _drawn(self, steps: int) -> list[tuple[Source, np.ndarray]]:
        """Return what so many steps draw from each generator."""
        return [(source, source.rows(steps)) for source in self.random]


def _begins(drawn: Sequence[tuple[Source, np.ndarray]]) -> dict[Value, int]:
    """Return the addresses of what the first step draws."""
    return {
        value: address(rows) + start * rows.itemsize
        for source, rows in drawn
        for value, start in source.starts.items()
    }


def checked(order: np.ndarray, arrays: Sequence[np.ndarray], given: Sequence[Value]) -> np.ndarray:
    """Return an order in memory's own order, of rows that the arrays have."""
    order = in_rows(order)
    if not below(order, min([len(arrays[v.place]) for v in given])):
        raise IndexError("an order of rows that the arrays do not have")
    return order
