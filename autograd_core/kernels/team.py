"""A team of threads inside machine code: a native function shares a range with some helpers.

A helper is a thread that never comes back to Python: it waits in machine code, without the
interpreter's lock, until a range is offered, and does pieces of it. So a program with a hundred
shared loops is one call, and each costs a microsecond as long as the next one comes soon: a helper
that has nothing to do looks again and again for half a millisecond, and only then falls asleep. To
wake it takes thirty microseconds.

`SHARE` is the text of ``share(team, function, table, n, grain, most)``, which calls
``function(table, begin, end)`` on pieces of ``range(n)``: of at least `grain`, and about `most`
for each thread. `function` is the address of a function of three words (`jit.address_of`). The
calling thread takes pieces, too, so on a busy machine, where a helper may not get a processor in
time, it has merely done more itself. There is one team: who finds it busy, in another thread or
within a piece, works alone.

`ready` starts the helpers that are missing, and has them stay away from the caller's processor
(see `threads`); whoever runs a program that shares calls it before.
Helpers end before a fork, and others begin when they are needed.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

import numpy as np

from . import blas
from .jit import compile_source, is_compiled
from .threads import get_num_threads, stay_away

__all__ = [
    "PRODUCTS",
    "SHARE",
    "address",
    "available",
    "ready",
    "shares_loops",
    "shares_products",
]

# Where the words of the team are, in bytes. What is written often has a line of its own.
LINE = 64
(JOB, NEXT, INSIDE, ASLEEP, TASK, LOCK, BELL, END) = (i * 2 * LINE for i in range(8))
THREADS, BUSY, LAST, QUIT = (ASLEEP + 8 * i for i in range(1, 5))
TABLE, COUNT, GRAIN = (TASK + 8 * i for i in range(1, 4))
PRODUCTS = 1  # pieces of one for each thread: each prepares the smaller matrix for itself
LOOKS = 8000  # for a job; with the processor's rests about half a millisecond

PATIENCE = 2000  # looks until the processor is offered to others

SHARE = f"""
@inline
def share_pieces(team):
    task, table, n, grain = (
        load(team + {TASK}), load(team + {TABLE}), load(team + {COUNT}), load(team + {GRAIN})
    )
    begin = added(team + {NEXT}, grain)
    while begin < n:
        ran(task, table, begin, min(begin + grain, n))
        begin = added(team + {NEXT}, grain)


@apart
def share(team, function, table, n, grain, most):
    threads = observed(team + {THREADS})
    grain = max(grain, -(-n // (most * max(threads, 1))))
    if n <= grain or threads < 2 or not replaced(team + {BUSY}, 0, 1):
        ran(function, table, 0, n)
        return
    store(team + {TASK}, function)
    store(team + {TABLE}, table)
    store(team + {COUNT}, n)
    store(team + {GRAIN}, grain)
    job = load(team + {LAST}) + 1
    store(team + {LAST}, job)
    published(team + {NEXT}, 0)
    published(team + {JOB}, job)
    if observed(team + {ASLEEP}) > 0:
        acquire(team + {LOCK})
        rung(team + {BELL})
        let_go(team + {LOCK})
    share_pieces(team)
    published(team + {JOB}, 0)  # who comes now finds nothing
    looks = 0
    while observed(team + {INSIDE}) > 0:
        looks += 1
        if looks < {PATIENCE}:
            rest()
        else:  # a helper has no processor: it may have this one
            give_way()
    published(team + {BUSY}, 0)
"""

SERVE = f"""
@inline
def offered(team, number, done):
    job = observed(team + {JOB})
    return job if job != done and number < observed(team + {THREADS}) else 0


@inline
def waited(team, number, done):
    for _ in range({LOOKS}):
        if offered(team, number, done) != 0 or observed(team + {QUIT}) != 0:
            return
        rest()
    acquire(team + {LOCK})
    added(team + {ASLEEP}, 1)
    while offered(team, number, done) == 0 and observed(team + {QUIT}) == 0:
        slept(team + {BELL}, team + {LOCK})
    added(team + {ASLEEP}, -1)
    let_go(team + {LOCK})


def serve(team, number):
    done = 0
    while observed(team + {QUIT}) == 0:
        waited(team, number, done)
        added(team + {INSIDE}, 1)
        job = offered(team, number, done)
        if job != 0:
            share_pieces(team)
            done = job
        added(team + {INSIDE}, -1)


def wake(team):
    acquire(team + {LOCK})
    rung(team + {BELL})
    let_go(team + {LOCK})
"""


TEXT = SHARE + SERVE


def shares_loops() -> bool:
    """Whether loops are to be shared: what is written for one thread can be a little faster."""
    return available() and get_num_threads() > 1


def shares_products() -> bool:
    """Whether large products are to be shared, and not left to the threads of a BLAS."""
    return shares_loops() and blas.available() and blas.can_be_held() and not blas.is_alone()


FORKING = f"""
{blas.SEIZE}

def seize_blas(words):
    seize(words)
"""


def available() -> bool:
    """Whether the system has what a team needs, and kernels are machine code."""
    return _system() is not None and is_compiled()


def address() -> int:
    """Return where the words of the team are, for as long as the process lives."""
    return _team.address


def ready() -> None:
    """Let there be as many helpers as `get_num_threads` says, or as many as there can be."""
    _team.ready(get_num_threads())


@functools.cache
def _system() -> Any:
    """Return what has the functions of POSIX threads; None on another system."""
    names = "mutex_init", "cond_init", "mutex_lock", "mutex_unlock", "cond_wait", "cond_broadcast"
    try:
        found = ctypes.CDLL(None)
        return found if all(hasattr(found, f"pthread_{name}") for name in names) else None
    except (OSError, TypeError):
        return None


class _Team:
    """The words, and the helpers; `lock` is for who starts or ends them."""

    def __init__(self) -> None:
        memory = np.zeros((END + LINE) // 8, np.int64)
        begin = -memory.ctypes.data % LINE // 8
        self.words = memory[begin:]
        self.address = self.words.ctypes.data
        self.lock = Lock()
        self.helpers: list[Thread] = []
        self.avoided: dict[Thread, int] = {}  # the processor that a helper stays away from
        self.threads = 0  # that there are to be
        self.wake: Any = None
        self.seize: Any = None

    def ready(self, threads: int) -> None:
        """Start helpers, if there are too few."""
        if threads != self.threads:
            self._start(threads)
        stay_away(self.helpers, self.avoided)

    def _start(self, threads: int) -> None:
        serve = compile_source("serve", TEXT, "(intp, intp)")
        self.wake = compile_source("wake", TEXT, "(intp,)")
        self.seize = compile_source("seize_blas", FORKING, "(intp,)")
        with self.lock:
            if not self.words[LAST // 8]:
                self._begin()
            with suppress(RuntimeError):  # no more threads: a limit, or the interpreter ends
                while len(self.helpers) < threads - 1 and not sys.is_finalizing():
                    given = self.address, len(self.helpers) + 1
                    helper = Thread(target=serve, args=given, daemon=True)
                    helper.start()
                    self.helpers.append(helper)
            self.words[THREADS // 8] = self.threads = threads

    def _begin(self) -> None:
        system = _system()
        self.words[LAST // 8] = 1
        for function, place in (system.pthread_mutex_init, LOCK), (system.pthread_cond_init, BELL):
            function(ctypes.c_void_p(self.address + place), None)

    def before_fork(self) -> None:
        """End the helpers: Python warns of a fork in a process with threads, rightly."""
        self.lock.acquire()
        if self.helpers:
            self.words[QUIT // 8] = 1
            self.wake(self.address)
            for helper in self.helpers:
                helper.join()
            self.helpers.clear()
            self.avoided.clear()
        self.words[[QUIT // 8, THREADS // 8]] = self.threads = 0
        if self.seize is not None:
            self.seize(blas.held())

    def after_fork(self) -> None:
        """Let helpers be started again."""
        blas.release(in_child=False)
        self.lock.release()

    def in_child(self) -> None:
        """Begin anew: what other threads did here, they do no longer."""
        self.words[:] = 0
        blas.release(in_child=True)
        self.lock.release()


_team = _Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_team.before_fork,
        after_in_parent=_team.after_fork,
        after_in_child=_team.in_child,
    )
