"""What pointwise ops declare for compiled loops: each expression against the op it stands for.

The reference is the op itself, which is NumPy's function or a kernel with bounds of its own. The
results may differ by 4 ulp, and not at all where both are arithmetic, choices or comparisons.
"""

import functools
import inspect
import itertools
import os
from collections import defaultdict

import numpy as np
import pytest
import scalar_loops

import autograd_core as ag
from autograd_core.compiler.scalars import POWERS
from autograd_core.declare import OPS
from autograd_core.domains import Interval
from autograd_core.kernels import generate
from autograd_core.ops.pointwise import strong_divide, strong_multiply

POINTWISE = {op.name: op for op in OPS.values() if op.pointwise}
POINTWISE |= {"strong_multiply": strong_multiply, "strong_divide": strong_divide}
DTYPES = ("float32", "float64")
LIBRARY = set(generate._library(1))
TOGETHER = 12  # operations that share a function, because each takes its time to compile
# Plain Python takes a thousand times as long; then a few points have to do.
THIN = 1 if os.environ.get("NUMBA_DISABLE_JIT", "0") == "0" else 150

# Attributes besides the defaults, in the laws' manner.
ATTRIBUTES = {
    "round": [{"decimals": 2}, {"decimals": -1}],
    "clip": [{"min": -0.5}, {"max": 1.0}, {"min": -0.5, "max": 1.0}],
    "nan_to_num": [{"nan": 2.0, "posinf": 5.0, "neginf": -7.0}],
    "polygamma_of_order": [{"n": 3}],
    "hard_tanh": [{"min_val": -0.3, "max_val": 2.0}],
    **{name: [{"alpha": 0.7}] for name in ("elu", "elu_pull", "celu", "celu_pull")},
}
# NumPy returns one of two equal zeros, or NumPy's SIMD and C loops differ in which.
ZEROS_ALIKE = {"maximum", "minimum", "fmax", "fmin", "clip", "prelu"}
# A sum that cancels is as right as its terms.
CANCELS = {"logaddexp", "logaddexp2"}


def text_of(op, attributes):
    scalar = op.facets["scalar"]
    return scalar(**attributes) if callable(scalar) else scalar


def scalar_of(op, attributes):
    text = text_of(op, attributes)
    used = [name for name in attributes if name in scalar_loops.names(text)]
    return scalar_loops.Scalar(text, op.operands, used)


@functools.cache
def groups(dtype):
    """Return by op where its loops are: the types, and all that share a function with them."""
    rng, alike = np.random.default_rng(11), defaultdict(list)
    for op in map(POINTWISE.__getitem__, sorted(POINTWISE)):
        operands = typed(op, domain_samples(op, dtype, rng, 1))
        out = forward(op, operands, defaults(op)).dtype.name
        alike[tuple(x.dtype.name for x in operands), out].append(op)
    return {
        op.name: (*types, ops[part : part + TOGETHER])
        for types, ops in alike.items()
        for part in range(0, len(ops), TOGETHER)
        for op in ops[part : part + TOGETHER]
    }


def loops(op, dtype):
    """Return the loops of an op for operands of a dtype, in the order of `choices`."""
    types, out, ops = groups(dtype)[op.name]
    scalars = [scalar_of(one, attributes) for one in ops for attributes in choices(one)]
    first = sum(len(choices(one)) for one in ops[: ops.index(op)])
    return scalar_loops.scalar_loops(scalars, types, out)[first : first + len(choices(op))]


def run(loop, op, operands, attributes, out_dtype):
    """Compute an op by the loop of its expression; all operands have one shape."""
    values = [float(attributes[name]) for name in scalar_of(op, attributes).attributes]
    out = np.empty(operands[0].shape, out_dtype)
    loop(*map(np.ascontiguousarray, operands), out, np.array(values))
    return out


def forward(op, operands, attributes):
    with np.errstate(all="ignore"):
        return np.asarray(op.forward(*operands, **attributes))


def assert_close(got, truth, scale, zeros_alike):
    """4 ulp of `scale`; the same infinities and NaN; results below the normal numbers may be 0."""
    info = np.finfo(truth.dtype)
    nan = np.isnan(truth)
    np.testing.assert_array_equal(np.isnan(got), nan)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.minimum(np.maximum(np.abs(scale), info.tiny), info.max))
        error = np.where((got == truth) | nan, 0.0, np.abs(got - truth) / unit)
        overflow = np.isinf(got) ^ np.isinf(truth)
        finite = np.where(np.isinf(got), truth, got)
        error = np.where(overflow & (np.abs(finite) > info.max * (1 - 4 * info.eps)), 0.0, error)
    flushed = (np.abs(truth) < info.tiny) & (np.abs(got) < info.tiny)
    worst = np.where(flushed, 0.0, error).argmax()
    assert np.where(flushed, 0.0, error)[worst] <= 4, (worst, got[worst], truth[worst])
    if not zeros_alike:
        zeros = (truth == 0.0) & ~nan
        np.testing.assert_array_equal(np.signbit(got)[zeros], np.signbit(truth)[zeros])


def compare(loop, op, operands, attributes):
    truth = forward(op, operands, attributes)
    got = run(loop, op, operands, attributes, truth.dtype)
    if truth.dtype == bool:
        return np.testing.assert_array_equal(got, truth)
    scale = np.abs(truth)
    if op.name in CANCELS:
        with np.errstate(invalid="ignore"):
            scale = np.fmax(scale, np.fmax(*map(np.abs, operands)))
    return assert_close(got, truth, scale, op.name in ZEROS_ALIKE)


def defaults(op):
    return {name: value for name, value in op.attributes.items() if value is not inspect._empty}


def choices(op):
    return [defaults(op), *(defaults(op) | more for more in ATTRIBUTES.get(op.name, []))]


def extremes(dtype, size):
    """Every combination of the numbers where functions go wrong."""
    info = np.finfo(dtype)
    ends = [0.0, info.smallest_subnormal, info.tiny, info.eps, info.max, np.inf, np.nan]
    middle = [1e-3, 0.5, 1.0, 1.5, 2.0, 3.0, 20.0, 88.5, 104.0, 709.5, 1e5, 1e9, 1e20]
    one = [s * v for v in ends + middle for s in (1.0, -1.0)]
    rotated = zip(one, one[::-1], one[5:] + one[:5], strict=True)
    grid = list(itertools.product(one, repeat=size) if size < 3 else rotated)
    return [np.array(column, dtype) for column in zip(*grid[::THIN], strict=True)]


def wide(dtype, size, rng, count=4000 // THIN):
    """Numbers of every order of magnitude."""
    info = np.finfo(dtype)
    exponents = rng.uniform(info.minexp, info.maxexp, (size, count))
    return [s.astype(dtype) for s in np.exp2(exponents) * rng.choice([-1.0, 1.0], (size, count))]


def domain_samples(op, dtype, rng, count=4000 // THIN):
    domain = op.facets.get("domain") or (Interval(),) * len(op.operands)
    arrays = [part.sample(rng, (count,)) for part in domain]
    return [x if x.dtype == bool else x.astype(dtype) for x in arrays]


def typed(op, arrays):
    """A condition is bool."""
    return [x == x if n == "condition" else x for n, x in zip(op.operands, arrays, strict=True)]


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_every_pointwise_op_says_what_a_loop_computes(name):
    op = POINTWISE[name]
    assert ("scalar" in op.facets) != ("no_scalar" in op.facets)
    if "scalar" not in op.facets:
        return
    for attributes in choices(op):
        known = {*op.operands, *op.attributes} | LIBRARY | {"select", "np", "F", "LARGEST", "abs"}
        assert scalar_loops.names(text_of(op, attributes)) <= known


@pytest.mark.parametrize("name", sorted(POINTWISE))
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_expression_is_the_op(name, dtype):
    op, rng = POINTWISE[name], np.random.default_rng(11)
    size = len(op.operands)
    for loop, attributes in zip(loops(op, dtype), choices(op), strict=True):
        compare(loop, op, typed(op, domain_samples(op, dtype, rng)), attributes)
        compare(loop, op, typed(op, extremes(dtype, size)), attributes)
        compare(loop, op, typed(op, wide(dtype, size, rng)), attributes)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_with_a_known_exponent_is_the_power(dtype):
    rng = np.random.default_rng(11)
    powers = [scalar_loops.Scalar(text, ("x",)) for text in POWERS.values()]
    found = scalar_loops.scalar_loops(powers, (dtype,), dtype)
    for exponent, loop in zip(POWERS, found, strict=True):
        for (x,) in (extremes(dtype, 1), wide(dtype, 1, rng), [rng.normal(size=99).astype(dtype)]):
            out = np.empty_like(x)
            loop(x, out, np.empty(0))
            with np.errstate(all="ignore"):
                truth = x**exponent
            assert_close(out, truth, np.abs(truth), False)


def test_a_program_takes_the_short_way_to_a_known_power():
    power = ag.compile(lambda x: ag.sum(x**2 + x**-0.5 + x**2.5))
    for seed in range(3):
        x = np.random.default_rng(seed).uniform(0.5, 2.0, 30)
        value = power(x)
        np.testing.assert_allclose(value, np.sum(x**2 + x**-0.5 + x**2.5), rtol=1e-13)
    (program,) = power.programs
    text = "".join(segment.source for segment in program.segments)
    assert "sqrt" in text and text.count("power(") == 1


def test_the_multiple_of_half_pi_that_is_next_to_a_float64():
    x = np.array([np.ldexp(6381956970095103.0, 797)])
    cos, sin = (
        run(*loops(POINTWISE[name], "float64"), POINTWISE[name], [x], {}, x.dtype)
        for name in ("cos", "sin")
    )
    np.testing.assert_array_max_ulp(cos, np.array([-4.68716592425462761112e-19]), 1)
    assert sin == 1.0


def test_special_functions_compute_in_float64_also_for_float32():
    text = generate.text(
        scalar_loops.loops_text([scalar_loops.Scalar("gammaln(x) + exp(x)", ["x"])]), "float32"
    )
    assert "def gammaln(x):\n    return F(gammaln_double(np.float64(x)))" in text
    assert "F = np.float32" in text and "PI_HIGH_double = np.float64(3.141592653589793)" in text
