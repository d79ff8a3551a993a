"""Nested containers: tuples, lists and dicts with tensors, arrays or numbers at the leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .errors import ShapeError, explain

__all__ = ["flatten", "leaves", "leaves_like"]


def leaves(tree: Any) -> list[Any]:
    """Return the leaves in order; dicts in the order of insertion.

    >>> leaves({"a": 1, "b": (2, [3])})
    [1, 2, 3]
    """
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree]


def leaves_like(tree: Any, like: Any, what: str) -> list[Any]:
    """Return the leaves of `tree` in the order of `like`, whose containers it must have.

    >>> leaves_like({"b": 2, "a": 1}, {"a": 0.0, "b": 0.0}, "pair")
    [1, 2]
    """
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = f"a dict with {', '.join(map(str, tree))}" if isinstance(tree, dict) else tree
            keys = ", ".join(map(str, like))
            raise ShapeError(explain(f"{what}: a dict with {keys}", got, "Pass these keys"))
        return [leaf for key in like for leaf in leaves_like(tree[key], like[key], what)]
    if isinstance(like, (tuple, list)):
        if not isinstance(tree, (tuple, list)) or len(tree) != len(like):
            got = f"{type(tree).__name__} {tree!r:.60}"
            raise ShapeError(explain(f"{what}: {len(like)} in a sequence", got, "Pass as many"))
        return [x for t, k in zip(tree, like, strict=True) for x in leaves_like(t, k, what)]
    return [tree]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the leaves, and the function that puts others into the same containers.

    >>> values, build = flatten({"a": 1, "b": (2, [3])})
    >>> build([x * 10 for x in values])
    {'a': 10, 'b': (20, [30])}
    """
    # No closure that calls itself: such a cycle would keep the leaves until the next collection.
    return leaves(tree), lambda flat: _rebuilt(tree, iter(flat))


def _rebuilt(branch: Any, values: Iterator[Any]) -> Any:
    """Return the containers of `branch` with `values` in the places of its leaves."""
    if isinstance(branch, dict):
        return type(branch)((key, _rebuilt(value, values)) for key, value in branch.items())
    if isinstance(branch, (tuple, list)):
        parts = [_rebuilt(part, values) for part in branch]
        return type(branch)(*parts) if hasattr(branch, "_fields") else type(branch)(parts)
    return next(values)
