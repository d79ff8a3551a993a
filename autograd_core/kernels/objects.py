"""Words in memory, and functions at addresses, for machine code that Python hands objects to.

A parameter of type ``Here`` is the object itself, of which machine code gets the address. It holds
the lock of the interpreter, so no object changes meanwhile; `started` lets go of it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

__all__ = ["HERE", "INTRINSICS"]

WORD = ir.IntType(64)


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


def started(context: Any, program: Any, table: Any) -> Any:
    """Return what Numba's function at an address makes of a word, while other threads run."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = builder.call(_python(builder, "PyEval_SaveThread", POINTER, []), [])
        found = _result(builder, *args)
        restore = _python(builder, "PyEval_RestoreThread", ir.VoidType(), [POINTER])
        builder.call(restore, [state])
        return found

    return types.intp(types.intp, types.intp), emit


def finished(context: Any, program: Any, table: Any) -> Any:
    """Return what Numba's function at an address makes of a word, while no other thread runs."""
    return types.intp(types.intp, types.intp), lambda context, builder, signature, args: _result(
        builder, *args
    )


POINTER = ir.IntType(8).as_pointer()
INTRINSICS = (place, load, load_half, store, retain, release, started, finished)


def _result(builder: Any, program: Any, table: Any) -> Any:
    result, error = cgutils.alloca_once(builder, WORD), cgutils.alloca_once(builder, POINTER)
    words = [WORD.as_pointer(), POINTER.as_pointer(), WORD]
    kind = ir.FunctionType(ir.IntType(32), words).as_pointer()
    failed = builder.call(builder.inttoptr(program, kind), [result, error, table])
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
