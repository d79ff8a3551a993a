"""The scalar texts of the pointwise ops, each in a loop of its own, against the ops' own forwards.

    python -m benchmarks.scalars [--rounds N] [name ...]

A compiled program inlines these texts into its loops; a text that is slower there than the op's
eager forward (NumPy's function or a kernel) makes fusing a loss. For 16384 elements in float32
and float64: nanoseconds per element of both, and their ratio, largest first; minima of rounds
that take turns. The eager call allocates its result, as it does in use. An asterisk marks a loop
that is not made of vector instructions.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

SIZE = 16384
REPEATS = 4
VECTORS = re.compile(r"\bv(?:p\w+|(?!mov)\w+p[sd])\b[^\n]*%[yz]mm|\bv\d+\.[248][sd]\b")

Call = Callable[[], object]


class Row(NamedTuple):
    """One line of the table; times in nanoseconds per element."""

    name: str
    dtype: str
    loop: float
    eager: float
    vectorized: bool

    @property
    def ratio(self) -> float:
        """Return the time of the loop over that of the eager call."""
        return self.loop / self.eager


def contest(calls: tuple[Call, Call], rounds: int) -> list[float]:
    """Return the shortest time of each call per element."""
    best = [float("inf")] * 2
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            for _ in range(REPEATS):
                call()
            best[i] = min(best[i], time.perf_counter() - start)
    return [1e9 * seconds / (REPEATS * SIZE) for seconds in best]


def row(op: Any, dtype: str, rounds: int) -> Row:
    """Time one op in one dtype."""
    operands = samples(op, dtype)
    attributes = {k: v for k, v in op.attributes.items() if v is not inspect.Parameter.empty}
    attributes |= {"n": 2} if op.name == "polygamma_of_order" else {}
    with np.errstate(all="ignore"):
        out = np.empty(SIZE, np.asarray(op.forward(*operands, **attributes)).dtype)
        loop = compiled(op, attributes, dtype)
        loop(*operands, out)
        calls = lambda: loop(*operands, out), lambda: op.forward(*operands, **attributes)
        ours, eager = contest(calls, rounds)
    machine_code = "".join(getattr(loop, "inspect_asm", dict)().values())
    return Row(op.name, dtype, ours, eager, bool(VECTORS.search(machine_code)))


def samples(op: Any, dtype: str) -> list[np.ndarray]:
    """Return operands from the domain of an op."""
    from autograd_core.domains import Interval

    rng = np.random.default_rng(0)
    domain = op.facets.get("domain") or (Interval(),) * len(op.operands)
    drawn = [part.sample(rng, (SIZE,)) for part in domain]
    return [x if x.dtype == bool else x.astype(dtype) for x in drawn]


def compiled(op: Any, attributes: dict[str, Any], dtype: str) -> Callable[..., None]:
    """Compile the loop of an op's text, with the attributes written into it."""
    from autograd_core.kernels.building import text
    from autograd_core.kernels.jit import compile_source

    scalar = op.facets["scalar"]
    expression = scalar(**attributes) if callable(scalar) else scalar
    numbers = [f"{n} = F({v!r})" for n, v in attributes.items() if isinstance(v, (int, float))]
    reads = [f"{x} = F({x}_array[i])" for x in op.operands]
    lines = [f"def pointwise({', '.join(f'{x}_array' for x in op.operands)}, out):"]
    lines += [f"    {line}" for line in numbers if line.split()[0] in expression]
    lines += ["    for i in range(out.size):", *(f"        {line}" for line in reads)]
    lines += [f"        out[i] = {expression}"]
    return compile_source("pointwise", text("\n".join(lines), dtype))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        # Kept machine code has no text to look at, so the loops are compiled anew.
        os.environ["AUTOGRAD_CORE_CACHE"] = directory
        rows = measured(options.names, options.rounds)
    print(f"{'op':<24}{'dtype':<9}{'loop ns':>9}{'eager ns':>10}{'ratio':>8}")
    for line in sorted(rows, key=lambda line: -line.ratio):
        mark = "" if line.vectorized else "  *"
        times = f"{line.loop:>9.3f}{line.eager:>10.3f}{line.ratio:>8.2f}"
        print(f"{line.name:<24}{line.dtype:<9}{times}{mark}")


def measured(names: list[str], rounds: int) -> list[Row]:
    """Return the rows of the ops named, or of all that have a text."""
    from autograd_core.declare import OPS

    ops = [op for op in OPS.values() if op.pointwise and "scalar" in op.facets]
    chosen = [op for op in ops if not names or op.name in names]
    return [row(op, dtype, rounds) for op in chosen for dtype in ("float32", "float64")]


if __name__ == "__main__":
    main()
