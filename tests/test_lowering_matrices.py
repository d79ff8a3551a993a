"""Products and linear algebra as machine code: layouts, stacks, failures, and what is refused."""

import numpy as np
import pytest
from test_lowering import THOROUGH, close, run

import autograd_core as ag
from autograd_core import linalg
from autograd_core.compiler.native import Segment, lowers
from autograd_core.compiler.record import Trace
from autograd_core.declare import OPS
from autograd_core.errors import MatrixError
from autograd_core.kernels import lapack
from autograd_core.modes import traced

needs_lapack = pytest.mark.skipif(not lapack.available(), reason=lapack.describe())
DTYPES = ["float32", "float64"]
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch):
    """Draw the same numbers whichever tests have run before."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(7))


def recording(*cases, given=True):
    """Return the trace of functions of tensors, the results as values, and as arrays.

    A case is a function and its arrays, which are given at each call or known by address.
    """
    trace = Trace([x for _, *arrays in cases for x in arrays if given])
    values, wanted = [], []
    for function, *arrays in cases:
        tensors = [ag.tensor(x) for x in arrays]
        for tensor, array in zip(tensors, arrays, strict=True):
            trace.same(tensor._value, array)
        with traced(trace), ag.no_grad(), np.errstate(all="ignore"):
            out = function(*tensors)
            values.append(trace.value(out._value))
            wanted.append(out._value.copy())
    return trace, values, wanted


def check(*cases, factor=1.0, given=False):
    """Compare functions, together as one piece of machine code, with themselves."""
    trace, values, wanted = recording(*cases, given=given)
    arrays = [x for _, *own in cases for x in own]
    dtype, passed = arrays[0].dtype, arrays if given else []
    assert all(lowers(step, dtype.name) for step in trace.steps), list(map(str, trace.steps))
    for got, want in zip(run(trace, passed, values, dtype.name), wanted, strict=True):
        close(got, want, factor * np.finfo(dtype).eps)


def refused(function, *arrays):
    """Whether a function cannot be machine code."""
    trace, _, _ = recording((function, *arrays))
    return not all(lowers(step, arrays[0].dtype.name) for step in trace.steps)


def given_up(function, good, bad):
    """Return why machine code recorded with one array gives up another."""
    trace, values, _ = recording((function, good))
    segment = Segment(trace.steps, set(values), "float64")
    arena = segment.arena()
    status = segment.run(bad, arena.table)
    return segment.reasons[status - 1] if status else None


def normal(*shape, dtype="float64"):
    return RNG.normal(size=shape).astype(dtype)


# ------------------------------------------------------------------------------ products

# Ways to lie in memory, each of an array of the shape that `wide` widens.
LAYOUTS = {
    "rows": lambda x: x,
    "columns": lambda x: ag.matrix_transpose(x),
    "backwards": lambda x: x[..., ::-1, :],
    "mirrored": lambda x: x[..., ::-1],
    "every second": lambda x: x[..., ::2],
    "a block": lambda x: x[..., 1:3, 1:],
}
SHAPES = [
    ((3, 5), (5, 4)),
    ((2, 3, 5), (5, 4)),  # one product of all rows
    ((2, 1, 3, 5), (4, 5, 2)),
    ((6, 5), (2, 5, 3)),
    ((2, 3, 1), (1, 3)),
    ((2, 1, 5), (5, 1)),
    ((1, 3, 5), (2, 5, 3)),
]


def laid_out(shape, how, dtype):
    """Return an array that has a shape once a layout is applied."""
    *stack, m, n = shape
    sizes = {"columns": (n, m), "every second": (m, 2 * n), "a block": (m + 1, n + 1)}
    return normal(*stack, *sizes.get(how, (m, n)), dtype=dtype)


def fits(shape, how):
    return how != "a block" or shape[-2] == 2


@pytest.mark.parametrize("number", range(len(LAYOUTS)))
def test_products_of_every_layout(number):
    dtype, names = DTYPES[number % 2], list(LAYOUTS)
    how_x, how_y = names[number], names[number - 1]
    pairs = [*SHAPES, ((2, 4), (4, 3)), ((5, 2, 2), (2, 2)), ((3, 2), (2, 2))]
    check(*(
        (
            lambda x, y: LAYOUTS[how_x](x) @ LAYOUTS[how_y](y),
            laid_out(of_x, how_x, dtype),
            laid_out(of_y, how_y, dtype),
        )
        for of_x, of_y in pairs
        if fits(of_x, how_x) and fits(of_y, how_y)
    ))  # fmt: skip


def test_vectors():
    for dtype in DTYPES:
        vector, matrices = normal(5, dtype=dtype), normal(2, 3, 5, dtype=dtype)
        check(
            (lambda a, b: a @ b, vector, vector[::-1].copy()),
            (lambda a, b: a[::-1] @ b, vector.copy(), vector.copy()),
            (lambda a, b: a @ b[::-1], matrices, vector.copy()),
            (lambda a, b: b[::-1] @ ag.matrix_transpose(a), matrices.copy(), vector.copy()),
            (lambda a, b: ag.broadcast_to(a[:1], (5,)) @ b, vector.copy(), vector.copy()),
        )


@pytest.mark.parametrize("number", range(2))
def test_rows_by_rows(number):
    linear, cases, dtype = OPS["linear"], [], DTYPES[number]
    sizes = (128, 64, 32), (64, 64, 64), (32, 128, 128), (64, 600, 256), (70, 300, 300)
    for m, k, n in sizes if THOROUGH else sizes[number::2]:
        x, w, b = normal(m, k, dtype=dtype), normal(n, k, dtype=dtype), normal(n, dtype=dtype)
        cases += [(lambda x, w: x @ w.T, x, w), (linear, x.copy(), w.copy(), b)]
    check(*cases, factor=4)


def test_layers():
    linear = OPS["linear"]
    check(
        (linear, normal(2, 5, 3), normal(4, 3), normal(4)),
        (linear, normal(3), normal(4, 3), normal(4)),
        (linear, normal(1, 3), normal(4, 3), normal(4)),
        (
            lambda x, w, b: linear(ag.transpose(x, axes=(1, 0, 2)), w[::-1], b[::-1]),
            *(normal(2, 5, 3), normal(4, 3), normal(4)),
        ),
        (lambda x, w, b: linear(x[:, ::-1], w, b), normal(2, 5, 3), normal(4, 3), normal(4)),
        (lambda x, w, b: linear(x, w.T, b[0]), normal(5, 4), normal(4, 2), normal(1)),
        given=True,
    )


def test_vector_products():
    check(
        (ag.cross, normal(4, 1, 3), normal(5, 3)),
        (lambda x, y: ag.cross(x[::-1], y, axis=0), normal(3, 4), normal(3, 4)),
        (lambda x, y: ag.cross(x, y[..., ::-1]), normal(3), normal(2, 3)),
    )


@pytest.mark.parametrize("number", range(2))
def test_labelled_axes(number):
    cases, dtype = [], DTYPES[number]
    products = (
        ("bqhd,bkhd->bhqk", (2, 5, 3, 4), (2, 6, 3, 4)),
        ("bhqk,bkhd->bqhd", (2, 3, 5, 6), (2, 6, 3, 4)),
        ("ij,kj->ki", (5, 3), (4, 3)),
        ("ijk,lkj->il", (2, 3, 4), (5, 4, 3)),
        ("ij,ij->", (4, 300), (4, 300)),
        ("i,j->ji", (4,), (3,)),
        ("bi,bj->jbi", (2, 4), (2, 3)),
        ("ab,cb->ca", (1, 3), (4, 3)),
        ("ab,bc->ac", (3, 1), (1, 4)),
        ("ab,ab->ba", (3, 2), (3, 2)),
        ("i,i", (2000,), (2000,)),
    )
    for subscripts, of_x, of_y in products if THOROUGH else products[number::2]:
        x, y = normal(*of_x, dtype=dtype), normal(*of_y, dtype=dtype)
        cases.append((lambda x, y, s=subscripts: ag.einsum(s, x, y[::-1]), x, y))
    check(*cases, factor=4)


# ------------------------------------------------------------------------ linear algebra


def invertible(*shape):
    return normal(*shape) + 4 * np.eye(shape[-1])


def definite(*shape):
    x = normal(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


def check_both(*cases):
    """Check in both types; in one of them, the first array's matrices lie by columns.

    The type does not matter to what surrounds LAPACK: each case meets one, unless thorough.
    """
    rows, columns = (cases, cases) if THOROUGH else (cases[::2], cases[1::2])
    check(*rows, factor=16, given=True)
    check(*(
        (lambda a, *b, f=f: f(ag.matrix_transpose(a), *b), *(x.astype("float32") for x in arrays))
        for f, *arrays in columns
    ), factor=16)  # fmt: skip


@needs_lapack
def test_systems():
    check_both(
        (linalg.solve, invertible(2, 1, 3, 3), normal(4, 3, 2)),
        (linalg.solve, invertible(3, 3), normal(4, 3, 2)),
        (linalg.solve, invertible(2, 3, 3), normal(3)),
        (linalg.solve, invertible(1, 1), normal(1)),
        (linalg.solve, invertible(40, 40), normal(40, 3)),
        (lambda a, b: linalg.solve(a, b[::-1]), invertible(3, 3), normal(3)),
        (linalg.inv, invertible(2, 2, 3, 3)),
        (linalg.inv, np.array([[4.0]])),
    )


@needs_lapack
@pytest.mark.parametrize("name", ["det", "logabsdet", "sign_of_det", "inv_or_inf", "cofactor"])
def test_determinants_of_every_kind(name):
    matrices = np.stack([*invertible(2, 3, 3), np.zeros((3, 3)), np.ones((3, 3)), -np.eye(3)])
    check_both((OPS[name], matrices), (OPS[name], matrices[0]), (OPS[name], np.array([[3.0]])))
    if name != "inv_or_inf":
        check((OPS[name], np.where(np.eye(3) == 1, np.nan, matrices[:2])))


@needs_lapack
def test_second_derivatives_of_determinants():
    pull = OPS["cofactor_pull"]
    matrices = np.stack([*invertible(2, 3, 3), np.zeros((3, 3)), np.ones((3, 3)), -np.eye(3)])
    check_both((pull, normal(5, 3, 3), matrices), (pull, normal(1, 1), normal(1, 1)))
    check((pull, normal(2, 3, 3), np.where(np.eye(3) == 1, np.inf, matrices[:2])))


@needs_lapack
def test_decompositions_of_symmetric_matrices():
    names = "cholesky", "eigh_packed", "eigh_values", "eigvalsh"
    shapes = (2, 2, 3, 3), (40, 40)
    cases = [(OPS[name], definite(*shape)) for name in names for shape in shapes]
    check_both(*cases, (lambda a: linalg.cholesky(a, upper=True), definite(2, 3, 3)))


@needs_lapack
@pytest.mark.parametrize("shape", [(2, 2, 3, 4), (3, 1), (40, 30)])
def test_decompositions(shape):
    names = "svd_packed", "svd_values", "svdvals", "qr_packed", "pinv"
    cases = [(OPS[name], normal(*shape)) for name in names]
    check_both(*cases, (lambda a: OPS["svd_packed"](a, full_matrices=False), normal(*shape)))


@needs_lapack
def test_ranks():
    flat = normal(5, 2) @ normal(2, 4)
    ranks = [({}, flat), ({}, np.zeros((3, 3)))]
    ranks += [(o, normal(2, 4, 3)) for o in ({"tol": 1.5}, {"rtol": 0.9}, {"tol": 0})]
    relative = {"rcond": 1e-6}, {"rtol": 1e-5}, {"rcond": 0.9}
    check_both(
        *((lambda a, o=options: linalg.matrix_rank(a, **o), x.copy()) for options, x in ranks),
        *((lambda a, o=options: linalg.pinv(a, **o), flat.copy()) for options in relative),
    )
    assert refused(lambda a: linalg.matrix_rank(a), normal(3))
    assert refused(lambda a: linalg.matrix_rank(a, tol=np.ones(2)), normal(2, 3, 3))
    assert refused(lambda a: linalg.pinv(a, hermitian=True), definite(3, 3))
    assert refused(lambda a: linalg.pinv(a, rcond=np.inf), definite(3, 3))


@needs_lapack
def test_exponentials():
    cases = [(linalg.expm, np.full((2, 2), np.nan))]
    for a in (normal(2, 2, 3, 3), 30 * normal(3, 3), np.zeros((1, 1))):
        cases.append((linalg.expm, a - 2 * np.abs(a).max() * np.eye(a.shape[-1])))
    for size in (0.0, 1e30):
        cases.append((OPS["expm_pull"], size * normal(2, 3, 3), normal(2, 3, 3)))
    check_both(*cases)


# ------------------------------------------------------------------------------- failures


@needs_lapack
def test_what_has_no_result_is_given_up():
    singular, good = np.zeros((2, 3, 3)), definite(2, 3, 3)
    half = np.stack([good[0], singular[0]])
    missing = np.full((2, 3, 3), np.nan)
    assert given_up(lambda a: linalg.solve(a, np.ones(3)), good, half) == "a matrix has no inverse"
    assert given_up(linalg.inv, good, half[::-1].copy()) == "a matrix has no inverse"
    assert "positive definite" in given_up(linalg.cholesky, good, -good)
    assert "do not converge" in given_up(linalg.svdvals, good, missing)
    assert "do not converge" in given_up(linalg.pinv, good, missing)
    assert given_up(linalg.inv, good, good) is None


@needs_lapack
def test_a_compiled_function_raises_what_the_operation_raises():
    @ag.compile
    def distance(a):
        return ag.sum(linalg.inv(a) ** 2.0)

    good = definite(3, 3)
    for _ in range(4):
        close(np.asarray(distance(good)), (np.linalg.inv(good) ** 2).sum(), 1e-14)
    with pytest.raises(MatrixError, match=r"inv: an invertible matrix.*3 x 3 of rank 0"):
        distance(np.zeros((3, 3)))
    close(np.asarray(distance(good)), (np.linalg.inv(good) ** 2).sum(), 1e-14)


def test_without_lapack_the_operations_are_numpys(monkeypatch):
    monkeypatch.setattr(lapack, "available", lambda: False)
    assert refused(linalg.inv, np.eye(2))
    assert not refused(ag.matmul, np.eye(2), np.eye(2))
