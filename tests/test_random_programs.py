"""Random programs give the same eager and compiled: values and derivatives, on fresh inputs.

Compiling takes its time, so expressions are packed: one program computes many. A failure prints
the seed and the steps of the expression at fault, which is then compiled alone.
"""

import os

import numpy as np
import pytest
from random_programs import Expression, inputs

import autograd_core as ag

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
TIMES = 10 if THOROUGH else 1
NATIVE, ONE_BY_ONE = 4 * TIMES, 20 * TIMES  # packs
FEW, MANY = 8, 100  # expressions in a pack
LENGTH = 6


def pack(seed, dtype, count, slopes):
    """Return expressions, and the function that computes all."""
    rng = np.random.default_rng(seed)
    expressions = [Expression(rng, dtype, LENGTH) for _ in range(count)]

    def function(*values):
        results = [e(*values) for e in expressions]
        return results, [e.slopes(*values) for e in expressions[:slopes]]

    return expressions, function


def compare(seed, dtype, count, slopes, native):
    expressions, function = pack(seed, dtype, count, slopes)
    compiled = ag.compile(function, native=native, audit=False)
    rng = np.random.default_rng(seed + 1)
    with np.errstate(all="ignore"):
        for _ in range(4):
            given = list(map(ag.tensor, inputs(rng, dtype)))
            (found, slopes_found), (wanted, slopes_wanted) = compiled(*given), function(*given)
            for e, got, want in zip(expressions, found, wanted, strict=True):
                same(got, want, dtype, 64, f"seed {seed}, a value:\n{e}")
            for e, got, want in zip(expressions, slopes_found, slopes_wanted, strict=False):
                same(got, want, dtype, 512, f"seed {seed}, a derivative:\n{e}")
    assert compiled.programs, compiled.explain()


def same(found, wanted, dtype, few, message):
    """Compare results of one expression, by the size of what it may have computed on the way."""
    for got, want in zip(found, wanted, strict=True):
        got, want = np.asarray(got), np.asarray(want)
        assert (got.shape, got.dtype) == (want.shape, want.dtype), message
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(got, want, message)
            continue
        scale = np.abs(want[np.isfinite(want)]).max(initial=8.0)
        limit = few * np.finfo(want.dtype if dtype == "float64" else dtype).eps
        np.testing.assert_allclose(got, want, limit, limit * scale, err_msg=message)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(NATIVE // 2))
def test_as_machine_code(seed, dtype):
    compare(seed, dtype, FEW, FEW // 4, native=True)


@pytest.mark.parametrize("seed", range(1000, 1000 + ONE_BY_ONE))
def test_one_by_one(seed):
    compare(seed, ["float32", "float64"][seed % 2], MANY, MANY // 4, native=False)
