"""A layered layout of a graph without cycles: boxes in rows, arrows from row to row.

The four steps of Sugiyama et al. (1981): rows by the longest path; arrows that skip rows are led
through places of their own; the order in a row follows the mean of the neighbours' places, which
untangles; then places move as close to their neighbours as the others in the row allow.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Layout", "rows"]

SWEEPS = 12
GAP = 26.0  # between boxes of a row
LANE = 14.0  # the width of an arrow that passes a row
STIFF = 4.0  # how much more a passing arrow weighs: it should be straight
LIGHT = 0.01  # and a source: it moves aside, what is computed stays in line


class Layout:
    """Where boxes are, and where arrows pass.

    Parameters
    ----------
    widths : sequence of float
        Of the boxes, in an order in which every arrow points forwards.
    edges : sequence of (int, int)

    Attributes
    ----------
    rows : list of list of int
        The places of each row, from left to right; those beyond the boxes are passed by arrows.
    x : list of float
        The middle of each place, from 0 on.
    row : list of int
    routes : dict
        For each edge the places that it passes, its ends included.
    """

    def __init__(self, widths: Sequence[float], edges: Sequence[tuple[int, int]]) -> None:
        self.widths = list(widths)
        self.row = rows(len(widths), edges)
        self.routes = {edge: self._route(*edge) for edge in dict.fromkeys(edges)}
        links = [pair for r in self.routes.values() for pair in zip(r, r[1:], strict=False)]
        self.above: list[list[int]] = [[] for _ in self.widths]
        self.below: list[list[int]] = [[] for _ in self.widths]
        for i, j in links:
            self.below[i].append(j)
            self.above[j].append(i)
        self.rows: list[list[int]] = [[] for _ in range(max(self.row, default=-1) + 1)]
        for place, row in enumerate(self.row):
            self.rows[row].append(place)
        self.boxes = len(widths)
        self._untangle()
        self.x = [0.0] * len(self.widths)
        self._spread()

    def _route(self, start: int, end: int) -> list[int]:
        """Make places for an arrow in the rows that it passes."""
        passed = []
        for row in range(self.row[start] + 1, self.row[end]):
            passed.append(len(self.widths))
            self.widths.append(LANE)
            self.row.append(row)
        return [start, *passed, end]

    # ------------------------------------------------------------------------------- order

    def _untangle(self) -> None:
        """Order the rows so that few arrows cross."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for row in self.rows[1:] if down else self.rows[-2::-1]:
                self._order(row, self.above if down else self.below)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
            if not fewest:
                break
        self.rows = best

    def _order(self, row: list[int], neighbours: Sequence[Sequence[int]]) -> None:
        at = {place: i for others in self.rows for i, place in enumerate(others)}

        def middle(place: int) -> float:
            near = neighbours[place]
            return sum(at[n] for n in near) / len(near) if near else float(at[place])

        row.sort(key=middle)

    def _crossings(self) -> int:
        at = {place: i for row in self.rows for i, place in enumerate(row)}
        count = 0
        for row in self.rows:
            ends = [(at[i], at[j]) for i in row for j in self.below[i]]
            count += sum(a < c and b > d for a, b in ends for c, d in ends)
        return count

    # ----------------------------------------------------------------------------- places

    def _spread(self) -> None:
        """Move every place towards the mean of its neighbours."""
        for row in self.rows:
            self._settle(row, [0.0] * len(row), [1.0] * len(row))
        for sweep in range(2 * SWEEPS):
            for row in self.rows if sweep % 2 == 0 else self.rows[::-1]:
                self._settle(row, [self._wish(p) for p in row], [self._weight(p) for p in row])
        left = min((self.x[p] - 0.5 * self.widths[p] for p in range(len(self.x))), default=0.0)
        self.x = [x - left for x in self.x]

    def _wish(self, place: int) -> float:
        near = [*self.above[place], *self.below[place]]
        weights = [self._weight(n) for n in near]
        total = sum(w * self.x[n] for n, w in zip(near, weights, strict=True))
        return total / sum(weights) if near else self.x[place]

    def _weight(self, place: int) -> float:
        if place >= self.boxes:
            return STIFF
        return 1.0 if self.above[place] else LIGHT

    def _settle(self, row: list[int], wishes: list[float], weights: list[float]) -> None:
        """Give the places of a row what is closest to their wishes without overlaps.

        With the distances that are due taken off, that is a regression by a growing function:
        blocks that would overlap are joined at their mean.
        """
        offset, offsets = 0.0, []
        for before, place in zip([None, *row], row, strict=False):
            if before is not None:
                offset += 0.5 * (self.widths[before] + self.widths[place]) + GAP
            offsets.append(offset)
        blocks: list[tuple[float, float, int]] = []  # mean, weight, number of places
        for wish, off, weight in zip(wishes, offsets, weights, strict=True):
            blocks.append((wish - off, weight, 1))
            while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
                (a, v, m), (b, w, n) = blocks[-2:]
                blocks[-2:] = [((a * v + b * w) / (v + w), v + w, m + n)]
        means = [mean for mean, _, number in blocks for _ in range(number)]
        for place, mean, off in zip(row, means, offsets, strict=True):
            self.x[place] = mean + off


def rows(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the row of each box: below all that lead to it, and sources just above their use."""
    row = [0] * count
    for i, j in sorted(edges, key=lambda edge: edge[1]):
        row[j] = max(row[j], row[i] + 1)
    targets = {j for _, j in edges}
    for i in range(count):
        uses = [row[j] for start, j in edges if start == i]
        if i not in targets and uses:
            row[i] = min(uses) - 1
    return row
