"""Rows of a table, looked up by integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

import autograd_core as ag
from autograd_core import DTypeError, ShapeError, Tensor
from autograd_core.errors import explain

from . import init
from .linear import width
from .module import Module, Parameter

__all__ = ["Embedding", "embedding"]


def check_indices(name: str, indices: Any, count: int) -> np.ndarray:
    """Return indices as an array of integers from 0 to count - 1; refuse any other."""
    array = indices.numpy() if isinstance(indices, Tensor) else np.asarray(indices)
    if array.dtype.kind not in "iu" and array.size:
        do = "Convert them with .astype(int)"
        raise DTypeError(explain(f"{name}: integer indices", array.dtype, do))
    if array.size and (array.min() < 0 or array.max() >= count):
        outside = array[(array < 0) | (array >= count)][0]
        what = f"{name}: indices from 0 to {count - 1}"
        raise ShapeError(explain(what, outside, "Check the indices, or enlarge the table"))
    return array.astype(np.intp)


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """The rows of `weight` that integer indices name; no derivative reaches row `padding_idx`."""
    rows = check_indices("embedding", indices, len(weight))
    out = weight[rows]
    if padding_idx is None or not isinstance(weight, Tensor):
        return out
    padding = rows == padding_idx % len(weight)
    return ag.where(padding[..., None], weight.detach()[rows], out) if padding.any() else out


class Embedding(Module):
    """Table of vectors, one for each integer: y = W[index].

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        The number of rows of the table, and their length.
    padding_idx : int, optional
        A row that begins as zeros and gets no gradient.
    max_norm : float, optional
        Rows longer than this are scaled down to it, in place, when they are looked up.
    norm_type : float
        The p of that norm.
    rng : Generator or int, optional
        Source of the initial weights, N(0, 1) as in PyTorch.
    dtype : dtype

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)

    Examples
    --------
    >>> import nn
    >>> table = nn.Embedding(10, 3, padding_idx=0, rng=0)
    >>> table([[1, 2], [4, 0]]).shape
    (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        width("Embedding", num_embeddings, embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            what = f"Embedding: a padding_idx below {num_embeddings}"
            raise ShapeError(explain(what, padding_idx, "Pass the number of a row"))
        if max_norm is not None and not max_norm > 0.0:
            what = "Embedding: a max_norm above 0"
            raise ShapeError(explain(what, max_norm, "Pass for example 1.0, or leave it out"))
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        table = init.generator(rng).normal(size=(num_embeddings, embedding_dim))
        if padding_idx is not None:
            table[padding_idx] = 0.0
        self.weight = Parameter(table, dtype)

    @classmethod
    def from_pretrained(
        cls, embeddings: ArrayLike, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """Return an embedding with a given table, frozen by default."""
        table = np.asarray(getattr(embeddings, "_value", embeddings))
        if table.ndim != 2:
            what = "Embedding.from_pretrained: a table with two axes"
            raise ShapeError(explain(what, table.shape, "Pass one row for each index"))
        dtype = table.dtype if table.dtype.kind == "f" else np.dtype(np.float32)
        count, length = table.shape
        layer = cls(count, length, padding_idx, rng=0, dtype=dtype)
        layer.weight.assign(table)
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, indices: Any) -> Tensor:
        """Map indices, shape (...), to rows, shape (..., embedding_dim)."""
        if self.max_norm is not None:
            self.shorten(indices, self.max_norm)
        return embedding(indices, self.weight, self.padding_idx)

    def shorten(self, indices: Any, max_norm: float) -> None:
        """Scale the rows that are about to be looked up down to the largest norm allowed."""
        rows = np.unique(check_indices("Embedding", indices, len(self.weight)))
        norms = np.linalg.norm(self.weight.numpy()[rows], self.norm_type, axis=-1)
        long = norms > max_norm
        if long.any():
            table = self.weight.numpy().copy()
            # The little more keeps them from being too long by rounding at the next look.
            table[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None]
            self.weight.assign(table)

    def extra_repr(self) -> str:
        """Return the size of the table and the options."""
        options = [f"{name}={getattr(self, name)}" for name in ("padding_idx", "max_norm")]
        chosen = [option for option in options if not option.endswith("=None")]
        return ", ".join([*map(str, self.weight.shape), *chosen])

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Any:
        """Yield instances and inputs for the laws."""
        yield cls(5, 3, rng=rng, dtype=np.float64), (np.array([[0, 2], [2, 4]]),)
