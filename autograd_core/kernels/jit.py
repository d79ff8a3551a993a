"""The one door to Numba: compile generated source, keep it on disk, share it within the process.

A kernel is born as *text*. `compile_source` turns a self-contained module text into a compiled
function; the text (with that of `building`) is the identity of the kernel, so a changed kernel
can never be served a stale binary, and equal texts are compiled once per machine.

    SOURCE = '''
    import numpy as np

    F = np.float32

    @inline
    def halve(x):
        return F(0.5) * x

    def halve_all(x, out):
        for i in range(x.size):
            out[i] = halve(x[i])
    '''
    halve_all = compile_source("halve_all", SOURCE)
    halve_all(x, out)                       # x, out: 1-D, C-contiguous, float32

Rules for the text:

* It imports what it needs (``import numpy as np``) and defines the function named first.
* Functions called from it carry the decorator ``@inline``, which is there without an import. So
  are ``fma(a, b, c)``, the multiply-add with one rounding, and ``select(condition, a, b)``, a
  conditional expression that never becomes a branch: loops with branches do not vectorize.
* ``@inline_calls`` is ``@inline`` for functions that do nothing but call others, and
  ``@only_calls`` says so of the kernel: what it calls is then optimized by itself, and only once.
* ``@inline_reordered`` is ``@inline`` for functions whose sums may be taken in any order: else a
  sum over a loop does not vectorize. ``sum_reordered(a, b)`` is one such addition.
  ``@inline_exact`` is ``@inline`` for functions that round as Python does, every operation by
  itself. ``@apart`` is for long functions that many lines call: compiled once, and called.
* ``long_round()`` in a loop says that LLVM should do four vectors side by side, not two, and
  ``by_vectors()`` that it should not be written out; `text` writes them where they help.
* ``called(address, pointer, np.uint32)`` is what a C function makes of a pointer (`streams`).
* ``load``, ``store`` and the rest of `objects` are for kernels that are handed Python objects.
* ``view(address, n, F)`` is the array of `n` numbers at an address, an integer such as
  ``x.ctypes.data``; `products` and `blas` write matrix products, which take addresses, too.
* It works in one float type, called ``F`` by convention. A bare ``0.5`` is a float64 and drags a
  float32 loop into double precision: write ``F(0.5)``, or let `type_literals` do so.
* Kernels take 1-D C-contiguous arrays and scalars, write into an argument, and return nothing.
* Give a kernel one combination of dtypes; for another dtype, generate another text.

The disk cache is ours, not Numba's: one checksummed file per (text, signature, machine), beside
the text, moved into place, without an index. So processes that compile at the same time cannot mix
up each other's code, a damaged file is noticed and compiled anew, and a directory that cannot be
written or is not the user's own merely means that nothing is kept. The directory is
``$AUTOGRAD_CORE_CACHE``, or ``autograd_core`` in the user's cache directory.

With ``NUMBA_DISABLE_JIT=1`` the same functions run as plain Python.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = [
    "address_of",
    "compile_loop",
    "compile_source",
    "count",
    "is_compiled",
    "is_series",
    "loop_text",
]

Kernel = Callable[..., Any]

_LOCK = threading.RLock()
_COMPILED: dict[tuple[str, str, str | None], Kernel] = {}


def compile_source(name: str, source: str, signature: str | None = None) -> Kernel:
    r"""Compile function `name` of the module text `source`; the module docstring has an example.

    Parameters
    ----------
    name : str
        The function to compile.
    source : str
        A self-contained module text.
    signature : str, optional
        Argument types such as ``"(float32[::1], float32[::1], float64)"``. The kernel is then
        compiled at once and its bare entry point returned: half the cost per call, but it checks
        neither dimensions nor strides nor writability, so the caller must have done so. It takes
        read-only arrays too, which is safe where the kernel only reads them.

    Returns
    -------
    callable
        The same object for the same arguments, from any thread.

    Examples
    --------
    >>> import numpy as np
    >>> double = compile_source("double", "def double(x):\n    x[:] = x + x\n")
    >>> x = np.ones(2)
    >>> double(x)
    >>> x
    array([2., 2.])
    """
    key = name, source, signature
    if key not in _COMPILED:
        with _LOCK:
            if key not in _COMPILED:
                _COMPILED[key] = _building().build(name, source, signature)
    return _COMPILED[key]


def is_compiled() -> bool:
    """Whether kernels are machine code, not plain Python."""
    return not _building().numba.config.DISABLE_JIT


def address_of(kernel: Kernel) -> int:
    """Return where the machine code is of a kernel that was compiled for a signature.

    Called as ``status = code(pointer to the result, pointer to an error, *arguments)``.
    """
    with _LOCK:
        found: int = _building().address(kernel)
    return found


def compile_loop(loop: str, dtype: str, signature: str) -> Kernel:
    """Compile the text of a loop together with the functions of `vector_math` that it calls.

    Parameters
    ----------
    loop : str
        One function, written for any float type.
    dtype : {"float32", "float64"}
    signature : str
        Its argument types.
    """
    name = loop.split("(")[0].split()[-1]
    return compile_source(name, loop_text(loop, dtype), signature)


@functools.lru_cache(maxsize=64)  # who trains many models alike asks for one text again and again
def loop_text(loops: str, dtype: str) -> str:
    """Return the module text of functions for any float type, with what they call."""
    with _LOCK:
        text: str = _building().text(loops, dtype)
    return text


def is_series(name: str) -> bool:
    """Whether a name is that of a scalar function which evaluates a polynomial."""
    found: bool = _building().is_series(name)
    return found


def count() -> dict[str, int]:
    """Return how many kernels this process has ``loaded`` from the cache, and ``compiled``."""
    return dict(_building().count)


@functools.cache
def _building() -> ModuleType:
    from . import building  # the documented lazy import: Numba, and all that only kernels need

    building.survive_forks(_LOCK)
    return building
