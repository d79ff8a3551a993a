"""The lecture's statements on minibatches and on the cost of backpropagation."""

import math

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim
from optim.batches import ArrayBatches


def rows(n, size, rng, **options):
    return ArrayBatches((np.arange(n), np.arange(n)), size, rng, **options)


@pytest.mark.parametrize("n", [1, 2, 7, 32, 100])
@pytest.mark.parametrize("size", [1, 3, 32, 1000])
def test_every_example_exactly_once_in_n_over_b_rounded_up_iterations(n, size):
    batches = rows(n, size, np.random.default_rng(0))
    for _ in range(3):
        epoch = [x for x, _ in batches]
        assert len(epoch) == batches.count == math.ceil(n / size)
        assert sorted(np.concatenate(epoch)) == list(range(n))
        assert [len(x) for x in epoch[:-1]] == [size] * (len(epoch) - 1)


def test_inputs_and_targets_stay_together():
    x = np.random.default_rng(0).normal(size=(20, 3))
    batches = ArrayBatches((x, x.sum(1), 2 * x), 6, np.random.default_rng(1))
    for a, b, c in batches:
        np.testing.assert_array_equal(a.sum(1), b)
        np.testing.assert_array_equal(2 * a, c)


def test_the_order_changes_every_epoch_and_every_order_is_as_likely():
    batches = rows(3, 1, np.random.default_rng(0))
    counts = {}
    for _ in range(6000):
        order = tuple(int(x[0]) for x, _ in batches)
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    chi_squared = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    assert chi_squared < 20.5  # the 99.9 % quantile with 5 degrees of freedom


def train(rng, **options):
    data = np.random.default_rng(5)
    x = data.normal(size=(23, 3))
    y = np.sin(x.sum(1, keepdims=True))
    model = nn.MLP([3, 6, 1], activation="tanh", rng=np.random.default_rng(3))
    history = optim.fit(
        model,
        nn.MSELoss(),
        (x, y),
        optim.Adam(model.parameters(), 0.01),
        epochs=3,
        batch_size=5,
        rng=rng,
        progress=False,
        **options,
    )
    return history, np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize("options", [{}, {"augment": optim.augment.noise(0.1)}])
def test_the_same_state_of_the_generator_gives_the_same_run(options):
    generator = np.random.default_rng(11)
    generator.normal(size=7)
    state = generator.bit_generator.state
    history, weights = train(generator, **options)
    after = generator.bit_generator.state
    other = np.random.default_rng(99)
    other.bit_generator.state = state
    again, same = train(other, **options)
    assert history == again
    np.testing.assert_array_equal(weights, same)
    assert other.bit_generator.state == after != state
    assert not np.array_equal(weights, train(generator, **options)[1])


def test_a_shorter_last_batch_can_be_left_out():
    batches = rows(10, 4, np.random.default_rng(0), drop_last=True)
    orders = [np.concatenate([x for x, _ in batches]) for _ in range(20)]
    assert batches.count == 2
    assert all(len(set(order)) == 8 for order in orders)
    assert len(set(np.concatenate(orders))) == 10  # not always the same two


def test_the_minibatch_gradient_is_unbiased():
    # The mean of the gradients over the batches of an epoch is the gradient of the whole.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=12)
    w = ag.tensor(rng.normal(size=4), requires_grad=True)

    def gradient(x, y):
        w.grad = None
        ((x @ w - y) ** 2).mean().backward()
        return w.grad.copy()

    parts = [gradient(*batch) for batch in ArrayBatches((x, y), 3, rng)]
    np.testing.assert_allclose(np.mean(parts, axis=0), gradient(x, y), rtol=1e-12)


# --- the cost of backpropagation ----------------------------------------------------------------


class Counter:
    """Count the multiplications of all matrix products."""

    def __init__(self, monkeypatch):
        self.count = 0
        true = np.matmul

        def matmul(x, y, *args, **kwargs):
            out = true(x, y, *args, **kwargs)
            self.count += np.size(out) * np.shape(x)[-1]
            return out

        monkeypatch.setattr(np, "matmul", matmul)

    def spent(self):
        count, self.count = self.count, 0
        return count


def costs(counter, sizes, batch):
    """Return the numbers of weights, and of multiplications forward and backward."""
    model = nn.MLP(sizes, activation="tanh", rng=np.random.default_rng(0))
    x = np.ones((batch, sizes[0]), np.float32)
    counter.spent()
    loss = model(x).sum()
    forward = counter.spent()
    loss.backward()
    weights = sum(p.size for p in model.parameters() if p.ndim == 2)
    return weights, forward, counter.spent()


@pytest.mark.parametrize(
    "sizes", [[3, 5, 1], [10, 20, 20, 2], [7, 64, 64, 64, 3], [100, 200, 300, 10]]
)
def test_backpropagation_costs_two_products_for_each_weight_and_example(monkeypatch, sizes):
    # One product for the weight's derivative, one to hand the derivative on; none for the data.
    weights, forward, backward = costs(Counter(monkeypatch), sizes, batch=6)
    assert forward == 6 * weights
    assert backward == 2 * 6 * weights - 6 * sizes[0] * sizes[1]


def test_the_cost_is_linear_in_the_number_of_parameters(monkeypatch):
    # A gradient by differences would cost one forward pass per parameter: quadratic.
    counter = Counter(monkeypatch)
    for width in (4, 16, 64, 256):
        weights, forward, backward = costs(counter, [width] * 4, batch=2)
        assert forward + backward <= 3 * 2 * weights
