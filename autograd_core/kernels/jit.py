"""The one door to Numba: compile generated source, keep it on disk, share it within the process.

A kernel is born as *text*. `compile_source` turns a self-contained module text into a compiled
function; the text (with this file's) is the identity of the kernel, so a changed kernel can never
be served a stale binary, and equal texts are compiled once per machine.

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

import ast
import functools
import hashlib
import inspect
import linecache
import os
import pickle
import stat
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast, overload

import numpy as np

__all__ = ["cache_directory", "compile_source", "fma", "select", "type_literals"]

# Division by zero gives inf as in NumPy, or the loop would not vectorize; of the fast-math
# licences only the fused multiply-add, because the others assume that there is no NaN and no inf.
FLAGS = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}

# Only Python would call the helpers through these; compiling them takes as long as the helper.
NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

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
                _COMPILED[key] = _build(name, source, signature)
    return _COMPILED[key]


def _build(name: str, source: str, signature: str | None) -> Kernel:
    numba = _numba()
    directory = None if numba.config.DISABLE_JIT else cache_directory()
    module = _load(name, source, directory)
    if numba.config.DISABLE_JIT:
        # NumPy's scalars warn where the compiled loop is silent.
        return cast(Kernel, np.errstate(all="ignore")(getattr(module, name)))
    kernel = numba.njit(**FLAGS)(getattr(module, name))
    if directory is not None:
        kernel._cache = _Store(directory, module.__name__)
    return cast(Kernel, kernel if signature is None else kernel.compile(signature))


@functools.cache
def _numba() -> Any:
    import numba  # the documented lazy import: it costs a quarter of a second

    if hasattr(os, "register_at_fork"):
        _survive_forks(numba.core.compiler_lock.global_compiler_lock)
    return numba


def _survive_forks(compiler_lock: Any) -> None:
    """Fork only while no thread compiles: the child would find the lock held for ever.

    Registered after Numba's import has registered logging's hooks, so that ours run before them:
    the compiler logs while it holds its lock.
    """

    def acquire() -> None:
        _LOCK.acquire()
        compiler_lock.acquire()

    def release() -> None:
        compiler_lock.release()
        _LOCK.release()

    os.register_at_fork(before=acquire, after_in_parent=release, after_in_child=release)


def _load(name: str, source: str, directory: Path | None) -> types.ModuleType:
    """Execute the text as a registered module, which reloading its machine code will ask for."""
    stem = f"k_{hashlib.sha256(f'{name} {source}'.encode()).hexdigest()[:32]}"
    if stem not in sys.modules:
        path = Path(f"<{stem}>") if directory is None else directory / f"{stem}.py"
        module = types.ModuleType(stem, f"Generated kernel {name}.")
        module.__dict__.update(inline=_inline, **_intrinsics(), __file__=str(path))
        # Tracebacks read the text from here; the file on disk is for people and profilers.
        linecache.cache[str(path)] = len(source), None, source.splitlines(True), str(path)
        exec(compile(source, str(path), "exec"), module.__dict__)
        sys.modules[stem] = module
        if directory is not None and not path.exists():
            _write(path, source.encode())
    return sys.modules[stem]


def _inline(function: Kernel) -> Kernel:
    # A call left in a loop would keep it from being vectorized.
    njit = _numba().njit(forceinline=True, **NO_WRAPPERS, **FLAGS)
    return cast(Kernel, njit(function))


def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a b + c rounded once, in the type of `c`; kernels have it under the same name."""
    try:
        return type(c)(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))
    except (OverflowError, ValueError):  # infinite or not a number
        return a * b + c


def select(condition: Any, a: Any, b: Any) -> Any:
    """Return `a` where the condition holds, `b` elsewhere; kernels have it without a branch."""
    return a if condition else b


@functools.cache
def _intrinsics() -> dict[str, Any]:
    numba = _numba()
    if numba.config.DISABLE_JIT:
        return {"fma": fma, "select": select}

    def native_fma(context: Any, a: Any, b: Any, c: Any) -> Any:
        return a(a, a, a), lambda context, builder, signature, args: builder.fma(*args)

    def native_select(context: Any, condition: Any, a: Any, b: Any) -> Any:
        return a(numba.types.boolean, a, a), lambda _, builder, signature, args: builder.select(
            *args
        )

    intrinsic = numba.extending.intrinsic
    return {"fma": intrinsic(native_fma), "select": intrinsic(native_select)}


class _Store:
    """What a dispatcher asks of its cache: machine code by signature, or None.

    Every failure means "not kept": the kernel is then compiled, as on the first day.
    """

    def __init__(self, directory: Path, stem: str) -> None:
        self.directory = directory
        self.stem = stem
        self.cache_path = str(directory)  # for the dispatcher's statistics

    def load_overload(self, signature: Any, context: Any) -> Any:
        context.refresh()
        with suppress(Exception):
            payload = _unseal(self._path(signature, context).read_bytes())
            return _numba().core.compiler.CompileResult._rebuild(context, *pickle.loads(payload))
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        if result.library.has_dynamic_globals:  # addresses of this very process
            return
        with suppress(Exception):
            payload = _numba().core.serialize.dumps(result._reduce())
            _write(self._path(signature, result.target_context), _seal(payload))

    def _path(self, signature: Any, context: Any) -> Path:
        machine = repr((signature, context.codegen().magic_tuple()))
        return self.directory / f"{self.stem}-{hashlib.sha256(machine.encode()).hexdigest()[:16]}"


def _seal(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest() + payload


def _unseal(sealed: bytes) -> bytes:
    if _seal(sealed[32:]) != sealed:
        raise ValueError("damaged cache file")
    return sealed[32:]


def _write(path: Path, content: bytes) -> None:
    """Write and move into place, so that a reader sees all of it or nothing; or do nothing."""
    with suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)


def cache_directory() -> Path | None:
    """Return the directory of the compiled kernels for these versions, made if need be.

    Returns
    -------
    Path or None
        None where it cannot be made, or where somebody else could put code into it: the files are
        executed when they are loaded.
    """
    try:
        directory = _cache_root() / _versions()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory if _is_private(directory) else None
    except (OSError, RuntimeError):  # RuntimeError: the user has no home directory
        return None


def _cache_root() -> Path:
    if own := os.environ.get("AUTOGRAD_CORE_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "autograd_core"


@functools.cache
def _versions() -> str:
    # This file's flags and intrinsics go into every kernel: with another text, other kernels.
    own = hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest()[:8]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"python{python}-numba{_numba().__version__}-numpy{np.__version__}-{own}"


def _is_private(directory: Path) -> bool:
    status = directory.stat()
    return not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


@overload
def type_literals(code: str) -> str: ...
@overload
def type_literals(code: ast.AST) -> ast.AST: ...
def type_literals(code: str | ast.AST) -> str | ast.AST:
    """Wrap every numeric literal as ``F(...)``, so that one body computes in any float type.

    Integers that count rather than measure stay: exponents of ``**``, subscripts, operands of
    shifts and bit operations, whatever stands in ``range`` and ``len``, and what a type name
    (``F``, ``I``, ``int``, ``float``, ``bool``, ``np.float32`` and its kin) converts.

    Parameters
    ----------
    code : str or ast.AST
        Source text or a syntax tree, which is changed in place.

    Returns
    -------
    str or ast.AST
        The same kind as was given.

    Examples
    --------
    >>> type_literals("y = (1 - b) * x[0] ** 2 + 0.5")
    'y = (F(1) - b) * x[0] ** 2 + F(0.5)'
    """
    if isinstance(code, str):
        return ast.unparse(type_literals(ast.parse(code)))
    return cast(ast.AST, ast.fix_missing_locations(_TypeLiterals().visit(code)))


class _TypeLiterals(ast.NodeTransformer):
    COUNTS = {"range", "len"}
    TYPES = {"F", "I", "int", "float", "bool"}
    BITS = ast.LShift | ast.RShift | ast.BitAnd | ast.BitOr | ast.BitXor

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) not in (int, float):
            return node
        return ast.Call(ast.Name("F", ast.Load()), [node], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not (isinstance(node.op, self.BITS) and _is_integer(node.left)):
            node.left = self.visit(node.left)
        if not (isinstance(node.op, self.BITS | ast.Pow) and _is_integer(node.right)):
            node.right = self.visit(node.right)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        if name in self.COUNTS:
            return node
        if name in self.TYPES or name.startswith(("np.float", "np.int", "np.uint")):
            node.args = [a if isinstance(a, ast.Constant) else self.visit(a) for a in node.args]
            return node
        return self.generic_visit(node)


def _is_integer(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int
