"""Vectors of numbers in the text of LLVM: loads, stores, multiply-adds, and transpositions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

from .tiling import Turn, machine

__all__ = ["INDEX", "Vectors", "begins", "called", "parts_of", "turned"]

INDEX = ir.IntType(64)


def called(
    builder: Any, name: str, args: Sequence[Any], returned: Any, write: Callable[..., Any]
) -> Any:
    """Call a function of the module, which `write` emits the first time, of builder and arguments.

    So however many layers are alike, their products are compiled once.
    """
    kind = ir.FunctionType(returned or ir.VoidType(), [x.type for x in args])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    if function.is_declaration:
        function.linkage = "internal"
        inner = ir.IRBuilder(function.append_basic_block("entry"))
        found = write(inner, *function.args)
        if returned is None:
            inner.ret_void()
        else:
            inner.ret(found)
    return builder.call(function, args)


class Vectors:
    """What writes instructions on vectors of one float type; addresses are integers."""

    def __init__(self, builder: Any, dtype: str) -> None:
        self.builder = builder
        self.number = ir.FloatType() if dtype == "float32" else ir.DoubleType()
        self.itemsize = 4 if dtype == "float32" else 8

    def _transposed(self, rows: list[Any]) -> list[Any]:
        """Return the columns of a square of vectors, in log2(n) rounds of exchanges."""
        n, step = len(rows), 1
        while step < n:
            for i in (i for i in range(n) if not i & step):
                x, y = rows[i], rows[i + step]
                low = [e if not e & step else n + e - step for e in range(n)]
                high = [e + step if not e & step else n + e for e in range(n)]
                rows[i], rows[i + step] = (self._shuffled(x, y, places) for places in (low, high))
            step *= 2
        return rows

    def _turned(self, source: Any, lds: int, target: Any, ldt: int, count: Any, part: int) -> None:
        """Copy the transposition of `part` rows: squares first, then numbers one by one."""
        builder = self.builder
        squares = builder.sdiv(count, INDEX(part))
        with cgutils.for_range(builder, squares) as loop:
            k = builder.mul(loop.index, INDEX(part))
            here, there = self._beyond(source, k, 1), self._beyond(target, k, ldt)
            rows = [self._load(here, i * lds, part) for i in range(part)]
            for i, column in enumerate(self._transposed(rows)):
                self._store(column, there, i * ldt)
        done = builder.mul(squares, INDEX(part))
        with cgutils.for_range(builder, builder.sub(count, done)) as loop:
            k = builder.add(done, loop.index)
            here, there = self._beyond(source, k, 1), self._beyond(target, k, ldt)
            for i in range(part):
                self._store(self._load(here, i * lds, 0), there, i)

    def _shuffled(self, x: Any, y: Any, places: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
        return self.builder.shuffle_vector(x, y, mask)

    def _beyond(self, address: Any, count: Any, distance: int) -> Any:
        """Return the address `count` times `distance` numbers further."""
        bytes_ = self.builder.mul(count, INDEX(distance * self.itemsize))
        return self.builder.add(address, bytes_)

    def _pointer(self, address: Any, offset: int, kind: Any) -> Any:
        place = self.builder.add(address, INDEX(offset * self.itemsize))
        return self.builder.inttoptr(place, kind.as_pointer())

    def _load(self, address: Any, offset: int, lanes: int) -> Any:
        """Return a vector; with no lanes, a number."""
        kind = ir.VectorType(self.number, lanes) if lanes else self.number
        pointer = self._pointer(address, offset, kind)
        return self.builder.load(pointer, align=self.itemsize)

    def _store(self, value: Any, address: Any, offset: int) -> None:
        pointer = self._pointer(address, offset, value.type)
        self.builder.store(value, pointer, align=self.itemsize)

    def _fma(self, x: Any, y: Any, z: Any) -> Any:
        name = f"llvm.fma.v{x.type.count}f{self.itemsize * 8}"
        kind = ir.FunctionType(x.type, [x.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [x, y, z])

    def _splat(self, number: Any, like: Any) -> Any:
        first = self.builder.insert_element(like.type(ir.Undefined), number, ir.IntType(32)(0))
        return self._shuffled(first, first, [0] * like.type.count)


def turned(*given: Any) -> Any:
    """Declare a transposition, by its `Turn`, of the addresses of T and C."""
    turn = Turn(*given)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name = "_".join(map(str, ("turned", *turn)))
        called(builder, name, args, None, functools.partial(_Turning, turn))
        return context.get_dummy_value()

    def transposition(context: Any, t: Any, c: Any) -> Any:
        return types.void(types.intp, types.intp), emit

    return extending.intrinsic(transposition)


class _Turning(Vectors):
    """A transposition while it is being emitted: some rows of T at a time."""

    def __init__(self, turn: Turn, builder: Any, t: Any, c: Any) -> None:
        super().__init__(builder, turn.dtype)
        known = machine()
        assert known is not None
        lanes = known.lanes(turn.dtype)
        whole, rest = divmod(turn.n, lanes)
        with cgutils.for_range(builder, INDEX(whole)) as loop:
            self._rows(turn, t, c, builder.mul(loop.index, INDEX(lanes)), lanes)
        for begin, part in begins(parts_of(rest, lanes)):
            self._rows(turn, t, c, INDEX(whole * lanes + begin), part)

    def _rows(self, turn: Turn, t: Any, c: Any, first: Any, part: int) -> None:
        """Write `part` rows of T, from the first on, as columns of C."""
        source, target = self._beyond(t, first, turn.ldt), self._beyond(c, first, 1)
        self._turned(source, turn.ldt, target, turn.ldc, INDEX(turn.m), part)


def parts_of(count: int, lanes: int) -> list[int]:
    """Return vectors that make up so many columns: whole ones, then ever shorter ones."""
    parts = [lanes] * (count // lanes)
    return parts + [1 << b for b in range(lanes.bit_length())[::-1] if count % lanes & (1 << b)]


def begins(parts: Sequence[int]) -> list[tuple[int, int]]:
    """Return where each vector begins, and its length."""
    return [(sum(parts[:i]), part) for i, part in enumerate(parts)]
