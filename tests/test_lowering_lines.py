"""Lowerings along axes, where the declarations' samples do not reach: long, special, integer."""

import numpy as np
import pytest
from test_lowering import close, recorded, run

import autograd_core as ag
from autograd_core.compiler.native import lowers
from autograd_core.compiler.record import Apply

SPECIAL = np.array(
    [
        [1.0, np.nan, 3.0, -np.inf],
        [np.inf, 2.0, np.inf, 0.0],
        [-np.inf, -np.inf, -np.inf, -np.inf],
        [np.nan, np.nan, np.nan, np.nan],
        [-0.0, 0.0, 5.0, 5.0],
    ]
)
INTEGERS = np.arange(12).reshape(3, 4) % 5


def same(names, samples, dtype="float32"):
    """Check that the lowerings of ops agree with the ops on all samples, in one program."""
    applied = [(name, *sample) for name in names.split() for sample in samples]
    with np.errstate(all="ignore"):
        cases = [(ag.OPS[name], x, OPTIONS.get(name, {}) | o) for name, x, o in applied]
        trace, arrays, results, wanted = recorded(cases, given=False)
        assert all(lowers(step, dtype) for step in trace.steps)
        found = run(trace, arrays, results, dtype)
    for (name, *_), got, want in zip(applied, found, wanted, strict=True):
        close(got, want, np.finfo(dtype).eps, name)


def uniform(*shape):
    return np.random.default_rng(0).uniform(-2.0, 2.0, shape).astype(np.float32)


OPTIONS = {"standardize": {"eps": 1e-5, "center": True}}
REDUCTIONS = "mean max min nanmax nanmin logsumexp all any count_nonzero prod"
LINES = "softmax log_softmax cumsum cumprod argmax argmin argsort"


@pytest.mark.parametrize("names", [REDUCTIONS, LINES])
def test_what_is_not_a_number_counts_as_in_the_operation(names):
    x = SPECIAL.astype(np.float32)
    same(names, [((x,), {"axis": 1}), ((np.ascontiguousarray(x.T),), {"axis": 0})])


@pytest.mark.parametrize("names", [f"{REDUCTIONS} sum standardize", LINES])
def test_many_lines_lie_side_by_side(names):
    same(names, [((uniform(*shape),), {"axis": 0}) for shape in ((3, 1), (6, 2, 5))])


def test_two_axes_that_are_not_neighbours():
    samples = [((uniform(3, 2, 5, 7),), {"axis": axis}) for axis in ((0, 2), (1, -1))]
    same("sum mean var standardize", samples)


@pytest.mark.parametrize("shape", [(100_001,), (30_001, 2, 5), (2, 5001, 3)])
def test_a_long_sum_has_the_error_of_a_short_one(shape):
    x = np.abs(uniform(*shape)) + np.float32(0.1)
    axis = int(np.argmax(shape))
    trace, arrays, results, _ = recorded([(ag.OPS["sum"], (x,), {"axis": axis})])
    (got,) = run(trace, arrays, results, "float32")
    np.testing.assert_allclose(got, x.sum(axis=axis, dtype=np.float64), rtol=3e-6)


def test_integers_and_truths_stay_what_they_are():
    given = (INTEGERS, 1), (INTEGERS.astype(np.int32).T.copy(), 0), (INTEGERS > 2, None)
    names = "sum prod max min nanmin all any count_nonzero"
    same(names, [((x,), {"axis": axis}) for x, axis in given])


def test_lines_of_integers():
    samples = [((x,), {"axis": axis}) for x in (INTEGERS, INTEGERS > 2) for axis in (0, None)]
    same("argmax argsort cumsum cumprod", samples)


def test_the_mean_and_the_spread_of_integers_are_floats():
    same("mean var", [((INTEGERS,), {"axis": 0}), ((INTEGERS > 2,), {"axis": 1})], "float64")


def test_running_extremes_keep_the_first_nan():
    x = SPECIAL.astype(np.float32)
    cases = [(axis, largest) for axis in (0, 1) for largest in (True, False)]
    same("running_extreme", [((x,), {"axis": a, "largest": most}) for a, most in cases])


def test_a_recurrence_with_one_factor_for_all():
    pairs = [(a, uniform(2, 5)) for a in (uniform(2, 1), uniform(5))]
    same("recurrence", [(pair, {"reverse": back}) for pair in pairs for back in (True, False)])


def test_searching_puts_nan_last():
    x = np.array([1.0, 2.0, 2.0, 5.0, np.nan, np.nan], np.float32)
    v = np.array([0.0, 2.0, np.nan, np.inf, -np.inf, 7.0], np.float32)
    same("searchsorted", [((x, v), {"side": side}) for side in ("left", "right")])
    bins = (np.array(b, np.float32) for b in ([1, 2, 2, 5], [5, 2, 2, 1], [2, 2]))
    same("digitize", [((v, b), {"right": right}) for b in bins for right in (True, False)])


def test_bins_that_are_not_monotonic_are_left_to_the_operation():
    x, bins = uniform(3), np.array([1.0, 2.0, 3.0], np.float32)
    trace, arrays, results, _ = recorded([(ag.OPS["digitize"], (x, bins), {})])
    bins[1] = 9.0
    with pytest.raises(AssertionError, match="the bins are not monotonic"):
        run(trace, arrays, results, "float32")


def test_a_long_convolution():
    same("convolve", [((uniform(n), uniform(m)), {}) for n, m in ((1300, 1200), (3, 1100))])


def test_a_program_of_truths_alone():
    compiled = ag.compile(lambda x: ag.all(ag.logical_not(x), axis=1))
    for seed in range(4):
        x = np.random.default_rng(seed).random((5, 2)) < 0.4
        np.testing.assert_array_equal(compiled(x), ~x.any(axis=1))
    assert "a program of 2 steps, run 1 time" in compiled.explain()


def test_the_pullback_of_an_extreme_stays_in_single_precision():
    gradient = ag.compile(ag.grad(lambda x: ag.sum(ag.max(x, axis=1) * 2.0)))
    for seed in range(4):
        gradient(np.random.default_rng(seed).normal(size=(4, 5)).astype(np.float32))
    (program,) = gradient.programs
    applied = [step for step in program.steps if isinstance(step, Apply)]
    assert {step.result.dtype.name for step in applied} == {"float32", "bool"}
