"""Many calls at once: a native program on one batch of rows after the other.

The machine code gathers the rows of each batch from whole arrays, does the step, writes down the
numbers that the function returns (the *figures*), and goes on, without Python in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .arena import Arena
from .assembly import CONTROL
from .layout import address
from .program import Program
from .running import in_rows

__all__ = ["Batches", "fits"]


def fits(program: Program) -> bool:
    """Whether a program can do many steps in one call of machine code."""
    if not program.is_native or len(program.segments) != 1:
        return False
    (segment,) = program.segments
    numbers = all(value in segment.figures for value in program.emission.outputs)
    return segment.repeats and numbers and all(value.place >= 0 for value in segment.arrays)


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
            The number of steps that were done; the next one has to be done otherwise.
        ndarray of float64, shape (steps, figures)
            The program's outputs.

        Raises
        ------
        Stale
            If the program does not hold any more; nothing was done.
        """
        arrays = [in_rows(arrays[value.place]) for value in self.segment.arrays]
        buffers = [np.empty(v.shape, v.dtype) for v in self.segment.arrays]
        order = in_rows(order)
        if order.view(np.uint64).max() >= min(map(len, arrays)):  # negative ones are large
            raise IndexError("an order of rows that the arrays do not have")
        steps = len(order)
        figures = np.empty((steps, max(len(self.segment.figures), 1)))
        known = self.segment.settings if settings is not None else []
        rows = in_rows(settings(known, steps)) if settings is not None and known else None
        afterwards = [array.copy() for array in known]
        arena: Arena = self._before()
        start = 0 if rows is None else address(rows)
        control = [steps, address(order), start, address(figures), *map(address, arrays)]
        begin = self.segment.control
        arena.table[begin : begin + len(CONTROL) + len(arrays)] = control
        status = self.segment.functions[0].call(*buffers, arena.table)
        done = int(arena.table[begin]) if status else steps
        arena.table[begin] = 0
        for array, values in zip(known, afterwards, strict=True):
            array[:] = values
        if done:
            self._after(arena)
        return done, figures[:done] if self._is_all else figures[:done, self._chosen]
