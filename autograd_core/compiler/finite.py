"""Whether gradients are finite, found out where they are made.

The check before an update reads every gradient once more, which lies far away by then if it is
large. Machine code mostly need not read it:

* A loop that makes a large gradient takes Σ 0 g, too, which is 0 if all elements are finite.
* A product X Y, the gradient of a weight, has no element beyond ‖X‖ ‖Y‖, after Cauchy and Schwarz
  (and no partial sum of one, in whatever order it is added up). The loops that make X and Y take
  the sums of squares. Where these are NaN, or too large to prove anything, the product is read.
* A smaller product in tiles of our own adds up Σ 0 g as it stores them (`kernels.tiles`,
  `kernels.skipping`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..declare import OPS
from .fuse import LARGE
from .loops import reduced_axes
from .record import Apply, Finite, Step, Value
from .rewriting import changed, meaning

__all__ = ["checked_where_made"]

WORK = 1 << 24  # multiplications up to which tiles of our own look at a product as they store it
LONGEST = 1 << 20  # terms of a sum that rounds by less than half
VIEWS = ("flip", "reshape", "transpose")  # of the same elements


def checked_where_made(steps: Sequence[Step]) -> list[Step]:
    """Return steps in which large gradients come with what tells that they are finite."""
    return _Checks(steps).steps


class _Checks:
    """The walk; `after` has the steps that follow the one which makes a value."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.made = {s.result: s for s in steps if isinstance(s, Apply)}
        self.after: dict[Value, list[Step]] = {}
        self._sums: dict[tuple[Value, Value | float], Value] = {}
        self._indices = itertools.count(1 + max((v.index for v in self.made), default=0))
        taken = (s for s in self.made.values() if meaning(s) in ("sum", "mean"))
        # A loop takes sums over the same axes only.
        self._taken = {s.reads[0].shape for s in taken if s.reads[0].shape and reduced_axes(s)}
        self._checked: set[Value] = set()
        found = [x for step in steps for x in self._written(step)]
        self.steps = [x for step in found for x in self._followed(step)]

    def _written(self, step: Step) -> list[Step]:
        """Return a step; before a check, what tells it more than the gradients."""
        if not isinstance(step, Finite):
            return [step]
        values = dict.fromkeys(map(self._root, step.parts))
        large = [x for x in values if x.size >= LARGE]
        first: list[Step] = []
        zeros = {x: self._sum(x, 0.0, first) for x in large if self._in_loop(x)}
        pairs = {x: self._pair(x, first) for x in large if x not in zeros}
        bounds = {x: pair for x, pair in pairs.items() if pair is not None}
        self._checked.update(pairs.keys() - bounds.keys())
        return [*first, step.on([zeros.get(x, x) for x in values], bounds)]

    def _followed(self, step: Step) -> list[Step]:
        if not isinstance(step, Apply):
            return [step]
        marked = changed(step, checked=True) if step.result in self._checked else step
        return [marked, *self.after.get(step.result, ())]

    def _in_loop(self, x: Value) -> bool:
        return x in self.made and bool(self.made[x].op.pointwise)

    def _sum(self, x: Value, y: Value | float, lines: list[Step]) -> Value:
        """Return Σ x y: in the loop that makes x, or by steps that are added to the lines."""
        if (x, y) not in self._sums:
            there = self._in_loop(x) and x.shape not in self._taken
            found = self.after.setdefault(x, []) if there else lines
            terms = Value(next(self._indices), x.shape, x.dtype)
            total = self._sums[x, y] = Value(next(self._indices), (), x.dtype)
            found.append(Apply(OPS["multiply"], (x, y), {}, terms))
            found.append(Apply(OPS["sum"], (terms,), dict(OPS["sum"].attributes), total))
        return self._sums[x, y]

    def _pair(self, x: Value, lines: list[Step]) -> tuple[Value, Value] | None:
        """Return ‖X‖² and ‖Y‖² where a gradient is X Y and where they are found out sooner."""
        product = self.made.get(x)
        if product is None or meaning(product) != "matmul" or len(product.reads) < 2:
            return None
        terms = product.reads[0].shape[-1]
        one, other = map(self._root, product.reads)
        if product.result.size * terms <= WORK or terms > LONGEST:
            return None
        if {one.dtype, other.dtype} != {x.dtype} or sum(map(self._cost, {one, other})) > x.size:
            return None
        return self._sum(one, one, lines), self._sum(other, other, lines)

    def _cost(self, x: Value) -> float:
        """Return how many elements are checked in the time that a sum of squares takes."""
        if (x, x) in self._sums:
            return 0
        if not self._in_loop(x):
            return 2 * x.size
        return math.inf if x.shape in self._taken else x.size / 2

    def _root(self, x: Value) -> Value:
        """Return the value that has the same elements, in another order."""
        while (step := self.made.get(x)) is not None and meaning(step) in VIEWS:
            (x,) = step.reads
        return x
