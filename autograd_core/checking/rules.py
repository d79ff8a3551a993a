"""Which rules on a tape look wrong: each is tried against its own operation, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..modes import no_grad, strong_zeros
from ..pullback import lifting
from ..recording import pushforward
from ..tape import unbroadcast
from ..tensor import wrap
from ..transforms import vjp
from .ledger import Call, Edge
from .trial import Trial, eps, signed, where_finite

__all__ = ["Suspect", "forward", "function_of", "reverse", "second"]

SAME = 1e-6
lift = lifting(wrap)


class Suspect(NamedTuple):
    """A rule whose claim has to be measured, or the reason why it cannot be."""

    call: Call
    operand: str
    trial: Trial | None
    reason: str = ""


# ------------------------------------------------------------------------------ first derivatives


def reverse(call: Call, rng: np.random.Generator) -> list[Suspect]:
    """Return the rules of an application that do not look right."""
    ct = where_finite(signed(rng, call.out.shape), np.isfinite(call.out)).astype(call.out.dtype)
    found = [
        _rule(call, edge, ct, rng) for edge in call.edges if _is_float(call.arrays[edge.index])
    ]
    return [suspect for suspect in found if suspect is not None]


def _is_float(x: Any) -> bool:
    return np.result_type(x).kind == "f"


def _rule(call: Call, edge: Edge, ct: np.ndarray, rng: np.random.Generator) -> Suspect | None:
    try:
        part = _part(call, edge, ct)
    except Exception as error:
        return Suspect(call, edge.name, None, f"it raised {type(error).__name__}: {error}")
    try:
        trial = _trial(call, edge, ct, part, [_raised(x) for x in call.arrays])
    except Exception:  # an op of the user's that takes one precision only
        trial = _trial(call, edge, ct, part, call.arrays)
    if not trial.is_suspicious(rng):
        return None
    (again,), near = trial.centre, float(np.finfo(call.out.dtype).eps) ** 0.5
    out = where_finite(call.out, np.isfinite(call.out))
    if not np.allclose(again, out, near, near * np.abs(out).max(initial=0.0)):
        return Suspect(call, edge.name, None, "its forward function gives another result now")
    return Suspect(call, edge.name, trial)


def _trial(
    call: Call, edge: Edge, ct: np.ndarray, part: np.ndarray, operands: Sequence[Any]
) -> Trial:
    """Set what a rule gives against the op's own forward function."""

    def own(moved: Sequence[np.ndarray]) -> list[np.ndarray]:
        arrays = [x.copy() if isinstance(x, np.ndarray) else x for x in operands]
        arrays[edge.index] = moved[0].copy()
        return [np.asarray(call.op.forward(*arrays, **call.attributes))]

    coarse = max(eps(x) for x in (*call.arrays, call.out))
    return Trial(own, [np.asarray(operands[edge.index])], [ct], [part], coarse)


def _raised(x: Any) -> Any:
    """Return an operand in double precision."""
    narrow = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return np.array(x, np.result_type(x, float)) if narrow else x


def _part(call: Call, edge: Edge, ct: np.ndarray) -> np.ndarray:
    """Return the cotangent that an operand gets, by its rule and what that has remembered."""
    shape = np.shape(call.arrays[edge.index])
    if edge.rule is None:
        return np.zeros(shape)
    part = edge.rule.pull(ct, edge.kept)
    if not np.isfinite(part).all() and call.node is not None:
        with no_grad(), strong_zeros():
            part = edge.rule.function(wrap(ct, None), *lift(call.node, edge.rule, edge.kept))
    part = np.asarray(getattr(part, "_value", part))
    return np.asarray(part if part.shape == shape else unbroadcast(part, shape))


def forward(call: Call, rng: np.random.Generator) -> list[Suspect]:
    """Return the rules that give another derivative when they are read forwards."""
    if call.node is None:
        return []
    ct = signed(rng, call.out.shape).astype(call.out.dtype)
    edges = [edge for edge in call.edges if edge.rule is not None]
    found = [_push(call, edge, ct, rng) for edge in edges]
    return [suspect for suspect in found if suspect is not None]


def _push(call: Call, edge: Edge, ct: np.ndarray, rng: np.random.Generator) -> Suspect | None:
    """Compare <ct, J t> with <Jᵀ ct, t>."""
    x = np.asarray(call.arrays[edge.index])
    kept = edge.kept if isinstance(edge.kept, tuple) else (edge.kept,)
    remembered = tuple(wrap(v, None) if isinstance(v, np.ndarray) else v for v in kept)
    tangent = signed(rng, x.shape).astype(x.dtype)
    try:
        part = _part(call, edge, ct)
        with strong_zeros():
            pushed = pushforward(call.node, edge.rule, remembered, wrap(tangent, None))  # type: ignore[arg-type]
    except Exception as error:
        return Suspect(call, edge.name, None, f"it raised {type(error).__name__}: {error}")
    ahead, back = ct * pushed._value, part * tangent
    size = np.abs(ahead).sum() + np.abs(back).sum() + np.abs(ct * call.out).sum()
    unit = float(np.finfo(np.result_type(ahead, back)).eps)
    difference = abs(float(ahead.sum() - back.sum()))
    if difference <= max(SAME * unit**0.25, 1e3 * unit) * size or not np.isfinite(size):
        return None
    reason = f"it gives {ahead.sum():.9g} along a direction, and {back.sum():.9g} in reverse"
    return Suspect(call, edge.name, None, reason)


# ----------------------------------------------------------------------------- second derivatives


def second(call: Call, rng: np.random.Generator) -> list[Suspect]:
    """Return the rules of an application whose derivatives do not look right."""
    edges = [edge for edge in call.edges if edge.rule and _is_float(call.arrays[edge.index])]
    found = [_derivative(call, edge, rng) for edge in edges]
    return [suspect for suspect in found if suspect is not None]


def _derivative(call: Call, edge: Edge, rng: np.random.Generator) -> Suspect | None:
    """Try one rule as a function of the cotangent and the operands."""
    pulled, point = function_of(call, edge, rng)
    try:
        value, pull = vjp(pulled, *point)
        seed = where_finite(signed(rng, np.shape(value)), np.isfinite(value))
        gradient = [np.asarray(part) for part in pull(seed)]
    except Exception as error:
        return Suspect(call, edge.name, None, f"it raised {type(error).__name__}: {error}")

    def plainly(moved: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(vjp(pulled, *moved)[0])]

    trial = Trial(plainly, point, [seed], gradient)
    return Suspect(call, edge.name, trial) if trial.is_suspicious(rng) else None


def function_of(
    call: Call, edge: Edge, rng: np.random.Generator
) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Return the rule for one operand as a function, and its arguments here."""
    places = [e.index for e in call.edges if _is_float(call.arrays[e.index])]
    raised = [_raised(x) for x in call.arrays]

    def pulled(ct: Any, *values: Any) -> Any:
        operands = list(raised)
        for place, value in zip(places, values, strict=True):
            operands[place] = value

        def alone(x: Any) -> Any:
            full = [*operands[: edge.index], x, *operands[edge.index + 1 :]]
            full = [full] if call.op.variadic else full
            return call.op(*full, **call.attributes)

        return vjp(alone, operands[edge.index])[1](ct)[0]

    out = np.asarray(call.op.forward(*raised, **call.attributes))
    ct = signed(rng, out.shape).astype(out.dtype)
    return pulled, [ct, *(np.asarray(raised[place]) for place in places)]
