"""How LLVM is asked to vectorize: vectors of full width, two or four of them side by side.

Left to itself, LLVM uses half of a 512-bit register, and one vector at a time where a loop is
long. But an elementary function is one chain of operations that wait for each other, longer than
the stretch that a processor looks ahead: a second chain beside it costs next to nothing. Together
the two make the loops of this package up to three times as fast. A loop that evaluates a series
says so (`long_round`), and has four, which keep the multipliers busy. Where registers are shorter,
only the pairing remains; where a loop cannot be vectorized, nothing does.

A loop of fixed length within another LLVM would write out, and then make vectors of numbers that
are a row apart. Along rows of some length (`by_vectors`) that is worth being forbidden.

What kernels call is only ever a part of them: no machine code is made of it alone.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from llvmlite import ir
from numba.core import codegen, compiler, typed_passes, types, untyped_passes
from numba.core.compiler_machinery import register_pass

from . import access

__all__ = ["INTRINSICS", "Pipeline"]

WIDTH = '"prefer-vector-width"="512"'
USUAL, LONG = 2, 4  # vectors side by side
MARKS = ("long_round", "by_vectors")
# Closures and expressions of whole arrays are not in the texts of kernels.
IDLE = {untyped_passes.InlineClosureLikes, typed_passes.NopythonRewrites}
OPERATORS = frozenset(function for function in vars(operator).values() if callable(function))
OPERATORS |= {bool}
ENVIRONMENT = "_ZN08NumbaEnv"  # so begin the names of what compiled functions need of Python
ROOMS: list[ctypes.c_void_p] = []  # for good, like the code that knows them


def widen(function: Any) -> None:
    """Mark a function of LLVM, and the loops in it."""
    set.add(function.attributes, WIDTH)  # llvmlite's own `add` knows no attribute with a value
    module, number = function.module, ir.IntType(32)
    for i, blocks in enumerate(loops(function)):
        marks = {mark for block in blocks for mark in MARKS if hasattr(block, mark)}
        count = LONG if "long_round" in marks else USUAL
        options = [module.add_metadata(["llvm.loop.interleave.count", ir.Constant(number, count)])]
        if "by_vectors" in marks:
            options.append(module.add_metadata(["llvm.loop.unroll.disable"]))
        loop = module.add_metadata([ir.Constant(number, i), *options])
        loop.operands = (loop, *options)  # LLVM's convention: a loop's name is its own first part
        blocks[-1].terminator.set_metadata("llvm.loop", loop)


def loops(function: Any) -> Iterator[Sequence[Any]]:
    """Yield the blocks of each loop, the last of which goes back to the first."""
    before: dict[Any, int] = {}
    for i, block in enumerate(function.basic_blocks):
        before[block] = i
        back = [before[target] for target in block.terminator.operands if target in before]
        if back:
            yield function.basic_blocks[min(back) : i + 1]


def _mark(name: str) -> Any:
    """Return a function of kernels that marks the block it is in, for `widen`."""

    def mark(context: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            setattr(builder.block, name, True)
            return context.get_dummy_value()

        return types.none(), emit

    mark.__name__ = name
    return mark


INTRINSICS = tuple(map(_mark, MARKS))


class Lowering(access.Lowering):
    """Our lowering, with the marks."""

    def lower_normal_function(self, fndesc: Any) -> None:
        """Lower the function, and mark it."""
        super().lower_normal_function(fndesc)
        widen(self.function)


class Library(codegen.JITCodeLibrary):
    """The code of a function, and of those that it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration:  # Numba asks LLVM to optimize these, too
                manager, builder = self._codegen._function_pass_manager()
                manager.run(function, builder)


class Shell(Library):
    """The code of a function that only calls others, which have been optimized by themselves."""

    def _optimize_final_module(self) -> None:
        """Put in what it calls."""
        cheap = {"opt": 0, "loop_vectorize": False, "slp_vectorize": False, "cost": "cheap"}
        manager, builder = self._codegen._module_pass_manager(**cheap)
        manager.run(self._final_module, builder)


class Ingredient(Library):
    """The code of a function that is only ever a part of others: it needs no machine code."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        for variable in self._final_module.global_variables:
            if variable.name.startswith(ENVIRONMENT):
                _find_room(self._codegen._engine, variable)
        self._finalized = True


class Passage(Ingredient):
    """The code of an ingredient that only calls others."""

    def _optimize_final_module(self) -> None:
        """Leave it to whom it is part of: all that it calls would be optimized once more."""


def _find_room(engine: Any, variable: Any) -> None:
    """Define a variable of LLVM, if it is not: Numba looks it up to write an address there."""
    if not engine.is_symbol_defined(variable.name):
        ROOMS.append(ctypes.c_void_p())
        engine.add_global_mapping(variable, ctypes.addressof(ROOMS[-1]))


@register_pass(mutates_CFG=True, analysis_only=False)
class WideLowering(typed_passes.NativeLowering):
    """Numba's pass, with our lowering in it."""

    _name = "wide_lowering"
    lowering_class: type = Lowering

    def run_pass(self, state: Any) -> bool:
        """Lower into a library of ours."""
        part = state.flags.no_cpython_wrapper
        kind = Ingredient if part else Library
        if getattr(state.func_id.func, "only_calls", False):
            kind = Passage if part else Shell
        # LLVM knows best how many vectors a sum needs side by side.
        reordered = "reassoc" in state.flags.fastmath.flags
        self.lowering_class = access.Lowering if reordered else Lowering
        state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


class Typing:
    """Numba's typing context, which here remembers the types of operations on numbers and rows.

    Numba looks through all that an operator may mean, also for sets and dates, at each place.
    """

    known: ClassVar[dict[Any, Any]] = {}

    def __init__(self, context: Any) -> None:
        self.context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self.context, name)

    def resolve_function_type(self, function: Any, args: Any, kws: Any) -> Any:
        """Return the signature of a function for types of arguments."""
        if kws or not (_is_plain(function) and all(map(_is_known, args))):
            return self.context.resolve_function_type(function, args, kws)
        key = function, tuple(args)
        if key not in self.known:
            self.known[key] = self.context.resolve_function_type(function, args, kws)
        return self.known[key]


def _is_plain(function: Any) -> bool:
    meant = function.typing_key if isinstance(function, types.Function) else function
    return meant in OPERATORS or isinstance(function, types.NumberClass)


def _is_known(kind: Any) -> bool:
    return isinstance(kind, access.NUMBER | types.SliceType) or access.is_row(kind)


class Pipeline(compiler.CompilerBase):
    """Numba's compiler, but for that pass."""

    def define_pipelines(self) -> list[Any]:
        """Return Numba's passes with ours in its place, without those that find nothing here."""
        self.state.typingctx = Typing(self.state.typingctx)
        passes = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        ours = {typed_passes.NativeLowering: WideLowering}
        kept = [pair for pair in passes.passes if pair[0] not in IDLE]
        passes.passes = [(ours.get(kind, kind), text) for kind, text in kept]
        passes.finalize()
        return [passes]
