"""What a setting may be: one table, and the checks that word every refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_core.errors import DTypeError, UnknownNameError, explain

__all__ = [
    "DECAY",
    "DOMAINS",
    "NONNEGATIVE",
    "POSITIVE",
    "REALS",
    "Domain",
    "HyperparameterError",
    "check",
    "choice",
    "number",
    "places",
    "whole",
]


class HyperparameterError(ValueError):
    """A learning rate, a decay rate or another setting that cannot work."""


class Domain(NamedTuple):
    """An interval of numbers, without its lower end if `above`, its upper if `below` is set."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        assert isinstance(value, float)
        excluded = (self.above and value == self.low) or (self.below and value == self.high)
        return math.isfinite(value) and self.low <= value <= self.high and not excluded

    def __str__(self) -> str:
        if math.isinf(self.low):
            return "a finite number" + ("" if math.isinf(self.high) else f" to {self.high:g}")
        if math.isinf(self.high):
            return f"a finite number {'above' if self.above else 'from'} {self.low:g}"
        return f"a number from {self.low:g} {'to below' if self.below else 'to'} {self.high:g}"


REALS = Domain()
NONNEGATIVE = Domain(0.0)
POSITIVE = Domain(0.0, above=True)
DECAY = Domain(0.0, 1.0, below=True)

DOMAINS: Mapping[str, Domain] = {
    "lr": NONNEGATIVE,
    "initial_lr": NONNEGATIVE,
    "momentum": Domain(0.0, 1.0),
    "dampening": Domain(0.0, 1.0),
    "momentum_decay": NONNEGATIVE,
    "betas": DECAY,
    "rho": Domain(0.0, 1.0),
    "alpha": Domain(0.0, 1.0),
    "eps": NONNEGATIVE,
    "eps_root": NONNEGATIVE,
    "weight_decay": NONNEGATIVE,
    "lr_decay": NONNEGATIVE,
    "lambd": NONNEGATIVE,
    "t0": NONNEGATIVE,
    "initial_accumulator_value": NONNEGATIVE,
    "etas": POSITIVE,
    "step_sizes": POSITIVE,
    "trust_coefficient": POSITIVE,
    "max_grad_norm": POSITIVE,
    "clamp_value": POSITIVE,
    "beta2_decay": Domain(-math.inf, 0.0),
    "d": Domain(1.0),
}


def check(owner: str, name: str, value: Any, default: Any) -> Any:
    """Return `value` in the form of `default` (a number, a flag, a tuple, or None), or raise."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            what = f"{owner}: {name} must be True or False"
            raise DTypeError(explain(what, repr(value), f"Pass {name}={bool(value)}"))
        return value
    if default is None and value is None:
        return None
    if isinstance(default, tuple):
        return _tuple(owner, name, value, default)
    return number(owner, name, value, DOMAINS.get(name, REALS), default)


def _tuple(owner: str, name: str, value: Any, default: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list) or len(value) != len(default):
        what = f"{owner}: {name} must be {len(default)} numbers"
        raise HyperparameterError(explain(what, repr(value), f"Pass {name}={default}"))
    domain = DOMAINS.get(name, REALS)
    return tuple(
        None if v is None and usual is None else number(owner, name, v, domain, default)
        for v, usual in zip(value, default, strict=True)
    )


def number(owner: str, name: str, value: Any, domain: Domain, suggestion: object = None) -> float:
    """Return `value` as a float in `domain`, or raise."""
    what = f"{owner}: {name} must be {domain}"
    do = f"Pass another {name}" if suggestion is None else f"Pass {name}={suggestion}"
    try:
        if isinstance(value, str | bool):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError):
        raise DTypeError(explain(what, f"{value!r:.60}", do)) from None
    if found not in domain:
        raise HyperparameterError(explain(what, found, do))
    return found


def places(defaults: Mapping[str, Any]) -> dict[str, slice]:
    """Return where the values of hyperparameters are in a flat array; tuples take several places.

    Examples
    --------
    >>> places({"lr": 0.001, "betas": (0.9, 0.999)})
    {'lr': slice(0, 1, None), 'betas': slice(1, 3, None)}
    """
    found: dict[str, slice] = {}
    end = 0
    for name, default in defaults.items():
        begin, end = end, end + (len(default) if isinstance(default, tuple) else 1)
        found[name] = slice(begin, end)
    return found


def whole(owner: str, name: str, value: Any, least: int = 1, suggestion: int = 1) -> int:
    """Return `value` if it is an integer from `least` on, or raise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        what = f"{owner}: {name} must be a whole number from {least}"
        raise HyperparameterError(explain(what, f"{value!r:.60}", f"Pass {name}={suggestion}"))
    return int(value)


def choice(owner: str, name: str, value: Any, options: tuple[str, str]) -> str:
    """Return `value` if it is one of `options`, or raise."""
    if value not in options:
        what = f"{owner}: {name} must be {options[0]!r} or {options[1]!r}"
        raise UnknownNameError(explain(what, repr(value), f"Pass {name}={options[0]!r}"))
    return str(value)
