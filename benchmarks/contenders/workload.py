"""The networks of the race, their starting weights and their batch: the same for everybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["BETAS", "EPS", "LR", "WORKLOADS", "Workload", "make"]

# So small a rate leaves the network where it is for the thousands of steps of a race: at a usual
# one it would learn its single batch by heart, and units that die leave denormal numbers behind,
# which are slow to compute with.
LR, BETAS, EPS = 1e-5, (0.9, 0.999), 1e-8

WORKLOADS: dict[str, tuple[list[int], int]] = {
    "tiny": ([3, 3, 2], 32),
    "digits": ([64, 32, 10], 32),
    "mnist": ([784, 128, 10], 64),
    "wide": ([784, 512, 512, 10], 256),
    "big": ([1024, 2048, 2048, 10], 512),
}


@dataclass
class Workload:
    """What a contender is given."""

    sizes: list[int]
    x: np.ndarray  # (batch, inputs), float32
    y: np.ndarray  # (batch,), int64
    weights: list[np.ndarray]  # each (out, in)
    biases: list[np.ndarray]  # each (out,)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Return weights and biases, layer by layer."""
        return [p for layer in zip(self.weights, self.biases, strict=True) for p in layer]


def make(name: str) -> Workload:
    """Return a workload by its name; the same numbers at every call."""
    sizes, batch = WORKLOADS[name]
    rng = np.random.default_rng(20)
    layers = list(zip(sizes[:-1], sizes[1:], strict=True))
    return Workload(
        sizes,
        x=rng.standard_normal((batch, sizes[0]), dtype=np.float32),
        y=rng.integers(0, sizes[-1], batch),
        weights=[_uniform(rng, (out, n_in), n_in) for n_in, out in layers],
        biases=[_uniform(rng, (out,), n_in) for n_in, out in layers],
    )


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32) * np.float32(fan_in**-0.5)
