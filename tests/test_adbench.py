"""The objectives of the automatic-differentiation benchmark (ADBench), unchanged, on this engine.

They are written for a namespace like NumPy's (arXiv 1807.10129); ours is handed in. Read from
``../shared/data/adbench`` where that exists beside the checkout.
"""

import importlib.util
import math
import sys
import types
from unittest import mock

import numpy as np
import pytest
from reference import SHARED

import autograd_core as ag

FOLDER = SHARED / "adbench"
pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the benchmark's objectives and files are not beside the checkout"
)


def multigammaln(a, d):
    """Return the logarithm of the multivariate gamma function: a constant of the prior."""
    terms = sum(math.lgamma(a - 0.5 * j) for j in range(d))
    return 0.25 * d * (d - 1) * math.log(math.pi) + terms


@pytest.fixture(scope="module")
def objectives():
    special = types.SimpleNamespace(multigammaln=multigammaln)
    spec = importlib.util.spec_from_file_location("objectives", FOLDER / "objectives.py")
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"scipy": special, "scipy.special": special}):
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wanted():
    with np.load(FOLDER / "adbench_refs.npz") as archive:
        return dict(archive)


def check(key, wanted, value, jacobian):
    """Compare with the benchmark's own measure of agreement."""
    for kind, got in (("F", value), ("J", jacobian)):
        want = wanted[f"{key}|{kind}"]
        got = np.asarray(got).reshape(want.shape)
        error = np.abs(got - want) / np.maximum(1.0, np.abs(got) + np.abs(want))
        assert error.max() < 1e-8, f"{kind} of {key}: {error.max():.1e}"


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize("name", ["test", "gmm_1k_d2_K5", "gmm_1k_d10_K5"])
def test_gaussian_mixture(name, objectives, wanted):
    d = objectives.load_gmm(FOLDER / "gmm" / f"{name}.txt")

    def objective(alphas, means, icf):
        return objectives.gmm(ag, alphas, means, icf, d["x"], d["gamma"], d["m"])

    points = d["alphas"], d["means"], d["icf"]
    value, gradients = ag.value_and_grad(objective, argnums=(0, 1, 2))(*points)
    check(f"gmm/{name}", wanted, value, flat(gradients))


def test_long_short_term_memory(objectives, wanted):
    d = objectives.load_lstm(FOLDER / "lstm" / "lstm_l2_c1024.txt")

    def objective(main, extra):
        return objectives.lstm(ag, main, extra, d["state"], d["seq"])

    value, gradients = ag.value_and_grad(objective, argnums=(0, 1))(d["main"], d["extra"])
    check("lstm/lstm_l2_c1024", wanted, value, flat(gradients))


def test_bundle_adjustment(objectives, wanted):
    d = objectives.load_ba(FOLDER / "ba" / "test.txt")

    def residual(point):
        return objectives.ba_residual(ag, point[:11], point[11:14], point[14], d["feat"])

    point = np.concatenate([d["cam"], d["X"], [d["w"]]])
    check("ba/one_block_of_test", wanted, residual(point), ag.jacobian(residual)(point))


def test_hand_tracking(objectives, wanted):
    d = objectives.load_hand(FOLDER / "hand" / "model", FOLDER / "hand" / "test.txt", False)

    def residual(theta):
        return objectives.hand(ag, theta, d["us"], d)

    theta = d["theta"]
    check("hand/test", wanted, residual(theta), ag.jacobian(residual)(theta))
