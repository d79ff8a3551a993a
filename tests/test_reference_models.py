"""The reference models through nn and optim: losses, penalties, weights, and a whole training."""

import numpy as np
import pytest
from reference import SHARED, table

import autograd_core as ag
import nn
import optim

EXAMPLES = table("models/models.json")["examples"]
LABELS = [3, 2, 0]
TARGETS = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
LOSSES = {
    "bce_logits_pos_weight": (nn.BCEWithLogitsLoss(pos_weight=[2.0, 1.0, 0.5, 3.0]), TARGETS),
    "bce_logits_smooth0.1": (nn.BCEWithLogitsLoss(), 0.9 * TARGETS + 0.05),
    "xent_class_weight": (nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5, 3.0]), LABELS),
    "xent_ignore_index": (nn.CrossEntropyLoss(), [3, -100, 0]),
}
for how in ("mean", "sum", "none"):
    LOSSES[f"bce_logits_{how}"] = nn.BCEWithLogitsLoss(reduction=how), TARGETS
    for smoothing in (0.0, 0.1, 0.3):
        loss = nn.CrossEntropyLoss(reduction=how, label_smoothing=smoothing)
        LOSSES[f"xent_{how}_smooth{smoothing}"] = loss, LABELS


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    loss, target = LOSSES[name]
    example = EXAMPLES[name]
    z = ag.tensor(example["inputs"]["z"], requires_grad=True)
    value = ag.sum(loss(z, target))
    value.backward()
    np.testing.assert_allclose(value.item(), example["outputs"]["loss"], rtol=1e-12)
    np.testing.assert_allclose(z.grad, example["grads"]["z"], rtol=1e-10, atol=1e-15)


def test_learning_xor():
    """Four hundred steps of Adam on the whole of XOR, loss by loss and weight by weight."""
    example = EXAMPLES["xor_tanh_2_4_1_adam0.05"]
    parameters = [nn.Parameter(start, np.float64) for start in example["init"]]
    w1, b1, w2, b2 = parameters
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    optimizer = optim.Adam(parameters, lr=0.05)
    losses = []
    for _ in range(400):
        loss = nn.BCEWithLogitsLoss()(ag.tanh(x @ w1 + b1) @ w2 + b2, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for step, value in example["loss_at"].items():
        assert losses[int(step)] == pytest.approx(value, rel=1e-10)
    for parameter, final in zip(parameters, example["final"], strict=True):
        np.testing.assert_allclose(parameter.numpy(), final, rtol=1e-10)


def test_elastic_net():
    """The reference has a ½ before the squares, and penalises one matrix."""
    example = EXAMPLES["elastic_net"]
    model = nn.Module()
    model.w = nn.Parameter(example["inputs"]["w"], np.float64)
    penalty = nn.ElasticNet(0.01, 0.5 * 0.1)(model)
    penalty.backward()
    np.testing.assert_allclose(penalty.item(), example["outputs"]["loss"], rtol=1e-10)
    np.testing.assert_allclose(model.w.grad, example["grads"]["w"], rtol=1e-10)


def test_batch_norm_in_training():
    example = EXAMPLES["batchnorm_train"]
    layer = nn.BatchNorm1d(3, dtype=np.float64)
    layer.weight.assign([1.0, 0.5, 2.0])
    layer.bias.assign([0.0, 0.1, -0.1])
    x = ag.tensor(example["inputs"]["x"], requires_grad=True)
    out = layer(x)
    loss = ag.sum(out * np.sin(0.1 * np.arange(12.0) + 1.0).reshape(4, 3))
    loss.backward()
    np.testing.assert_allclose(out.numpy(), example["outputs"]["out"], rtol=1e-10)
    np.testing.assert_allclose(loss.item(), example["outputs"]["loss"], rtol=1e-10)
    np.testing.assert_allclose(x.grad, example["grads"]["x"], rtol=1e-10)
    running = example["running_after_one_call"]
    np.testing.assert_allclose(layer.running_mean.numpy(), running["mean"], rtol=1e-10)
    np.testing.assert_allclose(layer.running_var.numpy(), running["var"], rtol=1e-10)


class Prescribed(np.random.Generator):
    """A generator that draws 0 where a mask is 0, and otherwise 0.99."""

    def __init__(self, mask):
        super().__init__(np.random.PCG64(0))
        self.mask = np.array(mask)

    def random(self, size, dtype):
        return 0.99 * self.mask.reshape(size).astype(dtype)


def test_dropout_with_a_given_mask():
    example = EXAMPLES["dropout_fixed_mask_p0.3"]
    mask = [[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]]
    z = ag.tensor(example["inputs"]["z"], requires_grad=True)
    out = nn.Dropout(0.3, rng=Prescribed(mask))(z)
    loss = ag.sum(ag.square(out))
    loss.backward()
    np.testing.assert_allclose(out.numpy(), example["outputs"]["out"], rtol=1e-10)
    np.testing.assert_allclose(loss.item(), example["outputs"]["loss"], rtol=1e-10)
    np.testing.assert_allclose(z.grad, example["grads"]["z"], rtol=1e-10)


FASHION = SHARED / "models" / "mlp_fashion.npz"
FIRST_STEPS = {
    "xent": (nn.CrossEntropyLoss(), None),
    "xent_smooth0.1": (nn.CrossEntropyLoss(label_smoothing=0.1), None),
    "xent_sum": (nn.CrossEntropyLoss(reduction="sum"), None),
    "xent_l1": (nn.CrossEntropyLoss(), nn.L1(1e-4)),
    "xent_l2": (nn.CrossEntropyLoss(), nn.L2(5e-4)),
    "mse_mean": (nn.MSELoss(), None),
    "mse_sum_out_mean_n": (nn.MSELoss(reduction="batchmean"), None),
    "bce_logits_mean": (nn.BCEWithLogitsLoss(), None),
}


@pytest.mark.skipif(not FASHION.exists(), reason="the shared reference data is not here")
@pytest.mark.parametrize("name", FIRST_STEPS)
def test_first_step_on_real_images(name):
    criterion, penalty = FIRST_STEPS[name]
    with np.load(FASHION) as archive:
        data = dict(archive)
    model = nn.MLP([784, *(data[f"b{i}"].size for i in range(3))], rng=0, dtype=np.float64)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(linear):
        layer.weight.assign(data[f"W{i}"].T)
        layer.bias.assign(data[f"b{i}"])
    x, y = data["x_uint8"][:32].reshape(32, -1) / 255.0, data["y"][:32].astype(int)
    target = y if isinstance(criterion, nn.CrossEntropyLoss) else np.eye(10)[y]
    loss = criterion(model(x), target)
    loss = loss if penalty is None else loss + penalty(model)
    loss.backward()
    step = table("models/models.json")["first_step"][f"relu/{name}"]
    assert loss.item() == pytest.approx(step["loss"], rel=1e-12)
    for i, layer in enumerate(linear):
        for key, grad in ((f"W{i}", layer.weight.grad.T), (f"b{i}", layer.bias.grad)):
            flat = grad.ravel()
            found = [
                flat.sum(),
                np.sqrt(flat @ flat),
                flat @ np.sin(0.1 * np.arange(flat.size) + 1),
            ]
            wanted = [step["grads"][key][name] for name in ("sum", "l2", "dot")]
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * np.abs(flat).sum())
