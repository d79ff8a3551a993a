"""What the tape costs per operation: a long chain of operations on ten numbers.

    python -m benchmarks.overhead [--nodes 20000] [--contenders ours,torch]

The chain is y = tanh(y * w), two nodes a link, w a leaf. Recording it and sweeping it backwards
does ten numbers' worth of arithmetic per node, so nearly all of the time is the library's own.
NumPy alone does the same arithmetic without any tape. Then ours differentiates a chain of a
million nodes, once, in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import (
    ROOT,
    Contender,
    ContenderFailed,
    choice,
    closing,
    interleave,
    pin_threads,
    table,
)

__all__ = ["main"]

# name: (what the table calls it, the library it needs, the module in benchmarks.contenders)
CONTENDERS = {
    "ours": ("ours", "numba", "ours"),
    "torch": ("PyTorch", "torch", "pytorch"),
    "autograd": ("autograd", "autograd", "hips_autograd"),
    "mygrad": ("MyGrad, unguarded", "mygrad", "my_grad"),
    "numpy": ("NumPy alone", "numpy", "numpy_hand"),
}
# Weights of one keep the values of a long chain away from denormal numbers.
X, W = np.linspace(0.1, 1.0, 10), np.ones(10)


class Chain:
    """A chain to be recorded and swept; `chain_gradient` returns the derivative by x."""

    def __init__(self, chain_gradient: Callable[..., Any], links: int) -> None:
        self.chain_gradient = chain_gradient
        self.links = links

    def step(self) -> None:
        """Record the chain and sweep it."""
        self.gradient = self.chain_gradient(X, W, self.links)

    def result(self) -> float:
        """Return the sum of the derivative."""
        return float(self.gradient.sum())


def chain(module: str, links: int) -> Chain:
    """Return a library's chain (the harness calls this in the library's own process)."""
    contender = importlib.import_module(f"benchmarks.contenders.{module}")
    return Chain(contender.chain_gradient, links)


def start(name: str, links: int, expected: float) -> Contender:
    """Start a contender's process and see that it finds the derivative that NumPy finds."""
    _, library, module = CONTENDERS[name]
    if importlib.util.find_spec(library) is None:
        raise ContenderFailed("not installed")
    contender = Contender("benchmarks.overhead:chain", {"module": module, "links": links})
    (found,) = contender.results(1)
    if not np.isclose(found, expected):
        contender.close()
        raise ContenderFailed(f"it finds a derivative of {found}, NumPy alone one of {expected}")
    return contender


def line_up(names: list[str], links: int) -> dict[str, Contender]:
    """Start all contenders that can take part; print why others do not."""
    contenders, by_hand = {}, chain("numpy_hand", links)
    by_hand.step()
    for name in names:
        try:
            contenders[name] = start(name, links, by_hand.result())
        except ContenderFailed as reason:
            print(f"without {CONTENDERS[name][0]}: {reason}")
    return contenders


def million() -> None:
    """Differentiate a chain of a million nodes and print the time: a recursion would not."""
    chain("ours", 1000).step()
    long = chain("ours", 500_000)
    start = time.perf_counter()
    long.step()
    seconds = time.perf_counter() - start
    print(f"ours, a chain of 1 000 000 nodes: {seconds:.2f} s, {seconds:.2f} µs a node")


def main() -> None:
    """Race, print the table, then run the long chain."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--nodes", type=int, default=20_000, help="length (default 20000)")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="A,B")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each (default 10)")
    parser.add_argument("--million", action="store_true", help="only the million-node chain")
    args = parser.parse_args()
    if args.million:
        return million()
    names = choice(CONTENDERS, "--contenders", args.contenders)
    contenders = line_up(names, args.nodes // 2)
    with closing(contenders):
        samples = interleave(contenders, rounds=args.rounds)
    rows = [
        [CONTENDERS[name][0], *(f"{s * 1e6 / args.nodes:.2f}" for s in (t.median, t.minimum))]
        for name, t in samples.items()
    ]
    print(table([f"µs a node, {args.nodes} nodes", "median", "minimum"], rows), flush=True)
    if "ours" in samples:
        long = [sys.executable, "-m", "benchmarks.overhead", "--million"]
        subprocess.run(long, cwd=ROOT, env=pin_threads(1), check=True)


if __name__ == "__main__":
    main()
