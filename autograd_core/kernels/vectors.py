"""Vectors of numbers in the text of LLVM: loads, stores, multiply-adds, and transpositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

from .tiling import Turn, machine

__all__ = ["INDEX", "Vectors", "turned"]

INDEX = ir.IntType(64)


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
        _Turning(turn, builder, *args)
        return context.get_dummy_value()

    def transposition(context: Any, t: Any, c: Any) -> Any:
        return types.void(types.intp, types.intp), emit

    return extending.intrinsic(transposition)


class _Turning(Vectors):
    """A transposition while it is being emitted: squares first, then numbers one by one."""

    def __init__(self, turn: Turn, builder: Any, t: Any, c: Any) -> None:
        super().__init__(builder, turn.dtype)
        known = machine()
        assert known is not None
        self.turn, self.t, self.c = turn, t, c
        self.lanes = known.width // self.itemsize
        rows, columns = (x // self.lanes * self.lanes for x in (turn.m, turn.n))
        with cgutils.for_range(builder, INDEX(rows // self.lanes)) as i:
            with cgutils.for_range(builder, INDEX(columns // self.lanes)) as j:
                self._square(i.index, j.index)
        for (i0, i1), (j0, j1) in ((0, rows), (columns, turn.n)), ((rows, turn.m), (0, turn.n)):
            with cgutils.for_range(builder, INDEX(i1), start=INDEX(i0)) as i:
                with cgutils.for_range(builder, INDEX(j1), start=INDEX(j0)) as j:
                    source, target = self._places(i.index, j.index)
                    self._store(self._load(source, 0, 0), target, 0)

    def _places(self, i: Any, j: Any, by: int = 1) -> tuple[Any, Any]:
        """Return the addresses of T[j, i] and C[i, j], of elements or of squares."""
        source = self._beyond(self._beyond(self.t, j, by * self.turn.ldt), i, by)
        return source, self._beyond(self._beyond(self.c, i, by * self.turn.ldc), j, by)

    def _square(self, i: Any, j: Any) -> None:
        source, target = self._places(i, j, self.lanes)
        rows = [self._load(source, k * self.turn.ldt, self.lanes) for k in range(self.lanes)]
        for k, column in enumerate(self._transposed(rows)):
            self._store(column, target, k * self.turn.ldc)
