"""What a compiled loop cannot be told in Python: to move several neighbouring numbers at once.

The compiler must assume that arrays overlap, so it keeps loops over computed places to one number
at a time. These are the few moves that Joseph's model is made of, on two or eight neighbours, in
the compiler's own vector types; they hold for any processor and for both dtypes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# A product and a sum may be rounded once. Nothing is assumed about NaN and infinity.
FUSED = ("contract",)


class _Vectors:
    """Reads and writes neighbouring elements of arrays while code is generated."""

    def __init__(self, context: Any, builder: Any, dtype: types.Type) -> None:
        self.context, self.builder = context, builder
        self.element = context.get_data_type(dtype)
        self.align = dtype.bitwidth // 8  # type: ignore[attr-defined]

    def pointer(self, kind: types.Type, array: Any, index: Any) -> Any:
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [index])

    def at(self, pointer: Any, count: int) -> Any:
        return self.builder.bitcast(pointer, ir.VectorType(self.element, count).as_pointer())

    def load(self, pointer: Any, count: int) -> Any:
        return self.builder.load(self.at(pointer, count), align=self.align)

    def add_product(self, pointer: Any, count: int, one: Any, other: Any) -> None:
        place = self.at(pointer, count)
        product = self.builder.fmul(one, other, flags=FUSED)
        total = self.builder.fadd(product, self.builder.load(place, align=self.align), flags=FUSED)
        self.builder.store(total, place, align=self.align)

    def repeated(self, number: Any, count: int) -> Any:
        index = ir.IntType(32)
        nothing = ir.Constant(ir.VectorType(self.element, count), ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.Constant(index, 0))
        order = ir.Constant(ir.VectorType(index, count), [0] * count)
        return self.builder.shuffle_vector(first, nothing, order)

    def joined(self, parts: list[Any]) -> Any:
        while len(parts) > 1:
            count = 2 * parts[0].type.count
            order = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count)))
            parts = [
                self.builder.shuffle_vector(one, other, order)
                for one, other in zip(parts[::2], parts[1::2], strict=True)
            ]
        return parts[0]


def add_multiple(count: int) -> Any:
    """Return ``f(sums, to, factor, values, at)``: ``sums[to + i] += factor * values[at + i]``.

    For i < count; `to` and `at` are uint64.
    """

    @intrinsic
    def added(typing, sums, to, factor, values, at):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            sums, to, factor, values, at = args
            vectors = _Vectors(context, builder, signature.args[0].dtype)
            source = vectors.load(vectors.pointer(signature.args[3], values, at), count)
            alike = vectors.repeated(factor, count)
            vectors.add_product(vectors.pointer(signature.args[0], sums, to), count, alike, source)
            return context.get_dummy_value()

        return types.void(sums, types.uint64, sums.dtype, values, types.uint64), generate

    return added


def add_interpolated(count: int) -> Any:
    """Return ``f(sums, line, cells, weights, at)``, for the bins ``at ≤ k < at + count``.

    ``sums[2 k + side] += weights[2 k + side] * line[cells[k] + side]`` for both sides, 0 and 1;
    `at` is uint64.
    """

    @intrinsic
    def added(typing, sums, line, cells, weights, at):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            sums, line, cells, weights, at = args
            kinds = dict(zip(("sums", "line", "cells", "weights"), signature.args, strict=False))
            vectors, word = _Vectors(context, builder, kinds["sums"].dtype), ir.IntType(64)
            pairs = []
            for i in range(count):
                here = builder.add(at, ir.Constant(word, i))
                cell = builder.load(vectors.pointer(kinds["cells"], cells, here))
                place = builder.zext(cell, word)
                pairs.append(vectors.load(vectors.pointer(kinds["line"], line, place), 2))
            twice = builder.shl(at, ir.Constant(word, 1))
            factors = vectors.load(vectors.pointer(kinds["weights"], weights, twice), 2 * count)
            target = vectors.pointer(kinds["sums"], sums, twice)
            vectors.add_product(target, 2 * count, factors, vectors.joined(pairs))
            return context.get_dummy_value()

        return types.void(sums, line, cells, weights, types.uint64), generate

    return added


def add_four_multiples(count: int) -> Any:
    """Return ``f(sums, values, places, weights)``: what four places have is added up.

    ``sums[i] += Σ weights[n] * values[places[n] + i]`` for i < count; `places` are four uint64 and
    `weights` four numbers. There is one store, so little waits for it.
    """

    @intrinsic
    def added(typing, sums, values, places, weights):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            sums, values, places, weights = args
            kinds = signature.args
            vectors = _Vectors(context, builder, kinds[0].dtype)
            target = vectors.at(
                vectors.pointer(kinds[0], sums, ir.Constant(ir.IntType(64), 0)), count
            )
            total = builder.load(target, align=vectors.align)
            for n in range(4):
                place = builder.extract_value(places, n)
                source = vectors.load(vectors.pointer(kinds[1], values, place), count)
                alike = vectors.repeated(builder.extract_value(weights, n), count)
                product = builder.fmul(alike, source, flags=FUSED)
                total = builder.fadd(product, total, flags=FUSED)
            builder.store(total, target, align=vectors.align)
            return context.get_dummy_value()

        return types.void(sums, values, places, weights), generate

    return added
