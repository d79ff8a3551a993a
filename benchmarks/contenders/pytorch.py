"""PyTorch, eager with the fused Adam, and compiled."""

from __future__ import annotations

import os

import numpy as np
import torch

from benchmarks.contenders.workload import BETAS, EPS, LR, make

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def perceptron(sizes: list[int]) -> torch.nn.Sequential:
    """Return the network with the last ReLU left out."""
    layers: list[torch.nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class Eager:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.x, self.y = torch.from_numpy(w.x), torch.from_numpy(w.y)
        self.model = perceptron(w.sizes)
        with torch.no_grad():
            for parameter, start in zip(self.model.parameters(), w.parameters, strict=True):
                parameter.copy_(torch.from_numpy(start))
        self.criterion = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=LR, betas=BETAS, eps=EPS, fused=True
        )

    def forward(self) -> torch.Tensor:
        return self.criterion(self.model(self.x), self.y)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss = self.forward()
        self.loss.backward()
        self.optimizer.step()

    def result(self) -> float:
        return self.loss.item()


class Compiled(Eager):
    """Forward and backward compiled; the fused Adam is one native call already."""

    def __init__(self, workload: str) -> None:
        super().__init__(workload)
        self.compiled = torch.compile(super().forward)

    def forward(self) -> torch.Tensor:
        return self.compiled()


def chain_gradient(x0: np.ndarray, w0: np.ndarray, links: int) -> torch.Tensor | None:
    x, w = torch.tensor(x0, requires_grad=True), torch.tensor(w0, requires_grad=True)
    y = x
    for _ in range(links):
        y = torch.tanh(y * w)
    y.sum().backward()
    return x.grad


training_step = Eager
compiled_training_step = Compiled
