"""`scan`: values and derivatives against the loop written out; what it refuses, in its words."""

import gc
from collections import namedtuple

import numpy as np
import pytest

import autograd_core as ag

RNG = np.random.default_rng(3)
W, U, B = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=3)
H, XS = RNG.normal(size=3), RNG.normal(size=(7, 2))


def cell(w, u, b):
    def step(h, x):
        h = ag.tanh(w @ h + u @ x + b)
        return h, ag.sum(h * h)

    return step


def by_scan(w, u, b, h, xs, **options):
    h, ys = ag.scan(cell(w, u, b), h, xs, **options)
    return ag.sum(h) + ag.sum(ys * np.arange(1.0, 8.0))


def by_loop(w, u, b, h, xs, reverse=False):
    total = 0.0
    for i in reversed(range(7)) if reverse else range(7):
        h, y = cell(w, u, b)(h, xs[i])
        total = total + y * (i + 1.0)
    return ag.sum(h) + total


both = pytest.mark.parametrize("recompute", [False, True])


# ------------------------------------------------------------------------ values


@both
def test_carry_and_results_as_in_numpy(recompute):
    carry, ys = ag.scan(lambda c, x: (c + x, c * x), 10.0, np.arange(4.0), recompute=recompute)
    assert carry == 16.0
    np.testing.assert_array_equal(ys, [0.0, 10.0, 22.0, 39.0])
    carry, ys = ag.scan(lambda c, x: (c + x, c * x), 10.0, np.arange(4.0), reverse=True)
    np.testing.assert_array_equal(ys, [0.0, 15.0, 26.0, 30.0])
    assert carry == 16.0


def test_any_nesting_and_none():
    Pair = namedtuple("Pair", "a b")

    def f(carry, x):
        p, count = carry["p"], carry["count"]
        new = {"p": Pair(p.b + x[0]["left"], p.a * x[1]), "count": count + 1}
        return new, {"sum": p.a + p.b, "nothing": None, "pair": (count, [p.a])}

    xs = [{"left": np.ones((3, 2))}, np.full(3, 2.0)]
    init = {"p": Pair(np.zeros(2), np.ones(2)), "count": 0}
    carry, ys = ag.scan(f, init, xs)
    assert isinstance(carry["p"], Pair) and carry["count"] == 3
    assert ys["nothing"] is None
    np.testing.assert_array_equal(ys["pair"][0], [0, 1, 2])
    np.testing.assert_array_equal(ys["sum"], [[1, 1], [2, 2], [5, 5]])
    np.testing.assert_array_equal(ys["pair"][1][0], [[0, 0], [2, 2], [1, 1]])


def test_length_without_xs_and_a_carry_of_nothing():
    carry, ys = ag.scan(lambda c, x: (c * 2, x), 1, length=5, unroll=2)
    assert (carry, ys) == (32, None)
    carry, ys = ag.scan(lambda c, x: (c, x * 2.0), None, np.arange(3.0), length=3)
    assert carry is None
    np.testing.assert_array_equal(ys, [0.0, 2.0, 4.0])


def test_keys_may_come_back_in_another_order():
    init = {"a": np.zeros(2), "b": 1.0}
    carry, ys = ag.scan(
        lambda c, _: ({"b": c["b"] + 1, "a": c["a"] + c["b"]}, dict(c)), init, length=3
    )
    assert carry["b"] == 4.0
    np.testing.assert_array_equal(carry["a"], [6.0, 6.0])
    np.testing.assert_array_equal(ys["b"], [1.0, 2.0, 3.0])


def test_python_numbers_do_not_widen():
    x = ag.tensor(np.ones(4, np.float32), requires_grad=True)
    carry, ys = ag.scan(lambda c, x: (c + x, 2.0 * x), 0.0, x)
    assert carry.dtype == ys.dtype == np.float32


@both
def test_no_iterations_give_empty_results(recompute):
    def f(carry, x):
        return carry + ag.sum(x), {"y": ag.log(x), "n": None}

    init = ag.tensor(2.0, requires_grad=True)
    carry, ys = ag.scan(f, init, np.ones((0, 5), np.float32), recompute=recompute)
    assert carry is init
    assert ys["y"].shape == (0, 5) and ys["y"].dtype == np.float32
    assert ys["n"] is None
    assert ag.grad(lambda c: ag.scan(f, c, length=0, xs=np.ones((0, 5)))[0])(1.0) == 1.0


# ------------------------------------------------------------------- derivatives


@both
@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_by_everything(recompute, reverse):
    def f(*inputs):
        return by_scan(*inputs, reverse=reverse, recompute=recompute)

    inputs = W, U, B, H, XS
    value, gradients = ag.value_and_grad(f, argnums=(0, 1, 2, 3, 4))(*inputs)
    want, wanted = ag.value_and_grad(by_loop, argnums=(0, 1, 2, 3, 4))(*inputs, reverse=reverse)
    np.testing.assert_allclose(value, want, rtol=1e-13)
    for found, expected in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@both
def test_forward_mode(recompute):
    tangents = [RNG.normal(size=x.shape) for x in (W, U, B, H, XS)]
    f = lambda *inputs: by_scan(*inputs, recompute=recompute)  # noqa: E731
    _, found = ag.jvp(f, (W, U, B, H, XS), tangents)
    _, want = ag.jvp(by_loop, (W, U, B, H, XS), tangents)
    np.testing.assert_allclose(found, want, rtol=1e-12)


@both
def test_second_order(recompute):
    f = lambda b: by_scan(W, U, b, b * H, XS, recompute=recompute)  # noqa: E731
    g = lambda b: by_loop(W, U, b, b * H, XS)  # noqa: E731
    np.testing.assert_allclose(ag.hessian(f)(B), ag.hessian(g)(B), rtol=1e-11)
    np.testing.assert_allclose(ag.hvp(f, B, H), ag.hvp(g, B, H), rtol=1e-11)
    jacobian = ag.jacobian(lambda b: ag.scan(cell(W, U, b), H, XS, recompute=recompute)[1])(B)
    assert jacobian.shape == (7, 3)
    np.testing.assert_allclose(np.arange(1.0, 8.0) @ jacobian + 0, _of_results(B), rtol=1e-11)


def _of_results(b):
    return ag.grad(lambda b: by_loop(W, U, b, H, XS) - ag.sum(_last(b)))(b)


def _last(b):
    h = H
    for x in XS:
        h, _ = cell(W, U, b)(h, x)
    return h


@both
def test_captured_parameters_and_backward(recompute):
    w, u, b = (ag.tensor(x, requires_grad=True) for x in (W, U, B))
    for _ in range(2):
        by_scan(w, u, b, H, XS, recompute=recompute).backward()
    wanted = ag.grad(by_loop, argnums=(0, 1, 2))(W, U, B, H, XS)
    for tensor, want in zip((w, u, b), wanted, strict=True):
        np.testing.assert_allclose(tensor.grad, 2 * want, rtol=1e-11)


def test_a_retained_graph_is_swept_again():
    b = ag.tensor(B, requires_grad=True)
    loss = by_scan(W, U, b, H, XS, recompute=True)
    loss.backward(retain_graph=True)
    once = b.grad.copy()
    loss.backward()
    np.testing.assert_allclose(b.grad, 2 * once)


def test_strong_zeros_hold_within_what_is_computed_again():
    def step(c, x):
        return c + ag.where(x > 0, ag.sqrt(x), 0.0), None

    for recompute in (False, True):
        found = ag.grad(lambda x: ag.scan(step, 0.0, x, recompute=recompute)[0])  # noqa: B023
        np.testing.assert_array_equal(found(np.array([4.0, 0.0, 1.0])), [0.25, 0.0, 0.5])


def test_the_careful_sweep_computes_the_same_again():
    def step(c, x):
        return c + x * x, x * (1.0 / x)  # not a number at 0, whatever mode the sweep is in

    found = ag.grad(lambda x: ag.scan(step, 0.0, x, recompute=True)[0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found(np.array([3.0, 0.0])), [6.0, 0.0])


@both
def test_dtypes_of_several_results(recompute):
    def step(c, x):
        return c * x, c.astype(np.float32)

    init, xs = np.float64(1.0) / 3, np.array([2.0, 3.0])

    def f(xs):
        return ag.scan(step, ag.tensor(init), xs, recompute=recompute)

    carry, ys = f(ag.tensor(xs, requires_grad=True))
    assert (carry.dtype, ys.dtype) == (np.float64, np.float32)
    assert carry == init * 6
    np.testing.assert_allclose(ag.grad(lambda xs: ag.sum(f(xs)[1]))(xs), [init, 0.0], rtol=1e-6)


@both
@pytest.mark.parametrize("native", [False, True])
def test_compiled(recompute, native):
    differentiate = ag.value_and_grad(lambda b, h: by_scan(W, U, b, h, XS, recompute=recompute))
    program = ag.compile(differentiate, native=native)
    for scale in (0.9, 1.1, 1.0, 0.7):
        value, gradient = program(scale * B, H)
        want, wanted = ag.value_and_grad(lambda b: by_loop(W, U, b, H, XS))(scale * B)
        np.testing.assert_allclose(value, want, rtol=1e-12)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-10)
    assert len(program.programs) == 1


# ------------------------------------------------------------------------ memory


def test_only_carries_are_remembered():
    def step(c, x):
        return ag.tanh(ag.sin(c * x) + ag.cos(c)), None

    counts = {}
    for recompute in (False, True):
        before = len(ag.tape())
        c = ag.tensor(np.ones(5), requires_grad=True)
        end, _ = ag.scan(step, c, np.ones(20), recompute=recompute)
        counts[recompute] = len(ag.tape()) - before
        del end, c
    assert counts[False] == 1 + 20 * 5
    assert counts[True] <= 1 + 20 * 2


@both
def test_nothing_is_left_behind(recompute):
    b = ag.tensor(B, requires_grad=True)
    gc.collect()
    before = len(ag.tape())
    gc.disable()
    try:
        loss = by_scan(W, U, b, H, XS, recompute=recompute)
        loss.backward(retain_graph=True)
        del loss
        assert len(ag.tape()) == before
    finally:
        gc.enable()


def test_indexing_costs_no_cotangent_of_the_whole_for_each_entry():
    sizes = []
    scatter = ag.OPS["scatter"].forward
    xs = ag.tensor(np.ones(256), requires_grad=True)
    end, _ = ag.scan(lambda c, x: (c + x * x, None), 0.0, xs)

    def counted(*args, **options):
        out = scatter(*args, **options)
        sizes.append(out.size)
        return out

    try:
        ag.OPS["scatter"].forward = counted
        end.backward(retain_graph=True)
        np.testing.assert_array_equal(xs.grad, np.full(256, 2.0))
    finally:
        ag.OPS["scatter"].forward = scatter
    assert sum(sizes) <= 256 * 2 * 8


# --------------------------------------------------------------------- refusals


def add(c, x):
    return c + x, c


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((add, 0.0), ag.ShapeError, "xs or length, but got neither. Pass xs"),
        ((add, 0.0, 3.0), ag.ShapeError, r"a first axis to run over, but got shapes \[\(\)\]"),
        (
            (add, 0.0, (np.ones(3), np.ones((4, 2)))),
            ag.ShapeError,
            r"xs of one length, but got shapes \[\(3,\), \(4, 2\)\]. Cut them",
        ),
        ((add, 0.0, np.ones(3), 4), ag.ShapeError, r"but got length=4 and shapes \[\(3,\)\]"),
        ((add, 0.0, None, -1), ag.ShapeError, "an integer from 0 on, but got -1"),
        ((add, 0.0, None, 2.0), ag.ShapeError, "an integer from 0 on, but got 2.0"),
        ((add, 0.0, np.ones(3), None, False, "all"), ag.ShapeError, "unroll.*but got 'all'"),
        (
            (lambda c, x: c, np.ones(2), np.ones(3)),
            ag.DTypeError,
            r"the pair \(carry, y\), but got ndarray.*Return \(carry, None\)",
        ),
        (
            (lambda c, x: ((c, c), x), 1.0, np.ones(3)),
            ag.ShapeError,
            r"a carry like the one that came in, an array of shape \(\), but got tuple",
        ),
        (
            (lambda c, x: (c[0], x), (1.0, 2.0), np.ones(3)),
            ag.ShapeError,
            "a carry like the one that came in: 2 in a sequence, but got float 1.0",
        ),
        (
            (lambda c, x: (None, x), 1.0, np.ones(3)),
            ag.ShapeError,
            "but got None. Return a carry of one kind",
        ),
        (
            (add, np.float64(0.0), np.ones((3, 2))),
            ag.ShapeError,
            r"shape \(\), but got an array of shape \(2,\)",
        ),
        (
            (add, np.float32(0.0), np.ones(3)),
            ag.DTypeError,
            "that came in, float32, but got float64",
        ),
        (
            (lambda c, x: (c + 1, np.ones(c)), 1, None, 3),
            ag.ShapeError,
            r"a result like the one of the first iteration, .*\(1,\), but got .*\(2,\)",
        ),
    ],
)
def test_what_it_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        ag.scan(*arguments)


def test_a_carry_of_another_kind_is_refused_without_iterations_too():
    with pytest.raises(ag.DTypeError, match="that came in, float32"):
        ag.scan(add, np.float32(0.0), np.ones(0))


def test_what_cannot_be_computed_again_is_refused():
    rng = np.random.default_rng(0)

    def noisy(c, x):
        return c * (x + rng.normal()), None

    c = ag.tensor(1.0, requires_grad=True)
    end, _ = ag.scan(noisy, c, np.ones(3), recompute=True)
    with pytest.raises(ag.GraphError, match=r"computes the same again .*test_scan.py:\d+ in test"):
        end.backward()
    assert c.grad is None


def test_a_parameter_overwritten_before_the_sweep_is_noticed():
    w = ag.tensor(np.ones(2), requires_grad=True)
    # The value does not depend on w here, its derivative does.
    x = ag.tensor(np.zeros((3, 2)), requires_grad=True)
    end, _ = ag.scan(lambda c, x: (c + ag.sum(w * x), None), 0.0, x, recompute=True)
    w.assign(np.full(2, 5.0))
    with pytest.raises(ag.MutationError, match="checkpoint at .* overwritten since"):
        end.backward()


def test_an_array_overwritten_before_the_sweep_was_copied():
    xs = np.ones((3, 2))
    w = ag.tensor(np.ones(2), requires_grad=True)
    end, _ = ag.scan(lambda c, x: (c + ag.sum(w * x), None), 0.0, xs, recompute=True)
    xs[:] = 7.0
    end.backward()
    np.testing.assert_array_equal(w.grad, [3.0, 3.0])
