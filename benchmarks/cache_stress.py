"""The disk cache under stress: many processes compile the same programs into one empty directory.

    python -m benchmarks.cache_stress [--programs 200] [--processes 8]

Each process takes all programs, each in an order of its own, and checks the result of every one:
code that was mixed up with another program's, or half written, would show there or end the
process. Half of the processes are forked from one that has compiled already, half are started
anew. Then as many processes again find a full directory. The command fails if there is a wrong
result or a crash, or if the second time less than 99 % of the programs are loaded.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autograd_core.errors import explain
from autograd_core.kernels import jit
from benchmarks.harness import table

__all__ = ["main"]

# One name for all of them: only text and types tell the programs apart.
SOURCE = """
import numpy as np
F = np.{dtype}

@inline
def turn(x):
    return {terms}

def program(x, out):
    for i in range(x.size):
        out[i] = turn(x[i])
"""
ENOUGH = 0.99  # of the programs are loaded the second time


class Tally(NamedTuple):
    """What became of the programs of some processes."""

    wrong: int = 0
    crashes: int = 0
    loaded: int = 0
    compiled: int = 0
    seconds: float = 0.0

    @property
    def hits(self) -> float:
        """Return the part of the programs that were loaded."""
        return self.loaded / max(1, self.loaded + self.compiled)


def is_right(number: int) -> bool:
    """Compile or load a program, and say whether it computes what its text says."""
    dtype = ("float32", "float64")[number % 2]
    factors = [number + k for k in range(1 + number % 3)]
    source = SOURCE.format(dtype=dtype, terms=" + ".join(f"F({f}) * x" for f in factors))
    signature = f"({dtype}[::1], {dtype}[::1])" if number % 5 else None
    x = np.arange(1.0, 4.0).astype(dtype)
    out = np.zeros_like(x)
    jit.compile_source("program", source, signature)(x, out)
    return out.tolist() == (sum(factors) * x).tolist()


def work(programs: int, seed: int, report: Path) -> None:
    """Go through all programs in an order of one's own, and report."""
    before = jit.count()
    order = random.Random(seed).sample(range(programs), programs)
    wrong = sum(not is_right(number) for number in order)
    made = {name: times - before[name] for name, times in jit.count().items()}
    report.write_text(json.dumps({"wrong": wrong, **made}))


def together(programs: int, processes: int, reports: Path) -> Tally:
    """Let so many processes do the work at the same time."""
    crew: list[Any] = []
    start = time.perf_counter()
    for seed in range(processes):
        forked = hasattr(os, "fork") and seed % 2 == 0
        context: Any = multiprocessing.get_context("fork" if forked else "spawn")
        arguments = programs, seed, reports / str(seed)
        crew.append(context.Process(target=work, args=arguments))
        crew[-1].start()
    for process in crew:
        process.join()
    crashes = sum(process.exitcode != 0 for process in crew)
    told = [json.loads(report.read_text()) for report in sorted(reports.iterdir())]
    sums = {name: sum(one[name] for one in told) for name in ("wrong", "loaded", "compiled")}
    return Tally(crashes=crashes, seconds=time.perf_counter() - start, **sums)


def stress(programs: int, processes: int) -> dict[str, Tally]:
    """Do it twice, with an empty directory and with a full one."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["AUTOGRAD_CORE_CACHE"] = place
        is_right(programs)  # what is forked has compiled already, but none of theirs
        tallies = {}
        for which in ("first", "second"):
            reports = Path(place) / which
            reports.mkdir()
            tallies[which] = together(programs, processes, reports)
    return tallies


def row(which: str, tally: Tally) -> list[str]:
    """Return a line of the table."""
    hits = f"{100 * tally.hits:.1f} %"
    numbers = tally.wrong, tally.crashes, tally.loaded, tally.compiled, hits
    return [which, *map(str, numbers), f"{tally.seconds:.1f}"]


def main() -> None:
    """Run it, print the table, fail where the cache has failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--processes", type=int, default=8)
    options = parser.parse_args()
    tallies = stress(options.programs, options.processes)
    header = ["time", "wrong", "crashes", "loaded", "compiled", "hits", "seconds"]
    print(table(header, [row(*item) for item in tallies.items()]))
    first, second = tallies.values()
    faults = first.wrong + first.crashes + second.wrong + second.crashes
    if faults or second.hits < ENOUGH:
        what = f"the cache: no wrong result, no crash, {100 * ENOUGH:.0f} % loaded at last"
        got = f"{faults} faults, {100 * second.hits:.1f} % loaded"
        sys.exit(explain(what, got, "Read the processes' errors above"))


if __name__ == "__main__":
    main()
