"""What makes a step of a gradient, in registers: the transformations of stochastic chains, a stretch of parameters at a
time, in the order of `betahat.solvers.stochastic`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import counted_loop, intrinsic, switch, vectors_like

CLIP, HEAVY_BALL, NESTEROV, DECAY, ADAGRAD, RMS, RMS_CENTERED, ADAM, AMSGRAD, SCALE, TAKE, AVERAGE, NORM = (
    range(13)
)
"""NORM is no link of registers: the driver sums squares over all stretches first."""
ENDING = 16
"""Added to the number of a link that SCALE and TAKE follow: all three in one reading, u not kept."""
KEPT = {HEAVY_BALL: 1, NESTEROV: 1, ADAGRAD: 1, RMS: 1, RMS_CENTERED: 2, ADAM: 2, AMSGRAD: 3, AVERAGE: 1}
"""How many vectors each keeps."""


def _emit(v: Any, number: int, u: Any, x: Any, kept: list[Any], s: list[Any]) -> tuple[Any, Any, list[Any]]:
    """u, x and what is kept, after one link; s its numbers."""
    b = v.builder

    def select(condition: Any, first: Any, second: Any) -> Any:
        return b.select(condition, first, second)

    def mix(old: Any, new: Any, memory: Any, rest: Any) -> Any:
        return v.add(v.mul(old, memory), v.mul(new, rest))

    def over_root(top: Any, squares: Any, factor: Any, epsilon: Any) -> Any:
        return v.divide(top, v.add(v.mul(v.sqrt(squares), factor), epsilon))

    if number == CLIP:
        low = v.sub(v.zero, s[0])
        u = select(b.fcmp_ordered(">", u, s[0]), s[0], u)
        return select(b.fcmp_ordered("<", u, low), low, u), x, kept
    if number == HEAVY_BALL:
        velocity = v.add(v.mul(kept[0], s[0]), u)
        return velocity, x, [velocity]
    if number == NESTEROV:
        velocity = v.add(v.mul(kept[0], s[0]), u)
        return v.add(u, v.mul(velocity, s[0])), x, [velocity]
    if number == DECAY:
        return v.add(u, v.mul(x, s[0])), x, kept
    if number == ADAGRAD:
        squares = v.add(kept[0], v.mul(u, u))
        return over_root(u, squares, v.constant(1.0), s[0]), x, [squares]
    if number in (RMS, RMS_CENTERED):
        squares = mix(kept[0], v.mul(u, u), s[0], s[1])
        if number == RMS:
            return over_root(u, squares, v.constant(1.0), s[2]), x, [squares]
        mean = mix(kept[1], u, s[0], s[1])
        spread = v.sub(squares, v.mul(mean, mean))
        spread = select(b.fcmp_ordered("<", spread, v.zero), v.zero, spread)
        return over_root(u, spread, v.constant(1.0), s[2]), x, [squares, mean]
    if number in (ADAM, AMSGRAD):
        mean = mix(kept[0], u, s[0], s[1])
        squares = mix(kept[1], v.mul(u, u), s[2], s[3])
        if number == ADAM:
            return over_root(v.mul(mean, s[4]), squares, s[5], s[6]), x, [mean, squares]
        most = select(b.fcmp_ordered(">", squares, kept[2]), squares, kept[2])
        return over_root(v.mul(mean, s[4]), most, s[5], s[6]), x, [mean, squares, most]
    if number == SCALE:
        return v.mul(u, s[0]), x, kept
    if number == TAKE:
        return u, v.sub(x, u), kept
    assert number == AVERAGE
    one = b.fcmp_ordered("==", s[0], v.constant(1.0))
    moved = v.add(kept[0], v.mul(v.sub(x, kept[0]), s[0]))
    return u, x, [select(one, x, moved)]


@intrinsic
def link(
    typingctx: Any,
    number: Any,
    u: Any,
    x: Any,
    kept: Any,
    kept_stride: Any,
    vectors: Any,
    numbers: Any,
    like: Any,
):
    """One link for `vectors` registers of u, x and what is kept (rows kept_stride bytes apart), at these addresses, or
    three where the number is above ENDING.

    numbers : the address of 8 doubles, which those of the next link follow.
    """
    signature = types.void(*([types.int64] * 7), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, u, x, kept, kept_stride, vectors, numbers, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        size = v.lanes * v.size

        def number_at(k: int) -> Any:
            value = builder.load(builder.inttoptr(v.at(numbers, 8 * k), ir.DoubleType().as_pointer()))
            return v.splat(value if v.size == 8 else builder.fptrunc(value, v.scalar))

        loaded = [number_at(k) for k in range(8)]
        rows = [v.at(kept, builder.mul(kept_stride, kept_stride.type(k))) for k in range(3)]

        def run(asked: int) -> None:
            which, ends = asked % ENDING, asked > ENDING
            count, rate = KEPT.get(which, 0), number_at(8) if ends else None

            def body(step: Any, _: list[Any]) -> list[Any]:
                place = builder.mul(step, step.type(size))
                before = [v.load(v.at(rows[k], place)) for k in range(count)]
                its_u, its_x = v.load(v.at(u, place)), v.load(v.at(x, place))
                new_u, new_x, after = _emit(v, which, its_u, its_x, before, loaded)
                if ends:
                    new_x = v.sub(its_x, v.mul(new_u, rate))
                elif new_u is not its_u:
                    v.store(new_u, v.at(u, place))
                if new_x is not its_x:
                    v.store(new_x, v.at(x, place))
                for k in range(count):
                    v.store(after[k], v.at(rows[k], place))
                return []

            counted_loop(builder, vectors, [], body)

        switch(builder, number, [*range(NORM), *(ENDING + k for k in range(HEAVY_BALL, SCALE))], run)
        return context.get_dummy_value()

    return signature, codegen
