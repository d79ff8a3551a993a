"""Not a contender but the floor: only the matrix products that a step cannot do without.

One product per layer forward, one for the weight's gradient, one for the cotangent of the layer's
input (the first layer needs none), into arrays made beforehand, each in its fastest layout.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.contenders.workload import make


class Products:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.products: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        x = w.x
        for layer, weight in enumerate(np.ascontiguousarray(w.T) for w in w.weights):
            y = x @ weight
            self.products += [(x, weight, y), (x.T, y, np.empty_like(weight))]
            if layer:
                self.products.append((y, weight.T, np.empty_like(x)))
            x = np.ascontiguousarray(y)

    def step(self) -> None:
        for a, b, out in self.products:
            np.matmul(a, b, out=out)

    def result(self) -> float:
        return math.nan


training_step = Products
