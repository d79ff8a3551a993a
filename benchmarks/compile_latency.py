"""How long until the first compiled result: the digits step in a fresh process, cold and warm.

    python -m benchmarks.compile_latency [--rounds 5]

From the first `import` to the first result of the compiled step, with its parts: the imports, the
calls that are recorded, and the first call that runs the program. Cold means an empty directory
of compiled kernels, warm one that an earlier process has filled. In either case the files of
Python and of the libraries have been read before, and Python has kept its bytecode of them, which
it does unless it is told not to. Cold and warm processes take turns. Each has one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.harness import ROOT, pin_threads, table

__all__ = ["main"]

Run = dict[str, Any]


def start(cache: str, bytecode: str) -> Run:
    """Run a fresh process with directories for what is kept, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.contenders.first_result"]
    environment = {**pin_threads(1), "AUTOGRAD_CORE_CACHE": cache, "NUMBA_DISABLE_JIT": "0"}
    environment |= {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"the process to be timed has failed, see above\n{done.stdout}")
    run: Run = json.loads(done.stdout)
    run["seconds"]["in all"] = sum(run["seconds"].values())
    return run


def race(rounds: int) -> tuple[list[Run], list[Run]]:
    """Let cold and warm processes take turns."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as place:
        filled, bytecode = os.path.join(place, "filled"), os.path.join(place, "bytecode")
        start(filled, bytecode)
        for turn in range(rounds):
            cold.append(start(os.path.join(place, str(turn)), bytecode))
            warm.append(start(filled, bytecode))
    return cold, warm


def row(part: str, *sides: list[Run]) -> list[str]:
    """Return minimum and median of a part, for each side."""
    found = [[run["seconds"][part] for run in side] for side in sides]
    statistic: list[Callable[[list[float]], float]] = [min, statistics.median]
    return [part, *(f"{of(seconds):.3f}" for seconds in found for of in statistic)]


def kernels(side: list[Run]) -> str:
    """Say how many kernels came from where in the last process of a side."""
    made = side[-1]["kernels"]
    return f"{made['compiled']} compiled, {made['loaded']} loaded"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    cold, warm = race(parser.parse_args().rounds)
    header = ["seconds", "cold min", "median", "warm min", "median"]
    print(table(header, [row(part, cold, warm) for part in cold[0]["seconds"]]))
    print(f"kernels: cold {kernels(cold)}; warm {kernels(warm)}")


if __name__ == "__main__":
    main()
