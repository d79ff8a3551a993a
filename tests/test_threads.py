"""Work on several threads: every element once, same bits, errors, forks, the interpreter's end."""

import gc
import os
import threading
import time
import weakref
from itertools import pairwise

import numpy as np
import pytest
from twins import alone, needs_fork

import autograd_core as ag
import optim
from autograd_core.errors import UnknownNameError
from autograd_core.kernels import activations, blas, rows, special, threads
from autograd_core.kernels.threads import GRAIN, LARGE, parallel, spread

JITTED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
compiled = pytest.mark.skipif(not JITTED, reason="nothing is compiled, large arrays take minutes")
SIZES = [LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 17]


pytestmark = pytest.mark.usefixtures("four_threads")


def pieces(n, grain):
    """Return the pieces that a call hands out, in order."""
    found = []
    parallel(lambda begin, end: found.append((begin, end)), n, grain)
    return sorted(found)


def with_threads(count, function):
    ag.set_num_threads(count)
    return function()


def bits(array):
    return array.view(f"u{array.itemsize}")


# ------------------------------------------------------------------------------------ pieces


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100, 1000, 12345])
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_pieces_cover_the_range_once_and_are_cut_at_multiples(n, count):
    ag.set_num_threads(count)
    found = pieces(n, 16)
    assert found[0][0] == 0 and found[-1][1] == n
    assert all(end == begin for (_, end), (begin, _) in pairwise(found))
    assert all(begin % 16 == 0 and begin < end for begin, end in found)
    assert len(found) == 1 if count == 1 else len(found) <= threads.SHARE * count


def test_of_nothing_no_piece():
    assert pieces(0, 16) == []


def test_one_thread_is_a_direct_call():
    ag.set_num_threads(1)
    callers = []
    parallel(lambda begin, end: callers.append((begin, end, threading.get_ident())), 99, 1)
    assert callers == [(0, 99, threading.get_ident())]


def test_all_threads_work_at_the_same_time():
    meeting = threading.Barrier(4)  # nobody passes unless four pieces run at once
    parallel(lambda begin, end: meeting.wait(60), 4, 1)


def test_helpers_stay_for_the_next_call():
    def who():
        meeting = threading.Barrier(4)
        parallel(lambda begin, end: meeting.wait(60), 4, 1)
        return threading.enumerate()

    assert who() == who()


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("where", ["in the caller", "in a helper"])
def test_an_error_reaches_the_caller_when_all_has_stopped(where):
    caller, meeting, running = threading.get_ident(), threading.Barrier(2), []

    def fail(begin, end):
        running.append(begin)
        meeting.wait(60)
        mine = threading.get_ident() == caller
        if mine == (where == "in the caller"):
            raise ZeroDivisionError(f"piece {begin}")
        time.sleep(0.05)
        running.append("ended")

    ag.set_num_threads(2)
    with pytest.raises(ZeroDivisionError, match="piece"):
        parallel(fail, 8, 1)
    assert len(running) <= 4 and "ended" in running  # two pieces began, the other six never did
    assert len(pieces(100, 1)) > 1  # and the next call is as if nothing had been


def test_after_an_error_in_all_pieces_the_first_is_raised_and_nothing_is_kept():
    class Marked(Exception):
        pass

    kept = []

    def fail(begin, end):
        error = Marked(begin)
        kept.append(weakref.ref(error))
        raise error

    with pytest.raises(Marked):
        parallel(fail, 8, 1)
    gc.collect()
    assert kept and all(ref() is None for ref in kept)


def test_arrays_are_let_go_of():
    x = np.zeros(10)
    reference = weakref.ref(x)
    parallel(lambda begin, end, x=x: x[begin:end].fill(1.0), 10, 1)
    del x
    gc.collect()
    assert reference() is None


# ---------------------------------------------------------------------- several callers at once


def test_a_call_within_a_piece():
    counts = np.zeros((4, 64), np.int64)

    def inner(i):
        parallel(lambda begin, end: np.add(counts[i, begin:end], 1, counts[i, begin:end]), 64, 8)

    parallel(lambda begin, end: inner(begin), 4, 1)
    assert (counts == 1).all()


def test_many_callers_at_once():
    counts = np.zeros((8, 1000), np.int64)

    def call(i):
        def add(begin, end):
            counts[i, begin:end] += 1

        for _ in range(200):
            parallel(add, 1000, 16)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (counts == 200).all()


def test_a_helper_that_wakes_up_too_late_does_nothing():
    release, held = threading.Event(), threading.Barrier(2)

    def hold(begin, end):
        if threading.current_thread() is not threading.main_thread():
            held.wait(60)
            release.wait(60)
        else:
            held.wait(60)
            release.set()

    ag.set_num_threads(2)
    parallel(hold, 2, 1)
    for _ in range(1000):  # far faster than a helper wakes up
        assert pieces(3, 1)[-1][1] == 3


def test_without_further_threads_the_caller_does_all(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", threads._Pool(4))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert pieces(100, 10)[-1][1] == 100


# ------------------------------------------------------------------------------------ same bits


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["silu", "gelu_tanh", "elu"])
def test_activations_have_the_same_bits(name, n, dtype):
    x, ct = np.random.default_rng(0).normal(size=(2, n)).astype(dtype)
    for run in (
        lambda: activations.value(name, x),
        lambda: activations.pull(name, ct, x),
    ):
        one, four = with_threads(1, run), with_threads(4, run)
        assert (bits(one) == bits(four)).all()


@compiled
@pytest.mark.parametrize("width", [3, 40])
def test_rows_have_the_same_bits(width):
    x, ct = np.random.default_rng(0).normal(size=(2, LARGE // width + 100, width))
    for run in (lambda: rows.softmax(x), lambda: rows.log_softmax_pull(ct, x)):
        one, four = with_threads(1, run), with_threads(4, run)
        assert (bits(one) == bits(four)).all()


@compiled
def test_special_functions_have_the_same_bits():
    x = np.random.default_rng(0).uniform(0.1, 9.0, LARGE + 3)
    one, four = (with_threads(n, lambda: special.kernel("gammaln")(x)) for n in (1, 4))
    assert (bits(one) == bits(four)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_an_optimizer_makes_the_same_steps(layout, dtype):
    def train():
        rng = np.random.default_rng(0)
        start = rng.normal(size=(2, 520, 520)).astype(dtype)
        value = {"C": start[0], "F": start[0].T, "strided": start[:, ::2].reshape(520, 520)}
        p = ag.tensor(value[layout], requires_grad=True)
        assert p.numpy().size >= LARGE
        optimizer = optim.Adam([p], lr=0.1)
        for _ in range(3):
            p.grad = rng.normal(size=p.shape).astype(dtype)
            optimizer.step()
        return p.numpy().copy()

    assert (bits(with_threads(1, train)) == bits(with_threads(4, train))).all()


@compiled
def test_large_arrays_are_shared_out_and_small_ones_are_not(monkeypatch):
    calls = []
    monkeypatch.setattr(
        threads, "parallel", lambda *args: calls.append(args[1]) or parallel(*args)
    )
    for n in (LARGE - 1, LARGE):
        activations.value("silu", np.ones(n))
        activations.pull("silu", np.ones(n), np.ones(n))
        p = ag.tensor(np.ones(n), requires_grad=True)
        p.grad = np.ones(n)
        optim.SGD([p], lr=0.1).step()
    assert calls == [LARGE] * 3


def test_spread_slices_arrays_and_keeps_rows_together():
    seen = []
    rows_of_three = spread(lambda x, out, factor: seen.append((x.size, out.size, factor)), 2, 3)
    rows_of_three(np.ones(3 * GRAIN), np.ones(3 * GRAIN), 7.0)
    assert sum(size for size, _, _ in seen) == 3 * GRAIN and len(seen) > 1
    assert all(size == other and size % 3 == 0 and f == 7.0 for size, other, f in seen)


# ------------------------------------------------------------------------------------ how many


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None])
def test_number_of_threads_must_be_one(count):
    with pytest.raises(ValueError, match=r"must be a positive integer, but got .*\. Pass 1 or m"):
        ag.set_num_threads(count)
    assert ag.get_num_threads() == 4


@pytest.mark.skipif(not blas.available(), reason="there is no BLAS whose threads could be counted")
def test_the_number_is_the_matrix_products_too():
    for count in (2, np.int64(1)):
        ag.set_num_threads(count)
        assert ag.get_num_threads() == blas.get_num_threads() == count
        assert type(ag.get_num_threads()) is int


def test_a_blas_that_cannot_be_told_does_not_matter(monkeypatch):
    def unknown(count):
        raise UnknownNameError("no such function")

    monkeypatch.setattr(blas, "set_num_threads", unknown)
    ag.set_num_threads(3)
    assert ag.get_num_threads() == 3


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OPENBLAS_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "3, 2", "OPENBLAS_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "many", "OPENBLAS_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "0"}, None),
        ({}, None),
    ],
)
def test_the_number_at_first(environment, expected, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(threads, "_pool", threads._Pool())
    assert ag.get_num_threads() == (expected or threads._processors())


def test_processors_where_the_system_does_not_say_which(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads._processors() == (os.cpu_count() or 1)


# ------------------------------------------------------------------------ processes of their own

START = """
import atexit, os, signal, sys, threading, time
import numpy as np
import autograd_core as ag
from autograd_core.kernels.threads import parallel
ag.set_num_threads(4)

def all_at_once():
    meeting = threading.Barrier(4)
    parallel(lambda begin, end: meeting.wait(60), 4, 1)

all_at_once()
"""


def run(code):
    return alone(START + code)


@needs_fork
def test_in_a_forked_child_and_in_its_parent():
    code = """
for _ in range(3):
    child = os.fork()
    if not child:
        assert threading.active_count() == 1
        all_at_once()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    all_at_once()
print(threading.active_count())
"""
    assert run(code) == "4\n"


@needs_fork
def test_a_fork_happens_without_helpers():
    """From Python 3.12 on, a fork in a process with threads is warned of."""
    code = """
alone = []
os.register_at_fork(after_in_parent=lambda: alone.append(threading.active_count()))
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
print(alone)
"""
    assert run(code) == "[1]\n"


@needs_fork
def test_a_fork_while_another_thread_works():
    code = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of the other thread: it is the subject
begun, goes_on = threading.Event(), threading.Event()
def hold(begin, end):
    begun.set()
    goes_on.wait(60)
other = threading.Thread(target=parallel, args=(hold, 4, 1))
other.start()
begun.wait(60)
child = os.fork()
if not child:
    all_at_once()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
goes_on.set()
other.join()
all_at_once()
"""
    run(code)


def test_at_the_interpreters_end_nothing_hangs():
    code = """
class Late:
    def __del__(self, write=os.write):
        counts = [0] * 8
        def count(begin, end):
            for i in range(begin, end):
                counts[i] += 1
        assert sys.is_finalizing()
        ag.set_num_threads(8)  # more helpers than there are
        parallel(count, 8, 1)
        write(1, repr(counts).encode())

atexit.register(all_at_once)
late = Late()  # goes with this module
"""
    assert run(code) == repr([1] * 8)


def test_an_interrupt_arrives_when_the_pieces_have_ended():
    code = """
meeting, ended = threading.Barrier(4), []
def piece(begin, end):
    meeting.wait(60)
    if threading.current_thread() is not threading.main_thread():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        ended.append(begin)
try:
    parallel(piece, 4, 1)
except KeyboardInterrupt:
    print(len(ended))
all_at_once()
"""
    assert run(code) == "3\n"


# ---------------------------------------------------------------------------- processors

several = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="a thread cannot be told which of several processors to leave",
)


@several
def test_helpers_leave_the_callers_processor_to_the_caller():
    pieces(100, 1)
    pool = threads._pool
    assert pool.helpers
    for helper in pool.helpers:
        assert pool.avoided[helper] not in os.sched_getaffinity(helper.native_id)


@several
def test_helpers_of_a_caller_with_one_processor_have_that_one(monkeypatch):
    pieces(100, 1)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        monkeypatch.setattr(threads._pool, "avoided", {})
        assert pieces(100, 1)[-1][1] == 100
        assert not threads._pool.avoided
    finally:
        os.sched_setaffinity(0, before)
