"""MyGrad, with and without its guard against overwritten arrays; Adam in NumPy."""

from __future__ import annotations

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.contenders.numpy_hand import Adam
from benchmarks.contenders.workload import make


class MyGrad:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.x, self.y = w.x, w.y
        self.parameters = [mg.tensor(np.ascontiguousarray(p.T)) for p in w.parameters]
        self.layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        self.adam = Adam([p.data for p in self.parameters])

    def step(self) -> None:
        x = self.x
        for weight, bias in self.layers[:-1]:
            x = relu(mg.matmul(x, weight) + bias)
        weight, bias = self.layers[-1]
        self.loss = softmax_crossentropy(mg.matmul(x, weight) + bias, self.y)
        self.loss.backward()
        self.adam.step([p.grad for p in self.parameters])

    def result(self) -> float:
        return float(self.loss.data)


def chain_gradient(x0: np.ndarray, w0: np.ndarray, links: int) -> np.ndarray:
    mg.turn_memory_guarding_off()
    x, w = mg.tensor(x0), mg.tensor(w0)
    y = x
    for _ in range(links):
        y = mg.tanh(y * w)
    y.sum().backward()
    return x.grad


def unguarded_training_step(workload: str) -> MyGrad:
    mg.turn_memory_guarding_off()
    return MyGrad(workload)


training_step = MyGrad
