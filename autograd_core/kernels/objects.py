"""Words in memory, and functions at addresses, for machine code that Python hands objects to.

A parameter of type ``Here`` is the object itself, of which machine code gets the address. It holds
the lock of the interpreter, so no object changes meanwhile, between `leave` and `enter` excepted.

A thread that waits for the interpreter's lock sleeps, and to wake up takes longer than what most
others do with it. Where several threads do little in Python and much in machine code (`turns`),
they take turns: who comes back looks until it is nobody's turn, and then finds the lock free.
"""

from __future__ import annotations

import os
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

from .atomics import ALIGNED, ORDER, call, pause
from .turns import AWAKE, NAP, address

__all__ = ["HERE", "INTRINSICS"]

WORD, INDEX = ir.IntType(64), ir.IntType(32)
SYMBOL = "autograd_core_turn"
llvmlite.binding.add_symbol(SYMBOL, address())


class Here(types.Type):
    """A Python object, where it is."""

    def __init__(self) -> None:
        super().__init__("Here")


HERE = Here()


@extending.register_model(Here)
class _Model(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, WORD)


def _unbox(kind: Any, thing: Any, c: Any) -> Any:
    return extending.NativeValue(c.builder.ptrtoint(thing, WORD))


extending.unbox(Here)(_unbox)


def place(context: Any, x: Any) -> Any:
    """Return the address of an object."""
    return types.intp(x), lambda context, builder, signature, args: args[0]


def load(context: Any, address: Any) -> Any:
    """Return the word at an address."""
    return types.intp(types.intp), lambda context, builder, signature, args: builder.load(
        builder.inttoptr(args[0], WORD.as_pointer())
    )


def load_half(context: Any, address: Any) -> Any:
    """Return the half of a word at an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.load(builder.inttoptr(args[0], ir.IntType(32).as_pointer()))
        return builder.sext(half, WORD)

    return types.intp(types.intp), emit


def store(context: Any, address: Any, word: Any) -> Any:
    """Write a word to an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], WORD.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


def retain(context: Any, thing: Any) -> Any:
    """Keep an object alive."""
    return types.void(types.intp), _counting("Py_IncRef")


def release(context: Any, thing: Any) -> Any:
    """Keep it alive no longer."""
    return types.void(types.intp), _counting("Py_DecRef")


def leave(context: Any) -> Any:
    """Let go of the interpreter's lock; return what `enter` needs."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = builder.call(_python(builder, "PyEval_SaveThread", POINTER, []), [])
        own = builder.ptrtoint(state, WORD)
        builder.cmpxchg(_word_of_turn(builder, 0), own, WORD(0), ORDER, ORDER)
        return own

    return types.intp(), emit


def enter(context: Any, state: Any) -> Any:
    """Take the interpreter's lock again, once it is this thread's turn or has long not been."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        turn, words = _word_of_turn(builder, 0), _word_of_turn(builder, 1)
        looks = builder.load(words)
        with cgutils.for_range(builder, looks) as loop:
            taken = builder.cmpxchg(turn, WORD(0), args[0], ORDER, ORDER)
            with builder.if_then(builder.extract_value(taken, 1)):
                loop.do_break()
            _wait(builder, loop.index)
        restore = _python(builder, "PyEval_RestoreThread", ir.VoidType(), [POINTER])
        builder.call(restore, [builder.inttoptr(args[0], POINTER)])
        with builder.if_then(builder.icmp_signed(">", looks, looks.type(0))):
            builder.store_atomic(args[0], turn, ORDER, ALIGNED)  # who has the lock has the turn
        return context.get_dummy_value()

    return types.void(types.intp), emit


def _wait(builder: Any, looks: Any) -> None:
    """Wait for a moment, longer after so many looks."""
    awake = builder.icmp_signed("<", looks, WORD(AWAKE))
    with builder.if_else(awake) as (then, otherwise):
        with then:
            pause(builder)
        with otherwise:
            if os.name == "posix":
                kind = ir.FunctionType(INDEX, [INDEX])
                nap = cgutils.get_or_insert_function(builder.module, kind, "usleep")
                builder.call(nap, [INDEX(NAP)])


def _word_of_turn(builder: Any, i: int) -> Any:
    """Return where one of the words of `turns` is."""
    kind = ir.ArrayType(WORD, 2)
    words = builder.module.globals.get(SYMBOL) or ir.GlobalVariable(builder.module, kind, SYMBOL)
    return builder.gep(words, [INDEX(0), INDEX(i)])


def finished(context: Any, program: Any, table: Any) -> Any:
    """Return what Numba's function at an address makes of a word."""
    return types.intp(types.intp, types.intp), lambda context, builder, signature, args: _result(
        builder, *args
    )


POINTER = ir.IntType(8).as_pointer()
INTRINSICS = (place, load, load_half, store, retain, release, leave, enter, finished)


def _result(builder: Any, program: Any, table: Any) -> Any:
    result, failed = call(builder, program, table)
    right = builder.icmp_signed("==", failed, failed.type(0))
    return builder.select(right, builder.load(result), WORD(-1))


def _counting(name: str) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = _python(builder, name, ir.VoidType(), [POINTER])
        builder.call(function, [builder.inttoptr(args[0], POINTER)])
        return context.get_dummy_value()

    return emit


def _python(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Return a function of Python's own interface."""
    kind = ir.FunctionType(result, arguments)
    return cgutils.get_or_insert_function(builder.module, kind, name)
