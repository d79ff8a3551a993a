"""Random numbers in compiled code: the very ones that a NumPy generator would give next.

    draw = compile_source("fill", source("float32"), SIGNATURE.format("float32"))
    function, state = addresses(rng, "float32")
    with rng.bit_generator.lock:
        draw(function, state, out)                  # as rng.random(out=out, dtype="float32")

A bit generator keeps its state at an address, with all that it has buffered, and has C functions
that advance it; compiled code calls the one that `Generator.random` calls. So compiled and
ordinary draws may alternate. The lock is NumPy's own for the state, and whoever draws must hold
it: kernels run without the GIL. The generator must be kept alive.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from .jit import compile_source, is_compiled

__all__ = ["SIGNATURE", "addresses", "definition", "permutation", "source"]

LONGEST = 1 << 31  # beyond, NumPy takes other numbers
SHORT = 4096  # what is longer takes so long that other threads had better run meanwhile

SIGNATURE = "(intp, intp, {}[::1])"

# float64 has 53 bits of one number of 64, which `next_double` takes itself; float32 has the upper
# 24 bits of one of 32, of which a bit generator of 64 bits puts the second one aside.
STEPS = {
    "float32": "np.float32(called(function, state, np.uint32) >> 8) * np.float32(2.0**-24)",
    "float64": "called(function, state, np.float64)",
}


def addresses(rng: np.random.Generator, dtype: str) -> tuple[int, int]:
    """Return the addresses of a generator's function for a dtype, and of its state."""
    interface = rng.bit_generator.ctypes
    function = interface.next_uint32 if dtype == "float32" else interface.next_double
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address, int(interface.state_address)


def definition(dtype: str) -> str:
    """Return the text of ``draw_float32(function, state, out)`` or ``draw_float64``."""
    return f"""\
@inline
def draw_{dtype}(function, state, out):
    for i in range(out.size):
        out[i] = {STEPS[dtype]}
"""


def source(dtype: str) -> str:
    """Return the module text of ``fill(function, state, out)``.

    Examples
    --------
    >>> from .jit import compile_source
    >>> fill = compile_source("fill", source("float64"), SIGNATURE.format("float64"))
    >>> rng, twin, out = np.random.default_rng(0), np.random.default_rng(0), np.empty(3)
    >>> fill(*addresses(rng, "float64"), out)
    >>> out == twin.random(3)
    array([ True,  True,  True])
    """
    call = f"def fill(function, state, out):\n    draw_{dtype}(function, state, out)\n"
    return f"import numpy as np\n\n{definition(dtype)}\n{call}"


# As `Generator.shuffle` does it; `Here` says that the interpreter's lock is kept, if it is short.
PERMUTE = f"""
import numpy as np

def permute(rng, function, state, order):
    if order.size <= {SHORT}:
        permute_all(function, state, order)
        return
    thread = leave()
    permute_all(function, state, order)
    enter(thread)

@inline
def permute_all(function, state, order):
    for i in range(order.size - 1, 0, -1):
        mask = np.uint32(i)
        for width in (1, 2, 4, 8, 16):
            mask |= mask >> np.uint32(width)
        j = np.int64(called(function, state, np.uint32) & mask)
        while j > i:
            j = np.int64(called(function, state, np.uint32) & mask)
        order[i], order[j] = order[j], order[i]
"""


def permutation(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return ``rng.permutation(count)``; a short one without giving way to other threads.

    NumPy lets go of the interpreter's lock, and to get it back from a thread that has taken it
    takes many times as long as to draw some thousand numbers. During a longer one others run, and
    take turns where they do (`turns`).

    >>> a, b = np.random.default_rng(0), np.random.default_rng(0)
    >>> bool((permutation(a, 100) == b.permutation(100)).all())
    True
    """
    if count > LONGEST or type(rng) is not np.random.Generator or not _is_numpys():
        return rng.permutation(count)
    return _permuted(rng, count)


def _permuted(rng: np.random.Generator, count: int) -> np.ndarray:
    order = np.arange(count)
    with rng.bit_generator.lock:
        _permute()(rng, *addresses(rng, "float32"), order)
    return order


@cache
def _permute() -> Any:
    return compile_source("permute", PERMUTE, "(Here, intp, intp, int64[::1])")


@cache
def _is_numpys() -> bool:
    """Whether it gives the very numbers of the NumPy that is there, and leaves the same state."""
    if not is_compiled() or np.arange(1).dtype != np.int64:
        return False
    own, other = np.random.default_rng(0), np.random.default_rng(0)
    sizes = (1, 2, 3, 37, 1000)
    same = [np.array_equal(_permuted(own, n), other.permutation(n)) for n in sizes]
    return all(same) and bool(own.bit_generator.state == other.bit_generator.state)
