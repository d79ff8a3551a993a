"""Matrix products inside compiled code, one thread: the BLAS, written-out loops, NumPy's call.

    python -m benchmarks.products [--quick]

For the products of some networks (forward, gradient of the input, gradient of the weight) and for
tiny shapes: nanoseconds of one product within a compiled loop, by the BLAS and, where two sizes
are short, written out; and of `np.matmul(..., out=)` called from Python. The last column says what
`product_source` chooses. All take turns; each time is a minimum. How the two compare at
tiny shapes depends on the processor: OPENBLAS_CORETYPE=Haswell shows one without AVX-512.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict

import numpy as np

from autograd_core.kernels import blas, products
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
    "2 x 2": (32, 2, 2, "nn"),
    "4 x 4": (32, 4, 4, "nn"),
    "4 x 4, weight gradient": (4, 4, 32, "tn"),
    "6 x 6": (32, 6, 6, "nn"),
    "8 x 8": (32, 8, 8, "nn"),
    "8 x 8, transposed": (32, 8, 8, "nt"),
    "one row": (1, 32, 32, "nn"),
    "outer": (32, 32, 1, "nn"),
}

Call = Callable[[int], None]


class Transpositions(TypedDict):
    """Which factor is stored transposed."""

    transpose_a: bool
    transpose_b: bool


def transpositions(kind: str) -> Transpositions:
    """Return what "nt" and the like mean."""
    return {"transpose_a": kind[0] == "t", "transpose_b": kind[1] == "t"}


def within_a_loop(call: products.Product, dtype: str, sizes: tuple[int, int]) -> Any:
    """Return a function (count, a, b, c) that does a product so many times.

    The operands alternate between two places, or the compiler would compute loops only once.
    """
    text = (
        f"import numpy as np\n{call.definition}\n"
        "def repeat(count, first_a, first_b, c):\n"
        "    for turn in range(count):\n"
        f"        a = first_a + (turn & 1) * {sizes[0]}\n"
        f"        b = first_b + (turn & 1) * {sizes[1]}\n"
        f"        {call.call}\n"
    )
    return compile_source("repeat", text, "(int64, int64, int64, int64)")


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
    rng = np.random.default_rng(0)
    flags = transpositions(kind)
    a = rng.normal(size=(2, k, m) if flags["transpose_a"] else (2, m, k)).astype(dtype)
    b = rng.normal(size=(2, n, k) if flags["transpose_b"] else (2, k, n)).astype(dtype)
    c = np.empty((m, n), dtype)
    op_a, op_b = a[0].T if flags["transpose_a"] else a[0], b[0].T if flags["transpose_b"] else b[0]
    limits = {"BLAS": 0} | ({"loop": 10**4} if sorted((m, n, k))[1] <= 10 else {})

    def compiled(terms: int) -> Call:
        with limit(terms):
            product = products.product_source(dtype, m, n, k, "a", "b", "c", **flags)
        repeat = within_a_loop(product, dtype, (a[0].nbytes, b[0].nbytes))
        return functools.partial(_call, repeat, (a, b, c))

    def numpy(count: int) -> None:
        for _ in range(count):
            np.matmul(op_a, op_b, out=c)

    return {name: compiled(terms) for name, terms in limits.items()} | {"NumPy": numpy}


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
    flags = transpositions(kind)
    chosen = products.product_source(dtype, m, n, k, "a", "b", "c", **flags).call
    which = "BLAS" if "gemm" in chosen else "loop"
    cells = [f"{best[who]:.0f}" if who in best else "" for who in ("BLAS", "loop", "NumPy")]
    ratio = best[which] / best["NumPy"]
    return [name, f"{m}x{n}x{k} {kind}", *cells, f"{which} {ratio:.2f}"]


def main() -> None:
    """Print a table for each dtype."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    print(blas.describe())
    blas.set_num_threads(1)
    for dtype in blas.LETTERS:
        rows = [row(name, dtype, 20 if options.quick else 200) for name in SHAPES]
        header = [dtype, "m x n x k", "BLAS", "loop", "NumPy", "chosen / NumPy"]
        print(f"\n{table(header, rows)}", flush=True)


if __name__ == "__main__":
    main()
