"""HIPS autograd; the objective alone is NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
from autograd import make_vjp, value_and_grad
from autograd.scipy.special import expit, logsumexp

from benchmarks.contenders.adbench.problems import Bench, blocks, make


def gmm(inputs, x, where, gamma, m, constant):
    alphas, means, icf = inputs
    n, d = x.shape
    q, lower = icf[:, :d], icf[:, d:]
    scale, determinants = anp.exp(q), anp.sum(q, axis=1)
    packed = anp.concatenate([anp.zeros((len(means), 1)), lower], axis=1)
    roots = packed[:, where] + scale[:, :, None] * anp.eye(d)
    distances = (x - means[:, None]) @ anp.swapaxes(roots, 1, 2)
    inner = (alphas + determinants)[:, None] - 0.5 * anp.sum(distances * distances, axis=2)
    prior = 0.5 * gamma**2 * (anp.sum(scale * scale) + anp.sum(lower * lower))
    likelihood = anp.sum(logsumexp(inner, axis=0)) - n * logsumexp(alphas)
    return likelihood + prior - m * anp.sum(determinants) + constant


def lstm(inputs, state, sequence):
    main, extra = inputs
    layers, b = len(state) // 2, sequence.shape[1]
    gates = []
    for i in range(layers):
        w, z = anp.reshape(main[2 * i], (4, b)), anp.reshape(main[2 * i + 1], (4, b))
        gates.append((w[0::2], z[0::2], w[1], z[1], w[3], z[3]))
    h, c = list(state[0::2]), list(state[1::2])
    into, seen = extra[0], []
    for x in sequence[:-1]:
        x = x * into
        for i, (w_x, b_x, w_in, b_in, w_new, b_new) in enumerate(gates):
            forget_out = expit(x * w_x + b_x)
            fresh = expit(h[i] * w_in + b_in) * anp.tanh(h[i] * w_new + b_new)
            c[i] = c[i] * forget_out[0] + fresh
            x = h[i] = forget_out[1] * anp.tanh(c[i])
        seen.append(x)
    y = anp.stack(seen) * extra[1] + extra[2]
    log_p = y - anp.log(anp.sum(anp.exp(y), axis=1, keepdims=True) + 2.0)
    return -anp.mean(sequence[1:] * log_p)


def cross(a, b):
    """Return the cross product of rows, which autograd does not differentiate."""
    after, before = [1, 2, 0], [2, 0, 1]
    return a[:, after] * b[:, before] - a[:, before] * b[:, after]


def ba(inputs, features):
    cameras, points, weights = inputs
    rotation, v = cameras[:, :3], points - cameras[:, 3:6]
    angle = anp.sqrt(anp.sum(rotation * rotation, axis=1, keepdims=True))
    axis, cos = rotation / angle, anp.cos(angle)
    along = anp.sum(axis * v, axis=1, keepdims=True)
    turned = v * cos + cross(axis, v) * anp.sin(angle) + axis * (along * (1 - cos))
    seen = turned[:, :2] / turned[:, 2:]
    s = anp.sum(seen * seen, axis=1, keepdims=True)
    seen = seen * (1 + cameras[:, 9:10] * s + cameras[:, 10:] * s * s)
    return weights[:, None] * (seen * cameras[:, 6:7] + cameras[:, 7:9] - features)


OBJECTIVES: dict[str, Callable[..., Any]] = {"gmm": gmm, "lstm": lstm, "ba": ba}


def contender(workload: str, derivative: bool) -> Bench:
    problem = make(workload)
    objective, constants = OBJECTIVES[problem.kind], problem.constants

    def evaluate() -> Any:
        return objective(problem.inputs, *constants)

    def jacobian() -> Any:
        pull, value = make_vjp(lambda inputs: objective(inputs, *constants))(problem.inputs)
        along_x, along_y = anp.zeros(value.shape), anp.zeros(value.shape)
        along_x[:, 0], along_y[:, 1] = 1.0, 1.0
        return value, (pull(along_x), pull(along_y))

    if not derivative:
        return Bench(evaluate, lambda value: [value])
    if problem.kind == "ba":
        return Bench(jacobian, lambda found: [found[0], blocks(found[1])])
    gradient = value_and_grad(objective)
    return Bench(lambda: gradient(problem.inputs, *constants), lambda found: [found[0], *found[1]])
