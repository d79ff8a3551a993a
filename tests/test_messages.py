"""Every message a user can meet says what was expected, what came, and what to do.

A case is one mistake: a function that makes it, the type of the error, and pieces that must be
read in the message, in that order.
"""

import math
import operator
import re

import numpy as np
import pytest

import autograd_core as ag

A = np.array([1.0, 2.0, 3.0])
FORM = re.compile(r"^[^:]+: .+, but got .+\. .+\.$", re.DOTALL)


def leaf(data=A):
    return ag.tensor(data, requires_grad=True)


def matrix(*shape):
    return leaf(np.ones(shape))


def swept_twice():
    y = (leaf() ** 2).sum()
    y.backward()
    y.backward()


def overwritten():
    x = leaf()
    y = (x * x).sum()
    x.assign(np.zeros(3))
    y.backward()


def in_place(x):
    x += 1.0


def item_assignment(x):
    x[0] = 1.0


def into_array(x):
    A.copy()[:] = x


def element_into_array(x):
    A.copy()[0] = x[0]


def array_in_place(x):
    a = A.copy()
    a += x


def cube(x):
    """The third power."""
    return x * x * x


def custom(**rules):
    op = ag.primitive(cube, pointwise=True, register=False)
    ag.defvjp(op, **rules)
    return op


def product(**rules):
    """Apply an op of two operands that lacks rules to two leaves."""
    op = ag.primitive(lambda x, y: x * y, pointwise=True, register=False)
    op.name = "product"
    if rules:
        ag.defvjp(op, **rules)
    return op(leaf(), leaf())


def set_grad(x, value):
    x.grad = value


CASES = {
    # ------------------------------------------------------------------ shapes that disagree
    "add": (lambda: leaf() + matrix(2), ag.ShapeError, "add..(3,)..(2,)"),
    "add, array first": (lambda: np.ones(2) + leaf(), ag.ShapeError, "add..(2,)..(3,)"),
    "where": (lambda: ag.where(A > 1, leaf(), np.ones(2)), ag.ShapeError, "where..(3,)..(2,)"),
    "matmul": (
        lambda: leaf() @ matrix(2, 2),
        ag.ShapeError,
        "matmul..k is 3 against 2..Transpose",
    ),
    "matmul, 0-d": (lambda: leaf() @ ag.tensor(1.0), ag.ShapeError, "matmul..at least one axis"),
    "matmul, stacks": (lambda: matrix(2, 3, 4) @ matrix(5, 4, 3), ag.ShapeError, "stacks"),
    "linear": (
        lambda: ag.linear(leaf(), matrix(2, 4), matrix(2)),
        ag.ShapeError,
        "linear..(2, 4)",
    ),
    "concatenate": (
        lambda: ag.concatenate([matrix(2, 2), matrix(2, 3)]),
        ag.ShapeError,
        "concatenate..(2, 2)..(2, 3)",
    ),
    "concatenate nothing": (lambda: ag.concatenate([]), ValueError, "concatenate..at least one"),
    "stack": (lambda: ag.stack([leaf(), matrix(2)]), ag.ShapeError, "stack..(3,)..(2,)"),
    "reshape": (lambda: leaf().reshape(2, 2), ag.ShapeError, "reshape..3 elements..(2, 2)"),
    "broadcast_to": (lambda: ag.broadcast_to(leaf(), (2, 2)), ag.ShapeError, "broadcast_to..(3,)"),
    "transpose": (lambda: leaf().transpose(1, 0), ag.ShapeError, "transpose..(3,)..(1, 0)"),
    "axis of sum": (lambda: leaf().sum(axis=3), ValueError, "sum..axis..3"),
    "axis of max": (lambda: ag.max(leaf(), axis=1), ValueError, "max..axis..1"),
    "axis of softmax": (lambda: ag.softmax(leaf(), axis=4), ValueError, "softmax..axis..4"),
    "mean of nothing": (lambda: leaf([]).mean(), ag.ShapeError, "mean..at least one element"),
    "var of nothing": (lambda: ag.var(leaf([])), ag.ShapeError, "var..at least one element"),
    "max of nothing": (lambda: ag.max(leaf([])), ag.ShapeError, "max..(0,)"),
    # -------------------------------------------------------------------------- wrong dtypes
    "integer leaf": (lambda: leaf([1, 2]), ag.DTypeError, "floating..int64..dtype=float"),
    "boolean leaf": (lambda: leaf([True]), ag.DTypeError, "floating..bool"),
    "complex leaf": (lambda: leaf([1j]), ag.DTypeError, "floating..complex"),
    "text": (lambda: ag.tensor("abc"), ag.DTypeError, "numbers..'abc'"),
    "None": (lambda: ag.tensor(None), ag.DTypeError, "numbers..None"),
    "ragged lists": (lambda: ag.tensor([[1, 2], [3]]), ValueError, "tensor..equal lengths"),
    "complex operand": (lambda: leaf() * 1j, ag.DTypeError, "multiply..real..complex128"),
    "complex array": (lambda: np.array([1j, 0, 0]) + leaf(), ag.DTypeError, "add..real..complex"),
    "object array": (lambda: leaf() * np.array([1, "a", None], object), ag.DTypeError, "multiply"),
    "text operand": (lambda: leaf() + "a", ag.DTypeError, "add..numbers..'a'"),
    "None operand": (lambda: leaf() + None, ag.DTypeError, "add"),
    "None operand first": (lambda: None * leaf(), ag.DTypeError, "multiply"),
    "list of tensors": (lambda: leaf() + [leaf(), 1.0, 2.0], TypeError, "tensor"),
    # ------------------------------------------------------------------------------ backward
    "no seed": (lambda: (leaf() * 2.0).backward(), ag.GraphError, "shape (3,)...sum()"),
    "constant": (lambda: ag.tensor(1.0).backward(), ag.GraphError, "constant..requires_grad=True"),
    "second backward": (swept_twice, ag.GraphError, "released..retain_graph=True"),
    "shape of seed": (
        lambda: (leaf() * 2).backward(np.ones(2)),
        ag.ShapeError,
        "seed..(3,)..(2,)",
    ),
    "text as seed": (lambda: (leaf() * 2).backward("a"), ag.DTypeError, "seed..numbers"),
    "complex seed": (lambda: (leaf() * 2).backward(A * 1j), ag.DTypeError, "seed..complex128"),
    "overwritten": (overwritten, ag.MutationError, "multiply at ..overwritten"),
    "grad of a result": (lambda: set_grad(leaf() * 2, A), ag.GraphError, "leaf"),
    "shape of grad": (lambda: set_grad(leaf(), np.ones(2)), ag.ShapeError, "grad..(3,)..(2,)"),
    "text as grad": (lambda: set_grad(leaf(), "abc"), ag.DTypeError, "grad..numbers"),
    # --------------------------------------------------------------- one number out of many
    "float": (lambda: float(leaf()), (TypeError, ValueError), "one element..(3,)..sum"),
    "int": (lambda: int(leaf()), (TypeError, ValueError), "one element..(3,)"),
    "bool": (lambda: bool(leaf()), (TypeError, ValueError), "one element..(3,)"),
    "item": (lambda: leaf().item(), ValueError, "one element..(3,)"),
    "if": (lambda: 1 if leaf() > 1 else 0, (TypeError, ValueError), "one element"),
    "axis of text": (lambda: ag.sum(leaf(), axis="x"), ag.DTypeError, "sum..types..axis='x'"),
    "no axis": (lambda: ag.softmax(leaf(), axis=None), ag.DTypeError, "softmax..axis=None"),
    "len of 0-d": (lambda: len(ag.tensor(1.0)), TypeError, "axis..0-d"),
    # -------------------------------------------------- arrays and tensors, and NumPy itself
    "a += t": (lambda: array_in_place(leaf()), ag.DTypeError, "add..out="),
    "a[:] = t": (lambda: into_array(leaf()), ag.DTypeError, "conversion..lost"),
    "np.array": (lambda: np.array(leaf()), ag.DTypeError, "conversion...numpy()"),
    "np.array of tensors": (lambda: np.array([leaf(), leaf()]), ag.DTypeError, "conversion"),
    "np.asarray": (lambda: np.asarray(leaf() * 2), ag.DTypeError, "conversion..multiply"),
    "a.dot(t)": (lambda: A.dot(leaf()), ag.DTypeError, "conversion"),
    "np.subtract.reduce": (
        lambda: np.subtract.reduce(leaf()),
        ag.DTypeError,
        "np.subtract.reduce",
    ),
    "np.add.at": (lambda: np.add.at(A.copy(), [0], leaf()), ag.DTypeError, "np.add.at"),
    "np.add.reduceat": (lambda: np.add.reduceat(leaf(), [0]), ag.DTypeError, "np.add.reduceat"),
    "out=": (lambda: np.sin(leaf(), out=A.copy()), ag.DTypeError, "np.sin..out="),
    "where=": (lambda: np.add(A, leaf(), where=A > 1), ag.DTypeError, "add..where"),
    "dtype=": (lambda: np.add(A, leaf(), dtype=float), ag.DTypeError, "add..dtype"),
    "no such op": (lambda: np.frexp(leaf()), ag.DTypeError, "np.frexp..docs/ops.md"),
    "no such function": (lambda: np.interp(leaf(), A, A), ag.DTypeError, "interp..numpy()"),
    "x[0] = 1": (lambda: item_assignment(leaf()), (TypeError, ValueError), "where"),
    "x += 1": (lambda: in_place(leaf()), ag.GraphError, "leaf..no_grad()"),
    "assign to a result": (lambda: (leaf() * 2).assign(A), ag.GraphError, "leaf"),
    "shape of assign": (lambda: leaf().assign(np.ones(2)), ag.ShapeError, "(3,)..(2,)"),
    # ----------------------------------------------------------------------------- arguments
    "unknown option": (lambda: ag.sum(leaf(), axes=0), ag.DTypeError, "sum..axis..axes"),
    "option twice": (lambda: ag.sum(leaf(), 0, axis=0), ag.DTypeError, "sum..axis"),
    "operand missing": (lambda: ag.add(leaf()), ag.DTypeError, "add..(x, y)"),
    "operand too many": (lambda: ag.sin(leaf(), leaf()), ag.DTypeError, "sin..(x)"),
    "tensor as option": (lambda: ag.clip(leaf(), leaf(), 9.0), ag.DTypeError, "clip..maximum"),
    "slope as tensor": (
        lambda: ag.leaky_relu(leaf(), slope=leaf(0.1)),
        ag.DTypeError,
        "leaky_relu..tensor",
    ),
    "order of reshape": (lambda: matrix(2, 2).reshape(4, order="F"), ag.DTypeError, "reshape"),
    "order of ravel": (lambda: np.ravel(matrix(2, 2), order="F"), TypeError, "ravel"),
    "dtype of sum": (lambda: np.sum(leaf(), dtype=np.float32), ag.DTypeError, "sum..dtype"),
    # ---------------------------------------------------------------------------- transforms
    "grad of integers": (lambda: ag.grad(cube)(3), ag.DTypeError, "float..int 3"),
    "grad of a vector": (lambda: ag.grad(cube)(A), ag.ShapeError, "one number..(3,)..sum"),
    "grad of nothing": (lambda: ag.grad(lambda x: None)(1.0), ag.DTypeError, "result..None"),
    "grad of text": (lambda: ag.grad(lambda x: "a")(1.0), ag.DTypeError, "result..'a'"),
    "argnums": (lambda: ag.grad(cube, 3)(1.0), ValueError, "argnums"),
    "cotangent": (lambda: ag.vjp(cube, A)[1](np.ones(2)), ag.ShapeError, "cotangents..(2,)"),
    "tangent": (lambda: ag.jvp(cube, (A,), (np.ones(2),)), ag.ShapeError, "tangents..(2,)"),
    "tangents": (lambda: ag.jvp(operator.mul, (A, A), (A,)), ValueError, "tangents..2"),
    # ---------------------------------------------------------------------------- custom ops
    "rule for no operand": (lambda: custom(y=lambda ct: ct), ag.UnknownNameError, "cube..x..y"),
    "rule with no such need": (
        lambda: custom(x=lambda ct, q: ct),
        ag.UnknownNameError,
        "cube..out..'q'",
    ),
    "name taken": (
        lambda: ag.primitive(ag.OPS["sum"].forward),
        ag.UnknownNameError,
        "'sum'",
    ),
    "no rule": (lambda: product() * 1.0, ag.NondifferentiableError, "product..rules..nondiff"),
    "no rule for y": (lambda: product(x=lambda ct, y: ct * y), ValueError, "product..x, y"),
    "rule of another shape": (
        lambda: custom(x=lambda ct: np.ones(7))(leaf()).sum().backward(),
        ag.ShapeError,
        "rule..(3,)..(7,)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_message(name):
    mistake, kind, words = CASES[name]
    with pytest.raises(kind) as caught:
        mistake()
    text = str(caught.value)
    rest = text
    for piece in words.split(".."):
        found, rest = rest.find(piece), rest[rest.find(piece) + len(piece) :]
        assert found >= 0, f"{piece!r} is not where it should be in: {text}"
    assert FORM.match(text), f"not of the form what / got / do: {text}"


def test_errors_are_type_errors_and_value_errors():
    for kind in (ag.ShapeError, ag.GraphError, ag.MutationError, ag.UnknownNameError):
        assert issubclass(kind, ValueError)
    for kind in (ag.DTypeError, ag.NondifferentiableError):
        assert issubclass(kind, TypeError)


def test_a_message_names_the_users_function():
    def my_loss(x):
        return None

    with pytest.raises(ag.DTypeError, match="my_loss"):
        ag.grad(my_loss)(1.0)


# ----------------------------------------------- arrays and tensors, mixed in every order

SCALARS = [2.0, 2, True, np.float64(2.0), np.float32(2.0), np.int64(2), np.array(2.0)]
ARRAYS = [A, A.tolist(), A.astype(np.float32), np.arange(1, 4), A[::-1], np.ones((2, 3))]
BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.power,
    np.maximum,
    np.hypot,
    np.arctan2,
    np.logaddexp,
]


def slopes(f, x):
    """Return the gradient of the sum of f by central differences."""
    step = 1e-6
    ends = [[np.sum(f(x + s * unit)) for s in (step, -step)] for unit in np.eye(x.size)]
    return np.array([(up - down) / (2 * step) for up, down in ends])


@pytest.mark.parametrize("other", [*SCALARS, *ARRAYS], ids=lambda o: f"{type(o).__name__} {o}")
@pytest.mark.parametrize("f", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("first", [True, False], ids=["tensor first", "tensor last"])
def test_mixing_never_loses_a_gradient(f, other, first):
    def mixed(x):
        return f(x, other) if first else f(other, x)

    x = leaf()
    result = mixed(x)
    assert isinstance(result, ag.Tensor) and result.requires_grad
    np.testing.assert_allclose(result.numpy(), mixed(A), rtol=1e-6)
    result.sum().backward()
    rtol = 1e-4 if np.asarray(other).dtype == np.float32 else 1e-6
    np.testing.assert_allclose(x.grad, slopes(mixed, A), rtol=rtol, atol=1e-6)


MATRICES = [
    lambda x: np.ones((2, 3)) @ x,
    lambda x: x @ np.ones((3, 2)),
    lambda x: np.ones((2, 3)).tolist() @ x,
    lambda x: np.matmul(np.ones((2, 3)), x),
    lambda x: np.dot(A, x),
    lambda x: np.dot(x, A),
    lambda x: np.concatenate((A, x, x)),
    lambda x: np.stack([x, A]),
    lambda x: np.where(A > 1.5, x, A),
    lambda x: np.where(x > 1.5, x, A),
    lambda x: np.clip(x, 0.5, A + 0.5),
    lambda x: np.sum(x * A, axis=0, keepdims=True),
    lambda x: np.reshape(x, (3, 1)) * A,
    lambda x: np.transpose(A.reshape(1, 3) * x),
    lambda x: np.broadcast_to(x, (2, 3)) * A,
    lambda x: np.mean(x) * A,
    lambda x: np.var(A * x),
    lambda x: np.std(A * x),
    lambda x: np.max(A * x),
    lambda x: np.exp(A) * np.sin(x) - np.tanh(x),
    lambda x: np.expand_dims(x, 0) + A,
    lambda x: np.squeeze(x) + A,
    lambda x: np.ravel(x) * A,
    lambda x: np.swapaxes(np.ones((2, 3)) * x, 0, 1),
    lambda x: sum([x, A, x]),
    lambda x: A * x[::-1] - x[np.array([0, 0, 1])],
]


@pytest.mark.parametrize("f", MATRICES, ids=range(len(MATRICES)))
def test_numpys_functions_never_lose_a_gradient(f):
    x = leaf()
    result = f(x)
    assert result.requires_grad
    np.testing.assert_allclose(result.numpy(), f(A))
    result.sum().backward()
    np.testing.assert_allclose(x.grad, slopes(f, A), rtol=1e-6, atol=1e-6)


def test_a_masked_array_does_not_swallow_a_gradient():
    masked = np.ma.array(A, mask=[True, False, False])
    for mixture in (lambda x: masked * x, lambda x: x * masked):
        x = leaf()
        try:
            result = mixture(x)
        except (TypeError, ValueError):
            continue
        assert isinstance(result, ag.Tensor) and result.requires_grad


def test_item_assignment_into_an_array_does_not_lose_a_gradient():
    with pytest.raises((TypeError, ValueError)):
        element_into_array(leaf())


def test_single_numbers_can_be_read():
    x = leaf([2.5])
    assert (float(x), int(x), bool(x), x.item(), math.floor(float(x))) == (2.5, 2, True, 2.5, 2)
    assert f"{float(leaf(2.5)):.2f}" == "2.50"


def test_constants_convert_freely():
    c = ag.tensor(A)
    np.testing.assert_array_equal(np.asarray(c), A)
    np.testing.assert_array_equal(np.array([c, c]), [A, A])
    assert math.sin(ag.tensor(1.0)) == math.sin(1.0)
