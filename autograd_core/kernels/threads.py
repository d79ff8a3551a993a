"""Threads of our own: a native function runs over a range on several processors at once.

`parallel` cuts the range into pieces. The calling thread and some helpers each take the next
piece until none is left, so on a busy machine, where a helper may not get a processor in time, the
caller has merely done more itself. Only what releases the interpreter's lock gains by it, as the
kernels of `jit` and NumPy's functions do on large arrays.

Helpers are started when they are first needed and then wait, asleep, for the next call: waking
them takes some ten microseconds. They end before a fork and when the interpreter does. There is
one pool: who finds it busy, in another thread or within a piece, works alone.

After a product the threads of the BLAS wait for the next one at full speed, for tens of
milliseconds. So no processor is idle, and a helper that wakes up where the caller runs stays
there, behind it, until the work is done. Helpers therefore stay away from the caller's processor,
where the system lets a thread choose; the threads of the BLAS, which wait, make room for them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread, get_ident
from typing import Any

from ..errors import UnknownNameError
from . import blas

__all__ = ["LARGE", "get_num_threads", "parallel", "set_num_threads", "spread", "stay_away"]

Piece = Callable[[int, int], object]

LARGE = 1 << 18  # elements; sharing out fewer saves little, and costs on a busy machine
GRAIN = 1 << 12  # elements: a multiple of any vector, so that no element changes its machine code
SHARE = 2  # pieces per thread: few, since each has to get the interpreter's lock


def parallel(function: Piece, n: int, grain: int) -> None:
    """Call ``function(begin, end)`` on pieces that cover ``range(n)``, on several threads.

    Parameters
    ----------
    function : callable
        Must give the same results however the range is cut, in whatever order pieces are done. An
        exception in a piece ends the call when the pieces that have begun are done.
    n : int
        The length of the range.
    grain : int
        Cuts are at multiples of it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros(5)
    >>> parallel(lambda begin, end: x[begin:end].fill(1.0), 5, grain=2)
    >>> x
    array([1., 1., 1., 1., 1.])
    """
    grains = -(-n // grain)
    threads, pool = min(get_num_threads(), grains), _pool
    if threads > 1 and pool.busy.acquire(blocking=False):
        try:
            pool.run(_Job(function, n, grain * -(-grains // (SHARE * threads))), threads)
        finally:
            pool.busy.release()
    elif n > 0:
        function(0, n)


def spread(kernel: Callable[..., object], arrays: int, row: int = 1) -> Callable[..., None]:
    """Return `kernel`, run in parallel on slices of its first arguments.

    Parameters
    ----------
    kernel : callable
        Works on each element by itself, or on each row; releases the interpreter's lock.
    arrays : int
        How many arguments are arrays to be sliced, one-dimensional and of equal length.
    row : int
        How many elements stay together.
    """

    def run(*arguments: Any) -> None:
        flat, rest = arguments[:arrays], arguments[arrays:]

        def piece(begin: int, end: int) -> None:
            kernel(*(array[begin * row : end * row] for array in flat), *rest)

        parallel(piece, flat[0].size // row, max(1, GRAIN // row))

    return run


def get_num_threads() -> int:
    """Return how many threads a large operation may use, the caller's own among them.

    At first that is what the environment says for all (``OMP_NUM_THREADS``) or for the matrix
    products (``OPENBLAS_NUM_THREADS``), else the number of processors that the process may use.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    if _pool.threads is None:
        _pool.threads = _threads_of_environment() or _processors()
    return _pool.threads


def set_num_threads(threads: int) -> None:
    """Let large operations use so many threads: our own and the matrix products of the BLAS.

    Parameters
    ----------
    threads : int
        At least 1. Results do not depend on it, but for the rounding of matrix products.

    Examples
    --------
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    """
    with suppress(UnknownNameError):  # a BLAS may keep the number of its threads to itself
        blas.set_num_threads(threads)
    _pool.threads = int(threads)


def _threads_of_environment() -> int | None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        outermost = os.environ.get(name, "").split(",")[0].strip()
        if outermost.isdecimal() and int(outermost) > 0:
            return int(outermost)
    return None


def _processors() -> int:
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _processor() -> int:
    """Return the processor that this thread runs on; -1 where no thread can be told to leave."""
    return _getcpu()() if hasattr(os, "sched_setaffinity") else -1


@functools.cache
def _getcpu() -> Callable[[], int]:
    try:
        found: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError):
        return lambda: -1
    return found


def stay_away(helpers: Sequence[Thread], avoided: dict[Thread, int]) -> None:
    """Leave the caller's processor to the caller; `avoided` says what helpers leave already."""
    here = _processor()
    for helper in helpers if here >= 0 else ():
        if avoided.get(helper) != here and (others := os.sched_getaffinity(0) - {here}):
            with suppress(OSError):  # a sandbox may forbid it
                os.sched_setaffinity(helper.native_id or 0, others)
            avoided[helper] = here


class _Job:
    """A range of which every thread takes the next piece until none is left."""

    def __init__(self, function: Piece, n: int, piece: int) -> None:
        self.function = function
        self.n = n
        self.piece = piece
        self.taken = 0  # up to here
        self.unfinished = -(-n // piece)  # pieces, taken or not
        self.error: BaseException | None = None
        self.lock = Lock()
        self.done = Lock()
        self.done.acquire()

    def work(self) -> None:
        """Do pieces as long as there are any."""
        while (begin := self._take()) < self.n:
            try:
                self.function(begin, min(begin + self.piece, self.n))
            except BaseException as error:  # the caller is who must hear of it
                self._give_up(error)
            finally:
                self._finish()

    def wait(self) -> None:
        """Return when all pieces are done; raise what one of them raised."""
        while self.unfinished:
            try:
                self.done.acquire()
            except KeyboardInterrupt as error:  # later: helpers still write into the arrays
                self._give_up(error)
        del self.function  # a helper that wakes up too late must not keep the arrays alive
        try:
            if self.error is not None:
                raise self.error
        finally:
            self.error = None  # its traceback leads back here

    def _take(self) -> int:
        with self.lock:
            begin = self.taken
            self.taken = min(begin + self.piece, self.n)
            return begin

    def _give_up(self, error: BaseException) -> None:
        with self.lock:
            self.error = error if self.error is None else self.error
            self.unfinished -= -(-(self.n - self.taken) // self.piece)
            self.taken = self.n

    def _finish(self) -> None:
        with self.lock:
            self.unfinished -= 1
            if not self.unfinished:
                self.done.release()


class _Pool:
    """The helpers. Who holds `busy` may start them, give them a job, or end them."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.busy = Lock()
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.helpers: list[Thread] = []
        self.avoided: dict[Thread, int] = {}  # the processor that a helper stays away from
        self.forking: int | None = None  # the thread that ended the helpers

    def run(self, job: _Job, threads: int) -> None:
        """Do a job with so many threads, or as many as there can be."""
        with suppress(RuntimeError):  # no more threads: a limit, or the interpreter ends
            while len(self.helpers) < threads - 1 and not sys.is_finalizing():
                helper = Thread(target=_help, args=(self.jobs,), daemon=True)
                helper.start()
                self.helpers.append(helper)
        stay_away(self.helpers, self.avoided)
        for _ in self.helpers[: threads - 1]:
            self.jobs.put(job)
        job.work()
        job.wait()

    def before_fork(self) -> None:
        """End the helpers: Python warns of a fork in a process with threads, rightly."""
        if self.busy.acquire(blocking=False):
            self.forking = get_ident()
            for _ in self.helpers:
                self.jobs.put(None)
            for helper in self.helpers:
                helper.join()
            self.helpers.clear()
            self.avoided.clear()

    def after_fork(self) -> None:
        """Let helpers be started again."""
        if self.forking == get_ident():
            self.forking = None
            self.busy.release()


def _help(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.work()


def _start_anew() -> None:
    global _pool  # in a forked child: others' locks stay as they were, others' threads are gone
    _pool = _Pool(_pool.threads)


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _pool.before_fork(),
        after_in_parent=lambda: _pool.after_fork(),
        after_in_child=_start_anew,
    )
