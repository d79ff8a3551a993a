"""Whole trainings on real data: test accuracy and wall time, ours beside PyTorch's eager loop.

    python -m benchmarks.training [--problems digits,wine] [--threads 1]

Everybody trains the same network with the same batches' size, rate and epochs. They take turns, an
epoch at a time (training and the accuracy on the test set), each in a process of its own. Digits,
breast cancer and wine ship with the project; Fashion-MNIST is read from Debian's package
dataset-fashion-mnist, or from the directory that FASHION_MNIST names. What is not installed is
left out, and said to be.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Iterable

from benchmarks.contenders.problems import PROBLEMS, directory
from benchmarks.harness import Contender, choice, closing, table

# name: (the library it needs, the target)
CONTENDERS = {
    "ours": ("numba", "ours_training:Training"),
    "PyTorch": ("torch", "pytorch_training:Training"),
}


def epoch(contender: Contender) -> tuple[float, float]:
    """Let a contender train for an epoch; return its test accuracy and the seconds it took."""
    start = time.perf_counter()
    (accuracy,) = contender.results(1)
    return accuracy, time.perf_counter() - start


def race(problem: str, seed: int, names: Iterable[str], threads: int) -> dict[str, list[float]]:
    """Train everybody from one seed; return for each the final accuracy and the seconds."""
    arguments = {"problem": problem, "seed": seed}
    contenders = {
        name: Contender(f"benchmarks.contenders.{CONTENDERS[name][1]}", arguments, threads=threads)
        for name in names
    }
    results = {name: [0.0, 0.0] for name in contenders}
    with closing(contenders):
        for _ in range(PROBLEMS[problem].epochs):
            for name, contender in contenders.items():
                accuracy, seconds = epoch(contender)
                results[name] = [accuracy, results[name][1] + seconds]
    return results


def row(problem: str, names: list[str], threads: int) -> list[str]:
    """Return a line of the table: mean accuracies over the seeds, and median seconds."""
    runs = [race(problem, seed, names, threads) for seed in range(PROBLEMS[problem].seeds)]
    cells = []
    for name in names:
        accuracies = [run[name][0] for run in runs]
        spread = f" ({min(accuracies):.1%}–{max(accuracies):.1%})" if len(runs) > 1 else ""
        seconds = statistics.median(run[name][1] for run in runs)
        cells += [f"{statistics.mean(accuracies):.1%}{spread}", f"{seconds:.2f}"]
    network = "-".join(map(str, PROBLEMS[problem].sizes))
    return [f"{problem}, {network}, {PROBLEMS[problem].epochs} epochs", *cells]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--problems", default=",".join(PROBLEMS), metavar="A,B")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (default 1)")
    return parser.parse_args()


def main() -> None:
    """Train everybody on everything and print the table."""
    args = arguments()
    problems = choice(PROBLEMS, "--problems", args.problems)
    names = [n for n, (library, _) in CONTENDERS.items() if importlib.util.find_spec(library)]
    for name in CONTENDERS.keys() - set(names):
        print(f"without {name}: not installed")
    if "fashion" in problems and not directory().is_dir():
        print(f"without fashion: no directory {directory()}")
        problems.remove("fashion")
    header = [part for name in names for part in (f"{name}: test accuracy", "seconds")]
    rows = [row(problem, names, args.threads) for problem in problems]
    print(table(["data, network", *header], rows))


if __name__ == "__main__":
    main()
