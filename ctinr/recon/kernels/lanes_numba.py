"""Eight neighbouring numbers as one vector, which a compiled loop cannot be told in Python.

The compiler must assume that the arrays overlap, and would take one number at a time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
# A product and a sum may be rounded once. Nothing is assumed about NaN and infinity.
FUSED = ("contract",)


@intrinsic
def add_between(typing, sums, to, values, at, part) -> Any:  # type: ignore[no-untyped-def]
    """Do ``sums[to + n] += (1 - part) * values[at + n] + part * values[at + 8 + n]``, n < 8.

    Arrays are contiguous and of the dtype of `part`; `to` and `at` are counted in all numbers.
    """

    def generate(context, builder, signature, args) -> Any:  # type: ignore[no-untyped-def]
        element = context.get_data_type(signature.args[4])
        vector = ir.VectorType(element, LANES)
        align = signature.args[4].bitwidth // 8

        def pointer(place: int, index: Any) -> Any:
            data = context.make_array(signature.args[place])(context, builder, args[place]).data
            return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        def alike(number: Any) -> Any:
            index = ir.IntType(32)
            nothing = ir.Constant(vector, ir.Undefined)
            first = builder.insert_element(nothing, number, ir.Constant(index, 0))
            order = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
            return builder.shuffle_vector(first, nothing, order)

        beyond = builder.add(args[3], ir.Constant(args[3].type, LANES))
        near, far = (builder.load(pointer(2, at), align=align) for at in (args[3], beyond))
        place = pointer(0, args[1])
        rest = builder.fsub(ir.Constant(element, 1.0), args[4])
        total = builder.load(place, align=align)
        for factor, numbers in ((rest, near), (args[4], far)):
            product = builder.fmul(alike(factor), numbers, flags=FUSED)
            total = builder.fadd(product, total, flags=FUSED)
        builder.store(total, place, align=align)
        return context.get_dummy_value()

    return types.void(sums, types.uint64, values, types.uint64, part), generate
