"""`gradcheck_callable` before a jury: right, wrong, kinks, edges, scales, impure, random, bad."""

import warnings

import numpy as np
import pytest
from jury import CASES

import autograd_core as ag

VERDICTS = {"agrees", "wrong", "kink", "ill-conditioned", "nondeterministic", "impure"}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_true_one(name):
    case = CASES[name]()
    with warnings.catch_warnings():  # a case may be careless
        warnings.simplefilter("ignore")
        report = ag.gradcheck_callable(case.f, case.x, **case.claim)
    assert report.verdict in case.verdicts, report
    assert report.verdict in VERDICTS


def test_nothing_of_the_caller_is_changed():
    for name in ("doubles its input", "the gradient overwrites its input", "right matmul"):
        case = CASES[name]()
        parts = case.x if isinstance(case.x, tuple) else (case.x,)
        before = [np.array(part) for part in parts]
        ag.gradcheck_callable(case.f, case.x, **case.claim)
        for was, part in zip(before, parts, strict=True):
            np.testing.assert_array_equal(was, part)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("factor 2", "the derivative by x is off by a factor 2: too small"),
        ("sign flipped", "the derivative by x has its sign flipped"),
        ("matmul transposed", "the derivative by a is transposed"),
        ("broadcast without its sum", "b has shape (3, 2), b has (2,): missing the broadcast sum"),
        ("broadcast, first row only", "lacks some outputs: missing the broadcast sum"),
        ("broadcast with a mean", "off by a factor 3: too small; it is the length of an axis"),
        ("matmul, one gradient zero", "one operand's gradient is missing: that by b is claimed"),
        ("matmul, one gradient missing", "one operand's gradient is missing: that by b"),
        ("off by 1e-3 sin", "0.1 % too large"),
        ("off by 1e-5 sin", "0.001 % too large"),
        ("rounded to single", "the derivative by x is rounded to single precision"),
        ("max at a tie, both", "each claim is possible at this kink, but not all together"),
        ("nothing returned", "the function returns nothing (out is None)"),
        ("a string returned", "must return real floating numbers, out is"),
        ("no gradient returned", "the derivative returns nothing: return the result"),
        ("wrong shape", "the derivative by x has shape (2,), x has (3,)"),
        ("a string", "the derivative by x is not of real numbers: <U3"),
        ("complex gradient", "is not of real numbers: complex128"),
        ("a rule that raises", "the derivative raised ValueError: matmul"),
        ("grad for a vector", "grad= is for a function of one number; the result has shape (3,)"),
        (
            "a keyword missing",
            "one operand's gradient is missing: the derivative: a dict with a, b",
        ),
        ("cotangent squared", "the derivative is not linear in the cotangent"),
        ("raises below", "x[0]: one-sided differences: the function has no value on the other"),
        ("raises below", "(ValueError: below 1.0)"),
        ("raises at the point", "the function raised ValueError: below 9.0"),
        ("doubles its input", "the function overwrites an input: x"),
        ("the gradient overwrites its input", "the derivative overwrites an input: x"),
        ("the pullback overwrites the cotangent", "the derivative overwrites its cotangent"),
        ("noise", "the same input gave two results: out was"),
        ("a random gradient", "the derivative gave two results for one cotangent"),
        ("integers", "note: the inputs are integers: checked as floating numbers"),
        ("NaN at the point", "the result is not finite: out[1] is nan"),
        ("NaN in the input", "an input is not finite: x[1] is nan"),
        ("sqrt at 0, infinite", "NaN from zero times an infinite slope: taken as zero"),
        ("abs at 0, claim 2", "slope -1 from the left, 1 from the right"),
        ("size 0", "nothing to compare: zero entries"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_reports_say_it_in_words(name, words):
    case = CASES[name]()
    assert words in str(ag.gradcheck_callable(case.f, case.x, **case.claim))
