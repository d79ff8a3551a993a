"""Operations with their pullbacks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .problem import Problem, draw, positive, unbroadcast

__all__ = ["OPERATIONS"]

Function = Callable[[np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x), scaled to sum to one along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


# Elementwise: the function and its derivative, where it is to be looked at.
ELEMENTWISE: dict[str, tuple[Function, Function, np.ndarray]] = {
    "sin": (np.sin, np.cos, draw(5)),
    "cos": (np.cos, lambda x: -np.sin(x), draw(5)),
    "tan": (np.tan, lambda x: 1 + np.tan(x) ** 2, 0.5 * draw(5)),
    "exp": (np.exp, np.exp, draw(5)),
    "expm1": (np.expm1, np.exp, draw(5)),
    "log": (np.log, lambda x: 1 / x, positive(5)),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), positive(5)),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), positive(5)),
    "cbrt": (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2), draw(5)),
    "square": (np.square, lambda x: 2 * x, draw(5)),
    "cube": (lambda x: x**3, lambda x: 3 * x**2, draw(5)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, draw(5)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, draw(5)),
    "sinh": (np.sinh, np.cosh, draw(5)),
    "cosh": (np.cosh, np.sinh, draw(5)),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), 0.3 * draw(5)),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x), draw(5)),
    "arcsinh": (np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x), draw(5)),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x)), draw(5)),
    "softplus": (lambda x: np.logaddexp(0, x), sigmoid, draw(5)),
    "swish": (
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        draw(5),
    ),
    "gaussian": (lambda x: np.exp(-x * x / 2), lambda x: -x * np.exp(-x * x / 2), draw(5)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), draw(5)),
    "leaky relu": (
        lambda x: np.where(x > 0, x, x / 8),
        lambda x: np.where(x > 0, 1, 1 / 8),
        draw(5),
    ),
    "abs": (np.abs, np.sign, draw(5)),
    "clip": (lambda x: np.clip(x, -1, 1), lambda x: 1.0 * (np.abs(x) < 1), 1.1 * draw(5)),
}


def _elementwise(name: str, f: Function, slope: Function, x: np.ndarray) -> Problem:
    return Problem(name, f, lambda x, ct: (ct * slope(x),), (x,))


def _softmax(x: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray]:
    out = softmax(x)
    return (out * (ct - (ct * out).sum(axis=-1, keepdims=True)),)


def _layer_norm(x: np.ndarray) -> np.ndarray:
    z = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(z / np.sqrt((z * z).mean(axis=-1, keepdims=True) + 1e-5))


def _layer_norm_vjp(x: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray]:
    z = x - x.mean(axis=-1, keepdims=True)
    root = np.sqrt((z * z).mean(axis=-1, keepdims=True) + 1e-5)
    out = z / root
    centred = ct - ct.mean(axis=-1, keepdims=True)
    return ((centred - out * (ct * out).mean(axis=-1, keepdims=True)) / root,)


def _solve_vjp(a: np.ndarray, b: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    back = np.linalg.solve(a.T, ct)
    return -np.outer(back, np.linalg.solve(a, b)), back


def _sort_vjp(x: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray]:
    out = np.zeros_like(ct)
    out[np.argsort(x)] = ct
    return (out,)


def _convolve_vjp(x: np.ndarray, w: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.convolve(ct, w[::-1], "full"), np.correlate(x, ct, "valid")[::-1]


SQUARE = draw(3, 3) + 3 * np.eye(3)
OPERATIONS = [
    *(_elementwise(name, *parts) for name, parts in ELEMENTWISE.items()),
    Problem("add", np.add, lambda x, y, ct: (ct, unbroadcast(ct, y)), (draw(3, 2), draw(2))),
    Problem("subtract", np.subtract, lambda x, y, ct: (ct, unbroadcast(-ct, y)),
            (draw(3, 2), draw(3, 1))),
    Problem("multiply", np.multiply, lambda x, y, ct: (ct * y, unbroadcast(ct * x, y)),
            (draw(3, 2), draw(2))),
    Problem("divide", np.divide, lambda x, y, ct: (ct / y, unbroadcast(-ct * x / y**2, y)),
            (draw(3, 2), positive(2))),
    Problem("power", np.power, lambda x, y, ct: (ct * y * x ** (y - 1), ct * x**y * np.log(x)),
            (positive(4), draw(4))),
    Problem("arctan2", np.arctan2,
            lambda x, y, ct: (ct * y / (x * x + y * y), -ct * x / (x * x + y * y)),
            (draw(4), positive(4))),
    Problem("hypot", np.hypot, lambda x, y, ct: (ct * x / np.hypot(x, y), ct * y / np.hypot(x, y)),
            (draw(4), positive(4))),
    Problem("maximum", np.maximum, lambda x, y, ct: (ct * (x > y), ct * (y > x)),
            (draw(4), draw(4)[::-1])),
    Problem("sum of squares", lambda x: np.sum(x * x), lambda x, ct: (2 * ct * x,), (draw(4),)),
    Problem("mean", np.mean, lambda x, ct: (ct / x.size + 0 * x,), (draw(3, 2),)),
    Problem("variance", np.var, lambda x, ct: (2 * ct * (x - x.mean()) / x.size,), (draw(6),)),
    Problem("norm", np.linalg.norm, lambda x, ct: (ct * x / np.linalg.norm(x),), (draw(4),)),
    Problem("prod", np.prod, lambda x, ct: (ct * np.prod(x) / x,), (draw(4),)),
    Problem("logsumexp", lambda x: np.log(np.sum(np.exp(x))), lambda x, ct: (ct * softmax(x),),
            (draw(5),)),
    Problem("max", np.max, lambda x, ct: (ct * (x == x.max()),), (draw(5),)),
    Problem("cumsum", np.cumsum, lambda x, ct: (np.cumsum(ct[::-1])[::-1],), (draw(5),)),
    Problem("sort", np.sort, _sort_vjp, (draw(5),)),
    Problem("softmax", softmax, _softmax, (draw(2, 4),)),
    Problem("layer norm", _layer_norm, _layer_norm_vjp, (draw(2, 4),)),
    Problem("transpose", np.transpose, lambda x, ct: (ct.T,), (draw(3, 3),)),
    Problem("take", lambda x: x[[2, 0, 2]], lambda x, ct: (np.bincount([2, 0, 2], ct, 4),),
            (draw(4),)),
    Problem("convolve", lambda x, w: np.convolve(x, w, "valid"), _convolve_vjp,
            (draw(6), draw(3))),
    Problem("matmul", np.matmul, lambda a, b, ct: (ct @ b.T, a.T @ ct), (draw(3, 3), SQUARE)),
    Problem("matvec", np.matmul, lambda a, v, ct: (np.outer(ct, v), a.T @ ct),
            (draw(3, 4), draw(4))),
    Problem("outer", np.outer, lambda x, y, ct: (ct @ y, x @ ct), (draw(3), draw(3, seed=1))),
    Problem("solve", np.linalg.solve, _solve_vjp, (SQUARE, draw(3))),
    Problem("inverse", np.linalg.inv,
            lambda a, ct: (-np.linalg.inv(a).T @ ct @ np.linalg.inv(a).T,), (SQUARE,)),
    Problem("determinant", np.linalg.det,
            lambda a, ct: (ct * np.linalg.det(a) * np.linalg.inv(a).T,), (SQUARE,)),
    Problem("quadratic form", lambda x, a: x @ a @ x,
            lambda x, a, ct: (ct * (a + a.T) @ x, ct * np.outer(x, x)), (draw(3), SQUARE)),
    Problem("gradient of the cubes", lambda x: 3 * x**2, lambda x, ct: (6 * x * ct,), (draw(4),)),
    Problem("gradient of a quartic", lambda x: 4 * np.sum(x * x) * x,
            lambda x, ct: (4 * np.sum(x * x) * ct + 8 * (x @ ct) * x,), (draw(3),)),
]  # fmt: skip
