"""What a gradient check found, as data and as a compact text."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Entry", "GradcheckError", "GradcheckReport"]

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

    def __str__(self) -> str:
        place = f"d {_entry(self.output, self.output_index)} / d {_entry(self.input, self.index)}"
        text = f"{place}: claimed {self.claimed:.9g}, measured {self.measured:.9g}"
        text += f" ± {self.error:.1e}"
        if self.verdict == "kink" or not _near(self.left, self.right, self.error):
            text += f" (slope {self.left:.6g} from the left, {self.right:.6g} from the right)"
        return text


@dataclass
class GradcheckReport:
    """The result of `gradcheck`. True in a condition exactly if the verdict is "agrees".

    Attributes
    ----------
    verdict : str
        "agrees"; "wrong": beyond the error bound; "kink": not differentiable at this point, and
        the claim is one of the possible slopes; "ill-conditioned": too much round-off to decide;
        "nondeterministic": the same input gave two results; "impure": the function overwrites its
        input; "invalid": it cannot be differentiated here at all.
    worst : Entry or None
        The entry that decided the verdict, or the one closest to its error bound.
    entries : list of Entry
        The entries that do not agree, the worst first; at most ten.
    counts : dict of str to int
        How many entries (full mode) or directions (random mode) got each verdict.
    digits : float
        How many decimal digits the least certain agreement proves, relative to the largest
        derivative of the same output.
    diagnosis : str
        A recognised pattern ("off by a factor 2"), the reason of an invalid check, or "".
    notes : list of str
        What was held constant and other remarks.
    blame : list of str
        If the verdict is "wrong": whose rule is to blame, as `blame` says.
    order, mode, evaluations, seconds
        How it was checked, and what that cost.
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

    def __bool__(self) -> bool:
        return self.verdict == "agrees"

    def raise_if_wrong(self) -> GradcheckReport:
        """Raise if the check failed, else return the report.

        A kink and an ill-conditioned point are no failure: nothing was found to be wrong.

        Raises
        ------
        GradcheckError
            With the report as its message.
        """
        if self.verdict in FAILURES:
            raise GradcheckError(str(self))
        return self

    def __str__(self) -> str:
        what = {1: "gradient", 2: "second derivative"}[self.order]
        lines = [f"{what} check: {self.verdict}{self._summary()}"]
        if self.diagnosis:
            lines.append(f"  {self.diagnosis}")
        shown = self.entries[: 3 if self.mode == "full" else 1] or (
            [self.worst] if self.worst and self.digits < 3 else []
        )
        lines += [f"  {entry}" for entry in shown]
        hidden = sum(n for verdict, n in self.counts.items() if verdict != "agrees") - len(shown)
        if self.entries and hidden > 0 and self.mode == "full":
            lines.append(f"  and {hidden} more")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  blame: {line}" for line in self.blame]
        return "\n".join(lines)

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
    # A slope that is not a number is a side beyond the domain, which is no kink.
    return not abs(a - b) > max(error, 1e-3 * max(abs(a), abs(b)))
