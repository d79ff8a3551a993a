"""Tensors: what they hold, what they look like, and how `backward` collects derivatives."""

import copy
import pickle

import numpy as np
import pytest

import autograd_core as ag

A = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]])


def leaf(data=A, dtype=None):
    return ag.tensor(data, requires_grad=True, dtype=dtype)


def test_attributes():
    x = leaf()
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
    assert x.requires_grad and x.is_leaf and x.grad is None
    y = x * 2.0
    assert y.requires_grad and not y.is_leaf and y.grad is None
    assert x.T.shape == (3, 2)
    c = ag.tensor([1, 2])
    assert not c.requires_grad and c.is_leaf and c.dtype.kind == "i"


@pytest.mark.parametrize("data", [1.0, [1.0, 2.0], np.float32(3.0), ((1, 2), (3, 4)), True])
def test_a_tensor_has_numpys_dtype_and_shape(data):
    t = ag.tensor(data)
    assert (t.shape, t.dtype) == (np.shape(data), np.array(data).dtype)
    np.testing.assert_array_equal(t.numpy(), data)


def test_dtype_can_be_given():
    assert leaf([1, 2], dtype=np.float32).dtype == np.float32
    assert leaf([1, 2], dtype=float).dtype == np.float64


def test_a_tensor_of_a_tensor_is_a_copy():
    x = leaf()
    y = ag.tensor(x)
    assert not y.requires_grad
    y.data[...] = 0.0
    np.testing.assert_array_equal(x.numpy(), A)


def test_tensor_is_the_class():
    assert isinstance(leaf(), ag.Tensor)
    assert isinstance(leaf() * 2.0, ag.Tensor)


def test_repr_says_what_it_is():
    assert repr(ag.tensor([1.0, 2.0])) == "tensor([1., 2.], dtype=float64)"
    assert "requires_grad=True" in repr(leaf())
    assert "made by exp" in repr(ag.exp(leaf()))
    assert "float32" in repr(ag.tensor(1.0, dtype=np.float32))


def test_hash_and_containers():
    x, y = leaf(), leaf()
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_rows_can_be_iterated_and_unpacked():
    x = leaf()
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad, A[::-1])
    with pytest.raises(TypeError):
        list(ag.tensor(1.0))


# ------------------------------------------------------------------ values and sharing


def test_data_of_leaves_is_writable_and_is_the_value():
    for t in (leaf(), ag.tensor(A)):
        t.data[0, 0] = 7.0
        assert t.numpy()[0, 0] == 7.0
        assert t.data is t.data
        np.add(t.data, 1.0, out=t.data)
        assert t.numpy()[0, 0] == 8.0 and (t * 1.0).numpy()[0, 0] == 8.0


def test_data_stays_the_same_array_over_updates():
    x = leaf()
    array = x.data
    with ag.no_grad():
        x -= 1.0
    x.assign(x.numpy() * 2.0)
    np.testing.assert_array_equal(array, (A - 1.0) * 2.0)
    x.data = A
    np.testing.assert_array_equal(array, A)
    assert x.data is array


def test_numpy_is_a_view_that_cannot_be_written():
    x = leaf()
    view = x.numpy()
    assert not view.flags.writeable
    assert np.shares_memory(view, x.numpy())


def test_detach_has_the_value_and_no_derivative():
    x = leaf()
    y = ag.exp(x)
    d = y.detach()
    assert not d.requires_grad and d.is_leaf
    np.testing.assert_array_equal(d.numpy(), np.exp(A))
    (d * x).sum().backward()
    np.testing.assert_allclose(x.grad, np.exp(A))


def test_copy_and_pickle_of_leaves_and_constants():
    for t in (leaf(), ag.tensor(A)):
        for twin in (copy.deepcopy(t), copy.copy(t), pickle.loads(pickle.dumps(t))):
            np.testing.assert_array_equal(twin.numpy(), A)
            assert twin.requires_grad == t.requires_grad and twin.is_leaf
    x = leaf()
    twin = copy.deepcopy(x)
    (x * twin).sum().backward()
    np.testing.assert_array_equal(x.grad, A)
    np.testing.assert_array_equal(twin.grad, A)
    twin.data[...] = 0.0
    np.testing.assert_array_equal(x.numpy(), A)


@pytest.mark.parametrize("how", [copy.deepcopy, pickle.dumps])
def test_results_cannot_be_copied_with_their_graph(how):
    y = leaf() * 2.0
    with pytest.raises((TypeError, ValueError), match="detach"):
        how(y)
    assert how(y.detach()) is not None


# ----------------------------------------------------------------------------- backward


def test_gradients_accumulate_in_the_leafs_shape_and_dtype():
    for dtype in (np.float32, np.float64):
        x = leaf(dtype=dtype)
        for times in (1, 2, 3):
            (x * np.float64(2.0)).sum().backward()
            assert isinstance(x.grad, np.ndarray)
            assert (x.grad.shape, x.grad.dtype) == (A.shape, dtype)
            np.testing.assert_array_equal(x.grad, np.full(A.shape, 2.0 * times))
        x.grad = None
        assert x.grad is None


def test_the_gradient_of_a_single_number_is_an_array():
    x = leaf(3.0)
    for times in (1, 2, 3):
        (x * x).backward()
        assert type(x.grad) is np.ndarray and x.grad.shape == ()
        assert x.grad == 6.0 * times


def test_a_held_gradient_does_not_change_under_the_hand():
    x = leaf()
    (x * 2.0).sum().backward()
    held = x.grad.copy()
    kept = x.grad
    (x * 2.0).sum().backward()
    np.testing.assert_array_equal(x.grad, 2 * held)
    assert kept is x.grad or np.array_equal(kept, held)


def test_grad_can_be_set():
    x = leaf(dtype=np.float32)
    x.grad = np.ones(A.shape)
    assert x.grad.dtype == np.float32
    (x * 2.0).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(A.shape, 3.0))


def test_the_seed_is_the_cotangent():
    x = leaf()
    y = ag.square(x)
    y.backward(np.full(A.shape, 3.0), retain_graph=True)
    np.testing.assert_allclose(x.grad, 6.0 * A)
    x.grad = None
    y.backward(ag.tensor(np.ones(A.shape)))
    np.testing.assert_allclose(x.grad, 2.0 * A)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_number_needs_no_seed(shape):
    x = leaf()
    (x * x).sum().reshape(shape).backward()
    np.testing.assert_allclose(x.grad, 2.0 * A)


def test_backward_of_a_leaf_itself():
    x = leaf(3.0)
    x.backward()
    assert x.grad == 1.0
    y = leaf()
    y.backward(np.ones(A.shape))
    np.testing.assert_array_equal(y.grad, np.ones(A.shape))


def test_only_the_leaves_that_were_used_get_a_gradient():
    x, unused = leaf(), leaf()
    (x * 2.0).sum().backward()
    assert unused.grad is None


def test_what_does_not_require_a_gradient_is_left_out():
    x, c = leaf(), ag.tensor(A)
    (x * c).sum().backward()
    assert c.grad is None
    assert not (c * 2.0).requires_grad


def test_comparisons_and_rounding_are_constants():
    x = leaf()
    for result in (x > 0, x == x, ag.floor(x), ag.sign(x), ag.isnan(x), x // 2.0, np.rint(x)):
        assert not result.requires_grad
    (x * (x > 0)).sum().backward()
    np.testing.assert_array_equal(x.grad, A > 0)


def test_broadcast_operands_get_their_own_shape():
    row, column, number = leaf(np.ones(3)), leaf(np.ones((2, 1))), leaf(2.0)
    (row * column * number * A).sum().backward()
    np.testing.assert_allclose(row.grad, 2 * A.sum(axis=0))
    np.testing.assert_allclose(column.grad, 2 * A.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(number.grad, A.sum())


def test_zero_size_and_large_graphs():
    x = leaf(np.ones((0, 3)))
    (x * 2.0).sum().backward()
    assert x.grad.shape == (0, 3)
    y = leaf(2.0)
    sum([y * float(i) for i in range(500)]).backward()
    assert y.grad == sum(range(500))


# -------------------------------------------------------- methods, operators, NumPy names

UNARY = [lambda x: -x, lambda x: +x, abs, lambda x: x**2, lambda x: 2.0**x, lambda x: x % 2.7]
UNARY += [
    lambda x: 1.0 - x,
    lambda x: 1.0 / (x + 9.0),
    lambda x: x / 2.0,
    lambda x: 3.0 % (x + 9.0),
]
METHODS = [
    lambda x: x.sum(),
    lambda x: x.sum(0),
    lambda x: x.sum(axis=(0, 1), keepdims=True),
    lambda x: x.mean(axis=1),
    lambda x: x.var(axis=0),
    lambda x: x.var(axis=0, ddof=1),
    lambda x: x.std(axis=1, ddof=1),
    lambda x: x.max(axis=0),
    lambda x: x.min(),
    lambda x: x.reshape(3, 2),
    lambda x: x.reshape((-1,)),
    lambda x: x.reshape(-1),
    lambda x: x.transpose(),
    lambda x: x.transpose(1, 0),
    lambda x: x.transpose((1, 0)),
    lambda x: x.T,
    lambda x: x.ravel(),
    lambda x: x.squeeze(),
    lambda x: x.swapaxes(0, 1),
    lambda x: x.clip(-1.0, 2.0),
    lambda x: x.dot(A.T),
    lambda x: x.astype(np.float64),
    lambda x: x[1],
    lambda x: x[..., -1],
    lambda x: x[:, None],
    lambda x: x[[1, 0, 1]],
    lambda x: x[A > 0],
    lambda x: x[np.array([0, 1]), np.array([2, 2])],
    lambda x: x[1:, ::-1],
    lambda x: x[np.int64(1)],
    lambda x: np.reshape(x, (3, 2)),
    lambda x: np.transpose(x, (1, 0)),
    lambda x: np.sum(x, 1),
    lambda x: np.max(x, axis=1),
    lambda x: np.absolute(x),
    lambda x: np.true_divide(x, 3.0),
    lambda x: np.concatenate([x, x], 1),
    lambda x: np.stack((x, x), axis=-1),
    lambda x: np.broadcast_to(x, (4, 2, 3)),
    lambda x: np.expand_dims(x, (0, 2)),
    lambda x: np.matmul(x, x.T),
    lambda x: x @ x.T,
]


@pytest.mark.parametrize("f", UNARY + METHODS, ids=range(len(UNARY + METHODS)))
def test_methods_and_functions_are_numpys(f):
    want, x = f(A), leaf()
    got = f(x)
    assert isinstance(got, ag.Tensor) and got.requires_grad
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(got.numpy(), want)
    ct = np.random.default_rng(0).normal(size=want.shape)
    got.backward(ct)
    step, numeric = 1e-6, np.empty(A.shape)
    for place in np.ndindex(A.shape):
        unit = np.zeros(A.shape)
        unit[place] = step
        numeric[place] = np.sum(ct * (f(A + unit) - f(A - unit))) / (2 * step)
    np.testing.assert_allclose(x.grad, numeric, rtol=1e-6, atol=1e-7)


def test_augmented_assignment_of_constants_and_results_gives_new_tensors():
    x, c = leaf(), ag.tensor(A)
    result, total = x * 2.0, c
    first, constant = result, total
    result += 1.0
    result *= x
    total -= 1.0
    total /= 2.0
    np.testing.assert_array_equal(first.numpy(), 2.0 * A)
    np.testing.assert_array_equal(constant.numpy(), A)
    np.testing.assert_array_equal(total.numpy(), (A - 1.0) / 2.0)
    result.sum().backward()
    np.testing.assert_allclose(x.grad, 4.0 * A + 1.0)


def test_augmented_assignment_of_a_leaf_under_no_grad_is_in_place():
    x = leaf()
    same = x
    with ag.no_grad():
        x += 1.0
        x *= ag.tensor(2.0)
    assert x is same and x.is_leaf and x.requires_grad
    np.testing.assert_array_equal(x.numpy(), 2.0 * (A + 1.0))


def test_shape_queries_of_numpy_give_plain_answers():
    x = leaf()
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
    assert np.allclose(x, A) and np.array_equal(x, A)
    assert type(np.zeros_like(x)) is np.ndarray and type(np.ones_like(x)) is np.ndarray


def test_a_python_number_never_widens_float32():
    x = leaf(dtype=np.float32)
    for result in (x * 2.0, 2.0 * x, x + 1, x**2, x / 3, x - True, ag.maximum(x, 0.0), x % 0.7):
        assert result.dtype == np.float32
    assert (x * np.float64(2.0)).dtype == (A.astype(np.float32) * np.float64(2.0)).dtype
    assert (x * A).dtype == np.float64


def test_arrays_in_arrays_out():
    for result in (ag.exp(A), ag.sum(A), ag.matmul(A, A.T), ag.concatenate([A, A]), ag.std(A)):
        assert not isinstance(result, ag.Tensor)
    assert isinstance(ag.exp(A), np.ndarray)


def test_half_precision_is_followed():
    x = leaf(dtype=np.float16)
    y = (ag.tanh(x) * x).sum()
    assert y.dtype == np.float16
    y.backward()
    assert x.grad.dtype == np.float16
    want = np.tanh(A) + A / np.cosh(A) ** 2
    np.testing.assert_allclose(x.grad.astype(float), want, atol=5e-3)


def test_gradients_never_share_memory():
    """With each other, with the seed, or with what the tape remembers: they may be clipped."""
    a, b = (ag.tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
    seed = np.ones(3)
    (a + b).backward(seed, retain_graph=True)
    c = ag.tensor([1.0, 2.0], requires_grad=True)
    c.backward(seed[:2])
    d = ag.tensor(np.ones((2, 2)), requires_grad=True)
    d.T.sum().backward()
    e = ag.tensor([1.0, 2.0], requires_grad=True)
    factor = ag.tensor([3.0, 4.0])
    (e * factor).sum().backward()
    arrays = [a.grad, b.grad, c.grad, d.grad, e.grad, seed, factor.numpy()]
    for i, x in enumerate(arrays):
        for y in arrays[i + 1 :]:
            assert not np.shares_memory(x, y)
    for x in arrays[:5]:
        x *= 2.0
