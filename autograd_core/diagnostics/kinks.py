"""The points without a derivative, and which slope is chosen there: here and elsewhere.

One entry for each. `probe` asks the operation itself, so the table cannot be out of date.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..declare import COMPOSITES, OPS
from ..transforms import vjp

__all__ = ["KINKS", "Kink"]


class Kink(NamedTuple):
    """A point without a derivative.

    Attributes
    ----------
    name : str
        Of the function.
    point : str
    pytorch, jax, tensorflow, autograd : str
        What they choose; "" where there is no such function.
    why : str
        What speaks for the choice.
    f, at, options
        The function, its operands at the point, and its options.
    """

    name: str
    point: str
    pytorch: str
    jax: str
    tensorflow: str
    autograd: str
    why: str
    f: Callable[..., Any]
    at: tuple[Any, ...]
    options: dict[str, Any]

    def probe(self) -> list[Any]:
        """Return the derivatives by the operands at the point: numbers and lists of them."""
        operands = [np.array(x, float) for x in self.at]
        with np.errstate(all="ignore"):
            value, pull = vjp(lambda *xs: self.f(*xs, **self.options), *operands)
            return [np.asarray(found).tolist() for found in pull(np.ones(np.shape(value)))]


def _find(name: str) -> Any:
    return OPS[name] if name in OPS else COMPOSITES[name]


def _kink(
    name: str,
    at: Sequence[Any],
    point: str,
    peers: tuple[str, str, str, str],
    why: str = "",
    f: Callable[..., Any] | None = None,
    **options: Any,
) -> Kink:
    def late(*xs: Any, **named: Any) -> Any:
        return _find(name)(*xs, **named)

    return Kink(name, point, *peers, why, f or late, tuple(at), options)


def _weighted_sort(x: Any) -> Any:
    return _find("sort")(x) * np.array([1.0, 2.0, 3.0])


def _length(x: Any) -> Any:
    return _find("sqrt")(_find("sum")(_find("square")(x)))


def _guarded_root(x: Any) -> Any:
    return _find("where")(_find("greater")(x, 0.0), _find("sqrt")(x), 0.0)


SPARSE = "zeros stay zeros under an L1 penalty"
EVEN = "no operand is preferred; the smallest of all subgradients"
AS_NORM = "0 is a subgradient, and the value does not depend on a direction"
FIRST = "the element that numpy takes"

KINKS: tuple[Kink, ...] = (
    _kink("abs", [0.0], "x = 0", ("0", "1", "0", "0"), SPARSE),
    _kink("relu", [0.0], "x = 0", ("0", "0", "0", ""), "a unit that is off stays off"),
    _kink(
        "leaky_relu",
        [0.0],
        "x = 0, slope 0.01",
        ("0.01", "1", "0.01", ""),
        "the slope on the left",
    ),
    _kink(
        "prelu",
        [0.0, 0.25],
        "x = 0, weight 0.25",
        ("0.25, 0", "", "", ""),
        "the slope on the left",
    ),
    _kink("elu", [0.0], "x = 0, alpha 2", ("2", "2", "2", ""), "the slope on the left", alpha=2.0),
    _kink("selu", [0.0], "x = 0", ("1.7581", "1.7581", "1.0507", ""), "the slope on the left"),
    _kink("relu6", [[0.0, 6.0]], "x = 0 and 6", ("0 0", "0 0", "0 0", ""), "as relu"),
    _kink("hard_tanh", [[-1.0, 1.0]], "the bounds", ("0 0", "1 1", "1 1", ""), "as clip"),
    _kink("hard_sigmoid", [[-3.0, 3.0]], "x = -3 and 3", ("0 0", "0 0", "0 0", ""), "as relu6"),
    _kink("hard_swish", [[-3.0, 3.0]], "x = -3 and 3", ("0 1", "0 1", "0 1", ""), "as outside"),
    _kink("softshrink", [[-0.5, 0.5]], "x = ±lambd", ("0 0", "", "0 0", ""), "as relu"),
    _kink(
        "hard_shrink",
        [[-0.5, 0.5]],
        "x = ±lambd, a jump",
        ("0 0", "", "0 0", ""),
        "the value is 0 there",
    ),
    _kink(
        "threshold",
        [0.5],
        "x = threshold, a jump",
        ("0", "", "0", ""),
        "the value is constant there",
        threshold=0.5,
        value=-1.0,
    ),
    _kink(
        "clip",
        [[-1.0, 1.0]],
        "the bounds",
        ("1 1", "0.5 0.5", "1 1", "0 0"),
        "a parameter on the bound can leave it",
        min=-1.0,
        max=1.0,
    ),
    _kink("maximum", [1.0, 1.0], "x = y", ("0.5, 0.5", "0.5, 0.5", "1, 0", "0.5, 0.5"), EVEN),
    _kink("minimum", [1.0, 1.0], "x = y", ("0.5, 0.5", "0.5, 0.5", "1, 0", "0.5, 0.5"), EVEN),
    _kink("fmax", [1.0, 1.0], "x = y", ("1, 0", "0, 1", "", "0.5, 0.5"), EVEN),
    _kink("fmin", [1.0, 1.0], "x = y", ("1, 0", "0, 1", "", "0.5, 0.5"), EVEN),
    _kink(
        "max",
        [[1.0, 3.0, 3.0]],
        "ties",
        ("0 0.5 0.5; max(dim): 0 1 0", "0 0.5 0.5", "0 0.5 0.5", "0 0.5 0.5"),
        EVEN,
    ),
    _kink(
        "min",
        [[1.0, 1.0, 3.0]],
        "ties",
        ("0.5 0.5 0; min(dim): 1 0 0", "0.5 0.5 0", "0.5 0.5 0", "0.5 0.5 0"),
        EVEN,
    ),
    _kink(
        "cummax", [[2.0, 2.0, 1.0]], "ties", ("1 2 0", "2 1 0", "", ""), "the first of equal ones"
    ),
    _kink("median", [[1.0, 2.0, 2.0]], "ties", ("0 0.5 0.5", "0 1 0", "", ""), FIRST),
    _kink(
        "sort",
        [[2.0, 2.0, 1.0]],
        "ties, cotangent 1 2 3",
        ("2 3 1", "2 3 1", "2 3 1", "2 3 1"),
        "equal elements keep their order",
        f=_weighted_sort,
    ),
    _kink(
        "prod",
        [[0.0, 0.0, 2.0]],
        "two zeros",
        ("0 0 0", "0 0 0", "0 0 0", "nan nan 0"),
        "the true derivative",
    ),
    _kink("norm", [[0.0, 0.0]], "x = 0", ("0 0", "nan nan", "nan nan", "nan nan"), AS_NORM),
    _kink(
        "norm",
        [[2.0, -2.0]],
        "ord = inf, ties",
        ("0.5 -0.5", "0.5 -0.5", "0.5 -0.5", "nan nan"),
        EVEN,
        ord=math.inf,
    ),
    _kink("hypot", [0.0, 0.0], "x = y = 0", ("nan, nan", "0.5, 0.5", "", ""), AS_NORM),
    _kink(
        "std",
        [[2.0, 2.0]],
        "all elements equal",
        ("0 0", "nan nan", "nan nan", "nan nan"),
        AS_NORM,
    ),
    _kink("sqrt", [0.0], "x = 0", ("inf", "inf", "inf", "inf"), "the true slope"),
    _kink(
        "sqrt(sum(x²))",
        [[0.0, 0.0]],
        "x = 0",
        ("nan nan", "nan nan", "nan nan", "nan nan"),
        "a factor that is exactly 0 wins over an infinite one",
        f=_length,
    ),
    _kink(
        "where(x > 0, sqrt(x), 0)",
        [0.0],
        "x = 0",
        ("nan", "nan", "0", "nan"),
        "a branch that is not taken has no part in the derivative",
        f=_guarded_root,
    ),
    _kink(
        "power",
        [0.0, 0.0],
        "0 ** 0",
        ("0, 0", "nan, 0", "nan, 0", "0, 0"),
        "x ** 0 is constant in x",
    ),
    _kink(
        "arctan2",
        [0.0, 0.0],
        "x = y = 0",
        ("0, 0", "nan, nan", "nan, nan", "nan, nan"),
        "no direction is preferred",
    ),
    _kink("copysign", [0.0, 1.0], "x = 0", ("0, 0", "1, 0", "", ""), "as abs"),
    _kink("sinc", [0.0], "x = 0", ("0", "0", "nan", "nan"), "the true derivative"),
    _kink("softsign", [0.0], "x = 0", ("1", "1", "1", ""), "the true derivative"),
)
