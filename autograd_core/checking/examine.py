"""Which derivatives to measure: every entry, or random directions with a hunt for the culprit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .climb import STAGES, Line, Stage
from .judge import AGREES, KINK, VERDICTS, WRONG, Judgement, diagnose
from .question import Question, entry_scales, leaf_scales, projection
from .report import Entry
from .subject import Place, Subject

__all__ = ["Findings", "full", "random"]

DIRECTIONS = 2
JOINT = 3  # directions along which entries at a kink are tried together
SHOWN = 10
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


def full(subject: Subject, rng: np.random.Generator, rtol: float, atol: float) -> Findings:
    """Measure every entry of the Jacobian."""
    jacobian = np.array([subject.pull(row) for row in np.eye(subject.width)])  # (outputs, inputs)
    scales, others = entry_scales(subject)
    lines = [Line(np.array([i]), scales[i : i + 1], others[i]) for i in range(len(scales))]
    question = Question(subject, lines, jacobian.T * scales[:, None], None, rtol, atol)
    judgement = question.answer()
    verdicts = question.verdicts(judgement, rng)

    def entry(i: int, o: int) -> Entry:
        labels = _label(subject.inputs, i), _label(subject.outputs, o)
        return _entry(judgement, (i, o), VERDICTS[verdicts[i, o]], 1.0 / scales[i], *labels)

    found = _findings("full", judgement, verdicts, entry)
    if found.verdict == "wrong":
        measured = judgement.slopes.centre.value / scales[:, None]
        found.diagnosis = diagnose(jacobian.T, measured, verdicts == WRONG, subject.inputs)
    elif found.verdict == "kink":
        _try_together(question, np.flatnonzero((verdicts == KINK).any(axis=1)), found, rng)
    return found


def _try_together(
    question: Question, kinks: np.ndarray, found: Findings, rng: np.random.Generator
) -> None:
    """Accuse if claims that are possible one by one are impossible together."""
    if len(kinks) < 2:
        return
    signs = rng.choice([-1.0, 1.0], (JOINT, len(kinks)))
    signs[0] = 1.0
    weights = np.concatenate([question.lines[i].weights for i in kinks])
    for sign in signs:
        claims = sign[None] @ question.claims[kinks]
        joint = Question(question.subject, [Line(kinks, sign * weights)], claims)
        if not joint.possible(0, rng).all():
            names = [_text(_label(question.subject.inputs, i)) for i in kinks[:3]]
            more = " and others" if len(kinks) > 3 else ""
            found.verdict = "wrong"
            found.diagnosis = (
                f"each claim is possible at this kink, but not all together: moving "
                f"{', '.join(names)}{more} at once, no slope nearby is as claimed"
            )


def random(subject: Subject, rng: np.random.Generator, rtol: float, atol: float) -> Findings:
    """Measure along random directions, and if one disagrees, hunt for the entry."""
    scales = leaf_scales(subject)
    directions = [scales * _signed(rng, len(scales)) for _ in range(DIRECTIONS)]
    seeds = [_signed(rng, subject.width) for _ in range(DIRECTIONS)]
    pulled = [subject.pull(seed) for seed in seeds]
    question = _along(subject, directions, seeds, pulled, rtol, atol)
    judgement = question.answer()
    verdicts = question.verdicts(judgement, rng)
    output = (subject.outputs[0].name if subject.width == 1 else "a mixture of the outputs", ())

    def entry(i: int, o: int) -> Entry:
        line = question.lines[i]
        scale = float(directions[i][0] / line.weights[0])
        place: Label = ("a random direction", ())
        return _entry(judgement, (i, o), VERDICTS[verdicts[i, o]], scale, place, output)

    found = _findings("random", judgement, verdicts, entry)
    if found.verdict == "wrong":
        i = int(np.argmax(np.where(verdicts == WRONG, judgement.excess(), -1.0)))
        _hunt(subject, directions[i], seeds[i], pulled[i], (rtol, atol), found, output)
    return found


def _along(
    subject: Subject,
    directions: list[np.ndarray],
    seeds: list[np.ndarray],
    pulled: list[np.ndarray],
    rtol: float,
    atol: float,
    where: np.ndarray | None = None,
) -> Question:
    """Ask for the derivatives of combinations of the outputs along directions."""
    where = np.arange(len(subject.point)) if where is None else where
    # The more entries move, the further the point goes: shorten the steps a little.
    weights = [direction[where] / len(where) ** 0.25 for direction in directions]
    lines = [Line(where, w, 1.0 / max(1.0, np.abs(w).max())) for w in weights]
    claims = [[part[where] @ w] for part, w in zip(pulled, weights, strict=True)]
    probes = [projection(subject, seed) for seed in seeds]
    return Question(subject, lines, np.array(claims), probes, rtol, atol)


def _hunt(
    subject: Subject,
    direction: np.ndarray,
    seed: np.ndarray,
    pulled: np.ndarray,
    tolerances: tuple[float, float],
    found: Findings,
    output: Label,
) -> None:
    """Follow the largest disagreement to one array, and by bisection to one entry."""

    def ask(part: np.ndarray, stages: Sequence[Stage] = STAGES[:1]) -> Judgement:
        return _along(subject, [direction], [seed], [pulled], *tolerances, part).answer(stages)

    arrays = [np.arange(place.start, place.stop) for place in subject.inputs]
    suspects = [part for part in arrays if len(part)]
    where = max(suspects, key=lambda part: ask(part).excess()[0, 0])
    while len(where) > 1:
        half, rest = np.array_split(where, 2)
        where = half if ask(half).excess()[0, 0] > 1.0 else rest
    answer, position = ask(where, STAGES), int(where[0])
    if VERDICTS[int(answer.verdicts()[0, 0])] == "wrong":
        scale = 1.0 / direction[position]
        label = _label(subject.inputs, position)
        found.worst = _entry(answer, (0, 0), "wrong", scale, label, output)
        found.entries = [found.worst]
        lone = [Place(label[0], (), np.dtype(float), 0)]
        measured = answer.slopes.centre.value
        found.diagnosis = diagnose(answer.claims, measured, np.ones((1, 1), bool), lone)


def _findings(
    mode: str, judgement: Judgement, verdicts: np.ndarray, entry: Callable[[int, int], Entry]
) -> Findings:
    """Order what was found: the most serious verdict first, then the largest disagreement."""
    excess = judgement.excess()
    order = np.lexsort((-excess.ravel(), -verdicts.ravel()))
    places = [divmod(int(k), verdicts.shape[1]) for k in order[:SHOWN]]
    entries = [entry(i, o) for i, o in places]
    counts = Counter(VERDICTS[code] for code in verdicts.ravel())
    agreeing = (verdicts == AGREES) & np.isfinite(judgement.claims) & ~judgement.constant
    proved = -np.log10(judgement.allowed / judgement.typical)[agreeing]
    return Findings(
        mode,
        VERDICTS[int(verdicts.max())],
        entries[0],
        [e for e in entries if e.verdict != "agrees"],
        dict(counts),
        float(np.clip(np.nanmin(proved, initial=16.0), 0.0, 16.0)),
    )


def _entry(
    judgement: Judgement, at: tuple[int, int], verdict: str, scale: float, x: Label, y: Label
) -> Entry:
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


def _label(places: list[Place], position: int) -> Label:
    place = next(place for place in places if position < place.stop)
    index = np.unravel_index(position - place.start, place.shape) if place.shape else ()
    return place.name, tuple(int(i) for i in index)


def _text(label: Label) -> str:
    name, index = label
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _signed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw numbers of size 1/2 to 3/2 and either sign: none is lost, no two cancel."""
    return rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count)
