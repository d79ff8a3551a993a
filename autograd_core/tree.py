"""Nested containers: tuples, lists and dicts with tensors, arrays or numbers at the leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["flatten", "leaves"]


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


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the leaves, and the function that puts others into the same containers.

    >>> values, build = flatten({"a": 1, "b": (2, [3])})
    >>> build([x * 10 for x in values])
    {'a': 10, 'b': (20, [30])}
    """

    def build(branch: Any) -> Any:
        if isinstance(branch, dict):
            return type(branch)((key, build(value)) for key, value in branch.items())
        if isinstance(branch, tuple) and hasattr(branch, "_fields"):
            return type(branch)(*map(build, branch))
        if isinstance(branch, (tuple, list)):
            return type(branch)(map(build, branch))
        return next(values)

    values = iter(())

    def unflatten(flat: list[Any]) -> Any:
        nonlocal values
        values = iter(flat)
        return build(tree)

    return leaves(tree), unflatten
