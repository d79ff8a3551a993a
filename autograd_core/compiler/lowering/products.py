"""Matrix products: the BLAS, or written out where a size is tiny."""

from __future__ import annotations

from ...kernels.products import product_source
from ..body import Body
from ..layout import Place, leading
from ..record import Apply, Value
from .registry import arrays_only, lowering


def _is_matrix_product(step: Apply) -> bool:
    return arrays_only(step) and all(len(x.shape) == 2 for x in step.parts)


def _is_layer(step: Apply) -> bool:
    return arrays_only(step) and len(step.parts[0].shape) == 2


def product(
    body: Body, x: Place, y: Place, sizes: tuple[int, int, int], out: Place, add: bool = False
) -> None:
    """Write out ← x y, or out ← out + x y, for matrices of sizes m×k and k×n."""
    m, n, k = sizes
    flip_x, lda = leading(x.strides, (m, k))
    flip_y, ldb = leading(y.strides, (k, n))
    found = product_source(
        body.dtype,
        m,
        n,
        k,
        *"xyz",
        transpose_a=flip_x,
        transpose_b=flip_y,
        lda=lda,
        ldb=ldb,
        accumulate=add,
    )
    body.definitions[found.definition] = None
    name = "multiply_" + "_".join(map(str, (m, n, k, flip_x, flip_y, lda, ldb, add)))
    name = name.replace("True", "t").replace("False", "n")
    body.definitions[f"@inline\ndef {name}(x, y, z):\n    {found.call}\n"] = None
    places = ", ".join(f"{p.buffer}[{p.offset}:].ctypes.data" for p in (x, y, out))
    body.lines.append(f"{name}({places})")


def matrix(body: Body, value: Value, shape: tuple[int, int]) -> Place:
    """Return a place where a matrix lies as the BLAS can read it."""
    place = body.place(value)
    return place if leading(place.strides, shape) is not None else body.rows(value)


@lowering("matmul", fits=_is_matrix_product)
def matmul(body: Body, step: Apply) -> None:
    """x y."""
    x, y = step.parts
    sizes = x.shape[0], y.shape[1], x.shape[1]
    places = matrix(body, x, x.shape), matrix(body, y, y.shape)
    product(body, *places, sizes, body.allot(step.result))


@lowering("linear", fits=_is_layer)
def linear(body: Body, step: Apply) -> None:
    """x wᵀ + b: the product is added to rows of b."""
    x, weight, bias = step.parts
    (m, k), n = x.shape, weight.shape[0]
    places = matrix(body, x, x.shape), matrix(body, weight, weight.shape)
    flipped = places[1]._replace(strides=places[1].strides[::-1])
    out = body.allot(step.result)
    start, strides = body.read(bias, (m, n))
    body.nest((m, n), [f"{body.at(out)} = {body.at(start, strides)}"])
    product(body, places[0], flipped, (m, n, k), out, add=True)
