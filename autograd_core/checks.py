"""Checks that what a user passes is numbers, and fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .errors import DTypeError, ShapeError, explain

__all__ = ["fitting", "numeric"]


def numeric(data: ArrayLike, dtype: DTypeLike | None, real: bool) -> np.ndarray:
    """Return a copy of `data` as an array of numbers; of a real floating dtype if `real`."""
    try:
        array = np.array(data, dtype=dtype)
    except ValueError as error:
        what = "tensor: nested lists of equal lengths, or an array"
        raise ShapeError(explain(what, f"{data!r:.60}", "Check the inner lists")) from error
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        what, do = "tensor: a dtype that NumPy has", "Pass for example np.float64"
        raise DTypeError(explain(what, f"{dtype!r:.60}", do)) from error
    if array.dtype.kind not in "fciub":
        raise DTypeError(explain("tensor: numbers", f"{data!r:.60}", "Pass an array or a list"))
    if real and array.dtype.kind != "f":
        what = "tensor: a real floating dtype for requires_grad=True"
        do = "Pass dtype=float, or leave requires_grad out"
        raise DTypeError(explain(what, array.dtype, do))
    return array


def fitting(name: str, value: ArrayLike, like: np.ndarray) -> np.ndarray:
    """Return `value` as an array with the shape and dtype of `like`; refuse another shape."""
    array = np.asarray(getattr(value, "_value", value))
    if array.dtype.kind not in "fiub":
        raise DTypeError(explain(f"{name}: real numbers", array.dtype, "Convert it"))
    if array.shape != like.shape:
        raise ShapeError(explain(f"{name}: shape {like.shape}", array.shape, "Reshape it"))
    return array.astype(like.dtype, copy=False)
