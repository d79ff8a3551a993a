"""PyTorch, eager and compiled; and a training with its DataLoader, or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contenders.compiled import problems
from benchmarks.contenders.compiled.problems import BATCH, LR, Bench, Digits, orders
from benchmarks.contenders.pytorch import perceptron


def loss_of(first, b, second, c, x, y):
    error = torch.addmm(c, torch.tanh(torch.addmm(b, x, first)), second) - y
    return (error * error).mean()


def sum_of_products(x):
    return (torch.tanh(x) * torch.sigmoid(x) + x * torch.sigmoid(x)).sum()


def mlp() -> Bench:
    arrays = [torch.from_numpy(x) for x in problems.mlp()]
    return _bench(loss_of, [a.requires_grad_() for a in arrays[: problems.PARAMETERS]], arrays)


def chain(compiled: bool = False) -> Bench:
    x = torch.from_numpy(problems.chain()).requires_grad_()
    return _bench(torch.compile(sum_of_products) if compiled else sum_of_products, [x], [x])


def _bench(function: Callable[..., Any], leaves: list[Any], arrays: list[Any]) -> Bench:
    def evaluate():
        value = function(*arrays)
        return value.detach(), torch.autograd.grad(value, leaves)

    return Bench(evaluate)


class Order:
    """The examples in the order that everybody is given."""

    def __init__(self, examples: int, epochs: int) -> None:
        self.orders, self.examples = orders(examples, epochs), examples

    def __iter__(self) -> Iterator[int]:
        return iter(next(self.orders).tolist())

    def __len__(self) -> int:
        return self.examples


class Epochs:
    """Batches from a DataLoader, or indexed straight from the tensors."""

    def __init__(self, epochs: int, loader: bool = True) -> None:
        self.epochs, self.loader = epochs, loader
        self.digits = Digits.load()
        self.x, self.y = torch.from_numpy(self.digits.x), torch.from_numpy(self.digits.y)
        self.criterion = torch.nn.CrossEntropyLoss()

    def batches(self) -> Iterator[Iterator[Any]]:
        """Yield the batches of each epoch."""
        count = len(self.x)
        if self.loader:
            sampler = Order(count, self.epochs)
            data = DataLoader(TensorDataset(self.x, self.y), batch_size=BATCH, sampler=sampler)
            yield from (iter(data) for _ in range(self.epochs))
            return
        for order in orders(count, self.epochs):
            parts = torch.from_numpy(order).split(BATCH)
            yield ((self.x[part], self.y[part]) for part in parts)

    def step(self) -> None:
        model = perceptron(self.digits.start.sizes)
        with torch.no_grad():
            for p, start in zip(model.parameters(), self.digits.start.parameters, strict=True):
                p.copy_(torch.from_numpy(start))
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        self.losses = []
        for batches in self.batches():
            total = 0.0
            for x, y in batches:
                optimizer.zero_grad()
                loss = self.criterion(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            self.losses.append(total / len(self.x))

    def result(self) -> list[float]:
        return self.losses
