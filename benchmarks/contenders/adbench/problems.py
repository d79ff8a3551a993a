"""The problems of `benchmarks.adbench`: what they read, what is differentiated, in which order.

The published files are read from the directory in the environment variable ADBENCH, or from
``../shared/data/adbench`` beside the checkout. A problem whose file is not there is drawn at
random in the same size, from a fixed seed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["WORKLOADS", "Bench", "Problem", "blocks", "directory", "make", "reference"]

BESIDE = Path(__file__).resolve().parents[4] / "shared" / "data" / "adbench"

# name: (objective, sizes); gmm: d, K, n; lstm: layers, characters; ba: cameras, points, pictures
WORKLOADS: dict[str, tuple[str, tuple[int, ...]]] = {
    "gmm_1k_d2_K5": ("gmm", (2, 5, 1000)),
    "gmm_1k_d10_K5": ("gmm", (10, 5, 1000)),
    "gmm_1k_d32_K10": ("gmm", (32, 10, 1000)),
    "gmm_1k_d64_K25": ("gmm", (64, 25, 1000)),
    "gmm_10k_d10_K25": ("gmm", (10, 25, 10_000)),
    "lstm_l2_c1024": ("lstm", (2, 1024)),
    "ba_test": ("ba", (2, 10, 10)),
    "ba1": ("ba", (49, 7776, 31_843)),
}
CHARACTERS = 14  # of the alphabet of the LSTM
GAMMA, M = 1.0, 0  # the Wishart prior of the mixtures
# The benchmark's own names of what it computed, by ours.
PUBLISHED = {"ba_test": "ba/one_block_of_test"}


@dataclass(frozen=True)
class Problem:
    """The arrays to differentiate with respect to, and what else the objective takes."""

    kind: str
    inputs: tuple[np.ndarray, ...]
    constants: tuple[Any, ...]


class Bench:
    """A function to be timed: it returns a value, or a value and derivatives, of any library."""

    def __init__(self, run: Callable[[], Any], numbers: Callable[[Any], Iterable[Any]]) -> None:
        self.step_once = run
        self.numbers = numbers

    def step(self) -> None:
        self.returned = self.step_once()

    def result(self) -> list[float]:
        """Return all numbers of the last result, one after the other."""
        arrays = (np.ravel(np.asarray(part)) for part in self.numbers(self.returned))
        found: list[float] = np.concatenate(list(arrays)).tolist()
        return found


def blocks(pulled: Iterable[Iterable[Any]]) -> np.ndarray:
    """Return the Jacobian of the residuals, (pictures, 2, 15), of one sweep for each of the 2."""
    rows = [[np.asarray(part).reshape(len(part), -1) for part in row] for row in pulled]
    return np.stack([np.concatenate(row, axis=1) for row in rows], axis=1)


def directory() -> Path:
    """Return where the published files are."""
    return Path(os.environ.get("ADBENCH", BESIDE))


def make(name: str) -> Problem:
    """Return a problem by its name: published, or drawn."""
    kind, sizes = WORKLOADS[name]
    file = directory() / kind / f"{name.removeprefix('ba_')}.txt"
    if file.exists():
        return READ[kind](file.read_text().split())
    return DRAW[kind](np.random.default_rng(sizes), *sizes)


def reference(name: str) -> np.ndarray | None:
    """Return the published value and derivatives, one after the other; None if there are none."""
    archive = directory() / "adbench_refs.npz"
    kind, sizes = WORKLOADS[name]
    key = PUBLISHED.get(name, f"{kind}/{name}")
    if not archive.exists():
        return None
    with np.load(archive) as found:
        if f"{key}|F" not in found:
            return None
        times = sizes[-1] if kind == "ba" else 1  # the same picture, so many times
        parts = [np.tile(np.ravel(found[f"{key}|{part}"]), times) for part in "FJ"]
    return np.concatenate(parts)


# -------------------------------------------------------------------------- Gaussian mixtures


def packed_triangle(d: int) -> np.ndarray:
    """Return where in (0, packed) the elements of a strictly lower triangle are, by columns."""
    where = np.zeros((d, d), np.int64)
    rows, columns = np.triu_indices(d, 1)
    where[columns, rows] = np.arange(1, len(rows) + 1)
    return where


def log_gamma(a: float, d: int) -> float:
    """Return the logarithm of the multivariate gamma function."""
    terms = sum(math.lgamma(a - 0.5 * j) for j in range(d))
    return 0.25 * d * (d - 1) * math.log(math.pi) + terms


def mixture(
    alphas: np.ndarray, means: np.ndarray, icf: np.ndarray, x: np.ndarray, gamma: float, m: int
) -> Problem:
    """Return the problem with what no parameter changes computed beforehand."""
    (n, d), k = x.shape, len(means)
    freedom = d + m + 1
    prior = freedom * d * math.log(gamma / math.sqrt(2.0)) - log_gamma(0.5 * freedom, d)
    constant = -0.5 * n * d * math.log(2 * math.pi) - k * prior
    return Problem("gmm", (alphas, means, icf), (x, packed_triangle(d), gamma, m, constant))


def read_mixture(words: list[str]) -> Problem:
    d, k, n = map(int, words[:3])
    numbers = np.array(words[3:], float)
    size = d * (d + 1) // 2
    cuts = np.cumsum([k, k * d, k * size, n * d])
    alphas, means, icf, x, (gamma, m) = np.split(numbers, cuts)
    shaped = means.reshape(k, d), icf.reshape(k, size), x.reshape(n, d)
    return mixture(alphas, *shaped, float(gamma), int(m))


def draw_mixture(rng: np.random.Generator, d: int, k: int, n: int) -> Problem:
    alphas, means = rng.standard_normal(k), rng.uniform(size=(k, d))
    icf = rng.standard_normal((k, d * (d + 1) // 2)) * 0.5
    return mixture(alphas, means, icf, rng.standard_normal((n, d)), GAMMA, M)


# -------------------------------------------------------------------- long short-term memory


def read_memory(words: list[str]) -> Problem:
    layers, length, b = map(int, words[:3])
    numbers = np.array(words[3:], float)
    cuts = np.cumsum([8 * layers * b, 3 * b, 2 * layers * b])
    main, extra, state, sequence = (p.reshape(-1, b) for p in np.split(numbers, cuts))
    return Problem("lstm", (main.reshape(-1, 4 * b), extra), (state, sequence[:length]))


def draw_memory(rng: np.random.Generator, layers: int, length: int) -> Problem:
    b = CHARACTERS
    main = rng.uniform(-1, 1, (2 * layers, 4 * b))
    extra, state = rng.uniform(-1, 1, (3, b)), rng.uniform(-1, 1, (2 * layers, b))
    sequence = np.eye(b)[rng.integers(0, b, length)]
    return Problem("lstm", (main, extra), (state, sequence))


# ------------------------------------------------------------------------- bundle adjustment


def read_adjustment(words: list[str]) -> Problem:
    """Read one picture of one point, which the benchmark repeats."""
    pictures = int(words[2])
    numbers = np.tile(np.array(words[3:], float), (pictures, 1))
    cameras, points, weights, features = np.split(numbers, [11, 14, 15], axis=1)
    return Problem("ba", (cameras, points, weights[:, 0]), (features,))


def draw_adjustment(rng: np.random.Generator, n: int, m: int, p: int) -> Problem:
    """Draw cameras at the origin that look at points in front of them."""
    optics = np.array([500.0, 1.0, 1.0, 0.05, 0.05])  # focal length, centre, distortion
    cameras = rng.standard_normal((n, 11)) * 0.1
    cameras[:, 6:] = optics * rng.uniform(0.9, 1.1, (n, 5))
    points = rng.uniform(-1, 1, (m, 3)) + np.array([0.0, 0.0, 8.0])
    seen = np.arange(p)
    inputs = cameras[seen % n], points[seen % m], rng.uniform(0.1, 1, p)
    return Problem("ba", inputs, (rng.standard_normal((p, 2)) * 100,))


READ = {"gmm": read_mixture, "lstm": read_memory, "ba": read_adjustment}
DRAW: dict[str, Callable[..., Problem]] = {
    "gmm": draw_mixture,
    "lstm": draw_memory,
    "ba": draw_adjustment,
}
