"""Compiled code draws what the generator would have given, and leaves it where it would be."""

import numpy as np
import pytest

from autograd_core.kernels import streams
from autograd_core.kernels.jit import compile_source

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
