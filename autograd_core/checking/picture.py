"""A picture of one derivative: the error of difference quotients against their step."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .climb import Line, Probe, values_along
from .subject import Subject

__all__ = ["StepPicture", "Sweep", "draw", "sweep"]

STEPS = 2.0 ** -np.arange(0.0, 52.5, 0.5)


class Sweep(NamedTuple):
    """Difference quotients of one derivative at many steps."""

    title: str
    steps: np.ndarray
    forward: np.ndarray
    central: np.ndarray
    claimed: float
    measured: float
    error: float


def sweep(
    subject: Subject, line: Line, probe: Probe, output: int, title: str, numbers: Any
) -> Sweep:
    """Measure the quotients along a line; `numbers` are claim, measurement and bound on it."""
    size = float(np.abs(line.weights).max())
    here = probe(subject.centre)[0][output]
    rows = []
    with np.errstate(all="ignore"):
        for t in STEPS:
            step, plus, minus, _ = values_along(subject, line, probe, t)
            if step:
                quotients = (plus[output] - here) / step, (plus - minus)[output] / (2.0 * step)
                rows.append((step * size, *(q / size for q in quotients)))
    steps, forward, central = np.array(rows).T
    return Sweep(title, steps, forward, central, *(float(n) / size for n in numbers))


class StepPicture:
    """A picture by matplotlib; notebooks show it.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    """

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    @property
    def svg(self) -> str:
        """The picture as text in the format SVG."""
        text = io.StringIO()
        self.figure.savefig(text, format="svg")
        return text.getvalue()

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: Any) -> StepPicture:
        """Write the picture to a file, in the format that its name ends in, if there is one."""
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.figure.savefig(path, dpi=120)
        return self


def draw(data: Sweep) -> StepPicture:
    """Draw a sweep, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    least = _least(data)
    for name, quotients, marker in (
        ("forward difference", data.forward, "s"),
        ("central difference", data.central, "o"),
    ):
        errors = np.fmax(np.abs(quotients - data.measured), least)
        axes.plot(data.steps, errors, f"{marker}-", ms=3, lw=0.8, label=name)
    bound = max(data.error, least)
    axes.axhspan(least, bound, color="tab:green", alpha=0.15, lw=0)
    axes.axhline(bound, color="tab:green", label=f"bound of the extrapolation, {data.error:.0e}")
    gap = abs(data.claimed - data.measured)
    if np.isfinite(gap):
        style: dict[str, Any] = {"color": "tab:red" if gap > data.error else "black", "ls": "--"}
        axes.axhline(max(gap, least), **style, lw=1.2, label=f"claim, off by {gap:.0e}")
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel="distance from the derivative")
    title = f"{data.title} = {data.measured:.9g}"
    axes.set_title(title, size=min(12.0, 900.0 / len(title)))
    _explain(axes)
    axes.grid(which="major", alpha=0.3)
    axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.13), frameon=False)
    return StepPicture(figure)


def _least(data: Sweep) -> float:
    """Return what an error of zero is drawn at: a logarithmic axis has no zero."""
    size = max(abs(data.measured), data.error, float(np.finfo(float).tiny))
    return max(1e-17 * size, 1e-2 * data.error if np.isfinite(data.error) else 0.0)


def _explain(axes: Any) -> None:
    """Say on which side round-off rules and on which truncation."""
    for x, align, text in ((0.02, "left", "← round-off"), (0.98, "right", "truncation →")):
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": align, "va": "center"}
        axes.text(x, -0.1, text, color="gray", **place)
