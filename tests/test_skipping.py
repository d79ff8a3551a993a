"""Products that leave out zeros: every number that is not zero counts, and each NaN stays one."""

from collections import OrderedDict

import numpy as np
import pytest
from test_blas import DISABLED
from test_tiles import HERE, MACHINES
from twins import step_of

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import sharing
from autograd_core.compiler.lowering import products as lowered
from autograd_core.compiler.running import Stale
from autograd_core.kernels import blas, sparse, tiling
from autograd_core.kernels.jit import compile_source
from autograd_core.kernels.products import (
    ROOM,
    nonzeros_source,
    product_source,
    skipping_source,
)

pytestmark = pytest.mark.skipif(
    DISABLED or HERE is None, reason="nothing is compiled, or without fused multiply-add"
)
DTYPES = ["float32", "float64"]


@pytest.fixture(params=MACHINES, ids=str)
def machine(request, monkeypatch):
    """Let the processor have other vectors: LLVM emulates what it lacks."""
    monkeypatch.setattr(tiling, "machine", lambda: request.param)
    monkeypatch.setattr(sparse, "machine", lambda: request.param)
    return request.param


def sparse_matrix(rng, shape, dtype, density=0.5):
    """Return a matrix of normal numbers and zeros, of which every other has a sign."""
    zeros = np.where(rng.random(shape) < 0.5, 0.0, -0.0)
    return np.where(rng.random(shape) < density, rng.normal(size=shape), zeros).astype(dtype)


def both(sizes, a, b, c):
    """Return C, what is returned and what was counted, by our product."""
    given = ("a", "words", "b", "c", "0", str(sparse.panels(sizes)))
    bits, found = nonzeros_source(sizes, "a", "words"), skipping_source(sizes, *given)
    result = found.call if found.checked else "0.0"
    other = "pass" if found.checked else found.call
    text = (
        f"import numpy as np\n{bits.definition}{found.definition}\n"
        "def run(a, words, b, c, counted):\n"
        f"    view(counted, 1, np.int64)[0] = {bits.call}\n    {other}\n    return {result}\n"
    )
    run = compile_source("run", text, f"({', '.join(['intp'] * 5)})")
    words, count, target = np.zeros(sparse.words(sizes), np.int64), np.zeros(1, np.int64), c.copy()
    returned = run(*(x.ctypes.data for x in (a, words, b, target, count)))
    return target, returned, count[0]


# Panels that are whole and not, terms of one word and of several, more rows than are done at once.
SHAPES = [(9, 40, 33), (5, 130, 64), (3, 300, 65), (7, 65, 200), (600, 17, 70), (1, 8, 1)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_without_its_zeros_is_the_same(machine, dtype, turned):
    rng = np.random.default_rng(0)
    for i, (m, n, k) in enumerate(SHAPES if machine is MACHINES[0] else SHAPES[:3]):
        accumulate, checked, wider = i % 2 == 0, i % 3 == 0, i % 2 * 3
        a = sparse_matrix(rng, (m, k + wider), dtype)
        b = rng.normal(size=(n, k + wider) if turned else (k, n + wider)).astype(dtype)
        c = rng.normal(size=(m, n + wider)).astype(dtype)
        rows = (a.shape[1], b.shape[1], c.shape[1])
        sizes = tiling.Sizes(dtype, m, n, k, False, turned, *rows, accumulate, checked)
        found, zero, count = both(sizes, a, b, c)
        right = b[:, :k].T if turned else b[:, :n]
        want = a[:, :k].astype(np.longdouble) @ right + accumulate * c[:, :n]
        bound = 40 * (k + 1) * np.finfo(dtype).eps
        np.testing.assert_allclose(found[:, :n], want, rtol=0, atol=bound)
        np.testing.assert_array_equal(found[:, n:], c[:, n:])
        assert count == np.count_nonzero(a[:, :k]) and zero == 0


@pytest.mark.parametrize("accumulate", [False, True])
def test_it_rounds_as_tiles_do(accumulate):
    rng = np.random.default_rng(11)
    m, n, k = 40, 150, 300
    a, b = sparse_matrix(rng, (m, k), np.float32), rng.normal(size=(k, n)).astype(np.float32)
    start = rng.normal(size=(m, n)).astype(np.float32)
    sizes = tiling.Sizes("float32", m, n, k, False, False, k, n, n, accumulate)
    tiles = product_source("float32", m, n, k, "a", "b", "c", accumulate=accumulate)
    assert "tiled" in tiles.definition
    text = f"import numpy as np\n{tiles.definition}\ndef run(a, b, c, room):\n    "
    run = compile_source(
        "run", text + tiles.call.replace(ROOM, "room") + "\n", "(intp, intp, intp, intp)"
    )
    other, room = start.copy(), np.zeros(max(tiles.room, 1), np.float32)
    run(*(x.ctypes.data for x in (a, b, other, room)))
    found, _, _ = both(sizes, a, b, start)
    np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("density", [0.0, 0.02, 1.0])
def test_rows_of_nothing_but_zeros_and_rows_without(density):
    rng = np.random.default_rng(1)
    a = sparse_matrix(rng, (20, 150), np.float32, density)
    b = rng.normal(size=(150, 70)).astype(np.float32)
    for accumulate in (False, True):
        sizes = tiling.Sizes("float32", 20, 70, 150, False, False, 150, 70, 70, accumulate)
        start = rng.normal(size=(20, 70)).astype(np.float32)
        found, _, count = both(sizes, a, b, start)
        np.testing.assert_allclose(found, a @ b + accumulate * start, rtol=0, atol=1e-4)
        assert count == np.count_nonzero(a)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("turned", [False, True])
def test_zero_times_infinity_is_still_nan(bad, turned):
    rng = np.random.default_rng(2)
    a = sparse_matrix(rng, (12, 150), np.float32)
    a[3] = 0.0
    b = rng.normal(size=(150, 200)).astype(np.float32)
    b[149, 5] = b[2, 190] = b[70, 131] = bad
    stored = b.T.copy() if turned else b
    sizes = tiling.Sizes("float32", 12, 200, 150, False, turned, 150, stored.shape[1], 200, False)
    found, zero, _ = both(sizes._replace(checked=True), a, stored, np.zeros((12, 200), np.float32))
    with np.errstate(invalid="ignore"):
        want = a @ b
    np.testing.assert_array_equal(np.isnan(found), np.isnan(want))
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-4)
    assert np.isnan(found[3, [5, 131, 190]]).all() and np.isnan(zero)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_no_number_in_a_counts(bad):
    rng = np.random.default_rng(3)
    a, b = sparse_matrix(rng, (4, 40), np.float64), rng.normal(size=(40, 64))
    a[2, 39] = bad
    sizes = tiling.Sizes("float64", 4, 64, 40, False, False, 40, 64, 64, False, True)
    found, zero, count = both(sizes, a, b, np.zeros((4, 64)))
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), [True, True, False, True])
    assert np.isnan(zero) and count == np.count_nonzero(a)


def test_panels_one_by_one_are_the_product():
    rng = np.random.default_rng(4)
    a = sparse_matrix(rng, (10, 90), np.float32)
    b = rng.normal(size=(90, 700)).astype(np.float32)
    sizes = tiling.Sizes("float32", 10, 700, 90, False, False, 90, 700, 700, False)
    bits = nonzeros_source(sizes, "a", "words")
    found = skipping_source(sizes, "a", "words", "b", "c", "begin", "end")
    text = (
        f"import numpy as np\n{bits.definition}{found.definition}\n"
        f"def run(a, words, b, c, begin, end):\n    {bits.call}\n    {found.call}\n"
    )
    run = compile_source("run", text, f"({', '.join(['intp'] * 6)})")
    words, c = np.zeros(sparse.words(sizes), np.int64), np.full((10, 700), 7, np.float32)
    panels = sparse.panels(sizes)
    assert panels > 2
    for i in reversed(range(panels)):
        begin = i * sparse.vectors(sizes) * HERE.lanes("float32")
        assert (c[:, begin:][:, :1] == 7).all()
        run(*(x.ctypes.data for x in (a, words, b, c)), i, i + 1)
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=1e-4)


def test_the_plain_functions_are_the_same():
    rng = np.random.default_rng(5)
    a, b = sparse_matrix(rng, (6, 9), np.float64), rng.normal(size=(9, 7))
    c = np.zeros((6, 7))
    sizes = tiling.Sizes("float64", 6, 7, 9, False, False, 9, 7, 7, False)
    sparse.plain_skipping(*sizes)(a.ctypes.data, 0, b.ctypes.data, c.ctypes.data, 0, 1)
    np.testing.assert_allclose(c, a @ b, rtol=1e-14, atol=1e-14)
    assert sparse.plain_nonzeros(*sizes)(a.ctypes.data, 0) == np.count_nonzero(a)


# ---------------------------------------------------------------------------------- in programs


def network(activation="relu", dropout=0.0):
    rng = np.random.default_rng(6)
    model = nn.MLP([70, 96, 128, 5], activation=activation, dropout=dropout)
    for p in model.parameters():
        p.assign(rng.normal(size=p.shape).astype(np.float32) / np.sqrt(p.shape[-1]))
    return model


def batches(count, rows=96):
    rng = np.random.default_rng(7)
    for _ in range(count):
        yield rng.normal(size=(rows, 70)).astype(np.float32), rng.integers(0, 5, rows)


def texts(compiled):
    return "".join(segment.source for segment in compiled.programs[0].segments)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 3.0], ids=["half are zero", "none is zero"])
def test_a_training_with_relu_is_what_it_is_eagerly(threads, shift, monkeypatch):
    if threads > 1 and not blas.can_be_held():
        pytest.skip("this BLAS keeps the number of its threads to itself")
    monkeypatch.setattr(lowered, "TILED", 1 << 16)
    monkeypatch.setattr(sparse, "ROW", 128)  # panels enough to share
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        models = [network() for _ in range(2)]
        for model in models:
            for name, p in model.named_parameters():
                if name.endswith("bias"):
                    p.assign(p.numpy() + np.float32(shift))
        steps = [
            step_of(m, optim.SGD(m.parameters(), lr=0.05), nn.CrossEntropyLoss()) for m in models
        ]
        compiled = ag.compile(steps[0], audit=False)
        for x, y in batches(6):
            found, wanted = compiled(ag.tensor(x), ag.tensor(y)), steps[1](ag.tensor(x), y)
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5)
        for p, q in zip(*(m.parameters() for m in models), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-5)
    finally:
        ag.set_num_threads(before)
    # Forward, and the gradients of a weight and of what goes into it.
    assert texts(compiled).count(" = snonzeros") == texts(compiled).count("sskipping") == 4
    assert ("begin, end)" in texts(compiled)) is (threads > 1)
    assert "zeros left out of 4 products where they are many" in compiled.explain()


def test_where_few_are_zero_the_other_product_is_taken(monkeypatch):
    def sevens(body, x, y, sizes, out, *_, **__):
        body.nest(sizes[:2], [f"{body.at(out)} = 7.0"])
        return "pass"

    monkeypatch.setattr(lowered, "_line", sevens)
    monkeypatch.setattr(sharing, "_FAMILIES", OrderedDict())  # else they share a program
    product = ag.compile(lambda x, w: ag.relu(x) @ w, audit=False)
    rng = np.random.default_rng(8)
    w = rng.normal(size=(128, 96)).astype(np.float32)
    for density, taken in [(0.5, True)] * 3 + [(0.9, False), (0.6, True), (0.8, False)]:
        x = np.where(rng.random((96, 128)) < density, 1.0, -1.0).astype(np.float32)
        found = product(x, w).numpy()
        wanted = np.maximum(x, 0) @ w if taken else np.full((96, 96), 7.0)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_a_gradient_that_overflows_updates_nothing():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    compiled = ag.compile(step_of(model, optimizer, nn.CrossEntropyLoss()), audit=False)
    for x, y in batches(4):
        compiled(ag.tensor(x), ag.tensor(y))
    assert "sskipping_96x70x96_nn_96_70_70_checked" in texts(compiled)
    before = [p.numpy().copy() for p in model.parameters()]
    x = np.where(x == x.max(), np.float32(np.inf), x)
    run = compiled.programs[0].run  # alone: what it does not do is not done
    with np.errstate(all="ignore"), pytest.raises(Stale, match="not finite"):
        run((x, y))
    for p, was in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), was)


MAKERS = {
    "relu": (lambda x: ag.relu(x), True),
    "relu6": (lambda x: ag.relu6(x) * 2.0, True),
    "maximum": (lambda x: ag.maximum(x, 0.0), True),
    "where": (lambda x: ag.where(x > 0.5, x, 0.0), True),
    "mask": (lambda x: x * (x > 0.5), True),
    "turned": (lambda x: ag.relu(x.T).T, True),
    "tanh": (lambda x: ag.tanh(x), False),
    "where of another": (lambda x: ag.where(x > 0.5, x, 1.0), False),
    "added to": (lambda x: ag.relu(x) + 1.0, False),
}


@pytest.mark.parametrize(("maker", "sparse"), MAKERS.values(), ids=MAKERS)
def test_what_makes_zeros(maker, sparse):
    rng = np.random.default_rng(9)
    product = ag.compile(lambda x, w: maker(x) @ w, audit=False)
    x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((128, 96), (96, 80)))
    for scale in (1, 2, 3):
        found = product(x * np.float32(scale), w)
    assert ("skipping" in texts(product)) is sparse
    wanted = maker(ag.tensor(x * np.float32(3))).numpy() @ w
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["argument", "captured", "turned"])
@pytest.mark.parametrize("density", [0.2, 0.9])
def test_data_with_many_zeros(kind, density, monkeypatch):
    monkeypatch.setattr(sharing, "_FAMILIES", OrderedDict())  # else they share a program
    rng = np.random.default_rng(10)
    x = sparse_matrix(rng, (96, 128), np.float32, density)
    w = rng.normal(size=(128, 96)).astype(np.float32)
    functions = {
        "argument": lambda x, w: ag.tanh(x @ w),
        "captured": lambda _, w: ag.tanh(ag.tensor(x) @ w),
        "turned": lambda x, w: ag.tanh(x.T @ w.T).T,
    }
    product = ag.compile(functions[kind], audit=False)
    for scale in (1, 2, 3):
        found = product(x if kind == "captured" else x * np.float32(scale), w)
        wanted = functions[kind](ag.tensor(x) * np.float32(scale), ag.tensor(w)).numpy()
        w = w / 2
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-4)
    assert ("skipping" in texts(product)) is (density < 0.5)


def test_dropout_makes_zeros():
    model = network("tanh", dropout=0.5)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    compiled = ag.compile(step_of(model, optimizer, nn.CrossEntropyLoss()), audit=False)
    for x, y in batches(3):
        compiled(ag.tensor(x), ag.tensor(y))
    assert "skipping" in texts(compiled)


def test_small_products_are_not_bothered():
    assert not sparse.worth(tiling.Sizes("float32", 32, 64, 32, True, False, 32, 64, 64, False))
    assert not sparse.worth(
        tiling.Sizes("float32", 900, 10, 900, False, False, 900, 10, 10, False)
    )
    assert sparse.worth(tiling.Sizes("float32", 128, 784, 64, True, False, 128, 784, 784, False))
