"""Verdicts at rarer points: slow convergence, noise, smooth branches, singular matrices."""

import warnings

import numpy as np
import pytest

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


def by_rank(x, ct):
    return ct[np.argsort(np.argsort(x, kind="stable"))]


CASES = {
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


# Beside a pole, at 10⁻¹⁰ or less, rounding may look like an error.
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


@pytest.mark.parametrize("name", [n for n in (*DEGENERATE, *ORDERED) if n in NAMES])
def test_right_operations_at_awkward_points(name):
    for point in points(name, np.random.default_rng(NAMES.index(name))):
        if name in ORDERED or point.kind in SINGULAR:
            report = check(point)
            assert not report.failed or report.verdict == "invalid", report
