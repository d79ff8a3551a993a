"""What every test needs before the first import: one thread, a kernel cache, a search depth.

Two threads of a BLAS wait for each other actively, and where other programs are busy too, small
products take a hundred times as long.

The compiled kernels of this checkout are kept under `.cache/`, so that a second run is quick and
no other checkout can lend a stale kernel. Hypothesis's profile is chosen by HYPOTHESIS_PROFILE,
else `ci` where the environment says CI, else `quick`; it changes the depth of the search only.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("AUTOGRAD_CORE_CACHE", str(ROOT / ".cache" / "kernels"))
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".cache" / "numba"))
os.environ.setdefault("MPLBACKEND", "Agg")

# The first call of a kernel compiles it: a deadline would call that a slow test.
# Fixed cases (derandomize) let a run on a server be repeated; the thorough profile seeks new ones.
for name, examples, fixed in (("quick", 12, True), ("ci", 40, True), ("thorough", 1000, False)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=fixed,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick")
)


@pytest.fixture(autouse=True, scope="module")
def _only_young_objects_are_searched():
    """Leave out of every search for garbage what is there before a module's first test.

    That is thousands of collected tests, and the compiler: tests that ask whether something is
    left behind would search it all again and again.
    """
    gc.freeze()


@pytest.fixture
def four_threads():
    """Four threads, whatever the machine has."""
    import autograd_core as ag  # not before the environment is set

    before = ag.get_num_threads()
    ag.set_num_threads(4)
    yield
    ag.set_num_threads(before)


@pytest.fixture(params=["words", "no counts", "in Python"])
def looks(request, monkeypatch):
    """How a compiled call is checked: as here, where dicts count no changes, and without words.

    Returns whether words are looked at.
    """
    from autograd_core.compiler import batches, quick, words  # not before the environment is set

    if request.param == "no counts":
        monkeypatch.setattr(words, "counts_changes", lambda: False)
    elif request.param == "in Python":
        monkeypatch.setattr(quick, "watched", lambda *_: None)
        monkeypatch.setattr(batches, "watched_rows", lambda *_: None)
    return words.readable() and request.param != "in Python"


@pytest.fixture
def library(monkeypatch):
    """Let a test say which libraries there are with matrix products, as (owner, path)."""
    from autograd_core.kernels import blas  # not before the environment is set

    blas._blas.cache_clear()
    yield lambda *found: monkeypatch.setattr(blas, "_libraries", lambda: found)
    monkeypatch.undo()
    blas._blas.cache_clear()
