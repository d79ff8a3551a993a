"""Before anything is measured: is this a function that a derivative can be asked of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .subject import Place, Subject, Unfit, told

__all__ = ["require_fit", "require_steady"]

ROUNDINGS = 64.0  # two runs of the same function may differ by this many units of round-off


def require_fit(subject: Subject) -> None:
    """Raise `Unfit` unless a subject is pure, deterministic and finite; leave it recorded."""
    if not subject.inputs:
        what = "nothing to differentiate: none of the inputs is of a floating dtype"
        raise Unfit("invalid", what + (f" ({', '.join(subject.held)})" if subject.held else ""))
    _require_finite(subject.inputs, subject.point, "an input")
    subject.rehearse()
    try:
        first, recorded = subject.evaluate(subject.point), subject.record()
        if not _alike(first, recorded, subject.unit).all():
            second = subject.evaluate(subject.point)
            _require_same(subject, first, second, "the same input gave two results")
    except Unfit:
        raise
    except Exception as error:
        raise Unfit(subject.raising, f"{subject.name} raised {told(error)}") from error
    _require_same(subject, first, recorded, "it gives another result when it is recorded")
    _require_finite(subject.outputs, first, "the result")
    subject.centre = first
    _require_linear(subject)


def require_steady(subject: Subject, times: int) -> None:
    """Require that a subject still gives the results that it gave before it was measured.

    A random choice may come out the same twice; before anything is accused, more are tried.
    """
    for _ in range(times):
        try:
            again = subject.evaluate(subject.point)
        except Unfit as unfit:
            raise Unfit("nondeterministic", unfit.reason) from unfit
        except Exception as error:
            what = f"{subject.name} raised where it did not before: {told(error)}"
            raise Unfit("nondeterministic", what) from error
        _require_same(subject, subject.centre, again, "the same input gave two results")
    if times > 3:
        _require_same_pull(subject, times)


def _require_same_pull(subject: Subject, times: int) -> None:
    seed, once = subject.pulled_before
    subject.record()  # the values that the old recording needs were overwritten meanwhile
    for _ in range(times):
        _require_alike(subject, once, subject.pull(seed))


def _require_linear(subject: Subject) -> None:
    """Require that the backward pass repeats itself and is linear in the cotangent."""
    seed = np.linspace(0.5, 1.5, subject.width)
    once, again, double = (subject.pull(scale * seed) for scale in (1.0, 1.0, -2.0))
    subject.pulled_before = seed, once
    _require_alike(subject, once, again)
    unit = max(subject.unit, subject.coarsest)
    # Doubling is exact, except where a number is too small to have all its digits.
    least = max(float(np.finfo(place.dtype).smallest_subnormal) for place in subject.inputs)
    if not _alike(-2.0 * once, double, unit, ROUNDINGS * least).all():
        raise Unfit("wrong", f"{subject.backward} is not linear in the cotangent")


def _require_alike(subject: Subject, once: np.ndarray, again: np.ndarray) -> None:
    if not _alike(once, again, max(subject.unit, subject.coarsest)).all():
        what = f"{subject.backward} gave two results for one cotangent"
        raise Unfit("nondeterministic", what)


def _alike(a: np.ndarray, b: np.ndarray, unit: float, least: float = 0.0) -> np.ndarray:
    return np.isclose(a, b, rtol=ROUNDINGS * unit, atol=least, equal_nan=True)


def _require_same(subject: Subject, a: np.ndarray, b: np.ndarray, what: str) -> None:
    differs = ~_alike(a, b, subject.unit)
    if differs.any():
        where = _first(subject.outputs, differs)
        raise Unfit("nondeterministic", f"{what}: {where} was {a[differs][0]} and {b[differs][0]}")


def _require_finite(places: Sequence[Place], values: np.ndarray, what: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        where = _first(places, bad)
        raise Unfit("invalid", f"{what} is not finite: {where} is {values[bad][0]}")


def _first(places: Sequence[Place], mask: np.ndarray) -> str:
    position = int(np.flatnonzero(mask)[0])
    return next(place.label(position) for place in places if position < place.stop)
