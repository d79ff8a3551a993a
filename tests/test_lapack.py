"""LAPACK from compiled code: which library, what it says, and machines without one."""

import numpy as np
import pytest

from autograd_core.errors import UnknownNameError
from autograd_core.kernels import blas, jit, lapack

needs_lapack = pytest.mark.skipif(not lapack.available(), reason=lapack.describe())


def solved():
    """Solve 2 x = 6, 4 y = 8 in compiled code."""
    text = (
        f"{lapack.declaration('dgesv')}\n"
        "def solve(a, b, pivots, memory, out):\n"
        "    out[0] = dgesv(2, 1, a.ctypes.data, 2, pivots.ctypes.data, b.ctypes.data, 2,\n"
        "        memory.ctypes.data)\n"
    )
    solve = jit.compile_source("solve", f"import numpy as np\n{text}")
    b, failure = np.array([6.0, 8.0]), np.ones(1)
    pivots, memory = np.zeros(2, lapack.integer()), np.zeros(8, lapack.integer())
    solve(np.array([2.0, 0.0, 0.0, 4.0]), b, pivots, memory, failure)
    return failure.tolist(), b.tolist()


@needs_lapack
def test_a_system_of_equations():
    assert solved() == ([0.0], [3.0, 2.0])


@needs_lapack
def test_the_library_of_scipy_has_32_bit_integers(library):
    fblas = pytest.importorskip("scipy.linalg._fblas")
    library(("SciPy", fblas.__file__))
    if not lapack.available():
        pytest.skip("this SciPy has another LAPACK")
    assert lapack.integer() == "int32"
    assert solved() == ([0.0], [3.0, 2.0])


@needs_lapack
def test_workspaces_are_as_long_as_the_routine_says():
    work, iwork = lapack.workspace("dsyevd", job="V", triangle="L", n=50, lda=50)
    assert work >= 1 + 6 * 50 + 2 * 50**2 and iwork >= 3 + 5 * 50  # LAPACK's users' guide
    work, iwork = lapack.workspace("dgesdd", job="N", m=5, n=3, lda=5, ldu=5, ldvt=3)
    assert work >= 3 * 3 + max(5, 7 * 3) and iwork == 0
    assert lapack.workspace("dgeqrf", m=40, n=30, lda=40)[0] >= 30


@needs_lapack
def test_describe_names_the_library():
    assert "dgesv" in lapack.describe() and blas.describe() in lapack.describe()


def test_without_a_library(library):
    library()
    assert not lapack.available()
    assert lapack.describe().startswith("none: the BLAS has no LAPACK")
    with pytest.raises(UnknownNameError, match=r"needs a LAPACK, but got none: .*to NumPy"):
        lapack.declaration("dgesv")


@needs_lapack
@pytest.mark.parametrize("wrong", ["missing", "idle"])
def test_a_library_that_cannot_solve_is_not_taken(wrong, monkeypatch):
    known, lapack_of = blas.has, blas.function
    if wrong == "missing":
        monkeypatch.setattr(blas, "has", lambda name: "gesdd" not in name and known(name))
    else:
        idle = lambda name, signature: lambda *_: None  # noqa: E731
        monkeypatch.setattr(
            blas, "function", lambda *given: (idle if "gesv" in given[0] else lapack_of)(*given)
        )
    lapack._spelling_of.cache_clear()
    try:
        assert not lapack.available()
    finally:
        lapack._spelling_of.cache_clear()
