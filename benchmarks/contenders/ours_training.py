"""Our own training, as a user writes it: `optim.fit`."""

from __future__ import annotations

import numpy as np

import nn
import optim
from autograd_core import no_grad
from benchmarks.contenders.problems import PROBLEMS, load


class Training:
    def __init__(self, problem: str, seed: int) -> None:
        self.problem = PROBLEMS[problem]
        self.x, self.y, self.x_test, self.y_test = load(problem)
        self.rng = np.random.default_rng(seed)
        self.model = nn.MLP(self.problem.sizes, activation="relu", rng=self.rng)
        self.optimizer = optim.AdamW(
            self.model.parameters(), lr=self.problem.lr, weight_decay=self.problem.weight_decay
        )

    def step(self) -> None:
        optim.fit(
            self.model,
            nn.CrossEntropyLoss(),
            (self.x, self.y),
            self.optimizer,
            epochs=1,
            batch_size=self.problem.batch,
            rng=self.rng,
            progress=False,
        )

    def result(self) -> float:
        self.model.eval()
        with no_grad():
            scores = self.model(self.x_test).numpy()
        return float(np.mean(scores.argmax(axis=1) == self.y_test))
