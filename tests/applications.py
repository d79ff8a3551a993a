"""Applications of operations: drawing operands from a declaration, and running one.

An application is (operands, attributes). What is drawn comes from the op's own declaration: its
`samples`, or its `domain` and the defaults of its attributes.
"""

from __future__ import annotations

import warnings

import numpy as np

import autograd_core as ag
from autograd_core.domains import Interval


def draw(op, rng, shapes):
    """Return one application of a pointwise op: operands of the given shapes, and attributes."""
    domain = op.facets.get("domain") or (Interval(),) * len(shapes)
    operands = tuple(d.sample(rng, shape) for d, shape in zip(domain, shapes, strict=True))
    return operands, vary(op, rng)


def vary(op, rng):
    """Draw other numbers than the defaults: a rule that forgets an attribute must be seen."""
    numbers = {name: v for name, v in op.attributes.items() if type(v) is float}
    return {name: value * rng.uniform(0.6, 1.6) for name, value in numbers.items()}


def applications(op, seed=0):
    """Return a few applications of an op, as (operands, attributes)."""
    rng = np.random.default_rng(seed)
    if "samples" in op.facets:
        found = [
            (tuple(operands), attributes) for operands, attributes in op.facets["samples"](rng)
        ]
        return [(o, vary(op, rng) | attributes) for o, attributes in found]
    count = len(op.operands)
    broadcast = [(2, 3, 4), (3, 1), (4,)][:count] if count > 1 else [()]
    return [draw(op, rng, shapes) for shapes in ([(4, 3)] * count, broadcast, broadcast[::-1])]


def cast(operands, kind):
    """Return the operands with another dtype, but for positions, which stay integers."""
    return [x if x.dtype.kind in "iu" else x.astype(kind) for x in operands]


def differentiable(op, operands):
    """Return the places of the operands that have a rule."""
    if op.variadic:
        return tuple(range(len(operands)))
    return tuple(i for i, name in enumerate(op.operands) if name in op.rules)


# ----------------------------------------------------------------------------------- running


def backward(op, operands, attributes, ct=None, tracked=None):
    """Record one application, sweep it, and return the result and the leaves' gradients."""
    tracked = differentiable(op, operands) if tracked is None else tracked
    leaves = [
        ag.tensor(x, requires_grad=True) if i in tracked else x for i, x in enumerate(operands)
    ]
    with np.errstate(all="ignore"):
        out = call(op, leaves, attributes)
    ct = np.ones(out.shape) if ct is None else ct
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out.backward(ct)
    return out.numpy(), [leaves[i].grad for i in tracked]


def call(op, operands, attributes):
    return op(operands, **attributes) if op.variadic else op(*operands, **attributes)


def of_tracked(op, operands, attributes):
    """Return the op as a function of its differentiable operands alone, and their values."""
    tracked = differentiable(op, operands)

    def function(*points):
        full = list(operands)
        for i, point in zip(tracked, points, strict=True):
            full[i] = point
        return call(op, full, attributes)

    return function, [operands[i] for i in tracked]


def gradients_of(op):
    return op.nondiff is None
