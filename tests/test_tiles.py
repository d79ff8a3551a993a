"""Products in tiles: sizes that fill no tile, long sums, crowded rows, other processors."""

from collections import OrderedDict

import numpy as np
import pytest
from test_blas import DISABLED, FLAGS, check

import autograd_core as ag
from autograd_core.compiler import sharing
from autograd_core.compiler.lowering import products as lowered
from autograd_core.kernels import tiles, tiling
from autograd_core.kernels.jit import compile_source
from autograd_core.kernels.products import product_source, turn_source

HERE = tiling.machine()
MACHINES = [tiling.Machine(64, 32), tiling.Machine(32, 16), tiling.Machine(16, 32)]
PLAIN = [flags for flags in FLAGS if flags != (True, True)]

pytestmark = pytest.mark.skipif(
    DISABLED or HERE is None, reason="nothing is compiled, or without fused multiply-add"
)

# One tile, several, rests of rows, columns and terms, two depths, rows that crowd a cache.
SHAPES = [(14, 32, 5), (29, 50, 33), (9, 16, 100), (8, 17, 9), (15, 31, 1), (11, 40, 900)]
BY_ROWS = [(40, 1024, 12), (33, 77, 16), (6, 2105, 150), (3, 4096, 100)]
CROWDED = [(12, 256, 40), (20, 512, 20)]


@pytest.fixture(params=MACHINES, ids=str)
def machine(request, monkeypatch):
    """Let the processor have other vectors: LLVM emulates what it lacks."""
    monkeypatch.setattr(tiling, "machine", lambda: request.param)
    return request.param


def in_tiles(dtype, shape, transposed):
    flags = dict(zip(("transpose_a", "transpose_b"), transposed, strict=True))
    return product_source(dtype, *shape, "a", "b", "c", **flags).definition.count("tiled")


@pytest.mark.parametrize("transposed", PLAIN, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes_of_every_kind(machine, dtype, transposed):
    few = SHAPES if machine is MACHINES[0] else SHAPES[1:3]
    assert all(in_tiles(dtype, shape, transposed) for shape in few)
    for i, shape in enumerate(few):
        check(dtype, *shape, *transposed, accumulate=i % 2 == 0, wider=i % 3)


@pytest.mark.parametrize("shape", CROWDED, ids=str)
def test_rows_that_crowd_the_cache_are_copied(shape):
    m, n, k = shape
    sizes = tiling.Sizes("float32", m, n, k, False, False, k, n, n, False)
    assert tiling.room(sizes) and not tiling.room(sizes._replace(ldb=n + 3))
    check("float32", *shape, False, False, accumulate=False)
    check("float32", *shape, True, False, accumulate=True)


def test_rows_on_many_pages_are_copied(monkeypatch):
    monkeypatch.setattr(tiling, "machine", lambda: MACHINES[0])
    sizes = tiling.Sizes("float32", 40, 200, 700, False, False, 700, 200, 200, False)
    assert tiling.room(sizes)
    assert not tiling.room(sizes._replace(m=28))  # too few rows to make up for the copy
    assert not tiling.room(sizes._replace(k=64))  # on fewer pages
    check("float32", 40, 200, 700, False, False, accumulate=True)
    check("float32", 40, 200, 700, True, False, accumulate=False)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("shape", BY_ROWS, ids=str)
def test_tiles_along_rows(shape, accumulate, transposed):
    m, n, k = shape
    row = m if transposed else k
    sizes = tiling.Sizes("float32", m, n, k, transposed, False, row, n, n, accumulate)
    assert tiling.Plan(sizes).by_rows and not tiling.room(sizes)
    check("float32", *shape, transposed, False, accumulate)


@pytest.mark.parametrize("accumulate", [False, True])
def test_wide_tiles(monkeypatch, accumulate):
    monkeypatch.setattr(tiling, "LARGE", 1000)
    check("float32", 21, 100, 30, False, True, accumulate)
    check("float64", 21, 100, 30, False, False, accumulate)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(16, 32), (37, 50), (8, 5), (20, 70)], ids=str)
def test_turned_matrices(dtype, shape):
    m, n = shape
    rng = np.random.default_rng(2)
    t, c = rng.normal(size=(n, m + 3)).astype(dtype), rng.normal(size=(m, n + 4)).astype(dtype)
    wanted = c.copy()
    wanted[:, :n] = t[:, :m].T
    turn = tiling.Turn(dtype, m, n, m + 3, n + 4)
    found = turn_source(turn, "t", "c")
    text = f"import numpy as np\n{found.definition}\ndef run(t, c):\n    {found.call}\n"
    for run in compile_source("run", text, "(intp, intp)"), tiling.plain_turn(*turn):
        result = c.copy()
        run(t.ctypes.data, result.ctypes.data)
        np.testing.assert_array_equal(result, wanted)


# Batches of few rows in a layer, and what would rather be done as it is written.
LAYERS = {(16, 48, 130): True, (24, 50, 200): True, (16, 20, 130): False, (16, 48, 64): False}


@pytest.mark.skipif(HERE is not None and HERE.width < 64, reason="sixteen rows fill two vectors")
@pytest.mark.parametrize(("shape", "is_turned"), LAYERS.items(), ids=str)
def test_layers_of_few_rows_are_turned(shape, is_turned):
    m, n, k = shape
    rng = np.random.default_rng(4)
    w, b = rng.normal(size=(n, k)).astype(np.float32), rng.normal(size=n).astype(np.float32)
    layer = ag.compile(lambda x: ag.tanh(x @ ag.tensor(w).T + ag.tensor(b)))
    for _ in range(3):
        x = rng.normal(size=(m, k)).astype(np.float32)
        found = layer(x).numpy()
        np.testing.assert_allclose(found, np.tanh(x @ w.T + b), rtol=0, atol=1e-4)
    (segment,) = layer.programs[0].segments
    assert ("turned_" in segment.source) is is_turned


@pytest.mark.skipif(HERE is not None and HERE.width < 64, reason="sixteen rows fill two vectors")
def test_a_turned_layer_rounds_as_the_other_does(monkeypatch):
    rng = np.random.default_rng(4)
    sizes = 32, 96, 300
    w, b = rng.normal(size=sizes[1:]).astype(np.float32), rng.normal(size=96).astype(np.float32)
    x = rng.normal(size=sizes[::2]).astype(np.float32)
    found = []
    for least in lowered.LONG_ENOUGH, 1000:
        monkeypatch.setattr(lowered, "LONG_ENOUGH", least)
        monkeypatch.setattr(sharing, "_FAMILIES", OrderedDict())  # else they share a program
        layer = ag.compile(lambda x: ag.tanh(ag.linear(x, ag.tensor(w), ag.tensor(b))))
        for scale in (1, 2, 3):
            layer(x * np.float32(scale))
        (segment,) = layer.programs[0].segments
        assert ("turned_" in segment.source) is (least < 1000)
        found.append(layer(x).numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("transposed", PLAIN, ids=str)
@pytest.mark.parametrize("accumulate", [False, True])
def test_the_plain_product_is_the_same(transposed, accumulate):
    rng = np.random.default_rng(1)
    transpose_a, transpose_b = transposed
    a = rng.normal(size=(6, 9) if transpose_a else (9, 6))
    b = rng.normal(size=(7, 6) if transpose_b else (6, 7))
    c = rng.normal(size=(9, 7))
    want = (a.T if transpose_a else a) @ (b.T if transpose_b else b) + accumulate * c
    given = ("float64", 9, 7, 6, *transposed, a.shape[1], b.shape[1], 7, accumulate)
    tiling.plain(*given)(a.ctypes.data, b.ctypes.data, c.ctypes.data, 0)
    np.testing.assert_allclose(c, want, rtol=1e-14, atol=1e-14)


def test_equal_products_of_a_text_are_emitted_once(monkeypatch, tmp_path):
    emitted = []
    begin = tiles._Product.__init__

    def noted(self, *given):
        emitted.append(given[0])
        begin(self, *given)

    monkeypatch.setattr(tiles._Product, "__init__", noted)
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(tmp_path))  # nothing is loaded
    products = [product_source("float32", m, 40, 31, "a", "b", "c") for m in (21, 22)]
    calls = [p.call.replace("ROOM", "a") for p in (*products, products[0], products[0])]
    head = f"import numpy as np\n{products[0].definition}{products[1].definition}"
    text = "\n    ".join([f"{head}def run(a, b, c, d):", "c, d = d, c", *calls]) + "\n"
    run = compile_source("run", text, "(intp, intp, intp, intp)")
    assert len(emitted) == 2
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(22, 31)).astype(np.float32), rng.normal(size=(31, 40))
    b, c = b.astype(np.float32), np.zeros((22, 40), np.float32)
    run(*(x.ctypes.data for x in (a, b, c, c)))
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=1e-4)
