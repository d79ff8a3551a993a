"""Elementwise steps on integers become machine code that loses no digit."""

import numpy as np
import pytest
from segments import compiled, traces

import autograd_core as ag
from autograd_core.compiler.native import lowers

INTEGERS = ("int8", "int32", "int64", "uint8", "uint64")
UNARY = "abs ceil floor isfinite isinf isnan negative positive relu sign signbit square trunc"
BINARY = (
    "add equal floor_divide fmax fmin greater greater_equal less less_equal logical_and "
    "logical_or logical_xor maximum minimum multiply not_equal remainder subtract"
)


def edges(dtype):
    """Return the ends of an integer type and some of its numbers, and as many others."""
    info = np.iinfo(dtype)
    x = [info.min, info.min, info.max, info.max, info.max - 1, info.max // 3, 0, 1, 7, 5, 3, 9]
    y = [info.max, info.min, info.max, 1, info.max, 2, 3, 0, 7, 3, 5, 0]
    if info.min:
        x, y = [*x, info.min, -7, 7, -7], [*y, -1, 2, -2, -2]
    return np.array(x, dtype), np.array(y, dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_functions_of_integers(dtype):
    names = UNARY.split()
    compiled(lambda x: tuple(ag.OPS[name](x) for name in names), edges(dtype)[0], names=names)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_functions_of_two_integers(dtype):
    names = BINARY.split()
    compiled(lambda *x: tuple(ag.OPS[name](*x) for name in names), *edges(dtype), names=names)


def test_integers_meet_numbers_truths_and_other_integers():
    x, small = np.array([-3, 0, 2**62 + 1]), np.array([1, 2, 3], np.int8)
    compiled(lambda x: (x == 2**62 + 1, x + 1, x - 2**40, -1 * x, x * True), x)
    compiled(lambda x, y: (x + y, x * (y > 1), ag.maximum(x > 0, y)), x, small)
    compiled(lambda x: (ag.logical_not(x), ag.clip(x, -1, 1), ag.clip(x, None, 2)), x)
    compiled(lambda x: ag.OPS["where"](x > -1, x, 7), x)


def test_conditions_of_any_type_choose_between_integers():
    x, y = np.array([5, 6, 7], np.int32), np.array([-5, -6, -7], np.int32)
    for condition in (np.array([2**40, 0, 1]), np.array([0.25, np.nan, -0.0], np.float32)):
        compiled(ag.where, condition, x, y)


def test_integers_and_floats_share_a_loop():
    labels, x = np.array([[2], [0], [1]]), np.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def chosen(labels, x):
        mask = labels == np.arange(4)
        return ag.where(mask, x, 0.0), labels * x, ag.exp(labels), labels > 0.5, (labels + 1) * 2

    compiled(chosen, labels, x, dtype="float64")


def test_narrow_integers_and_float32_are_float32():
    x = np.array([-7, 100], np.int16)
    compiled(lambda x, y: (x * y * y, x < y), x, np.array([0.1, 200.0], np.float32))


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x == 2.5, np.arange(3)),  # NumPy compares in float64
        (lambda x: ag.equal(x, np.float64(0.1)), np.float32([0.1, 0.2])),
        (lambda x: ag.equal(x, np.uint64([1, 2, 3])), np.arange(3)),
        (lambda x: ag.equal(x, 300), np.arange(3, dtype=np.int8)),
        (lambda x: ag.where(x > 0, x, np.arange(3.0)), np.arange(3)),
    ],
)
def test_what_another_type_computes_runs_by_itself(function, x):
    trace, _ = traces(function, x)
    assert not lowers(trace.steps[-1], "float32")


def test_signed_and_unsigned_numbers_are_not_compared_as_floats():
    x = np.array([2**62 + 1, 5])
    trace, (found,) = traces(lambda x: ag.equal(x, np.uint64([2**62, 5])), x)
    assert found.numpy().tolist() == [False, True]
    assert not lowers(trace.steps[-1], "float64")


def test_a_program_without_floats():
    @ag.compile
    def marked(labels, mask):
        return ag.logical_and(ag.logical_or(labels > 2, mask), ag.logical_not(mask))

    rng = np.random.default_rng(0)
    for _ in range(4):
        labels, mask = rng.integers(0, 5, 9), rng.random(9) < 0.5
        found = marked(ag.tensor(labels), ag.tensor(mask))
        np.testing.assert_array_equal(found.numpy(), (labels > 2) & ~mask)
