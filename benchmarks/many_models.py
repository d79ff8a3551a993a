"""Small trainings side by side: `optim.fit_many` with two workers against one.

    python -m benchmarks.many_models [--rounds 3]

64 perceptrons 10-32-1 learn a made function in batches of 32, each until its early stopping ends
it; with few examples, where making the programs takes a good part of the time, with more, and with
many, where machine code does. Who is watched has a callback, so that its epochs run one at a time.
All must leave every model, to the last bit, as `fit` leaves it alone.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

import nn
import optim
from benchmarks.harness import Contender, Samples, closing, interleave, table

__all__ = ["Trainings", "compare"]

TARGET = "benchmarks.many_models:Trainings"
MODELS, BATCH, HELD_OUT, EPOCHS = 64, 32, 512, 60
SIZES = (2_048, 16_384, 65_536)  # examples
CONTENDERS: dict[str, dict[str, Any]] = {
    "one by one": {"workers": None},
    "one by one, watched": {"workers": None, "watched": True},
    "one worker": {"workers": 1},
    "two workers": {"workers": 2},
}


class Trainings:
    """All the trainings, from the start at each step; without workers one by one."""

    def __init__(
        self, workers: int | None, examples: int, models: int = MODELS, watched: bool = False
    ) -> None:
        self.workers, self.models = workers, models
        rng = np.random.default_rng(3)
        x = rng.normal(size=(examples + HELD_OUT, 10)).astype(np.float32)
        y = np.sin(x[:, :1] + x[:, 1:2]) * x[:, 2:3]
        y += rng.normal(scale=0.1, size=y.shape).astype(np.float32)
        self.common: dict[str, Any] = {
            "loss": nn.MSELoss(),
            "data": (x[HELD_OUT:], y[HELD_OUT:]),
            "validation": (x[:HELD_OUT], y[:HELD_OUT]),
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "progress": False,
            "callbacks": [_look] * watched,
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
        """Return how long each trained, the losses, and a sum of each array of weights."""
        losses = [float(x) for h in self.histories for x in (len(h["loss"]), *h["val_loss"])]
        arrays = [p.numpy() for model in self.trained for p in model.parameters()]
        return losses + [float(a.astype(np.float64).sum()) for a in arrays]


def _look(_: Any) -> None:
    """Look at an epoch."""


def race(examples: int, rounds: int) -> tuple[dict[str, Samples], list[str]]:
    """Return the samples, and whose results differ from those one by one."""
    contenders = {
        name: Contender(TARGET, {**given, "examples": examples}, threads=2)
        for name, given in CONTENDERS.items()
    }
    with closing(contenders):
        found = {name: contender.results(1)[0] for name, contender in contenders.items()}
        samples = interleave(contenders, rounds=rounds)
    return samples, [name for name in found if found[name] != found["one by one"]]


def compare(rounds: int) -> bool:
    """Race, print the tables, and return whether anybody's results differ."""
    wrong = False
    for examples in SIZES:
        samples, differing = race(examples, rounds)
        base = samples["one worker"].median
        rows = [
            [name, f"{s.median:.2f}", f"{s.minimum:.2f}", f"{base / s.median:.2f}"]
            for name, s in samples.items()
        ]
        head = f"{MODELS} trainings, {examples} examples, seconds"
        print(table([head, "median", "minimum", "throughput"], rows))
        others = ", ".join(differing)
        print(f"results: {f'{others} differ' if others else 'all as one by one'}\n", flush=True)
        wrong |= bool(differing)
    return wrong


def main() -> int:
    """Race; return 1 if results differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    return int(compare(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
