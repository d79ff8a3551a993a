"""Op: one elementary function and its derivative rules, declared once.

The decorated function is the forward computation on plain arrays. Its name is the op's name, its
positional parameters are the *operands* (arrays), its keyword-only parameters the *attributes*
(metadata). `defvjp` gives one rule per operand; the rule's own parameters say what is remembered
for it. Everything else (methods, NumPy dispatch, tests, docs) is derived from the table `OPS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from .errors import DTypeError, NondifferentiableError, UnknownNameError, explain
from .guard import EXPOSED, own, wrote
from .tape import Node, Tape, _current, clock, current
from .tensor import Tensor, wrap

__all__ = ["COMPOSITES", "OPS", "Op", "Rule", "composite", "defvjp", "primitive", "update_op"]

OPS: dict[str, Op] = {}
COMPOSITES: dict[str, Callable[..., Any]] = {}
SCALARS = frozenset((float, int, bool, np.float64, np.float32))


class Rule:
    """The vector-Jacobian product of an op for one operand, and what it needs remembered.

    ``needs`` are the rule's parameters after the cotangent; ``save`` picks them from the tuple
    (operands..., result, attributes).
    """

    __slots__ = ("function", "needs", "operand", "save")

    def __init__(self, op: Op, operand: str, function: Callable[..., Any], index: int = 0) -> None:
        self.operand = operand
        self.function = function
        self.needs = tuple(inspect.signature(function).parameters)[1:]
        places = {name: i for i, name in enumerate((*op.operands, "out"))}
        lookups = {
            **{name: itemgetter(i) for name, i in places.items()},
            **{f"{name}_shape": lambda env, i=i: np.shape(env[i]) for name, i in places.items()},
            **{name: lambda env, name=name: env[-1][name] for name in op.attributes},
            "which": lambda env: index,
            "shapes": lambda env: tuple(np.shape(array) for array in env[:-2]),
        }
        unknown = [name for name in self.needs if name not in lookups]
        if unknown:
            known = ", ".join(lookups)
            what = f"defvjp({op.name}): the rule's parameters after the first to be among {known}"
            raise UnknownNameError(explain(what, repr(unknown[0]), "Correct the name"))
        self.save = _saver([places.get(name) for name in self.needs]) or (
            lambda env: tuple(lookups[name](env) for name in self.needs)
        )


def _saver(indices: list[int | None]) -> Callable[[tuple[Any, ...]], Any] | None:
    """Return the quickest way to pick `indices` from a tuple, if all of them are known."""
    if None in indices:
        return None
    if len(indices) > 1:
        return itemgetter(*indices)
    start = indices[0] if indices else 0
    return itemgetter(slice(start, (start or 0) + len(indices)))


class Op:
    """An elementary function on tensors and arrays; made by `primitive`.

    Called with arrays only, it returns an array. With a tensor among the operands it returns a
    tensor, and writes a node if a derivative can be asked of one of them.
    """

    def __init__(self, forward: Callable[..., Any], facets: dict[str, Any]) -> None:
        self.forward = forward
        self.name = self.__name__ = forward.__name__
        self.__doc__ = forward.__doc__
        self.facets = facets
        self.nondiff: str | None = facets.get("nondiff")
        self.pointwise: bool = facets.get("pointwise", False)
        parameters = inspect.signature(forward).parameters.values()
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.operands = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.attributes = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.arity = -1 if self.variadic or self.attributes else len(self.operands)
        self.rules: dict[str, Callable[..., Any]] = {}
        self.edge_rules: tuple[Rule | None, ...] = (None,) * len(self.operands)
        self.slow = True  # until every operand has a rule
        self.strong: Op | None = None  # the twin in which zero wins over infinity

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        if attributes or len(operands) != self.arity:
            operands, attributes = self.bind(operands, attributes)
        lifted = [isinstance(operand, Tensor) for operand in operands]
        arrays = [
            operand._data if is_tensor else self.array(operand)
            for operand, is_tensor in zip(operands, lifted, strict=True)
        ]
        if not any(lifted):
            return self.forward(*arrays, **attributes)
        tape = current()
        if self.strong is not None and tape.strong_zeros:
            return self.strong(*operands, **attributes)
        out = self.forward(*arrays, **attributes)
        if out.__class__ is not np.ndarray:
            out = np.asarray(out)
        nodes = [x.node if is_tensor else None for x, is_tensor in zip(operands, lifted, strict=True)]
        if self.nondiff is not None or not tape.recording or not any(nodes):
            return wrap(out, None)
        if EXPOSED or not all(lifted):
            arrays = [own(a, not is_tensor) for a, is_tensor in zip(arrays, lifted, strict=True)]
        env = (*arrays, out, attributes)
        rules = self.edge_rules or self.indexed_rules(len(operands))
        edges = [
            (node, rule, rule.save(env))
            for node, rule in zip(nodes, rules, strict=True)
            if node is not None and rule is not None
        ]
        return self.record(edges, out, tape)

    def record(self, edges: Any, out: np.ndarray, tape: Tape) -> Tensor:
        """Write the node of one application and return its result."""
        if out.__class__ is not np.ndarray:
            out = np.asarray(out)
        if out.dtype.kind != "f":
            do = "Use real operands, or .detach()"
            raise DTypeError(explain(f"{self.name}: a real result", out.dtype, do))
        node = Node(self, edges, out)
        tape.append(node)
        return wrap(out, node)

    def array(self, operand: Any) -> Any:
        """Return an operand that is not a tensor as an array of numbers; numbers as they are."""
        if operand.__class__ in SCALARS:
            return operand  # a Python number must not widen a float32 operand
        array = np.asarray(operand)
        if array.dtype.kind not in "fciub":
            what = f"{self.name}: operands that are tensors, arrays or numbers"
            raise DTypeError(explain(what, f"{operand!r:.60}", "Convert it to an array of numbers"))
        return array

    def bind(
        self, operands: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into operands and attributes; NumPy allows both by position."""
        if self.variadic:
            head, *extra = operands or ((),)
            operands = tuple(head)
        else:
            count = len(self.operands)
            extra = list(operands[count:])
            missing = (name for name in self.operands[len(operands) :] if name in named)
            operands = (*operands[:count], *[named.pop(name) for name in missing])
        named = dict(zip(self.attributes, extra, strict=False)) | named
        attributes = self.attributes | named
        short = not self.variadic and len(operands) != len(self.operands)
        absent = [name for name, value in attributes.items() if value is inspect.Parameter.empty]
        if short or absent or len(extra) > len(self.attributes) or named.keys() - self.attributes:
            names = ", ".join((*self.operands, *self.attributes))
            got = f"{len(operands)} operands and {', '.join(named) or 'no attributes'}"
            raise DTypeError(explain(f"{self.name}({names})", got, "Pass the arguments it names"))
        return operands, attributes

    def indexed_rules(self, count: int) -> tuple[Rule, ...]:
        """Return one rule per operand of a variadic op."""
        operand, function = next(iter(self.rules.items()))
        return tuple(Rule(self, operand, function, index) for index in range(count))


class Unary(Op):
    """An op of one operand without attributes; what is frequent takes a lane without loops."""

    def __call__(self, x: Any) -> Any:
        tape = _current.get(None)
        if EXPOSED or not isinstance(x, Tensor) or x.node is None or self.slow or tape is None or tape.slow:
            return super().__call__(x)
        out = self.forward(x._data)
        (rule,) = self.edge_rules
        return self.record(((x.node, rule, rule.save((x._data, out))),), out, tape)


class Binary(Op):
    """An op of two operands without attributes; what is frequent takes a lane without loops."""

    def __call__(self, x: Any, y: Any) -> Any:
        tape = _current.get(None)
        if EXPOSED or self.slow or tape is None or tape.slow:
            return super().__call__(x, y)
        if isinstance(x, Tensor):
            a, m = x._data, x.node
        elif x.__class__ in SCALARS:
            a, m = x, None
        else:
            return super().__call__(x, y)
        if isinstance(y, Tensor):
            b, n = y._data, y.node
        elif y.__class__ in SCALARS:
            b, n = y, None
        else:
            return super().__call__(x, y)
        if m is None and n is None:
            return super().__call__(x, y)
        out = self.forward(a, b)
        env = (a, b, out)
        rule_x, rule_y = self.edge_rules
        if n is None:
            edges: Any = ((m, rule_x, rule_x.save(env)),)
        elif m is None:
            edges = ((n, rule_y, rule_y.save(env)),)
        else:
            edges = ((m, rule_x, rule_x.save(env)), (n, rule_y, rule_y.save(env)))
        return self.record(edges, out, tape)


def primitive(
    function: Callable[..., Any] | None = None, /, *, register: bool = True, **facets: Any
) -> Any:
    """Declare an op: the decorated function computes it on plain arrays.

    Parameters
    ----------
    pointwise : bool
        Elementwise with broadcasting: cotangents are masked, scaled and summed back by the engine.
    nondiff : str, optional
        Why the op has no derivative; its result is a constant.
    domain : sequence, optional
        One `domains` entry per operand: where the op is smooth; default: the reals in [-2, 2].
    samples : callable, optional
        ``samples(rng)`` yields (operands, attributes) for the laws and the benchmarks.
    reference : str
        Where the formula comes from.
    register : bool
        Whether to enter the op in `OPS`, from which methods, dispatch, tests and docs derive.

    Returns
    -------
    Op

    Examples
    --------
    >>> import autograd_core as ag
    >>> @ag.primitive(pointwise=True, register=False)
    ... def cube(x):
    ...     '''The third power.'''
    ...     return x * x * x
    >>> ag.defvjp(cube, x=lambda ct, x: ct * (3.0 * x * x))
    >>> ag.grad(cube)(2.0)
    12.0
    """
    if function is None:
        return lambda function: primitive(function, register=register, **facets)
    op = _kind(function)(function, facets)
    if register:
        if op.name in OPS:
            what = "primitive: a name that is not taken"
            raise UnknownNameError(explain(what, repr(op.name), "Choose another name"))
        OPS[op.name] = op
    return op


def _kind(function: Callable[..., Any]) -> type[Op]:
    parameters = inspect.signature(function).parameters.values()
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    return {1: Unary, 2: Binary}.get(len(parameters), Op) if plain else Op


def defvjp(op: Op, **rules: Callable[..., Any]) -> None:
    """Give an op its vector-Jacobian products, one rule per operand, by the operand's name.

    A rule takes the cotangent of the result and returns the operand's. Its further parameters may
    be operand names, ``out``, attribute names or ``<operand>_shape``: exactly those are remembered.
    Rules are written with ops and operators, so that they can be differentiated in turn.
    """
    unknown = rules.keys() - set(op.operands)
    if unknown:
        what = f"defvjp({op.name}): operands among {', '.join(op.operands)}"
        raise UnknownNameError(explain(what, ", ".join(sorted(unknown)), "Correct the name"))
    op.rules = rules
    if op.variadic:
        op.edge_rules = ()
    else:
        op.edge_rules = tuple(
            Rule(op, name, rules[name]) if name in rules else None for name in op.operands
        )
        op.slow = None in op.edge_rules


def composite(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function composed of ops among the names that methods and NumPy dispatch serve."""
    COMPOSITES[function.__name__] = function
    return function


def update_op(
    name: str, function: Callable[..., None], operands: tuple[str, ...], writes: tuple[str, ...]
) -> Callable[..., None]:
    """Make an op that overwrites operands in place: how an optimizer updates parameters.

    Parameters
    ----------
    name : str
    function : callable
        ``function(*arrays, **attributes)`` writes into the arrays named by `writes`.
    operands : tuple of str
        The names of the arrays, in order.
    writes : tuple of str
        The operands that it overwrites. Graphs that need their old value refuse to be swept.
    """
    written = tuple(operands.index(operand) for operand in writes)

    def update(*values: Any, **attributes: Any) -> None:
        arrays = [v._data if isinstance(v, Tensor) else v for v in values]
        function(*arrays, **attributes)
        position = next(clock)
        for i in written:
            if isinstance(values[i], Tensor):
                wrote(arrays[i], position)

    update.__name__ = name
    return update
