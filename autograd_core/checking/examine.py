"""Every entry of a Jacobian is measured; and how what was measured is put into findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .climb import Line
from .judge import AGREES, KINK, VERDICTS, WRONG, Judgement
from .patterns import diagnose
from .picture import Sweep, sweep
from .question import Question, entry_scales
from .report import Entry
from .subject import Place, Subject

__all__ = ["Findings", "entry_of", "found", "full", "label", "signed"]

JOINT = 3  # directions along which entries at a kink are tried together
KEPT = 1000  # entries, the worst ones
Label = tuple[str, tuple[int, ...]]


@dataclass
class Findings:
    """What an examination found: the parts of a report that it decides."""

    mode: str
    verdict: str = "agrees"
    worst: Entry | None = None
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digits: float = 16.0
    diagnosis: str = ""
    notes: list[str] = field(default_factory=list)
    sweep: Callable[[], Sweep] | None = None


def full(subject: Subject, rng: np.random.Generator, rtol: float, atol: float) -> Findings:
    """Measure every entry of the Jacobian."""
    jacobian = np.array([subject.pull(row) for row in np.eye(subject.width)])  # (outputs, inputs)
    notes = _strong_zeros(subject, jacobian)
    scales, others = entry_scales(subject)
    lines = [Line(np.array([i]), scales[i : i + 1], others[i]) for i in range(len(scales))]
    units = np.eye(subject.width)
    question = Question(
        subject, lines, jacobian.T * scales[:, None], None, rtol, atol, seed=lambda _, o: units[o]
    )
    judgement = question.answer()
    verdicts = question.verdicts(judgement, rng)

    def entry(i: int, o: int) -> Entry:
        labels = label(subject.inputs, i), label(subject.outputs, o)
        return entry_of(judgement, (i, o), VERDICTS[verdicts[i, o]], 1.0 / scales[i], *labels)

    findings = found("full", judgement, verdicts, entry)
    findings.notes = notes + one_sided(question, judgement)
    if findings.verdict == "wrong":
        measured = judgement.slopes.centre.value / scales[:, None]
        findings.diagnosis = diagnose(
            jacobian.T, measured, verdicts == WRONG, subject.inputs, subject.outputs
        )
    elif findings.verdict == "kink":
        _try_together(question, _corners(judgement, verdicts), findings, rng)
    findings.sweep = sweep_of(question, judgement, verdicts, findings)
    return findings


def _strong_zeros(subject: Subject, jacobian: np.ndarray) -> list[str]:
    """Take zero times an infinite slope as zero, in place; say so.

    Most libraries answer NaN for the outputs that do not depend on an entry whose slope is
    infinite. That is a matter of convention, not an error in the rule.
    """
    if not np.isnan(jacobian).any():
        return []
    steep = np.isinf(jacobian).any(axis=0) & np.isinf(subject.pull(np.ones(subject.width)))
    product = np.isnan(jacobian) & steep
    jacobian[product] = 0.0
    return ["NaN from zero times an infinite slope: taken as zero"] if product.any() else []


def _corners(judgement: Judgement, verdicts: np.ndarray) -> np.ndarray:
    """Return the lines with a kink at which the function is continuous, with all its outputs."""
    slopes = judgement.slopes
    torn = (slopes.ragged | slopes.unbounded).any(axis=1)
    return np.flatnonzero(((verdicts == KINK) & slopes.kink).any(axis=1) & ~torn)


def _try_together(
    question: Question, kinks: np.ndarray, findings: Findings, rng: np.random.Generator
) -> None:
    """Accuse if claims that are possible one by one are impossible together."""
    if len(kinks) < 2:
        return
    signs = rng.choice([-1.0, 1.0], (JOINT, len(kinks)))
    signs[0] = 1.0
    weights = np.concatenate([question.lines[i].weights for i in kinks])
    finest = min(question.lines[i].other for i in kinks)
    for sign in signs:
        claims = sign[None] @ question.claims[kinks]
        line = Line(kinks, sign * weights, finest)
        joint = Question(question.subject, [line], claims, seed=question.seed)
        if (joint.verdicts(joint.answer(), rng) == WRONG).any():
            names = [_text(label(question.subject.inputs, i)) for i in kinks[:3]]
            more = " and others" if len(kinks) > 3 else ""
            findings.verdict = "wrong"
            findings.diagnosis = (
                f"each claim is possible at this kink, but not all together: moving "
                f"{', '.join(names)}{more} at once, no slope nearby is as claimed"
            )


def one_sided(question: Question, judgement: Judgement) -> list[str]:
    """Say where the function has values on one side only."""
    left, right = (np.isfinite(side.error) for side in judgement.slopes.sides)
    lines = np.flatnonzero((left != right).any(axis=1))
    if not len(lines):
        return []
    subject = question.subject
    names = [_text(label(subject.inputs, int(question.lines[i].where[0]))) for i in lines[:3]]
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    refusal = f" ({subject.refusal})" if subject.refusal else ""
    text = "one-sided differences: the function has no value on the other side"
    return [f"{', '.join(names)}{more}: {text}{refusal}"]


def sweep_of(
    question: Question, judgement: Judgement, verdicts: np.ndarray, findings: Findings
) -> Callable[[], Sweep]:
    """Return what measures the worst entry at many steps, when it is asked."""
    i, o = places_by_weight(judgement, verdicts)[0]
    centre = judgement.slopes.centre
    numbers = judgement.claims[i, o], centre.value[i, o], judgement.allowed[i, o]
    title = findings.worst.place if findings.worst else ""
    line, probe = question.lines[i], question.probes[i]
    return lambda: sweep(question.subject, line, probe, o, title, numbers)


def places_by_weight(judgement: Judgement, verdicts: np.ndarray) -> list[tuple[int, int]]:
    """Return where the entries are, the most serious verdict and largest disagreement first."""
    order = np.lexsort((-judgement.excess().ravel(), -verdicts.ravel()))[:KEPT]
    rows, columns = np.divmod(order, verdicts.shape[1])
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def found(
    mode: str, judgement: Judgement, verdicts: np.ndarray, entry: Callable[[int, int], Entry]
) -> Findings:
    """Order what was measured and count the verdicts."""
    entries = [entry(i, o) for i, o in places_by_weight(judgement, verdicts)]
    counts = Counter(VERDICTS[code] for code in verdicts.ravel())
    agreeing = (verdicts == AGREES) & np.isfinite(judgement.claims) & ~judgement.constant
    proved = -np.log10(judgement.allowed / judgement.typical)[agreeing]
    return Findings(
        mode,
        VERDICTS[int(verdicts.max())],
        entries[0],
        entries,
        dict(counts),
        float(np.clip(np.nanmin(proved, initial=16.0), 0.0, 16.0)),
    )


def entry_of(
    judgement: Judgement, at: tuple[int, int], verdict: str, scale: float, x: Label, y: Label
) -> Entry:
    """Return one of the measured derivatives, by its place, in the units of its input."""
    slopes = judgement.slopes
    numbers = (
        judgement.claims,
        slopes.centre.value,
        judgement.allowed,
        slopes.left.value,
        slopes.right.value,
    )
    claimed, measured, error, left, right = (float(n[at]) * scale for n in numbers)
    if scale < 0:
        left, right = right, left
    return Entry(*x, *y, claimed, measured, abs(error), left, right, verdict)


def label(places: list[Place], position: int) -> Label:
    """Return the name of an array in a flat vector, and an entry's index in it."""
    place = next(place for place in places if position < place.stop)
    index = np.unravel_index(position - place.start, place.shape) if place.shape else ()
    return place.name, tuple(int(i) for i in index)


def _text(label: Label) -> str:
    name, index = label
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def signed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw numbers of size 1/2 to 3/2 and either sign: none is lost, no two cancel."""
    return rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
