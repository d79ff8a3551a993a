"""Linear algebra beyond the laws: singular and degenerate matrices, NumPy's notation, messages."""

import functools
import re

import numpy as np
import pytest
from laws import check_pullback, slope

import autograd_core as ag

la = ag.linalg


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


SQUARE = drawn(3, 3) + 3.0 * np.eye(3)
TURN = np.linalg.qr(drawn(4, 4))[0]
TWINS = TURN * np.array([1.0, 1.0, 2.0, 2.0]) @ TURN.T  # each eigenvalue twice
FLAT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])  # of rank 2


def leaf(data):
    return ag.tensor(data, requires_grad=True)


# ------------------------------------------------------------------------ NumPy's functions

TALL = drawn(4, 3)
CALLS = {
    "solve": lambda np, a: np.linalg.solve(a, SQUARE),
    "inv": lambda np, a: np.linalg.inv(a),
    "det": lambda np, a: np.linalg.det(a),
    "slogdet": lambda np, a: np.linalg.slogdet(a).logabsdet,
    "cholesky": lambda np, a: np.linalg.cholesky(a @ a.T, upper=True),
    "eigh": lambda np, a: np.linalg.eigh(a @ a.T).eigenvalues,
    "eigvalsh": lambda np, a: np.linalg.eigvalsh(a @ a.T, "U"),
    "svd": lambda np, a: np.linalg.svd(a, False).S,
    "svd, values": lambda np, a: np.linalg.svd(a, compute_uv=False),
    "svdvals": lambda np, a: np.linalg.svdvals(a),
    "qr": lambda np, a: np.linalg.qr(a).R,
    "pinv": lambda np, a: np.linalg.pinv(a, 1e-10),
    "lstsq": lambda np, a: np.linalg.lstsq(a, SQUARE)[0],
    "norm": lambda np, a: np.linalg.norm(a, 1, axis=(0, 1)),
    "vector_norm": lambda np, a: np.linalg.vector_norm(a, axis=0, ord=3),
    "matrix_norm": lambda np, a: np.linalg.matrix_norm(a, ord=2),
    "cond": lambda np, a: np.linalg.cond(a),
    "matrix_power": lambda np, a: np.linalg.matrix_power(a, -3),
    "multi_dot": lambda np, a: np.linalg.multi_dot([a, SQUARE, a]),
    "tensorinv": lambda np, a: np.linalg.tensorinv(a, ind=1),
    "tensorsolve": lambda np, a: np.linalg.tensorsolve(a, SQUARE[0]),
    "trace of each": lambda np, a: np.linalg.trace(a * SQUARE[:, :, None]),
    "diagonal of each": lambda np, a: np.linalg.diagonal(a * SQUARE[:, :, None], offset=1),
    "linalg.outer": lambda np, a: np.linalg.outer(a[0], a[1]),
    "linalg.cross": lambda np, a: np.linalg.cross(a, SQUARE),
    "linalg.matmul": lambda np, a: np.linalg.matmul(SQUARE, a),
    "linalg.vecdot": lambda np, a: np.linalg.vecdot(a, SQUARE, axis=0),
    "linalg.tensordot": lambda np, a: np.linalg.tensordot(SQUARE, a, axes=1),
    "linalg.matrix_transpose": lambda np, a: np.linalg.matrix_transpose(a),
    "einsum": lambda np, a: np.einsum("ij,kj->ik", SQUARE, a),
    "einsum, lists": lambda np, a: np.einsum(a, [0, 1], SQUARE, [1, 2], [2, 0]),
    "tensordot": lambda np, a: np.tensordot(a, SQUARE, axes=([0], [1])),
    "kron": lambda np, a: np.kron(TALL, a),
    "cross": lambda np, a: np.cross(SQUARE, a, axis=0),
    "inner": lambda np, a: np.inner(TALL, a),
    "outer": lambda np, a: np.outer(a, TALL),
    "vdot": lambda np, a: np.vdot(SQUARE, a),
    "vecdot": lambda np, a: np.vecdot(SQUARE, a),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_numpy_take_tensors(name):
    f = CALLS[name]
    x = leaf(SQUARE)
    result = f(np, x)
    assert isinstance(result, ag.Tensor) and result.requires_grad
    np.testing.assert_allclose(result.numpy(), f(np, SQUARE), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(f(ag, SQUARE), result.numpy())
    value, pull = ag.vjp(lambda a: f(ag, a), SQUARE)
    check_pullback(lambda a: f(ag, a), pull, [SQUARE], drawn(*np.shape(value)), name)


def test_results_of_several_parts_have_numpys_names():
    for name in ("slogdet", "eigh", "svd", "qr"):
        theirs = getattr(np.linalg, name)(SQUARE)
        for ours in (getattr(la, name)(SQUARE), getattr(la, name)(leaf(SQUARE))):
            assert type(ours) is type(theirs)


def test_the_namespace_has_what_numpys_has_in_both_places():
    for name in ("outer", "cross", "matmul", "tensordot", "vecdot", "matrix_transpose"):
        assert getattr(la, name) is getattr(ag, name)
    assert set(np.linalg.__all__) - set(la.__all__) == {"eig", "eigvals", "LinAlgError"}


# ------------------------------------------------------------------------------- einsum

NOTATION = [
    ("...,...->...", (2, 3), (3,)),
    ("a...b,b...->a...", (2, 5, 3), (3, 1)),
    ("ij,ij,ij->ij", (2, 3), (1, 3), (2, 1)),
    ("ij,kl,mn->", (2, 3), (2, 2), (3, 1)),
    ("ba,ac", (2, 3), (3, 4)),
    ("Ab,bA", (2, 3), (3, 2)),
    ("i,i,i,i", (3,), (3,), (3,), (3,)),
    ("ijkl, klmn, mn -> ij", (2, 3, 4, 5), (4, 5, 2, 3), (2, 3)),
    ("ij,jk", (2, 0), (0, 3)),
    ("i->", (0,)),
    ("iijj->ji", (2, 2, 3, 3)),
    (",", (), ()),
    ("...i,...i", (1, 1, 3), (4, 1, 3)),
    ("ii,jj->ij", (2, 2), (3, 3)),
    ("i,i->", (1,), (3,)),
]


@pytest.mark.parametrize(("subscripts", "shapes"), [(s, shapes) for s, *shapes in NOTATION])
def test_einsum_reads_all_of_numpys_notation(subscripts, shapes):
    arrays = [drawn(*shape) + 0.1 * i for i, shape in enumerate(shapes)]
    want = np.einsum(subscripts, *arrays)
    path = np.einsum_path(subscripts, *arrays)[0]
    for how in (False, True, "greedy", "optimal", path):
        got = ag.einsum(subscripts, *arrays, optimize=how)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    f = functools.partial(ag.einsum, subscripts)
    check_pullback(f, ag.vjp(f, *arrays)[1], arrays, drawn(*want.shape), subscripts)


def test_einsum_multiplies_integers_and_one_tensor_several_times():
    counts = np.arange(6).reshape(2, 3)
    product = ag.einsum("ij,kj", counts, counts)
    assert product.dtype == counts.dtype
    np.testing.assert_array_equal(product, counts @ counts.T)
    x = leaf(SQUARE)
    ag.einsum("ij,jk,ki->", x, x, x).backward()
    np.testing.assert_allclose(x.grad, 3.0 * np.linalg.matrix_power(SQUARE, 2).T)


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,jk->ijk"])
def test_a_zero_factor_of_a_contraction_wins_over_an_infinite_one(subscripts):
    infinite = np.array([[np.inf, 1.0], [1.0, 1.0]])

    def untaken(x):
        product = ag.einsum(subscripts, x, infinite)
        return ag.sum(ag.where(np.arange(2) > 0, product, 0.0))  # without what is infinite

    np.testing.assert_array_equal(ag.grad(untaken)(np.ones((2, 2))), np.ones((2, 2)))


# ----------------------------------------------------------- singular matrices, determinants


def by_hand(a):
    """Return the determinant of a 3 x 3 matrix as a polynomial."""
    return (
        a[0, 0] * (a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1])
        - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0])
        + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0])
    )


SINGULAR = {
    "rank 2": FLAT,
    "rank 1": np.outer([1.0, 2.0, 3.0], [3.0, 1.0, 2.0]),
    "rank 0": np.zeros((3, 3)),
    "a row of zeros": np.diag([1.0, 0.0, 2.0]),
    "nearly": FLAT + 1e-13 * np.eye(3),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_first_and_second_derivatives_of_det_at_singular_matrices(name):
    a = SINGULAR[name]
    np.testing.assert_allclose(ag.grad(la.det)(a), ag.grad(by_hand)(a), atol=1e-11)
    np.testing.assert_allclose(ag.hessian(la.det)(a), ag.hessian(by_hand)(a), atol=1e-11)


def test_third_derivative_of_det():
    third = [ag.jacobian(ag.hessian(f))(SQUARE) for f in (la.det, by_hand)]
    np.testing.assert_allclose(*third, atol=1e-9)


def test_cofactors_of_a_matrix_that_is_not_finite_are_nan():
    stack = np.stack([SQUARE, np.full((3, 3), np.nan)])
    with np.errstate(invalid="ignore"):
        _, pull = ag.vjp(la.det, stack)
    (grad,) = pull(np.ones(2))
    np.testing.assert_allclose(grad[0], np.linalg.det(SQUARE) * np.linalg.inv(SQUARE).T)
    assert np.isnan(grad[1]).all()


def test_slogdet_of_a_singular_matrix():
    stack = np.stack([FLAT[:2, :2], np.ones((2, 2))])
    (grad,) = ag.vjp(lambda a: la.slogdet(a)[1], stack)[1](np.ones(2))
    np.testing.assert_allclose(grad[0], np.linalg.inv(stack[0]).T)
    assert np.isinf(grad[1]).all()
    untaken = ag.grad(lambda a: ag.where(False, la.slogdet(a)[1], 0.0))(stack[1])
    np.testing.assert_array_equal(untaken, np.zeros((2, 2)))


# ------------------------------------------------------- equal eigenvalues, singular values


def spectral(function, weights):
    """Return Σ weights · function(a), computed by eigenvalues."""

    def total(a):
        w, v = la.eigh(a)
        return ag.sum((v * function(w)) @ v.T * weights)

    return total


def test_symmetric_functions_of_equal_eigenvalues_have_their_gradient():
    for values in (la.eigvalsh, lambda a: la.eigh(a)[0]):
        grad = ag.grad(lambda a, values=values: ag.sum(ag.exp(values(a))))(TWINS)
        np.testing.assert_allclose(grad, TURN * np.exp([1, 1, 2, 2]) @ TURN.T, atol=1e-12)
    trace = spectral(ag.square, np.eye(4))
    np.testing.assert_allclose(ag.grad(trace)(TWINS), 2.0 * TWINS, atol=1e-12)


@pytest.mark.parametrize("a", [TWINS, np.eye(4)], ids=["turned", "identity"])
def test_eigenvectors_of_equal_eigenvalues_have_no_derivative_rather_than_a_wrong_one(a):
    f = spectral(ag.exp, drawn(4, 4))
    assert np.isnan(ag.grad(f)(a)).any()
    direction = drawn(4, 4)
    assert np.isnan(ag.jvp(lambda a: la.eigh(a)[1], (a,), (direction,))[1]).any()
    slope = ag.jvp(lambda a: ag.sum(la.eigh(a)[0]), (a,), (direction,))[1]
    np.testing.assert_allclose(slope, np.trace(direction))


CUT = np.diag([3.0, 0.0, 0.0])  # of rank 1
TURN3 = np.linalg.qr(drawn(3, 3))[0]
THIN = TURN3 * np.array([3.0, 2e-16, 1e-16]) @ TURN3.T  # the same to rounding, turned


@pytest.mark.parametrize(
    ("function", "a"),
    [
        (ag.log, np.eye(4)),
        (ag.log, TWINS / 2.0),
        (ag.log, TURN @ np.diag([1.0, 1.0, 2.0, 3.0]) @ TURN.T),
        (lambda w: w - 1.0, np.eye(4)),
        (lambda w: w, np.zeros((4, 4))),
        (ag.positive, np.diag([3.0, 0.0, 0.0, 0.0])),
        (ag.exp, TWINS),
    ],
)
def test_a_function_of_a_matrix_with_equal_eigenvalues_has_its_gradient_or_nan(function, a):
    """Where it is zero, so is the cotangent of the vectors, as if nobody had asked for them."""
    f = spectral(function, drawn(4, 4) + drawn(4, 4).T)
    grad, direction = ag.grad(f)(a), drawn(4, 4)
    direction = direction + direction.T
    if not np.isnan(grad).any():
        measured = slope(lambda h: f(a + h * direction))
        np.testing.assert_allclose(np.sum(grad * direction), measured, rtol=1e-8)


def test_vectors_of_small_values_that_are_not_quite_equal():
    weights = drawn(3, 3) + drawn(3, 3).T
    rebuilt = ag.grad(spectral(ag.positive, weights))
    np.testing.assert_allclose(rebuilt(THIN), weights, atol=1e-12)
    again = ag.grad(lambda a: ag.sum((lambda u, s, vh: (u * s) @ vh)(*la.svd(a)) * weights))
    for found in map(again, (THIN, CUT)):
        assert np.isnan(found).any() or np.allclose(found, weights, atol=1e-10)

    def first(a):
        """The projection on the vector that belongs to 3 does not ask for the others."""
        v = la.eigh(a)[1][:, 2:]
        return ag.sum(v @ v.T * weights)

    smooth = TURN3 * np.array([3.0, 0.2, 0.1]) @ TURN3.T
    assert np.isfinite(ag.grad(first)(smooth)).all()
    v = TURN3[:, :1]
    across = (np.eye(3) - v @ v.T) @ weights @ v @ v.T / 3.0
    np.testing.assert_allclose(ag.grad(first)(THIN), across + across.T, atol=1e-12)


def test_equal_singular_values():
    for values in (la.svdvals, lambda a: la.svd(a)[1]):
        grad = ag.grad(lambda a, values=values: ag.sum(values(a)))(3.0 * TURN)
        np.testing.assert_allclose(grad, TURN, atol=1e-12)
    largest = ag.grad(lambda a: la.norm(a, 2))(3.0 * np.eye(4))
    np.testing.assert_allclose(largest, np.eye(4) / 4.0, atol=1e-12)  # ties share evenly
    assert np.isnan(ag.grad(lambda a: ag.sum(la.svd(a)[0] ** 3))(3.0 * TURN)).any()


def test_the_space_beyond_the_rank_has_its_derivative():
    tall = drawn(5, 3)

    def beyond(a):
        u = la.svd(a)[0][:, 3:]
        return u @ u.T

    def complement(a):
        return np.eye(5) - a @ la.inv(a.T @ a) @ a.T

    np.testing.assert_allclose(
        ag.jacobian(beyond)(tall), ag.jacobian(complement)(tall), atol=1e-12
    )
    wide = ag.jacobian(lambda a: la.svd(a)[2][3:].T @ la.svd(a)[2][3:])(tall.T)
    want = ag.jacobian(lambda a: complement(a.T))(tall.T)
    np.testing.assert_allclose(wide, want, atol=1e-12)


# --------------------------------------------------------------------- norms at their kinks

ORDERS = [None, 1, 2, 3, 0.5, 0, np.inf, -np.inf]


@pytest.mark.parametrize("order", ORDERS)
def test_the_derivative_of_a_norm_at_zero_is_zero(order):
    grad = ag.grad(lambda x: la.norm(x, order))(np.zeros(3))
    np.testing.assert_array_equal(grad, np.zeros(3))
    rows = ag.grad(lambda x: ag.sum(la.norm(x, order, axis=1)))(np.zeros((2, 3)))
    np.testing.assert_array_equal(rows, np.zeros((2, 3)))


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_the_derivative_of_a_matrix_norm_at_zero_is_zero(order):
    grad = ag.grad(lambda x: la.norm(x, order))(np.zeros((3, 2)))
    np.testing.assert_array_equal(grad, np.zeros((3, 2)))


def test_ties_of_a_norm_share_evenly():
    x = np.array([2.0, -2.0, 1.0, 0.0])
    np.testing.assert_array_equal(ag.grad(lambda x: la.norm(x, np.inf))(x), [0.5, -0.5, 0.0, 0.0])
    np.testing.assert_array_equal(ag.grad(lambda x: la.norm(x, 1))(np.eye(2)), np.eye(2) / 2.0)


def test_norms_of_integers_are_floats():
    for order in ORDERS:
        assert la.norm(np.array([3, -4]), order).dtype == float
    assert la.norm([3, 4]) == 5.0


# -------------------------------------------------------------------------- the exponential


@pytest.mark.parametrize("size", [1e-8, 0.1, 1.0, 10.0, 50.0])
def test_exponential_of_a_rotation_and_its_derivative_are_exact(size):
    # exp of size·J turns by the angle `size`; its derivative in the direction J by a right angle
    # more.
    generator = np.array([[0.0, -1.0], [1.0, 0.0]])
    value, slope = ag.jvp(la.expm, (size * generator,), (generator,))
    c, s = np.cos(size), np.sin(size)
    np.testing.assert_allclose(value, [[c, -s], [s, c]], atol=2e-14 * max(size, 1.0))
    np.testing.assert_allclose(slope, [[-s, -c], [c, -s]], atol=2e-14 * max(size, 1.0))


def test_the_pullback_of_the_exponential_is_linear_for_tiny_and_huge_cotangents():
    _, pull = ag.vjp(la.expm, SQUARE)
    (want,) = pull(FLAT)
    for factor in (1e200, 1e-200):
        np.testing.assert_allclose(pull(factor * FLAT)[0] / factor, want, rtol=1e-12)
    np.testing.assert_array_equal(pull(0.0 * FLAT)[0], np.zeros((3, 3)))


def test_what_is_not_finite_has_no_exponential():
    assert np.isnan(la.expm(np.full((2, 2), np.nan))).all()


# ----------------------------------------------------------------------- triangles, QR, lstsq


def test_solve_triangular_reads_one_triangle():
    a = np.triu(SQUARE) + np.tril(np.full((3, 3), np.nan), -1)
    x = leaf(a)
    out = la.solve_triangular(x, np.ones(3))
    np.testing.assert_allclose(np.triu(SQUARE) @ out.numpy(), np.ones(3))
    out.sum().backward()
    assert np.isfinite(x.grad).all() and not np.tril(x.grad, -1).any()


def test_a_symmetric_matrix_gets_a_symmetric_gradient():
    a = SQUARE @ SQUARE.T
    for f in (la.cholesky, lambda a: la.eigh(a)[0], la.eigvalsh):
        (grad,) = ag.vjp(f, a)[1](drawn(*np.shape(f(a))))
        np.testing.assert_allclose(grad, grad.T, atol=1e-14)


def test_lstsq_leaves_out_residuals_that_numpy_leaves_out():
    for a in (TALL, TALL.T, np.ones((4, 3))):
        ours, theirs = la.lstsq(a, np.ones(len(a))), np.linalg.lstsq(a, np.ones(len(a)))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-12)


def test_multi_dot_takes_the_cheapest_order():
    a, b, c = (leaf(np.ones(shape)) for shape in ((2, 50), (50, 50), (50, 1)))
    product = la.multi_dot([a, b, c])
    assert product.node.links[0].op is None  # a · (b c): the first operand of the last is a leaf
    assert product.shape == (2, 1)


EMPTY = {
    "inv": la.inv,
    "det": la.det,
    "slogdet": lambda a: la.slogdet(a)[1],
    "expm": la.expm,
    "eigh": lambda a: la.eigh(a)[1],
    "svd": lambda a: la.svd(a)[0],
    "cholesky": la.cholesky,
    "qr": lambda a: la.qr(a)[0],
    "solve": lambda a: la.solve(a, a),
    "pinv": la.pinv,
    "norm": lambda a: la.norm(a),
}


@pytest.mark.parametrize("name", EMPTY)
def test_matrices_without_elements(name):
    for shape in ((0, 0), (2, 0, 0), (0, 2, 2)):
        value, pull = ag.vjp(EMPTY[name], np.zeros(shape))
        (grad,) = pull(np.ones(np.shape(value)))
        assert grad.shape == shape


# ------------------------------------------------------------------------------ messages

FORM = re.compile(r"^[^:]+: .+, but got .+\. .+\.$", re.DOTALL)
ONES = np.ones((2, 2))
BAD = np.full((2, 2), np.nan)
MESSAGES = {
    "inv": (la.inv, (ONES,), ag.MatrixError, "linalg.inv..invertible..rank 1..pinv"),
    "inv of a stack": (
        la.inv,
        (np.stack([np.eye(2), ONES]),),
        ag.MatrixError,
        "matrix 1 of the stack..identity",
    ),
    "solve": (la.solve, (ONES, ONES), ag.MatrixError, "linalg.solve..rank 1..lstsq"),
    "triangle": (la.solve_triangular, (0 * ONES, ONES), ag.MatrixError, "invertible..rank 0"),
    "power": (la.matrix_power, (ONES, -1), ag.MatrixError, "invertible..rank 1"),
    "cholesky": (la.cholesky, (-ONES,), ag.MatrixError, "positive definite..eigenvalue of -2"),
    "svd of nan": (la.svd, (BAD,), ag.MatrixError, "linalg.svd: finite..4 entries"),
    "svdvals of nan": (la.svdvals, (BAD,), ag.MatrixError, "finite..4 entries"),
    "pinv of nan": (la.pinv, (BAD,), ag.MatrixError, "finite..4 entries"),
    "rank of nan": (la.matrix_rank, (BAD,), ag.MatrixError, "finite..4 entries"),
    "det, not square": (la.det, (ONES[:1],), ag.ShapeError, "linalg.det: a square..(1, 2)"),
    "slogdet, vector": (la.slogdet, (ONES[0],), ag.ShapeError, "square..(2,)"),
    "expm, not square": (la.expm, (ONES[:1],), ag.ShapeError, "linalg.expm: a square"),
    "power, not square": (la.matrix_power, (ONES[:1], 2), ag.ShapeError, "square"),
    "solve, rows": (la.solve, (np.eye(2), np.ones(3)), ag.ShapeError, "b with 2 rows..(3,)"),
    "solve, number": (la.solve, (np.eye(2), 1.0), ag.ShapeError, "b with 2 rows..()"),
    "svd of a vector": (la.svd, (ONES[0],), ag.ShapeError, "svd: a matrix..(2,)"),
    "svdvals of a vector": (la.svdvals, (ONES[0],), ag.ShapeError, "a matrix..(2,)"),
    "pinv of a vector": (la.pinv, (ONES[0],), ag.ShapeError, "a matrix..(2,)"),
    "qr of a vector": (la.qr, (ONES[0],), ag.ShapeError, "a matrix..(2,)"),
    "trace of a vector": (la.trace, (ONES[0],), ag.ShapeError, "trace: a matrix..(2,)"),
    "diagonal of a vector": (la.diagonal, (ONES[0],), ag.ShapeError, "diagonal: a matrix"),
    "cond of a vector": (la.cond, (ONES[0],), ag.ShapeError, "cond: a matrix"),
    "qr, raw": (la.qr, (ONES, "raw"), ag.UnknownNameError, "qr: mode='reduced'..'raw'"),
    "eigh, triangle": (la.eigh, (ONES, "Q"), ag.UnknownNameError, "UPLO..'Q'"),
    "trans": (la.solve_triangular, (ONES, ONES, 5), ag.UnknownNameError, "trans among..5"),
    "half a power": (la.matrix_power, (ONES, 0.5), ag.DTypeError, "whole exponent..0.5"),
    "norm, order": (la.norm, (ONES, "max"), ag.UnknownNameError, "order 'fro'..'max'"),
    "norm of rows": (la.norm, (ONES, "fro", 1), ag.UnknownNameError, "vectors..fro"),
    "norm of three axes": (la.norm, (ONES[None], 2), ag.ShapeError, "one axis or two..3 axes"),
    "norm, axis": (la.norm, (ONES, 2, 5), ag.ShapeError, "axes..(2, 2)..5"),
    "norm, equal axes": (la.norm, (ONES, 2, (0, -2)), ag.UnknownNameError, "two axes..(0, -2)"),
    "one matrix": (lambda a: la.multi_dot([a]), (ONES,), ag.ShapeError, "at least two"),
    "einsum, lengths": (
        lambda a: ag.einsum("ij,jk", a, np.ones((3, 2))),
        (ONES,),
        ag.ShapeError,
        "einsum: subscripts 'ij,jk'..2 and 3",
    ),
    "einsum, operands": (
        lambda a: ag.einsum("ij,j", a),
        (ONES,),
        ag.ShapeError,
        "1 operands..one term",
    ),
    "einsum, result": (
        lambda a: ag.einsum("ij->ik", a),
        (ONES,),
        ag.ShapeError,
        "the result 'ik'",
    ),
    "einsum, axes": (lambda a: ag.einsum("i", a), (ONES,), ag.ShapeError, "2 axes for 'i'"),
    "einsum, dots": (
        lambda a: ag.einsum("i...->i", a),
        (ONES,),
        ag.ShapeError,
        "2 axes for 'i'",
    ),
    "einsum, diagonal": (
        lambda a: ag.einsum("ii", a[:1]),
        (ONES,),
        ag.ShapeError,
        "lengths 1 and 2",
    ),
    "einsum, letters": (
        lambda a: ag.einsum("i1", a),
        (ONES,),
        ag.ShapeError,
        "the term 'i1'..letters",
    ),
    "einsum, nothing": (lambda a: ag.einsum("", a), (ONES,), ag.ShapeError, "2 axes for ''"),
    "einsum, order": (lambda a: ag.einsum(a, "ij"), (ONES,), ag.ShapeError, "first..'ij'"),
    "einsum, numbers": (lambda a: ag.einsum(a, [0, 60]), (ONES,), ag.ShapeError, "below 52..60"),
    "einsum, path": (
        lambda a: ag.einsum("ij,jk,kl", a, a, a, optimize="best"),
        (ONES,),
        ag.UnknownNameError,
        "'greedy'..'best'",
    ),
    "tensordot": (ag.tensordot, (ONES, ONES, 3), ag.ShapeError, "axes of one length..axes=3"),
    "tensordot, twice": (
        lambda a: ag.tensordot(a, a, ([0, 0], [0, 1])),
        (ONES,),
        ag.ShapeError,
        "pairs of axes",
    ),
    "cross": (ag.cross, (ONES, ONES), ag.ShapeError, "three elements..append a zero"),
    "cross, axis": (
        lambda a: ag.cross(a, a, axis=4),
        (ONES,),
        ag.ShapeError,
        "axes of an array..4",
    ),
    "inner": (ag.inner, (ONES, np.ones(3)), ag.ShapeError, "inner..one length..(3,)"),
    "vecdot": (ag.vecdot, (ONES, np.ones(3)), ag.ShapeError, "vecdot..one length..(3,)"),
    "matrix_transpose": (ag.matrix_transpose, (ONES[0],), ag.ShapeError, "two axes..(2,)"),
    "eig": (np.linalg.eig, (ONES,), ag.DTypeError, "linalg.eig: an operation"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name):
    function, (first, *rest), kind, words = MESSAGES[name]
    for operand in (leaf(first), first) if name != "eig" else (leaf(first),):
        with pytest.raises(kind) as caught:
            function(operand, *rest)
        text = str(caught.value)
        pieces = ".*".join(re.escape(piece) for piece in words.split(".."))
        assert re.search(pieces, text, re.DOTALL), text
        assert FORM.match(text), f"not of the form what / got / do: {text}"


def test_an_error_about_a_matrix_is_numpys_error_too():
    assert issubclass(ag.MatrixError, np.linalg.LinAlgError)
    with pytest.raises(np.linalg.LinAlgError):
        la.inv(leaf(ONES))


@pytest.mark.parametrize("order", [-0.5, -1.5, -3.0])
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # as NumPy warns
def test_a_zero_hides_the_others_from_a_norm_of_negative_order(order):
    def norm(x):
        return ag.linalg.norm(x, ord=order)

    x = np.array([0.0, -3.0, 2.0])
    assert float(norm(x)) == 0.0
    np.testing.assert_array_equal(ag.grad(norm)(x), np.zeros(3))
    both = np.array([[0.0, 1.0], [1.0, 2.0]])
    slopes = ag.grad(lambda x: ag.sum(ag.linalg.norm(x, ord=order, axis=1)))(both)
    np.testing.assert_array_equal(slopes[0], [0.0, 0.0])
    assert (slopes[1] > 0.0).all()
