"""Special functions keep their digits: in the tails, next to zeros and poles, and in float32.

The rows of ``data/special_highprec.json``, (x, value, slope), were computed with fifty digits.
"""

import json
import math

import numpy as np
import pytest
import reference

import autograd_core as ag

TABLE = json.loads((reference.OWN / "special_highprec.json").read_text())
EPS = np.finfo(float).eps


def value_and_slope(expression, x):
    with np.errstate(all="ignore"):
        value, pull = ag.vjp(lambda x: eval(expression, {"ag": ag, "x": x}), x)
        return np.asarray(value), pull(np.ones_like(x))[0]


def ulps(got, want):
    """Return relative errors in units of 2⁻⁵²; results below the normal numbers may be zero."""
    flushed = np.abs(want) < np.finfo(float).tiny
    return np.abs(got - want) / np.where(flushed, np.inf, np.abs(want)) / EPS


@pytest.mark.parametrize("name", TABLE)
def test_every_digit(name):
    x, *wanted = np.array(TABLE[name]["rows"]).T
    found = value_and_slope(TABLE[name]["expr"], x)
    for what, got, want in zip(("value", "slope"), found, wanted, strict=True):
        error = ulps(got, want)
        worst = int(np.argmax(error))
        assert error[worst] <= 4.0, f"{what} at {x[worst]}: {error[worst]:.1f} ulp"


@pytest.mark.parametrize("name", TABLE)
def test_float32_is_right_to_the_last_place(name):
    x = np.array(TABLE[name]["rows"])[:, 0]
    x = x[(np.abs(x) > 1e-30) & (np.abs(x) < 1e30)].astype(np.float32)
    wide = value_and_slope(TABLE[name]["expr"], x.astype(float))
    for what, got, want in zip(
        ("value", "slope"), value_and_slope(TABLE[name]["expr"], x), wide, strict=True
    ):
        assert got.dtype == np.float32
        with np.errstate(all="ignore"):  # beyond float32, or at a pole
            bound = 2.0 * np.spacing(np.abs(want).astype(np.float32))
            near = np.abs(got - want) <= bound
        assert near[np.isfinite(bound)].all(), what


# What is known in closed form: (expression, x, value).
EXACT = [
    ("gammaln(x)", 5.0, math.log(24)),
    ("gammaln(x)", 0.5, math.log(math.pi) / 2),
    ("gammaln(x)", -0.5, math.log(2) + math.log(math.pi) / 2),
    ("digamma(x)", 1.0, -0.5772156649015329),
    ("digamma(x)", 0.5, -0.5772156649015329 - 2 * math.log(2)),
    ("polygamma(1, x)", 1.0, math.pi**2 / 6),
    ("polygamma(1, x)", 0.5, math.pi**2 / 2),
    ("polygamma(1, x)", -0.5, math.pi**2 / 2 + 4),
    ("polygamma(3, x)", 1.0, math.pi**4 / 15),
    ("ndtr(x)", 0.0, 0.5),
    ("log_ndtr(x)", 0.0, -math.log(2)),
    ("logit(x)", 0.75, math.log(3)),
    ("expit(x)", 0.0, 0.5),
    ("psi(x)", 2.0, 1 - 0.5772156649015329),
    ("entr(x)", 0.5, math.log(2) / 2),
    ("kl_div(x, 1.0)", 1.0, 0.0),
]


@pytest.mark.parametrize(("expression", "x", "want"), EXACT)
def test_closed_forms(expression, x, want):
    value, _ = value_and_slope(f"ag.special.{expression}", np.array(x))
    np.testing.assert_allclose(value, want, rtol=4 * EPS)


ENDS = {
    "gammaln": ([0.0, -1.0, -1e300, np.inf, -np.inf, 1e306, np.nan], [np.inf] * 6 + [np.nan]),
    "digamma": ([0.0, -0.0, -1.0, np.inf, np.nan], [-np.inf, np.inf, np.nan, np.inf, np.nan]),
    "erf": ([np.inf, -np.inf, 1e300, np.nan], [1.0, -1.0, 1.0, np.nan]),
    "erfc": ([np.inf, -np.inf, 30.0, np.nan], [0.0, 2.0, 0.0, np.nan]),
    "erfinv": ([1.0, -1.0, 1.5, np.nan], [np.inf, -np.inf, np.nan, np.nan]),
    "ndtr": ([np.inf, -np.inf, np.nan], [1.0, 0.0, np.nan]),
    "log_ndtr": ([np.inf, -np.inf, 40.0, np.nan], [0.0, -np.inf, 0.0, np.nan]),
    "logit": ([0.0, 1.0, 1.5, np.nan], [-np.inf, np.inf, np.nan, np.nan]),
}


@pytest.mark.parametrize("name", ENDS)
def test_poles_infinities_and_nan(name):
    x, want = map(np.array, ENDS[name])
    np.testing.assert_array_equal(getattr(ag.special, name)(x), want)


def test_trigamma_is_infinite_at_poles():
    x = np.array([0.0, -3.0, -1e300])
    np.testing.assert_array_equal(ag.special.polygamma(1, x), np.inf)
    np.testing.assert_array_equal(ag.special.polygamma(2, x), -np.inf)


def test_the_tail_of_log_ndtr_is_a_parabola():
    value, slope = value_and_slope("ag.special.log_ndtr(x)", np.array([-1e10, -1e200]))
    np.testing.assert_allclose(value, [-5e19, -np.inf], rtol=1e-15)
    np.testing.assert_allclose(slope, [1e10, 1e200], rtol=1e-15)


def test_polygamma_on_the_left():
    """Between two poles, where large terms cancel: what is left of them."""
    got = ag.special.polygamma(2, np.array([-2.5, -0.5, -1.25]))
    recurrence = [-2.0 * sum(1 / (x + k) ** 3 for k in range(4)) for x in (-2.5, -0.5, -1.25)]
    rest = ag.special.polygamma(2, np.array([1.5, 3.5, 2.75]))
    np.testing.assert_allclose(got, recurrence + rest, rtol=1e-13)


def test_xlogy_at_zero():
    """The derivative in x is log(y), but 0 where both are 0; in y it is 0 where x is."""
    x, y = np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, 3.0])
    with np.errstate(all="ignore"):
        value, pull = ag.vjp(ag.special.xlogy, x, y)
    along_x, along_y = pull(np.ones(3))
    np.testing.assert_array_equal(value, [0.0, 0.0, np.log(3.0)])
    np.testing.assert_array_equal(along_x, [0.0, np.log(2.0), np.log(3.0)])
    np.testing.assert_array_equal(along_y, [0.0, 0.0, 1.0 / 3.0])
    value, pull = ag.vjp(ag.special.xlog1py, x, y - 1.0)
    np.testing.assert_allclose(pull(np.ones(3))[0], [0.0, np.log(2.0), np.log(3.0)])


def test_every_derivative_of_gammaln():
    """Each is the next polygamma."""
    f, x = ag.special.gammaln, np.array(0.7)
    for n in range(5):
        f = ag.grad(f)
        np.testing.assert_allclose(f(x), ag.special.polygamma(n, x), rtol=1e-14)


def test_other_names_are_the_same_functions():
    assert ag.special.psi is ag.special.digamma and ag.special.expit is ag.sigmoid
    assert ag.special.logsumexp is ag.logsumexp


def test_softmax_is_over_all_axes_as_in_scipy_and_over_the_last_at_the_top():
    x = np.arange(6.0).reshape(2, 3)
    assert np.isclose(ag.special.softmax(x).sum(), 1.0) and np.isclose(ag.softmax(x).sum(), 2.0)
    np.testing.assert_allclose(ag.special.softmax(x, axis=1), ag.softmax(x))
    np.testing.assert_allclose(ag.special.log_softmax(x), np.log(ag.special.softmax(x)))


def test_polygamma_takes_one_order():
    for n in (-1, 0.5, np.array([1, 2])):
        with pytest.raises(ag.DTypeError, match="one integer n >= 0.*once for each order"):
            ag.special.polygamma(n, np.ones(2))


def test_complex_numbers_are_refused():
    with pytest.raises(ag.DTypeError, match="gammaln: real operands.*complex128"):
        ag.special.gammaln(np.array([1j]))


@pytest.mark.parametrize("kind", [np.float16, np.int64, np.longdouble])
def test_other_dtypes(kind):
    got = ag.special.digamma(np.array([1, 2], kind))
    assert got.dtype == (np.float64 if kind is np.int64 else kind)
    np.testing.assert_allclose(got.astype(float), [-0.57721566, 0.42278434], rtol=1e-3)
