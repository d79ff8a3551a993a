"""PyTorch, eager; Jacobians by a sweep for each of the two residuals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.contenders.adbench.problems import Bench, blocks, make

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def gmm(alphas, means, icf, x, where, gamma, m, constant):
    n, d = x.shape
    q, lower = icf[:, :d], icf[:, d:]
    scale, determinants = q.exp(), q.sum(1)
    packed = torch.cat([lower.new_zeros(len(means), 1), lower], 1)
    roots = packed[:, where] + torch.diag_embed(scale)
    distances = (x - means[:, None]) @ roots.mT
    inner = (alphas + determinants)[:, None] - 0.5 * (distances * distances).sum(2)
    prior = 0.5 * gamma**2 * ((scale * scale).sum() + (lower * lower).sum())
    likelihood = inner.logsumexp(0).sum() - n * alphas.logsumexp(0)
    return likelihood + prior - m * determinants.sum() + constant


def lstm(main, extra, state, sequence):
    layers, b = len(state) // 2, sequence.shape[1]
    weights, biases = main[0::2].reshape(layers, 4, b), main[1::2].reshape(layers, 4, b)
    gates = [
        (w[0::2], z[0::2], w[1], z[1], w[3], z[3]) for w, z in zip(weights, biases, strict=True)
    ]
    h, c = list(state[0::2]), list(state[1::2])
    into, seen = extra[0], []
    for x in sequence[:-1].unbind():
        x = x * into
        for i, (w_x, b_x, w_in, b_in, w_new, b_new) in enumerate(gates):
            forget, out = torch.sigmoid(torch.addcmul(b_x, x, w_x)).unbind()
            fresh = torch.sigmoid(torch.addcmul(b_in, h[i], w_in))
            new = torch.tanh(torch.addcmul(b_new, h[i], w_new))
            c[i] = torch.addcmul(c[i] * forget, fresh, new)
            x = h[i] = out * torch.tanh(c[i])
        seen.append(x)
    y = torch.stack(seen) * extra[1] + extra[2]
    log_p = y - (y.exp().sum(1, keepdim=True) + 2.0).log()
    return -(sequence[1:] * log_p).mean()


def ba(cameras, points, weights, features):
    rotation, v = cameras[:, :3], points - cameras[:, 3:6]
    angle = rotation.norm(dim=1, keepdim=True)
    axis, cos = rotation / angle, angle.cos()
    along = (axis * v).sum(1, keepdim=True)
    turned = v * cos + torch.linalg.cross(axis, v) * angle.sin() + axis * (along * (1 - cos))
    seen = turned[:, :2] / turned[:, 2:]
    s = (seen * seen).sum(1, keepdim=True)
    seen = seen * (1 + cameras[:, 9:10] * s + cameras[:, 10:] * s * s)
    return weights[:, None] * (seen * cameras[:, 6:7] + cameras[:, 7:9] - features)


OBJECTIVES: dict[str, Callable[..., Any]] = {"gmm": gmm, "lstm": lstm, "ba": ba}


def contender(workload: str, derivative: bool) -> Bench:
    problem = make(workload)
    objective = OBJECTIVES[problem.kind]
    inputs = [torch.tensor(x, requires_grad=derivative) for x in problem.inputs]
    constants = [torch.tensor(c) if hasattr(c, "shape") else c for c in problem.constants]

    def evaluate() -> Any:
        return objective(*inputs, *constants)

    def gradient() -> Any:
        value = evaluate()
        return value.detach(), *torch.autograd.grad(value, inputs)

    def jacobian() -> Any:
        value = evaluate()
        rows = [torch.autograd.grad(value[:, i].sum(), inputs, retain_graph=not i) for i in (0, 1)]
        return value.detach(), rows

    if not derivative:
        return Bench(torch.no_grad()(evaluate), lambda value: [value])
    if problem.kind == "ba":
        return Bench(jacobian, lambda found: [found[0], blocks(found[1])])
    return Bench(gradient, lambda found: found)
