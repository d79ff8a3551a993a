"""One training step of five networks: ours against every library that is installed.

    python -m benchmarks.peers [--workloads tiny,digits] [--contenders ours,numpy] [--json FILE]

A step is forward, backward and Adam, in float32, of a perceptron with ReLU and softmax
cross-entropy. Before the race every contender takes ten steps and must see the same losses as the
others: all compute the same thing. `products` is no contender but the floor, the bare matrix
products of a step. Libraries that are not installed are left out, and said to be.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders.workload import WORKLOADS
from benchmarks.harness import (
    Contender,
    ContenderFailed,
    Samples,
    choice,
    closing,
    interleave,
    table,
)

# name: (what the table calls it, the library it needs, the target)
CONTENDERS = {
    "ours": ("ours, eager", "numba", "ours:training_step"),
    "ours.compile": ("ours, compiled", "numba", "ours:compiled_training_step"),
    "torch": ("PyTorch, eager", "torch", "pytorch:training_step"),
    "torch.compile": ("PyTorch, compiled", "torch", "pytorch:compiled_training_step"),
    "jax": ("JAX, jit", "jax", "jax_jit:training_step"),
    "autograd": ("autograd", "autograd", "hips_autograd:training_step"),
    "mygrad": ("MyGrad", "mygrad", "my_grad:training_step"),
    "mygrad.unguarded": ("MyGrad, unguarded", "mygrad", "my_grad:unguarded_training_step"),
    "sklearn": ("scikit-learn", "sklearn", "scikit_learn:training_step"),
    "numpy": ("NumPy by hand", "numpy", "numpy_hand:training_step"),
    "products": ("matrix products only", "numpy", "floor:training_step"),
}
STEPS_COMPARED = 10
# Float32 sums in another order; and, of what was learned in these steps, one percent: scikit-learn
# adds Adam's epsilon elsewhere.
ROUNDING, LEARNED = 1e-6, 1e-2


def start(name: str, workload: str, threads: int) -> Contender:
    """Start a contender's process; raise ContenderFailed where it cannot take part."""
    _, library, target = CONTENDERS[name]
    if importlib.util.find_spec(library) is None:
        raise ContenderFailed("not installed")
    return Contender(f"benchmarks.contenders.{target}", {"workload": workload}, threads=threads)


def line_up(
    names: Iterable[str], workload: str, threads: int
) -> tuple[dict[str, Contender], dict[str, str]]:
    """Start all contenders; return those that stand at the line, and why others do not."""
    standing, absent = {}, {}
    for name in names:
        try:
            standing[name] = start(name, workload, threads)
        except ContenderFailed as reason:
            absent[name] = str(reason)
    return standing, absent


def disagreements(contenders: Mapping[str, Contender]) -> dict[str, str]:
    """Return whose losses over the first steps are not the first contender's."""
    losses = {name: c.results(STEPS_COMPARED) for name, c in contenders.items()}
    losses = {name: seen for name, seen in losses.items() if not np.isnan(seen).any()}
    expected = next(iter(losses.values()), [math.nan])
    return {
        name: f"its losses differ: {seen} against {expected}"
        for name, seen in losses.items()
        if not np.allclose(seen, expected, rtol=ROUNDING, atol=LEARNED * np.ptp(expected))
    }


def race(workload: str, names: Iterable[str], threads: int, rounds: int) -> dict[str, Any]:
    """Race one workload and return its samples, and who was left out and why."""
    contenders, absent = line_up(names, workload, threads)
    with closing(contenders):
        wrong = disagreements(contenders)
        absent |= wrong
        running = {name: c for name, c in contenders.items() if name not in wrong}
        samples = interleave(running, rounds=rounds)
    return {"samples": samples, "absent": absent, "wrong": list(wrong)}


def report(results: Mapping[str, dict[str, Any]], statistic: str) -> str:
    """Return the table of microseconds and, against ours, ratios."""
    present = [n for n in CONTENDERS if any(n in r["samples"] for r in results.values())]
    rows = [
        [CONTENDERS[name][0], *(cell(r["samples"], name, statistic) for r in results.values())]
        for name in present
    ]
    return table([f"{statistic}, µs a step", *results], rows)


def cell(samples: Mapping[str, Samples], name: str, statistic: str) -> str:
    """Return one contender's time and its ratio to ours."""
    if name not in samples:
        return "–"
    seconds = getattr(samples[name], statistic)
    ratio = f" ({seconds / getattr(samples['ours'], statistic):.2f}×)" if "ours" in samples else ""
    return f"{seconds * 1e6:,.0f}".replace(",", " ") + ratio


def as_json(results: Mapping[str, dict[str, Any]], threads: int) -> dict[str, Any]:
    """Return everything measured, for a program to read."""
    return {
        "machine": {
            "processors": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "threads": threads,
        },
        "seconds": {
            workload: {name: s.seconds for name, s in result["samples"].items()}
            for workload, result in results.items()
        },
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--workloads", default=",".join(WORKLOADS), metavar="A,B")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="A,B")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here")
    return parser.parse_args()


def main() -> int:
    """Race, print, and return 1 if a contender computed something else."""
    args = arguments()
    names = choice(CONTENDERS, "--contenders", args.contenders)
    results = {}
    for workload in choice(WORKLOADS, "--workloads", args.workloads):
        sizes, batch = WORKLOADS[workload]
        print(f"{workload}: {'-'.join(map(str, sizes))}, batch {batch}", flush=True)
        results[workload] = race(workload, names, args.threads, args.rounds)
        for name, reason in results[workload]["absent"].items():
            print(f"  without {CONTENDERS[name][0]}: {reason}")
    for statistic in ("median", "minimum"):
        print(f"\n{report(results, statistic)}")
    if args.json:
        args.json.write_text(json.dumps(as_json(results, args.threads), indent=1) + "\n")
    return int(any(result["wrong"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
