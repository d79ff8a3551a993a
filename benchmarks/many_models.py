"""Small trainings side by side: `optim.fit_many` with two workers against one.

    python -m benchmarks.many_models [--rounds 5]

64 perceptrons 10-32-1 learn a made function in batches of 32, each until its early stopping ends
it. Both must leave every model, to the last bit, as `fit` leaves it alone.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

import nn
import optim
from benchmarks.harness import Contender, interleave, table

__all__ = ["Trainings", "compare"]

MODELS, EXAMPLES, HELD_OUT, BATCH, MOST_EPOCHS = 64, 2048, 512, 32, 60
CONTENDERS: dict[str, dict[str, Any]] = {
    "one by one": {"workers": None},
    "one worker": {"workers": 1},
    "two workers": {"workers": 2},
}


class Trainings:
    """All the trainings, from the start at each step; without workers one by one."""

    def __init__(self, workers: int | None, models: int = MODELS) -> None:
        self.workers, self.models = workers, models
        rng = np.random.default_rng(3)
        x = rng.normal(size=(EXAMPLES + HELD_OUT, 10)).astype(np.float32)
        y = np.sin(x[:, :1] + x[:, 1:2]) * x[:, 2:3]
        y += rng.normal(scale=0.1, size=y.shape).astype(np.float32)
        self.common: dict[str, Any] = {
            "loss": nn.MSELoss(),
            "data": (x[HELD_OUT:], y[HELD_OUT:]),
            "validation": (x[:HELD_OUT], y[:HELD_OUT]),
            "epochs": MOST_EPOCHS,
            "batch_size": BATCH,
            "progress": False,
        }

    def training(self, seed: int) -> dict[str, Any]:
        """Return what is one model's own."""
        model = nn.MLP([10, 32, 1], activation="tanh", rng=np.random.default_rng(seed))
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        stopping = optim.EarlyStopping(patience=8, start_from=12)
        return {"model": model, "optimizer": optimizer, "early_stopping": stopping, "rng": seed}

    def step(self) -> None:
        """Train all of them."""
        jobs = [self.training(seed) for seed in range(self.models)]
        if self.workers is None:
            self.histories = [optim.fit(compile=True, **self.common, **job) for job in jobs]
        else:
            self.histories = optim.fit_many(jobs, workers=self.workers, **self.common)
        self.trained = [job["model"] for job in jobs]

    def result(self) -> list[float]:
        """Return all losses and all weights, in sums that show any difference."""
        losses = [float(x) for h in self.histories for x in (len(h["loss"]), *h["val_loss"])]
        arrays = [p.numpy() for model in self.trained for p in model.parameters()]
        return losses + [float(a.astype(np.float64).sum()) for a in arrays]


def compare(rounds: int) -> bool:
    """Race, print the table, and return whether anybody's results differ."""
    target = "benchmarks.many_models:Trainings"
    contenders = {n: Contender(target, given, threads=2) for n, given in CONTENDERS.items()}
    try:
        found = {name: contender.results(1)[0] for name, contender in contenders.items()}
        samples = interleave(contenders, rounds=rounds)
    finally:
        for contender in contenders.values():
            contender.close()
    base = samples["one worker"].median
    rows = [
        [name, f"{s.median:.2f}", f"{s.minimum:.2f}", f"{base / s.median:.2f}"]
        for name, s in samples.items()
    ]
    print(table([f"{MODELS} trainings, seconds", "median", "minimum", "throughput"], rows))
    differing = [name for name in found if found[name] != found["one by one"]]
    print(f"results: {f'{differing} differ from' if differing else 'all equal'} one by one\n")
    return bool(differing)


def main() -> int:
    """Race; return 1 if results differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    return int(compare(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
