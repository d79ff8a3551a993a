"""`gradcheck`: the pullback of a function against numerical derivatives, without tolerances."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, UnknownNameError, explain
from .blame import blame_of
from .examine import Findings, full, random
from .fitness import require_fit
from .question import ROUNDINGS
from .report import GradcheckReport
from .subject import Subject, Unfit, parameters

__all__ = ["gradcheck"]

FULL_INPUTS = 400  # beyond, every entry costs too long for a default
FULL_ENTRIES = 40_000
LEARNING, NUDGE = 4, 2.0**-20  # the calls that a compiled function needs, and how they differ
MODES = {None: None, "auto": None, "full": full, "random": random, "fast": random}


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    mode: str | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    seed: int = 0,
    raise_exception: bool = False,
) -> GradcheckReport:
    r"""Compare the derivatives of a function on this engine with numerical ones.

    Parameters
    ----------
    fn : callable
        Takes and returns tensors, or nested containers of them. If it has ``named_parameters()``
        or ``parameters()``, as a module has, it is checked through these as well: their values
        are overwritten in place for each evaluation and restored whatever happens.
    *inputs : array_like or nested containers
        Where to check. Floating inputs are differentiated, all others are held constant.
    order : {1, 2}
        2 checks the backward pass, as a function of the inputs and of the cotangent, as well.
    mode : {"full", "random", "auto"}, optional
        "full" measures every entry of the Jacobian; "random" (also called "fast") a few random
        directions, at a cost that does not depend on the number of entries. By default the size
        decides: full up to 400 input entries.
    rtol, atol : float
        A difference up to ``atol + rtol * |measured|`` agrees in any case. Not needed: without
        them, the error bound of each measurement decides.
    seed : int
        For the random directions.
    raise_exception : bool
        Raise `GradcheckError` if the check fails (PyTorch's default). Otherwise look at the
        report, or call its ``raise_if_wrong()``.

    Returns
    -------
    GradcheckReport
        True in a condition if all agree; `print` shows a summary and the worst entries.

    Notes
    -----
    Along each direction the function is evaluated at steps that fall by factors of 8 from an
    eighth of the input's scale, and the differences are extrapolated to step zero. Their error
    bound adds truncation, seen in neighbouring rungs, and round-off, seen in the finest; a claim
    beyond it is wrong. Where a first look leaves doubt, finer and wider rungs are added. Where
    the slopes from the left and the right differ beyond their errors, the function has a kink.

    Inputs of single precision are evaluated in double precision if the function allows, and a
    module that has ``astype`` as a copy of double precision: what is proved then is the rule, to
    many digits. Claims in both precisions are compared first; where they differ by more than
    rounding explains, the function is measured in its own precision, to few digits.

    References
    ----------
    See `autograd_core.checking.ladder`.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> report = ag.gradcheck(lambda x: ag.sum(ag.sin(x) * x), np.array([0.5, 2.0]))
    >>> report.verdict, report.counts
    ('agrees', {'agrees': 2})
    """
    if not callable(fn):
        what = "gradcheck: a function as its first argument"
        raise DTypeError(explain(what, type(fn).__name__, "Pass the function, then its inputs"))
    if mode not in MODES or order not in (1, 2):
        what = "gradcheck: a mode among full, random and auto, and an order among 1 and 2"
        raise UnknownNameError(explain(what, f"mode {mode!r}, order {order!r}", "Correct them"))
    start = time.perf_counter()
    session = _Session(fn, inputs, mode, rtol, atol, seed)
    with np.errstate(all="ignore"):  # perturbed points may lie beyond the domain
        report = session.run(order)
    report.seconds = time.perf_counter() - start
    report.evaluations = sum(subject.calls for subject in session.subjects)
    return report.raise_if_wrong() if raise_exception else report


class _Session:
    """One call of `gradcheck`: which subjects are examined, in which order."""

    def __init__(
        self,
        fn: Callable[..., Any],
        inputs: tuple[Any, ...],
        mode: str | None,
        rtol: float,
        atol: float,
        seed: int,
    ) -> None:
        self.fn = fn
        self.inputs = inputs
        self.mode = mode
        self.tolerances = {"rtol": rtol, "atol": atol}
        self.rng = np.random.default_rng(seed)
        self.subjects: list[Subject] = []
        self.blamed: Subject | None = None  # the first that was examined
        self.compiled = hasattr(fn, "postmortem")

    def run(self, order: int) -> GradcheckReport:
        """Check the first order, then the second if there is nothing to object to."""
        at = 1
        try:
            report = self.first_order()
            if order == 2 and report:
                at = 2
                report = self.report(self.second_order(), at)
        except Unfit as unfit:
            report = GradcheckReport(unfit.verdict, diagnosis=unfit.reason, order=at)
        if report.verdict == "wrong" or (report.verdict == "nondeterministic" and self.compiled):
            report.blame = self.blame(at)
        report.notes += [f"{name} was held constant" for name in self.subjects[0].held]
        return report

    def subject(self, lift: bool) -> Subject:
        """Make the subject and see that it is fit: deterministic, pure, finite, of floats."""
        fn = _raised_copy(self.fn) if lift else self.fn
        made = Subject(fn, self.inputs, parameters(fn), lift)
        self.subjects.append(made)
        if self.compiled:
            _warm_up(made)
        require_fit(made)
        return made

    def first_order(self) -> GradcheckReport:
        """Examine in double precision if the function allows, else in its own."""
        own = self.subject(lift=False)
        if own.unit < 1e-10 and all(place.dtype.itemsize >= 8 for place in own.inputs):
            return self.report(self.examine(own))
        raised = self._raised()
        if raised is not None and _claims_alike(own, raised, self.rng):
            return self.report(self.examine(raised))
        return self.report(self.examine(own))

    def _raised(self) -> Subject | None:
        try:
            raised = self.subject(lift=True)
        except Exception:  # whatever a copy or another dtype meets, the original can be checked
            return None
        return raised if raised.unit < 1e-10 else None

    def second_order(self) -> Findings:
        """Examine the backward pass of the subject that the first order has passed."""
        first = self.subjects[-1]
        pulled = first.pulled(self.rng.uniform(0.5, 1.5, first.width))
        self.subjects.append(pulled)
        require_fit(pulled, raising="wrong")
        return self.examine(pulled)

    def blame(self, order: int) -> list[str]:
        """Return the lines that say whose rule is wrong."""
        try:
            found = blame_of(self.blamed or self.subjects[0], order, self.rng)
        except Exception as error:  # the verdict stands, whatever else a broken function does
            return [f"not found: the function raised {type(error).__name__}: {error}"]
        return found.lines

    def examine(self, subject: Subject) -> Findings:
        """Examine in the mode that was asked for, or that suits the size."""
        self.blamed = self.blamed or subject
        if not len(subject.point) or not subject.width:
            return Findings("full", diagnosis="nothing to compare: zero entries")
        how = MODES[self.mode]
        if how is None:
            inputs, entries = len(subject.point), len(subject.point) * subject.width
            how = full if inputs <= FULL_INPUTS and entries <= FULL_ENTRIES else random
        return how(subject, self.rng, **self.tolerances)

    def report(self, findings: Findings, order: int = 1) -> GradcheckReport:
        """Put findings into a report."""
        return GradcheckReport(
            findings.verdict,
            findings.worst,
            findings.entries,
            findings.counts,
            findings.digits,
            findings.diagnosis,
            order=order,
            mode=findings.mode,
        )


def _claims_alike(own: Subject, raised: Subject, rng: np.random.Generator) -> bool:
    """Whether the backward pass says the same in the function's own precision and in double.

    If not, rounding may be the reason, or a rule that is wrong in one precision only: then the
    function is measured in its own precision.
    """
    seed = rng.uniform(0.5, 1.5, own.width)
    low, high = own.pull(seed), raised.pull(seed)
    unit = max(own.coarsest, own.unit)
    close = np.abs(low - high) <= ROUNDINGS * unit * np.abs(high).max(initial=0.0)
    return bool(close.all())


def _warm_up(subject: Subject) -> None:
    """Let a compiled function learn first, so that one program gives all its values."""
    for i in range(LEARNING):
        subject.near(subject.rounded(subject.point * (1.0 + i * NUDGE)))


def _raised_copy(fn: Any) -> Any:
    """Return a copy of a module in double precision; any other function as it is."""
    return copy.deepcopy(fn).astype(np.float64) if hasattr(fn, "astype") else fn
