"""Contractions of labelled axes: einsum, tensordot, kron.

Every sum of products of two arrays is one op, `contract`: a product of two stacks of matrices once
the axes are in order. Its derivative is another contraction, with the labels in other roles.
"""

from __future__ import annotations

import functools
import math
import string
from typing import Any

import numpy as np

from ..declare import composite, defvjp, primitive
from ..domains import uniform
from ..errors import ShapeError, UnknownNameError, explain
from .pointwise import strong_multiply
from .products import array_like, strong_matmul
from .reduce import sum
from .shape import reshape, transpose

# -------------------------------------------------------------------------- two operands


def _contract_samples(rng):
    for of_x, of_y, of_out in (
        ("ij", "jk", "ik"),
        ("bij", "kjb", "kib"),
        ("i", "jk", "kij"),
        ("ijk", "kij", ""),
        ("bi", "bi", "ib"),
        ("ijkl", "ljm", "mki"),
    ):
        sizes = dict(zip("bijklm", (2, 3, 4, 2, 5, 1), strict=True))
        shapes = [[sizes[label] for label in labels] for labels in (of_x, of_y)]
        labels = (tuple(of_x), tuple(of_y), tuple(of_out))
        yield [uniform(rng, *shape) for shape in shapes], {"labels": labels}


@primitive(internal=True, samples=_contract_samples)
def contract(x, y, *, labels):
    """Sum of products over the labels that the result lacks; each label is in two of the three."""
    return _contracted(x, y, labels, np.matmul, np.multiply)


@primitive(register=False)
def strong_contract(x, y, *, labels):
    """Contraction in which a factor that is exactly zero wins over an infinite one."""
    return _contracted(x, y, labels, strong_matmul.forward, strong_multiply.forward)


def _contracted(x, y, labels, matrix_product, product):
    order_x, order_y, order_out, stacked, rows, summed = _orders(labels)
    x, y = np.transpose(x, order_x), np.transpose(y, order_y)
    stack, sums = x.shape[:stacked], x.shape[stacked + rows :]
    left, right = x.shape[stacked : stacked + rows], y.shape[stacked + summed :]
    if summed:
        x = x.reshape(*stack, math.prod(left), math.prod(sums))
        y = y.reshape(*stack, math.prod(sums), math.prod(right))
        out = matrix_product(x, y)
    else:
        out = product(
            x.reshape(x.shape + (1,) * len(right)), y.reshape((*stack, *_ones(left), *right))
        )
    return np.transpose(out.reshape((*stack, *left, *right)), order_out)


def _ones(shape):
    return (1,) * len(shape)


@functools.lru_cache(maxsize=4096)
def _orders(labels):
    """Return the orders of axes (stack, rows, summed), (stack, summed, columns), and the result's.

    With them, how many axes the stack, the rows and the sum have.
    """
    of_x, of_y, of_out = labels
    stack = [label for label in of_x if label in of_y and label in of_out]
    summed = [label for label in of_x if label in of_y and label not in of_out]
    rows = [label for label in of_x if label not in of_y]
    columns = [label for label in of_y if label not in of_x]
    orders = (
        [of_x.index(label) for label in (*stack, *rows, *summed)],
        [of_y.index(label) for label in (*stack, *summed, *columns)],
        [(*stack, *rows, *columns).index(label) for label in of_out],
    )
    return *map(tuple, orders), len(stack), len(rows), len(summed)


def contract_vjp_x(ct, y, labels):
    of_x, of_y, of_out = labels
    return contract(ct, y, labels=(of_out, of_y, of_x))


def contract_vjp_y(ct, x, labels):
    of_x, of_y, of_out = labels
    return contract(x, ct, labels=(of_x, of_out, of_y))


defvjp(contract, x=contract_vjp_x, y=contract_vjp_y)
defvjp(strong_contract, x=contract_vjp_x, y=contract_vjp_y)
contract.strong = strong_contract


# --------------------------------------------------------------------------- one operand


@primitive(
    internal=True,
    samples=lambda rng: [
        ((uniform(rng, 3, 3),), {"labels": ("i", "i")}),
        ((uniform(rng, 3, 2, 3, 2, 3),), {"labels": ("i", "j", "i", "j", "i")}),
        ((uniform(rng, 2, 3, 3),), {"labels": ("i", "j", "j")}),
    ],
)
def take_diagonal(x, *, labels):
    """The elements whose indices agree wherever axes have one label; one axis for each label."""
    return np.einsum(x, *_numbered(labels))


@primitive(
    internal=True,
    samples=lambda rng: [
        ((uniform(rng, 3),), {"labels": ("i", "i"), "shape": (3, 3)}),
        ((uniform(rng, 2, 3),), {"labels": ("i", "j", "j"), "shape": (2, 3, 3)}),
    ],
)
def put_diagonal(x, *, labels, shape):
    """Zeros of a shape, with x where `take_diagonal` takes from."""
    out = np.zeros(shape, np.asarray(x).dtype)
    np.einsum(out, *_numbered(labels))[...] = x
    return out


def _numbered(labels):
    kept = list(dict.fromkeys(labels))
    return [kept.index(label) for label in labels], list(range(len(kept)))


defvjp(take_diagonal, x=lambda ct, labels, x_shape: put_diagonal(ct, labels=labels, shape=x_shape))
defvjp(put_diagonal, x=lambda ct, labels: take_diagonal(ct, labels=labels))


# -------------------------------------------------------------------------------- einsum


def _einsum_samples(rng):
    for subscripts, *shapes in (
        ("ij,jk", (2, 3), (3, 4)),
        ("ij,ij->i", (2, 3), (2, 3)),
        ("ij,k->", (2, 3), (4,)),
        ("i,ij,->j", (3,), (3, 4), ()),
        ("ij,jk,kl->li", (2, 3), (3, 4), (4, 2)),
        ("ijj", (2, 3, 3)),
        ("ii->i", (3, 3)),
        ("iij,j->i", (3, 3, 2), (2,)),
        ("...ij,...jk->...ik", (4, 1, 2, 3), (2, 3, 2)),
        ("ij,ij->ji", (3, 1), (3, 4)),
        ("i...->...", (3, 2)),
    ):
        yield (subscripts, *(uniform(rng, *shape) for shape in shapes)), {}
    yield (uniform(rng, 2, 3), [0, 1], uniform(rng, 3, 2), [1, Ellipsis], [0, Ellipsis]), {}


@composite(samples=_einsum_samples)
def einsum(*operands, optimize=False):
    """Sum of products over labelled axes: ``einsum("ij,jk->ik", a, b)`` is ``a @ b``.

    All of NumPy's notation: implicit results, ellipses, repeated labels (diagonals), lengths of
    one that broadcast, and lists of integers instead of letters. More than two operands are
    multiplied two at a time, in the order of `numpy.einsum_path`.
    """
    subscripts, arrays = _read(operands)
    arrays = [array_like(array) for array in arrays]
    terms, result = _parsed(subscripts, tuple(array.ndim for array in arrays))
    sizes = _sizes(subscripts, terms, arrays)
    parts = [_simplified(x, labels, sizes) for x, labels in zip(arrays, terms, strict=True)]
    for places in _path(parts, result, optimize):
        chosen = [parts.pop(i) for i in sorted(places, reverse=True)][::-1]
        parts.append(_multiplied(chosen, parts, result))
    (x, labels), *_ = parts
    x, labels = _summed(x, labels, result)
    return x if labels == result else transpose(x, axes=tuple(labels.index(i) for i in result))


def _read(operands):
    """Return the subscripts as text, and the arrays."""
    if operands and isinstance(operands[0], str):
        return operands[0].replace(" ", ""), operands[1:]
    count = len(operands) // 2
    terms = [_term(labels) for labels in operands[1 : 2 * count : 2]]
    result = "->" + _term(operands[-1]) if len(operands) % 2 else ""
    return ",".join(terms) + result, operands[: 2 * count : 2]


def _term(labels):
    letters = string.ascii_uppercase + string.ascii_lowercase  # in the order of their codes
    try:
        return "".join("..." if label is Ellipsis else letters[label] for label in labels)
    except (TypeError, IndexError) as error:
        do = "Write einsum('ij,jk->ik', a, b) or einsum(a, [0, 1], b, [1, 2], [0, 2])"
        what = "einsum: subscripts first, or a list of integers below 52 after each operand"
        raise ShapeError(explain(what, f"{labels!r:.60}", do)) from error


@functools.lru_cache(maxsize=4096)
def _parsed(subscripts, ndims):
    """Return the labels of each operand's axes, and of the result's."""
    left, arrow, right = subscripts.partition("->")
    texts = left.split(",")
    if len(texts) != len(ndims):
        raise _misread(subscripts, f"{len(ndims)} operands", "Write one term for each operand")
    terms = [_labels(subscripts, text, ndim) for text, ndim in zip(texts, ndims, strict=True)]
    known = [label for labels in terms for label in labels]
    extra = sorted({label for label in known if isinstance(label, int)})
    if arrow:
        result = _labels(subscripts, right, len(right.replace("...", "")) + len(extra))
    else:
        result = (*extra, *sorted(i for i in set(known) - set(extra) if known.count(i) == 1))
    if len(set(result)) < len(result) or not set(result) <= set(known):
        do = "Let each label of the result occur there once, and in an operand"
        raise _misread(subscripts, f"the result {right!r}", do)
    return tuple(terms), result


def _labels(subscripts, text, ndim):
    """Return one label for each axis; those of an ellipsis are counted from the right."""
    head, dots, tail = text.partition("...")
    extra = ndim - len(head + tail)
    if extra < 0 or (extra and not dots):
        raise _misread(subscripts, f"{ndim} axes for {text!r}", "Write one label for each axis")
    if not all(letter in string.ascii_letters for letter in head + tail):
        raise _misread(subscripts, f"the term {text!r}", "Use letters, and ... once in a term")
    return (*head, *range(-extra, 0), *tail)


def _misread(subscripts, got, do):
    return ShapeError(explain(f"einsum: subscripts {subscripts!r} that fit", got, do))


def _sizes(subscripts, terms, arrays):
    """Return the length of the axes with each label; a length of one gives way to any other."""
    sizes: dict[Any, int] = {}
    for labels, array in zip(terms, arrays, strict=True):
        for label, size in zip(labels, array.shape, strict=True):
            known = sizes.setdefault(label, size)
            sizes[label] = size if known == 1 else known
            unequal = 1 in (known, size) and labels.count(label) > 1
            if known != size and (unequal or 1 not in (known, size)):
                got = f"lengths {known} and {size} of one label in {[a.shape for a in arrays]}"
                raise _misread(subscripts, got, "Transpose an operand, or rename an axis")
    return sizes


def _simplified(x, labels, sizes):
    """Return x without axes that broadcast, and with one axis for each label."""
    lengths = [sizes[label] for label in labels]
    if x.shape != tuple(lengths):
        stays = [size == length for size, length in zip(x.shape, lengths, strict=True)]
        labels = tuple(label for label, kept in zip(labels, stays, strict=True) if kept)
        x = reshape(x, shape=tuple(sizes[label] for label in labels))
    if len(set(labels)) < len(labels):
        x, labels = take_diagonal(x, labels=labels), tuple(dict.fromkeys(labels))
    return x, labels


def _path(parts, result, optimize):
    """Return which parts to multiply, step by step."""
    if len(parts) < 3:
        return [tuple(range(len(parts)))]
    numbers: dict[Any, int] = {}
    terms = [[numbers.setdefault(i, len(numbers)) for i in labels] for _, labels in parts]
    empty = [np.broadcast_to(0.0, x.shape) for x, _ in parts]  # only the shapes are looked at
    listed = [part for pair in zip(empty, terms, strict=True) for part in pair]
    how = "greedy" if isinstance(optimize, bool) else optimize
    try:
        return np.einsum_path(*listed, [numbers[i] for i in result], optimize=how)[0][1:]
    except (KeyError, TypeError, ValueError) as error:
        what = "einsum: optimize=True, False, 'greedy', 'optimal' or a path of einsum_path"
        raise UnknownNameError(explain(what, f"{optimize!r:.60}", "Choose one")) from error


def _multiplied(chosen, others, result):
    """Multiply parts from left to right; `others` come later and need their labels, too."""
    (x, of_x), *rest = chosen
    while rest:
        y, of_y = rest.pop(0)
        wanted = {*result, *(label for _, labels in (*others, *rest) for label in labels)}
        x, of_x = _summed(x, of_x, wanted.union(of_y))
        y, of_y = _summed(y, of_y, wanted.union(of_x))
        out = tuple(label for label in dict.fromkeys((*of_x, *of_y)) if label in wanted)
        out = result if set(out) == set(result) else out
        x, of_x = contract(x, y, labels=(of_x, of_y, out)), out
    return x, of_x


def _summed(x, labels, wanted):
    """Sum over the axes whose labels nobody wants."""
    axes = tuple(i for i, label in enumerate(labels) if label not in wanted)
    if not axes:
        return x, labels
    return sum(x, axis=axes), tuple(label for label in labels if label in wanted)


# ------------------------------------------------------------- products that contract axes


def _pairs(*shapes, **named):
    return lambda rng: [((uniform(rng, *x), uniform(rng, *y)), named) for x, y in shapes]


@composite(
    samples=lambda rng: [
        *_pairs(((2, 3, 4), (3, 4, 2)))(rng),
        *_pairs(((2, 3), (2,)), axes=0)(rng),
        *_pairs(((2, 3), (3, 2)), axes=1)(rng),
        *_pairs(((2, 3, 4), (4, 2, 5)), axes=([0, 2], [1, 0]))(rng),
        *_pairs(((2, 3), (4, 3)), axes=(-1, -1))(rng),
    ]
)
def tensordot(a, b, axes=2):
    """Sum of products over pairs of axes: the last and first `axes`, or lists of both."""
    a, b = array_like(a), array_like(b)
    if np.ndim(axes) == 0:
        of_a, of_b = range(a.ndim - int(axes), a.ndim), range(int(axes))
    else:
        of_a, of_b = (np.atleast_1d(part).tolist() for part in axes)
    try:
        fit = all(a.shape[i] == b.shape[j] for i, j in zip(of_a, of_b, strict=True))
    except (ValueError, IndexError):
        fit = False
    pairs = {j % b.ndim: i % a.ndim for i, j in zip(of_a, of_b, strict=True)} if fit else {}
    if not fit or not len(pairs) == len(set(pairs.values())) == len(of_a):
        got = f"shapes {a.shape} and {b.shape} with axes={axes!r}"
        raise ShapeError(explain("tensordot: pairs of axes of one length", got, "Correct axes="))
    labels_a = tuple(range(a.ndim))
    labels_b = tuple(pairs.get(j, a.ndim + j) for j in range(b.ndim))
    out = tuple(i for i in (*labels_a, *labels_b) if (i in labels_a) != (i in labels_b))
    return contract(a, b, labels=(labels_a, labels_b, out))


@composite(
    samples=_pairs(((2, 3), (3, 2)), ((3,), (2,)), ((), (2, 2)), ((2,), (3, 1, 2)), ((2, 2), (3,)))
)
def kron(a, b):
    """Kronecker product: each element of a times the whole of b, block by block."""
    a, b = array_like(a), array_like(b)
    ndim = max(a.ndim, b.ndim)
    a, b = (reshape(x, shape=(1,) * (ndim - x.ndim) + x.shape) for x in (a, b))
    of_a, of_b = tuple(range(0, 2 * ndim, 2)), tuple(range(1, 2 * ndim, 2))
    blocks = contract(a, b, labels=(of_a, of_b, tuple(range(2 * ndim))))
    return reshape(blocks, shape=tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))
