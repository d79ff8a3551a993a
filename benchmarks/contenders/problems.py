"""The data sets of `benchmarks.training`, and how everybody trains on them."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["PROBLEMS", "Problem", "directory", "load"]

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
# Debian's package dataset-fashion-mnist puts the four files here.
DEBIAN = "/usr/share/datasets/fashion-mnist"


@dataclass(frozen=True)
class Problem:
    """A network and its training: ReLU, softmax cross-entropy, AdamW at a constant rate."""

    sizes: tuple[int, ...]
    batch: int
    epochs: int
    lr: float
    weight_decay: float
    seeds: int


PROBLEMS = {
    "digits": Problem((64, 128, 10), 32, 60, 3e-3, 0.1, 5),
    "breast_cancer": Problem((30, 16, 2), 32, 60, 3e-3, 0.1, 5),
    "wine": Problem((13, 16, 3), 32, 60, 3e-3, 0.1, 5),
    "fashion": Problem((784, 128, 64, 10), 128, 10, 1e-3, 0.0, 1),
}


def directory() -> Path:
    """Return where the four files of Fashion-MNIST are."""
    return Path(os.environ.get("FASHION_MNIST", DEBIAN))


def load(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs and labels for training and for testing, inputs as float32."""
    if name == "fashion":
        return (*_images("train"), *_images("t10k"))
    with np.load(DATA / f"{name}.npz") as stored:
        x = stored["images" if name == "digits" else "X"].astype(np.float32)
        y = stored["labels" if name == "digits" else "y"].astype(np.int64)
        train, test = stored["train"], stored["test"]
    x = x.reshape(len(x), -1)
    if name == "digits":
        x /= 16
    else:  # measurements in units of their own
        x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    return x[train], y[train], x[test], y[test]


def _images(part: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = _read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    return pixels.astype(np.float32) / 255, _read(f"{part}-labels-idx1-ubyte.gz", 8).astype(int)


def _read(name: str, header: int) -> np.ndarray:
    with gzip.open(directory() / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
