"""Losses of models with their gradients by all parameters, backpropagated by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operations import sigmoid, softmax
from .problem import Arrays, Problem, draw, positive

__all__ = ["MODELS"]

X, Y = draw(6, 3), draw(6, 2)
LABELS = np.eye(2)[[0, 1, 1, 0, 1, 0]]
W, B = draw(3, 2), draw(2)
W1, B1, W2, B2 = 0.7 * draw(3, 4), draw(4), 0.7 * draw(4, 2), draw(2)


def of(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return data in the precision of the parameters."""
    return x.astype(like.dtype)


def least_squares(w: np.ndarray, b: np.ndarray) -> Any:
    """Return the mean squared error of a linear model."""
    return np.mean((of(X, w) @ w + b - of(Y, w)) ** 2)


def least_squares_vjp(w: np.ndarray, b: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients."""
    residual = 2 * ct * (of(X, w) @ w + b - of(Y, w)) / Y.size
    return of(X, w).T @ residual, residual.sum(0)


def logistic(w: np.ndarray, b: np.ndarray) -> Any:
    """Return the mean binary cross-entropy of a linear model."""
    z = of(X, w) @ w + b
    return np.mean(np.logaddexp(0, z) - of(LABELS, w) * z)


def logistic_vjp(w: np.ndarray, b: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients, in which probability minus label appears."""
    residual = ct * (sigmoid(of(X, w) @ w + b) - of(LABELS, w)) / LABELS.size
    return of(X, w).T @ residual, residual.sum(0)


def cross_entropy(z: np.ndarray) -> Any:
    """Return the mean cross-entropy of scores."""
    top = z.max(axis=1, keepdims=True)
    total = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]
    return np.mean(total - (z * of(LABELS, z)).sum(axis=1))


def cross_entropy_vjp(z: np.ndarray, ct: Any) -> np.ndarray:
    """Return its gradient."""
    return np.asarray(ct * (softmax(z) - of(LABELS, z)) / len(z))


def softmax_regression_vjp(w: np.ndarray, b: np.ndarray, ct: Any) -> Arrays:
    """Return the gradients of the cross-entropy of a linear model."""
    back = cross_entropy_vjp(of(X, w) @ w + b, ct)
    return of(X, w).T @ back, back.sum(0)


def perceptron(kind: str) -> Problem:
    """Return a perceptron with one hidden layer and cross-entropy."""

    def active(z: np.ndarray) -> np.ndarray:
        return np.tanh(z) if kind == "tanh" else np.maximum(z, 0)

    def loss(w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> Any:
        return cross_entropy(active(of(X, w1) @ w1 + b1) @ w2 + b2)

    def vjp(w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray, ct: Any) -> Arrays:
        hidden = active(of(X, w1) @ w1 + b1)
        back = cross_entropy_vjp(hidden @ w2 + b2, ct)
        slope = 1 - hidden**2 if kind == "tanh" else 1.0 * (hidden > 0)
        inner = back @ w2.T * slope
        return of(X, w1).T @ inner, inner.sum(0), hidden.T @ back, back.sum(0)

    return Problem(f"perceptron, {kind}", loss, vjp, (W1, B1, W2, B2))


def recurrent(w: np.ndarray, u: np.ndarray) -> Any:
    """Return the squared last state of a recurrence over three steps."""
    state = np.zeros(len(u), w.dtype)
    for x in of(X[:3], w):
        state = np.tanh(x @ w + state @ u)
    return state @ state


def recurrent_vjp(w: np.ndarray, u: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients, backwards through time."""
    states = [np.zeros(len(u), w.dtype)]
    for x in of(X[:3], w):
        states.append(np.tanh(x @ w + states[-1] @ u))
    back, of_w, of_u = 2 * ct * states[-1], np.zeros_like(w), np.zeros_like(u)
    for i in (2, 1, 0):
        inner = back * (1 - states[i + 1] ** 2)
        of_w += np.outer(of(X[i], w), inner)
        of_u += np.outer(states[i], inner)
        back = u @ inner
    return of_w, of_u


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Any:
    """Return one head of attention."""
    return softmax(q @ k.T / 2) @ v


def attention_vjp(q: np.ndarray, k: np.ndarray, v: np.ndarray, ct: np.ndarray) -> Arrays:
    """Return its cotangents."""
    weights = softmax(q @ k.T / 2)
    inner = ct @ v.T
    scores = weights * (inner - (inner * weights).sum(axis=-1, keepdims=True)) / 2
    return scores @ k, scores.T @ q, weights.T @ ct


def gaussian(mean: np.ndarray, log_scale: np.ndarray) -> Any:
    """Return the negative log-likelihood of data under a normal distribution."""
    z = (of(Y, mean) - mean) * np.exp(-log_scale)
    return np.sum(z * z / 2 + log_scale)


def gaussian_vjp(mean: np.ndarray, log_scale: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients."""
    z = (of(Y, mean) - mean) * np.exp(-log_scale)
    return -ct * (z * np.exp(-log_scale)).sum(0), ct * (1 - z * z).sum(0)


def poisson(w: np.ndarray, b: np.ndarray) -> Any:
    """Return the negative log-likelihood of counts."""
    z = of(X, w) @ w + b
    return np.sum(np.exp(z) - of(LABELS, w) * z)


def poisson_vjp(w: np.ndarray, b: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients."""
    residual = ct * (np.exp(of(X, w) @ w + b) - of(LABELS, w))
    return of(X, w).T @ residual, residual.sum(0)


def rosenbrock(x: np.ndarray) -> Any:
    """Return the banana-shaped valley."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_vjp(x: np.ndarray, ct: Any) -> Arrays:
    """Return its gradient."""
    gap = x[1:] - x[:-1] ** 2
    out = np.zeros_like(x)
    out[1:] += 200 * gap
    out[:-1] -= 400 * x[:-1] * gap + 2 * (1 - x[:-1])
    return (ct * out,)


def process(width: np.ndarray, y: np.ndarray) -> Any:
    """Return the likelihood of a Gaussian process, up to signs and constants."""
    k = kernel(width)
    return y @ np.linalg.solve(k, y) + np.linalg.slogdet(k)[1]


def process_vjp(width: np.ndarray, y: np.ndarray, ct: Any) -> Arrays:
    """Return its gradients."""
    k = kernel(width)
    weights = np.linalg.solve(k, y)
    distance = (TIMES[:, None] - TIMES).astype(width.dtype) ** 2
    slope = np.exp(-distance / (2 * width**2)) * distance / width**3
    of_k = np.linalg.inv(k).T - np.outer(weights, weights)
    return np.asarray(ct * np.sum(of_k * slope)), 2 * ct * weights


TIMES = np.linspace(0, 3, 5)


def kernel(width: np.ndarray) -> np.ndarray:
    """Return the covariances of five points."""
    distance = (TIMES[:, None] - TIMES).astype(width.dtype) ** 2
    return np.exp(-distance / (2 * width**2)) + np.eye(5, dtype=width.dtype)


MODELS = [
    Problem("least squares", least_squares, least_squares_vjp, (W, B)),
    Problem("logistic regression", logistic, logistic_vjp, (W, B)),
    Problem("softmax regression", lambda w, b: cross_entropy(of(X, w) @ w + b),
            softmax_regression_vjp, (W, B)),
    perceptron("tanh"),
    perceptron("relu"),
    Problem("recurrence", recurrent, recurrent_vjp, (draw(3, 3), 0.5 * draw(3, 3, seed=1))),
    Problem("attention", attention, attention_vjp, (draw(3, 4), draw(3, 4, seed=1), draw(3, 2))),
    Problem("normal likelihood", gaussian, gaussian_vjp, (B, 0.5 * draw(2, seed=1))),
    Problem("poisson regression", poisson, poisson_vjp, (0.3 * W, B)),
    Problem("rosenbrock", rosenbrock, rosenbrock_vjp, (draw(5),)),
    Problem("gaussian process", process, process_vjp, (positive(), draw(5))),
]  # fmt: skip
