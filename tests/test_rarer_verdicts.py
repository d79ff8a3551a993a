"""Verdicts at rarer points: slow convergence, noise, smooth branches, singular matrices."""

import warnings

import numpy as np
import pytest
from mpmath import mp

import autograd_core as ag
from benchmarks.false_alarms import NAMES, check, points

X = np.array([0.5, -1.2, 2.0])
ROOTS = np.array([0.0, 0.5])


def noisy(x):
    return np.sum(np.sin(x)) + 1e-9 * (hash(x.tobytes()) % 1000 / 1000 - 0.5)


def eigenvalues(a):
    return np.linalg.eigvalsh((a + a.T) / 2)


def eigenvalues_vjp(a, ct):
    vectors = np.linalg.eigh((a + a.T) / 2)[1]
    return (vectors * ct) @ vectors.T


def volume(a):
    return np.linalg.slogdet(a)[1]


def scaled(factor):
    """Return a rule for the logarithm of a determinant, wrong by a factor."""
    return lambda a, ct: factor * ct * np.linalg.inv(a).T


def deviations(factor):
    """Return a rule for np.std."""
    return lambda x, ct: factor * ct * (x - x.mean()) / (len(x) * x.std())


def by_rank(x, ct):
    return ct[np.argsort(np.argsort(x, kind="stable"))]


FLAT = np.array([[1.0, 1.0, -1.0], [1.0, 2.0, -1.0], [-2.0, -2.0, 2.0]])
FLAT += np.array([[12, 5, 0], [-8, -6, -15], [-14, -16, -11]]) / 2.0**23
CLOSE = np.array([1.0, 1.0 + 50 * np.finfo(float).eps])

CASES = {
    # Of a matrix this close to a singular one, rounding makes what short steps see false.
    "nearly flat": ("ill-conditioned", FLAT, volume, scaled(1.0)),
    "nearly flat, wrong": ("wrong", FLAT, volume, scaled(1.01)),
    # The mean of two such numbers is rounded, and with it the slope: by one per cent.
    "nearly equal": ("kink", CLOSE, np.std, deviations(1.0)),
    "nearly equal, wrong": ("wrong", CLOSE, np.std, deviations(1.5)),
    "tiny numbers, sorted": ("kink", 1e-12 * np.arange(5.0), np.sort, by_rank),
    "tiny numbers, each": ("wrong", np.full(4, 1e-12), np.max, lambda x, ct: ct * np.ones(4)),
    "a slope that hardly grows": (
        "ill-conditioned",
        np.array([0.0]),
        lambda x: x**0.986,
        lambda x, ct: ct * np.inf,
    ),
    "a slow power": ("ill-conditioned", ROOTS, lambda x: x**1.1, lambda x, ct: 1.1 * ct * x**0.1),
    "a slow power, wrong": ("wrong", ROOTS, lambda x: x**1.1, lambda x, ct: 1.11 * ct * x**0.1),
    "noise": ("agrees", X, noisy, lambda x, ct: ct * np.cos(x)),
    "noise, wrong": ("wrong", X, noisy, lambda x, ct: 1.01 * ct * np.cos(x)),
    "noise, doubled": ("wrong", X, noisy, lambda x, ct: 2.0 * ct * np.cos(x)),
    "a smooth branch, wrong at its edge": (
        "wrong",
        np.array([0.0, 1.0]),
        lambda x: np.where(x > 0, x**2, 0.0),
        lambda x, ct: ct * np.where(x >= 0, 2 * x + 1, 0.0),
    ),
    "a kink beside, wrong": (
        "wrong",
        np.array([0.0, 1.0]),
        lambda x: np.abs(x[0]) + x[1] ** 2,
        lambda x, ct: ct * np.array([np.sign(x[0]), 3 * x[1]]),
    ),
    "a jump beside, wrong": (
        "wrong",
        np.array([1.0, 1.5]),
        lambda x: np.array([np.floor(x[0]), x[0] ** 2 + x[1]]),
        lambda x, ct: np.array([3 * x[0] * ct[1], ct[1]]),
    ),
    "abs, a little beyond": (
        "wrong",
        np.array([0.0, 1.0]),
        np.abs,
        lambda x, ct: ct * np.where(x == 0, 1.01, np.sign(x)),
    ),
    "abs, NaN": ("wrong", np.array([0.0, 1.0]), np.abs, lambda x, ct: ct * x / np.abs(x)),
    "ten ties, sorted": ("kink", np.ones(10), np.sort, by_rank),
    "ten ties, median": ("kink", np.ones(10), np.median, lambda x, ct: ct * np.ones(10) / 10),
    "ten ties, each": ("wrong", np.ones(10), np.max, lambda x, ct: ct * np.ones(10)),
    "equal eigenvalues": ("kink", np.eye(3), eigenvalues, eigenvalues_vjp),
    "no eigenvalues": ("kink", np.zeros((3, 3)), eigenvalues, eigenvalues_vjp),
    "no values around": (
        "ill-conditioned",
        np.array([-2.0]),
        lambda x: np.where(x == np.round(x), np.abs(x), np.nan) ** 2,
        lambda x, ct: ct * np.nan,
    ),
    "a value of its own": (
        "kink",
        np.array([0.0]),
        lambda x: np.where(x == 0, 1.0, x),
        lambda x, ct: ct,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rarer_verdicts(name):
    verdict, x, f, vjp = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = ag.gradcheck_callable(f, x, vjp=vjp)
    assert report.verdict == verdict, report


SINGULAR = {"zeros", "scalar matrix", "low rank", "paired", "integers", "naturals", "rounded"}
DEGENERATE = ["eigvalsh", "svdvals", "det", "slogdet", "inv", "norm"]
ORDERED = [
    "abs",
    "relu",
    "max",
    "min",
    "sort",
    "median",
    "maximum",
    "clip",
    "power",
    "fmod",
    "prod",
]


# Vectors have no derivative where values are equal, and their signs jump.
TORN = {
    "eigh": {"paired", "scalar matrix", "low rank"},
    "svd": {"constant", "low rank", "holed"},
    "qr": {"constant", "low rank"},
    "svd_packed": {"beside", "holed"},
}
LARGEST, MOST = 12, 20  # entries, and points of an operation


@pytest.mark.parametrize("name", TORN)
def test_right_decompositions_at_singular_matrices(name):
    rng = np.random.default_rng((1, 0, NAMES.index(name)))
    for point in points(name, rng):
        if point.kind in TORN[name] and point.inputs[0].size <= LARGEST:
            assert check(point).verdict in ("agrees", "kink", "ill-conditioned"), point


@pytest.mark.parametrize(
    "rows",
    [
        [[-1.0, 1.0, 2.0], [-1.0, -2.0, -1.0], [0.0, -1.0, -1.0]],
        [[0.0, 0.0, 0.0], [1.3, 1.2, -0.6], [0.9, 0.0, 0.0]],
        [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]],
    ],
)
def test_vectors_of_a_singular_matrix_are_rounding(rows):
    def vectors(a):
        return ag.linalg.qr(a)[0]

    assert ag.gradcheck(vectors, np.array(rows)).verdict in ("kink", "ill-conditioned")


@pytest.mark.parametrize(("factor", "failed"), [(1.0, False), (1.5, True)])
def test_wrong_vectors_at_a_singular_matrix(factor, failed):
    def vectors(a):
        return np.linalg.eigh((a + a.T) / 2)[1]

    def vjp(a, ct):
        w, v = np.linalg.eigh((a + a.T) / 2)
        gaps = w[None, :] - w[:, None]
        turned = (v.T @ ct) / np.where(gaps == 0.0, np.inf, gaps)
        found = v @ turned @ v.T
        return factor * (found + found.T) / 2

    a = np.diag([1.0, 1.0, 3.0]) + 1e-9 * np.arange(9.0).reshape(3, 3)
    assert ag.gradcheck_callable(vectors, a, vjp=vjp).failed == failed


def equal_share(x, ct):
    return ct * (x == x.max())  # right but at ties, where both are given all


@pytest.mark.parametrize("x", [[1.0, 1.0], [2.0, 0.5, 2.0], [0.0, 0.0]])
def test_wrong_at_ties_only(x):
    assert ag.gradcheck_callable(np.max, np.array(x), vjp=equal_share).failed


@pytest.mark.parametrize("exponent", [-16, -20, -22, -24])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agrees"), (2.0, "wrong")])
def test_a_tiny_entry_in_a_sum(exponent, factor, verdict):
    x = np.array([10.0**exponent, 1.3])

    def gradient(x):
        return np.array([factor * 0.5 / np.sqrt(x[0]), 2.0 * x[1]])

    report = ag.gradcheck_callable(lambda x: np.sqrt(x[0]) + x[1] ** 2, x, grad=gradient)
    assert report.verdict == verdict, report


@pytest.mark.parametrize("claim", [-np.inf, 0.0, 5.0])
def test_a_slope_that_grows_as_a_logarithm(claim):
    def entropy(x):
        return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)

    def vjp(x, ct):
        return ct * np.array([claim, np.log(x[1]) + 1.0])

    assert ag.gradcheck_callable(entropy, np.array([0.0, 0.5]), vjp=vjp).verdict == "kink"


@pytest.mark.parametrize("value", [0.7, -1.3, 0.1])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_equal_elements_have_no_deviation(axis, value):
    for op in (ag.std, ag.var):
        for dtype in (np.float32, np.float64):
            out = op(np.full((3, 5), value, dtype), axis=axis)
            assert np.all(np.asarray(out) == 0.0) and out.dtype == dtype
    assert ag.gradcheck(ag.std, np.full((3, 5), value)).verdict == "kink"


@pytest.mark.parametrize("x", [-1e6, -1e3, -101.0, -99.0, -10.0])
def test_the_slope_of_log_ndtr_far_out(x):
    with mp.workdps(50):
        truth = float(mp.diff(lambda v: mp.npdf(v) / mp.ncdf(v), x)) if x > -1e5 else -1.0
    second = ag.grad(ag.grad(ag.special.log_ndtr))(np.float64(x))
    np.testing.assert_allclose(float(second), truth, rtol=1e-11)


@pytest.mark.parametrize("name", [n for n in (*DEGENERATE, *ORDERED) if n in NAMES])
def test_right_operations_at_awkward_points(name):
    small = [
        point
        for point in points(name, np.random.default_rng(NAMES.index(name)))
        if sum(np.size(x) for x in point.inputs) <= LARGEST
        and (name in ORDERED or point.kind in SINGULAR)
    ]
    for point in small[:: 1 + len(small) // MOST]:
        report = check(point)
        assert not report.failed or report.verdict == "invalid", report


def test_a_derivative_of_the_dtype_that_was_handed_in_is_no_remark():
    x = np.linspace(0.5, 1.5, 3, dtype=np.float32)

    def report(dtype):
        return ag.gradcheck_callable(
            lambda x: np.sum(x * x), x, grad=lambda x: np.asarray(2 * x, dtype)
        )

    assert "float" not in str(report(np.float32)) and report(np.float32).verdict == "agrees"
    assert "the derivative by x is float16, x float64" in str(report(np.float16))
