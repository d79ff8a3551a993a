"""Our own: layers, loss and optimizer as a user writes them, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class Compiled(Eager):
    """The same step as a program: labels enter as a tensor, the rest is what it was."""

    def __init__(self, workload: str) -> None:
        super().__init__(workload)
        self.labels = ag.tensor(self.y)
        self.learn = compiled_step(self.model, self.criterion, self.optimizer)
        # Two recordings with other data prove what is constant; then all is put back.
        rng = np.random.default_rng(0)
        start = [parameter.numpy().copy() for parameter in self.model.parameters()]
        for _ in range(2):
            x = rng.standard_normal(self.x.shape, np.float32)
            self.learn(ag.tensor(x), self.labels)
        restart(self.model, self.optimizer, start)

    def step(self) -> None:
        self.loss = self.learn(self.x, self.labels)


def restart(model: nn.Module, optimizer: optim.Optimizer, start: Sequence[np.ndarray]) -> None:
    for parameter, value in zip(model.parameters(), start, strict=True):
        parameter.assign(value)
    for slot in optimizer.param_groups[0].slots:
        slot.step = 0
        for array in slot.arrays:
            array.fill(0.0)


def compiled_step(
    model: nn.Module, criterion: nn.Module, optimizer: optim.Optimizer
) -> Callable[[ag.Tensor, ag.Tensor], ag.Tensor]:
    @ag.compile
    def learn(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return learn


def chain_gradient(x0: np.ndarray, w0: np.ndarray, links: int) -> np.ndarray | None:
    x, w = ag.tensor(x0, requires_grad=True), ag.tensor(w0, requires_grad=True)
    y = x
    for _ in range(links):
        y = ag.tanh(y * w)
    y.sum().backward()
    return x.grad


training_step = Eager
compiled_training_step = Compiled
