"""Words in memory that several threads change, and sleep until one of them is changed.

Every access to a word is in one order for all threads (sequentially consistent), so a thread that
sees what another has written last sees all that it wrote before. Sleeping is the system's: a lock
and a condition of POSIX threads, in memory that the caller has, 128 bytes each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

__all__ = ["ALIGNED", "INTRINSICS", "ORDER", "call", "pause"]

WORD, STATUS = ir.IntType(64), ir.IntType(32)
POINTER = ir.IntType(8).as_pointer()
ORDER = "seq_cst"
ALIGNED = 8
PAUSES: dict[str, tuple[str, list[Any]]] = {  # by processor
    "x86_64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.hint", [STATUS(1)]),
    "arm64": ("llvm.aarch64.hint", [STATUS(1)]),
}


def observed(context: Any, address: Any) -> Any:
    """Return the word at an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_word(builder, args[0]), ORDER, ALIGNED)

    return types.intp(types.intp), emit


def published(context: Any, address: Any, word: Any) -> Any:
    """Write a word."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _word(builder, args[0]), ORDER, ALIGNED)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


def added(context: Any, address: Any, number: Any) -> Any:
    """Add a number to a word, and return what it was."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _word(builder, args[0]), args[1], ORDER)

    return types.intp(types.intp, types.intp), emit


def replaced(context: Any, address: Any, old: Any, new: Any) -> Any:
    """Write a new word where the old one is; return whether it was."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.cmpxchg(_word(builder, args[0]), args[1], args[2], ORDER, ORDER)
        return builder.extract_value(found, 1)

    return types.boolean(types.intp, types.intp, types.intp), emit


def rest(context: Any) -> Any:
    """Let the processor know that a thread only waits."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pause(builder)
        return context.get_dummy_value()

    return types.void(), emit


def ran(context: Any, function: Any, table: Any, begin: Any, end: Any) -> Any:
    """Call Numba's function at an address, of three words."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call(builder, *args)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), emit


def _system(name: str, count: int) -> Any:
    """Declare a function of the system that takes addresses."""

    def native(context: Any, *addresses: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(STATUS, [POINTER] * count)
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, [builder.inttoptr(x, POINTER) for x in args])

        return types.int32(*[types.intp] * count), emit

    return native


def acquire(context: Any, lock: Any) -> Any:
    """Wait until nobody else has a lock, and have it."""
    return _system("pthread_mutex_lock", 1)(context, lock)


def let_go(context: Any, lock: Any) -> Any:
    """Have it no longer."""
    return _system("pthread_mutex_unlock", 1)(context, lock)


def slept(context: Any, bell: Any, lock: Any) -> Any:
    """Let go of a lock and sleep until a bell rings; have the lock again."""
    return _system("pthread_cond_wait", 2)(context, bell, lock)


def rung(context: Any, bell: Any) -> Any:
    """Wake all who sleep until it rings."""
    return _system("pthread_cond_broadcast", 1)(context, bell)


def give_way(context: Any) -> Any:
    """Let other threads have the processor."""
    return _system("sched_yield", 0)(context)


INTRINSICS = (
    observed,
    published,
    added,
    replaced,
    rest,
    ran,
    acquire,
    let_go,
    slept,
    rung,
    give_way,
)


def call(builder: Any, function: Any, *words: Any) -> tuple[Any, Any]:
    """Emit a call of Numba's function at an address; return where the result is, and a status."""
    result, error = cgutils.alloca_once(builder, WORD), cgutils.alloca_once(builder, POINTER)
    given = [WORD.as_pointer(), POINTER.as_pointer(), *[WORD] * len(words)]
    kind = ir.FunctionType(STATUS, given).as_pointer()
    return result, builder.call(builder.inttoptr(function, kind), [result, error, *words])


def pause(builder: Any) -> None:
    """Emit the instruction by which a processor knows that a thread only waits, if it has one."""
    name, given = PAUSES.get(builder.module.triple.partition("-")[0], ("", []))
    if name:
        kind = ir.FunctionType(ir.VoidType(), [x.type for x in given])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())
