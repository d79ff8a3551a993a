"""What must hold for every operation: functions ``law(op, operands, attributes)``.

A law raises AssertionError where it is broken. Nothing here knows a particular op: what to draw
comes from the op's declaration (`samples`, `domain`, the defaults of its attributes), and an op
that has to be excepted says so there (``except_laws={"law": "reason"}``). `LAWS` holds all laws by
name; `test_laws.py` is the product of `LAWS` and `OPS`.
"""

from __future__ import annotations

import inspect
import itertools
import weakref
from dataclasses import dataclass
from unittest import mock

import numpy as np
from applications import (
    backward,
    call,
    cast,
    differentiable,
    draw,
    gradients_of,
    of_tracked,
)
from truths import truth

import autograd_core as ag

LAWS = {}


@dataclass(frozen=True)
class Tolerance:
    """How far apart two results may be, relative to the size of what they are made of."""

    rounding: float  # the same formula, evaluated in another order
    numeric: float = np.nan  # against difference quotients, which are taken in float64 only


TOLERANCES = {
    np.dtype(np.float64): Tolerance(rounding=1e-12, numeric=1e-8),
    np.dtype(np.float32): Tolerance(rounding=3e-6),
}


def law(function):
    LAWS[function.__name__] = function
    return function


# ----------------------------------------------------------------------- the comparing


def dtype_of(*arrays):
    floats = [np.asarray(a).dtype for a in arrays if np.asarray(a).dtype in TOLERANCES]
    return min(floats, key=lambda d: d.itemsize, default=np.dtype(np.float64))


def size_of(*arrays):
    """Return the largest finite magnitude, at least 1."""
    magnitudes = (np.abs(np.asarray(a, float)) for a in arrays)
    return max((float(m[np.isfinite(m)].max(initial=1.0)) for m in magnitudes), default=1.0)


def agree(got, want, what, scale=1.0):
    """Assert that two arrays are the same to rounding; NaN equals NaN, inf equals inf."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    tolerance = TOLERANCES[dtype_of(got, want)].rounding
    np.testing.assert_allclose(
        got, want, rtol=tolerance, atol=tolerance * scale, err_msg=what, equal_nan=True
    )


def same(got, want, what):
    """Assert that two arrays are the same, bit for bit."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype} instead of {want.dtype}"
    assert np.array_equal(got, want, equal_nan=got.dtype.kind == "f"), f"{what}: {got} != {want}"


def dot(x, y):
    return float(np.sum(np.asarray(x, np.float64) * np.asarray(y, np.float64)))


def normal(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


def slope(f, step=2e-3):
    """Return f'(0) of a smooth function of one number, by extrapolated central differences.

    Richardson (1911): the errors h² and h⁴ are eliminated by halving the step twice.
    """
    rough, middle, fine = ((f(h) - f(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    better, best = (4 * middle - rough) / 3, (4 * fine - middle) / 3
    return (16 * best - better) / 15


def check_pullback(f, pull, points, ct, what):
    """Assert for each point that ⟨ct, J t⟩ from differences equals ⟨Jᵀ ct, t⟩ in a direction t."""
    value = f(*points)
    assert np.shape(value) == np.shape(ct)
    cotangents = pull(ct)
    tolerance = TOLERANCES[np.dtype(np.float64)].numeric
    noise = 1e-3 * tolerance * (1.0 + dot(np.abs(ct), np.abs(value)))
    for i, (point, cotangent) in enumerate(zip(points, cotangents, strict=True)):
        (direction,) = normal(i + 1, point.shape)
        direction /= size_of(direction)

        def along(h, i=i, direction=direction):
            moved = [p + h * direction if i == j else p for j, p in enumerate(points)]
            return dot(ct, f(*moved))

        numeric, claimed = slope(along), dot(cotangent, direction)
        bound = tolerance * max(abs(numeric), abs(claimed)) + noise
        assert abs(numeric - claimed) <= bound, (
            f"{what}, operand {i}: {claimed} claimed, {numeric} measured"
        )


# ----------------------------------------------------------------------------- the laws


@law
def value(op, operands, attributes):
    """Arrays and tensors give what an independent formula gives."""
    want = truth(op)(*operands, **attributes)
    plain = call(op, operands, attributes)
    assert not isinstance(plain, ag.Tensor)
    agree(plain, want, "on arrays", size_of(*operands))
    constants = [ag.tensor(x) for x in operands]
    agree(call(op, constants, attributes).numpy(), plain, "on constants")
    leaves = [ag.tensor(x, requires_grad=x.dtype.kind == "f") for x in operands]
    result = call(op, leaves, attributes)
    assert isinstance(result, ag.Tensor) and result.requires_grad == (op.nondiff is None)
    same(result.numpy(), plain, "on tensors")


@law
def pullback(op, operands, attributes):
    """Each rule agrees with central differences in a random direction."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    (ct,) = normal(0, np.shape(f(*points)))
    check_pullback(f, lambda ct: backward(op, operands, attributes, ct)[1], points, ct, "pullback")


@law
def jacobian(op, operands, attributes):
    """Every entry of the Jacobian agrees with central differences."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    shape = np.shape(f(*points))
    count = int(np.prod(shape))
    units = np.eye(count).reshape(count, *shape)
    rows = [backward(op, operands, attributes, unit)[1] for unit in units]
    for i, point in enumerate(points):
        for where in np.ndindex(point.shape):
            column = slope(lambda h, i=i, where=where: f(*moved(points, i, where, h)))
            claimed = np.array([row[i][where] for row in rows]).reshape(shape)
            bound = TOLERANCES[np.dtype(np.float64)].numeric * size_of(column, f(*points))
            error = np.abs(column - claimed).max(initial=0.0)
            assert error <= bound, f"operand {i}, entry {where}: {claimed} for {column}"


def moved(points, i, where, h):
    points = [np.array(point) for point in points]
    points[i][where] += h
    return points


@law
def adjoint(op, operands, attributes):
    """⟨ct, jvp(t)⟩ = ⟨vjp(ct), t⟩ to rounding."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    value, pull = ag.vjp(f, *points)
    (ct,) = normal(0, np.shape(value))
    tangents = normal(1, *(point.shape for point in points))
    forward = dot(ct, ag.jvp(f, points, tangents)[1])
    parts = [np.asarray(a) * b for a, b in zip(pull(ct), tangents, strict=True)]
    back = sum(float(part.sum()) for part in parts)
    agree(forward, back, "jvp against vjp", sum(float(np.abs(p).sum()) for p in parts) + 1.0)


@law
def second_order(op, operands, attributes):
    """The pullback, a function of the cotangent and the operands, has a right pullback itself."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    for i in range(len(points)):

        def first(ct, *points, i=i):
            return ag.vjp(f, *points)[1](ct)[i]

        (ct,) = normal(0, np.shape(f(*points)))
        (seed,) = normal(1, points[i].shape)
        pull = ag.vjp(first, ct, *points)[1]
        check_pullback(first, pull, [ct, *points], seed, f"second order, of operand {i}")


@law
def linear(op, operands, attributes):
    """An op whose rules remember neither operands nor result is linear, with any step."""
    names = {*op.operands, "out"}
    if not gradients_of(op) or any(names & set(named(rule)) for rule in op.rules.values()):
        return
    f, points = of_tracked(op, operands, attributes)
    whole = [np.rint(4.0 * point) for point in points]
    steps = [np.rint(3.0 * d) for d in normal(0, *(point.shape for point in points))]
    ahead = f(*(x + t for x, t in zip(whole, steps, strict=True)))
    tangent = ag.jvp(f, whole, steps)[1]
    agree(tangent, np.asarray(ahead) - f(*whole), "a step of any length", size_of(ahead))


def named(rule):
    """Return what a rule asks to remember: its parameters after the cotangent."""
    return tuple(inspect.signature(rule).parameters)[1:]


@law
def metadata(op, operands, attributes):
    """Results have NumPy's shape and dtype, cotangents those of the operand."""
    for kind in (np.float64, np.float32):
        given = cast(operands, kind)
        want = np.asarray(truth(op)(*given, **attributes))
        got = call(op, [ag.tensor(x) for x in given], attributes)
        assert (got.shape, got.dtype) == (want.shape, want.dtype), f"{got.dtype} for {want.dtype}"
        if gradients_of(op):
            for i, grad in zip(
                differentiable(op, given), backward(op, given, attributes)[1], strict=True
            ):
                assert (grad.shape, grad.dtype) == (given[i].shape, given[i].dtype)


@law
def mixed(op, operands, attributes):
    """Operands of several dtypes promote as in NumPy; a Python number never widens float32."""
    if not op.pointwise or len(operands) < 2 or not gradients_of(op):
        return
    tracked = differentiable(op, operands)
    for i in tracked:
        kinds = [np.float32 if i == j else np.float64 for j in range(len(operands))]
        given = [x.astype(kind) for x, kind in zip(operands, kinds, strict=True)]
        out, grads = backward(op, given, attributes)
        assert out.dtype == np.float64
        assert [g.dtype for g in grads] == [kinds[j] for j in tracked]
        numbers = [x.astype(np.float32) if i == j else 1.5 for j, x in enumerate(operands)]
        if not op.facets.get("internal"):
            assert backward(op, numbers, attributes, tracked=(i,))[0].dtype == np.float32


@law
def single(op, operands, attributes):
    """Float32 gives what float64 gives at the same point, value and pullback."""
    narrow = cast(operands, np.float32)
    wide = cast(narrow, np.float64)
    got, want = call(op, narrow, attributes), call(op, wide, attributes)
    scale = size_of(*operands, want)
    agree(np.asarray(got, np.float32), np.asarray(want, np.float32), "value", scale)
    if gradients_of(op):
        (ct,) = normal(0, np.shape(want))
        ct = ct.astype(np.float32)
        pairs = (backward(op, x, attributes, ct)[1] for x in (narrow, wide))
        for low, high in zip(*pairs, strict=True):
            agree(low, high.astype(np.float32), "pullback", size_of(high, *operands))


@law
def purity(op, operands, attributes):
    """Operands and seed stay as they were; the same call gives the same bits, its own arrays."""
    before = [x.copy() for x in operands]
    first = np.array(call(op, operands, attributes))
    same(call(op, operands, attributes), first, "a second evaluation")
    if gradients_of(op):
        seed = np.ones(first.shape)
        _, grads = backward(op, operands, attributes, seed)
        same(seed, np.ones(first.shape), "the seed")
        for one, two in zip(grads, backward(op, operands, attributes, seed)[1], strict=True):
            same(one, two, "a second sweep")
        for one, two in itertools.combinations([seed, *operands, *grads], 2):
            own = not (np.shares_memory(one, two) and any(one is g or two is g for g in grads))
            assert own, "a gradient shares its memory"
        assert all(grad.flags.writeable for grad in grads)
    for x, copy in zip(operands, before, strict=True):
        same(x, copy, "an operand")


LAYOUTS = {
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x,
    "Fortran": lambda x: np.array(x, order="F"),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
}


@law
def layout(op, operands, attributes):
    """Neither strides nor order nor the write flag of an operand change a result."""
    want = call(op, operands, attributes)
    scale = size_of(want, *operands)
    for name, change in LAYOUTS.items():
        given = [change(x) for x in operands]
        assert all(np.array_equal(a, b) for a, b in zip(given, operands, strict=True))
        agree(call(op, given, attributes), want, name, scale)
        if gradients_of(op):
            pairs = (backward(op, x, attributes)[1] for x in (given, operands))
            for got, plain in zip(*pairs, strict=True):
                agree(got, plain, f"pullback, {name}", size_of(plain, *operands))


@law
def small(op, operands, attributes):
    """Elementwise ops take arrays of no dimension and of no element."""
    if not op.pointwise:
        return
    for shape in ((), (0,), (2, 0, 3)):
        few, _ = draw(op, np.random.default_rng(0), [shape] * len(operands))
        assert np.shape(call(op, few, attributes)) == shape
        if gradients_of(op):
            out, grads = backward(op, few, attributes)
            assert [out.shape, *(g.shape for g in grads)] == [shape] * (1 + len(grads))


@law
def memory(op, operands, attributes):
    """A node keeps what its rules name, and keeps nothing else alive."""
    if not gradients_of(op):
        return
    tracked = differentiable(op, operands)
    chosen = [ag.tensor(x, requires_grad=i in tracked) for i, x in enumerate(operands)]
    values = [x + 0.0 if i in tracked else x for i, x in enumerate(chosen)]
    out = call(op, values, attributes)
    node = out.node
    wanted = set()
    for _, rule, remembered in node.edges:
        assert len(rule.needs) == len(remembered), f"{len(remembered)} values for {rule.needs}"
        wanted |= set(rule.needs)
    arrays = {name: v.numpy() for name, v in zip(op.operands, values, strict=False)}
    arrays = {} if op.variadic else arrays | {"out": out.numpy()}
    shared = {name for name, a in arrays.items() if name != "out" and meets(a, arrays["out"])}
    alive = {name: weakref.ref(array.base) for name, array in arrays.items()}
    del arrays, values, chosen, out
    for name, reference in alive.items():
        if name not in shared and not (name == "out" and shared):
            kept = reference() is not None
            assert kept == (name in wanted), f"{name} is {'kept' if kept else 'gone'}"


def meets(one, two):
    return np.shares_memory(one, two)


HOST_READS = ("__array__", "__bool__", "__float__", "__int__", "data", "item")


def refused(*_):
    raise AssertionError("a rule reads a tensor into Python: the derivative freezes there")


def without_values(x):
    """Stand in for `Tensor.numpy`: asking for the shape is free, no value can be had."""
    return np.full(x.shape, None)


@law
def unfrozen(op, operands, attributes):
    """Rules, comparisons and masks in them included, are made of ops alone."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    (ct,) = normal(0, np.shape(f(*points)))
    patches = dict.fromkeys(HOST_READS, refused) | {"numpy": without_values}
    with mock.patch.multiple(ag.Tensor, **patches):
        ag.vjp(lambda ct, *points: ag.vjp(f, *points)[1](ct), ct, *points)


@law
def fan_out(op, operands, attributes):
    """What is used twice gets the sum: a result, a leaf, and one tensor as several operands."""
    if not gradients_of(op):
        return
    f, points = of_tracked(op, operands, attributes)
    leaves = [ag.tensor(x, requires_grad=True) for x in points]
    one = f(*leaves)
    seeds = normal(0, one.shape, one.shape, one.shape)
    total = (one * seeds[0]).sum() + (one * seeds[1]).sum() + (f(*leaves) * seeds[2]).sum()
    total.backward()
    _, want = backward(op, operands, attributes, sum(seeds))
    for leaf, grad in zip(leaves, want, strict=True):
        agree(leaf.grad, grad, "used twice downstream", size_of(grad, *seeds, *points))
    shared_operand(op, operands, attributes)


def shared_operand(op, operands, attributes):
    tracked = differentiable(op, operands)
    if len(tracked) < 2 or len({operands[i].shape for i in tracked}) > 1:
        return
    x = operands[tracked[0]]
    equal = [x if i in tracked else y for i, y in enumerate(operands)]
    with np.errstate(all="ignore"):
        _, grads = backward(op, equal, attributes)
        leaf = ag.tensor(x, requires_grad=True)
        out = call(op, [leaf if i in tracked else y for i, y in enumerate(operands)], attributes)
    out.backward(np.ones(out.shape))
    agree(leaf.grad, sum(grads), "one tensor as several operands", size_of(*grads))


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e300, -1e300, 1e-300, 710.0, -750.0)


def special_grid(op, operands):
    # Textbook derivatives have no digits left at 710, where the kernels have all of them.
    count = 7 if len(operands) > 2 else 10 if truth(op).naive else 12
    axes = [np.array(SPECIAL[:count])] * len(operands)
    return [np.ascontiguousarray(x) for x in np.meshgrid(*axes)] if len(axes) > 1 else axes


@law
def extremes(op, operands, attributes):
    """NaN and infinities go in and come out as in NumPy, and no sweep complains about them."""
    if not op.pointwise:
        return
    grid = special_grid(op, operands)
    with np.errstate(all="ignore"):
        got = np.asarray(call(op, grid, attributes))
        want = np.asarray(truth(op)(*grid, **attributes))
        leaves = [ag.tensor(x, requires_grad=True) for x in grid]
        same(call(op, leaves, attributes).numpy(), got, "on tensors")
    # A textbook formula has NaN where a kernel knows the limit (silu at -inf, 0 times anything),
    # and loses a NaN in comparisons (relu).
    lost = np.any(np.isnan(grid), axis=0)
    better = np.where(np.isnan(want), ~lost | (got == 0), lost & np.isnan(got)) & truth(op).naive
    agree(got[~better], want[~better], "extreme values")
    if gradients_of(op):
        _, grads = backward(op, grid, attributes)
        assert all(grad.shape == got.shape for grad in grads)


@law
def strong_zero(op, operands, attributes):
    """Where the cotangent is exactly zero, so is what it is handed on as: no 0 · inf, no NaN."""
    if not op.pointwise or not gradients_of(op):
        return
    grid = special_grid(op, operands)
    _, grads = backward(op, grid, attributes, np.zeros(grid[0].shape))
    for i, grad in enumerate(grads):
        bad = {tuple(float(x[j]) for x in grid) for j in zip(*np.nonzero(grad), strict=True)}
        assert not bad, f"operand {i}: {sorted(bad)[:3]}"
