"""scikit-learn's MLPClassifier: one `partial_fit` on one batch is one step."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.contenders.workload import BETAS, EPS, LR, Workload, make


class ScikitLearn:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        if w.sizes[-1] == 2:
            raise ValueError("for two classes it builds a logistic output, another network")
        self.x, self.y = w.x, w.y
        self.model = MLPClassifier(
            w.sizes[1:-1],
            solver="adam",
            alpha=0.0,
            batch_size=len(w.y),
            learning_rate_init=LR,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPS,
            shuffle=False,
        )
        self.model.partial_fit(self.x, self.y, classes=np.arange(w.sizes[-1]))
        restart(self.model, w)

    def step(self) -> None:
        self.model.partial_fit(self.x, self.y)

    def result(self) -> float:
        return float(self.model.loss_)


def restart(model: MLPClassifier, w: Workload) -> None:
    # The first call has made the network and taken a step: put both back to the start.
    for ours, start in zip(model.coefs_, w.weights, strict=True):
        ours[...] = start.T
    for ours, start in zip(model.intercepts_, w.biases, strict=True):
        ours[...] = start
    optimizer = model._optimizer
    optimizer.t = 0
    for moment in (*optimizer.ms, *optimizer.vs):
        moment[...] = 0
    model.t_ = 0


training_step = ScikitLearn
