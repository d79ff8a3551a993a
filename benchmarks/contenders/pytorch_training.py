"""PyTorch's eager training loop, with the fused optimizer."""

from __future__ import annotations

import torch

from benchmarks.contenders.problems import PROBLEMS, load
from benchmarks.contenders.pytorch import perceptron


class Training:
    def __init__(self, problem: str, seed: int) -> None:
        self.problem = PROBLEMS[problem]
        self.x, self.y, self.x_test, self.y_test = map(torch.from_numpy, load(problem))
        torch.manual_seed(seed)
        self.model = perceptron(list(self.problem.sizes))
        self.criterion = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.problem.lr,
            weight_decay=self.problem.weight_decay,
            fused=True,
        )

    def step(self) -> None:
        self.model.train()
        order = torch.randperm(len(self.x))
        total = 0.0
        for chosen in order.split(self.problem.batch):
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(self.x[chosen]), self.y[chosen])
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(chosen)
        self.loss = total / len(order)

    def result(self) -> float:
        self.model.eval()
        with torch.no_grad():
            scores = self.model(self.x_test)
        return float((scores.argmax(dim=1) == self.y_test).float().mean())
