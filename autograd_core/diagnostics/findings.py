"""Findings: which operation made NaN or infinity of finite numbers, and of which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import AnomalyError, DTypeError, explain, line_of
from ..listening import user
from ..modes import no_grad, strong_zeros
from ..pullback import lifting
from ..tape import Node, clock, sweep
from ..tensor import wrap

__all__ = ["are_finite", "backward_finding", "finding_of", "is_finite", "tangent_finding"]

GUARD = "Keep its operands away from this point, or replace them there with where() beforehand"
WIDEN = "Scale its operands down, or compute in float64, where the result is finite"
lift = lifting(wrap)


def is_finite(x: Any) -> bool:
    """Whether all numbers of an array or tensor are finite."""
    return are_finite(np.asarray(getattr(x, "_value", x)))


def are_finite(array: np.ndarray) -> bool:
    """Whether all numbers of an array are finite."""
    kind = array.dtype.kind
    if kind == "f" and not array.ndim:
        return math.isfinite(array)
    if kind not in "fc":
        return True
    # One pass without temporaries; a sum of squares that overflows costs a second look only.
    if array.flags.c_contiguous and math.isfinite(abs(np.vdot(array, array))):
        return True
    return bool(np.isfinite(array).all())


def finding_of(
    op: Any, arrays: Sequence[Any], attributes: dict[str, Any], out: np.ndarray
) -> AnomalyError:
    """Return the finding of a result, of which no operand was made by an operation before."""
    place = first_bad(out)
    line = line_of(*user())
    names = names_of(op, len(arrays))
    given = [i for i, array in enumerate(arrays) if not is_finite(array)]
    if given:
        return _input_finding(op, names[given[0]], arrays[given[0]], (out, place), line)
    parts = [
        f"{name} = {_shown(op, x, out, place)}" for name, x in zip(names, arrays, strict=True)
    ]
    parts += [f"{name} = {value!r:.40}" for name, value in attributes.items()]
    got = f"{at(out, place)} from {op.name} ({line}) of {', '.join(parts)}"
    do = WIDEN if _fits_in_double(op, arrays, attributes, out) else GUARD
    message = explain("forward pass: finite numbers", got, do)
    return _error(message, "forward", op.name, line, "", place)


def _fits_in_double(
    op: Any, arrays: Sequence[Any], attributes: dict[str, Any], out: np.ndarray
) -> bool:
    """Whether single precision is all that is wrong."""
    if out.dtype.itemsize >= np.dtype(float).itemsize:
        return False
    wide = [np.asarray(x, float) if np.asarray(x).dtype.kind == "f" else x for x in arrays]
    return is_finite(op.compute(*wide, **attributes))


def _input_finding(
    op: Any, name: str, array: Any, result: tuple[np.ndarray, tuple[int, ...]], line: str
) -> AnomalyError:
    """Return the finding that what was given is not finite."""
    place = first_bad(array)
    got = f"{at(array, place)} of {name} in {op.name} ({line}), which no operation made"
    got += f"; the result is {at(*result)}"
    do = "Look where this input comes from, or mask it with where()"
    return _error(explain("input: finite numbers", got, do), "input", op.name, line, name, place)


def names_of(op: Any, count: int) -> list[str]:
    """Return what the operands of an op are called."""
    if op.variadic or len(op.operands) != count:
        return [f"operand {i}" for i in range(count)]
    return list(op.operands)


def first_bad(array: Any) -> tuple[int, ...]:
    """Return the index of the first element that is not finite."""
    bad = ~np.isfinite(np.asarray(array))
    return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))


def at(array: Any, place: tuple[int, ...]) -> str:
    """Write an element and where it is."""
    value = np.asarray(getattr(array, "_value", array))[place]
    return f"{value} at [{', '.join(map(str, place))}]" if place else str(value)


def _shown(op: Any, operand: Any, out: Any, place: tuple[int, ...]) -> str:
    """Return an operand's element; of an operation that is not elementwise, its range."""
    array = np.asarray(getattr(operand, "_value", operand))
    if op.pointwise and np.ndim(out) >= array.ndim:
        return str(np.broadcast_to(array, np.shape(out))[place])
    if array.size == 1:
        return str(array.reshape(-1)[0])
    if not array.size or array.dtype.kind not in "fiu":
        return f"an array of shape {array.shape}"
    return f"{array.min()} to {array.max()}, shape {array.shape}"


def _error(
    message: str, phase: str, op: str, line: str, operand: str, index: tuple[int, ...]
) -> AnomalyError:
    error = AnomalyError(message)
    error.phase, error.op, error.line = phase, op, line
    error.operand, error.index, error.position = operand, index, next(clock)
    return error


# --------------------------------------------------------------------------------- the sweeps


def backward_finding(
    nodes: Sequence[Node], seeds: dict[Any, Any], found: dict[Any, Any], floor: int
) -> AnomalyError:
    """Sweep again, node by node; return what made the first number that spoils a result."""
    for node, seed in seeds.items():
        if not is_finite(seed):
            return _seed_finding(node, seed)
    cotangents: dict[Any, Any] = {n: _tensor(seed) for n, seed in seeds.items()}
    spoilt: dict[Node, list[Node]] = {}  # by node: those whose rules spoilt its cotangent
    made: dict[Node, Any] = {}  # nodes that made it of a finite cotangent, which is kept
    with no_grad(), strong_zeros(), np.errstate(all="ignore"):
        for node in reversed(nodes):
            if not node.links or (ct := cotangents.pop(node, None)) is None:
                continue
            parts = _handed_on(node, ct, floor)
            for parent, part in parts.items():
                if not is_finite(part):
                    spoilt.setdefault(parent, []).append(node)
                known = cotangents.get(parent)
                cotangents[parent] = part if known is None else known + part
            if is_finite(ct):
                made[node] = ct
        start = [node for node, ct in found.items() if not is_finite(ct)]
        culprits = [node for node in _upstream(start, spoilt) if node in made]
        if not culprits:
            return _sum_finding(start[0])
        node = max(culprits, key=lambda node: node.position)
        return _rule_finding(node, made[node])


def _tensor(ct: Any) -> Any:
    return ct if hasattr(ct, "_value") else wrap(np.asarray(ct), None)


def _handed_on(node: Node, ct: Any, floor: int) -> dict[Any, Any]:
    """Return the cotangents that one node hands to its operands."""
    try:
        return sweep([node], {node: ct}, floor, lift)
    except DTypeError:  # a rule of the user's that takes arrays only
        found = sweep([node], {node: ct._value}, floor)
        return {parent: wrap(part, None) for parent, part in found.items()}


def _upstream(start: Sequence[Node], spoilt: dict[Node, list[Node]]) -> list[Node]:
    """Return the nodes whose cotangent, or part of it, reaches a spoilt result."""
    stack, seen = list(start), dict.fromkeys(start)
    while stack:
        for node in spoilt.get(stack.pop(), ()):
            if node not in seen:
                seen[node] = None
                stack.append(node)
    return list(seen)


def _rule_finding(node: Node, ct: Any) -> AnomalyError:
    """Return the finding of a node whose rule made it of a finite cotangent."""
    for _, rule, kept in node.edges:
        try:
            part = rule.function(ct, *lift(node, rule, kept))
        except DTypeError:
            part = rule.pull(ct._value, kept if len(kept) != 1 else kept[0])
        if is_finite(part):
            continue
        name = rule.operand or "what it read"
        place = first_bad(getattr(part, "_value", part))
        values = {"ct": ct, **dict(zip(rule.needs, kept, strict=False))}
        shown = [f"{n} = {_kept(node.op, x, part, place)}" for n, x in values.items()]
        got = f"{at(part, place)} from the rule of {node.name} for {name} ({node.line})"
        got += f" of {', '.join(shown)}"
        message = explain("backward pass: finite cotangents", got, GUARD)
        return _error(message, "backward", node.name, node.line, name, place)
    return _sum_finding(node)


def _kept(op: Any, value: Any, part: Any, place: tuple[int, ...]) -> str:
    if isinstance(value, np.ndarray) or hasattr(value, "_value"):
        return _shown(op, value, getattr(part, "_value", part), place)
    return f"{value!r:.40}"


def _sum_finding(node: Node) -> AnomalyError:
    what = "backward pass: finite cotangents"
    got = f"an overflow in the sum of those that meet at {node.name} ({node.line})"
    do = "Scale the loss down, or compute in double precision"
    return _error(explain(what, got, do), "backward", node.name, node.line, "", ())


def _seed_finding(node: Any, seed: Any) -> AnomalyError:
    array = np.asarray(getattr(seed, "_value", seed))
    place = first_bad(array)
    got = f"{at(array, place)} in the seed of the sweep from {node.name}"
    message = explain("backward pass: finite cotangents", got, "Pass another seed")
    return _error(message, "input", node.name, node.line, "seed", place)


def tangent_finding(nodes: Sequence[Node], known: dict[Any, Any]) -> AnomalyError:
    """Return which node first made a tangent that is not finite of finite ones."""
    for node in nodes:
        if node not in known or is_finite(known[node]):
            continue
        parents = [parent for parent, *_ in node.edges if parent in known]
        if all(is_finite(known[parent]) for parent in parents):
            return _tangent_finding(node, known[node])
    node, tangent = next((n, t) for n, t in known.items() if not is_finite(t))
    return _seed_finding(node, tangent)


def _tangent_finding(node: Node, tangent: Any) -> AnomalyError:
    place = first_bad(tangent._value)
    values = {n: x for _, rule, kept in node.edges for n, x in zip(rule.needs, kept, strict=False)}
    shown = [f"{n} = {_kept(node.op, x, tangent, place)}" for n, x in values.items()]
    got = f"{at(tangent, place)} from the rule of {node.name} ({node.line})"
    got += f" of {', '.join(shown)}" if shown else ""
    message = explain("forward sweep: finite tangents", got, GUARD)
    return _error(message, "tangent", node.name, node.line, "", place)
