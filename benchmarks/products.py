"""Matrix products inside compiled code, one thread: whatever of ours there is, and the libraries.

    python -m benchmarks.products [--quick]

For the products of some networks (forward, gradient of the input, gradient of the weight) and for
tiny shapes: nanoseconds of one product within a compiled loop, by the BLAS; written out, where two
sizes are short; in tiles, where they fit; without the zeros of the first factor, of which half is
zero, their counting included; and of `np.matmul(..., out=)` called from Python. The last column
says what `product_source` chooses for a factor without zeros. All take turns, on several pairs of
matrices; each time is a minimum. How they compare depends on the processor:
OPENBLAS_CORETYPE=Haswell shows a BLAS without AVX-512.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypedDict

import numpy as np

from autograd_core.kernels import blas, products, sparse, tiling
from autograd_core.kernels.jit import compile_source
from benchmarks.harness import table

# m, n, k, and which of the factors is transposed.
SHAPES = {
    "tiny forward": (32, 3, 3, "nt"),
    "tiny input gradient": (32, 3, 3, "nn"),
    "tiny weight gradient": (3, 3, 32, "tn"),
    "10-32-1 forward": (32, 32, 10, "nt"),
    "10-32-1 output": (32, 1, 32, "nt"),
    "digits forward": (32, 32, 64, "nt"),
    "digits forward, weight stored (in, out)": (32, 32, 64, "nn"),
    "digits output": (32, 10, 32, "nt"),
    "digits weight gradient": (32, 64, 32, "tn"),
    "mnist forward": (64, 128, 784, "nt"),
    "mnist forward, weight stored (in, out)": (64, 128, 784, "nn"),
    "mnist weight gradient": (128, 784, 64, "tn"),
    "wide forward": (256, 512, 512, "nt"),
    "wide input gradient": (256, 512, 512, "nn"),
    "wide weight gradient": (512, 784, 256, "tn"),
    "2 x 2": (32, 2, 2, "nn"),
    "4 x 4": (32, 4, 4, "nn"),
    "4 x 4, weight gradient": (4, 4, 32, "tn"),
    "6 x 6": (32, 6, 6, "nn"),
    "8 x 8": (32, 8, 8, "nn"),
    "8 x 8, transposed": (32, 8, 8, "nt"),
    "one row": (1, 32, 32, "nn"),
    "outer": (32, 32, 1, "nn"),
}

PLACES = 8
COLUMNS = "BLAS", "loop", "tiles", "no zeros", "NumPy"

Call = Callable[[int], None]


class Transpositions(TypedDict):
    """Which factor is stored transposed."""

    transpose_a: bool
    transpose_b: bool


def transpositions(kind: str) -> Transpositions:
    """Return what "nt" and the like mean."""
    return {"transpose_a": kind[0] == "t", "transpose_b": kind[1] == "t"}


def within_a_loop(definition: str, calls: Iterable[str], sizes: tuple[int, int]) -> Any:
    """Return a function that does a product so many times, on matrices in turn.

    Else the compiler would compute loops only once, and the processor foresee where zeros are.
    """
    lines = [
        f"import numpy as np\n{definition}\n",
        "def repeat(count, first_a, first_b, c, room, words, turned):",
        "    for turn in range(count):",
        f"        a = first_a + turn % {PLACES} * {sizes[0]}",
        f"        b = first_b + turn % {PLACES} * {sizes[1]}",
        *(f"        {call.replace(products.ROOM, 'room')}" for call in calls),
    ]
    return compile_source("repeat", "\n".join(lines) + "\n", f"({', '.join(['int64'] * 7)})")


@contextlib.contextmanager
def limit(terms: int) -> Iterator[None]:
    """Let products be written out up to so many terms."""
    names = ("SHORT", "TERMS", "TERMS_ROWS_BY_ROWS")
    before = [getattr(products, name) for name in names]
    try:
        for name in names:
            setattr(products, name, terms)
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(products, name, value)


def contenders(dtype: str, m: int, n: int, k: int, kind: str) -> dict[str, Call]:
    """Return what is compared, each as a function of how often."""
    flags = transpositions(kind)
    a, b, c = matrices(dtype, m, n, k, kind)
    op_a, op_b = a[0].T if flags["transpose_a"] else a[0], b[0].T if flags["transpose_b"] else b[0]
    sizes = tiling.Sizes(
        dtype, m, n, k, **flags, lda=a.shape[2], ldb=b.shape[2], ldc=n, accumulate=False
    )
    room = [
        np.empty(1 << 20, dtype),
        np.empty(sparse.words(sizes), np.int64),
        np.empty((m, k), dtype),
    ]

    def compiled(*parts: products.Product) -> Call:
        definition = "".join(part.definition for part in parts)
        calls = [part.call for part in parts]
        repeat = within_a_loop(definition, calls, (a[0].nbytes, b[0].nbytes))
        return functools.partial(_call, repeat, (a, b, c, *room))

    def numpy(count: int) -> None:
        for _ in range(count):
            np.matmul(op_a, op_b, out=c)

    found = {"NumPy": numpy, "BLAS": compiled(source(dtype, m, n, k, kind, general=True))}
    if sorted((m, n, k))[1] <= 10:
        with limit(10**4):
            found["loop"] = compiled(source(dtype, m, n, k, kind))
    with limit(0):
        tiles = source(dtype, m, n, k, kind)
    if "tiled" in tiles.definition:
        found["tiles"] = compiled(tiles)
    if min(n, k) >= 32 and tiling.machine() is not None:
        found["no zeros"] = compiled(*without_zeros(sizes))
    return found


def matrices(dtype: str, m: int, n: int, k: int, kind: str) -> tuple[np.ndarray, ...]:
    """Return some pairs of matrices, half of the first ones zero, and room for the product."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(PLACES, *((k, m) if kind[0] == "t" else (m, k))))
    b = rng.normal(size=(PLACES, *((n, k) if kind[1] == "t" else (k, n))))
    return np.maximum(a, 0.0).astype(dtype), b.astype(dtype), np.empty((m, n), dtype)


def source(
    dtype: str, m: int, n: int, k: int, kind: str, general: bool = False
) -> products.Product:
    """Return the product's text; `general` is that of the BLAS."""
    flags = transpositions(kind)
    return products.product_source(dtype, m, n, k, "a", "b", "c", **flags, general=general)


def without_zeros(sizes: tiling.Sizes) -> list[products.Product]:
    """Return what is done for a product that leaves out zeros: turning, counting, multiplying."""
    parts, a = [], "a"
    if sizes.transpose_a:
        turn = tiling.Turn(sizes.dtype, sizes.m, sizes.k, sizes.m, sizes.k)
        parts.append(products.turn_source(turn, "a", "turned"))
        a, sizes = "turned", sizes._replace(transpose_a=False, lda=sizes.k)
    parts.append(products.nonzeros_source(sizes, a, "words"))
    ends = "0", str(sparse.panels(sizes))
    return [*parts, products.skipping_source(sizes, a, "words", "b", "c", *ends)]


def _call(repeat: Any, arrays: tuple[Any, ...], count: int) -> None:
    repeat(count, *(array.ctypes.data for array in arrays))


def minima(calls: Mapping[str, Call], rounds: int, seconds: float = 5e-4) -> dict[str, float]:
    """Return the least nanoseconds of one product, by name."""
    counts = {name: max(1, round(seconds / timed(call, 100))) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            best[name] = min(best[name], 1e9 * timed(call, counts[name]))
    return best


def timed(call: Call, count: int) -> float:
    """Return the mean seconds of one product."""
    start = time.perf_counter()
    call(count)
    return (time.perf_counter() - start) / count


def row(name: str, dtype: str, rounds: int) -> list[str]:
    """Return one line of the table."""
    m, n, k, kind = SHAPES[name]
    best = minima(contenders(dtype, m, n, k, kind), rounds)
    chosen = source(dtype, m, n, k, kind)
    which = (
        "BLAS" if "gemm" in chosen.call else "tiles" if "tiled" in chosen.definition else "loop"
    )
    cells = [f"{best[who]:.0f}" if who in best else "" for who in COLUMNS]
    return [name, f"{m}x{n}x{k} {kind}", *cells, f"{which} {best[which] / best['NumPy']:.2f}"]


def main() -> None:
    """Print a table for each dtype."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    print(blas.describe())
    blas.set_num_threads(1)
    for dtype in blas.LETTERS:
        rows = [row(name, dtype, 20 if options.quick else 200) for name in SHAPES]
        header = [dtype, "m x n x k", *COLUMNS, "chosen / NumPy"]
        print(f"\n{table(header, rows)}", flush=True)


if __name__ == "__main__":
    main()
