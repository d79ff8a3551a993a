"""JAX: `jit` of `value_and_grad`; the MLP in double precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.contenders.compiled import problems
from benchmarks.contenders.compiled.problems import Bench

jax.config.update("jax_enable_x64", True)


def loss_of(first, b, second, c, x, y):
    error = jnp.tanh(x @ first + b) @ second + c - y
    return jnp.mean(error * error)


def sum_of_products(x):
    return jnp.sum(jnp.tanh(x) * jax.nn.sigmoid(x) + x * jax.nn.sigmoid(x))


def mlp() -> Bench:
    argnums = tuple(range(problems.PARAMETERS))
    evaluate = jax.jit(jax.value_and_grad(loss_of, argnums=argnums))
    arrays = [jnp.asarray(x) for x in problems.mlp()]
    return Bench(lambda: jax.block_until_ready(evaluate(*arrays)))


def chain() -> Bench:
    evaluate = jax.jit(jax.value_and_grad(sum_of_products, argnums=(0,)))
    x = jnp.asarray(problems.chain())
    return Bench(lambda: jax.block_until_ready(evaluate(x)))
