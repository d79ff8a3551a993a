"""Losses: values of PyTorch, closed forms, weights, kinks, dtypes, far tails, and the messages.

That gradients of every loss and reduction agree with differences is a law in ``test_nn.py``.
"""

from functools import partial

import numpy as np
import pytest

import autograd_core as ag
import nn
from nn import functional

X = np.array([[0.5, -1.5, 2.0], [-0.25, 1.0, 0.75]])
Y = np.array([[1.0, -1.0, -0.5], [0.0, 1.5, 2.0]])
P = np.array([[0.5, 0.1, 0.9], [0.25, 0.8, 0.6]])
U = np.array([[1.0, 0.0, 1.0], [0.0, 0.3, 1.0]])
COUNTS = np.array([[0.0, 2.0, 5.0], [1.0, 3.0, 1.0]])
SIGNS = np.array([[1, -1, 1], [-1, -1, 1]])
Q = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
LABELS = [2, 0]
W = [1.0, 2.0, 0.5]
DIRECTION = np.array([[1.0, -2.0, 3.0], [0.5, -1.0, 2.0]])

# Computed with PyTorch 2.13: the loss, and its derivative along DIRECTION.
RECORDED = [
    (nn.L1Loss(), (X, Y), 0.9166666666666666, 0.4166666666666667),
    (nn.HuberLoss(delta=0.75), (X, Y), 0.4427083333333333, 0.2708333333333333),
    (nn.SmoothL1Loss(beta=0.75), (X, Y), 0.5902777777777778, 0.3611111111111111),
    (nn.PoissonNLLLoss(), (X, COUNTS), 0.7291650263203889, 2.4624579739162047),
    (nn.PoissonNLLLoss(full=True), (X, COUNTS), 1.926954206277025, 2.4624579739162047),
    (nn.PoissonNLLLoss(log_input=False), (P, COUNTS), 1.80808717556392, 4.208332712311022),
    (nn.GaussianNLLLoss(full=True), (X, Y, [0.5, 2.0]), 2.1220635332046727, 2.4895833333333335),
    (nn.BCELoss(), (P, U), 0.4826542520319171, -2.2245370370370368),
    (nn.BCEWithLogitsLoss(pos_weight=W), (X, U), 0.4359282307323881, -0.2289136338217578),
    (
        nn.CrossEntropyLoss(W, label_smoothing=0.2),
        (X, LABELS),
        1.7005302891845022,
        0.3214595971084506,
    ),
    (
        nn.CrossEntropyLoss(W, label_smoothing=0.2, ignore_index=0),
        (X, LABELS),
        1.419349262360026,
        0.9963962802343572,
    ),
    (nn.CrossEntropyLoss(W), (X, Q), 2.7906735263604765, 2.339532283357389),
    (nn.NLLLoss(W), (X, LABELS), -0.5, -1.3333333333333333),
    (nn.KLDivLoss("batchmean"), (X, Q), -1.0262993694606768, -0.45),
    (nn.KLDivLoss("batchmean", log_target=True), (X, Y), 5.876959322183003, -7.299269026388648),
    (nn.SoftMarginLoss(), (X, SIGNS), 0.5130817311196331, -0.37563165219988814),
    (nn.HingeEmbeddingLoss(), (X, SIGNS), 1.1666666666666667, 1.4166666666666667),
    (nn.MarginRankingLoss(0.5), (X, Y, SIGNS), 0.5, -0.9166666666666666),
    (nn.CosineEmbeddingLoss(-0.5), (X, Y, [1, -1]), 1.0899346342393756, 0.2785854842731443),
    (nn.TripletMarginLoss(swap=True), (X, Y, P), 1.7795209382046937, 0.8978229922659026),
    (nn.TripletMarginLoss(2.0, p=3), (X, Y, P), 2.7602564483363334, -0.5740969639655404),
    (nn.MultiMarginLoss(p=2, weight=W), (X, LABELS), 1.5104166666666667, -0.125),
    (nn.MultiLabelMarginLoss(), (X, [[2, -1, 0], [1, 0, -1]]), 0.4583333333333333, 0.75),
    (nn.MultiLabelSoftMarginLoss(W), (X, U), 0.6227109739399728, -0.37501230926404383),
]


@pytest.mark.parametrize(("loss", "inputs", "value", "slope"), RECORDED, ids=repr)
def test_values_and_derivatives_are_pytorchs(loss, inputs, value, slope):
    prediction = ag.tensor(inputs[0], requires_grad=True)
    found = loss(prediction, *inputs[1:])
    found.backward()
    assert found.item() == pytest.approx(value, rel=1e-13)
    assert np.sum(prediction.grad * DIRECTION) == pytest.approx(slope, rel=1e-12)


# ---------------------------------------------------------------------- laws of all losses


def concrete(kind):
    return [leaf for child in kind.__subclasses__() for leaf in (child, *concrete(child))]


LOSSES = [kind for kind in concrete(nn.Loss) if kind.__name__ in nn.__all__]
EVERY = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)


def instances(kind, *reductions):
    rng = np.random.default_rng(5)
    return [(loss, inputs) for loss, inputs in kind.examples(rng) if loss.reduction in reductions]


def repeated(inputs, often):
    return [np.repeat(x, often, axis=0) for x in inputs]


@EVERY
def test_a_weight_is_a_number_of_copies(kind):
    """Weights 2, 0, 1, 3 are the sample twice, not at all, once and three times."""
    often = np.array([2, 0, 1, 3])
    for loss, inputs in instances(kind, "mean", "sum"):
        if np.ndim(getattr(loss, "weight", None)) == 2:
            continue  # weights of the elements are not repeated with the samples
        weighted = loss(*inputs, sample_weight=often)
        copied = loss(*repeated(inputs, often))
        assert weighted.item() == pytest.approx(copied.item(), rel=1e-12), loss


@EVERY
def test_weights_multiply_what_is_not_reduced_and_batchmean_divides_by_samples(kind):
    w = np.array([0.5, 0.0, 2.0, 1.5])
    for loss, inputs in instances(kind, "none"):
        plain, weighted = loss(*inputs).numpy(), loss(*inputs, sample_weight=w).numpy()
        np.testing.assert_allclose(weighted, (plain.T * w).T, rtol=1e-14)
        loss.reduction = "batchmean"
        found = loss(*inputs, sample_weight=w).item()
        assert found == pytest.approx(weighted.sum() / 4, rel=1e-13)


@EVERY
def test_weights_may_be_learnt(kind):
    w = np.array([0.5, 1.0, 2.0, 1.5])
    for loss, inputs in instances(kind, "mean", "sum", "batchmean", "none"):
        assert ag.gradcheck(lambda w, f=loss, x=inputs: ag.sum(f(*x, sample_weight=w)), w)
        constant, learnt = (
            ag.sum(loss(*inputs, sample_weight=v)) for v in (w, ag.tensor(w, requires_grad=True))
        )
        assert constant.item() == pytest.approx(learnt.item(), rel=1e-14)


@EVERY
def test_where_all_weights_are_zero_the_mean_is_zero_and_has_no_slope(kind):
    for loss, inputs in instances(kind, "mean"):
        for w in (np.zeros(4), ag.tensor(np.zeros(4), requires_grad=True)):
            prediction = ag.tensor(inputs[0], requires_grad=True)
            value = loss(prediction, *inputs[1:], sample_weight=w)
            value.backward()
            assert value.item() == 0.0
            np.testing.assert_array_equal(prediction.grad, 0.0)


@EVERY
def test_second_derivatives(kind):
    for loss, inputs in instances(kind, "mean", "none"):

        def f(x, loss=loss, rest=inputs[1:]):
            return ag.sum(ag.square(loss(x, *rest)))

        rng = np.random.default_rng(6)
        x, v = inputs[0], rng.normal(size=inputs[0].shape)
        step = 1e-5
        slopes = [ag.grad(f)(x + s * v) for s in (step, -step)]
        expected = (slopes[0] - slopes[1]) / (2 * step)
        np.testing.assert_allclose(ag.hvp(f, x, v), expected, rtol=1e-5, atol=1e-7)


@EVERY
def test_float32_is_kept(kind):
    """Neither targets nor weights of float64 widen the loss or any gradient."""
    for loss, inputs in instances(kind, *functional.REDUCTIONS):
        prediction = ag.tensor(inputs[0], requires_grad=True, dtype=np.float32)
        learnt = ag.tensor(np.ones(4), requires_grad=True)
        for w in (None, np.full(4, 0.7), learnt):
            value = loss(prediction, *inputs[1:], sample_weight=w)
            assert value.dtype == np.float32, (loss, w)
        ag.sum(value).backward()
        assert prediction.grad.dtype == np.float32


@EVERY
def test_nan_passes_through(kind):
    loss, inputs = instances(kind, "sum")[0]
    spoilt = inputs[0].copy()
    spoilt[1] = np.nan
    assert np.isnan(loss(spoilt, *inputs[1:]).item())


@EVERY
def test_nothing_that_is_passed_is_written_into(kind):
    for loss, inputs in instances(kind, "mean"):
        copies = [np.copy(x) for x in inputs]
        prediction = ag.tensor(inputs[0], requires_grad=True)
        loss(prediction, *inputs[1:], sample_weight=np.ones(4)).backward()
        for x, copy in zip(inputs, copies, strict=True):
            np.testing.assert_array_equal(x, copy)


@EVERY
def test_the_representation_shows_the_options(kind):
    for loss, _ in instances(kind, "batchmean"):
        assert repr(loss).startswith(f"{kind.__name__}(reduction='batchmean'")


def test_there_is_a_module_for_every_function():
    named = {kind.function.__name__ for kind in LOSSES}
    functions = {name for name in functional.__all__ if "loss" in name or "entropy" in name}
    assert functions | {"kl_div"} == named


# -------------------------------------------------------------------------------- weights


def test_a_weight_may_be_given_for_every_element():
    w = np.array([[1.0, 0.0, 2.0], [0.5, 0.0, 1.0]])
    loss = nn.MSELoss()(X, Y, sample_weight=w).item()
    assert loss == pytest.approx((w * (X - Y) ** 2).sum() / w.sum(), rel=1e-14)


def test_sample_and_class_weights_multiply():
    w, labels = np.array([0.5, 2.0]), np.array(LABELS)
    classes = np.array(W)[labels]
    losses = nn.CrossEntropyLoss(reduction="none")(X, labels).numpy()
    expected = (w * classes * losses).sum() / (w * classes).sum()
    for loss, prediction in (
        (nn.CrossEntropyLoss(W), X),
        (nn.NLLLoss(W), ag.log_softmax(X)),
        (nn.SoftmaxFocalLoss(W, gamma=0.0), X),
    ):
        found = loss(prediction, labels, sample_weight=w).item()
        assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("kind", [nn.CrossEntropyLoss, nn.NLLLoss, nn.SoftmaxFocalLoss])
def test_where_all_labels_are_ignored_the_loss_is_zero_and_has_no_slope(kind):
    for weight in (None, W):
        z = ag.tensor(X, requires_grad=True)
        loss = kind(weight)(z, [-100, -100])
        loss.backward()
        assert loss.item() == 0.0
        np.testing.assert_array_equal(z.grad, 0.0)
        each = kind(weight, reduction="none")(z, [-100, -100]).numpy()
        np.testing.assert_array_equal(each, [0.0, 0.0])


def test_an_ignored_sample_may_be_infinite_or_nan():
    x = ag.tensor([[0.5, -1.0], [np.nan, -np.inf]], requires_grad=True)
    loss = nn.NLLLoss()(x, [0, -100])
    loss.backward()
    assert loss.item() == -0.5
    np.testing.assert_array_equal(x.grad, [[-1.0, 0.0], [0.0, 0.0]])


def test_classes_are_on_the_last_axis_for_any_number_of_axes():
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(2, 5, 3)), rng.integers(0, 3, (2, 5))
    for kind in (nn.CrossEntropyLoss, nn.NLLLoss, nn.SoftmaxFocalLoss, nn.MultiMarginLoss):
        deep = kind(weight=W)(z, labels).item()
        assert deep == pytest.approx(kind(weight=W)(z.reshape(10, 3), labels.ravel()).item())
        assert kind(reduction="none")(z, labels).shape == (2, 5)
        one = kind()(z[0, 0], labels[0, 0]).item()
        assert one == pytest.approx(kind()(z[:1, 0], labels[:1, 0]).item())


def test_labels_may_be_tensors_and_small_integers():
    labels = np.array(LABELS, np.uint8)
    expected = nn.CrossEntropyLoss()(X, LABELS).item()
    assert nn.CrossEntropyLoss()(X, labels).item() == expected
    assert nn.CrossEntropyLoss()(X, ag.tensor(labels)).item() == expected
    assert nn.CrossEntropyLoss(ignore_index=255)(X, np.array([2, 255], np.uint8)).item() > 0


# ----------------------------------------------------------------------------- closed forms


def test_cross_entropy_is_the_likelihood_of_the_log_softmax():
    for options in ({}, {"weight": W}, {"ignore_index": 0}):
        a = nn.CrossEntropyLoss(**options)(X, LABELS).item()
        b = nn.NLLLoss(**options)(ag.log_softmax(X), LABELS).item()
        assert a == pytest.approx(b, rel=1e-14)


def test_binary_cross_entropies_agree():
    p = 1 / (1 + np.exp(-X))
    found = nn.BCELoss(W)(p, U).item()
    assert found == pytest.approx(nn.BCEWithLogitsLoss(W)(X, U).item(), rel=1e-14)


def test_logarithms_of_probabilities_are_limited():
    p = ag.tensor([0.0, 0.0, 1.0, 1.0, 1e-30], requires_grad=True)
    losses = nn.BCELoss(reduction="none")(p, [1.0, 0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(losses.numpy(), [100.0, 0.0, 100.0, 0.0, 30 * np.log(10)])
    ag.sum(losses).backward()
    np.testing.assert_allclose(p.grad, [0.0, 1.0, 0.0, -1.0, -1e30])


def test_focal_loss_is_the_papers():
    y = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    p = 1 / (1 + np.exp(-X))
    of_truth = np.where(y == 1, p, 1 - p)
    for alpha, gamma in ((0.25, 2.0), (0.6, 0.5), (None, 1.0)):
        share = 1.0 if alpha is None else np.where(y == 1, alpha, 1 - alpha)
        expected = -share * (1 - of_truth) ** gamma * np.log(of_truth)
        found = nn.FocalLoss(alpha, gamma, "none")(X, y).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(
        nn.FocalLoss(None, 0.0)(X, U).item(), nn.BCEWithLogitsLoss()(X, U).item(), rtol=1e-14
    )


def test_focal_loss_of_many_classes():
    p = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    of_truth = p[[0, 1], LABELS]
    expected = (1 - of_truth) ** 1.5 * -np.log(of_truth)
    found = nn.SoftmaxFocalLoss(gamma=1.5, reduction="none")(X, LABELS).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_divergence_of_distributions():
    p = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    q = np.array([[0.25, 0.75, 0.0], [0.1, 0.2, 0.7]])
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log(p), np.log(q)
    expected = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    for loss, target in ((nn.KLDivLoss("sum"), q), (nn.KLDivLoss("sum", True), log_q)):
        x = ag.tensor(log_p, requires_grad=True)
        value = loss(x, target)
        value.backward()
        assert value.item() == pytest.approx(expected, rel=1e-14)
        np.testing.assert_allclose(x.grad, -q, rtol=1e-14)


def test_smooth_l1_is_huber_over_beta_and_l1_at_zero():
    huber, smooth = nn.HuberLoss(delta=0.4)(X, Y), nn.SmoothL1Loss(beta=0.4)(X, Y)
    assert smooth.item() == pytest.approx(huber.item() / 0.4, rel=1e-14)
    assert nn.SmoothL1Loss(beta=0.0)(X, Y).item() == nn.L1Loss()(X, Y).item()


def test_gaussian_variances_in_every_shape():
    loss = nn.GaussianNLLLoss(reduction="none")
    full = np.array([[0.5, 0.5, 0.5], [2.0, 2.0, 2.0]])
    expected = 0.5 * (np.log(full) + (X - Y) ** 2 / full)
    for var in (full, full[:, 0], full[:, :1]):
        np.testing.assert_allclose(loss(X, Y, var).numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(loss(X, Y, 0.5).numpy()[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(loss(X[0, 0], Y[0, 0], 0.5).numpy(), expected[0, 0], rtol=1e-14)


def test_a_vanished_variance_counts_as_eps_and_can_grow_again():
    slopes = []
    for v in (0.0, 0.01):
        var = ag.tensor(v, requires_grad=True)
        nn.GaussianNLLLoss(eps=0.01)(2.0, 0.0, var).backward()
        slopes.append(var.grad)
    assert slopes[0] == slopes[1] == pytest.approx(0.5 * (1 / 0.01 - 4 / 0.01**2))


# ----------------------------------------------------------------------- kinks and far tails


def slope(loss, prediction, *others):
    x = ag.tensor(prediction, requires_grad=True, dtype=float)
    ag.sum(loss(x, *others)).backward()
    return x.grad.tolist()


def test_derivatives_at_kinks_are_pytorchs():
    zeros = np.zeros(3)
    assert slope(nn.L1Loss("sum"), [1, -1, 0], zeros) == [1, -1, 0]
    assert slope(nn.HuberLoss("sum"), [1, -1, 2], zeros) == [1, -1, 1]
    assert slope(nn.SmoothL1Loss("sum"), [1, -1, 0], zeros) == [1, -1, 0]
    assert slope(nn.HingeEmbeddingLoss(reduction="sum"), [1, 0.5, 1], [-1, -1, 1]) == [-1, -1, 1]
    assert slope(nn.MarginRankingLoss(0.5), [0.5], [0.0], [1]) == [-1]
    assert slope(nn.MultiMarginLoss(), [[1, 0, 2]], [0]) == [[-1 / 3, 0, 1 / 3]]
    assert slope(nn.MultiLabelMarginLoss(), [[1, 0, 2]], [[0, -1, 0]]) == [[-1 / 3, 0, 1 / 3]]
    equal = slope(nn.TripletMarginLoss(eps=0.0), [[0, 0]], [[0.0, 0.0]], [[0.0, 0.5]])
    assert equal == [[0, 1]]
    np.testing.assert_allclose(
        slope(nn.CosineEmbeddingLoss(), [[1, 0]], [[0.0, 1.0]], [-1]), [[0, 1]], rtol=1e-11
    )


HUGE = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
AS_TOLD = np.array([[1.0, 0.0], [0.0, 1.0]])
STEEP = [[-1.0, 1.0], [1.0, -1.0]]
TAILS = {  # loss, target, and where the prediction is wrong the losses and derivatives
    "binary": (nn.BCEWithLogitsLoss, AS_TOLD, 1000.0, STEEP),
    "softmax": (nn.CrossEntropyLoss, [0, 1], 2000.0, STEEP),
    "soft margin": (nn.SoftMarginLoss, [[1, -1], [-1, 1]], 1000.0, STEEP),
    "focal": (partial(nn.FocalLoss, None), AS_TOLD, 1000.0, STEEP),
    "focal, root": (partial(nn.FocalLoss, None, 0.5), AS_TOLD, 1000.0, STEEP),
    "softmax focal, root": (partial(nn.SoftmaxFocalLoss, gamma=0.5), [0, 1], 2000.0, STEEP),
    "labels": (nn.MultiLabelSoftMarginLoss, AS_TOLD, 1000.0, np.array(STEEP) / 2),
}


@pytest.mark.parametrize("name", TAILS)
def test_logits_of_a_thousand(name):
    """Right predictions cost exactly nothing; wrong ones are linear in the logits."""
    kind, target, wrong, steep = TAILS[name]
    for logits, value, gradient in ((HUGE, 0.0, 0.0), (-HUGE, wrong, steep)):
        z = ag.tensor(logits, requires_grad=True)
        losses = kind(reduction="none")(z, target)
        np.testing.assert_array_equal(losses.numpy(), np.full(losses.shape, value))
        ag.sum(losses).backward()
        np.testing.assert_array_equal(z.grad, np.broadcast_to(gradient, (2, 2)))
        second = ag.hvp(lambda z, f=kind, y=target: f(reduction="sum")(z, y), logits, HUGE)
        np.testing.assert_array_equal(second, np.zeros((2, 2)))


def test_the_angle_of_a_vector_of_zeros_is_a_right_one():
    zeros, other = np.zeros((2, 3)), X
    losses = nn.CosineEmbeddingLoss(-0.5, reduction="none")(zeros, other, [1, -1])
    np.testing.assert_array_equal(losses.numpy(), [1.0, 0.5])
    found = slope(nn.CosineEmbeddingLoss(reduction="sum"), zeros, other, [1, 1])
    lengths = np.sqrt((other**2).sum(1, keepdims=True))
    np.testing.assert_allclose(found, -1e6 * other / lengths, rtol=1e-9)


def test_errors_of_1e200_do_not_overflow_where_the_loss_does_not():
    for loss in (nn.HuberLoss(), nn.SmoothL1Loss(), nn.L1Loss()):
        assert loss([1e200, -1e200], [0.0, 0.0]).item() == pytest.approx(1e200)


def nodes(result):
    seen, stack = set(), [result.node]
    while stack:
        node = stack.pop()
        if node not in seen and node.links:
            seen.add(node)
            stack += [parent for parent, _, _ in node.edges]
    return len(seen)


@pytest.mark.parametrize(
    ("loss", "target", "most"),
    [
        (nn.MSELoss(), Y, 3),
        (nn.L1Loss(), Y, 3),
        (nn.HuberLoss(), Y, 6),
        (nn.BCEWithLogitsLoss(), U, 7),
        (nn.CrossEntropyLoss(), LABELS, 2),
        (nn.CrossEntropyLoss(W, ignore_index=0, label_smoothing=0.1), LABELS, 3),
        (nn.NLLLoss(), LABELS, 3),
        (nn.SoftMarginLoss(), SIGNS, 3),
    ],
    ids=repr,
)
def test_few_nodes_are_recorded(loss, target, most):
    assert nodes(loss(ag.tensor(X, requires_grad=True), target)) <= most


# -------------------------------------------------------------------------------- messages

ONES = np.ones((2, 3))
MISTAKES = [
    (lambda: nn.L1Loss("average"), ag.UnknownNameError, "but got 'average'"),
    (lambda: nn.L1Loss(["mean"]), ag.UnknownNameError, "but got ['mean']"),
    (lambda: functional.l1_loss(ONES, ONES, reduction="maen"), ag.UnknownNameError, "'maen'"),
    (lambda: nn.MSELoss()(np.ones(2), np.ones((2, 1))), ag.ShapeError, "(2,), but got (2, 1)"),
    (lambda: nn.HuberLoss()(np.ones((2, 1)), np.ones(2)), ag.ShapeError, "(2, 1), but got (2,)"),
    (lambda: nn.BCELoss()(P, P[0]), ag.ShapeError, "(2, 3), but got (3,)"),
    (lambda: nn.L1Loss()(ONES, [["a"] * 3] * 2), ag.DTypeError, "l1_loss: target: real numbers"),
    (lambda: nn.L1Loss()("abc", ONES), ag.DTypeError, "l1_loss: real numbers, but got 'abc'"),
    (lambda: nn.L1Loss()(ONES * 1j, ONES), ag.DTypeError, "real numbers"),
    (lambda: nn.MSELoss()(np.ones((0, 3)), np.ones((0, 3))), ag.ShapeError, "shape (0, 3)"),
    (lambda: nn.BCELoss()(2 * P, U), ag.ShapeError, "from 0 to 1, but got 1.8"),
    (lambda: nn.BCELoss()(-P, U), ag.ShapeError, "Use binary_cross_entropy_with_logits"),
    (lambda: nn.HuberLoss(delta=0.0), ag.ShapeError, "delta > 0, but got 0.0"),
    (lambda: functional.huber_loss(X, Y, delta=-1.0), ag.ShapeError, "delta > 0, but got -1.0"),
    (lambda: nn.SmoothL1Loss(beta=-1.0), ag.ShapeError, "beta >= 0, but got -1.0"),
    (lambda: nn.SmoothL1Loss(beta="big"), ag.ShapeError, "beta >= 0, but got 'big'"),
    (lambda: nn.PoissonNLLLoss(eps=None), ag.ShapeError, "eps >= 0, but got None"),
    (lambda: nn.GaussianNLLLoss()(X, Y, -ONES), ag.ShapeError, "variances >= 0, but got -1.0"),
    (lambda: nn.GaussianNLLLoss()(X, Y, np.ones(3)), ag.ShapeError, "(2,), but got (3,)"),
    (lambda: nn.FocalLoss(alpha=2.0), ag.ShapeError, "from 0 to 1, or None, but got 2.0"),
    (lambda: nn.FocalLoss(gamma=-1.0), ag.ShapeError, "gamma >= 0, but got -1.0"),
    (lambda: nn.TripletMarginLoss(margin=0.0), ag.ShapeError, "margin > 0, but got 0.0"),
    (lambda: nn.TripletMarginLoss(p=0), ag.ShapeError, "p > 0, but got 0"),
    (lambda: nn.MultiMarginLoss(p=3), ag.ShapeError, "p 1 or 2, but got 3"),
    (lambda: nn.HingeEmbeddingLoss(margin=np.nan), ag.ShapeError, "finite number, but got nan"),
    (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), ag.ShapeError, "but got 1.5"),
    (lambda: nn.CrossEntropyLoss()(X, ONES[:, :2]), ag.ShapeError, "(2, 3), but got (2, 2)"),
    (lambda: nn.CrossEntropyLoss()(X, [0]), ag.ShapeError, "(2,) for a prediction of (2, 3)"),
    (lambda: nn.CrossEntropyLoss()(X, [[0], [1]]), ag.ShapeError, "int64 of shape (2, 1)"),
    (lambda: nn.CrossEntropyLoss()(X, [0.0, 1.0]), ag.DTypeError, "float64 of shape (2,)"),
    (lambda: nn.CrossEntropyLoss()(1.0, 0), ag.ShapeError, "classes or features on the last"),
    (lambda: nn.CrossEntropyLoss("sum")(X, LABELS), ag.DTypeError, "weight: real numbers"),
    (lambda: nn.CrossEntropyLoss(ONES)(X, LABELS), ag.ShapeError, "3 class weights"),
    (lambda: nn.NLLLoss()(X, [0, 3]), ag.ShapeError, "labels from 0 to 2 (or ignore_index=-100)"),
    (lambda: nn.NLLLoss()(X, [0, -1]), ag.ShapeError, "but got -1. Check the labels"),
    (lambda: nn.NLLLoss(ignore_index=-1)(X, [-1, -2]), ag.ShapeError, "but got -2"),
    (lambda: nn.NLLLoss([1.0, 2.0])(X, LABELS), ag.ShapeError, "but got shape (2,)"),
    (lambda: nn.MultiMarginLoss()(X, [0, -1]), ag.ShapeError, "from 0 to 2, but got -1"),
    (lambda: nn.MultiLabelMarginLoss()(X, [[0, 3, -1]] * 2), ag.ShapeError, "but got 3"),
    (lambda: nn.MultiLabelMarginLoss()(X, ONES), ag.DTypeError, "Fill each row up with -1"),
    (lambda: nn.MultiLabelMarginLoss()(X, [0, 1]), ag.ShapeError, "of shape (2, 3), but got"),
    (lambda: nn.SoftMarginLoss()(X, U), ag.ShapeError, "1 and -1, but got 0.0. Use 2 * y - 1"),
    (lambda: nn.HingeEmbeddingLoss()(X, [1, 1]), ag.ShapeError, "but got shape (2,)"),
    (lambda: nn.CosineEmbeddingLoss()(X, Y, SIGNS), ag.ShapeError, "of shape (2,), but got"),
    (lambda: nn.BCEWithLogitsLoss(ONES[:, :2])(X, U), ag.ShapeError, "broadcasts to (2, 3)"),
    (lambda: nn.BCEWithLogitsLoss(pos_weight=[W] * 3)(X, U), ag.ShapeError, "pos_weight: a shape"),
    (lambda: nn.BCEWithLogitsLoss(pos_weight=[[W]])(X, U), ag.ShapeError, "got (1, 1, 3)"),
    (lambda: nn.MSELoss()(X, Y, sample_weight=W), ag.ShapeError, "(2, 3), but got shape (3,)"),
    (lambda: nn.MSELoss()(X, Y, sample_weight=2.0), ag.ShapeError, "one weight per sample"),
    (lambda: nn.NLLLoss()(X, LABELS, sample_weight=ONES), ag.ShapeError, "axes of (2,)"),
    (lambda: nn.MSELoss()(X, Y, sample_weight="ab"), ag.DTypeError, "sample_weight: real numbers"),
]


@pytest.mark.parametrize(("mistake", "error", "words"), MISTAKES)
def test_messages(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    assert words in str(caught.value)
    assert ", but got " in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_empty_batch_has_a_sum():
    empty = np.ones((0, 3))
    assert nn.MSELoss("sum")(empty, empty).item() == 0.0
    assert nn.CrossEntropyLoss(W, reduction="batchmean")(empty, np.ones(0, int)).item() == 0.0


def test_integers_are_taken_as_numbers():
    assert nn.MSELoss()([1, 2], [0.5, 2.5]).item() == 0.25
    assert nn.MSELoss()(ag.tensor([1, 2]), [0.5, 2.5]).item() == 0.25
