"""The kernels: digits, special values, strong zeros, layouts, dtypes, rows.

Truths are stored (tests/data/kernels_highprec.json; how they were made stands in it), as sums of
two float64, so that an error in ulp is exact. The float32 loops are compared with the float64 ones
over many more points.
"""

import functools
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from autograd_core.errors import UnknownNameError
from autograd_core.kernels import activations, exact, formats, generate, jit, literals
from autograd_core.kernels.rows import cross_entropy, cross_entropy_pull

ROOT = Path(__file__).resolve().parent.parent
TRUTHS = json.loads((ROOT / "tests" / "data" / "kernels_highprec.json").read_text())
DTYPES = (np.float32, np.float64)
NAMES = activations.NAMES
ATTRS = {
    "leaky_relu": {"slope": 0.25},
    "elu": {"alpha": 0.75},
    "celu": {"alpha": 0.75},
    "hard_tanh": {"min_val": -0.5, "max_val": 2.0},
    "softshrink": {"lambd": 0.75},
    "hard_shrink": {"lambd": 0.75},
}

# Plain Python takes a thousand times as long a step; then a few points have to do.
STRIDE = 500 if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else 1

# Bounds in ulp: (value, slope). Two, except where `slopes` says why not.
BOUNDS = {name: (2.0, 2.0) for name in NAMES} | {
    "sigmoid": (2.0, 3.5),
    "tanh": (2.0, 4.0),
    "silu": (2.0, 4.0),
    "mish": (2.3, 3.6),
    "tanhshrink": (3.3, 3.8),
    "gelu": (2.0, 2.5),
    "gelu_tanh": (2.0, 4.0),
}
FUNCTIONS = {
    "exp": 1.0,
    "expm1": 1.5,
    "log": 1.0,
    "log1p": 1.6,
    "tanh": 2.7,
    "sigmoid": 2.0,
    "erf": 2.6,
    "erfc": 2.0,
}


def spacing(truth, dtype):
    """Size of a unit in the last place at `truth`, down to the subnormal numbers."""
    info = np.finfo(dtype)
    _, exponent = np.frexp(np.abs(truth))
    lowest = int(np.log2(float(info.tiny))) - info.nmant if dtype == np.float32 else -1074
    return np.ldexp(1.0, np.maximum(exponent - info.nmant - 1, lowest))


def ulps(got, high, low, dtype):
    error = (got.astype(np.float64) - high) - low
    return np.abs(np.where(got == high, -low, error)) / spacing(high, dtype)


def ones_pull(name, x, **attrs):
    return activations.pull(name, np.ones_like(x), x, **attrs)


@functools.cache
def library_loop(name, dtype):
    source = f"def each(x, out):\n    for i in range(x.size):\n        out[i] = {name}(x[i])\n"
    return jit.compile_source(
        "each", generate.text(source, dtype), f"({dtype}[::1], {dtype}[::1])"
    )


def library(name, x):
    out = np.empty(x.shape, x.dtype)
    library_loop(name, x.dtype.name)(np.ascontiguousarray(x), out)
    return out


ROOTS = (-1.2784646, -0.7517915, -0.7524614, -1.1924312)


def grid(limit):
    """Float32 points: dense, logarithmic towards 0 on both sides, and around the slopes' zeros."""
    rng = np.random.default_rng(7)
    tiny = 10.0 ** rng.uniform(-37, 0, 20_000)
    roots = [r + np.arange(-2000, 2000) * 2.0**-23 for r in ROOTS]
    points = [np.linspace(-limit, limit, 50_001), np.linspace(-8, 8, 50_001), tiny, -tiny, *roots]
    return np.concatenate(points).astype(np.float32)[::STRIDE]


# ---- digits


@pytest.mark.parametrize("name", sorted(TRUTHS["activations"]))
def test_float64_values_and_slopes_keep_their_digits(name):
    x, value, value_low, slope, slope_low = np.array(TRUTHS["activations"][name]).T
    value_bound, slope_bound = BOUNDS[name]
    assert ulps(activations.value(name, x), value, value_low, np.float64).max() <= value_bound
    assert ulps(ones_pull(name, x), slope, slope_low, np.float64).max() <= slope_bound


@pytest.mark.parametrize("name", [n for n in NAMES if n in TRUTHS["certified"]])
def test_certified_rows_including_the_far_tails(name):
    rows = np.array([[float(v) for v in row] for row in TRUTHS["certified"][name]])
    x, value, slope = rows.T
    for got, truth, bound in (
        (activations.value(name, x), value, BOUNDS[name][0]),
        (ones_pull(name, x), slope, BOUNDS[name][1]),
    ):
        finite = np.isfinite(truth)
        assert (ulps(got[finite], truth[finite], 0.0, np.float64) <= bound + 0.5).all()
        np.testing.assert_array_equal(got[~finite], truth[~finite])


@pytest.mark.parametrize("name", NAMES)
def test_float32_agrees_with_float64(name):
    x = grid(120.0)
    for run, bound in zip((activations.value, ones_pull), BOUNDS[name], strict=True):
        truth = run(name, x.astype(np.float64))
        assert ulps(run(name, x), truth, 0.0, np.float32).max() <= bound


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_functions_keep_their_digits(name):
    x, value, low = np.array(TRUTHS["functions"][name]).T
    assert ulps(library(name, x), value, low, np.float64).max() <= FUNCTIONS[name]
    x = grid(60.0)
    x = np.abs(x[x != 0]) if name.startswith("log") else x
    truth = library(name, x.astype(np.float64))
    assert ulps(library(name, x), truth, 0.0, np.float32).max() <= FUNCTIONS[name]


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n in TRUTHS["certified"]])
def test_certified_rows_of_the_vector_functions(name):
    x, truth, _ = np.array([[float(v) for v in row] for row in TRUTHS["certified"][name]]).T
    got, finite = library(name, x), np.isfinite(truth)
    assert (ulps(got[finite], truth[finite], 0.0, np.float64) <= FUNCTIONS[name] + 0.5).all()
    np.testing.assert_array_equal(got[~finite], truth[~finite])


def test_tails_do_not_vanish_or_cancel():
    x = np.array([40.0, -40.0, 500.0])
    np.testing.assert_allclose(ones_pull("sigmoid", x), np.exp(-np.abs(x)), rtol=1e-15)
    np.testing.assert_allclose(ones_pull("tanh", x / 2), 4 * np.exp(-np.abs(x)), rtol=1e-15)
    np.testing.assert_allclose(activations.value("gelu", -10.0), -7.61985302416052e-23, rtol=1e-14)
    assert activations.value("sigmoid", np.array(-745.0)) == 5e-324
    # A subnormal result is rounded once, after the factor 4.
    x = np.linspace(369.0, 372.0, 50)
    truth = np.array([math.exp(math.log(4.0) - 2.0 * v) for v in x])
    assert np.abs(ones_pull("tanh", x) - truth).max() <= 5e-324
    assert activations.value("softplus", np.array(-740.0)) == math.exp(-740.0)


# ---- special values

NAN, INF = math.nan, math.inf
LIMITS = {  # f(-inf), f(0), f(inf), f'(-inf), f'(0), f'(inf)
    "relu": (0, 0, INF, 0, 0, 1),
    "leaky_relu": (-INF, 0, INF, 0.25, 0.25, 1),
    "relu6": (0, 0, 6, 0, 0, 0),
    "hard_tanh": (-0.5, 0, 2, 0, 1, 0),
    "hard_sigmoid": (0, 0.5, 1, 0, 1 / 6, 0),
    "hard_swish": (0, 0, INF, 0, 0.5, 1),
    "softshrink": (-INF, 0, INF, 1, 0, 1),
    "hard_shrink": (-INF, 0, INF, 1, 0, 1),
    "elu": (-0.75, 0, INF, 0, 0.75, 1),
    "selu": (-1.7580993408473768, 0, INF, 0, 1.7580993408473768, 1.0507009873554805),
    "celu": (-0.75, 0, INF, 0, 1, 1),
    "sigmoid": (0, 0.5, 1, 0, 0.25, 0),
    "log_sigmoid": (-INF, -math.log(2.0), 0, 1, 0.5, 0),
    "tanh": (-1, 0, 1, 0, 1, 0),
    "tanhshrink": (-INF, 0, INF, 1, 0, 1),
    "softsign": (-1, 0, 1, 0, 1, 0),
    "mish": (0, 0, INF, 0, 0.6, 1),
    "silu": (0, 0, INF, 0, 0.5, 1),
    "gelu": (0, 0, INF, 0, 0.5, 1),
    "gelu_tanh": (0, 0, INF, 0, 0.5, 1),
    "softplus": (0, math.log(2.0), INF, 0, 0.5, 1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_infinities_zeros_and_nan(name, dtype):
    # Once in a vector's body and once in its remainder: the two are different machine code.
    x = np.tile(np.array([-INF, 0.0, INF, NAN], dtype), 17)[:65]
    expected = [*LIMITS[name][:3], NAN], [*LIMITS[name][3:], NAN]
    for run, limits in zip((activations.value, ones_pull), expected, strict=True):
        truth = np.tile(np.array(limits, dtype), 17)[:65]
        np.testing.assert_allclose(
            run(name, x, **ATTRS.get(name, {})), truth, rtol=2 * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_vector_functions_at_special_values(dtype):
    cases = {
        "exp": {-INF: 0, 0.0: 1, INF: INF, 1000.0: INF, -1000.0: 0},
        "expm1": {-INF: -1, 0.0: 0, INF: INF, 1e-40: 1e-40, -1000.0: -1},
        "log": {0.0: -INF, 1.0: 0, INF: INF, -1.0: NAN, 1e-45: math.log(dtype(1e-45))},
        "log1p": {-1.0: -INF, 0.0: 0, INF: INF, -2.0: NAN, 1e-30: 1e-30},
        "erf": {-INF: -1, 0.0: 0, INF: 1},
        "erfc": {-INF: 2, 0.0: 1, INF: 0},
        "tanh": {-INF: -1, 0.0: 0, INF: 1},
        "sigmoid": {-INF: 0, 0.0: 0.5, INF: 1},
    }
    for name, rows in cases.items():
        x = np.array([*rows, NAN], dtype)
        truth = np.array([*rows.values(), NAN], dtype)
        np.testing.assert_allclose(library(name, x), truth, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_strong_zeros(name, dtype):
    everything = np.array([-INF, -1e30, -1.0, 0.0, 1.0, 1e30, INF, NAN] * 5, dtype)
    assert (activations.pull(name, np.zeros_like(everything), everything) == 0).all()
    flat = np.array([-INF, INF] * 9, dtype)
    flat = flat[ones_pull(name, flat) == 0]
    for ct in (INF, -INF):
        assert (activations.pull(name, np.full_like(flat, ct), flat) == 0).all()
    assert np.isnan(activations.pull(name, np.full_like(flat, NAN), flat)).all()


KINKS = {  # x: f'(x), PyTorch's choice but for hard_tanh, which does as clip
    "relu": {0.0: 0.0},
    "leaky_relu": {0.0: 0.25},
    "elu": {0.0: 0.75},
    "selu": {0.0: 1.7580993408473768},
    "celu": {0.0: 1.0},
    "relu6": {0.0: 0.0, 6.0: 0.0, 3.0: 1.0},
    "hard_tanh": {-0.5: 1.0, 2.0: 1.0, -0.6: 0.0, 2.1: 0.0},
    "hard_sigmoid": {-3.0: 0.0, 3.0: 0.0},
    "hard_swish": {-3.0: 0.0, 3.0: 1.0, -1.5: 0.0},
    "softshrink": {-0.75: 0.0, 0.75: 0.0},
    "hard_shrink": {-0.75: 0.0, 0.75: 0.0},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KINKS)
def test_kinks(name, dtype):
    x = np.array([*KINKS[name]], dtype)
    got = ones_pull(name, x, **ATTRS.get(name, {}))
    np.testing.assert_allclose(got, [*KINKS[name].values()], rtol=2 * np.finfo(dtype).eps)


def test_nothing_overflows_on_the_way():
    huge = np.array([1.7e308, -1.7e308])
    assert activations.value("hard_swish", huge).tolist() == [1.7e308, 0.0]
    assert activations.value("softsign", huge).tolist() == [1.0, -1.0]
    np.testing.assert_allclose(ones_pull("softsign", np.array([1e150])), 1e-300, rtol=1e-15)
    np.testing.assert_allclose(activations.value("tanhshrink", np.array([1e-100])), 1e-300 / 3)


@pytest.mark.parametrize("alpha", [0.3, 7.0])
def test_the_quotient_in_celu_is_not_rounded(alpha):
    """Rounding x / alpha would cost hundreds of units in the last place of its exponential."""
    x = np.linspace(-700.0, -1.0, 2000)[::STRIDE] * alpha
    exact_quotient = x.astype(np.longdouble) / np.longdouble(alpha)
    truth = np.exp(exact_quotient).astype(float)
    np.testing.assert_allclose(ones_pull("celu", x, alpha=alpha), truth, rtol=5e-16)


# ---- agreement with the plain expressions; arrays of every kind


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_numpy_expression(name, dtype):
    rng = np.random.default_rng(0)
    x, ct = rng.uniform(-4, 4, (2, 501)).astype(dtype)
    attrs = ATTRS.get(name, {})
    close = functools.partial(
        np.testing.assert_allclose, rtol=100 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps
    )
    close(activations.value(name, x, **attrs), activations.expression(name)(x, **attrs))
    plain = activations.derivative_expression(name)(ct, x, **attrs)
    close(activations.pull(name, ct, x, **attrs), plain)


def unaligned(x):
    buffer = np.zeros(x.nbytes + 1, np.uint8)
    out = buffer[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.T.copy().T,
    "read-only": read_only,
    "unaligned": unaligned,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_layouts(name, layout):
    rng = np.random.default_rng(1)
    x, ct = rng.normal(size=(2, 7, 5))
    x_other, ct_other = LAYOUTS[layout](x), LAYOUTS[layout](ct)
    value, pulled = activations.value(name, x_other), activations.pull(name, ct_other, x_other)
    np.testing.assert_array_equal(value, activations.value(name, x))
    np.testing.assert_array_equal(pulled, activations.pull(name, ct, x))
    np.testing.assert_array_equal(x_other, x)
    np.testing.assert_array_equal(activations.pull(name, ct_other, x), pulled)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_shapes(name, shape):
    x = np.full(shape, 0.5)
    assert np.shape(activations.value(name, x)) == shape
    pulled = activations.pull(name, np.ones(shape), x)
    assert pulled.shape == shape and pulled.dtype == np.float64
    np.testing.assert_array_equal(pulled, np.full(shape, ones_pull(name, np.array([0.5]))[0]))


# NumPy has no minus for booleans.
NO_BOOLEANS = ("sigmoid", "log_sigmoid", "silu", "mish", "softplus")


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_follow_numpy(name):
    plain = activations.expression(name)
    for dtype in (np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64, np.bool_):
        if dtype == np.bool_ and name in NO_BOOLEANS:
            continue
        x = np.array([0, 1, 1], dtype)
        got, expected = activations.value(name, x), plain(x)
        assert got.dtype == expected.dtype, dtype
        np.testing.assert_allclose(got, expected, rtol=3e-3)
    x = np.array([0.5, 1.5])
    mixed = activations.pull(name, np.ones(2, np.float32), x)
    assert mixed.dtype == np.float64
    assert activations.pull(name, np.ones(2, np.float16), x.astype(np.float16)).dtype == np.float16
    np.testing.assert_array_equal(activations.pull(name, 1.0, x), ones_pull(name, x))


@pytest.mark.parametrize("name", NAMES)
def test_pull_broadcasts(name):
    ct, x = np.array([[2.0], [3.0]]), np.array([-1.0, 0.5, 1.0])
    expected = ct * ones_pull(name, x)
    np.testing.assert_allclose(activations.pull(name, ct, x), expected, rtol=1e-15)
    np.testing.assert_allclose(activations.pull(name, ct[0], x), expected[0], rtol=1e-15)


def test_integers_and_lists_pull_in_float64():
    np.testing.assert_allclose(activations.pull("sigmoid", [1, 1], [0, 1]), [0.25, 0.19661193324])
    assert activations.pull("relu", [2, 2], [-1, 1]).tolist() == [0, 2]


def test_unknown_names_are_explained():
    with pytest.raises(UnknownNameError, match="expected one of relu, leaky_relu.*Check the sp"):
        activations.value("sigmiod", np.ones(2))
    with pytest.raises(UnknownNameError, match=r"elu: expected the attributes \['alpha'\].*beta"):
        activations.pull("elu", np.ones(2), np.ones(2), beta=1.0)
    with pytest.raises(UnknownNameError, match=r"silu: expected the attributes \[\]"):
        activations.value("silu", np.ones(2), beta=1.0)
    half = activations.value("leaky_relu", np.array([-2.0]), slope=np.float32(0.5))
    assert half == activations.value("leaky_relu", np.array([-1.0]), slope=1) == -1.0


# ---- rows


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"), [((6, 10), -1), ((3, 4, 5), 1), ((2, 300), 1), ((7,), 0)]
)
def test_softmax_and_its_logarithm(shape, axis, dtype):
    x = np.random.default_rng(2).normal(size=shape).astype(dtype) * 5
    ct = np.random.default_rng(3).normal(size=shape).astype(dtype)
    e = np.exp(x.astype(np.longdouble) - x.max(axis, keepdims=True))
    truth = e / e.sum(axis, keepdims=True)
    close = functools.partial(
        np.testing.assert_allclose, rtol=40 * np.finfo(dtype).eps, atol=40 * np.finfo(dtype).eps
    )
    y, log_y = activations.softmax(x, axis), activations.log_softmax(x, axis)
    assert y.dtype == log_y.dtype == dtype
    close(y, truth)
    close(log_y, np.log(truth))
    close(activations.softmax_pull(ct, y, axis), y * (ct - (ct * y).sum(axis, keepdims=True)))
    close(activations.log_softmax_pull(ct, log_y, axis), ct - y * ct.sum(axis, keepdims=True))


def test_softmax_is_shifted_and_keeps_nan():
    x = np.array([[1000.0, -1000.0, 1000.0], [NAN, 0.0, 0.0], [0.0, 1.0, NAN], [-INF, 0.0, 0.0]])
    y = activations.softmax(x)
    np.testing.assert_array_equal(y, [[0.5, 0, 0.5], [NAN] * 3, [NAN] * 3, [0, 0.5, 0.5]])
    assert activations.log_softmax(x)[0, 1] == -2000.0 - math.log(2.0)
    assert activations.softmax(np.empty((0, 3))).shape == (0, 3)


# ---- the generator


def test_fma_rounds_once():
    x = np.float64(1 + 2.0**-30)
    assert exact.fma(x, x, -(x * x)) == 2.0**-60
    with np.errstate(invalid="ignore"):
        assert np.isnan(exact.fma(np.float64(INF), np.float64(0.0), np.float64(1.0)))


def test_literals_take_the_type_of_the_format():
    assert literals.type_literals("y = 1 + x ** 2 + x ** 0.5") == "y = F(1) + x ** 2 + x ** F(0.5)"
    assert literals.type_literals("a[0] << 3") == "a[0] << 3"
    assert literals.type_literals("range(len(a) - 1)") == "range(len(a) - 1)"
    assert literals.type_literals("F(1) + np.float32(2.5)") == "F(1) + np.float32(2.5)"
    assert literals.type_literals("x ** -2") == "x ** (-2)"
    assert literals.type_literals("x == int(-100)") == "x == -100"
    assert literals.type_literals("int(x[0] + 1)") == "int(x[0] + F(1))"


EXTREMES = """
def extremes(a, b, out):
    for i in range(a.size):
        out[i], out[a.size + i] = min(a[i], b[i]), max(a[i], b[i])
    out[2 * a.size], out[2 * a.size + 1] = min(2, b[0]), max(b[0], 3)
"""


@pytest.mark.parametrize("dtypes", ["qq", "dd", "qd", "fd", "ii"])
def test_the_smaller_and_the_larger_are_those_of_python(dtypes):
    a = np.array([1, -5, 0, 3, 2, NAN, -0.0][: 7 if dtypes[0] in "fd" else 5], dtypes[0])
    b = np.array([2, -7, 0, NAN, -2, 1, 0.0] if dtypes[1] == "d" else [2, -7, 0, 4, -2], dtypes[1])
    b = b[: len(a)]
    out = np.empty(2 * len(a) + 2, np.result_type(a, b))
    jit.compile_source("extremes", EXTREMES)(a, b, out)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    expected = [*(min(pair) for pair in pairs), *(max(pair) for pair in pairs), 2, 3]
    assert same_numbers(out, np.array(expected, out.dtype))


def same_numbers(x, y):
    return np.array_equal(x, y, equal_nan=True) and np.array_equal(np.signbit(x), np.signbit(y))


def test_float32_loops_compute_in_float32():
    kernel = activations.pull_kernel("gelu_tanh")
    text = generate.text(kernel.source, "float32")
    assert "float64" not in text and "int64" not in text
    assert all(type(formats.constant(n, 0)) is np.float32 for n in formats.CONSTANTS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [3, 10, 100])
def test_cross_entropy_is_the_textbook_formula(dtype, width):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, width)).astype(dtype)
    q = rng.dirichlet(np.ones(width), 5).astype(dtype)
    ct = rng.normal(size=5).astype(dtype)
    p = np.exp(z.astype(float)) / np.exp(z.astype(float)).sum(1, keepdims=True)
    close = {"rtol": 1e-5 if dtype is np.float32 else 1e-13}
    np.testing.assert_allclose(cross_entropy(z, q), -(q * np.log(p)).sum(1), **close)
    slope = p * q.sum(1, keepdims=True, dtype=float) - q
    np.testing.assert_allclose(
        cross_entropy_pull(ct, z, q), ct[:, None] * slope, atol=close["rtol"]
    )


@pytest.mark.parametrize("width", [2, 100])
def test_cross_entropy_of_certain_and_impossible_classes(width):
    """Zero targets win over infinite logarithms, and a zero cotangent over everything."""
    z = np.full((2, width), -np.inf)
    z[:, 0] = 1000.0
    q = np.zeros((2, width))
    q[:, 0] = 1.0
    np.testing.assert_array_equal(cross_entropy(z, q), [0.0, 0.0])
    np.testing.assert_array_equal(cross_entropy_pull(np.array([0.0, np.inf]), z, q), 0.0)
