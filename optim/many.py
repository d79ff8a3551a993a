"""Many small trainings at once: seeds, folds, hyperparameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

from autograd_core import get_num_threads
from autograd_core.errors import DTypeError, GraphError, UnknownNameError, explain
from autograd_core.kernels import blas
from autograd_core.kernels.turns import ended, turns

from .history import History, Progress
from .hyperparameters import whole
from .training import Wish, fit

__all__ = ["fit_many"]


def fit_many(
    trainings: Sequence[Mapping[str, Any]],
    *,
    workers: int | None = None,
    progress: bool = True,
    **common: Any,
) -> list[History]:
    """Train several models side by side, on all processors.

    Parameters
    ----------
    trainings : sequence of mapping
        The arguments of `fit` for each, by name. Each needs a model and an optimizer of its own.
    workers : int, optional
        How many train at the same time; by default as many as `get_num_threads` says.
    progress : bool
        Show a bar (with tqdm installed) or a line for each training that is done.
    **common
        Arguments that all of them share, such as ``data``, ``loss`` and ``epochs``. They are
        compiled unless ``compile=False``: machine code runs side by side, Python does not.

    Returns
    -------
    list of History
        In the order of the trainings. Each is what `fit` alone would have returned: early
        stopping, schedules and random numbers are its own. After Ctrl-C the trainings that had
        begun end as they would alone, and the others have an empty history.

    Raises
    ------
    GraphError
        If two trainings share a model or an optimizer.
    Exception
        What a training raises, with a note which one it was. Those that had begun end after
        their epoch, as after Ctrl-C, and the others do not begin.

    Notes
    -----
    Trainings that are alike but for their arrays, numbers such as the learning rate, and random
    generators share their machine code: it is recorded and made once, and each has parameters,
    states and memory of its own.

    Examples
    --------
    >>> import nn, numpy as np, optim
    >>> x = np.linspace(-1.0, 1.0, 40, dtype=np.float32).reshape(-1, 1)
    >>> def training(seed):
    ...     model = nn.MLP([1, 8, 1], activation="tanh", rng=np.random.default_rng(seed))
    ...     return {"model": model, "optimizer": optim.Adam(model.parameters(), lr=0.05)}
    >>> histories = optim.fit_many([training(seed) for seed in range(4)], loss=nn.MSELoss(),
    ...                            data=(x, x**2), epochs=300, progress=False)
    >>> all(history["loss"][-1] < 0.01 for history in histories)
    True
    """
    jobs = [{"compile": True, **common, **training} for training in _mappings(trainings)]
    _check_apart(jobs)
    count = whole("fit_many", "workers", get_num_threads() if workers is None else workers)
    crew = _Crew(jobs, Progress(len(jobs), 1, progress))
    threads = [Thread(target=crew.work, daemon=True) for _ in range(min(count, len(jobs)))]
    with _one_thread_each(), turns(), crew.bar_closed():
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            crew.stop.set()
            for thread in threads:
                thread.join()
    if crew.error is not None:
        raise crew.error
    return crew.histories


class _Crew:
    """Trainings to be done, by whoever is free."""

    def __init__(self, jobs: Sequence[dict[str, Any]], bar: Progress) -> None:
        self.jobs = jobs
        self.bar = bar
        self.left = deque(range(len(jobs)))
        self.histories = [_interrupted() for _ in jobs]
        self.stop = Event()
        self.error: BaseException | None = None
        self._lock = Lock()

    def work(self) -> None:
        """Train one model after the other until none is left, or one has failed."""
        try:
            self._train()
        finally:
            ended()

    def _train(self) -> None:
        while not self.stop.is_set():
            with self._lock:
                if not self.left:
                    return
                number = self.left.popleft()
            try:
                history = fit(**self._stoppable(self.jobs[number]))
            except BaseException as error:
                error.add_note(f"fit_many: in training {number}, counted from 0")
                self.error = self.error or error
                self.stop.set()
                return
            if self.stop.is_set() and history.stopped_by == "callback":
                history.stopped_by = "interrupt"
            with self._lock:
                self._note(number, history)

    def _stoppable(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return arguments of `fit` that end it when others want it."""
        callbacks = [*job.get("callbacks", ()), Wish(self.stop.is_set)]
        return {**job, "callbacks": callbacks, "progress": False}

    def _note(self, number: int, history: History) -> None:
        self.histories[number] = history
        self.bar.batch()
        last = {name: values[-1] for name, values in history.items() if values}
        self.bar.epoch({**last, "epoch": len(self.jobs) - len(self.left)})

    @contextmanager
    def bar_closed(self) -> Iterator[None]:
        """Leave the terminal in order."""
        try:
            yield
        finally:
            self.bar.close()


def _interrupted() -> History:
    history = History()
    history.stopped_by = "interrupt"
    return history


def _mappings(trainings: Any) -> list[Mapping[str, Any]]:
    if isinstance(trainings, Mapping) or not all(isinstance(t, Mapping) for t in trainings):
        what = "fit_many: a list of dictionaries, the arguments of fit for each training"
        got = f"a {type(trainings).__name__}"
        do = 'Pass [{"model": model, "optimizer": optimizer}, ...]'
        raise DTypeError(explain(what, got, do))
    return list(trainings)


def _check_apart(jobs: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a training lacks what is its own, or shares it."""
    for name in ("model", "optimizer", "early_stopping", "schedule", "averaging"):
        own = [job[name] for job in jobs if job.get(name) is not None]
        if name in ("model", "optimizer") and len(own) < len(jobs):
            do = "Give each training a model and an optimizer of its own"
            raise UnknownNameError(explain(f"fit_many: a {name} in each training", "none", do))
        if len({id(thing) for thing in own}) < len(own):
            do = f"Make a new {name} for each training"
            raise GraphError(explain(f"fit_many: a {name} for each training", "a shared one", do))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let matrix products use one thread: the trainings are what runs side by side."""
    before = None
    with suppress(UnknownNameError):
        before = blas.get_num_threads()
        blas.set_num_threads(1)
    try:
        yield
    finally:
        if before is not None:
            blas.set_num_threads(before)
