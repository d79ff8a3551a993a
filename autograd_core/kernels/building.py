"""Behind the door to Numba: compiling a kernel's text, and the disk cache of compiled kernels.

Loaded by `jit` at the first kernel, because Numba costs a quarter of a second. The cache is ours,
not Numba's: one checksummed file per (text, signature, machine), beside the text, moved into
place, without an index (`docs/decisions/0005-kernels.md`).
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import hashlib
import linecache
import os
import pickle
import stat
import sys
import tempfile
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import llvmlite.binding
import numba as annotated_numba
import numpy as np
from llvmlite import ir

from . import access, atomics, blas, exact, nontemporal, objects, sized, wide
from .generate import is_series, text

__all__ = ["address", "build", "cache_directory", "count", "is_series", "survive_forks", "text"]

# Division by zero gives inf as in NumPy, or the loop would not vectorize; of the fast-math
# licences only the fused multiply-add, because the others assume that there is no NaN and no inf.
FLAGS = {
    "error_model": "numpy",
    "fastmath": {"contract"},
    "nogil": True,
    "pipeline_class": wide.Pipeline,
}

# Sums may be taken in any order, or they would not vectorize; NaN and inf stay what they are.
REORDERED = {**FLAGS, "fastmath": {"contract", "reassoc", "nsz"}}

# What is computed once, not once an element, may be asked to round as Python does.
EXACT = {**FLAGS, "fastmath": False}

# Only Python would call the helpers through these; compiling them takes as long as the helper.
NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# Their flags and intrinsics go into every kernel: with another text, other kernels.
WRITERS = access, atomics, objects, wide, *sized.WRITERS

Kernel = Callable[..., Any]
numba: Any = annotated_numba  # its annotations do not cover what is used here
_results: dict[Kernel, Any] = {}  # by entry point
count = {"loaded": 0, "compiled": 0}  # kernels of this process, by where their code came from


def build(name: str, source: str, signature: str | None) -> Kernel:
    """Compile function `name` of a module text, or load what an earlier process compiled."""
    directory = None if numba.config.DISABLE_JIT else cache_directory()
    module = _load(name, source, directory)
    if numba.config.DISABLE_JIT:
        # NumPy's scalars warn where the compiled loop is silent.
        return cast(Kernel, np.errstate(all="ignore")(getattr(module, name)))
    if signature is None:
        return cast(Kernel, _kernel(name, module, directory))
    kinds = eval(signature, {"Here": objects.HERE}, vars(numba.types))
    try:  # arrays are the caller's: nobody need count references
        return cast(Kernel, _kernel(name, module, directory, kinds, _nrt=False))
    except numba.core.errors.NumbaError:  # unless the text makes arrays
        return cast(Kernel, _kernel(name, module, directory, kinds))


def address(kernel: Kernel) -> int:
    """Return where the machine code is of a kernel that was built for one signature."""
    found = _results[kernel]
    return cast(int, found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def _kernel(
    name: str, module: types.ModuleType, directory: Path | None, kinds: Any = None, **flags: Any
) -> Any:
    """Return what compiles a kernel, or the entry point of one for these types."""
    # What looks at Python's objects keeps the interpreter's lock.
    flags = {**FLAGS, **flags, "nogil": objects.HERE not in (kinds or ())}
    kernel = numba.njit(no_cfunc_wrapper=True, **flags)(getattr(module, name))
    kernel._cache = _Store(directory, module.__name__)
    if kinds is None:
        return kernel
    entry = kernel.compile(kinds)
    _results[entry] = kernel.overloads[kinds]
    return entry


def survive_forks(lock: Any) -> None:
    """Fork only while no thread compiles: the child would find the lock held for ever.

    Registered after Numba's import has registered logging's hooks, so that ours run before them:
    the compiler logs while it holds its lock.
    """
    compiler_lock = numba.core.compiler_lock.global_compiler_lock

    def acquire() -> None:
        lock.acquire()
        compiler_lock.acquire()

    def release() -> None:
        compiler_lock.release()
        lock.release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=acquire, after_in_parent=release, after_in_child=release)


def _load(name: str, source: str, directory: Path | None) -> types.ModuleType:
    """Execute the text as a registered module, which reloading its machine code will ask for."""
    stem = f"k_{hashlib.sha256(f'{name} {source}'.encode()).hexdigest()[:32]}"
    if stem not in sys.modules:
        path = Path(f"<{stem}>") if directory is None else directory / f"{stem}.py"
        module = types.ModuleType(stem, f"Generated kernel {name}.")
        module.__dict__.update(_provided(), __file__=str(path))
        # Tracebacks read the text from here; the file on disk is for people and profilers.
        linecache.cache[str(path)] = len(source), None, source.splitlines(True), str(path)
        exec(compile(source, str(path), "exec"), module.__dict__)
        sys.modules[stem] = module
        if directory is not None and not path.exists():
            _write(path, source.encode())
    return sys.modules[stem]


@functools.cache
def _provided() -> dict[str, Any]:
    """Return what a text has without an import."""
    plain = {name: getattr(exact, name) for name in exact.__all__}
    plain |= {"external": blas.function, **sized.PLAIN}
    compiled = {"external": _external, **sized.COMPILED}
    names = plain if numba.config.DISABLE_JIT else _intrinsics() | compiled
    inlined = {
        "apart": _apart,
        "inline": _inline,
        "inline_calls": _inline_calls,
        "inline_exact": _inline_exact,
        "inline_reordered": _inline_reordered,
        "only_calls": _only_calls,
    }
    return {**inlined, **names}


def _inline(function: Kernel) -> Kernel:
    # A call left in a loop would keep it from being vectorized.
    return _ingredient("inline", function, forceinline=True, **FLAGS)


def _only_calls(function: Kernel) -> Kernel:
    # What it calls has been optimized: there is nothing to be gained from all of it together.
    function.__dict__["only_calls"] = True
    return function


def _inline_calls(function: Kernel) -> Kernel:
    return _ingredient("inline_calls", _only_calls(function), forceinline=True, **FLAGS)


def _apart(function: Kernel) -> Kernel:
    return _ingredient("apart", function, **FLAGS)


def _inline_reordered(function: Kernel) -> Kernel:
    return _ingredient("inline_reordered", function, forceinline=True, **REORDERED)


def _inline_exact(function: Kernel) -> Kernel:
    return _ingredient("inline_exact", function, forceinline=True, **EXACT)


def _ingredient(kind: str, function: Any, **flags: Any) -> Kernel:
    """Prepare a function that kernels call; texts that define the same one share its code.

    It has a module of its own, named by its content, for which kept kernels will ask.
    """
    name, code, known = function.__name__, function.__code__, function.__globals__
    used = {other: known[other] for other in code.co_names if other in known}
    content = [kind, name, code.co_code, code.co_consts, code.co_names, code.co_varnames]
    content += [(other, *_identity(value)) for other, value in used.items()]
    stem = f"i_{hashlib.sha256(repr(content).encode()).hexdigest()[:32]}"
    if stem not in sys.modules:
        module = types.ModuleType(stem, f"Generated function {name}, which kernels share.")
        # NumPy imports by itself as plain Python runs it, and looks for the builtins here.
        module.__dict__.update(used, __builtins__=builtins)
        own = types.FunctionType(code, module.__dict__, name)
        own.__dict__.update(function.__dict__)
        module.__dict__[name] = numba.njit(**NO_WRAPPERS, **flags)(own)
        sys.modules[stem] = module
    return cast(Kernel, getattr(sys.modules[stem], name))


def _identity(value: Any) -> tuple[Any, ...]:
    """Return what tells a global value of a text from others, in any process."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if hasattr(value, "py_func"):
        return (value.py_func.__module__,)
    return type(value), repr(value)


def _intrinsics() -> dict[str, Any]:
    known = (*objects.INTRINSICS, *atomics.INTRINSICS, *wide.INTRINSICS, nontemporal.drained)
    words = {function.__name__: function for function in known}
    native = {**_arithmetic(), **_extremes(), **_addressing(), **words}
    return {name: numba.extending.intrinsic(function) for name, function in native.items()}


def _arithmetic() -> dict[str, Any]:
    def native_fma(context: Any, a: Any, b: Any, c: Any) -> Any:
        return a(a, a, a), lambda context, builder, signature, args: builder.fma(*args)

    def native_select(context: Any, condition: Any, a: Any, b: Any) -> Any:
        return a(numba.types.boolean, a, a), lambda _, builder, signature, args: builder.select(
            *args
        )

    def native_sum(context: Any, a: Any, b: Any) -> Any:
        return a(a, a), lambda _, builder, signature, args: builder.fadd(
            *args, flags=("reassoc", "nsz", "contract")
        )

    return {"fma": native_fma, "select": native_select, "sum_reordered": native_sum}


def _extremes() -> dict[str, Any]:
    """Return Python's `min` and `max` of two numbers: Numba would compile them each time."""

    def extreme(comparison: str) -> Any:
        def native(context: Any, a: Any, b: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                a, b = args
                integers = isinstance(signature.return_type, numba.types.Integer)
                compare = builder.icmp_signed if integers else builder.fcmp_ordered
                return builder.select(compare(comparison, b, a), b, a)

            kind = context.unify_types(a, b)
            return kind(kind, kind), emit

        return native

    return {"min": extreme("<"), "max": extreme(">")}


def _addressing() -> dict[str, Any]:
    def native_view(context: Any, address: Any, n: Any, dtype: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = signature.return_type
            data = builder.inttoptr(
                args[0], context.get_value_type(numba.types.CPointer(kind.dtype))
            )
            return access.array(context, builder, kind, data, args[1])

        if not isinstance(address, numba.types.Integer):
            return None  # a mistake in the text, not a number to be cut off
        intp = numba.types.intp
        return numba.types.Array(dtype.dtype, 1, "C")(intp, intp, dtype), emit

    def native_call(context: Any, address: Any, state: Any, dtype: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            result = context.get_value_type(signature.return_type)
            pointer = context.get_value_type(numba.types.voidptr)
            function = ir.FunctionType(result, [pointer]).as_pointer()
            given = builder.inttoptr(args[1], pointer)
            return builder.call(builder.inttoptr(args[0], function), [given])

        return dtype.dtype(numba.types.intp, numba.types.intp, dtype), emit

    return {"called": native_call, "view": native_view}


def _external(name: str, signature: str) -> Any:
    """Declare a function of the BLAS: its types are in the text, its address in this process.

    The text is executed before its kept machine code is loaded, so the name is known by then.
    """
    own = "autograd_core_" + name.replace("$", "_")
    function = blas.function(name, signature)
    llvmlite.binding.add_symbol(own, ctypes.cast(function, ctypes.c_void_p).value)
    arguments, result = numba.core.sigutils.normalize_signature(signature)
    return numba.types.ExternalFunction(own, result(*arguments))


class _Store:
    """What a dispatcher asks of its cache: machine code by signature, or None.

    Every failure means "not kept": the kernel is then compiled, as on the first day.
    """

    def __init__(self, directory: Path | None, stem: str) -> None:
        self.directory = directory
        self.stem = stem
        self.cache_path = directory and str(directory)  # for the dispatcher's statistics

    def load_overload(self, signature: Any, context: Any) -> Any:
        context.refresh()
        with suppress(Exception):
            payload = _unseal(self._path(signature, context).read_bytes())
            parts = pickle.loads(payload)
            kept = numba.core.compiler.CompileResult._rebuild(context, *parts)
            count["loaded"] += 1
            return kept
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        count["compiled"] += 1
        if result.library.has_dynamic_globals:  # addresses of this very process
            return
        with suppress(Exception):
            payload = numba.core.serialize.dumps(result._reduce())
            _write(self._path(signature, result.target_context), _seal(payload))

    def _path(self, signature: Any, context: Any) -> Path:
        if self.directory is None:
            raise FileNotFoundError("there is no place for compiled kernels")
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
    files = (Path(module.__file__ or "") for module in (sys.modules[__name__], *WRITERS))
    texts = "".join(file.read_text(encoding="utf-8") for file in files)
    own = hashlib.sha256(texts.encode()).hexdigest()[:8]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"python{python}-numba{numba.__version__}-numpy{np.__version__}-{own}"


def _is_private(directory: Path) -> bool:
    status = directory.stat()
    return not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
