"""The objectives of the automatic-differentiation benchmark (ADBench), on this engine.

Once as they race in `benchmarks.adbench`; and once unchanged, written for a namespace like NumPy's
(arXiv 1807.10129), where ours is handed in. Read from ``../shared/data/adbench`` where that exists
beside the checkout.
"""

import importlib.util
import json
import math
import re
import sys
import types
from unittest import mock

import numpy as np
import pytest
from reference import SHARED

import autograd_core as ag
from benchmarks import adbench
from benchmarks.contenders.adbench import ours, problems

FOLDER = SHARED / "adbench"
beside = pytest.mark.skipif(
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


@beside
@pytest.mark.parametrize("name", ["test", "gmm_1k_d2_K5", "gmm_1k_d10_K5"])
def test_gaussian_mixture(name, objectives, wanted):
    d = objectives.load_gmm(FOLDER / "gmm" / f"{name}.txt")

    def objective(alphas, means, icf):
        return objectives.gmm(ag, alphas, means, icf, d["x"], d["gamma"], d["m"])

    points = d["alphas"], d["means"], d["icf"]
    value, gradients = ag.value_and_grad(objective, argnums=(0, 1, 2))(*points)
    check(f"gmm/{name}", wanted, value, flat(gradients))


@beside
def test_long_short_term_memory(objectives, wanted):
    d = objectives.load_lstm(FOLDER / "lstm" / "lstm_l2_c1024.txt")

    def objective(main, extra):
        return objectives.lstm(ag, main, extra, d["state"], d["seq"])

    value, gradients = ag.value_and_grad(objective, argnums=(0, 1))(d["main"], d["extra"])
    check("lstm/lstm_l2_c1024", wanted, value, flat(gradients))


@beside
def test_bundle_adjustment(objectives, wanted):
    d = objectives.load_ba(FOLDER / "ba" / "test.txt")

    def residual(point):
        return objectives.ba_residual(ag, point[:11], point[11:14], point[14], d["feat"])

    point = np.concatenate([d["cam"], d["X"], [d["w"]]])
    check("ba/one_block_of_test", wanted, residual(point), ag.jacobian(residual)(point))


@beside
def test_hand_tracking(objectives, wanted):
    d = objectives.load_hand(FOLDER / "hand" / "model", FOLDER / "hand" / "test.txt", False)

    def residual(theta):
        return objectives.hand(ag, theta, d["us"], d)

    theta = d["theta"]
    check("hand/test", wanted, residual(theta), ag.jacobian(residual)(theta))


# ------------------------------------------------------------------- as they race


@beside
@pytest.mark.parametrize("make", [ours.eager, ours.compiled])
@pytest.mark.parametrize("name", ["gmm_1k_d2_K5", "gmm_1k_d10_K5", "ba_test"])
def test_ours_computes_what_is_published(name, make):
    published = problems.reference(name)
    for derivative in (False, True):
        bench = make(name, derivative)
        bench.step()
        found = np.array(bench.result())
        assert adbench.disagreement(found, published) < adbench.AGREEMENT
        assert (len(found) == len(published)) is derivative


@beside
def test_ours_computes_the_published_gradient_of_the_lstm():
    bench = ours.eager("lstm_l2_c1024", derivative=True)
    bench.step()
    published = problems.reference("lstm_l2_c1024")
    assert adbench.disagreement(np.array(bench.result()), published) < adbench.AGREEMENT


SMALL = {"gmm": (3, 2, 7), "lstm": (2, 5), "ba": (2, 3, 5)}


@pytest.mark.parametrize("kind", SMALL)
def test_where_no_file_is_problems_are_drawn(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("ADBENCH", str(tmp_path))
    monkeypatch.setitem(problems.WORKLOADS, "small", (kind, SMALL[kind]))
    problem = problems.make("small")
    objective = ours.OBJECTIVES[kind]
    again = problems.make("small")
    assert all(map(np.array_equal, problem.inputs, again.inputs))
    assert problems.reference("small") is None
    for i in range(len(problem.inputs)):

        def of_one(x, i=i):
            inputs = [*problem.inputs]
            inputs[i] = x
            return objective(*inputs, *problem.constants)

        ag.gradcheck(of_one, problem.inputs[i])


def test_blocks_of_the_sparse_jacobian(monkeypatch, tmp_path):
    monkeypatch.setenv("ADBENCH", str(tmp_path))
    monkeypatch.setitem(problems.WORKLOADS, "small", ("ba", (2, 3, 4)))
    bench = ours.eager("small", derivative=True)
    bench.step()
    value, pulled = bench.returned
    cameras, points, weights = problems.make("small").inputs
    (features,) = problems.make("small").constants
    packed = np.concatenate([cameras, points, weights[:, None]], axis=1)

    def residuals(z):
        return ours.ba(z[:, :11], z[:, 11:14], z[:, 14], features)

    whole = ag.jacobian(residuals)(packed)
    dense = np.stack([whole[i, :, i] for i in range(len(packed))])
    np.testing.assert_allclose(problems.blocks(pulled), dense, rtol=1e-12)
    assert np.count_nonzero(whole) <= dense.size
    np.testing.assert_allclose(value, residuals(packed))


def test_the_race_leaves_out_who_computes_something_else(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ADBENCH", str(tmp_path))
    options = "--workloads gmm_1k_d2_K5 --contenders ours,ours.compile --rounds 1"
    written = tmp_path / "race.json"
    monkeypatch.setattr("sys.argv", ["adbench", *options.split(), "--json", str(written)])
    assert adbench.main() == 0
    assert re.search(r"ours, compiled +\|( +[\d.]+ \|){3}", capsys.readouterr().out)
    assert len(json.loads(written.read_text())["gmm_1k_d2_K5"]) == 4

    class Seen:
        def __init__(self, *numbers):
            self.numbers = numbers

        def results(self, steps):
            return [list(self.numbers)]

    seen = {
        ("ours", False): Seen(2.0),
        ("ours", True): Seen(2.0, 1.0, 3.0),
        ("jax", True): Seen(2.0, 1.0, 3.0 + 1e-9),
        ("torch", True): Seen(2.0, 1.1, 3.0),
        ("autograd", True): Seen(2.0, math.nan, 3.0),
    }
    assert list(adbench.wrong(seen, "gmm_1k_d2_K5")) == ["torch", "autograd"]
