"""Native segments: runs of steps as machine code, one function.

A segment works in one float type. Its workspace is one piece of memory, planned beforehand;
what lies outside, parameters, state and inputs, is known by address. Elementwise steps of one
shape share a loop (`fuse`, `loops`), other operations have lowerings (`lowering`).

The machine code returns 0, or the number of the reason why the run is given up: then nothing
outside has changed.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np

from ..declare import OPS
from ..kernels import team
from ..tape import Leaf
from .arena import Arena, Room
from .assembly import Assembly
from .body import Body, Part
from .compare import content
from .cost import seconds
from .draws import sources
from .fuse import is_sum, units
from .gate import Entry
from .integers import is_expression
from .layout import Place, contiguous
from .leftovers import shortened
from .loops import loop
from .lowering import LOWERINGS, Lowering
from .lowering.commits import lowers_commit, write_commit
from .lowering.own import OWN
from .memory import LINE, Block, one_by_one
from .positions import Positions
from .prepare import is_pointwise, prepared
from .record import Apply, Draw, Overwrite, Step, Update, Value
from .regions import arrange
from .reroll import LONG, Chunk, Row, chunks, cuts, settled, text
from .running import MOVED, Stale
from .slopes import with_slopes
from .strips import merged, planned, shifted, strips
from .swap import Swap

__all__ = ["Segment", "lowering_of", "lowers", "moves"]

HANDOVER = 2e-5  # seconds that it may take to get the interpreter's lock back
MOST_PARTS = 64  # beyond, threads do not share loops


def lowers(step: Step, dtype: str) -> bool:
    """Whether a step can be part of a segment that works in `dtype`."""
    if not isinstance(step, Apply):
        return lowers_commit(step, dtype)
    if step.op.pointwise:
        return is_expression(step, dtype)
    found = lowering_of(step)
    return found is not None and found.takes(step, dtype)


def lowering_of(step: Apply) -> Lowering | None:
    """Return what writes a step that is not elementwise, if anything can."""
    known = LOWERINGS.get(step.op.name)
    if known is not None and step.op is OPS[step.op.name]:
        return known
    return OWN if "kernel" in step.op.facets else None


def moves(step: Step) -> bool:
    """Whether a step is a view."""
    found = lowering_of(step) if isinstance(step, Apply) else None
    return isinstance(step, Apply) and found is not None and found.moves(step)


def lies_still(value: Value) -> bool:
    """Whether a captured array can be known by its address: the next one will lie like it."""
    if value.holder is None or isinstance(value.holder, Leaf):
        return False
    array = content(value)
    steps = (stride % array.itemsize == 0 <= stride for stride in array.strides)
    return array.flags.aligned and all(steps)


class Segment:
    """Steps that run as one native function.

    Parameters
    ----------
    steps : list of Step
        All of which `lowers` admits for `dtype`.
    needed : set of Value
        What others need of the results.
    dtype : {"float32", "float64"}
    given : collection of Value
        Results that are given away: each has an array of its own.
    repeats : bool
        Whether one call of the machine code shall be able to do many steps.
    general : bool
        Whether the machine code shall be for arrays of other sizes, too.
    draws : sequence of Draw
        All of the program, some of which it may read.

    Attributes
    ----------
    arrays : list of Value
        What comes with each call.
    captured : list of Value
        What is known by its address.
    results : list of Value
        What others need, in the workspace.
    written : list of Value
        The captured ones that it overwrites, and that the tape may need.
    replaced : list of (Value, Tensor)
        The captured ones that are those of constant tensors, which are assigned new values: it
        overwrites them, if nobody else has them.
    figures : list of Value
        The single numbers among the results, of which `batches` keeps those of every step.
    reasons : list of str
        Why a run may be given up.
    pool : list of Arena
        Arenas that no run uses now.
    size : int
        The bytes of the workspace.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        needed: set[Value],
        dtype: str,
        given: Collection[Value] = (),
        repeats: bool = False,
        general: bool = False,
        draws: Sequence[Draw] = (),
    ) -> None:
        self.steps = list(steps)
        self.dtype = dtype
        self._repeats, self._general, self._draws = repeats, general, draws
        made = {step.result: None for step in steps if isinstance(step, Apply)}
        read = dict.fromkeys(x for step in steps for x in step.reads if x not in made)
        self.captured = [v for v in read if lies_still(v)]
        self.arrays = [v for v in read if v not in set(self.captured)]
        self.results = [v for v in made if v in needed]
        self.given = [v for v in self.results if v in given]
        self._units = with_slopes(units(prepared(self.steps, needed), moves), needed)
        self._body, self.size = self._planned()
        self.reasons = list(self._body.reasons)
        outside = {v.name: content(v) for v in self.captured} | self._body.arrays
        self._layouts = [_layout(content(v)) for v in self.captured]
        places = {v: self._body.place(v) for v in self.results}
        self.figures = [v for v in self.results if not v.shape and v.dtype.kind == "f"]
        figures = [places[v] for v in self.figures]
        drawn = {v: source.size for source in sources(draws) for v in source.starts}
        self._assembly = Assembly(
            self._body,
            self.size,
            outside,
            self.given,
            self.arrays,
            figures,
            repeats,
            drawn,
            int(HANDOVER / seconds(self.steps)),
        )
        updates = [step for step in self.steps if isinstance(step, Update)]
        assigned = [step for step in self.steps if isinstance(step, Overwrite)]
        self.written = [step.parts[i] for step in updates for i in step.written]
        self.written += [step.target for step in assigned if not step.replaces]
        self.replaced = [(step.target, step.tensor) for step in assigned if step.replaces]
        self.pool: list[Arena] = []

    # ----------------------------------------------------------------------------- steps

    def _planned(self) -> tuple[Body, int]:
        """Return the text, with what repeats as loops, and the bytes of the workspace."""
        body = self._written(team.shares_loops())
        if len(body.parts) > MOST_PARTS:
            body = self._written(sharing=False)
        body.plan()
        apart = body.positions(one_by_one(body.blocks))
        rolls = _Rolls(body.parts, chunks(body), body.blocks, apart)
        found = strips(rolls.chunks, rolls.rolled, body, self.given)
        if found:
            blocks = planned(found, rolls.chunks, body.blocks)
            apart = body.positions(one_by_one(body.blocks))
            rolls = _Rolls(*merged(found, body.parts, rolls.chunks), blocks, apart)
        offsets, size = arrange(chain(*rolls.rolled), rolls.blocks)
        offsets = shifted(found, body.blocks, offsets)
        if self._general:  # the text of a position says less where it is 0
            offsets, size = [LINE + offset for offset in offsets], size + LINE
        positions = body.positions(offsets)
        rows = [settled(row, positions) for row in rolls.at(positions)]
        if not self._general:  # where functions have no numbers of their own
            rows, functions = shortened(rows, body.buffers())
            body.functions |= dict.fromkeys(functions)
        body.parts = [
            part._replace(lines=text(row), cuts=cuts(row))
            for part, row in zip(rolls.parts, rows, strict=True)
        ]
        body.settle(positions)
        return body, size

    def _written(self, sharing: bool) -> Body:
        """Write the steps, and see how long each block is needed."""
        outside = {v: Place(v.name, 0, contiguous(v.shape)) for v in self.arrays}
        outside |= {v: Place(v.name, 0, contiguous(v.shape)) for v in self.given}
        for value in self.captured:
            array = content(value)
            strides = tuple(s // array.itemsize for s in array.strides)
            outside[value] = Place(value.name, 0, strides)
        kept = set(self.results) - set(self.given)
        body = Body(self.dtype, outside, kept, sharing, self._general)
        stored = {*self.results, *_read_from_memory(self._units)}
        for unit in self._units:
            body.unit()
            group = [s for s in unit if isinstance(s, Apply) and s.op.pointwise]
            sums = [s for s in unit if isinstance(s, Apply) and is_sum(s)] if group else []
            if group:
                loop(body, group, sums, stored.__contains__)
            for step in unit:
                if step in sums:
                    continue
                if not isinstance(step, Apply):
                    write_commit(body, step)
                elif not step.op.pointwise:
                    found = lowering_of(step)
                    assert found is not None
                    found.write(body, step)
        return body

    # ----------------------------------------------------------------------------- to run

    @property
    def source(self) -> str:
        """The text of the functions, without those that they call."""
        return self._assembly.source

    @property
    def skips(self) -> int:
        """How many products leave out zeros, where there are enough."""
        return self._body.skips

    @property
    def repeats(self) -> bool:
        """Whether one call of the machine code can do many steps."""
        return self._assembly.repeats

    @property
    def control(self) -> int:
        """Where the table says how many steps, and on what."""
        return self._assembly.control

    @property
    def settings(self) -> list[np.ndarray]:
        """The settings of optimizers that it reads."""
        return list(self._body.settings.values())

    @functools.cached_property
    def compiled(self) -> tuple[Entry, list[int]]:
        """The machine code, and what it finds in the table at the place of the team."""
        return self._assembly.compiled()

    @property
    def run(self) -> Entry:
        """The machine code: ``run(*arrays, table)``."""
        return self.compiled[0]

    @property
    def shares(self) -> bool:
        """Whether threads share loops of it."""
        return bool(self._assembly.shared)

    def announce(self) -> None:
        """Let it be known that sizes vary: machine code for others will be for these, too."""
        if not self._general:
            made = self.steps, set(self.results), self.dtype, self.given, self._repeats
            Segment(*made, general=True, draws=self._draws)._assembly.announce()

    def bound(self, swap: Swap) -> Segment:
        """Return the same machine code on other objects, with memory of its own."""
        compiled = self.compiled
        other = copy.copy(self)
        other.compiled = compiled
        other.steps = list(map(swap.step, self.steps))
        other.arrays = list(map(swap.value, self.arrays))
        other.captured = list(map(swap.value, self.captured))
        other.written = list(map(swap.value, self.written))
        other.replaced = [(swap.value(value), swap(tensor)) for value, tensor in self.replaced]
        other.pool = []
        other._units = []
        other._body = self._body.bound(swap)
        other._assembly = self._assembly.bound(other._body, other.arrays)
        swap.add(self, other)
        swap.add(self.pool, other.pool)
        return other

    def overwritten(self) -> list[np.ndarray]:
        """Return the arrays outside that updates may overwrite, their numbers included."""
        updates = [step for step in self.steps if isinstance(step, Update)]
        values = dict.fromkeys(v for step in updates for v in step.reads if v in self.captured)
        return [*map(content, values), *self._body.arrays.values()]

    def arena(self) -> Arena:
        """Return memory for a run, or raise `Stale` where it would not fit."""
        held = [content(v) for v in self.captured]
        if list(map(_layout, held)) != self._layouts:
            raise Stale(MOVED, lasting=True)
        places = (self._body.place(v) for v in self.results)
        rooms = [
            Room(-1 if v in self.given else place.offset * v.dtype.itemsize, v.shape, v.dtype)
            for v, place in zip(self.results, places, strict=True)
        ]
        written = [self.captured.index(value) for value in self.written]
        held += self._body.arrays.values()
        replaced = [(self.captured.index(value), tensor) for value, tensor in self.replaced]
        assembly = self._assembly
        _, words = self.compiled
        chosen = rooms, written, assembly.numbers, replaced
        arena = Arena(self.size, held, assembly.slots, *chosen)
        arena.table[assembly.team : assembly.team + len(words)] = words
        return arena


def _layout(array: np.ndarray) -> tuple[tuple[int, ...], np.dtype[np.generic], tuple[int, ...]]:
    return array.shape, array.dtype, array.strides


class _Rolls:
    """The chunks of parts, those that repeat as loops if the text is long.

    `rolled` has them for a first plan of the memory.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        chunks: Sequence[list[Chunk]],
        blocks: Sequence[Block],
        positions: Positions,
    ) -> None:
        self.parts = parts
        self.chunks = chunks
        self.blocks = blocks
        is_long = sum(len(text(row)) for row in chunks) >= LONG
        self._rows = list(map(Row, chunks)) if is_long else []
        self.rolled = self.at(positions)

    def at(self, positions: Positions) -> Sequence[list[Chunk]]:
        """Return the chunks of each part for a plan of the memory."""
        return [row.rolled(self.blocks, positions) for row in self._rows] or self.chunks


def _read_from_memory(units: Sequence[Sequence[Step]]) -> set[Value]:
    """Return the values that not only the loop which makes them needs."""
    found: set[Value] = set()
    for unit in units:
        registers = {step.result for step in unit if is_pointwise(step)}  # type: ignore[attr-defined]
        for step in unit:
            inside = registers and (is_pointwise(step) or is_sum(step))
            found.update([x for x in step.reads if x not in registers] if inside else step.reads)
    return found
