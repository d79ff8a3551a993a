"""Vectors of numbers in the text of LLVM: loads, stores, multiply-adds, and transpositions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

from .tiling import Turn, lanes

__all__ = ["INDEX", "Vectors", "begins", "declared", "parts_of", "pieces", "turned"]

INDEX = ir.IntType(64)


def declared(
    name: str, sizes: Sequence[Any], words: str, returned: Any, write: Callable[..., Any]
) -> Any:
    """Declare a function of words, given by their names, for the text of kernels.

    `write` emits it, of a builder and the words, and returns its result, unless that is void. A
    module has it once: however many layers are alike, their products are compiled once.
    """
    full = "_".join(map(str, (name, *sizes)))

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result = ir.VoidType() if returned is types.void else context.get_value_type(returned)
        kind = ir.FunctionType(result, [x.type for x in args])
        function = cgutils.get_or_insert_function(builder.module, kind, full)
        if function.is_declaration:
            function.linkage = "internal"
            inner = ir.IRBuilder(function.append_basic_block("entry"))
            found = write(inner, *function.args)
            if returned is types.void:
                inner.ret_void()
            else:
                inner.ret(found)
        found = builder.call(function, args)
        return context.get_dummy_value() if returned is types.void else found

    def typed(context: Any, *given: Any) -> Any:
        return returned(*[types.intp] * len(given)), emit

    names = inspect.signature(typed).replace(
        parameters=[
            inspect.Parameter(x, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for x in ("context", *words.split())
        ]
    )
    typed.__dict__["__signature__"] = names  # where Numba looks
    return extending.intrinsic(typed)


def pieces(builder: Any, total: int, size: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the number of each piece of a range, where it begins and how long it is, in a loop."""
    with cgutils.for_range(builder, INDEX(-(-total // size))) as loop:
        start = builder.mul(loop.index, INDEX(size))
        left = builder.sub(INDEX(total), start)
        whole = builder.icmp_signed(">", left, INDEX(size))
        yield loop.index, start, builder.select(whole, INDEX(size), left)


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
    return declared("turned", turn, "t c", types.void, functools.partial(_Turning, turn))


class _Turning(Vectors):
    """A transposition while it is being emitted: some rows of T at a time."""

    def __init__(self, turn: Turn, builder: Any, t: Any, c: Any) -> None:
        super().__init__(builder, turn.dtype)
        most = lanes(turn.dtype)
        whole, rest = divmod(turn.n, most)
        with cgutils.for_range(builder, INDEX(whole)) as loop:
            self._rows(turn, t, c, builder.mul(loop.index, INDEX(most)), most)
        for begin, part in begins(parts_of(rest, most)):
            self._rows(turn, t, c, INDEX(whole * most + begin), part)

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
