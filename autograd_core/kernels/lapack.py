"""The seam to LAPACK: decompositions of matrices in compiled code, by the library of the BLAS.

`numpy.linalg` computes in float64, whatever its operands are, with routines of the library that
`blas` has found: OpenBLAS, MKL and Accelerate bring LAPACK along. A compiled program calls the
same routines, so it finds the same vectors with the same signs. A library without them, or one
that does not solve a small system, makes `available` False; the operations then stay NumPy's.

The text of a kernel calls ``dgesv`` and its kin (`declaration`) with sizes, and with addresses of
matrices stored by columns. Nothing is checked there, as in `blas`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..errors import UnknownNameError, explain
from . import blas

__all__ = ["available", "declaration", "describe", "integer", "workspace"]

# The parameters but for the last, the failure: a letter, an integer, or *an array.
ROUTINES = {
    "dgesv": "n columns *a lda *pivots *b ldb",
    "dgetrf": "m n *a lda *pivots",
    "dpotrf": "'triangle n *a lda",
    "dsyevd": "'job 'triangle n *a lda *w *work lwork *iwork liwork",
    "dgesdd": "'job m n *a lda *s *u ldu *vt ldvt *work lwork *iwork",
    "dgeqrf": "m n *a lda *tau *work lwork",
    "dorgqr": "m n k *a lda *tau *work lwork",
}

# How the builds that `blas` knows by their CBLAS names spell the routines.
SPELLINGS = {
    "scipy_cblas_{}64_": "scipy_{}_64_",
    "cblas_{}64_": "{}_64_",
    "cblas_{}_64": "{}_64",
    "cblas_{}$NEWLAPACK$ILP64": "{}$NEWLAPACK$ILP64",
    "scipy_cblas_{}": "scipy_{}_",
    "cblas_{}$NEWLAPACK": "{}$NEWLAPACK",
    "cblas_{}": "{}_",
}


def available() -> bool:
    """Return whether compiled code can call LAPACK.

    Examples
    --------
    >>> available() == ("none" not in describe())
    True
    """
    return _spelling() is not None


def describe() -> str:
    """Return where compiled code finds LAPACK."""
    spelling = _spelling()
    if spelling is None:
        return "none: the BLAS has no LAPACK; NumPy's functions instead"
    return f"{spelling.format('dgesv')} and its kin, in the library of {blas.describe()}"


def integer() -> str:
    """Return the dtype of its integers: pivots, and `iwork`."""
    found = blas.found()
    return "intp" if found is None else found.integer


def declaration(name: str) -> str:
    """Return the module text that defines a routine: ``failure = dgesv(n, ..., ldb, memory)``.

    The arguments are LAPACK's: arrays as addresses, letters as their codes. `memory` is the
    address of an integer of LAPACK's for each argument, which goes by address there.
    """
    spelling = _spelling()
    if spelling is None:
        what = "declaration: compiled code needs a LAPACK"
        raise UnknownNameError(explain(what, describe(), "Leave the operation to NumPy"))
    return _written(name, spelling.format(name))


def workspace(name: str, **given: str | int) -> list[int]:
    """Return how long `work` and `iwork` must be, as the routine says itself.

    `given` are the letters and integers but for these lengths. An array that the routine does not
    have has a length of zero.
    """
    room = np.zeros(1), np.zeros(1, integer())
    arguments: list[Any] = []
    for kind, parameter in _parameters(name):
        arguments.append(room[parameter == "iwork"] if kind == "*" else given.get(parameter, -1))
    spelling = _spelling()
    assert spelling is not None
    _called(spelling.format(name), name, arguments)
    return [int(x[0]) for x in room]


def _parameters(name: str) -> list[tuple[str, str]]:
    """Return the kind, a letter, an integer or an array, and name of each parameter."""
    words = ROUTINES[name].split()
    return [(w[0], w[1:]) if w[0] in "'*" else ("", w) for w in words]


def _written(name: str, symbol: str) -> str:
    """Return the text that declares a routine, and a function which writes its numbers."""
    parameters = _parameters(name)
    numbers = np.dtype(integer())
    count, size = len(parameters), numbers.itemsize
    lines = [f"numbers = view(memory, {count + 1}, np.{numbers.name})"]
    addresses = []
    for i, (kind, parameter) in enumerate(parameters):
        if kind == "'":
            lines.append(f"view(memory + {i * size}, 1, np.uint8)[0] = {parameter}")
        elif not kind:
            lines.append(f"numbers[{i}] = {parameter}")
        addresses.append(parameter if kind == "*" else f"memory + {i * size}")
    given = ", ".join([*addresses, f"memory + {count * size}", *_lengths(name)])
    lines += [f"numbers[{count}] = 0", f"lapack_{name}({given})", f"return numbers[{count}]"]
    body = "\n    ".join(lines)
    names = ", ".join(parameter for _, parameter in parameters)
    return (
        f"lapack_{name} = external({symbol!r}, {_signature(name)!r})\n\n\n"
        f"@inline\ndef {name}({names}, memory):\n    {body}\n"
    )


def _lengths(name: str) -> list[str]:
    """Return what Fortran compilers add to the arguments: the length of each letter."""
    return ["1" for kind, _ in _parameters(name) if kind == "'"]


def _signature(name: str) -> str:
    count = len(_parameters(name)) + 1 + len(_lengths(name))
    return f"void({', '.join(['intp'] * count)})"


def _called(symbol: str, name: str, arguments: list[Any]) -> int:
    """Call a routine from Python with letters, integers and arrays."""
    kept = [np.array(x, integer()) if isinstance(x, int) else x for x in [*arguments, 0]]
    kept = [np.frombuffer(x.encode(), np.uint8) if isinstance(x, str) else x for x in kept]
    addresses = [array.__array_interface__["data"][0] for array in kept]
    blas.function(symbol, _signature(name))(*addresses, *map(int, _lengths(name)))
    return int(kept[-1])


def _spelling() -> str | None:
    """Return how the library of the BLAS spells its routines, if it has all and can solve."""
    found = blas.found()
    return None if found is None else _spelling_of(found)


@functools.cache
def _spelling_of(found: blas.Blas) -> str | None:
    spelling = SPELLINGS[found.spelling]
    present = all(blas.has(spelling.format(name)) for name in ROUTINES)
    return spelling if present and _solves(spelling.format("dgesv")) else None


def _solves(symbol: str) -> bool:
    """Return whether the routine solves 2 x + y = 4, x + 3 y = 7, and tells a singular matrix."""
    b, pivots = np.array([4.0, 7.0]), np.zeros(2, integer())
    regular = _called(symbol, "dgesv", [2, 1, np.array([2.0, 1.0, 1.0, 3.0]), 2, pivots, b, 2])
    singular = _called(symbol, "dgesv", [2, 1, np.zeros(4), 2, pivots, np.zeros(2), 2])
    return regular == 0 and singular == 1 and np.allclose(b, [1.0, 2.0], rtol=0, atol=1e-14)
