"""The activations as one writes them in NumPy: what the kernels are measured against.

Each name has two functions, the value ``f(x)`` and the pullback ``ct f'(x)``. They are the natural
vectorized formulas, with the rounding (and the overflow warnings) that come naturally; the kernels
agree with them to rounding, and keep their digits where these lose them. They also serve dtypes
that have no kernel: integers, long double, complex.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DERIVATIVES", "VALUES"]

ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)


def erf(x):
    # NumPy has no erf; mapping the C library's is the fastest that plain Python offers.
    flat = map(math.erf, np.ravel(x).tolist())
    return np.fromiter(flat, np.float64, np.size(x)).reshape(np.shape(x)).astype(x.dtype)


def relu(x):
    return np.maximum(x, 0)


def relu_derivative(ct, x):
    return ct * (x > 0)


def leaky_relu(x, slope=0.01):
    return np.where(x > 0, x, slope * x)


def leaky_relu_derivative(ct, x, slope=0.01):
    return np.where(x > 0, ct, slope * ct)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_derivative(ct, x, alpha=1.0):
    return np.where(x > 0, ct, ct * (alpha * np.exp(np.minimum(x, 0))))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(ct, x):
    s = sigmoid(x)
    return ct * s * (1 - s)


def tanh(x):
    return np.tanh(x)


def tanh_derivative(ct, x):
    t = np.tanh(x)
    return ct * (1 - t * t)


def silu(x):
    return x * sigmoid(x)


def silu_derivative(ct, x):
    s = sigmoid(x)
    return ct * (s * (1 + x * (1 - s)))


def gelu(x):
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def gelu_derivative(ct, x):
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return ct * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * density)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(ROOT_2_OVER_PI * (x + 0.044715 * x * x * x)))


def gelu_tanh_derivative(ct, x):
    square = x * x
    t = np.tanh(ROOT_2_OVER_PI * x * (1 + 0.044715 * square))
    slope = ROOT_2_OVER_PI * (1 + 0.134145 * square)
    return ct * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_derivative(ct, x):
    return ct * sigmoid(x)


Expression = Callable[..., Any]

VALUES: dict[str, Expression] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "softplus": softplus,
}
DERIVATIVES: dict[str, Expression] = {
    "relu": relu_derivative,
    "leaky_relu": leaky_relu_derivative,
    "elu": elu_derivative,
    "sigmoid": sigmoid_derivative,
    "tanh": tanh_derivative,
    "silu": silu_derivative,
    "gelu": gelu_derivative,
    "gelu_tanh": gelu_tanh_derivative,
    "softplus": softplus_derivative,
}
