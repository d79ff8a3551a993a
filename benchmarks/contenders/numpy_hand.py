"""The whole step by hand in NumPy: what a careful programmer writes for this one network.

The weights are held as (in, out), so that the forward product needs no transpose.
"""

from __future__ import annotations

import numpy as np

from benchmarks.contenders.workload import BETAS, EPS, LR, make


class Adam:
    """Kingma & Ba (2015), Algorithm 1, in place; also for the libraries that bring no Adam."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        self.parameters = parameters
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        self.t = 0

    def step(self, gradients: list[np.ndarray]) -> None:
        self.t += 1
        b1, b2 = BETAS
        rate, root = LR / (1 - b1**self.t), (1 - b2**self.t) ** 0.5
        for p, g, (m, v) in zip(self.parameters, gradients, self.moments, strict=True):
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) / root + EPS)


def softmax_cross_entropy(z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean loss and its derivative by the logits, (p - y) / n."""
    rows = np.arange(len(y))
    shifted = z - z.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - shifted[rows, y]).mean()
    p /= total
    p[rows, y] -= 1
    p /= len(y)
    return loss, p


class ByHand:
    def __init__(self, workload: str) -> None:
        w = make(workload)
        self.x, self.y = w.x, w.y
        self.weights = [np.ascontiguousarray(weight.T) for weight in w.weights]
        self.biases = w.biases
        self.adam = Adam([*self.weights, *self.biases])

    def step(self) -> None:
        activations = [self.x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activations.append(np.maximum(activations[-1] @ weight + bias, 0))
        self.loss, ct = softmax_cross_entropy(
            activations[-1] @ self.weights[-1] + self.biases[-1], self.y
        )
        self.adam.step(self.backward(activations, ct))

    def backward(self, activations: list[np.ndarray], ct: np.ndarray) -> list[np.ndarray]:
        by_weights, by_biases = [], []
        for layer in reversed(range(len(self.weights))):
            by_weights.append(activations[layer].T @ ct)
            by_biases.append(ct.sum(axis=0))
            if layer:
                ct = (ct @ self.weights[layer].T) * (activations[layer] > 0)
        return [*reversed(by_weights), *reversed(by_biases)]

    def result(self) -> float:
        return float(self.loss)


def chain_gradient(x: np.ndarray, w: np.ndarray, links: int) -> np.ndarray:
    values = [x]
    for _ in range(links):
        values.append(np.tanh(values[-1] * w))
    ct, ct_w = np.ones_like(x), np.zeros_like(w)
    for link in reversed(range(links)):
        ct = ct * (1.0 - values[link + 1] * values[link + 1])
        ct_w += ct * values[link]
        ct = ct * w
    return ct


training_step = ByHand
