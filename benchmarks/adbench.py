"""The published benchmark of differentiation tools, ADBench: ours against PyTorch, JAX, autograd.

    python -m benchmarks.adbench [--workloads gmm_1k_d10_K5,ba1] [--contenders ours,jax]
                                 [--threads 1] [--rounds 10] [--json FILE]

Three objectives that people differentiate in earnest (arXiv 1807.10129), in float64:

gmm
    The log-likelihood of n points in d dimensions under a mixture of K Gaussians, with a prior.
    Its gradient by weights, means and the factors of the inverse covariances is a few large
    products of matrices: here the arithmetic counts.
lstm
    What a small recurrent network loses on a text of c characters, in l layers of 14 units. Its
    gradient is tens of thousands of operations on vectors of 14 numbers, one after the other:
    here the cost of recording and of calling counts.
ba
    Bundle adjustment: where each of p pictures of a point should be and where it is. Wanted is the
    sparse Jacobian, for each picture a block of 2 × 15. (The published benchmark adds the weights'
    own residuals 1 - w², whose derivative everybody can write down; they are left out.)

For each the table shows the time of the objective alone, the time of the derivative (which
computes the value, too) and the ratio of the two: the price of a derivative, which cannot be much
below 2 for a gradient by sweep. Constants are computed beforehand. Our programs, those of JAX and
what they compile are made before the clock runs. Each contender writes the objectives as its users
would, and all must return the published derivatives, or each other's, to 1e-8 in the benchmark's
own measure, |a - b| / max(1, |a| + |b|), before they race. Who does not is left out and said to
be. Where the benchmark's file is not at hand, a problem of the same size is drawn at random.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders.adbench.problems import WORKLOADS, reference
from benchmarks.harness import (
    Contender,
    ContenderFailed,
    Samples,
    choice,
    closing,
    interleave,
    table,
)

__all__ = ["main"]

# name: (what the table calls it, the library it needs, the target)
CONTENDERS = {
    "ours": ("ours, eager", "numba", "ours:eager"),
    "ours.compile": ("ours, compiled", "numba", "ours:compiled"),
    "torch": ("PyTorch, eager", "torch", "pytorch:contender"),
    "jax": ("JAX, jit", "jax", "jax_jit:contender"),
    "autograd": ("autograd", "autograd", "hips_autograd:contender"),
}
AGREEMENT = 1e-8
PARTS = {False: "objective", True: "derivative"}
Entry = tuple[str, bool]  # a contender, and whether it differentiates


def start(entry: Entry, workload: str, threads: int) -> Contender:
    """Start a contender's process; raise ContenderFailed where it cannot take part."""
    name, derivative = entry
    _, library, target = CONTENDERS[name]
    if importlib.util.find_spec(library) is None:
        raise ContenderFailed("not installed")
    given = {"workload": workload, "derivative": derivative}
    return Contender(f"benchmarks.contenders.adbench.{target}", given, threads=threads)


def line_up(
    names: Iterable[str], workload: str, threads: int
) -> tuple[dict[Entry, Contender], dict[str, str]]:
    """Start all contenders; return those that stand at the line, and why others do not."""
    standing: dict[Entry, Contender] = {}
    absent = {}
    for entry in [(name, derivative) for name in names for derivative in PARTS]:
        try:
            standing[entry] = start(entry, workload, threads)
        except ContenderFailed as reason:
            absent[entry[0]] = str(reason)
    return standing, absent


def disagreement(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference in the benchmark's measure; the value comes first in both.

    >>> disagreement(np.array([2.0]), np.array([2.5, 10.0]))
    0.1111111111111111
    """
    expected = expected[: len(found)]
    error = np.abs(found - expected) / np.maximum(1.0, np.abs(found) + np.abs(expected))
    return float(error.max())


def wrong(contenders: Mapping[Entry, Contender], workload: str) -> dict[str, str]:
    """Return who does not compute what is published; or, if nothing is, what the first does."""
    found = {entry: np.array(c.results(1)[0]) for entry, c in contenders.items()}
    expected = reference(workload)
    if expected is None:
        expected = max(found.values(), key=len, default=np.empty(0))
    errors = {entry: disagreement(numbers, expected) for entry, numbers in found.items()}
    return {
        name: f"its {PARTS[derivative]} differs by {error:.1e}"
        for (name, derivative), error in errors.items()
        if not error < AGREEMENT
    }


def race(workload: str, names: Iterable[str], threads: int, rounds: int) -> dict[str, Any]:
    """Race one workload and return its samples, and who was left out and why."""
    contenders, absent = line_up(names, workload, threads)
    with closing(contenders):
        differing = wrong(contenders, workload)
        absent |= differing
        running = {e: c for e, c in contenders.items() if e[0] not in absent}
        by_text = {f"{name} {PARTS[d]}": c for (name, d), c in running.items()}
        samples = interleave(by_text, rounds=rounds)
    return {"samples": samples, "absent": absent, "wrong": list(differing)}


def report(workload: str, samples: Mapping[str, Samples], statistic: str) -> str:
    """Return the table of one workload: milliseconds, and what a derivative costs."""
    rows = []
    for name, (title, *_) in CONTENDERS.items():
        times = [samples.get(f"{name} {part}") for part in PARTS.values()]
        if None not in times:
            objective, derivative = (getattr(s, statistic) for s in times)
            numbers = [f"{1e3 * objective:.3f}", f"{1e3 * derivative:.3f}"]
            rows.append([title, *numbers, f"{derivative / objective:.1f}"])
    return table([f"{workload}, {statistic} ms", *PARTS.values(), "ratio"], rows)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adbench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--workloads", default=",".join(WORKLOADS), metavar="A,B")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="A,B")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here")
    return parser.parse_args()


def main() -> int:
    """Race, print, and return 1 if a contender computed something else."""
    args = arguments()
    names = choice(CONTENDERS, "--contenders", args.contenders)
    results = {}
    for workload in choice(WORKLOADS, "--workloads", args.workloads):
        result = results[workload] = race(workload, names, args.threads, args.rounds)
        for name, reason in result["absent"].items():
            print(f"without {CONTENDERS[name][0]}: {reason}")
        for statistic in ("median", "minimum"):
            print(f"{report(workload, result['samples'], statistic)}\n", flush=True)
    if args.json:
        seconds = {
            workload: {name: s.seconds for name, s in result["samples"].items()}
            for workload, result in results.items()
        }
        args.json.write_text(json.dumps(seconds, indent=1) + "\n")
    return int(any(result["wrong"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
