"""Normalisations lowered to operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from betahat.engines.cpu.images import back_to, widened
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import group_normalise as its
from betahat.kernels.network import normalise as does
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.group_norm import GroupNorm
from betahat.layers.layer_norm import LayerNorm


def lower_batch_norm(
    program: Program, layer: BatchNorm, path: str, x: Value, free: bool, bend: float
) -> tuple[Value, Callable[[Value, bool], Value]]:
    """Over the mini-batch, whose shards wait for each other; or by what was learnt, where nothing is trained; bent as
    max(f, bend · f), which is not kept. free : whether nobody else needs x, so that what is kept of it may take its
    place."""
    given, x = x, widened(program, x)
    f, width = program.alike(x), x.channels if x.grid is not None else x.width
    scale, shift = (program.parameter(f"{path}.{name}")[1] for name in ("scale", "shift"))
    running = [program.buffer(f"{path}.{name}") for name in ("mean", "variance")]
    program.scratch = max(program.scratch, 2 * width)
    z = program.alike(x) if program.training and not free else x
    inverse, over = program.doubles(width), (x.place, x.places, width)
    factor = program.hold(np.array([float(bend)])).ctypes.data
    if program.training:
        moments = program.doubles(program.shards, 2, width)
        program.add(does.batch_moments, x.at, *over, moments)
        program.wait()
        numbers = (x.at, *over, moments, z.at, f.at, scale, shift, inverse, *running, factor)
        program.add(does.batch_normalise, *numbers, real=layer.epsilon, second=layer.momentum)
    else:
        program.add(
            does.batch_use, x.at, *over, f.at, scale, shift, *running, real=layer.epsilon, second=bend
        )

    def back(slope: Value, needed: bool) -> Value:
        program.parts.update({f"{path}.scale": 1, f"{path}.shift": 1})
        sums = program.doubles(program.shards, 2, width)
        program.add(does.batch_sums, slope.at, z.at, *over, sums, scale, shift, factor)
        program.wait()
        targets = [program.gradient(f"{path}.{name}") for name in ("scale", "shift")]
        numbers = (slope.at, z.at, *over, sums, scale, shift, factor, inverse, *targets)
        program.add(does.batch_back, *numbers)
        return back_to(program, slope, given, x) if needed else slope

    return f, back


def lower_group_norm(
    program: Program, layer: LayerNorm | GroupNorm, path: str, x: Value
) -> tuple[Value, Callable[[Value, bool], Value]]:
    """Each row by itself, all places of an image together; of a LayerNorm each place by itself."""
    given, x = x, widened(program, x)
    f, width = program.alike(x), x.channels if x.grid is not None else x.width
    z = program.alike(x).at if program.training else 0
    if isinstance(layer, GroupNorm):
        groups, apart, sets, places = layer.groups, x.row, 1, x.places
    else:
        groups, apart, sets, places = 1, x.place, x.places, 1
    over = (apart, sets, places, x.place, width, groups)
    inverse = program.doubles(program.batch * sets * groups)
    scale, shift = (program.parameter(f"{path}.{name}")[1] for name in ("scale", "shift"))
    program.scratch = max(program.scratch, 5 * width)
    chunk = program.chunk_of(x)
    program.add(
        its.group_normalise, x.at, z, f.at, *over, scale, shift, inverse, real=layer.epsilon, chunk=chunk
    )

    def back(slope: Value, needed: bool) -> Value:
        targets = [program.gradient(f"{path}.{name}") for name in ("scale", "shift")]
        between = program.gradients.strides[0]
        program.add(its.group_back, slope.at, z, *over, scale, inverse, *targets, between, chunk=chunk)
        return back_to(program, slope, given, x) if needed else slope

    return f, back
