"""Gradient checkers on the same seeded bugs: ours, PyTorch's, JAX's, autograd's and SciPy's.

    python -m benchmarks.checkers [--single] [--every N]

The corpus is `benchmarks.seeded`: derivatives written by hand with NumPy, right ones and ones with
a bug. Every checker is asked at its default settings, in double precision, as its manual says:
PyTorch's and JAX's see a function of theirs around the NumPy code; SciPy's `check_grad` sees the
gradient of the sum of the outputs with fixed weights, and its answer, a distance, is held against
1e-5 of the gradient's size. A checker that raises where the derivative is wrong has found the bug.
Found should be all of the bugs, alarms none of the right ones. Peers that are not installed are
left out.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

import autograd_core as ag
from benchmarks.contenders import checkers as contenders
from benchmarks.harness import table
from benchmarks.seeded.bugs import RIGHT, Bug, bugs
from benchmarks.seeded.problem import Problem

__all__ = ["main"]

Checker = Callable[[Problem], bool]


def ours(problem: Problem) -> bool:
    """Ask `gradcheck_callable`."""
    x = problem.x if len(problem.x) > 1 else problem.x[0]
    return not ag.gradcheck_callable(problem.f, x, vjp=problem.vjp).failed


PEERS: dict[str, Callable[[], Checker]] = {
    "PyTorch": contenders.pytorch,
    "JAX": contenders.jax,
    "autograd": contenders.hips_autograd,
    "SciPy": contenders.scipy,
}


def checkers() -> Iterator[tuple[str, Checker]]:
    """Yield ours and those that are installed."""
    yield "ours", ours
    for name, make in PEERS.items():
        with suppress(ImportError):
            yield name, make()


def passes(check: Checker, problem: Problem) -> bool:
    """Whether a checker has nothing to object to."""
    copied = Problem(problem.name, problem.f, problem.vjp, tuple(a.copy() for a in problem.x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return check(copied)
        except Exception:
            return False


def main() -> None:
    """Ask every checker about every problem and print the counts."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--single", action="store_true", help="in single precision")
    parser.add_argument("--every", type=int, default=1, help="only every N-th bug")
    args = parser.parse_args()
    rows, missed = [], {}
    for name, check in checkers():
        start = time.perf_counter()
        right = [p.single() if args.single else p for p in RIGHT]
        alarms = sum(not passes(check, problem) for problem in right)
        chosen = [single(bug) if args.single else bug for bug in list(bugs())[:: args.every]]
        escaped = [bug for bug in chosen if passes(check, bug.problem)]
        seconds = time.perf_counter() - start
        found = len(chosen) - len(escaped)
        rows.append([name, f"{found} of {len(chosen)}", f"{alarms} of {len(right)}",
                     f"{seconds:.0f} s"])  # fmt: skip
        missed[name] = sorted({bug.kind for bug in escaped})
    print(table(["checker", "bugs found", "false alarms", "time"], rows))
    for name, kinds in missed.items():
        print(f"{name} misses: {', '.join(kinds) or 'nothing'}")


def single(bug: Bug) -> Bug:
    """Return a bug in single precision."""
    return bug._replace(problem=bug.problem.single())


if __name__ == "__main__":
    main()
