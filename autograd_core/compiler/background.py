"""Background: work that one thread does beside the program, one task after the other.

The thread is a daemon: it ends with the process, which waits for the task at work, because
machine code must not be made while the process is taken apart. A process that was forked has no
such thread; there, tasks that were not done are given to a new one.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Job"]


class Job:
    """A task, done in the background or at once; ``task()`` is its result."""

    def __init__(self, task: Callable[[], Any], background: bool = True) -> None:
        self.task = task
        self.result: Any = None
        self.error: Exception | None = None
        self._done = threading.Event()
        self._process = 0
        if background:
            self._begin()
        else:
            self.run()

    def _begin(self) -> None:
        self._process = os.getpid()
        _worker().put(self)

    def run(self) -> None:
        """Do the task; an error is kept for whoever asks."""
        try:
            self.result = self.task()
        except Exception as error:
            self.error = error
        self._done.set()

    def done(self) -> bool:
        """Whether the task is done, well or not."""
        if not self._done.is_set() and self._process != os.getpid():
            self._done = threading.Event()
            self._begin()
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the task is done; return whether it is."""
        return self.done() or self._done.wait(timeout)


class _Worker:
    def __init__(self) -> None:
        self.queue: SimpleQueue[Job | None] = SimpleQueue()
        self.process = os.getpid()
        self.closing = False
        self.thread = threading.Thread(target=self._work, name="autograd_core", daemon=True)
        self.thread.start()
        atexit.register(self.close)

    def put(self, job: Job) -> None:
        self.queue.put(job)

    def _work(self) -> None:
        while (job := self.queue.get()) is not None and not self.closing:
            job.run()

    def close(self) -> None:
        """Finish the task at work, and begin no other."""
        self.closing = True
        self.queue.put(None)
        if self.process == os.getpid():
            self.thread.join()


_LOCK = threading.Lock()
_WORKERS: list[_Worker] = []


def _worker() -> _Worker:
    """Return the worker of this process."""
    with _LOCK:
        if not _WORKERS or _WORKERS[0].process != os.getpid():
            _WORKERS[:] = [_Worker()]
        return _WORKERS[0]


if hasattr(os, "register_at_fork"):
    # No thread may hold the lock while the process is copied.
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )
