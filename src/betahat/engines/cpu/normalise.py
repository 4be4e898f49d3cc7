"""Normalisations lowered to operations."""

from __future__ import annotations

from collections.abc import Callable

from betahat.engines.cpu.images import back_to, widened
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import normalise as does
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.layer_norm import LayerNorm


def lower_batch_norm(
    program: Program, layer: BatchNorm, path: str, x: Value
) -> tuple[Value, Callable[[Value, bool], Value]]:
    """Over the mini-batch, whose shards wait for each other; or by what was learnt, where nothing is trained."""
    given, x = x, widened(program, x)
    f, width = program.alike(x), x.channels if x.grid is not None else x.width
    scale, shift = (program.parameter(f"{path}.{name}")[1] for name in ("scale", "shift"))
    running = [program.buffer(f"{path}.{name}") for name in ("mean", "variance")]
    program.scratch = max(program.scratch, 2 * width)
    z, inverse, over = program.alike(x), program.doubles(width), (x.place, x.places, width)
    if program.training:
        moments = program.doubles(program.shards, 2, width)
        program.add(does.batch_moments, x.at, *over, moments)
        program.wait()
        numbers = (x.at, *over, moments, z.at, f.at, scale, shift, inverse, *running)
        program.add(does.batch_normalise, *numbers, real=layer.epsilon, second=layer.momentum)
    else:
        program.add(does.batch_use, x.at, *over, f.at, scale, shift, *running, real=layer.epsilon)

    def back(slope: Value, needed: bool) -> Value:
        program.parts.update({f"{path}.scale": 1, f"{path}.shift": 1})
        sums = program.doubles(program.shards, 2, width)
        program.add(does.batch_sums, slope.at, z.at, *over, sums)
        program.wait()
        targets = [program.gradient(f"{path}.{name}") for name in ("scale", "shift")]
        program.add(does.batch_back, slope.at, z.at, *over, sums, scale, inverse, *targets)
        return back_to(program, slope, given, x) if needed else slope

    return f, back


def lower_layer_norm(
    program: Program, layer: LayerNorm, path: str, x: Value
) -> tuple[Value, Callable[[Value, bool], Value]]:
    """Each row by itself."""
    f, z, inverse = program.alike(x), program.alike(x), program.doubles(program.batch)
    scale, shift = (program.parameter(f"{path}.{name}")[1] for name in ("scale", "shift"))
    program.scratch = max(program.scratch, 2 * x.width)
    numbers = (x.at, x.row, x.width, z.at, f.at, scale, shift, inverse)
    program.add(does.row_normalise, *numbers, real=layer.epsilon)

    def back(slope: Value, needed: bool) -> Value:
        targets = [program.gradient(f"{path}.{name}") for name in ("scale", "shift")]
        numbers = (slope.at, z.at, slope.row, x.width, scale, inverse, *targets, program.gradients.strides[0])
        program.add(does.row_back, *numbers)
        return slope

    return f, back
