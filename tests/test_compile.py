"""Compiled functions do what the functions do: all ops, optimizers, and every trap."""

import copy

import numpy as np
import pytest
from applications import applications, call, differentiable, draw
from test_lowering import THOROUGH
from twins import batches, close, layer, same_training, twins

import autograd_core as ag
import optim

OPS = list(ag.OPS.values())


def again(x, seed):
    """Return other numbers of the same kind: the signs and the order of size are kept."""
    rng = np.random.default_rng(seed)
    return x * rng.uniform(0.97, 1.03) if x.dtype.kind == "f" else x


# ----------------------------------------------------------------------------- everything


@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_every_operation_and_its_pullback(op):
    for operands, attributes in applications(op)[:2]:
        tracked = differentiable(op, operands) if op.nondiff is None else ()

        def function(*arrays, tracked=tracked, attributes=attributes):
            if not tracked:
                return (call(op, arrays, attributes) + 0,)
            leaves = [arrays[i] for i in tracked]
            value, pull = ag.vjp(
                lambda *points: call(op, _with(arrays, tracked, points), attributes), *leaves
            )
            return (value, *pull(ag.cos(value)))

        compiled = ag.compile(function, audit=False, native=False)
        for seed in range(4):
            arrays = [again(x, seed) for x in operands]
            got, want = compiled(*arrays), function(*arrays)
            for g, w in zip(got, want, strict=True):
                close(g, w)
        (kind,) = compiled.kinds.values()
        assert kind.runs == 2, compiled.explain()


ELEMENTWISE = [
    op
    for op in OPS
    if op.pointwise and op.nondiff is None and not op.attributes and op.name != "float_power"
]  # which is float64 always


# `test_scalars` computes every expression in both types; sharing a loop is tried in one.
@pytest.mark.parametrize("start", range(0, len(ELEMENTWISE), 12))
@pytest.mark.parametrize("second", [0, 1] if THOROUGH else [0])
def test_elementwise_operations_in_one_loop(start, second):
    dtype = (np.float32, np.float64)[(start // 12 + second) % 2]
    chosen = ELEMENTWISE[start : start + 12]
    rng = np.random.default_rng(start)
    given = [draw(op, rng, [(5, 4)] * len(op.operands))[0] for op in chosen]
    given = [[x.astype(dtype) for x in operands] for operands in given]

    def function(factor, *flat):
        operands = iter(flat)
        results = [call(op, [next(operands) for _ in op.operands], {}) for op in chosen]
        return tuple(result * factor for result in results)

    flat = [x for operands in given for x in operands]
    compiled = ag.compile(function, audit=False)
    factors = [np.asarray(f, dtype) for f in (1.0, 1.25, 0.5)]
    for factor in factors:
        tensors = [ag.tensor(x) for x in (factor, *flat)]
        got, want = compiled(*tensors), function(*tensors)
    assert len(compiled.programs[0].segments) == 1, compiled.explain()
    for op, g, w, operands in zip(chosen, got, want, given, strict=True):
        size = max(np.abs(w.numpy()).max(), *(np.abs(x).max() for x in operands))
        error = np.abs(g.numpy() - w.numpy()).max()
        assert error <= 8 * np.finfo(dtype).eps * size, f"{op.name}: {error}"


def test_sums_products_and_views_natively():
    rng = np.random.default_rng(0)

    def function(x, w, b):
        y = ag.linear(x, w, b)
        z = ag.transpose(ag.reshape(y, shape=(2, 3, 4)), axes=(2, 0, 1))
        total = ag.sum(z * z, axis=(0, 2)) + ag.mean(y[1:5:2, ::-1])
        rows = ag.sum(ag.broadcast_to(total, shape=(3, 2)) @ y[:2], axis=0, keepdims=True)
        return ag.sum(y.T @ x, axis=1), rows, ag.mean(z, axis=-1), y[None, :, 0] * 2.0, z

    both = ag.compile(ag.value_and_grad(lambda *p: ag.sum(ag.sin(_all(function(*p)))), (0, 1, 2)))
    plain = ag.value_and_grad(lambda *p: ag.sum(ag.sin(_all(function(*p)))), (0, 1, 2))
    compiled = ag.compile(function)
    for _ in range(5):
        points = [rng.normal(size=shape) for shape in ((6, 5), (4, 5), (4,))]
        tensors = [ag.tensor(x) for x in points]
        for got, want in zip(compiled(*tensors), function(*tensors), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-13, atol=1e-13)
        (value, slopes), (right, others) = both(*points), plain(*points)
        np.testing.assert_allclose(value, right, rtol=1e-12)
        for got, want in zip(slopes, others, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-10)
    assert not compiled.programs[0].islands, compiled.explain()


def test_a_sum_that_threads_share_and_its_gradient():
    rng = np.random.default_rng(0)
    plain = ag.value_and_grad(lambda x: ag.sum(ag.tanh(x) * ag.sigmoid(x)))
    compiled = ag.compile(plain)
    for _ in range(4):
        x = rng.normal(size=300_000).astype(np.float32)
        (value, slope), (right, wanted) = compiled(x), plain(x)
        np.testing.assert_allclose(value, right, rtol=1e-5)
        np.testing.assert_allclose(slope, wanted, rtol=1e-5, atol=1e-5)
    assert not compiled.programs[0].islands, compiled.explain()


def _all(parts):
    return ag.concatenate([ag.ravel(part) for part in parts])


def _with(arrays, tracked, points):
    full = list(arrays)
    for i, point in zip(tracked, points, strict=True):
        full[i] = point
    return full


OPTIMIZERS = [
    getattr(optim, name)
    for name in optim.__all__
    if isinstance(getattr(optim, name), type)
    and issubclass(getattr(optim, name), optim.Optimizer)
    and getattr(optim, name) is not optim.Optimizer
]


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_every_optimizer(kind):
    one, two = twins(lambda params: kind(params, lr=0.01), model_of=layer)
    same_training(one, two, batches())
    assert "a program" in one[0].explain(), one[0].explain()


def test_a_schedule_sets_the_rate_without_another_program():
    one, two = twins(lambda params: optim.Adam(params, lr=0.01))

    def slower(i, optimizer):
        optimizer.lr = 0.01 / (1 + i)

    same_training(one, two, batches(12), slower)
    assert len(one[0].kinds) == 1
    assert "run 8 times" in one[0].explain()


def test_changed_hyperparameters_and_loaded_states_are_seen():
    one, two = twins(lambda params: optim.SGD(params, lr=0.01))

    def changing(i, optimizer):
        if i == 5:
            optimizer.momentum = 0.9
        if i == 8:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    same_training(one, two, batches(14), changing)


def test_the_arrays_stay_the_same_ones():
    step, model, _ = twins(lambda params: optim.Adam(params, lr=0.01))[0]
    before = [p.data for p in model.parameters()]
    for x, y in batches():
        step(x, y)
    assert all(p.data is array for p, array in zip(model.parameters(), before, strict=True))
