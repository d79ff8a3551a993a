"""JAX: the whole step under one `jit`, old parameters and moments donated."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.contenders.workload import BETAS, EPS, LR, make


def loss_of(parameters, x, y):
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    log_p = jax.nn.log_softmax(x @ weight + bias)
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


def training(parameters, m, v, t, x, y):
    """Return the parameters and moments after a step, and the loss before it."""
    b1, b2 = BETAS
    loss, g = jax.value_and_grad(loss_of)(parameters, x, y)
    t = t + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
    rate, root = LR / (1 - b1**t), jnp.sqrt(1 - b2**t)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPS), parameters, m, v
    )
    return parameters, m, v, t, loss


class Jit:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        layers = zip(w.weights, w.biases, strict=True)
        parameters = [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in layers]
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        self.state = (parameters, *zeros, jnp.float32(0))
        self.x, self.y = jnp.array(w.x), jnp.array(w.y)
        self.train = jax.jit(training, donate_argnums=(0, 1, 2))

    def step(self) -> None:
        *self.state, self.loss = self.train(*self.state, self.x, self.y)
        jax.block_until_ready(self.state)

    def result(self) -> float:
        return float(self.loss)


training_step = Jit
