"""`scan`: a loop that carries a state along a sequence, with JAX's signature.

It is an ordinary loop: every iteration is recorded on the tape. What it adds is that shapes and
dtypes of the state are checked, results are stacked, and memory can be saved by `checkpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .checkpoint import checkpoint
from .declare import OPS
from .errors import DTypeError, ShapeError, explain
from .modes import no_grad
from .tensor import Tensor
from .tree import flatten, leaves, leaves_like

__all__ = ["scan"]

CAME_IN = "that came in"


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    recompute: bool = False,
) -> tuple[Any, Any]:
    """Carry a state along a sequence: ``carry, y = f(carry, x)`` for each x; stack the y.

    Parameters
    ----------
    f : callable
        Takes the carry and one entry of `xs`; returns the next carry, in the same containers,
        shapes and dtypes, and a result. Parameters that it captures are differentiated, too.
    init : nested containers
        The first carry.
    xs : nested containers of arrays or tensors, optional
        What the loop runs over: the first axis of each.
    length : int, optional
        The number of iterations; needed where `xs` is None.
    reverse : bool
        Whether to run from the last entry to the first. Results keep the places of their entries.
    unroll : int or bool
        Taken for the sake of JAX's signature; iterations are recorded one by one in any case.
    recompute : bool
        Whether to remember of each iteration its carry and result only, and to compute the rest
        again in the backward sweep (`checkpoint`). `f` may draw no random numbers then.

    Returns
    -------
    carry, ys
        The last carry, and the results stacked along a new first axis. None in a container stays
        None. Of no iterations at all `f` is evaluated once, without derivative and on zeros in
        place of x, to learn the shapes of the empty results.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> total, sums = ag.scan(lambda s, x: (s + x, s + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> total, sums
    (np.float64(6.0), array([1., 3., 6.]))
    """
    entries, build = flatten(xs)
    count = _length(entries, length)
    _refuse_unroll(unroll)
    if count == 0:
        return init, _no_results(f, init, build([_one(x, _zeros) for x in entries]))
    columns = [[None] * count if x is None else _pieces(x, count) for x in entries]
    body = checkpoint(f) if recompute else f
    carry, kind = init, _Kind(init, "carry", CAME_IN)
    results: list[Any] = [None] * count
    like: _Kind | None = None
    for i in reversed(range(count)) if reverse else range(count):
        carry, y = _pair(body(carry, build([column[i] for column in columns])))
        kind.check(carry)
        like = like or _Kind(y, "result", "of the first iteration")
        results[i] = like.check(y)
    assert like is not None
    ys = [_stacked(list(parts)) for parts in zip(*results, strict=True)]
    return carry, flatten(like.tree)[1](ys)


def _length(entries: Sequence[Any], length: int | None) -> int:
    """Return the number of iterations, on which all must agree."""
    arrays = [x for x in entries if x is not None]
    shapes = [np.shape(x) for x in arrays]
    if () in shapes:
        what = "scan: xs, arrays with a first axis to run over"
        raise ShapeError(explain(what, f"shapes {shapes}", "Pass constants by a closure"))
    counts = {shape[0] for shape in shapes}
    if len(counts) > 1:
        do = "Cut them to one length"
        raise ShapeError(explain("scan: xs of one length", f"shapes {shapes}", do))
    if length is None and not counts:
        do = "Pass xs, or the number of iterations as length"
        raise ShapeError(explain("scan: xs or length", "neither", do))
    if length is not None:
        counts.add(_iterations(length))
    if len(counts) > 1:
        got = f"length={length} and shapes {shapes}"
        raise ShapeError(explain("scan: length as the first axis of xs", got, "Leave length out"))
    return int(counts.pop())


def _iterations(length: Any) -> int:
    integer = isinstance(length, (int, np.integer)) and not isinstance(length, bool)
    if not integer or length < 0:
        do = "Pass the number of iterations"
        raise ShapeError(explain("scan: length, an integer from 0 on", repr(length), do))
    return int(length)


def _refuse_unroll(unroll: Any) -> None:
    if not isinstance(unroll, (int, np.integer)) or unroll < 0:
        what = "scan: unroll, True, False or a number of iterations"
        raise ShapeError(explain(what, repr(unroll), "Leave it out: it changes nothing"))


def _pieces(x: Any, count: int) -> list[Any]:
    """Return the entries of an array or tensor along its first axis.

    A tensor on the tape is halved again and again. An index for each entry would give each a
    cotangent as large as the whole: a cost that grows with the square of the number of entries.
    """
    if not isinstance(x, Tensor) or x.node is None or count < 4:
        return [x[i] for i in range(count)]
    half = count // 2
    return _pieces(x[:half], half) + _pieces(x[half:], count - half)


def _pair(returned: Any) -> tuple[Any, Any]:
    """Return what `f` returned, taken apart."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    what = "scan: a function that returns the pair (carry, y)"
    do = "Return (carry, None) if there is no y"
    raise DTypeError(explain(what, f"{type(returned).__name__} {returned!r:.40}", do))


class _Kind:
    """The containers, shapes and dtypes that an iteration's carry or result has to have."""

    def __init__(self, tree: Any, role: str, of: str) -> None:
        self.what = f"scan: a {role} like the one {of}"
        self.do = f"Return a {role} of one kind at every iteration"
        self.tree = tree
        self.kinds = [_kind(x) for x in leaves(tree)]

    def check(self, tree: Any) -> list[Any]:
        """Return the leaves if they are of this kind; raise if they are not."""
        values = leaves_like(tree, self.tree, self.what)
        for i, value in enumerate(values):
            known, kind = self.kinds[i], _kind(value)
            if kind[0] != known[0]:
                what = f"{self.what}, {known[0]}"
                raise ShapeError(explain(what, kind[0], self.do))
            if known[1] is None:  # not found by ==: a dtype equals None if it is the default
                self.kinds[i] = kind
            elif kind[1] is not None and kind[1] != known[1]:
                raise DTypeError(explain(f"{self.what}, {known[1]}", kind[1], self.do))
        return values


def _kind(x: Any) -> tuple[str, Any]:
    """Return a leaf's shape in words, and its dtype; a Python number takes that of the others."""
    if x is None or isinstance(x, (tuple, list, dict)):
        return f"{'None' if x is None else type(x).__name__}", None
    return f"an array of shape {np.shape(x)}", getattr(x, "dtype", None)


def _stacked(parts: list[Any]) -> Any:
    return None if parts[0] is None else OPS["stack"](parts)


def _zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.zeros(shape[1:], dtype)


def _empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.zeros((0, *shape), dtype)


def _one(x: Any, make: Callable[..., np.ndarray]) -> Any:
    """Return an array made in the image of another."""
    return None if x is None else make(np.shape(x), np.result_type(x))


def _no_results(f: Callable[..., Any], init: Any, x: Any) -> Any:
    """Return the results of no iterations."""
    with no_grad(), np.errstate(all="ignore"):
        carry, y = _pair(f(init, x))
    _Kind(init, "carry", CAME_IN).check(carry)
    values, build = flatten(y)
    return build([_one(value, _empty) for value in values])
