"""Reports in every form, modes by their cost, bounds by their honesty, bugs by being found."""

import json
import pickle
import warnings

import mpmath
import numpy as np
import pytest
from applications import applications, of_tracked

import autograd_core as ag
import nn
from autograd_core.checking import GradcheckError
from autograd_core.checking.subject import Subject
from autograd_core.errors import DTypeError, GraphError
from benchmarks.seeded.bugs import RIGHT, bugs

X = np.array([0.5, -1.2, 2.0])


def half(x):
    return ag.gradcheck_callable(lambda x: x @ x, x, grad=lambda x: x)


# ------------------------------------------------------------------------------- forms


def test_a_report_as_json():
    data = json.loads(half(X).json(indent=1))
    assert data["verdict"] == "wrong" and data["counts"] == {"wrong": 3}
    assert data["entries"][0]["claimed"] == 2.0 and "sweep" not in data
    edge = ag.gradcheck_callable(np.cbrt, np.zeros(1), vjp=lambda x, ct: ct * np.inf)
    assert json.loads(edge.json())["worst"]["claimed"] is None


def test_a_report_in_a_notebook():
    page = half(X)._repr_html_()
    assert page.count("<tr>") == 4 and "off by a factor 2" in page
    assert "<lambda>" not in page and "#b00000" in page
    right = ag.gradcheck_callable(np.sin, X, vjp=lambda x, ct: ct * np.cos(x))._repr_html_()
    assert "#2a7d2a" in right and right.count("<tr>") == 4


def test_entries_are_all_there_the_worst_first():
    report = ag.gradcheck_callable(
        np.sin, X, vjp=lambda x, ct: ct * np.cos(x) * np.array([1, 1.01, 1])
    )
    assert len(report.entries) == 9 and len(report.objections) == 1
    assert report.entries[0] is report.worst and report.worst.index == (1,)
    assert "d out[1] / d x[1]" in str(report) and report.failed


def test_the_picture_shows_truncation_and_round_off(tmp_path):
    report = ag.gradcheck_callable(np.exp, np.array(0.5), vjp=lambda x, ct: ct * np.exp(x))
    data = report.sweep()
    errors = np.abs(data.central - np.exp(0.5))
    best = int(np.argmin(errors))
    assert 1e-7 < data.steps[best] < 1e-3 and errors[0] > 1e-3 and errors[-1] > 1e-5
    assert data.error < 10 * errors.min() and abs(data.measured - np.exp(0.5)) < data.error
    assert np.all(np.abs(data.forward - np.exp(0.5))[:20] > errors[:20])  # of first order only
    report.draw(tmp_path / "a" / "steps.png")
    assert (tmp_path / "a" / "steps.png").stat().st_size > 10_000
    assert report.draw()._repr_svg_().rstrip().endswith("</svg>")


def test_a_report_can_be_pickled_but_then_not_drawn(tmp_path):
    report = half(X)
    again = pickle.loads(pickle.dumps(report))
    assert str(again) == str(report)
    with pytest.raises(GraphError, match="draw: difference quotients, but got none"):
        again.draw(tmp_path / "x.png")


def test_room_for_blame():
    report = half(X)
    report.blame.append("node 3, multiply: operand y")
    assert "  blame: node 3, multiply: operand y" in str(report)
    assert "operand y" in report._repr_html_()


# ------------------------------------------------------------------------------- the helper


def test_the_helper_passes_and_fails_with_the_report():
    ag.assert_gradients_match(ag.tanh, X)
    ag.assert_gradients_match(np.hypot, X, X + 3, vjp=hypot_vjp)
    with pytest.raises(AssertionError, match=r"(?s)check: wrong.*off by a factor 2: too small"):
        ag.assert_gradients_match(lambda x: x @ x, X, grad=lambda x: x)
    with pytest.raises(AssertionError, match="an input is not finite"):
        ag.assert_gradients_match(np.sin, X * np.nan, vjp=lambda x, ct: ct)


def hypot_vjp(x, y, ct):
    return ct * x / np.hypot(x, y), ct * y / np.hypot(x, y)


def test_the_helper_puts_up_with_kinks_unless_told_otherwise():
    ag.assert_gradients_match(ag.abs, np.zeros(1))
    with pytest.raises(AssertionError, match="gradient check: kink"):
        ag.assert_gradients_match(ag.abs, np.zeros(1), kinks=False)


def test_misuse_raises():
    with pytest.raises(DTypeError, match="one of vjp= and grad=, but got none"):
        ag.gradcheck_callable(np.sin, X)
    with pytest.raises(DTypeError, match="one of vjp= and grad=, but got both"):
        ag.gradcheck_callable(np.sin, X, vjp=np.cos, grad=np.cos)
    with pytest.raises(DTypeError, match="vjp= or grad=, but got ndarray"):
        ag.gradcheck_callable(np.sin, X, grad=np.cos(X))
    with pytest.raises(DTypeError, match="loss=, but got str"):
        ag.gradcheck(np.sin, X, loss="mse")
    with pytest.raises(GradcheckError, match="factor 2"):
        half(X).raise_if_wrong()


# ------------------------------------------------------------------------------- other libraries


class Borrowed:
    """An array of another library: it makes others like itself, and must be detached."""

    def __init__(self, values):
        self.values = np.array(values)
        self.dtype, self.shape = self.values.dtype, self.values.shape

    def new_tensor(self, values):
        return Borrowed(np.asarray(values, self.dtype))

    def double(self):
        return Borrowed(self.values.astype(float))

    def detach(self):
        return self

    def cpu(self):
        return self.values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agrees"), (1.001, "wrong")])
def test_tensors_of_others_are_handed_back_as_such(dtype, factor, verdict):
    def sine(x):
        assert isinstance(x, Borrowed)
        return Borrowed(np.sin(x.values))

    def vjp(x, ct):
        assert isinstance(ct, Borrowed)
        return Borrowed(ct.values * np.cos(x.values) * np.asarray(factor, x.dtype))

    report = ag.gradcheck_callable(sine, Borrowed(X.astype(dtype)), vjp=vjp)
    assert report.verdict == verdict and report.worst.error < 1e-10


# ------------------------------------------------------------------------------- modes


def model(width, depth=2):
    rng = np.random.default_rng(0)
    net = nn.MLP([width] * (depth + 1) + [1], activation="tanh", rng=rng)
    return net, rng.normal(size=(4, width)), rng.normal(size=(4, 1))


@pytest.mark.parametrize("mode", ["fast", "sampled", None])
def test_a_model_with_its_loss_takes_at_most_twenty_evaluations(mode):
    net, x, y = model(200)
    report = ag.gradcheck(net, x, y, loss=nn.MSELoss(), mode=mode)
    assert report and report.evaluations <= 20, report
    assert "0.weight" not in str(report)


def tampered(net, name, mask):
    """Return the model with a derivative that is wrong where a mask is set."""

    class Tampered:
        def named_parameters(self):
            return net.named_parameters()

        def __call__(self, x):
            weight = dict(net.named_parameters())[name]
            return net(x) + ag.sum((weight.detach() - weight) * mask)

    return Tampered()


@pytest.mark.parametrize("seed", range(10))
def test_the_fast_mode_finds_an_error_in_a_hundredth_of_a_layer(seed):
    net, x, y = model(100)
    net = net.astype(np.float64)
    weights = {n: p for n, p in net.named_parameters() if p.shape == (100, 100)}
    name = sorted(weights)[seed % len(weights)]
    rng = np.random.default_rng(seed)
    mask = 1e-3 * (rng.random((100, 100)) < 0.01)
    fn = tampered(net, name, mask)
    report = ag.gradcheck(fn, x, y, loss=nn.MSELoss(), mode="fast", seed=seed)
    assert report.verdict == "wrong" and report.evaluations <= 20, report
    if seed < 2:
        hunted = ag.gradcheck(fn, x, y, loss=nn.MSELoss(), mode="sampled", seed=seed)
        assert hunted.worst.input == name and mask[hunted.worst.index] > 0


def test_forward_mode_is_held_against_the_backward_pass(monkeypatch):
    net, x, y = model(5)
    assert ag.gradcheck(net, x, y, loss=nn.MSELoss(), forward=True)
    assert ag.gradcheck(ag.arctan2, X, X + 3.0, forward=True)
    true = Subject.push
    monkeypatch.setattr(Subject, "push", lambda self, tangent: true(self, tangent) * 1.001)
    report = ag.gradcheck(ag.arctan2, X, X + 3.0, forward=True)
    assert report.verdict == "wrong" and "forward mode and the backward pass" in report.diagnosis


# ------------------------------------------------------------------------------- honesty

KNOWN = {
    "sin": (np.sin, mpmath.cos, (-5.0, 5.0)),
    "log": (np.log, lambda x: 1 / x, (1e-3, 20.0)),
    "root": (lambda x: x ** (1 / 3), lambda x: x ** (mpmath.mpf(1 / 3) - 1) / 3, (0.01, 40.0)),
    "runge": (lambda x: 1 / (1 + 25 * x * x), lambda x: -50 * x / (1 + 25 * x * x) ** 2, (-2, 2)),
    "cancelling": (
        lambda x: (1 - np.cos(x)) / x**2,
        lambda x: (x * mpmath.sin(x) - 2 * (1 - mpmath.cos(x))) / x**3,
        (1e-3, 2.0),
    ),
    "offset": (lambda x: np.sin(x) + 1e3, mpmath.cos, (-3.0, 3.0)),
    "wiggle": (lambda x: np.sin(x * x), lambda x: 2 * x * mpmath.cos(x * x), (-6.0, 6.0)),
    "steep": (lambda x: np.exp(-1 / x), lambda x: mpmath.exp(-1 / x) / x**2, (0.05, 3.0)),
}


def test_error_bounds_are_honest_and_not_timid():
    rng = np.random.default_rng(0)
    ratios = []
    with mpmath.workdps(50):
        for f, slope, (low, high) in KNOWN.values():
            for x in rng.uniform(low, high, 25):
                truth = slope(mpmath.mpf(float(x)))
                report = ag.gradcheck_callable(f, x, grad=lambda _, t=float(truth): t)
                assert report.verdict == "agrees", report
                error = float(abs(mpmath.mpf(report.worst.measured) - truth))
                ratios.append(report.worst.error / max(error, 1e-300))
    assert min(ratios) > 1.0
    assert np.median(ratios) < 100.0


# ------------------------------------------------------------------------------- seeded bugs

BUGS = list(bugs())
SHARE = 5  # of the corpus, every fifth bug; `python -m benchmarks.checkers` takes all


def checked(problem, **options):
    x = problem.x if len(problem.x) > 1 else problem.x[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ag.gradcheck_callable(problem.f, x, vjp=problem.vjp, **options)


def test_the_corpus_is_large():
    assert len(BUGS) >= 150
    assert len({bug.problem.name for bug in BUGS}) >= 50


@pytest.mark.parametrize("bug", BUGS[::SHARE], ids=lambda bug: f"{bug.problem.name}-{bug.kind}")
def test_seeded_bugs_are_found(bug):
    assert checked(bug.problem).failed


@pytest.mark.parametrize(
    "bug", BUGS[3 :: 2 * SHARE], ids=lambda bug: f"{bug.problem.name}-{bug.kind}"
)
def test_seeded_bugs_are_found_in_single_precision(bug):
    single = bug.problem.single()
    assert checked(single).failed


@pytest.mark.parametrize("problem", RIGHT, ids=lambda problem: problem.name)
def test_right_derivatives_raise_no_alarm(problem):
    for made in (problem, problem.single()):
        report = checked(made)
        assert report.verdict == "agrees", report


@pytest.mark.parametrize("name", sorted(op.name for op in ag.OPS.values() if not op.nondiff))
def test_no_operation_raises_a_false_alarm(name):
    op = ag.OPS[name]
    for operands, attributes in applications(op, seed=1)[:2]:
        if sum(np.size(x) for x in operands) <= 24:
            fn, tracked = of_tracked(op, operands, attributes)
            report = ag.gradcheck(fn, *tracked)
            assert not report.failed, report


def test_round_off_of_larger_results_is_no_derivative():
    cofactor = ag.OPS["cofactor"]
    for operands, _ in applications(cofactor, seed=2):
        assert ag.gradcheck(cofactor, *operands)
