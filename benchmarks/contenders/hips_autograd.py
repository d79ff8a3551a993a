"""HIPS autograd, with Adam in NumPy: its own optimizers work on flat vectors and copy them."""

from __future__ import annotations

import autograd.numpy as anp
from autograd import grad, value_and_grad
from autograd.scipy.special import logsumexp

from benchmarks.contenders.numpy_hand import Adam
from benchmarks.contenders.workload import make


def loss_of(parameters, x, y):
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    for weight, bias in layers[:-1]:
        x = anp.maximum(anp.dot(x, weight) + bias, 0)
    weight, bias = layers[-1]
    z = anp.dot(x, weight) + bias
    return anp.mean(logsumexp(z, axis=1) - z[anp.arange(len(y)), y])


class Autograd:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.x, self.y = w.x, w.y
        self.parameters = [anp.ascontiguousarray(p.T) for p in w.parameters]
        self.differentiate = value_and_grad(loss_of)
        self.adam = Adam(self.parameters)

    def step(self) -> None:
        self.loss, gradients = self.differentiate(self.parameters, self.x, self.y)
        self.adam.step(gradients)

    def result(self) -> float:
        return float(self.loss)


def chain_gradient(x0, w0, links):
    def chain(x, w):
        for _ in range(links):
            x = anp.tanh(x * w)
        return anp.sum(x)

    return grad(chain, (0, 1))(x0, w0)[0]


training_step = Autograd
