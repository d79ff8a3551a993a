"""Ours: `compile` of `value_and_grad`, eager too; and a training by `optim.fit` and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_core as ag
import nn
import optim
from benchmarks.contenders.compiled import problems
from benchmarks.contenders.compiled.problems import BATCH, LR, Bench, Digits, orders
from benchmarks.contenders.ours import compiled_step, restart


def loss_of(first, b, second, c, x, y):
    error = ag.tanh(x @ first + b) @ second + c - y
    return ag.mean(error * error)


def sum_of_products(x):
    return ag.sum(ag.tanh(x) * ag.sigmoid(x) + x * ag.sigmoid(x))


def mlp(compiled: bool = True) -> Bench:
    evaluate = ag.value_and_grad(loss_of, argnums=tuple(range(problems.PARAMETERS)))
    return _bench(evaluate, problems.mlp(), compiled)


def chain(compiled: bool = True) -> Bench:
    evaluate = ag.value_and_grad(sum_of_products, argnums=(0,))
    return _bench(evaluate, [problems.chain()], compiled)


def _bench(evaluate: Any, arrays: list[np.ndarray], compiled: bool) -> Bench:
    if compiled:
        evaluate = ag.compile(evaluate)
        for scale in (0.9, 1.1):  # two recordings with other inputs prove what is constant
            evaluate(*(x * x.dtype.type(scale) for x in arrays))
    return Bench(lambda: evaluate(*arrays))


class Fit:
    """So many epochs by `optim.fit(..., compile=True)`, start-up included."""

    def __init__(self, epochs: int, compiled: bool = True) -> None:
        self.epochs, self.compiled = epochs, compiled
        self.digits = Digits.load()

    def step(self) -> None:
        model, optimizer = network(self.digits)
        self.history = optim.fit(
            model,
            nn.CrossEntropyLoss(),
            (self.digits.x, self.digits.y),
            optimizer,
            epochs=self.epochs,
            batch_size=BATCH,
            rng=0,
            progress=False,
            compile=self.compiled,
        )

    def result(self) -> list[float]:
        return [float(loss) for loss in self.history["loss"]]


class Loop:
    """The same by a loop over a compiled step; its two programs are made beforehand."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.digits = Digits.load()
        self.model, self.optimizer = network(self.digits)
        self.learn = compiled_step(self.model, nn.CrossEntropyLoss(), self.optimizer)
        self.step()

    def step(self) -> None:
        digits, count = self.digits, len(self.digits.x)
        restart(self.model, self.optimizer, digits.start.parameters)
        self.losses = []
        for order in orders(count, self.epochs):
            x, y, total = digits.x[order], digits.y[order], 0.0
            for i in range(0, count, BATCH):
                rows = x[i : i + BATCH]
                total += self.learn(rows, y[i : i + BATCH]).item() * len(rows)
            self.losses.append(total / count)

    def result(self) -> list[float]:
        return self.losses


def network(digits: Digits) -> tuple[nn.Module, optim.Optimizer]:
    model = nn.MLP(digits.start.sizes, activation="relu")
    for parameter, start in zip(model.parameters(), digits.start.parameters, strict=True):
        parameter.assign(start)
    return model, optim.Adam(model.parameters(), lr=LR)
