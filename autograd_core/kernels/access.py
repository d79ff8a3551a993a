"""Access to arrays in a few instructions of LLVM, which Numba writes in dozens.

Arrays in kernels have one axis and lie without gaps, and no position counts from the end. So an
element is an address and an offset, and a slice with fixed ends is another address and a number.
Numba's own text for them is as fast once it is optimized, but to write, parse and optimize it took
most of the time that machine code takes to make.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, lowering, types

__all__ = ["Lowering", "array"]


NUMBER = types.Number | types.Boolean
POWERS = (operator.pow, operator.ipow)


def is_row(kind: Any) -> bool:
    """Whether a type is an array of numbers with one axis and without gaps."""
    one = isinstance(kind, types.Array) and kind.ndim == 1 and kind.layout == "C"
    return one and kind.aligned and isinstance(kind.dtype, NUMBER)


def from_start(signature: Any) -> Any:
    """Return the types of an access to an element whose position counts from the start."""
    array, index, *rest = signature.args
    if not isinstance(array, types.Array) or not isinstance(index, types.Integer):
        return signature
    return signature.replace(args=(array, types.uintp, *rest))


def array(context: Any, builder: Any, kind: Any, data: Any, size: Any) -> Any:
    """Return the value of an array of a row's type, of so many numbers at an address."""
    number = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    found = context.make_array(kind)(context, builder)
    stride = ir.Constant(size.type, number)
    found.data, found.nitems, found.itemsize = data, size, stride
    found.shape = cgutils.pack_array(builder, [size])
    found.strides = cgutils.pack_array(builder, [stride])
    for nothing in ("meminfo", "parent"):
        setattr(found, nothing, ir.Constant(getattr(found, nothing).type, None))
    return found._getvalue()


class Lowering(lowering.Lower):
    """Numba's lowering, but for accesses to rows; and no position counts from the end.

    A position that may be negative is looked at, and LLVM then takes neighbours for elements that
    are anywhere: where a loop does not begin at a known place, it would gather and scatter.
    """

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """Lower an expression."""
        if expr.op == "static_getitem" and is_row(self.typeof(expr.value.name)):
            if isinstance(expr.index, int):
                signature = self.fndesc.calltypes[expr]
                return self.lower_getitem(resty, expr, expr.value, expr.index_var, signature)
            if is_row(resty) and _is_plain(expr.index):
                return self._slice(resty, expr.value, expr.index)
        return super().lower_expr(resty, expr)

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        """Lower an operation on numbers: only a power is another one if an operand is known."""
        left, right = self.typeof(expr.lhs.name), self.typeof(expr.rhs.name)
        if op in POWERS or not isinstance(left, NUMBER) or not isinstance(right, NUMBER):
            return super().lower_binop(resty, expr, op)
        signature = self.fndesc.calltypes[expr]
        pairs = zip((expr.lhs, expr.rhs), (left, right), signature.args, strict=True)
        given = [
            self.context.cast(self.builder, self.loadvar(x.name), kind, wanted)
            for x, kind, wanted in pairs
        ]
        typing = self.context.typing_context
        function = typing.resolve_value_type(op)
        if signature.args not in function._impl_keys:  # of a type that Numba has made anew
            function.get_call_type(typing, signature.args, {})
        result = self.context.get_function(function, signature)(self.builder, given)
        return self.context.cast(self.builder, result, signature.return_type, resty)

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        """Lower ``value[index]``."""
        signature = from_start(signature)
        kind = self.typeof(value.name)
        if not self._is_element(kind, signature):
            return super().lower_getitem(resty, expr, value, index, signature)
        address = self._element(value, index)
        number = self.context.unpack_value(self.builder, kind.dtype, address)
        return self.context.cast(self.builder, number, kind.dtype, resty)

    def lower_setitem(self, target: Any, index: Any, value: Any, signature: Any) -> Any:
        """Lower ``target[index] = value``."""
        signature = from_start(signature)
        kind, given = self.typeof(target.name), self.typeof(value.name)
        if not self._is_element(kind, signature) or not isinstance(given, NUMBER):
            return super().lower_setitem(target, index, value, signature)
        number = self.context.cast(self.builder, self.loadvar(value.name), given, kind.dtype)
        return self.context.pack_value(
            self.builder, kind.dtype, number, self._element(target, index)
        )

    def _is_element(self, kind: Any, signature: Any) -> bool:
        known = is_row(kind) and not self.context.enable_boundscheck
        return known and isinstance(signature.args[1], types.Integer)

    def _field(self, name: str, field: str) -> Any:
        model = self.context.data_model_manager[self.typeof(name)]
        place = model.get_field_position(field)
        return self.builder.extract_value(self.loadvar(name), place)

    def _element(self, array: Any, index: Any) -> Any:
        """Return the address of an element."""
        given = self.loadvar(index.name)
        place = self.context.cast(self.builder, given, self.typeof(index.name), types.uintp)
        return self.builder.gep(self._field(array.name, "data"), [place])

    def _slice(self, kind: Any, value: Any, index: slice) -> Any:
        """Return the array from one place to another, none of which is beyond its end."""
        builder = self.builder
        size = self._field(value.name, "nitems")
        end = size if index.stop is None else self._at_most(size.type(index.stop), size)
        begin = self._at_most(size.type(index.start or 0), end)
        data = builder.gep(self._field(value.name, "data"), [begin])
        return array(self.context, builder, kind, data, builder.sub(end, begin))

    def _at_most(self, place: Any, size: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", place, size), place, size)


def _is_plain(index: Any) -> bool:
    """Whether an index is a slice with fixed ends that count from the start."""
    if not isinstance(index, slice) or index.step is not None:
        return False
    return all(
        end is None or (isinstance(end, int) and end >= 0) for end in (index.start, index.stop)
    )
