"""Matrix products from compiled code: every shape, layout and sum, and machines without a BLAS."""

import ctypes
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from twins import in_threads

from autograd_core.errors import UnknownNameError
from autograd_core.kernels import blas, jit, tiling
from autograd_core.kernels.products import ROOM, product_source

ROOT = Path(__file__).resolve().parent.parent
DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
DTYPES = ("float32", "float64")
FLAGS = list(itertools.product((False, True), repeat=2))
# Along rows, along columns, along terms, a vector, an outer product, a scalar, and the BLAS's.
SHAPES = [(9, 3, 2), (2, 9, 3), (3, 2, 9), (11, 1, 13), (12, 10, 1), (1, 1, 1), (13, 11, 17)]
EMPTY = [(0, 3, 2), (3, 0, 2), (3, 2, 0), (20, 30, 0), (0, 0, 0), (20, 0, 30)]

needs_blas = pytest.mark.skipif(not blas.available(), reason=blas.describe())


@pytest.fixture
def untiled(monkeypatch):
    """Let products be the library's wherever they are not written out."""
    monkeypatch.setattr(tiling, "machine", lambda: None)


def compiled(product, dtype):
    """Return a function of three arrays; the matrices begin at elements 1, 2 and 3."""
    size = np.dtype(dtype).itemsize
    lines = [
        "import numpy as np",
        product.definition,
        "def multiply(x, y, z):",
        f"    a, b = x.ctypes.data + {size}, y.ctypes.data + {2 * size}",
        f"    c = z.ctypes.data + {3 * size}",
        f"    room = np.empty({product.room}, np.{dtype})",
        f"    {product.call.replace(ROOM, 'room.ctypes.data')}",
    ]
    arrays = ", ".join([f"{dtype}[::1]"] * 3)
    return jit.compile_source("multiply", "\n".join(lines) + "\n", f"({arrays})")


def block(buffer, first, shape, distance):
    """Return the matrix in a buffer whose rows begin so many elements apart."""
    size = buffer.itemsize
    return np.ndarray(shape, buffer.dtype, buffer, first * size, (distance * size, size))


def check(dtype, m, n, k, transpose_a, transpose_b, accumulate, wider=0):
    """Compare with NumPy in long double, and see that nothing beside C was written."""
    stored_a, stored_b = (k, m) if transpose_a else (m, k), (n, k) if transpose_b else (k, n)
    distances = stored_a[1] + wider, stored_b[1] + wider, n + wider
    rng = np.random.default_rng(m + 10 * n + 100 * k)
    highest = max(m, n, k)
    x, y, z = rng.normal(size=(3, 4 + highest * (highest + wider))).astype(dtype)
    rows = dict(zip(("lda", "ldb", "ldc"), distances, strict=True)) if wider else {}
    flags = dict(transpose_a=transpose_a, transpose_b=transpose_b, accumulate=accumulate)
    product = product_source(dtype, m, n, k, "a", "b", "c", **flags, **rows)
    a = block(x, 1, stored_a, distances[0]).astype(np.longdouble)
    b = block(y, 2, stored_b, distances[1]).astype(np.longdouble)
    want = z.copy()
    inner = block(want, 3, (m, n), distances[2])
    product_exactly = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    inner[:] = product_exactly + inner if accumulate else product_exactly
    keep = x.copy(), y.copy()
    compiled(product, dtype)(x, y, z)
    np.testing.assert_array_equal(keep, (x, y))
    bound = 4 * (k + 1) * np.finfo(dtype).eps
    np.testing.assert_allclose(z, want, rtol=0, atol=bound * 9)
    mask = np.ones(z.size, bool)
    block(mask, 3, (m, n), distances[2])[:] = False
    np.testing.assert_array_equal(z[mask], want[mask])


@pytest.mark.parametrize("shape", SHAPES + EMPTY, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_are_right(dtype, shape):
    for transpose_a, transpose_b in FLAGS if 0 not in shape else [(False, True)]:
        check(dtype, *shape, transpose_a, transpose_b, accumulate=transpose_a)


@pytest.mark.parametrize("shape", [(9, 3, 2), (2, 9, 3), (3, 2, 9), (13, 11, 17)], ids=str)
@pytest.mark.parametrize("accumulate", [False, True])
def test_blocks_of_larger_matrices(shape, accumulate):
    for transpose_a, transpose_b in FLAGS:
        check("float32", *shape, transpose_a, transpose_b, accumulate, wider=3)


def test_the_shape_decides(untiled, monkeypatch):
    def kind(*shape, **options):
        return product_source("float32", *shape, "a", "b", "c", **options).call.split("_")[0]

    def tiled(*shape, **options):
        return "tiled" in product_source("float32", *shape, "a", "b", "c", **options).definition

    assert kind(32, 3, 3) == kind(3, 2, 5000) == kind(4, 64, 4) == "sproduct"
    assert kind(32, 8, 8, transpose_b=True).startswith("sproduct")
    assert kind(20, 30, 0) == "sproduct"  # not every BLAS takes rows of no elements
    if blas.available():
        assert kind(32, 8, 8).startswith("sgemm(False, False, 32, 8, 8, 1, a, 8, b, 8, 0, c, 8)")
        assert kind(32, 1, 32).startswith("sgemm") and kind(32, 32, 1).startswith("sgemm")
    monkeypatch.setattr(tiling, "machine", lambda: tiling.Machine(64, 32))
    assert tiled(32, 32, 64, transpose_b=True) and tiled(784, 128, 64, transpose_a=True)
    assert not tiled(3, 3, 32) and not tiled(4, 64, 64, transpose_b=True)
    if blas.available():
        assert not tiled(2000, 2000, 2000) and not tiled(1000, 3, 1000)


GEMM = """
import numpy as np

{declaration}

def scaled(x, y, z, alpha, beta):
    {letter}gemm(False, True, 2, 2, 3, alpha, x.ctypes.data, 3, y.ctypes.data, 3, beta,
        z.ctypes.data, 2)
"""


@needs_blas
@pytest.mark.parametrize("dtype", DTYPES)
def test_factors(dtype):
    text = GEMM.format(declaration=blas.declaration(dtype), letter=blas.LETTERS[dtype])
    scaled = jit.compile_source("scaled", text)
    x, y = np.arange(6, dtype=dtype), np.ones(6, dtype)
    z = np.full(4, np.nan, dtype)
    scaled(x, y, z, 2, 0)  # what was there is not read
    assert z.tolist() == [6.0, 6.0, 24.0, 24.0]
    scaled(x, y, z, -1.0, 0.5)
    assert z.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_views():
    for dtype in DTYPES:
        text = (
            "import numpy as np\n"
            "def double(address, n):\n"
            f"    x = view(address, n, np.{dtype})\n"
            "    x[:] = x + x\n"
        )
        double = jit.compile_source("double", text)
        x = np.arange(5, dtype=dtype)
        double(x.ctypes.data + x.itemsize, 3)
        double(x.ctypes.data, 0)
        assert x.tolist() == [0.0, 2.0, 4.0, 6.0, 4.0]
    with pytest.raises(TypeError if DISABLED else numba.errors.TypingError):
        double(0.5, 1)


def test_sums_in_any_order_keep_nan_and_inf():
    text = (
        "@inline_reordered\n"
        "def total(x):\n"
        "    s, missing = 0.0, 0.0\n"
        "    for i in range(x.size):\n"
        "        s += x[i]\n"
        "        missing += 1.0 if x[i] != x[i] else 0.0\n"
        "    return s, missing\n"
        "def add(x, out):\n"
        "    out[0], out[1] = total(x)\n"
    )
    add, out = jit.compile_source("add", text), np.empty(2)
    for special in (np.nan, np.inf, -np.inf):
        add(np.array([1.0, special, 2.0] * 9), out)
        np.testing.assert_array_equal(out, [special, 9 * np.isnan(special)])


def test_threads_at_once():
    multiply = compiled(product_source("float64", 40, 50, 60, "a", "b", "c"), "float64")
    x, y = np.random.default_rng(0).normal(size=(2, 3010))
    want = x[1:2401].reshape(40, 60) @ y[2:3002].reshape(60, 50)
    wrong = []

    def work():
        z = np.empty(2003)
        for _ in range(50):
            z[:] = 0
            multiply(x, y, z)
            if not np.allclose(z[3:].reshape(40, 50), want, rtol=0, atol=1e-12):
                wrong.append(z)

    in_threads(4, work)
    assert not wrong


# ---------------------------------------------------------------------------- other processes

ANOTHER = """
import os, sys
import numpy as np
from autograd_core.kernels import blas, jit, tiling
from autograd_core.kernels.products import product_source
assert "numba" not in sys.modules
product = product_source("float32", 20, 30, 40, "x.ctypes.data", "y.ctypes.data", "z.ctypes.data")
assert "numba" not in sys.modules
head = f"import numpy as np\\n{product.definition}\\n"
text = f"{head}def multiply(x, y, z):\\n    {product.call}\\n"
multiply = jit.compile_source("multiply", text)
x, y = np.ones((20, 40), np.float32), np.ones((40, 30), np.float32)
def result():
    z = np.zeros((20, 30), np.float32)
    multiply(x.reshape(-1), y.reshape(-1), z.reshape(-1))
    return z
assert (result() == 40).all()
"""
HITS = "print(sum(multiply.stats.cache_hits.values()), sum(multiply.stats.cache_misses.values()))"
FORK = """
if blas.available():
    blas.set_num_threads(2)
big = np.ones((512, 512), np.float32)
big @ big  # the library's threads exist now
child = os.fork()
if not child:
    os._exit(0 if (result() == 40).all() and (big @ big == 512).all() else 1)
assert os.waitpid(child, 0)[1] == 0
assert (result() == 40).all()
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "default::DeprecationWarning", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_kept_code_finds_the_library_in_the_next_process(tmp_path):
    first, second = (run(ANOTHER + HITS, AUTOGRAD_CORE_CACHE=str(tmp_path)) for _ in range(2))
    assert (first, second) == ("0 1", "1 0")


def test_without_a_cache():
    assert run(ANOTHER + HITS, AUTOGRAD_CORE_CACHE="/dev/null/x") == "0 1"


def test_without_compilation():
    run(ANOTHER, NUMBA_DISABLE_JIT="1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_in_a_forked_child():
    run(ANOTHER + FORK)


# ----------------------------------------------------------------------- which library, and none


@needs_blas
def test_describe_names_function_owner_and_integers():
    text = blas.describe()
    assert "gemm" in text and ("NumPy" in text or "SciPy" in text) and ", int" in text


def test_without_a_library(library):
    library()
    assert not blas.available()
    assert blas.describe().startswith("none: neither NumPy's nor SciPy's library")
    assert "gemm" not in product_source("float64", 20, 30, 40, "a", "b", "c").definition
    for transpose_a, transpose_b in FLAGS:
        check("float64", 13, 11, 17, transpose_a, transpose_b, accumulate=transpose_b)
    with pytest.raises(UnknownNameError, match=r"needs a BLAS .* but got none: .*`products`"):
        blas.declaration("float32")
    with pytest.raises(UnknownNameError, match=r"must have cblas_sgemm, but got none: .* anew"):
        blas.function("cblas_sgemm", "void(int32)")
    with pytest.raises(
        UnknownNameError, match=r"threads: .* but got none: .*environment variable"
    ):
        blas.set_num_threads(1)


def test_a_library_that_cannot_be_loaded_or_has_no_products(library):
    library(("NumPy", "/no/such/library.so"), ("NumPy", ctypes.pythonapi._name))
    assert not blas.available()


def test_a_function_that_computes_something_else_is_not_taken(library, monkeypatch):
    nothing = ctypes.CFUNCTYPE(None)
    calls = []
    fake = nothing(lambda *args: calls.append(args))
    monkeypatch.setattr(blas, "_symbol", lambda library, name: fake if "gemm" in name else None)
    assert not blas.available()


def test_the_library_of_scipy_has_32_bit_integers(library):
    fblas = pytest.importorskip("scipy.linalg._fblas")
    library(("SciPy", fblas.__file__))
    if not blas.available():
        pytest.skip("this SciPy has no CBLAS")
    assert "of SciPy" in blas.describe()
    for transpose_a, transpose_b in FLAGS:
        check("float32", 13, 11, 17, transpose_a, transpose_b, accumulate=True, wider=2)


# ------------------------------------------------------------------------------------ threads


@needs_blas
def test_number_of_threads():
    before = blas.get_num_threads()
    try:
        for threads in (2, np.int64(1)):
            blas.set_num_threads(threads)
            assert blas.get_num_threads() == threads
    finally:
        blas.set_num_threads(before)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", None])
def test_number_of_threads_must_be_one(threads):
    with pytest.raises(ValueError, match=r"must be a positive integer, but got .*\. Pass 1 or m"):
        blas.set_num_threads(threads)
