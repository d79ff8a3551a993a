"""JAX, everything under one `jit`; the LSTM's loop is a `scan`, Jacobians are `vmap(jacrev)`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders.adbench.problems import Bench, blocks, make

jax.config.update("jax_enable_x64", True)


def gmm(alphas, means, icf, x, where, gamma, m, constant):
    n, d = x.shape
    q, lower = icf[:, :d], icf[:, d:]
    scale, determinants = jnp.exp(q), q.sum(1)
    packed = jnp.pad(lower, ((0, 0), (1, 0)))
    roots = packed[:, where] + jax.vmap(jnp.diag)(scale)
    distances = (x - means[:, None]) @ roots.mT
    inner = (alphas + determinants)[:, None] - 0.5 * jnp.sum(distances**2, axis=2)
    prior = 0.5 * gamma**2 * (jnp.sum(scale**2) + jnp.sum(lower**2)) - m * determinants.sum()
    likelihood = jax.nn.logsumexp(inner, axis=0).sum() - n * jax.nn.logsumexp(alphas)
    return likelihood + prior + constant


def lstm(main, extra, state, sequence):
    layers, b = len(state) // 2, sequence.shape[1]
    weights, biases = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)

    def character(carry, x):
        x, after = x * extra[0], []
        for (h, c), w, z in zip(carry, weights, biases, strict=True):
            forget, out = jax.nn.sigmoid(x * w[0::2] + z[0::2])
            c = c * forget + jax.nn.sigmoid(h * w[1] + z[1]) * jnp.tanh(h * w[3] + z[3])
            x = out * jnp.tanh(c)
            after.append((x, c))
        return after, x

    start = [(state[2 * i], state[2 * i + 1]) for i in range(layers)]
    _, seen = jax.lax.scan(character, start, sequence[:-1])
    y = seen * extra[1] + extra[2]
    log_p = y - jnp.log(jnp.sum(jnp.exp(y), axis=1, keepdims=True) + 2.0)
    return -jnp.mean(sequence[1:] * log_p)


def picture(camera, point, weight, feature):
    """Return the two residuals of one picture."""
    rotation, v = camera[:3], point - camera[3:6]
    angle = jnp.linalg.norm(rotation)
    axis, cos = rotation / angle, jnp.cos(angle)
    turned = v * cos + jnp.cross(axis, v) * jnp.sin(angle) + axis * ((axis @ v) * (1 - cos))
    seen = turned[:2] / turned[2]
    s = seen @ seen
    seen = seen * (1 + camera[9] * s + camera[10] * s * s)
    return weight * (seen * camera[6] + camera[7:9] - feature)


OBJECTIVES = {"gmm": gmm, "lstm": lstm, "ba": jax.vmap(picture)}


def residuals_and_blocks(*arrays):
    pictures = jax.vmap(jax.jacrev(picture, argnums=(0, 1, 2)))(*arrays)
    return jax.vmap(picture)(*arrays), pictures


def evaluate(kind: str, derivative: bool, count: int) -> Any:
    if not derivative:
        return OBJECTIVES[kind]
    if kind == "ba":
        return residuals_and_blocks
    return jax.value_and_grad(OBJECTIVES[kind], argnums=tuple(range(count)))


def contender(workload: str, derivative: bool) -> Bench:
    problem = make(workload)
    function = jax.jit(evaluate(problem.kind, derivative, len(problem.inputs)))
    arrays = [jnp.asarray(x) for x in (*problem.inputs, *problem.constants)]

    def numbers(returned: Any) -> list[Any]:
        if not derivative:
            return [returned]
        value, found = returned
        if problem.kind == "ba":
            return [value, blocks([np.asarray(part)[:, i] for part in found] for i in (0, 1))]
        return [value, *found]

    return Bench(lambda: jax.block_until_ready(function(*arrays)), numbers)
