"""The lecture's statements on losses, each as a test that writes the lecture's formula out."""

import numpy as np
import pytest
from reference import table

import autograd_core as ag
import nn

RNG = np.random.default_rng(11)
LOGITS = RNG.normal(size=(6, 4)) * 2.0
LABELS = RNG.integers(0, 4, 6)
ONE_HOT = np.eye(4)[LABELS]


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gradient(loss, prediction, target):
    x = ag.tensor(prediction, requires_grad=True)
    loss(x, target).backward()
    return x.grad


# --------------------------------------------------------------------------- cross-entropies


def test_binary_cross_entropy_is_the_lectures_and_its_gradient_is_p_minus_y():
    y = RNG.integers(0, 2, LOGITS.shape) * 1.0
    p = 1.0 / (1.0 + np.exp(-LOGITS))
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    expected = np.sum(-y * np.log(p) - (1.0 - y) * np.log(1.0 - p))
    assert loss(LOGITS, y).item() == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient(loss, LOGITS, y), p - y, rtol=1e-12)


def test_softmax_cross_entropy_is_the_lectures_and_its_gradient_is_p_minus_y():
    p = softmax(LOGITS)
    loss = nn.CrossEntropyLoss(reduction="sum")
    expected = -np.sum(ONE_HOT * np.log(p))
    for target in (LABELS, ONE_HOT):
        assert loss(LOGITS, target).item() == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(gradient(loss, LOGITS, target), p - ONE_HOT, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_p_minus_y_holds_for_logits_of_a_thousand(dtype):
    z = np.array([[1000.0, -1000.0], [-1000.0, 1000.0], [1000.0, 1000.0]], dtype)
    p = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    y = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    loss = nn.CrossEntropyLoss(reduction="none")
    np.testing.assert_allclose(loss(z, y).numpy(), [2000.0, 0.0, np.log(2.0)], rtol=1e-6)
    total = nn.CrossEntropyLoss(reduction="sum")
    np.testing.assert_array_equal(gradient(total, z, y), p - y)
    binary = nn.BCEWithLogitsLoss(reduction="sum")
    np.testing.assert_array_equal(gradient(binary, z, y), (z > 0) - y)
    assert binary(z, y).item() == 3000.0


def test_binary_cross_entropy_is_softmax_cross_entropy_of_two_classes():
    z, y = LOGITS[:, 0], LABELS % 2
    pairs = np.stack([np.zeros_like(z), z], axis=-1)
    binary = nn.BCEWithLogitsLoss(reduction="none")(z, y).numpy()
    np.testing.assert_allclose(
        binary, nn.CrossEntropyLoss(reduction="none")(pairs, y).numpy(), rtol=1e-12
    )


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 1.0])
def test_label_smoothing_mixes_with_the_uniform_distribution(alpha):
    """The targets are (1 - α) y + α/K, the gradient p - y_smooth."""
    smooth = (1.0 - alpha) * ONE_HOT + alpha / 4
    loss = nn.CrossEntropyLoss(reduction="sum", label_smoothing=alpha)
    p = softmax(LOGITS)
    for target in (LABELS, ONE_HOT):
        expected = -np.sum(smooth * np.log(p))
        assert loss(LOGITS, target).item() == pytest.approx(expected, rel=1e-13)
        found = gradient(loss, LOGITS, target)
        np.testing.assert_allclose(found, p - smooth, rtol=1e-11, atol=1e-15)


def test_smoothed_labels_are_the_minimum_of_the_smoothed_loss():
    alpha = 0.2
    smooth = (1.0 - alpha) * ONE_HOT + alpha / 4
    found = gradient(nn.CrossEntropyLoss(label_smoothing=alpha), np.log(smooth), LABELS)
    np.testing.assert_allclose(found, 0.0, atol=1e-16)


# ----------------------------------------------------------------------------- squared error


def test_squared_error_over_elements_and_over_samples():
    """PyTorch's mean is over all elements, the lecture's over the samples of ‖f - y‖²."""
    f, y = RNG.normal(size=(2, 6, 4))
    lecture = np.mean([np.linalg.norm(f[i] - y[i]) ** 2 for i in range(6)])
    assert nn.MSELoss(reduction="batchmean")(f, y).item() == pytest.approx(lecture, rel=1e-14)
    assert nn.MSELoss()(f, y).item() == pytest.approx(lecture / 4, rel=1e-14)
    found = gradient(nn.MSELoss(reduction="batchmean"), f, y)
    np.testing.assert_allclose(found, 2.0 / 6.0 * (f - y), rtol=1e-14)


EXAMPLE = table("models/models.json")["examples"]["lecture_3_3_2_relu_mse"]
GIVEN = {name: np.array(value) for name, value in EXAMPLE["inputs"].items()}
TARGET = np.array(EXAMPLE["target"])


def network():
    """Return the lecture's network: 3 inputs, 3 hidden units with ReLU, 2 outputs."""
    first, last = nn.Linear(3, 3, dtype=np.float64), nn.Linear(3, 2, dtype=np.float64)
    for layer, weight, bias in ((first, "W1", "b1"), (last, "W2", "b2")):
        layer.weight.assign(GIVEN[weight].T)
        layer.bias.assign(GIVEN[bias])
    return first, last, nn.Sequential(first, nn.ReLU(), last)


def test_backpropagation_in_the_3_3_2_network_of_one_sample():
    """δ₂ = 2 (f - y), δ₁ = (W₂ᵀ δ₂) ⊙ 1[a₁ > 0]; dWᵢ = δᵢ hᵢ₋₁ᵀ and dbᵢ = δᵢ."""
    w1, b1, w2, b2 = GIVEN["W1"].T, GIVEN["b1"], GIVEN["W2"].T, GIVEN["b2"]
    for x, y in zip(GIVEN["x"], TARGET, strict=True):
        first, last, model = network()
        inputs = ag.tensor(x[None], requires_grad=True)
        nn.MSELoss(reduction="batchmean")(model(inputs), y[None]).backward()
        a1 = w1 @ x + b1
        h1 = np.maximum(a1, 0.0)
        delta2 = 2.0 * (w2 @ h1 + b2 - y)
        delta1 = (w2.T @ delta2) * (a1 > 0.0)
        close = {"rtol": 1e-13, "atol": 1e-15}
        np.testing.assert_allclose(last.weight.grad, np.outer(delta2, h1), **close)
        np.testing.assert_allclose(last.bias.grad, delta2, **close)
        np.testing.assert_allclose(first.weight.grad, np.outer(delta1, x), **close)
        np.testing.assert_allclose(first.bias.grad, delta1, **close)
        np.testing.assert_allclose(inputs.grad[0], w1.T @ delta1, **close)


def test_the_gradient_of_a_batch_is_the_mean_of_the_samples_and_as_recorded():
    first, last, model = network()
    x = ag.tensor(GIVEN["x"], requires_grad=True)
    loss = nn.MSELoss(reduction="batchmean")(model(x), TARGET)
    loss.backward()
    assert loss.item() == pytest.approx(EXAMPLE["outputs"]["loss"], rel=1e-14)
    found = {
        "W1": first.weight.grad.T,
        "b1": first.bias.grad,
        "W2": last.weight.grad.T,
        "b2": last.bias.grad,
        "x": x.grad,
    }
    for name, grad in EXAMPLE["grads"].items():
        np.testing.assert_allclose(found[name], grad, rtol=1e-13, atol=1e-15)
    total = np.zeros((3, 3))
    for sample, y in zip(GIVEN["x"], TARGET, strict=True):
        one, _, model = network()
        nn.MSELoss(reduction="batchmean")(model(sample[None]), y[None]).backward()
        total += one.weight.grad
    np.testing.assert_allclose(first.weight.grad, total / 4, rtol=1e-13, atol=1e-15)


def test_relu_passes_nothing_back_where_the_unit_is_silent():
    """The first sample wakes the first hidden unit only: the other rows of dW₁ are zero."""
    first, _, model = network()
    nn.MSELoss(reduction="batchmean")(model(GIVEN["x"][:1]), TARGET[:1]).backward()
    assert np.all(first.weight.grad[0] != 0.0)
    np.testing.assert_array_equal(first.weight.grad[1:], 0.0)
