"""What a gradient check found: as data, as a compact text, as JSON, a table or a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import GraphError, explain
from . import picture, rendering

__all__ = ["Entry", "GradcheckError", "GradcheckReport"]

RATIOS = {-1.0: "sign flipped", 0.0: "claimed to be zero"} | {
    sign * value: f"off by a factor {size}{', sign flipped' if sign < 0 else ''}"
    for size in (2, 3, 4)
    for value in (size, 1 / size)
    for sign in (1, -1)
}
FAILURES = ("wrong", "nondeterministic", "impure", "invalid")


class GradcheckError(ValueError):
    """A gradient check failed; the message is its report."""


@dataclass(frozen=True)
class Entry:
    """One derivative: of an output entry by an input entry, or along a direction.

    Attributes
    ----------
    input, output : str
        The names of the arrays; for a direction, a description.
    index, output_index : tuple of int
        The entry within them.
    claimed, measured : float
        What the pullback says, and what the differences say.
    error : float
        The bound of the error of `measured`, rounding of `claimed` included.
    left, right : float
        The slopes from either side, which differ at a kink.
    verdict : str
        "agrees", "wrong", "kink" or "ill-conditioned".
    """

    input: str
    index: tuple[int, ...]
    output: str
    output_index: tuple[int, ...]
    claimed: float
    measured: float
    error: float
    left: float
    right: float
    verdict: str

    @property
    def place(self) -> str:
        """Which derivative this is: ``d out[0] / d x[1, 2]``."""
        return f"d {_entry(self.output, self.output_index)} / d {_entry(self.input, self.index)}"

    def __str__(self) -> str:
        text = f"{self.place}: claimed {self.claimed:.9g}, measured {self.measured:.9g}"
        text += f" ± {self.error:.1e}"
        if self.verdict == "kink" or not _near(self.left, self.right, self.error):
            text += f" (slope {self.left:.6g} from the left, {self.right:.6g} from the right)"
        return text + self._ratio()

    def _ratio(self) -> str:
        """Name the factor between the claim and what was measured, if it is one to remember."""
        if self.verdict != "wrong" or not 1e-3 * abs(self.measured) > self.error:
            return ""
        ratio = self.claimed / self.measured
        named = next((text for value, text in RATIOS.items() if abs(ratio - value) < 1e-3), "")
        return f": {named}" if named else ""


@dataclass
class GradcheckReport:
    """The result of `gradcheck`. True in a condition exactly if the verdict is "agrees".

    Attributes
    ----------
    verdict : str
        "agrees"; "wrong": beyond the error bound; "kink": not differentiable at this point, and
        the claim is one of the possible slopes; "ill-conditioned": too much round-off to decide;
        "nondeterministic": the same input gave two results; "impure": the function overwrites its
        input; "invalid": it cannot be differentiated here at all (`gradcheck` alone says this).
    worst : Entry or None
        The entry that decided the verdict, or the one closest to its error bound.
    entries : list of Entry
        What was measured, the worst first; at most a thousand.
    counts : dict of str to int
        How many entries (full mode) or directions (other modes) got each verdict.
    digits : float
        How many decimal digits the least certain agreement proves, relative to the largest
        derivative of the same output.
    diagnosis : str
        A recognised pattern ("off by a factor 2"), the reason of an invalid check, or "".
    notes : list of str
        What was held constant, where differences are one-sided, and other remarks.
    blame : list of str
        Where the error comes from, a line each, if it was traced.
    order, mode, evaluations, seconds
        How it was checked, and what that cost.
    checked : bool
        False if nothing could be measured.
    sweep : callable or None
        Measures what `draw` shows.
    """

    verdict: str
    worst: Entry | None = None
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digits: float = 0.0
    diagnosis: str = ""
    notes: list[str] = field(default_factory=list)
    blame: list[str] = field(default_factory=list)
    order: int = 1
    mode: str = "full"
    evaluations: int = 0
    seconds: float = 0.0
    checked: bool = True
    sweep: Callable[[], picture.Sweep] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "sweep": None}  # it holds the function, which may not be pickled

    def __bool__(self) -> bool:
        return self.verdict == "agrees"

    @property
    def failed(self) -> bool:
        """Whether something was found to be wrong, or nothing could be found at all."""
        return self.verdict in FAILURES or not self.checked

    @property
    def objections(self) -> list[Entry]:
        """The entries that do not agree, the worst first."""
        return [entry for entry in self.entries if entry.verdict != "agrees"]

    def raise_if_wrong(self) -> GradcheckReport:
        """Raise if the check failed, else return the report.

        A kink and an ill-conditioned point are no failure: nothing was found to be wrong.

        Raises
        ------
        GradcheckError
            With the report as its message.
        """
        if self.failed:
            raise GradcheckError(str(self))
        return self

    def json(self, **options: Any) -> str:
        """Return everything as JSON; numbers that are not finite become null.

        `options` are those of `json.dumps`.
        """
        numbers = asdict(replace(self, sweep=None))
        del numbers["sweep"]
        return json.dumps(rendering.finite(numbers), allow_nan=False, **options)

    def draw(self, path: Any = None) -> picture.StepPicture:
        """Draw error against step size, with the bound, for the worst entry.

        The function is evaluated again, at many steps. This needs matplotlib. Notebooks show what
        is returned; the suffix of `path` (.png, .svg, .pdf) decides the format of a file.
        """
        if self.sweep is None:
            do = "Draw the report of a check that measured something, where it was made"
            raise GraphError(explain("draw: difference quotients", "none", do))
        return picture.draw(self.sweep()).save(path)

    def __str__(self) -> str:
        lines = [self.headline]
        if self.diagnosis:
            lines.append(f"  {self.diagnosis}")
        objections = self.objections
        shown = objections[: 3 if self.mode == "full" else 1] or (
            [self.worst] if self.worst and self.digits < 3 else []
        )
        lines += [f"  {entry}" for entry in shown]
        hidden = sum(n for verdict, n in self.counts.items() if verdict != "agrees") - len(shown)
        if objections and hidden > 0 and self.mode == "full":
            lines.append(f"  and {hidden} more")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  blame: {line}" for line in self.blame]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return rendering.html(self)

    @property
    def headline(self) -> str:
        """The verdict with the counts, in one line."""
        what = {1: "gradient", 2: "second derivative"}[self.order]
        return f"{what} check: {self.verdict}{self._summary()}"

    def _summary(self) -> str:
        total = sum(self.counts.values())
        if not total:
            return ""
        kind = "entries" if self.mode == "full" else "random directions"
        cost = f"{self.evaluations} evaluations, {self.seconds:.2g} s"
        agree = self.counts.get("agrees", 0)
        if agree == total:
            return f" ({total} {kind} to at least {self.digits:.1f} digits; {cost})"
        others = (f"{n} {verdict}" for verdict, n in self.counts.items() if verdict != "agrees")
        return f" ({', '.join(others)} of {total} {kind}; {cost})"


def _entry(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _near(a: float, b: float, error: float) -> bool:
    # A slope that is not a number is a side beyond the domain, which is no kink. At a kink the
    # bound is a multiple of the gap.
    return not abs(a - b) > max(0.1 * error, 1e-3 * max(abs(a), abs(b)))
