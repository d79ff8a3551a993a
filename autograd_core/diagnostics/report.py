"""Reports: records for programs, which print as a table and show themselves in a notebook."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

__all__ = ["Report", "micro", "number", "plain", "share", "size"]

HEAD, TAIL = 40, 20  # rows that are shown of a table that has more than both

Format = Callable[[Any], str]

STYLE = "border-collapse:collapse;font-size:90%"
CELL = "padding:1px 8px;text-align:{}"


def number(x: Any) -> str:
    """Write a number in three digits."""
    return f"{x:.3g}"


def plain(x: Any) -> str:
    """Write something as it is."""
    return str(x)


def share(x: Any) -> str:
    """Write a part of the whole in percent, so that neither end is rounded to."""
    percent = 100.0 * x
    if 0.0 < percent < 1.0 or 99.0 < percent < 100.0:
        return "< 1 %" if percent < 1.0 else "> 99 %"
    return f"{percent:.0f} %"


def size(x: Any) -> str:
    """Write a number of bytes."""
    for unit, bytes_ in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if x >= bytes_:
            return f"{x / bytes_:.1f} {unit}"
    return f"{x} B"


def micro(x: Any) -> str:
    """Write a time, given in seconds, in microseconds."""
    return f"{1e6 * x:.0f}" if x >= 1e-5 else f"{1e6 * x:.1f}"


class Report:
    """Records, one for each row of a table. It prints, and can be iterated over and indexed.

    Attributes
    ----------
    records : list of dict
        What is in the table, unrounded; None where something is not known.
    notes : list of str
        Remarks below the table.
    """

    columns: ClassVar[dict[str, tuple[str, Format]]] = {}
    optional: ClassVar[tuple[str, ...]] = ()  # columns that are left out where they say nothing

    def __init__(
        self, records: list[dict[str, Any]], title: str = "", notes: Sequence[str] = ()
    ) -> None:
        self.records = records
        self.title = title
        self.notes = list(notes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.records[index]

    def __str__(self) -> str:
        names, rows = self._cells()
        heads = [self.columns[name][0] for name in names]
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        right = self._numeric(names)
        lines = [self._line(cells, widths, right) for cells in (heads, *rows)]
        if len(self.records) > HEAD + TAIL:
            lines.insert(HEAD + 1, f"  … {self._left_out()}")
        return "\n".join([*([self.title] if self.title else []), *lines, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names, rows = self._cells()
        right = self._numeric(names)
        sides = ["right" if r else "left" for r in right]
        heads = [self.columns[name][0] for name in names]
        body = [self._row("td", cells, sides) for cells in rows]
        if len(self.records) > HEAD + TAIL:
            body.insert(HEAD, f'<tr><td colspan="{len(names)}">… {self._left_out()}</td></tr>')
        notes = "".join(f"<div>{html.escape(note)}</div>" for note in self.notes)
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        head = self._row("th", heads, sides)
        return f'<table style="{STYLE}">{caption}{head}{"".join(body)}</table>{notes}'

    def _left_out(self) -> str:
        return f"{len(self.records) - HEAD - TAIL} rows left out; records has all of them"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns that are shown, and the cells as text."""
        names = [n for n in self.columns if n not in self.optional or self._says(n)]
        shown = self.records
        if len(shown) > HEAD + TAIL:
            shown = shown[:HEAD] + shown[-TAIL:]
        return names, [[_cell(r.get(n), self.columns[n][1]) for n in names] for r in shown]

    def _says(self, name: str) -> bool:
        return any(record.get(name) not in (None, 0, "") for record in self.records)

    def _numeric(self, names: Sequence[str]) -> list[bool]:
        """Say which columns hold numbers, and are set flush right."""
        return [self.columns[name][1] is not plain for name in names]

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
        triples = zip(cells, widths, right, strict=True)
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in triples).rstrip()

    @staticmethod
    def _row(tag: str, cells: Sequence[str], sides: Sequence[str]) -> str:
        pairs = zip(cells, sides, strict=True)
        parts = (f'<{tag} style="{CELL.format(s)}">{html.escape(c)}</{tag}>' for c, s in pairs)
        return f"<tr>{''.join(parts)}</tr>"


def _cell(value: Any, form: Format) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return form(value)
