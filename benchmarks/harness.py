"""Fair timing: contenders in processes of their own, rounds interleaved, threads pinned.

Two libraries in one process share thread pools and slow each other down by factors, and a machine
is never equally quiet for a minute. So every contender lives in a process of its own, all of them
are warmed up first, and then they take turns, a short block of steps at a time: whatever disturbs
the machine disturbs all of them. A block yields one sample, the mean time of a step in it; the
table shows the median of the samples and their minimum.

A contender is named by a *target* "package.module:function". The function is called once in the
new process with the keyword arguments given and returns an object with two methods: `step()` does
the work to be timed, `result()` returns a float, or a list of them, by which contenders are
compared.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autograd_core.errors import explain
from benchmarks import THREAD_VARIABLES

__all__ = [
    "Contender",
    "ContenderFailed",
    "Samples",
    "Workbench",
    "choice",
    "closing",
    "interleave",
    "pin_threads",
    "table",
]

ROOT = Path(__file__).resolve().parent.parent
REST = 0.15  # seconds; OpenBLAS's threads look for work for a tenth after the last product


class Workbench(Protocol):
    """What a target returns."""

    def step(self) -> None:
        """Do the work once; return only when it is done."""

    def result(self) -> float | list[float]:
        """Return what contenders are compared by; NaN where there is nothing."""


class ContenderFailed(RuntimeError):
    """A contender's process could not do what it was asked."""


@dataclass
class Samples:
    """The times of one contender, in seconds per step."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Return the median over the blocks."""
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        """Return the fastest block."""
        return min(self.seconds)


def pin_threads(threads: int) -> dict[str, str]:
    """Return the environment that limits every known thread pool.

    It has to be in place before NumPy is imported, which is why a new process is given it.
    Waiting threads of OpenMP must sleep: spinning, they take the core from whoever has his turn.
    """
    pinned = {name: str(threads) for name in THREAD_VARIABLES}
    return {**os.environ, **pinned, "OMP_WAIT_POLICY": "passive"}


class Contender:
    """A contender in a process of its own, driven by one JSON line per order.

    Parameters
    ----------
    target : str
        "package.module:function", see the module's docstring.
    arguments : mapping
        Keyword arguments of the function; they must be JSON.
    threads : int
        The number of threads, and of processors, that the process may use.
    """

    def __init__(self, target: str, arguments: Mapping[str, Any], *, threads: int = 1) -> None:
        self.samples = Samples()
        self.block = 1
        self.threads = threads
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=pin_threads(threads),
            text=True,
        )
        self._order(target=target, arguments=dict(arguments))

    def _order(self, **order: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "its process died"}')
        if "error" in answer:
            self.close()
            raise ContenderFailed(answer["error"])
        return answer["value"]

    def results(self, steps: int) -> list[Any]:
        """Do some steps, untimed, and return the result after each."""
        return list(self._order(results=steps))

    def time_block(self, steps: int) -> float:
        """Return the mean seconds of a step in a block of so many."""
        return float(self._order(time=steps))

    def calibrate(self, seconds: float) -> None:
        """Warm up, and choose the block's length so that a block takes about so many seconds."""
        spent, steps = 0.0, 1
        while spent < seconds / 2:
            each = self.time_block(steps)
            spent, steps = each * steps, steps * 2
        self.block = max(1, round(seconds / each))

    def sample(self) -> None:
        """Take one turn; of several threads, once those of the last one are asleep."""
        if self.threads > 1:
            time.sleep(REST)
        self.samples.seconds.append(self.time_block(self.block))

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextlib.contextmanager
def closing(contenders: Mapping[Any, Contender]) -> Iterator[None]:
    """Close all contenders in the end, however it comes."""
    try:
        yield
    finally:
        for contender in contenders.values():
            contender.close()


def interleave(
    contenders: Mapping[str, Contender], *, rounds: int = 15, block_seconds: float = 0.03
) -> dict[str, Samples]:
    """Let the contenders take turns and return what each took.

    Every round starts with another contender, so that none is always first after a pause.
    """
    names = list(contenders)
    if not names:
        return {}
    for name in names:
        contenders[name].calibrate(block_seconds)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            contenders[name].sample()
    return {name: contenders[name].samples for name in names}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table that reads well on a terminal and is Markdown, too.

    Examples
    --------
    >>> print(table(["who", "µs"], [["ours", "12"], ["theirs", "340"]]))
    | who    |  µs |
    |:-------|----:|
    | ours   |  12 |
    | theirs | 340 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "|".join([":" + "-" * (widths[0] + 1)] + ["-" * (w + 1) + ":" for w in widths[1:]])
    return "\n".join([_line(header, widths), f"|{rule}|"] + [_line(row, widths) for row in rows])


def choice(known: Iterable[str], option: str, text: str) -> list[str]:
    """Return the names in a comma-separated list, in the order known; end if one is unknown."""
    known, wanted = list(known), text.split(",")
    if unknown := [name for name in wanted if name not in known]:
        what = f"{option} must be of {', '.join(known)}"
        sys.exit(explain(what, ", ".join(unknown), "Correct the name"))
    return [name for name in known if name in wanted]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = f" {cells[0]:<{widths[0]}} "
    rest = [f" {cell:>{width}} " for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "|".join(["", first, *rest, ""])


def _keep_to(processors: int) -> None:
    # Some libraries size their pools by the processors they see and heed no variable.
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-processors:])


def _timed(step: Callable[[], None], steps: int) -> float:
    for _ in range(-(-steps // 2)):  # the others' turns have emptied the caches, and a pause
        step()  # makes the processor slow for some milliseconds
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def _stepped(bench: Workbench, steps: int) -> list[Any]:
    results = []
    for _ in range(steps):
        bench.step()
        results.append(bench.result())
    return results


def _obey(bench: Workbench | None, order: dict[str, Any]) -> tuple[Workbench | None, Any]:
    if "target" in order:
        module, function = order["target"].split(":")
        return getattr(importlib.import_module(module), function)(**order["arguments"]), "ready"
    assert bench is not None
    if "results" in order:
        return bench, _stepped(bench, order["results"])
    return bench, _timed(bench.step, order["time"])


def serve(threads: int) -> None:
    """Be a contender's process: read orders, write answers, until the input ends."""
    _keep_to(threads)
    # Answers go out by a private copy of standard output; whatever a library prints goes to the
    # error stream and cannot be mistaken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    bench: Workbench | None = None
    for line in sys.stdin:
        try:
            bench, value = _obey(bench, json.loads(line))
            answer = {"value": value}
        except Exception as error:  # whatever went wrong over there is reported over here
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
