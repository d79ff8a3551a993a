"""Transforms: functions to their derivatives, with JAX's names.

`vjp` records a function on the tape and reads the tape backwards, `jvp` reads it forwards, and the
others are made of these two. Transforms nest (`recording.Recording` says how).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ShapeError, explain
from .recording import Recording, several

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Evaluate `f` and return its value and its pullback, cotangent ↦ cotangent · Jacobian.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested tuples, lists and dicts of them.
    *primals : array_like or nested containers

    Returns
    -------
    value, pullback
        ``pullback(cotangent)`` returns a tuple with one cotangent per primal; may be called again.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> value, pull = ag.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    recording = Recording(f, primals)
    return recording.value(), lambda ct: recording.like_inputs(recording.pull(ct))


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate `f` and its directional derivative, Jacobian · tangent.

    Examples
    --------
    >>> import autograd_core as ag
    >>> ag.jvp(ag.square, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    recording = Recording(f, several("primals", primals))
    pushed = recording.push(several("tangents", tangents))
    return recording.value(), recording.like_outputs(pushed)


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the function that evaluates a scalar `f` and its gradient together.

    Parameters
    ----------
    f : callable
        Its result is a single number.
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to; a sequence gives a tuple.
    """
    chosen = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)

    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        recording = Recording.of(f, chosen, args, kwargs)
        if [y.size for y in recording.outputs] != [1]:
            shapes = [y.shape for y in recording.outputs]
            do = "Reduce it with sum() or mean(), or use vjp or jacobian"
            raise ShapeError(explain("grad: a function with one number as result", shapes, do))
        ones = recording.like_outputs([np.ones_like(recording.outputs[0]._value)])
        grads = recording.like_inputs(recording.pull(ones))
        return recording.value(), grads[0] if isinstance(argnums, int) else grads

    return evaluate


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the gradient of a scalar function, as a function of the same arguments.

    Examples
    --------
    >>> import autograd_core as ag
    >>> ag.grad(ag.grad(ag.sin))(0.5) == -ag.sin(0.5)
    np.True_
    """
    evaluate = value_and_grad(f, argnums)
    return lambda *args, **kwargs: evaluate(*args, **kwargs)[1]


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the Hessian of a scalar `f` at `x` times `v`: forward over reverse.

    Source: Pearlmutter (1994), Fast exact multiplication by the Hessian.
    """
    return jvp(grad(f), (x,), (v,))[1]


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that evaluates the Jacobian, shape (*output, *input).

    One sweep per element of the output, or of the input if that has fewer.
    """

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        return Recording.of(f, (argnums,), args, kwargs).jacobian()

    return evaluate


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that evaluates the matrix of second derivatives of a scalar `f`."""
    return jacobian(grad(f, argnums), argnums)
