"""What `compile` makes of gradients and trainings: speed beside others, threads, memory.

    python -m benchmarks.compiled [--parts mlp,chain] [--threads 1] [--rounds 20] [--json FILE]

mlp
    Value and gradient of a perceptron 10-32-1 with tanh and squared error on a batch of 32, in
    float64: hardly any arithmetic, so the cost of a call counts.
chain
    Value and gradient of sum(tanh(x) * sigmoid(x) + x * sigmoid(x)), 4 000 000 numbers of
    float32: memory and elementwise functions count. The copy is of the array alone.
epoch
    Epochs of Adam on digits, 64-32-10, batches of 32, from the same start and in the same order
    for everybody. `fit` is timed twice, with few epochs and with many, and the difference taken:
    that is a step without the start-up.
many
    See `benchmarks.many_models`: small trainings side by side, two workers against one.
allocations
    See `benchmarks.allocations`: what a compiled step leaves behind in memory.

Before a race all contenders must find the same numbers; who does not is left out, and so are
libraries that are not installed. Programs are made before the clock runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import allocations, many_models
from benchmarks.contenders.compiled.problems import BATCH, Digits
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

FEW, MANY = 10, 60  # epochs
DOUBLE, SINGLE, LEARNED = 1e-9, 1e-4, 1e-3  # relative; the last one after hundreds of steps


@dataclass(frozen=True)
class Entry:
    """A contender: what the table calls it, the library it needs, and how it is made."""

    title: str
    library: str
    target: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Race:
    """Contenders by name, and how far apart their numbers may be."""

    contenders: Mapping[str, Entry]
    agreement: float


def _pair(part: str) -> dict[str, Entry]:
    """Return ours, compiled and eager."""
    return {
        "ours": Entry("ours, compiled", "numba", f"ours:{part}", {}),
        "ours.eager": Entry("ours, eager", "numba", f"ours:{part}", {"compiled": False}),
        "jax": Entry("JAX, jit", "jax", f"jax_jit:{part}", {}),
        "torch": Entry("PyTorch, eager", "torch", f"pytorch:{part}", {}),
        "numpy": Entry("NumPy by hand", "numpy", f"numpy_hand:{part}", {}),
    }


RACES = {
    "mlp": Race(_pair("mlp"), DOUBLE),
    "chain": Race(
        {
            **_pair("chain"),
            "torch.compile": Entry(
                "PyTorch, compiled", "torch", "pytorch:chain", {"compiled": True}
            ),
            "copy": Entry("a copy of the array", "numpy", "numpy_hand:Copy", {}),
        },
        SINGLE,
    ),
    "epoch": Race(
        {
            "few": Entry("fit, few epochs", "numba", "ours:Fit", {"epochs": FEW}),
            "ours": Entry("fit, compiled", "numba", "ours:Fit", {"epochs": MANY}),
            "loop": Entry("a loop over the compiled step", "numba", "ours:Loop", {"epochs": FEW}),
            "eager": Entry("fit, eager", "numba", "ours:Fit", {"epochs": FEW, "compiled": False}),
            "torch": Entry("PyTorch, DataLoader", "torch", "pytorch:Epochs", {"epochs": FEW}),
            "torch.indexed": Entry(
                "PyTorch, indexed", "torch", "pytorch:Epochs", {"epochs": FEW, "loader": False}
            ),
            "sklearn": Entry("scikit-learn", "sklearn", "scikit_learn:Epochs", {"epochs": FEW}),
        },
        LEARNED,
    ),
}
OTHERS = ("many", "allocations")


def start(entry: Entry, threads: int) -> Contender:
    """Start a contender's process; raise ContenderFailed where it cannot take part."""
    if importlib.util.find_spec(entry.library) is None:
        raise ContenderFailed("not installed")
    target = f"benchmarks.contenders.compiled.{entry.target}"
    return Contender(target, entry.arguments, threads=threads)


def line_up(part: str, threads: int) -> tuple[dict[str, Contender], dict[str, str]]:
    """Start all contenders; return those that stand at the line, and why others do not."""
    standing, absent = {}, {}
    for name, entry in RACES[part].contenders.items():
        try:
            standing[name] = start(entry, threads)
        except ContenderFailed as reason:
            absent[name] = str(reason)
    return standing, absent


def disagreements(found: Mapping[str, Any], agreement: float) -> dict[str, str]:
    """Return whose numbers are not the first contender's, in a measure for large and small ones.

    Who trains longer agrees if it begins alike; NaN says that there is nothing to compare.

    >>> disagreements({"ours": [2.0], "longer": [2.0, 1.0], "other": [2.5]}, 1e-9)
    {'other': 'it finds [2.5], others [2.0]'}
    """
    arrays = {name: np.atleast_1d(numbers) for name, numbers in found.items()}
    arrays = {name: array for name, array in arrays.items() if not np.isnan(array).all()}
    wrong, expected = {}, next(iter(arrays.values()), np.empty(0))
    for name, array in arrays.items():
        both = min(len(array), len(expected))
        if not np.allclose(array[:both], expected[:both], rtol=agreement, atol=agreement):
            wrong[name] = f"it finds {array[:4].tolist()}, others {expected[:4].tolist()}"
    return wrong


def race(part: str, threads: int, rounds: int) -> dict[str, Any]:
    """Run one race and return its samples, and who was left out and why."""
    contenders, absent = line_up(part, threads)
    with closing(contenders):
        found = {name: c.results(1)[0] for name, c in contenders.items()}
        wrong = disagreements(found, RACES[part].agreement)
        absent |= wrong
        running = {name: c for name, c in contenders.items() if name not in wrong}
        samples = interleave(running, rounds=rounds)
    return {"samples": samples, "absent": absent, "wrong": list(wrong)}


def per_step(samples: dict[str, Samples]) -> dict[str, Samples]:
    """Return the seconds of a step of a training; of `fit` without its start-up."""
    steps = -(-len(Digits.load().x) // BATCH)
    found = {
        name: Samples([seconds / (FEW * steps) for seconds in s.seconds])
        for name, s in samples.items()
        if name not in ("few", "ours")
    }
    if {"few", "ours"} <= samples.keys():
        pairs = zip(samples["ours"].seconds, samples["few"].seconds, strict=True)
        ours = Samples([(many - few) / ((MANY - FEW) * steps) for many, few in pairs])
        found = {"ours": ours, **found}
    return found


def report(part: str, samples: Mapping[str, Samples]) -> str:
    """Return the table of a race: microseconds, and ratios to ours."""
    rows = []
    for name, entry in RACES[part].contenders.items():
        if name in samples:
            s = samples[name]
            ratio = f"{s.median / samples['ours'].median:.2f}" if "ours" in samples else "–"
            times = [f"{1e6 * t:,.1f}".replace(",", " ") for t in (s.median, s.minimum)]
            rows.append([entry.title, *times, ratio])
    unit = "µs a step" if part == "epoch" else "µs"
    return table([f"{part}, {unit}", "median", "minimum", "× ours"], rows)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiled", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--parts", default=",".join([*RACES, *OTHERS]), metavar="A,B")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each (default 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here")
    return parser.parse_args()


def raced(part: str, threads: int, rounds: int) -> dict[str, Any]:
    """Run and print one race; return what `race` does, in seconds a step."""
    result = race(part, threads, rounds)
    for name, reason in result["absent"].items():
        print(f"without {RACES[part].contenders[name].title}: {reason}")
    if part == "epoch":
        result["samples"] = per_step(result["samples"])
    print(f"{report(part, result['samples'])}\n", flush=True)
    return result


def main() -> int:
    """Measure, print, and return 1 if somebody computed something else."""
    args = arguments()
    parts = choice([*RACES, *OTHERS], "--parts", args.parts)
    results = {p: raced(p, args.threads, args.rounds) for p in parts if p in RACES}
    failed = any(result["wrong"] for result in results.values())
    if "many" in parts:
        failed |= many_models.compare(min(args.rounds, 3))
    if "allocations" in parts:
        allocations.compare()
    if args.json:
        seconds = {
            part: {name: s.seconds for name, s in result["samples"].items()}
            for part, result in results.items()
        }
        args.json.write_text(json.dumps(seconds, indent=1) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
