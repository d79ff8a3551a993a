"""Random graphs in two engines at once: this one, and the naive one of `oracle.py`.

After every step the values agree, and after every sweep the gradients of all leaves. The machine
also keeps book of what a sweep has released, and expects an error exactly where that is met.
"""

import numpy as np
import oracle
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from test_planted_bugs import engine, rewritten

import autograd_core as ag

SHAPES = st.sampled_from([(), (1,), (3,), (2, 1), (2, 3), (1, 3), (3, 2)])
SEEDS = st.integers(0, 2**32 - 1)


class Pair:
    """A tensor, its twin in the oracle, and the pairs it was computed from."""

    def __init__(self, tensor, twin, parents=(), tracked=None):
        self.tensor = tensor
        self.twin = twin
        self.tracked = any(p.tracked for p in parents) if tracked is None else tracked
        self.parents = [p for p in parents if p.tracked] if self.tracked else []
        self.leaf = self.tracked and not self.parents
        self.released = False
        self.grad = None

    def ancestors(self):
        found, stack = [], [self]
        while stack:
            pair = stack.pop()
            if pair not in found:
                found.append(pair)
                stack.extend(pair.parents)
        return found


class TwoEngines(RuleBasedStateMachine):
    pairs = Bundle("pairs")

    def __init__(self):
        super().__init__()
        self.all = []

    def keep(self, pair):
        """Bound the values, so that long products stay within the digits of both engines."""
        values = oracle.values(pair.twin)
        if np.abs(values).max(initial=0.0) > 3.0:
            pair = Pair(
                ag.tanh(pair.tensor), oracle.objects(oracle.UNARY["tanh"](pair.twin)), [pair]
            )
        self.all.append(pair)
        return pair

    @initialize(target=pairs, shape=SHAPES, seed=SEEDS)
    def first(self, shape, seed):
        return self.leaf(shape, seed)

    @rule(target=pairs, shape=SHAPES, seed=SEEDS)
    def new_leaf(self, shape, seed):
        return self.leaf(shape, seed)

    def leaf(self, shape, seed):
        data = np.random.default_rng(seed).uniform(-2.0, 2.0, shape)
        leaf = ag.tensor(data, requires_grad=True)
        return self.keep(Pair(leaf, oracle.lift(data), tracked=True))

    @rule(target=pairs, shape=SHAPES, seed=SEEDS)
    def constant(self, shape, seed):
        data = np.random.default_rng(seed).uniform(-2.0, 2.0, shape)
        return self.keep(Pair(ag.tensor(data), oracle.lift(data), tracked=False))

    @rule(target=pairs, x=pairs, name=st.sampled_from(sorted(oracle.UNARY)))
    def unary(self, x, name):
        twin = oracle.objects(oracle.UNARY[name](x.twin))
        return self.keep(Pair(getattr(ag, name)(x.tensor), twin, [x]))

    @rule(target=pairs, x=pairs, y=pairs, name=st.sampled_from(sorted(oracle.BINARY)))
    def binary(self, x, y, name):
        try:
            np.broadcast_shapes(x.tensor.shape, y.tensor.shape)
        except ValueError:
            with pytest.raises(ag.ShapeError):
                getattr(ag, name)(x.tensor, y.tensor)
            return x
        twin = oracle.objects(oracle.BINARY[name](x.twin, y.twin))
        return self.keep(Pair(getattr(ag, name)(x.tensor, y.tensor), twin, [x, y]))

    @rule(target=pairs, x=pairs, array_first=st.booleans(), seed=SEEDS)
    def with_plain_array(self, x, array_first, seed):
        data = np.random.default_rng(seed).uniform(-2.0, 2.0, x.tensor.shape)
        other = oracle.lift(data)
        result = data * x.tensor if array_first else x.tensor * data
        data[...] = np.nan  # what was captured is a copy
        twin = oracle.objects(oracle.BINARY["multiply"](x.twin, other))
        return self.keep(Pair(result, twin, [x]))

    @rule(target=pairs, x=pairs, axis=st.sampled_from([None, 0, -1]))
    def sum(self, x, axis):
        axis = axis if x.tensor.ndim else None
        return self.keep(Pair(x.tensor.sum(axis=axis), oracle.summed(x.twin, axis), [x]))

    @rule(target=pairs, x=pairs, y=pairs)
    def matmul(self, x, y):
        if x.tensor.ndim != 2 or y.tensor.ndim != 2 or x.tensor.shape[1] != y.tensor.shape[0]:
            return x
        return self.keep(Pair(x.tensor @ y.tensor, oracle.product(x.twin, y.twin), [x, y]))

    @rule(target=pairs, x=pairs, data=st.data())
    def index(self, x, data):
        if not x.tensor.ndim:
            return x
        last = x.tensor.shape[0] - 1
        places = data.draw(st.lists(st.integers(-last - 1, last), min_size=1, max_size=3))
        places = data.draw(st.sampled_from([places, places[0], slice(None, None, -1), ...]))
        return self.keep(Pair(x.tensor[places], oracle.objects(x.twin[places]), [x]))

    @rule(target=pairs, x=pairs)
    def transpose_and_flatten(self, x):
        twin = x.twin.T.reshape(-1)
        return self.keep(Pair(x.tensor.T.reshape(-1), twin, [x]))

    @rule(target=pairs, x=pairs, y=pairs)
    def join(self, x, y):
        if x.tensor.shape != y.tensor.shape:
            return y
        return self.keep(Pair(ag.stack([x.tensor, y.tensor]), np.stack([x.twin, y.twin]), [x, y]))

    @rule(target=pairs, x=pairs)
    def detach(self, x):
        return self.keep(Pair(x.tensor.detach(), oracle.detached(x.twin), tracked=False))

    @rule(target=pairs, x=pairs)
    def without_recording(self, x):
        with ag.no_grad():
            result = ag.cos(x.tensor)
        twin = oracle.detached(oracle.objects(oracle.UNARY["cos"](x.twin)))
        return self.keep(Pair(result, twin, tracked=False))

    @rule(x=pairs, retain=st.booleans(), seed=SEEDS)
    def backward(self, x, retain, seed):
        ct = np.random.default_rng(seed).normal(size=x.tensor.shape)
        graph = x.ancestors()
        if not x.tracked or any(pair.released for pair in graph):
            with pytest.raises(ag.GraphError):
                x.tensor.backward(ct, retain_graph=retain)
            return
        x.tensor.backward(ct, retain_graph=retain)
        found = oracle.gradients(list(x.twin.ravel()), ct.ravel())
        for leaf in (pair for pair in graph if pair.leaf):
            grad = np.array([found.get(id(scalar), 0.0) for scalar in leaf.twin.ravel()])
            grad = grad.reshape(leaf.twin.shape)
            leaf.grad = grad if leaf.grad is None else leaf.grad + grad
        if not retain:
            for pair in graph:
                pair.released = not pair.leaf

    @rule(x=pairs)
    def forget_gradient(self, x):
        if x.leaf:
            x.tensor.grad = x.grad = None

    @invariant()
    def values_agree(self):
        for pair in self.all[-3:]:
            want = oracle.values(pair.twin)
            np.testing.assert_allclose(pair.tensor.numpy(), want, rtol=1e-11, atol=1e-12)
            assert pair.tensor.requires_grad == pair.tracked
            assert pair.tensor.is_leaf == (pair.leaf or not pair.tracked)

    @invariant()
    def gradients_agree(self):
        for pair in self.all:
            if pair.grad is None:
                assert pair.tensor.grad is None
            else:
                np.testing.assert_allclose(pair.tensor.grad, pair.grad, rtol=1e-9, atol=1e-9)


TestTwoEngines = TwoEngines.TestCase
TestTwoEngines.settings = settings(
    max_examples=5 * settings().max_examples, stateful_step_count=40
)


def test_the_oracle_knows_its_derivatives():
    step = 1e-6
    for name, f in oracle.UNARY.items():
        for x in (-1.3, 0.4, 2.1):
            point = oracle.lift(x)
            result = oracle.objects(f(point))
            slope = oracle.gradients([result[()]], [1.0])[id(point[()])]
            ends = [oracle.objects(f(oracle.lift(x + h)))[()].value for h in (step, -step)]
            assert abs(slope - (ends[0] - ends[1]) / (2 * step)) < 1e-8, name


def test_the_machine_notices_a_missed_accumulation():
    found = settings(
        max_examples=50, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )
    with engine("sweep", rewritten("known + part", "part")), pytest.raises(AssertionError):
        run_state_machine_as_test(TwoEngines, settings=found)
