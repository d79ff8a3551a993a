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
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


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


def relu6(x):
    return np.clip(x, 0, 6)


def relu6_derivative(ct, x):
    return ct * ((x > 0) & (x < 6))


def hard_tanh(x, min_val=-1.0, max_val=1.0):
    return np.clip(x, min_val, max_val)


def hard_tanh_derivative(ct, x, min_val=-1.0, max_val=1.0):
    return ct * ((x >= min_val) & (x <= max_val))


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def hard_sigmoid_derivative(ct, x):
    return ct * ((x > -3) & (x < 3)) / 6


def hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def hard_swish_derivative(ct, x):
    return ct * np.where(x < 3, (x > -3) * (2 * x + 3) / 6, 1)


def softshrink(x, lambd=0.5):
    return x - np.clip(x, -lambd, lambd)


def softshrink_derivative(ct, x, lambd=0.5):
    return ct * (np.abs(x) > lambd)


def hard_shrink(x, lambd=0.5):
    return np.where(np.abs(x) > lambd, x, 0)


def hard_shrink_derivative(ct, x, lambd=0.5):
    return ct * (np.abs(x) > lambd)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_derivative(ct, x, alpha=1.0):
    return np.where(x > 0, ct, ct * (alpha * np.exp(np.minimum(x, 0))))


def selu(x):
    return SELU_SCALE * elu(x, SELU_ALPHA)


def selu_derivative(ct, x):
    return SELU_SCALE * elu_derivative(ct, x, SELU_ALPHA)


def celu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def celu_derivative(ct, x, alpha=1.0):
    return np.where(x > 0, ct, ct * np.exp(np.minimum(x, 0) / alpha))


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


def log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_sigmoid_derivative(ct, x):
    return ct / (1 + np.exp(x))


def mish(x):
    return x * np.tanh(softplus(x))


def mish_derivative(ct, x):
    t = np.tanh(softplus(x))
    return ct * (t + x * sigmoid(x) * (1 - t * t))


def softsign(x):
    return x / (1 + np.abs(x))


def softsign_derivative(ct, x):
    return ct / np.square(1 + np.abs(x))


def tanhshrink(x):
    return x - np.tanh(x)


def tanhshrink_derivative(ct, x):
    return ct * np.square(np.tanh(x))


Expression = Callable[..., Any]

VALUES: dict[str, Expression] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "relu6": relu6,
    "hard_tanh": hard_tanh,
    "hard_sigmoid": hard_sigmoid,
    "hard_swish": hard_swish,
    "softshrink": softshrink,
    "hard_shrink": hard_shrink,
    "elu": elu,
    "selu": selu,
    "celu": celu,
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "softplus": softplus,
    "tanh": tanh,
    "tanhshrink": tanhshrink,
    "softsign": softsign,
    "silu": silu,
    "mish": mish,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
}
DERIVATIVES: dict[str, Expression] = {
    "relu": relu_derivative,
    "leaky_relu": leaky_relu_derivative,
    "relu6": relu6_derivative,
    "hard_tanh": hard_tanh_derivative,
    "hard_sigmoid": hard_sigmoid_derivative,
    "hard_swish": hard_swish_derivative,
    "softshrink": softshrink_derivative,
    "hard_shrink": hard_shrink_derivative,
    "elu": elu_derivative,
    "selu": selu_derivative,
    "celu": celu_derivative,
    "sigmoid": sigmoid_derivative,
    "log_sigmoid": log_sigmoid_derivative,
    "softplus": softplus_derivative,
    "tanh": tanh_derivative,
    "tanhshrink": tanhshrink_derivative,
    "softsign": softsign_derivative,
    "silu": silu_derivative,
    "mish": mish_derivative,
    "gelu": gelu_derivative,
    "gelu_tanh": gelu_tanh_derivative,
}
