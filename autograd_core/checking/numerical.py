"""`numerical_gradient`: the textbook formulas, each at the step that suits it best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import DTypeError, ShapeError, UnknownNameError, explain
from ..tensor import Tensor
from ..tree import flatten
from .ladder import neville

__all__ = ["numerical_gradient"]


class Method(NamedTuple):
    """A difference formula: its sides, its rungs, and the power of the round-off for its step."""

    central: bool
    rungs: int
    exponent: float


METHODS = {
    "forward": Method(central=False, rungs=1, exponent=1 / 2),
    "central": Method(central=True, rungs=1, exponent=1 / 3),
    "richardson": Method(central=True, rungs=2, exponent=1 / 5),
}
IMAGINARY = 1e-20  # its square vanishes beside any number that matters


def numerical_gradient(fn: Callable[..., Any], x: Any, method: str = "central") -> Any:
    r"""Differentiate a function of arrays numerically, entry by entry.

    Parameters
    ----------
    fn : callable
        Takes an array (or a nested container of arrays, as `x`) and returns a single number: a
        float, a 0-d array or a tensor. It is given copies.
    x : array_like or nested containers
        Where to differentiate. Integers are converted to floats.
    method : {"forward", "central", "richardson", "complex"}
        The formula, see Notes.

    Returns
    -------
    ndarray or nested containers
        The derivatives, in the shape and dtype of `x`.

    Notes
    -----
    With :math:`s = \max(1, |x_i|)` and the machine epsilon :math:`\epsilon` of the dtype, for the
    unit vector :math:`e_i`,

    ==========  =====================================  =============================  ========
    forward     (f(x + h e) - f(x)) / h                h = s :math:`\epsilon^{1/2}`  error h
    central     D(h) = (f(x + h e) - f(x - h e)) / 2h  h = s :math:`\epsilon^{1/3}`  error h²
    richardson  (4 D(h/2) - D(h)) / 3                  h = s :math:`\epsilon^{1/5}`  error h⁴
    complex     Im f(x + i h e) / h                    h = 1e-20                      none
    ==========  =====================================  =============================  ========

    The step is the one at which truncation and round-off meet. It is taken as the difference of
    the two arguments, which is a float exactly. The complex step has no difference and hence no
    round-off; it needs a function that is analytic and accepts complex arrays.

    References
    ----------
    Press et al. (2007), Numerical Recipes, 5.7; Nocedal and Wright (2006), Numerical Optimization,
    8.1. Squire and Trapp (1998), Using complex variables to estimate derivatives, SIAM Review 40.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> ag.numerical_gradient(lambda x: ag.sum(x**3), np.array([1.0, 2.0]), method="complex")
    array([ 3., 12.])
    """
    if method not in (*METHODS, "complex"):
        known = ", ".join((*METHODS, "complex"))
        what = f"numerical_gradient: a method among {known}"
        raise UnknownNameError(explain(what, repr(method), "Choose one of these"))
    leaves, build = flatten(x)
    arrays = [_floating(leaf) for leaf in leaves]

    def gradient(which: int) -> np.ndarray:
        def value(moved: np.ndarray) -> Any:
            others = [array.copy() for array in arrays]
            others[which] = moved
            return _number(fn, build(others))

        slope = _complex_step if method == "complex" else _differences(METHODS[method])
        return slope(value, arrays[which])

    with np.errstate(all="ignore"):
        return build([gradient(which) for which in range(len(arrays))])


def _complex_step(value: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """Return the imaginary parts of `value` at imaginary steps, over the step."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        moved = x.astype(np.result_type(x, np.complex64))
        moved[index] += 1j * IMAGINARY
        result = _complex_value(value, moved)
        gradient[index] = result.imag / IMAGINARY
    return gradient


def _complex_value(value: Callable[[np.ndarray], Any], moved: np.ndarray) -> Any:
    what = "numerical_gradient(method='complex'): an analytic function of complex arrays"
    do = "Use method='richardson'"
    try:
        result = value(moved)
    except TypeError as error:
        raise DTypeError(explain(what, f"a {type(error).__name__} ({error})", do)) from error
    if result.dtype.kind != "c":
        raise DTypeError(explain(what, "a real result: no imaginary part came back", do))
    return result


def _differences(method: Method) -> Callable[..., np.ndarray]:
    def gradient(value: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        here = None if method.central else value(x.copy())
        for index in np.ndindex(x.shape):
            result[index] = _slope(value, x, index, method, here)
        return result

    return gradient


def _slope(value: Any, x: np.ndarray, index: Any, method: Method, here: Any) -> Any:
    """Return the derivative by one entry: a short ladder of difference quotients."""
    size = max(1.0, abs(x[index]))
    step = x.dtype.type(size * float(np.finfo(x.dtype).eps) ** method.exponent)
    slopes, steps = [], []
    for rung in range(method.rungs):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += step / 2**rung
        if method.central:
            behind[index] -= step / 2**rung
        width = ahead[index] - behind[index]
        slopes.append((value(ahead) - (value(behind) if here is None else here)) / width)
        steps.append(width)
    if method.rungs == 1:
        return slopes[0]
    return slopes[1] + neville(slopes[1], slopes[0], (steps[0] / steps[1]) ** 2)


def _floating(leaf: Any) -> np.ndarray:
    array = np.array(leaf.numpy() if isinstance(leaf, Tensor) else leaf)
    if array.dtype.kind in "iub":
        return array.astype(float)
    if array.dtype.kind != "f":
        what = "numerical_gradient: real arrays"
        raise DTypeError(explain(what, f"{leaf!r:.40}", "Differentiate by real numbers"))
    return array


def _number(fn: Callable[..., Any], x: Any) -> Any:
    result = fn(x)
    array = np.asarray(result.numpy() if isinstance(result, Tensor) else result)
    if array.dtype.kind not in "fciub":
        what = "numerical_gradient: a function that returns a number"
        raise DTypeError(explain(what, f"{result!r:.40}", "Return the result"))
    if array.size != 1:
        what = "numerical_gradient: a function that returns a single number"
        raise ShapeError(explain(what, f"shape {array.shape}", "Reduce it with sum() or mean()"))
    return array.reshape(()) + 0.0
