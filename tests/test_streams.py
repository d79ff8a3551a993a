"""Compiled code draws what the generator would have given, and leaves it where it would be."""

import numpy as np
import pytest

from autograd_core.kernels import streams
from autograd_core.kernels.jit import compile_source, is_compiled

DTYPES = ("float32", "float64")
BITS = (
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
)


def fill(rng, n, dtype):
    loop = compile_source("fill", streams.source(dtype), streams.SIGNATURE.format(dtype))
    out = np.empty(n, dtype)
    function, state = streams.addresses(rng, dtype)
    with rng.bit_generator.lock:
        loop(function, state, out)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", BITS)
def test_compiled_draws_are_the_generators(bits, dtype):
    rng, twin = np.random.Generator(bits(3)), np.random.Generator(bits(3))
    np.testing.assert_array_equal(fill(rng, 1001, dtype), twin.random(1001, dtype))
    # An odd number of float32 leaves half of a 64-bit number behind.
    np.testing.assert_equal(rng.bit_generator.state, twin.bit_generator.state)


@pytest.mark.parametrize("bits", BITS)
def test_compiled_and_ordinary_draws_alternate(bits):
    rng, twin = np.random.Generator(bits(4)), np.random.Generator(bits(4))
    choose = np.random.default_rng(0)
    for _ in range(40):
        n, dtype, compiled = choose.integers(1, 6), choose.choice(DTYPES), choose.random() < 0.5
        drawn = fill(rng, n, str(dtype)) if compiled else rng.random(n, dtype)
        np.testing.assert_array_equal(drawn, twin.random(n, dtype))
        assert rng.integers(10) == twin.integers(10)
        assert rng.normal() == twin.normal()


@pytest.mark.parametrize("bits", BITS)
def test_permutations_are_the_generators(bits):
    rng, twin = np.random.Generator(bits(7)), np.random.Generator(bits(7))
    for count in (0, 1, 2, 31, 32, 33, 1000, streams.SHORT, streams.SHORT + 1):
        found = streams.permutation(rng, count)
        np.testing.assert_array_equal(found, twin.permutation(count))
        assert found.dtype == np.int64
    np.testing.assert_equal(rng.bit_generator.state, twin.bit_generator.state)
    assert streams._is_numpys() is is_compiled()


def test_other_generators_permute_as_they_do():
    class Still(np.random.Generator):
        def permutation(self, x):
            return np.arange(x)

    found = streams.permutation(Still(np.random.PCG64(0)), 5)
    np.testing.assert_array_equal(found, np.arange(5))
