"""The one seam to the BLAS: finding the library that is there, calling it from compiled code.

NumPy brings a BLAS, and a compiled program calls the same one: a second library would be a second
pool of threads. The library is loaded by `ctypes`, compiled code refers to its functions by name
(`building` registers the addresses), so kept machine code stays right in the next process, where
the library lies elsewhere. Looked for, in this order:

1. what NumPy is linked to: its wheels' own OpenBLAS, macOS's Accelerate, a distribution's or
   conda's library, with 64- or 32-bit integers;
2. what SciPy is linked to, if it is installed;
3. nothing: then `available` is False, `describe` says so, `products` writes plain loops, and a
   program may prefer to leave large products to NumPy.

A function counts as found when it has multiplied two small matrices correctly.

The text of a kernel calls ``sgemm`` or ``dgemm`` (`declaration`). Operands are addresses, integers
such as ``x.ctypes.data + 4 * offset``, and matrices are stored by rows; the distance between rows
is an argument, so that a block of a larger buffer is a matrix, too. Nothing is checked there: a
wrong size reads or overwrites foreign memory, so the text's author must know the sizes, and keep
the arrays alive.

Where our own threads share a product, each multiplies a part by itself: `holding` is the text of
``hold(words)``, after which the library uses one thread, and says how many it used before, and
``let_be(words)``, after which it uses those again when nobody holds it any more. Two pools of
threads would wait for each other: those of a BLAS wait for the next product at full speed.
Nobody may change the number of threads while the process is copied: OpenBLAS starts new ones
then, behind a lock that would be closed for ever in the child. So ``seize(words)`` (`SEIZE`) comes
before a fork.

Calls from several threads at once are safe. So is a fork with OpenBLAS, which ends its own threads
before it and starts new ones after; Accelerate's and MKL's do not promise that in a child.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UnknownNameError, explain

__all__ = [
    "LETTERS",
    "SEIZE",
    "available",
    "can_be_held",
    "declaration",
    "describe",
    "found",
    "function",
    "get_num_threads",
    "has",
    "held",
    "holding",
    "is_alone",
    "release",
    "set_num_threads",
]

LETTERS = {"float32": "s", "float64": "d"}  # BLAS's own names of the types

# How builds spell the functions of CBLAS, and the integers that they take.
SPELLINGS = {
    "scipy_cblas_{}64_": "int64",  # the wheels of NumPy
    "cblas_{}64_": "int64",
    "cblas_{}_64": "int64",  # MKL
    "cblas_{}$NEWLAPACK$ILP64": "int64",  # Accelerate
    "scipy_cblas_{}": "int32",  # the wheels of SciPy
    "cblas_{}$NEWLAPACK": "int32",
    "cblas_{}": "int32",
}

THREADS = (
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)

CONFIGURATIONS = (
    "scipy_openblas_get_config64_",
    "openblas_get_config64_",
    "scipy_openblas_get_config",
    "openblas_get_config",
)

HOLDERS, BEFORE = 1, 2  # after the lock: how many hold it, and what it had before
_held = np.zeros(3, np.int64)

SEIZE = """
@inline
def seize(words):
    while not replaced(words, 0, 1):
        rest()
"""

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112  # CBLAS's numbers

C_TYPES = {
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "intp": ctypes.c_ssize_t,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}


class Blas(NamedTuple):
    """A library that multiplies."""

    owner: str
    library: ctypes.CDLL
    spelling: str
    integer: str


def available() -> bool:
    """Return whether compiled code can call a BLAS.

    Examples
    --------
    >>> available() == ("none" not in describe())
    True
    """
    return _blas() is not None


def found() -> Blas | None:
    """Return the library that compiled code calls, if there is one."""
    return _blas()


def has(name: str) -> bool:
    """Return whether the library has a function of this name."""
    blas = _blas()
    return blas is not None and _symbol(blas.library, name) is not None


def describe() -> str:
    """Return which BLAS compiled code calls, by which name, and what it says of itself."""
    blas = _blas()
    if blas is None:
        return "none: neither NumPy's nor SciPy's library has a CBLAS gemm; plain loops instead"
    names = " and ".join(blas.spelling.format(f"{letter}gemm") for letter in LETTERS.values())
    own = _configuration(blas.library)
    return f"{names} of {blas.owner}, {blas.integer}" + (f" ({own})" if own else "")


def get_num_threads() -> int:
    """Return how many threads a product may use."""
    return int(_held[BEFORE] if _held[HOLDERS] else _thread_functions()[1]())


def set_num_threads(threads: int) -> None:
    """Let products use so many threads, in compiled code and in NumPy's own.

    Parameters
    ----------
    threads : int
        At least 1. The library may have a limit of its own; `get_num_threads` knows.
    """
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        what = "set_num_threads: the number of threads must be a positive integer"
        raise ValueError(explain(what, repr(threads), "Pass 1 or more"))
    if _held[HOLDERS]:
        _held[BEFORE] = threads
    else:
        _thread_functions()[0](int(threads))


def is_alone() -> bool:
    """Whether a product certainly has one thread: there is no BLAS, or it says so."""
    try:
        return _blas() is None or get_num_threads() == 1
    except UnknownNameError:
        return False


def can_be_held() -> bool:
    """Whether the number of threads can be set and asked for."""
    return _thread_names() is not None


def held() -> int:
    """Return where the words are that ``hold`` and ``let_be`` take, for good."""
    return int(_held.ctypes.data)


def holding() -> str:
    """Return the module text that defines ``hold`` and ``let_be``; see above."""
    setter, getter = _thread_names() or ("", "")
    return f"""\
blas_set = external({setter!r}, 'void(int32)')
blas_get = external({getter!r}, 'int32()')
{SEIZE}

@inline
def hold(words):
    seize(words)
    if load(words + {8 * HOLDERS}) == 0:
        store(words + {8 * BEFORE}, blas_get())
        blas_set(np.int32(1))
    store(words + {8 * HOLDERS}, load(words + {8 * HOLDERS}) + 1)
    before = load(words + {8 * BEFORE})
    published(words, 0)
    return before


@inline
def let_be(words):
    seize(words)
    store(words + {8 * HOLDERS}, load(words + {8 * HOLDERS}) - 1)
    if load(words + {8 * HOLDERS}) == 0:
        blas_set(np.int32(load(words + {8 * BEFORE})))
    published(words, 0)
"""


def declaration(dtype: str) -> str:
    """Return the module text that defines ``sgemm`` (float32) or ``dgemm`` (float64).

    ``sgemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)`` computes
    C ← α op(A) op(B) + β C, with op(A) m×k, op(B) k×n, C m×n, and op the transposition where its
    flag is set. `a`, `b`, `c` are addresses; `lda`, `ldb`, `ldc` the distances between rows as
    stored, in elements, at least 1. With β = 0 the old C is not read.
    """
    blas = _blas()
    if blas is None:
        what = "declaration: compiled code needs a BLAS with CBLAS names"
        raise UnknownNameError(explain(what, describe(), "Take the text of `products` instead"))
    name = f"{LETTERS[dtype]}gemm"
    return f"""\
cblas_{name} = external({blas.spelling.format(name)!r}, {_signature(dtype, blas.integer)!r})


@inline
def {name}(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    how_a = {TRANSPOSED} if transpose_a else {PLAIN}
    how_b = {TRANSPOSED} if transpose_b else {PLAIN}
    alpha, beta = np.{dtype}(alpha), np.{dtype}(beta)
    cblas_{name}({ROW_MAJOR}, how_a, how_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
"""


def function(name: str, signature: str) -> Any:
    """Return a function of the library as a `ctypes` function of the signature's types."""
    blas = _blas()
    found = None if blas is None else _symbol(blas.library, name)
    if found is None:
        what = f"external: the BLAS must have {name}"
        raise UnknownNameError(explain(what, describe(), "Generate the text anew"))
    return _typed(found, signature)


def _signature(dtype: str, integer: str) -> str:
    sizes = ", ".join([integer] * 3)
    matrix = f"intp, {integer}"
    return f"void(int32, int32, int32, {sizes}, {dtype}, {matrix}, {matrix}, {dtype}, {matrix})"


def _typed(found: Any, signature: str) -> Any:
    result, _, types = signature.removesuffix(")").partition("(")
    found.restype = C_TYPES.get(result)  # none of void
    found.argtypes = [C_TYPES[name] for name in types.split(", ") if name]
    return found


@functools.cache
def _blas() -> Blas | None:
    """Return the first library that has both functions in one spelling and can multiply."""
    for owner, path in _libraries():
        library = _load(path)
        if library is None:
            continue
        for spelling, integer in SPELLINGS.items():
            if _has_wide_integers(library, spelling):
                integer = "int64"
            if all(_multiplies(library, spelling, integer, dtype) for dtype in LETTERS):
                return Blas(owner, library, spelling, integer)
    return None


def _libraries() -> Iterator[tuple[str, str]]:
    """Yield extension modules linked to a BLAS, and the libraries bundled beside them.

    Looking a name up in a module finds it in all the libraries that the module is linked to,
    except on Windows, where each library must be asked.
    """
    modules = {"NumPy": "numpy._core._multiarray_umath", "SciPy": "scipy.linalg._fblas"}
    for owner, name in modules.items():
        package = find_spec(owner.lower())
        module = find_spec(name) if package else None
        if package and package.origin and module and module.origin:
            yield owner, module.origin
            beside = Path(package.origin).parent.with_suffix(".libs")
            yield from ((owner, str(path)) for path in sorted(beside.glob("*openblas*.dll")))


def _load(path: str) -> ctypes.CDLL | None:
    with suppress(OSError):
        return ctypes.CDLL(path)
    return None


def _symbol(library: ctypes.CDLL, name: str) -> Any:
    with suppress(AttributeError):
        return library[name]  # a new object each time: its types are ours alone
    return None


def _has_wide_integers(library: ctypes.CDLL, spelling: str) -> bool:
    # An OpenBLAS may be built with 64-bit integers and no suffix that says so.
    return spelling in ("cblas_{}", "scipy_cblas_{}") and "USE64BITINT" in _configuration(library)


def _multiplies(library: ctypes.CDLL, spelling: str, integer: str, dtype: str) -> bool:
    """Return whether the function computes [[1, 2, 3], [4, 5, 6]] [1, 2, 3]ᵀ."""
    gemm = _symbol(library, spelling.format(f"{LETTERS[dtype]}gemm"))
    if gemm is None:
        return False
    a, b, c = (np.array(x, dtype) for x in ([1, 2, 3, 4, 5, 6], [1, 2, 3], [7, 7]))
    x, y, z = (array.ctypes.data for array in (a, b, c))
    shape = 2, 1, 3
    _typed(gemm, _signature(dtype, integer))(
        ROW_MAJOR, PLAIN, TRANSPOSED, *shape, 1.0, x, 3, y, 3, 0.0, z, 1
    )
    return c.tolist() == [14.0, 32.0]


def _configuration(library: ctypes.CDLL) -> str:
    for name in CONFIGURATIONS:
        if found := _symbol(library, name):
            found.restype = ctypes.c_char_p
            return " ".join((found() or b"").decode("ascii", "replace").split())
    return ""


def _thread_names() -> tuple[str, str] | None:
    """Return the names of the functions that set and get the number of threads, if it has any."""
    return next((names for names in THREADS if all(map(has, names))), None)


def _thread_functions() -> tuple[Any, Any]:
    names = _thread_names()
    if names is not None:
        setter, getter = names
        return function(setter, "void(int32)"), function(getter, "int32()")
    what = "threads: the BLAS must have functions for the number of its threads"
    do = "Set the library's environment variable before Python starts"
    raise UnknownNameError(explain(what, describe(), do))


def release(in_child: bool) -> None:
    """Let others hold it again after a fork; in the child those that did are gone."""
    holders, before = _held[HOLDERS], int(_held[BEFORE])
    if in_child:
        _held[:] = 0
        if holders:
            set_num_threads(before)
    _held[0] = 0
