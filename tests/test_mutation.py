"""Whoever overwrites an array that a recorded operation saw: the sweep raises, or it is right.

Each way to overwrite is one function ``change(x, w, i)`` run between the forward pass and
`backward`; each operation that remembers something is one function of the same arguments. The
product of the two must never give a wrong gradient silently.
"""

import copy

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim
from autograd_core.update import update_op

X = np.array([0.5, 1.5, 2.5])
W = np.array([2.0, 3.0, 4.0])
NINE = 9.0


def leaf(data=X):
    return ag.tensor(data, requires_grad=True)


def overwrite(p):
    p[...] = NINE


write = update_op("overwrite", overwrite, ("p",), ("p",))

# ------------------------------------------------------------------ tensors, overwritten


def through_data(t):
    t.data[...] = NINE


def through_data_item(t):
    t.data[1] = NINE


def through_data_setter(t):
    t.data = np.full(t.shape, NINE)


def through_detach(t):
    t.detach().data[...] = NINE


def through_view_of_detach(t):
    t.detach().reshape((-1,)).detach().data[...] = NINE


def by_assign(t):
    t.assign(np.full(t.shape, NINE))


def by_assign_to_detached(t):
    t.detach().assign(np.full(t.shape, NINE))


def in_place(t):
    with ag.no_grad():
        t *= NINE


def in_place_subtraction(t):
    with ag.no_grad():
        t -= 1.0


def by_optimizer(t):
    write(t)


def by_optimizer_on_data(t):
    write(t.data)


def by_out_argument(t):
    np.multiply(t.data, NINE, out=t.data)


WRITES = [
    through_data,
    through_data_item,
    through_data_setter,
    through_detach,
    through_view_of_detach,
    by_assign,
    by_assign_to_detached,
    in_place,
    in_place_subtraction,
    by_optimizer,
    by_optimizer_on_data,
    by_out_argument,
]

READERS = {
    "as it is": lambda x, w: x * w,
    "twice": lambda x, w: x * x * w,
    "a view": lambda x, w: x.reshape((3, 1)) * w.reshape((1, 3)),
    "a slice": lambda x, w: x[1:] * w[::-1][1:],
    "transposed": lambda x, w: ag.matmul(w.reshape((1, 3)), x.reshape((1, 3)).T),
    "broadcast": lambda x, w: ag.broadcast_to(x, (2, 3)) * w,
    "as a divisor": lambda x, w: w / x,
    "in exp": lambda x, w: ag.exp(x) * w,
    "in a sum": lambda x, w: ag.logsumexp(x * w),
    "as power": lambda x, w: ag.power(x, w),
    "in a maximum": lambda x, w: ag.maximum(x, w - 1.0),
    "as condition": lambda x, w: ag.where(w > 2.5, x, 2.0 * x),
    "as an activation": lambda x, w: ag.tanh(x) * ag.relu(w - 2.5),
    "in a layer": lambda x, w: ag.linear(x, w.reshape((1, 3)), x[:1]),
    "nothing": lambda x, w: x + w,
}


def expected(read, constant):
    x, w = leaf(), ag.tensor(W) if constant else leaf(W)
    read(x, w).sum().backward()
    return x.grad, w.grad


def check(loss, tensors, want):
    """Sweep: an error that tells what happened, or the right gradients."""
    try:
        loss.backward()
    except ag.MutationError as error:
        assert "overwritten" in str(error) and "test_mutation.py" in str(error)
        assert all(t.grad is None for t in tensors)
        return
    for t, grad in zip(tensors, want, strict=True):
        if grad is not None:
            np.testing.assert_allclose(t.grad, grad, rtol=1e-14)


@pytest.mark.parametrize("change", WRITES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("victim", ["leaf", "parameter", "constant"])
def test_a_tensor_overwritten_after_the_forward_pass(victim, reader, change):
    read = READERS[reader]
    x, w = leaf(), ag.tensor(W) if victim == "constant" else leaf(W)
    loss = read(x, w).sum()
    change(x if victim == "leaf" else w)
    check(loss, (x, w), expected(read, victim == "constant"))


@pytest.mark.parametrize("change", WRITES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reader", READERS)
def test_a_handle_taken_before_the_forward_pass(reader, change):
    read = READERS[reader]
    x, w = leaf(), leaf(W)
    handles = [x.data, w.data, x.detach(), w.numpy()]
    loss = read(x, w).sum()
    handles[0][...] = handles[1][...] = NINE
    change(handles[2])
    check(loss, (x, w), expected(read, False))


@pytest.mark.parametrize("change", WRITES, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "name", ["exp", "tanh", "sqrt", "reciprocal", "softmax", "sin", "positive"]
)
def test_a_result_overwritten_through_its_detached_twin(name, change):
    op = getattr(ag, name)
    x = leaf()
    y = op(x)
    loss = (y * y).sum()
    change(y.detach())
    fresh = leaf()
    (op(fresh) * op(fresh)).sum().backward()
    check(loss, (x,), (fresh.grad,))


def test_results_cannot_be_written():
    y = leaf() * 2.0
    for array in (y.data, y.numpy(), np.asarray(y.detach())):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    with pytest.raises(ag.GraphError, match="leaf"):
        y.data = X
    with pytest.raises(ag.GraphError, match="leaf"):
        y.assign(X)


def test_a_message_names_the_op_and_the_line():
    x = leaf()
    loss = (x * x).sum()
    by_optimizer(x)
    with pytest.raises(ag.MutationError, match=r"multiply at .*test_mutation\.py:\d+"):
        loss.backward()


def test_an_update_after_the_sweep_is_what_training_does():
    x = leaf()
    for _ in range(3):
        x.grad = None
        (x * x).sum().backward()
        with ag.no_grad():
            x -= 0.1 * x.grad
    np.testing.assert_allclose(x.numpy(), X * 0.8**3)


def test_an_update_of_something_else_is_harmless():
    x, other = leaf(), leaf(W)
    loss = (x * x).sum()
    by_optimizer(other)
    loss.backward()
    np.testing.assert_allclose(x.grad, 2 * X)


def test_rules_that_remember_nothing_survive_an_update():
    x, w = leaf(), leaf(W)
    loss = (x + w).sum()
    by_optimizer(w)
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_results_computed_before_an_update_keep_their_value():
    x = leaf()
    views = [x.reshape((3, 1)), x[:2], x.T, ag.broadcast_to(x, (2, 3)), x.detach()]
    values = [view.numpy().copy() for view in views]
    losses = [(view * view).sum() for view in views[:-1]]
    x.data[...] = NINE
    for view, value in zip(views, values, strict=True):
        np.testing.assert_array_equal(view.numpy(), value)
    for loss in losses:
        check(loss, (x,), (None,))


# ------------------------------------------------------------------- arrays of the user


def arrays_of(kind):
    """Return an array that owns its memory, or one that looks at foreign memory."""
    if kind == "own":
        return (array := W.copy()), array
    if kind == "slice":
        store = np.zeros((3, 2))
        store[:, 1] = W
        return store[:, 1], store
    if kind == "buffer":
        memory = bytearray(W.tobytes())
        return np.frombuffer(memory), np.frombuffer(memory)
    store = W.copy()
    view = store.view()
    view.flags.writeable = False
    return view, store


@pytest.mark.parametrize("kind", ["own", "slice", "buffer", "read-only view"])
@pytest.mark.parametrize("reader", [r for r in READERS if r not in ("in a layer", "transposed")])
def test_a_captured_array_overwritten(reader, kind):
    read = READERS[reader]
    x = leaf()
    w, memory = arrays_of(kind)
    loss = read(x, w).sum()
    memory[...] = NINE
    check(loss, (x,), expected(read, True)[:1])


CAPTURES = {
    "array @ tensor": lambda x, a: a.reshape(1, 3) @ x,
    "tensor @ array": lambda x, a: x @ a,
    "np.multiply": lambda x, a: np.multiply(a, x),
    "np.where": lambda x, a: np.where(a > 2.5, x, a),
    "condition": lambda x, a: ag.where(a.astype(bool), x, 0.0),
    "concatenate": lambda x, a: ag.concatenate([x, a]) * 2.0,
    "stack": lambda x, a: ag.exp(ag.stack([a, x])),
    "clip bounds": lambda x, a: ag.clip(x, a - 1.8, a),
    "hypot": lambda x, a: ag.hypot(x, a),
    "remainder": lambda x, a: ag.remainder(x, a),
    "linear": lambda x, a: ag.linear(x, a.reshape(1, 3), a[:1]),
    "diagonal": lambda x, a: ag.diagonal(np.multiply.outer(a, x)) * ag.diag(np.diag(a)),
    "split": lambda x, a: ag.array_split(x, 2)[0] * a[:2],
    "broadcast": lambda x, a: ag.multiply(*ag.broadcast_arrays(x, a[:, None])),
    "swapped axes": lambda x, a: ag.swapaxes(a[None], 0, 1) * x,
    "einsum": lambda x, a: ag.einsum("i,j->ij", x, a),
    "tensordot": lambda x, a: ag.tensordot(x, a, 1),
    "outer": lambda x, a: ag.outer(a, x),
    "kron": lambda x, a: ag.kron(x, a),
    "convolve": lambda x, a: ag.convolve(a, x),
    "cross": lambda x, a: ag.cross(x, a),
    "solve": lambda x, a: ag.linalg.solve(np.diag(a), x * x),
    "solve_triangular": lambda x, a: ag.linalg.solve_triangular(np.diag(a), x * x),
    "average": lambda x, a: ag.average(x * x, weights=a),
    "trapezoid": lambda x, a: ag.trapezoid(x * x, a),
    "cumprod": lambda x, a: ag.cumprod(x * a),
    "pad": lambda x, a: ag.pad(x * a, 1, mode="reflect"),
    "quantile": lambda x, a: ag.quantile(x * a, 0.3),
    "xlogy": lambda x, a: ag.special.xlogy(x, a),
    "prelu": lambda x, a: ag.prelu(x - 1.0, a),
    "cross-entropy": lambda x, a: ag.softmax_cross_entropy(x, a),
    "standardize": lambda x, a: ag.standardize(x * a) * a,
    "pairwise": lambda x, a: nn.functional.triplet_margin_loss(x[None], a[None], 2 * a[None]),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_every_captured_array(name):
    a, fresh = W.copy(), leaf()
    CAPTURES[name](fresh, W.copy()).sum().backward()
    x = leaf()
    loss = CAPTURES[name](x, a).sum()
    a[...] = 0.0
    check(loss, (x,), (fresh.grad,))


POSITIONS = {
    "repeat": lambda x, i: ag.repeat(x * x, i),
    "insert": lambda x, i: ag.insert(x * x, i, 1.0),
    "delete": lambda x, i: ag.delete(x * x, i[:1]),
    "take": lambda x, i: ag.take(x, i),
    "take_along_axis": lambda x, i: ag.take_along_axis(x, i, axis=0),
    "roll": lambda x, i: ag.roll(x, i[1]) * x,
    "compress": lambda x, i: ag.compress(i, x * x),
    "condition": lambda x, i: ag.where(i, x, x * x),
    "select": lambda x, i: ag.select([i == 1, i > 0], [x, x * x]),
    "choose": lambda x, i: ag.choose(i, [x, x * x, 1.0 / x]),
    "bincount": lambda x, i: ag.square(ag.bincount(i, x * x)),
    "scatter": lambda x, i: ag.square(ag.scatter(x, index=i, shape=(3,))),
    "a tuple": lambda x, i: (x[:, None] * x)[(i, i)],
    "searchsorted": lambda x, i: x[np.searchsorted(np.arange(3.0), i)],
    "embedding": lambda x, i: nn.functional.embedding(i, x[:, None] * x),
    "labels": lambda x, i: nn.functional.cross_entropy(x[:, None] * x, i),
    "labels, picked": lambda x, i: nn.functional.nll_loss(x[:, None] * x, i),
    "labels, margin": lambda x, i: nn.functional.multi_margin_loss(x[:, None] * x, i),
    "an embedding's tensor": lambda x, i: nn.functional.embedding(ag.tensor(i), x[:, None] * x),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_and_labels_overwritten(name):
    i, fresh = np.array([0, 2, 1]), leaf()
    POSITIONS[name](fresh, i.copy()).sum().backward()
    x = leaf()
    loss = POSITIONS[name](x, i).sum()
    i[...] = 1
    check(loss, (x,), (fresh.grad,))


INDICES = {
    "integers": np.array([0, 0, 2]),
    "booleans": np.array([True, False, True]),
    "list": [0, 0, 2],
    "tuple of arrays": (np.array([0, 0, 2]),),
    "tuple of lists": ([0, 0, 2],),
}


@pytest.mark.parametrize("kind", INDICES)
@pytest.mark.parametrize(
    "take", [lambda x, i: x[i], lambda x, i: ag.getitem(x, index=i)], ids=["x[i]", "getitem"]
)
def test_an_index_overwritten(kind, take):
    index = copy.deepcopy(INDICES[kind])
    x = leaf()
    loss = take(x, index).sum()
    inner = index[0] if isinstance(index, tuple) else index
    inner[:] = [1, 1, 1]
    loss.backward()
    want = [1.0, 0.0, 1.0] if kind == "booleans" else [2.0, 0.0, 1.0]
    np.testing.assert_array_equal(x.grad, want)


def test_an_index_tensor_overwritten():
    x, index = leaf(), ag.tensor([0, 0, 2])
    loss = x[index].sum()
    index.data[...] = 1
    loss.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 0.0, 1.0])


def test_source_seed_and_gradient_are_separate_arrays():
    source, seed = X.copy(), np.ones(3)
    x = leaf(source)
    source[...] = NINE
    y = x * x
    y.backward(seed, retain_graph=True)
    seed[...] = NINE
    np.testing.assert_allclose(x.grad, 2 * X)
    x.grad[...] = 0.0
    y.backward(np.ones(3))
    np.testing.assert_allclose(x.grad, 2 * X)
    given = np.ones(3)
    x.grad = given
    given[...] = NINE
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_gradients_of_two_leaves_are_separate_arrays():
    x, y = leaf(), leaf(W)
    (x + y).sum().backward()
    x.grad[...] = NINE
    np.testing.assert_array_equal(y.grad, np.ones(3))


# -------------------------------------------------------------------------- transforms


def test_arrays_given_to_and_got_from_transforms_are_the_callers():
    a, b = X.copy(), W.copy()
    value, pull = ag.vjp(lambda x, y: ag.exp(x) + y, a, b)
    kept = value.copy()
    a[...] = b[...] = NINE
    value[...] = NINE
    ct = np.ones(3)
    first = pull(ct)
    np.testing.assert_allclose(first[0], kept - W)
    first[0][...] = NINE
    np.testing.assert_array_equal(first[1], np.ones(3))
    np.testing.assert_array_equal(ct, np.ones(3))
    np.testing.assert_allclose(pull(ct)[0], kept - W)


@pytest.mark.parametrize("function", [ag.sum, ag.mean, lambda x: x.sum() + x.sum()])
def test_gradients_from_transforms_can_be_written(function):
    gradient = ag.grad(function)(X)
    gradient *= 2.0
    _, gradient = ag.value_and_grad(function)(X)
    gradient += 1.0


def test_jvp_takes_copies():
    a, t = X.copy(), np.ones(3)
    value, tangent = ag.jvp(lambda x: x * 1.0, (a,), (t,))
    tangent[...] = NINE
    value[...] = NINE
    np.testing.assert_array_equal(a, X)
    np.testing.assert_array_equal(t, np.ones(3))


def test_identity_functions_do_not_hand_out_the_callers_arrays():
    a = X.copy()
    value, pull = ag.vjp(lambda x: x, a)
    ct = np.ones(3)
    (back,) = pull(ct)
    back[...] = NINE
    np.testing.assert_array_equal(ct, np.ones(3))
    value[...] = NINE
    np.testing.assert_array_equal(a, X)


# --------------------------------------------------------- networks, optimizers, batches


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def stepped(kind):
    def change(model, x, y):
        for p in model.parameters():
            p.grad = np.ones(p.shape)
        kind(model.parameters(), lr=0.1).step()
        for p in model.parameters():
            p.grad = None

    return change


def loaded(model, x, y):
    model.load_state_dict({key: value * 2.0 for key, value in model.state_dict().items()})


def overwrite_parameters(model, x, y):
    for p in model.parameters():
        p.data[...] = NINE


def overwrite_batch(model, x, y):
    x[...] = NINE
    y[...] = 0


def every(base):
    return [kind for child in base.__subclasses__() for kind in (child, *every(child))]


OPTIMIZERS = [kind for kind in every(optim.Optimizer) if kind.__name__ in optim.__all__]
STEPS = {kind.__name__: stepped(kind) for kind in OPTIMIZERS}
STEPS |= {f.__name__: f for f in (loaded, overwrite_parameters, overwrite_batch)}


@pytest.mark.parametrize("change", STEPS)
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()])
def test_a_network_overwritten_between_forward_and_backward(loss, change):
    model = network()
    x = np.linspace(-1.0, 1.0, 15).reshape(5, 3)
    y = np.array([0, 1, 1, 0, 1])
    y = y if isinstance(loss, nn.CrossEntropyLoss) else np.eye(2)[y]
    loss(model(x.copy()), y.copy()).backward()
    want = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    result = loss(model(x), y)
    STEPS[change](model, x, y)
    check(result, list(model.parameters()), want)
