"""Random directions: a check whose cost does not depend on the size, and a hunt for culprits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .climb import BLUNT, FAST, STAGES, Line, Stage
from .examine import Findings, Label, entry_of, found, label, signed, sweep_of
from .judge import KINK, VERDICTS, WRONG, Judgement
from .patterns import diagnose, factor
from .question import Question, leaf_scales, projection
from .report import Entry
from .subject import Place, Subject

__all__ = ["fast", "sampled"]

DIRECTIONS = 2
SOUGHT = 3  # of the worst entries
APART = 4.0  # a claim this many gaps beyond both slopes of a kink is none of them
STAGES_OF_ALL = (FAST[0], *STAGES)


class Direction(NamedTuple):
    """Where all inputs move, which mixture of the outputs is looked at, what is claimed of it."""

    inputs: np.ndarray
    outputs: np.ndarray
    pulled: np.ndarray


def fast(subject: Subject, rng: np.random.Generator, rtol: float, atol: float) -> Findings:
    """Measure along two random directions, or better along one, in 16 evaluations."""
    one, two = _directions(subject, rng)
    start, ask = subject.calls, _asking(subject, (rtol, atol))
    first = ask([one])
    answers = [(one, first, first.answer(FAST))]
    if subject.calls - start <= 2 * len(FAST[0].steps):  # the first rungs were enough
        second = ask([two])
        answers.append((two, second, second.answer(FAST[:1])))
    results = [
        _found("fast", subject, [direction], question, answer, _quick_verdicts(answer))
        for direction, question, answer in answers
    ]
    worst = max(results, key=lambda findings: VERDICTS.index(findings.verdict))
    worst.digits = min(findings.digits for findings in results)
    worst.entries = [entry for findings in results for entry in findings.entries]
    verdicts = [findings.verdict for findings in results]
    worst.counts = {verdict: verdicts.count(verdict) for verdict in verdicts}
    if worst.verdict == "wrong":
        claims, measured = (np.array([getattr(e, n) for e in worst.entries])
                            for n in ("claimed", "measured"))  # fmt: skip
        text = factor(claims, measured, [])
        worst.diagnosis = f"the derivative {text}" if text else ""
        worst.notes.append("mode='sampled' names the entry")
    return worst


def sampled(subject: Subject, rng: np.random.Generator, rtol: float, atol: float) -> Findings:
    """Measure along random directions, and if one disagrees, hunt for the worst entries."""
    directions = _directions(subject, rng)
    ask = _asking(subject, (rtol, atol))
    question = ask(directions)
    judgement = question.answer(STAGES_OF_ALL)
    verdicts = question.verdicts(judgement, rng)
    findings = _found("sampled", subject, directions, question, judgement, verdicts)
    if findings.verdict == "wrong":
        i = int(np.argmax(np.where(verdicts == WRONG, judgement.excess(), -1.0)))
        _hunt(subject, directions[i], ask, findings, rng)
    return findings


Ask = Callable[..., Question]


def _directions(subject: Subject, rng: np.random.Generator) -> list[Direction]:
    scales = leaf_scales(subject)
    moves = [scales * signed(rng, len(scales)) for _ in range(DIRECTIONS)]
    seeds = [signed(rng, subject.width) for _ in range(DIRECTIONS)]
    return [Direction(m, s, subject.pull(s)) for m, s in zip(moves, seeds, strict=True)]


def _asking(subject: Subject, tolerances: tuple[float, float]) -> Ask:
    """Return what asks for the derivatives of combinations of the outputs along directions."""

    def ask(directions: Sequence[Direction], where: np.ndarray | None = None) -> Question:
        where = np.arange(len(subject.point)) if where is None else where
        # The more entries move, the further the point goes: shorten the steps a little.
        weights = [d.inputs[where] / len(where) ** 0.25 for d in directions]
        lines = [Line(where, w, 1.0 / max(1.0, np.abs(w).max())) for w in weights]
        claims = [[d.pulled[where] @ w] for d, w in zip(directions, weights, strict=True)]
        probes = [projection(subject, d.outputs) for d in directions]
        return Question(subject, lines, np.array(claims), probes, *tolerances, BLUNT,
                        lambda i, _: directions[i].outputs)  # fmt: skip

    return ask


def _found(
    mode: str,
    subject: Subject,
    directions: Sequence[Direction],
    question: Question,
    judgement: Judgement,
    verdicts: np.ndarray,
) -> Findings:
    def entry(i: int, o: int) -> Entry:
        scale = float(directions[i].inputs[0] / question.lines[i].weights[0])
        place: Label = ("a random direction", ())
        verdict = VERDICTS[verdicts[i, o]]
        return entry_of(judgement, (i, o), verdict, scale, place, _output(subject))

    findings = found(mode, judgement, verdicts, entry)
    findings.sweep = sweep_of(question, judgement, verdicts, findings)
    return findings


def _output(subject: Subject) -> Label:
    return (subject.outputs[0].name if subject.width == 1 else "a mixture of the outputs", ())


def _quick_verdicts(judgement: Judgement) -> np.ndarray:
    """Return verdicts without a look around: at a kink only what is far beyond it is wrong."""
    verdicts = judgement.verdicts()
    slopes = judgement.slopes
    gap = np.abs(slopes.left.value - slopes.right.value) + judgement.allowed
    doubtful = (verdicts == WRONG) & slopes.kink & (judgement.difference <= APART * gap)
    return np.where(doubtful, KINK, verdicts)


def _hunt(
    subject: Subject, direction: Direction, ask: Ask, findings: Findings, rng: np.random.Generator
) -> None:
    """Follow the largest disagreement to one array, and by bisection to single entries."""

    def answer(where: np.ndarray, stages: Sequence[Stage] = STAGES_OF_ALL[:1]) -> Judgement:
        return ask([direction], where).answer(stages)

    arrays = [np.arange(place.start, place.stop) for place in subject.inputs]
    suspects = [part for part in arrays if len(part)]
    where = max(suspects, key=lambda part: answer(part).excess()[0, 0])
    caught: list[Judgement] = []
    entries: list[Entry] = []
    while len(entries) < SOUGHT and len(where) and answer(where).excess()[0, 0] > 1.0:
        position = _bisect(where, answer, rng)
        result = answer(np.array([position]), STAGES)
        if VERDICTS[int(result.verdicts()[0, 0])] != "wrong":
            break
        scale = 1.0 / direction.inputs[position]
        place = label(subject.inputs, position)
        entries.append(entry_of(result, (0, 0), "wrong", scale, place, _output(subject)))
        caught.append(result)
        where = where[where != position]
    if entries:
        findings.worst = entries[0]
        findings.entries = entries + findings.entries
        findings.diagnosis = _pattern(caught, entries[0].input)


def _bisect(
    where: np.ndarray, answer: Callable[[np.ndarray], Judgement], rng: np.random.Generator
) -> int:
    """Halve a set at random, and go on with the half that is further off; return what is left.

    The derivatives by two halves add up to that by the whole: one of them need not be measured.
    """
    off = _off(answer(where), where)
    while len(where) > 1:
        half, rest = np.array_split(rng.permutation(where), 2)
        part = _off(answer(half), half)
        where, off = (half, part) if abs(part) >= abs(off - part) else (rest, off - part)
    return int(where[0])


def _off(judgement: Judgement, where: np.ndarray) -> float:
    """Return how far a claim is off, in the units of the whole direction."""
    gap = judgement.claims - judgement.slopes.centre.value
    return float(gap[0, 0] * len(where) ** 0.25)


def _pattern(caught: list[Judgement], name: str) -> str:
    lone = [Place(name, (len(caught),), np.dtype(float), 0)]
    claims = np.concatenate([result.claims for result in caught])
    measured = np.concatenate([result.slopes.centre.value for result in caught])
    return diagnose(claims, measured, np.ones(claims.shape, bool), lone)
