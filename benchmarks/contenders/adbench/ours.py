"""Ours, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from benchmarks.contenders.adbench.problems import Bench, Problem, blocks, make

__all__ = ["OBJECTIVES", "compiled", "eager", "evaluate"]


def gmm(
    alphas: Any,
    means: Any,
    icf: Any,
    x: Any,
    where: np.ndarray,
    gamma: float,
    m: int,
    constant: float,
) -> Any:
    n, d = x.shape
    q, lower = icf[:, :d], icf[:, d:]
    scale, determinants = ag.exp(q), ag.sum(q, axis=1)
    packed = ag.concatenate([np.zeros((len(means), 1)), lower], axis=1)
    roots = packed[:, where] + scale[:, :, None] * np.eye(d)
    distances = (x - means[:, None]) @ ag.matrix_transpose(roots)
    inner = (alphas + determinants)[:, None] - 0.5 * ag.sum(distances * distances, axis=2)
    squares = ag.sum(scale * scale) + ag.sum(lower * lower)
    prior = 0.5 * gamma**2 * squares - m * ag.sum(determinants)
    likelihood = ag.sum(ag.logsumexp(inner, axis=0)) - n * ag.logsumexp(alphas)
    return likelihood + prior + constant


def lstm(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    layers, b = len(state) // 2, sequence.shape[1]
    # Of the four gates, two look at the layer's input and two at its own last result.
    weights, biases = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)
    gates = [
        (w[0::2], z[0::2], w[1], z[1], w[3], z[3])
        for w, z in ((weights[i], biases[i]) for i in range(layers))
    ]
    h, c = [state[2 * i] for i in range(layers)], [state[2 * i + 1] for i in range(layers)]
    into, seen = extra[0], []
    for t in range(len(sequence) - 1):
        x = sequence[t] * into
        for i, (w_x, b_x, w_in, b_in, w_new, b_new) in enumerate(gates):
            forget_out = ag.sigmoid(x * w_x + b_x)
            fresh = ag.sigmoid(h[i] * w_in + b_in) * ag.tanh(h[i] * w_new + b_new)
            c[i] = c[i] * forget_out[0] + fresh
            x = h[i] = forget_out[1] * ag.tanh(c[i])
        seen.append(x)
    y = ag.stack(seen) * extra[1] + extra[2]
    log_p = y - ag.log(ag.sum(ag.exp(y), axis=1, keepdims=True) + 2.0)
    return -ag.mean(sequence[1:] * log_p)


def ba(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
    rotation, v = cameras[:, :3], points - cameras[:, 3:6]
    angle = ag.sqrt(ag.sum(rotation * rotation, axis=1, keepdims=True))
    axis, cos = rotation / angle, ag.cos(angle)
    along = ag.sum(axis * v, axis=1, keepdims=True)
    turned = v * cos + ag.cross(axis, v) * ag.sin(angle) + axis * (along * (1 - cos))
    seen = turned[:, :2] / turned[:, 2:]
    s = ag.sum(seen * seen, axis=1, keepdims=True)
    seen = seen * (1 + cameras[:, 9:10] * s + cameras[:, 10:] * s * s)
    return weights[:, None] * (seen * cameras[:, 6:7] + cameras[:, 7:9] - features)


OBJECTIVES: dict[str, Callable[..., Any]] = {"gmm": gmm, "lstm": lstm, "ba": ba}


def value_and_jacobian(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
    """Return the residuals and their cotangents: no picture's touch another's parameters."""
    value, pull = ag.vjp(lambda c, x, w: ba(c, x, w, features), cameras, points, weights)
    along_x, along_y = np.zeros(value.shape), np.zeros(value.shape)
    along_x[:, 0], along_y[:, 1] = 1.0, 1.0
    return value, (pull(along_x), pull(along_y))


def evaluate(problem: Problem, derivative: bool) -> Callable[..., Any]:
    """Return the function of a problem's arrays that is timed."""
    objective = OBJECTIVES[problem.kind]
    if not derivative:
        return objective
    if problem.kind == "ba":
        return value_and_jacobian
    return ag.value_and_grad(objective, argnums=tuple(range(len(problem.inputs))))


def numbers(problem: Problem, derivative: bool) -> Callable[[Any], list[Any]]:
    """Return the function that takes a result apart."""
    if not derivative:
        return lambda value: [value]
    if problem.kind == "ba":
        return lambda returned: [returned[0], blocks(returned[1])]
    return lambda returned: [returned[0], *returned[1]]


def eager(workload: str, derivative: bool) -> Bench:
    problem = make(workload)
    function, arrays = evaluate(problem, derivative), (*problem.inputs, *problem.constants)
    return Bench(lambda: function(*arrays), numbers(problem, derivative))


def compiled(workload: str, derivative: bool) -> Bench:
    """Return the same as a program; two recordings with other inputs prove what is constant."""
    problem = make(workload)
    program = ag.compile(evaluate(problem, derivative))
    for scale in (0.9, 1.1):
        program(*(scale * x for x in problem.inputs), *problem.constants)
    arrays = (*problem.inputs, *problem.constants)
    return Bench(lambda: program(*arrays), numbers(problem, derivative))
