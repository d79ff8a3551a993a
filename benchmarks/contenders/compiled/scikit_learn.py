"""scikit-learn's MLPClassifier: one `partial_fit` on all examples is an epoch of minibatches."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.contenders.compiled.problems import BATCH, LR, Digits, orders
from benchmarks.contenders.scikit_learn import restart


class Epochs:
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.digits = Digits.load()
        self.model = MLPClassifier(
            self.digits.start.sizes[1:-1],
            solver="adam",
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=LR,
            shuffle=False,
        )
        self.model.partial_fit(self.digits.x, self.digits.y, classes=np.arange(10))

    def step(self) -> None:
        restart(self.model, self.digits.start)
        self.losses = []
        for order in orders(len(self.digits.x), self.epochs):
            self.model.partial_fit(self.digits.x[order], self.digits.y[order])
            self.losses.append(float(self.model.loss_))

    def result(self) -> list[float]:
        return self.losses
