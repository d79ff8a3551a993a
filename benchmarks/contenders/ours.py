"""Our own, eager: layers, loss and optimizer as a user writes them."""

from __future__ import annotations

import numpy as np

import autograd_core as ag
import nn
import optim
from benchmarks.contenders.workload import BETAS, EPS, LR, make


class Eager:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.x, self.y = ag.tensor(w.x), w.y
        self.model = nn.MLP(w.sizes, activation="relu")
        for parameter, start in zip(self.model.parameters(), w.parameters, strict=True):
            parameter.assign(start)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = optim.Adam(self.model.parameters(), lr=LR, betas=BETAS, eps=EPS)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss = self.criterion(self.model(self.x), self.y)
        self.loss.backward()
        self.optimizer.step()

    def result(self) -> float:
        return float(self.loss)


def chain_gradient(x0: np.ndarray, w0: np.ndarray, links: int) -> np.ndarray | None:
    x, w = ag.tensor(x0, requires_grad=True), ag.tensor(w0, requires_grad=True)
    y = x
    for _ in range(links):
        y = ag.tanh(y * w)
    y.sum().backward()
    return x.grad


training_step = Eager
