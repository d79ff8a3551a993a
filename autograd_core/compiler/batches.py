"""Many calls at once: a native program on one batch of rows after the other.

The machine code gathers the rows of each batch from whole arrays, does the step, writes down the
numbers that the function returns (the *figures*), and goes on, without Python in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .arena import Arena
from .assembly import CONTROL
from .draws import Source, most_steps, put_back, states
from .layout import address
from .program import Program
from .record import Value
from .running import in_rows

__all__ = ["Batches", "fits"]

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


class Batches:
    """A program, ready to run on batches of rows of arrays.

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

    def run(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray,
        settings: Callable[[Sequence[np.ndarray], int], np.ndarray] | None,
    ) -> tuple[int, np.ndarray]:
        """Run on the rows of `order`, a line for each step.

        Parameters
        ----------
        arrays : sequence of ndarray
            One for each input, of its dtype, with the rows of all examples.
        order : ndarray of int64, shape (steps, rows)
        settings : callable, optional
            Returns the settings of the optimizers for so many steps.

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
        arrays = [in_rows(arrays[value.place]) for value in self.given]
        buffers = [np.empty(v.shape, v.dtype) for v in self.segment.arrays]
        order = in_rows(order[: most_steps(self.random, ROOM)])
        if order.view(np.uint64).max() >= min(map(len, arrays)):  # negative ones are large
            raise IndexError("an order of rows that the arrays do not have")
        steps = len(order)
        figures = np.empty((steps, max(len(self.segment.figures), 1)))
        known = self.segment.settings if settings is not None else []
        rows = in_rows(settings(known, steps)) if settings is not None and known else None
        afterwards = [array.copy() for array in known]
        arena: Arena = self._before()
        start = 0 if rows is None else address(rows)
        before = states(self.random)
        drawn = self._drawn(steps)
        begins = dict(zip(self.given, map(address, arrays), strict=True)) | _begins(drawn)
        found = [begins[value] for value in self.segment.arrays]
        control = [steps, address(order), start, address(figures), *found]
        begin = self.segment.control
        arena.table[begin : begin + len(CONTROL) + len(found)] = control
        status = self.segment.run(*buffers, arena.table)
        done = int(arena.table[begin]) if status else steps
        arena.table[begin] = 0
        for array, values in zip(known, afterwards, strict=True):
            array[:] = values
        if done < steps:  # the ordinary call that follows draws what it would have drawn
            put_back(self.random, before)
            self._drawn(done)
        if done:
            self._after(arena)
        return done, figures[:done] if self._is_all else figures[:done, self._chosen]

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
