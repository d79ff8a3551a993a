"""One check: which subjects are examined, in which precision and order, and what is reported."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .blame import blame_of, is_compiled
from .directions import fast, sampled
from .examine import Findings, full
from .fitness import require_adjoint, require_fit, require_steady
from .question import ROUNDINGS
from .report import GradcheckReport
from .subject import Subject, Unfit

__all__ = ["MODES", "Session"]

FULL_INPUTS = 400  # beyond, every entry costs too long for a default
FULL_ENTRIES = 40_000
LEARNING, NUDGE = 4, 2.0**-20  # what a compiled function needs: calls, and how they differ
MODES = {None: None, "auto": None, "full": full, "random": sampled, "sampled": sampled}
MODES["fast"] = fast
DOUBLE = 1e-10  # the machine epsilon of double precision and finer is below this


class Session:
    """One call of `gradcheck` or its kin.

    Parameters
    ----------
    make : callable
        Makes the subject, in its own precision or (True) lifted to double.
    mode : str, optional
    rtol, atol : float
    seed : int
    """

    def __init__(
        self,
        make: Callable[[bool], Subject],
        mode: str | None = None,
        rtol: float = 0.0,
        atol: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.make = make
        self.mode = mode
        self.tolerances = {"rtol": rtol, "atol": atol}
        self.rng = np.random.default_rng(seed)
        self.subjects: list[Subject] = []
        self.examined: Subject | None = None  # the last one
        self.blamed: Subject | None = None  # the first that was examined

    def run(self, order: int = 1, forward: bool = False) -> GradcheckReport:
        """Check the first order, then the rest that is asked for if there is no objection."""
        start = time.perf_counter()
        with np.errstate(all="ignore"):  # perturbed points may lie beyond the domain
            report = self._checked(order, forward)
        report.seconds = time.perf_counter() - start
        report.evaluations = sum(subject.calls for subject in self.subjects)
        return report

    def _checked(self, order: int, forward: bool) -> GradcheckReport:
        at = 1
        try:
            report = self.first_order()
            if forward and report and self.examined is not None:
                require_adjoint(self.examined, self.rng)
            if order == 2 and report:
                at = 2
                report = self.report(self.second_order(), at)
        except Unfit as unfit:
            known = unfit.verdict != "invalid"
            report = GradcheckReport(
                unfit.verdict, diagnosis=unfit.reason, order=at, checked=known
            )
        if self.subjects and self._is_to_blame(report):
            report.blame = self.blame(at)
        if self.subjects:
            report.notes += [f"{name} was held constant" for name in self.subjects[0].held]
        for remarks in [subject.remarks for subject in self.subjects]:
            report.notes += [remark for remark in remarks if remark not in report.notes]
        return report

    def first_order(self) -> GradcheckReport:
        """Examine in double precision if the function allows, else in its own."""
        own = self.subject(lift=False)
        if own.narrow:
            raised = self._raised()
            if raised is not None and _claims_alike(own, raised, self.rng):
                return self.report(self.examine(raised))
        require_fit(own)
        if own.unit > DOUBLE and not own.narrow:
            own = self._rounded(own)
        return self.report(self.examine(own))

    def subject(self, lift: bool) -> Subject:
        """Make a subject and keep it in mind."""
        made = self.make(lift)
        self.subjects.append(made)
        if is_compiled(made):
            _warm_up(made)
        return made

    def _is_to_blame(self, report: GradcheckReport) -> bool:
        """Whether something on a tape is at fault, or machine code that differs from it."""
        first = self.subjects[0]
        if report.verdict == "nondeterministic":
            return is_compiled(first)
        return report.verdict == "wrong" and first.has_tape

    def blame(self, order: int) -> list[str]:
        """Return the lines that say whose rule is wrong."""
        try:
            found = blame_of(self.blamed or self.subjects[0], order, self.rng)
        except Exception as error:  # the verdict stands, whatever else a broken function does
            return [f"not found: the function raised {type(error).__name__}: {error}"]
        return found.lines

    def _raised(self) -> Subject | None:
        try:
            raised = self.subject(lift=True)
            require_fit(raised)
        except Exception:  # whatever a copy or another dtype meets, the original can be checked
            return None
        return raised if raised.unit < DOUBLE else None

    def _rounded(self, own: Subject) -> Subject:
        """Return the subject at the nearest point that its results' precision can hold.

        It rounds its inputs on the way, as libraries of single precision do: steps that are
        finer than that, or not on its grid, would measure the rounding.
        """
        rounded = self.subject(lift=False)
        rounded.grid = max((p.dtype for p in own.outputs), key=lambda d: float(np.finfo(d).eps))
        point = rounded.rounded(rounded.point)
        if not np.isfinite(point).all() or ((point == 0.0) != (own.point == 0.0)).any():
            return own
        rounded.point = point
        require_fit(rounded)
        return rounded

    def second_order(self) -> Findings:
        """Examine the backward pass of the subject that the first order has passed."""
        first = self.examined
        assert first is not None  # the first order was examined
        pulled = first.pulled(self.rng.uniform(0.5, 1.5, first.width))
        self.subjects.append(pulled)
        require_fit(pulled)
        return self.examine(pulled)

    def examine(self, subject: Subject) -> Findings:
        """Examine in the mode that was asked for, or that suits the size."""
        self.examined, self.blamed = subject, self.blamed or subject
        if not len(subject.point) or not subject.width:
            return Findings("full", diagnosis="nothing to compare: zero entries")
        how = MODES[self.mode]
        if how is None:
            inputs, entries = len(subject.point), len(subject.point) * subject.width
            how = full if inputs <= FULL_INPUTS and entries <= FULL_ENTRIES else sampled
        findings = how(subject, self.rng, **self.tolerances)
        if findings.verdict not in ("agrees", "ill-conditioned") and how is not fast:
            require_steady(subject, 16)
        elif how is full:
            require_steady(subject, 3)
        return findings

    def report(self, findings: Findings, order: int = 1) -> GradcheckReport:
        """Put findings into a report."""
        return GradcheckReport(
            findings.verdict,
            findings.worst,
            findings.entries,
            findings.counts,
            findings.digits,
            findings.diagnosis,
            notes=list(findings.notes),
            order=order,
            mode=findings.mode,
            sweep=findings.sweep,
        )


def _warm_up(subject: Subject) -> None:
    """Let a compiled function learn first, so that one program gives all its values."""
    for i in range(LEARNING):
        subject.near(subject.rounded(subject.point * (1.0 + i * NUDGE)))


def _claims_alike(own: Subject, raised: Subject, rng: np.random.Generator) -> bool:
    """Whether the backward pass says the same in the function's own precision and in double.

    If not, rounding may be the reason, or a rule that is wrong in one precision only: then the
    function is measured in its own precision.
    """
    seed = rng.uniform(0.5, 1.5, raised.width)
    try:
        own.record()
        low, high = own.pull(seed), raised.pull(seed)
    except Exception:  # it is met again when the function is examined in its own precision
        return False
    unit = max(own.coarsest, own.unit)
    close = np.abs(low - high) <= ROUNDINGS * unit * np.abs(high).max(initial=0.0)
    return bool(close.all())
