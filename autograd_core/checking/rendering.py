"""A report as a table in a notebook, and as plain data."""

from __future__ import annotations

import html as escaping
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Entry, GradcheckReport

__all__ = ["finite", "html"]

SHOWN = 20  # rows of a table
COLORS = {"agrees": "#2a7d2a", "kink": "#a06000", "ill-conditioned": "#777777"}
HEADER = ("entry", "claimed", "measured", "± bound", "from the left", "from the right", "verdict")


def finite(data: Any) -> Any:
    """Return nested data with None for every number that is not finite."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def html(report: GradcheckReport) -> str:
    """Return a report as HTML: the verdict, what is said about it, a table of entries."""
    lines = [report.diagnosis, *report.blame, *(f"note: {note}" for note in report.notes)]
    said = "".join(f"<div>{escaping.escape(line)}</div>" for line in lines if line)
    chosen = report.objections[:SHOWN] or report.entries[:3]
    rows = "".join(_row(entry) for entry in chosen)
    head = "".join(f"<th>{name}</th>" for name in HEADER)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    color = COLORS.get(report.verdict, "#b00000")
    title = escaping.escape(report.headline)
    return f'<div><b style="color:{color}">{title}</b>{said}{table}</div>'


def _row(entry: Entry) -> str:
    values = (entry.claimed, entry.measured, entry.error, entry.left, entry.right)
    formats = (".9g", ".9g", ".1e", ".6g", ".6g")
    numbers = [format(v, f) for v, f in zip(values, formats, strict=True)]
    cells = [escaping.escape(entry.place), *numbers]
    color = COLORS.get(entry.verdict, "#b00000")
    inside = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr>{inside}<td style="color:{color}">{entry.verdict}</td></tr>'
