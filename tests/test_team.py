"""The team: machine code shares a range with helpers; each piece once, forks, ends, callers."""

import ctypes
import threading
import time

import numpy as np
import pytest
from twins import alone, in_threads, needs_fork

import autograd_core as ag
from autograd_core.compiler.layout import address
from autograd_core.kernels import blas, team, tiling
from autograd_core.kernels.jit import address_of, compile_source
from autograd_core.kernels.turns import address as turns_address
from autograd_core.kernels.turns import ended, turns

SOURCE = (
    team.SHARE
    + """
import numpy as np

def count(table, begin, end):  # how often each number was there, which thread, and where it began
    seen = view(load(table), load(table + 8), np.int64)
    for i in range(begin, end):
        added(load(table) + 8 * i, 1)
    added(load(table + 16), 1)
    return 0

def met(table, begin, end):  # pieces wait for each other
    added(load(table), 1)
    while observed(load(table)) < load(table + 8):
        rest()
    return 0

def nested(table, begin, end):
    inner = load(table + 24)
    share(load(table + 32), inner, table, load(table + 8), 1, 4)
    return 0

def shared(team, function, table, n, grain, most, times):
    for _ in range(times):
        share(team, function, table, n, grain, most)
"""
)


def of_words(name, count):
    return compile_source(name, SOURCE, f"({', '.join(['intp'] * count)},)")


def share(name, table, n, grain=1, most=4, times=1):
    """Share a range by a function of the text above."""
    team.ready()
    words = np.array(table, np.int64)
    code = address_of(of_words(name, 3))
    of_words("shared", 7)(team.address(), code, address(words), n, grain, most, times)


def counted(n, grain=1, most=4, times=1):
    """Return how often each number was in a piece, and how many pieces there were."""
    seen, pieces = np.zeros(n, np.int64), np.zeros(1, np.int64)
    share("count", [address(seen), n, address(pieces)], n, grain, most, times)
    return seen, int(pieces[0])


def all_meet(count):
    """Let so many pieces run at the same time, or hang."""
    arrived = np.zeros(1, np.int64)
    share("met", [address(arrived), count], count, most=1)


pytestmark = [
    pytest.mark.usefixtures("four_threads"),
    pytest.mark.skipif(
        not team.available(), reason="without machine code or POSIX threads there is no team"
    ),
]


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 1000])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_number_is_in_one_piece(n, threads):
    ag.set_num_threads(threads)
    for grain in (1, 16):
        seen, pieces = counted(n, grain)
        assert (seen == 1).all()
        assert pieces <= max(1, min(-(-n // grain), 4 * threads))


def test_of_nothing_nothing():
    assert counted(0) == (pytest.approx(np.zeros(0)), 1)


def test_one_thread_does_it_in_one_piece():
    ag.set_num_threads(1)
    assert counted(1000)[1] == 1


def test_all_threads_work_at_the_same_time():
    for _ in range(3):
        all_meet(4)
        time.sleep(0.01)  # helpers fall asleep


def test_fewer_threads_than_there_are_helpers():
    all_meet(4)
    ag.set_num_threads(2)
    all_meet(2)
    assert counted(1000)[1] <= 8


def test_many_ranges_one_after_the_other():
    seen, _ = counted(97, times=20_000)
    assert (seen == 20_000).all()


def test_many_callers_at_once():
    found = []

    def call():
        found.append((counted(50, times=3000)[0] == 3000).all())

    in_threads(6, call)
    assert found == [True] * 6


def test_a_range_within_a_piece():
    n = 40
    seen, pieces = np.zeros(n, np.int64), np.zeros(1, np.int64)
    inner = address_of(of_words("count", 3))
    share("nested", [address(seen), n, address(pieces), inner, team.address()], 8, most=2)
    assert (seen == 8).all()


def test_without_further_threads_the_caller_does_all(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    ag.set_num_threads(64)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert (counted(100)[0] == 1).all()


def test_a_team_works_where_the_blas_keeps_its_threads_to_itself(monkeypatch):
    monkeypatch.setattr(blas, "_thread_names", lambda: None)
    other = team._Team()
    other.ready(2)
    assert len(other.helpers) == 1
    other.before_fork()  # which ends them
    other.after_fork()
    assert not other.helpers


START = """
import os, sys, threading, time, atexit, warnings
import numpy as np
import autograd_core as ag
sys.path.insert(0, "tests")
from test_team import all_meet, counted
ag.set_num_threads(4)
all_meet(4)
"""


def run(code):
    return alone(START + code)


@needs_fork
def test_forks_happen_without_helpers_and_both_sides_go_on():
    code = """
alone = []
os.register_at_fork(after_in_parent=lambda: alone.append(threading.active_count()))
for _ in range(3):
    child = os.fork()
    if not child:
        assert threading.active_count() == 1
        assert (counted(100)[0] == 1).all()
        all_meet(4)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    all_meet(4)
print(alone, threading.active_count())
"""
    assert run(code) == "[1, 1, 1] 4\n"


@needs_fork
def test_a_fork_while_another_thread_shares():
    code = """
warnings.simplefilter("ignore", DeprecationWarning)  # of the other thread: it is the subject
goes_on, wrong = threading.Event(), []
def work():
    while not goes_on.is_set():
        if not (counted(1000, times=200)[0] == 200).all():
            wrong.append(1)
other = threading.Thread(target=work)
other.start()
for _ in range(20):
    child = os.fork()
    if not child:
        all_meet(4)
        os._exit(0 if (counted(100)[0] == 1).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
goes_on.set()
other.join()
assert not wrong
all_meet(4)
"""
    run(code)


def test_at_the_interpreters_end_nothing_hangs():
    code = """
class Late:
    def __del__(self, write=os.write):
        assert sys.is_finalizing()
        ag.set_num_threads(8)  # more helpers than there are
        write(1, repr(sum(counted(100)[0].tolist())).encode())

atexit.register(all_meet, 4)
counted(1)  # compiled while it can be
late = Late()  # goes with this module
"""
    assert run(code) == "100"


# --------------------------------------------------------------------------------- products

shared_products = pytest.mark.skipif(
    not blas.can_be_held(), reason="this BLAS keeps the number of its threads to itself"
)


def large_product(dtype, m, n, k, way, flips=(False, False)):
    """Compile tanh(x) y, of which `way` is a part of the text; return operands and result, too."""

    def product(x, y):
        x, y = (z.T if flip else z for z, flip in zip((ag.tanh(x), y), flips, strict=True))
        return x @ y

    compiled = ag.compile(product, audit=False)  # which would leave products to NumPy again
    rng = np.random.default_rng(5)
    shapes = [(k, m) if flips[0] else (m, k), (n, k) if flips[1] else (k, n)]
    x, y = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    for scale in (1.0, 2.0, 3.0):
        compiled(x * dtype(scale), y)
    (segment,) = compiled.programs[0].segments
    assert all((known in segment.source) == (known == way) for known in (BY_BLAS, IN_TILES))
    left, right = (z.T if flip else z for z, flip in zip((np.tanh(x), y), flips, strict=True))
    return compiled, (x, y), left.astype(float) @ right.astype(float)


BY_BLAS, IN_TILES = "rows = ", "_shared("


@pytest.fixture
def no_tiles(monkeypatch):
    """Let the BLAS do all products."""
    monkeypatch.setattr(tiling, "machine", lambda: None)


@shared_products
@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        ((600, 170, 190), np.float32),
        ((170, 611, 190), np.float64),
        ((257, 257, 301), np.float32),
    ],
)
def test_a_product_is_right_however_it_is_cut(sizes, dtype, no_tiles):
    check(large_product(dtype, *sizes, BY_BLAS), dtype)


def check(product, dtype):
    compiled, arrays, wanted = product
    for threads in (4, 3, 1):
        ag.set_num_threads(threads)
        found = compiled(*arrays).numpy()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1000 * np.finfo(dtype).eps)
        assert blas.get_num_threads() == threads


# Panels that are whole and not, either matrix turned, one depth and several, crowded rows.
PLAIN, TURNED_X, TURNED_Y = (False, False), (True, False), (False, True)
TILED = {
    "plain": (np.float32, (33, 150, 230), PLAIN),
    "y turned": (np.float64, (13, 135, 610), TURNED_Y),
    "x turned": (np.float32, (24, 207, 220), TURNED_X),
    "several depths": (np.float32, (12, 100, 1100), PLAIN),
    "crowded rows": (np.float32, (16, 256, 260), PLAIN),
    "few terms": (np.float32, (300, 450, 8), PLAIN),
    "few rows": (np.float32, (3, 1050, 340), PLAIN),
}


@shared_products
@pytest.mark.skipif(tiling.machine() is None, reason="there are no tiles for this processor")
@pytest.mark.parametrize("case", TILED.values(), ids=TILED)
def test_a_product_in_tiles_is_right_however_it_is_cut(case):
    dtype, sizes, flips = case
    check(large_product(dtype, *sizes, IN_TILES, flips), dtype)


@shared_products
@pytest.mark.skipif(
    tiling.machine() is None or tiling.machine().width < 64, reason="nine columns fill a vector"
)
def test_a_product_with_few_columns_is_turned():
    compiled, arrays, wanted = large_product(
        np.float32, 200, 9, 600, IN_TILES, flips=(False, True)
    )
    assert "sproduct_9x200x600" in compiled.programs[0].segments[0].source
    check((compiled, arrays, wanted), np.float32)


@pytest.mark.parametrize("function", [ag.sum, ag.mean, ag.var, ag.max], ids=lambda f: f.name)
@pytest.mark.parametrize("shape", [(300, 257), (1100, 260), (5, 90, 400)], ids=str)
def test_threads_share_the_columns_of_a_reduction(function, shape):
    compiled = ag.compile(lambda x: ag.tanh(function(x, axis=0)), audit=False)
    rng = np.random.default_rng(3)
    for _ in range(3):
        x = rng.normal(size=shape)
        found = compiled(ag.tensor(x)).numpy()
        np.testing.assert_allclose(found, np.tanh(function(x, axis=0)), atol=1e-12)
    (segment,) = compiled.programs[0].segments
    assert "range(begin *" in segment.source and segment.shares


@shared_products
def test_where_the_blas_has_one_thread_it_is_not_asked_to_have_more(no_tiles):
    compiled, arrays, wanted = large_product(np.float32, 600, 170, 190, BY_BLAS)
    blas.set_num_threads(1)  # as others may have said, threadpoolctl for one
    np.testing.assert_allclose(compiled(*arrays).numpy(), wanted, rtol=0, atol=1e-4)
    assert blas.get_num_threads() == 1
    ag.set_num_threads(1)
    large_product(np.float32, 600, 170, 190, "")


@shared_products
def test_many_threads_share_products_and_the_blas_is_as_it_was(no_tiles):
    compiled, arrays, wanted = large_product(np.float32, 600, 170, 190, BY_BLAS)
    wrong = []

    def call():
        for _ in range(50):
            if np.abs(compiled(*arrays).numpy() - wanted).max() > 1e-4:
                wrong.append(1)

    in_threads(4, call)
    assert not wrong
    assert blas.get_num_threads() == 4


@shared_products
def test_what_is_said_while_a_product_is_shared_holds_afterwards():
    words = np.zeros(3, np.int64)
    hold, let_be = (
        compile_source(name, f"import numpy as np\n{blas.holding()}{TAKEN}", "(intp,)")
        for name in ("held", "let")
    )
    assert hold(address(words)) == 4
    assert hold(address(words)) == 4
    assert blas.get_num_threads() == 1  # other words: this is the library itself
    let_be(address(words))
    assert blas.get_num_threads() == 1
    let_be(address(words))
    assert blas.get_num_threads() == 4
    assert hold(blas.held()) == 4
    assert blas.get_num_threads() == 4
    ag.set_num_threads(3)
    let_be(blas.held())
    assert blas.get_num_threads() == ag.get_num_threads() == 3


TAKEN = """
def held(words):
    return hold(words)

def let(words):
    let_be(words)
"""


@needs_fork
@shared_products
def test_a_fork_while_another_thread_shares_a_product():
    code = """
from autograd_core.kernels import blas, tiling
from test_team import BY_BLAS, large_product
tiling.machine = lambda: None  # no tiles
warnings.simplefilter("ignore", DeprecationWarning)  # of the other thread: it is the subject
compiled, arrays, _ = large_product(np.float32, 600, 170, 190, BY_BLAS)
goes_on = threading.Event()
def work():
    while not goes_on.is_set():
        compiled(*arrays)
other = threading.Thread(target=work)
other.start()
for _ in range(20):
    child = os.fork()
    if not child:
        right = blas.get_num_threads() == 4 and np.isfinite(compiled(*arrays).numpy()).all()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
goes_on.set()
other.join()
"""
    run(code)


# ------------------------------------------------------------------------------------ turns

TURN = """
import numpy as np

def away(thing, n):
    state = leave()
    total = 0.0
    for i in range(n):
        total = 0.5 * total + 1.0
    enter(state)
    return total
"""


def test_threads_that_take_turns_in_python():
    away, found = compile_source("away", TURN, "(Here, intp)"), []

    def work():
        for _ in range(300):
            found.append(away(None, 3000))
            sum(range(300))
        ended()

    with turns():
        away(None, 10)
        assert turn()[0] != 0 and turn()[1] > 0  # who has the interpreter's lock has the turn
        ended()
        in_threads(4, work)
    assert found == [2.0] * 1200
    ended()
    away(None, 10)
    assert turn().tolist() == [0, 0]  # there are no turns


def test_a_thread_that_keeps_its_turn_holds_nobody_up_for_long():
    away = compile_source("away", TURN, "(Here, intp)")
    with turns():
        turn()[0] = 1  # a thread that will not come again
        assert away(None, 3000) == 2.0
    ended()


def turn():
    """Return whose turn it is, and how often others look."""
    return np.frombuffer((ctypes.c_int64 * 2).from_address(turns_address()), np.int64)
