"""Random expressions over many operations, each a list of steps that can be read and repeated.

An expression is built while it is evaluated: an operation is taken if its result is finite, small
and not empty. Numbers stay below `LARGEST`, so that rounding is of the order of one unit.
"""

from __future__ import annotations

import numpy as np

import autograd_core as ag

LARGEST = 8.0
MOST_ELEMENTS = 96
SHAPES = [(), (3,), (4, 1), (4, 3), (2, 4, 3)]


def inputs(rng, dtype):
    """Return arrays of every kind: floats of some shapes, integers, truths."""
    floats = [rng.uniform(-2.0, 2.0, shape).astype(dtype) for shape in SHAPES]
    ties = rng.integers(-2, 3, (4, 3)).astype(dtype)
    return [*floats, ties, rng.integers(-3, 4, (4, 3)), rng.random((4, 3)) < 0.5]


FLOATS = len(SHAPES) + 1  # of the inputs, these can be differentiated

UNARY = {
    **{name: ag.OPS[name] for name in "sin cos tanh arctan sigmoid softplus relu abs".split()},
    **{name: ag.OPS[name] for name in "square negative exp gelu expm1 erf sign floor".split()},
    "1 / (x * x + 1.5)": lambda x: 1.0 / (x * x + 1.5),
    "2 - x * 0.5": lambda x: 2 - x * 0.5,
    "sqrt(x * x + 1)": lambda x: ag.sqrt(x * x + 1),
    "x ** 3 * 0.25": lambda x: x**3 * 0.25,
    "clip(x, -1, 1)": lambda x: ag.clip(x, -1, 1),
    "x > 0.25": lambda x: x > 0.25,
    "where(x < 1, x, 1)": lambda x: ag.where(x < 1, x, 1.0),
}
BINARY = {
    **{name: ag.OPS[name] for name in "add subtract multiply maximum minimum matmul".split()},
    "x / (y * y + 1)": lambda x, y: x / (y * y + 1),
    "where(x > y, x, y * 0.5)": lambda x, y: ag.where(x > y, x, y * 0.5),
    "hypot(x, y + 3)": lambda x, y: ag.hypot(x, y + 3.0),
    "x @ y.T": lambda x, y: x @ ag.transpose(y),
    "concatenate": lambda x, y: ag.concatenate((x, y), axis=0),
    "concatenate at the end": lambda x, y: ag.concatenate((x, y), axis=-1),
    "stack": lambda x, y: ag.stack((x, y)),
    "x <= y": lambda x, y: x <= y,
    "x == y": lambda x, y: x == y,
    "take": lambda x, y: ag.take(x, ag.argmax(y, axis=-1), 0, "clip"),
}
REDUCED = "sum mean max min var logsumexp prod all any argmax count_nonzero".split()
LINES = "softmax log_softmax cumsum flip argsort".split()
INDICES = [0, -1, slice(None, None, 2), slice(None, None, -1), (..., None), [1, 0, 1], (0, 0)]
MOVES = {
    "transpose": ag.transpose,
    "ravel": ag.ravel,
    "tril": ag.tril,
    "roll": lambda x: ag.roll(x, 1, axis=0),
    "broadcast": lambda x: ag.broadcast_to(x, (2, *x.shape)),
    "keep": lambda x: ag.sum(x, axis=-1, keepdims=True) * 0.25,
    "outer": lambda x: ag.expand_dims(x, 0) * ag.expand_dims(x, -1),
}


class Step:
    """An operation on some of the values so far."""

    def __init__(self, name, function, operands):
        self.name = name
        self.function = function
        self.operands = operands

    def __call__(self, values):
        return self.function(*(values[i] for i in self.operands))


def _reduction(rng):
    name, axis = str(rng.choice([*REDUCED, *LINES])), int(rng.integers(-1, 1))
    given = None if name in REDUCED and rng.random() < 0.3 else axis
    return f"{name}, axis={given}", lambda x: ag.__dict__[name](x, axis=given)


def _index(rng):
    index = INDICES[rng.integers(len(INDICES))]
    return f"[{index}]", lambda x: x[index]


def _named(table):
    return lambda rng: (name := str(rng.choice(list(table))), table[name])


KINDS = [(_named(UNARY), 1), (_named(BINARY), 2), (_reduction, 1), (_index, 1), (_named(MOVES), 1)]


def _draw(rng, count):
    """Return a step on values of which there are so many; the last one is the most likely."""
    draw, operands = KINDS[rng.choice(len(KINDS), p=[0.35, 0.35, 0.12, 0.08, 0.1])]
    last = rng.random(operands) < 0.5
    return Step(*draw(rng), [int(i) for i in np.where(last, count - 1, rng.integers(0, count))])


class Expression:
    """Steps on the inputs; the last results are what it returns."""

    def __init__(self, rng, dtype, length):
        values = inputs(rng, dtype)
        self.steps = []
        self.outputs = int(rng.integers(1, 4))
        while len(self.steps) < length:
            step = _draw(rng, len(values))
            result = _tried(step, values)
            if result is not None:
                values.append(result)
                self.steps.append(step)

    def __call__(self, *values):
        values = list(values)
        for step in self.steps:
            values.append(step(values))
        return values[-self.outputs :]

    def slopes(self, *values):
        """Return the derivatives of the sum of all results in the inputs that have one."""

        def total(*floats):
            results = self(*floats, *values[FLOATS:])
            return sum((ag.sum(x * 1.0) for x in results), ag.sum(floats[0]) * 0.5)

        return ag.grad(total, tuple(range(FLOATS)))(*values[:FLOATS])

    def __str__(self):
        count = len(SHAPES) + 3
        pairs = enumerate(self.steps, count)
        return "\n".join(f"  v{i} = {step.name}: {step.operands}" for i, step in pairs)


def _tried(step, values):
    """Return the result of a step, or None if it is not to be taken."""
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(step(values))
    except (ValueError, TypeError, IndexError):  # shapes and types that do not go together
        return None
    usual = result.dtype.kind in "biu" or np.isfinite(result).all()
    small = 0 < result.size <= MOST_ELEMENTS and result.ndim <= 3
    return result if usual and small and np.abs(result * 1.0).max() <= LARGEST else None
