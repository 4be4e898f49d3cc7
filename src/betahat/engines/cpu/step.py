"""A whole training step as a program: forwards, loss, backwards, and parameters moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.data.augmentation import Augmentation
from betahat.engines.base import Task
from betahat.engines.cpu.chain import Links
from betahat.engines.cpu.layout import WIDE, Layout, whole
from betahat.engines.cpu.lower import lower_network, run_back
from betahat.engines.cpu.program import Program, Turned, Value
from betahat.engines.cpu.winograd import add_weights
from betahat.kernels.aligned import aligned
from betahat.kernels.network import operations as does
from betahat.kernels.network.augment import gather_changed
from betahat.kernels.network.convolve import turn_filters
from betahat.kernels.network.loss import BESIDE, STEP, cross_entropy, loss
from betahat.kernels.network.source import gather
from betahat.kernels.network.tiles import BYTES
from betahat.kernels.network.update import update
from betahat.layers.base import size_of
from betahat.losses.base import Loss
from betahat.losses.smoothed import SmoothedMultinomial

_STRETCH = 1 << 10  # parameters moved at once
_TURNED = 64  # rows of a matrix that are transposed at once


@final
@dataclass(frozen=True)
class Step:
    """A program that trains, and what its updates are told."""

    program: Program
    links: Links
    stretches: np.ndarray
    norms: np.ndarray


def entered(program: Program, augment: Augmentation | None = None) -> Value:
    """Rows as they come in, at the beginning of a program; augment : how images are changed."""
    x = replace(program.value(size_of(program.network.input_shape)), raw=True)
    if program.training:
        program.wait()  # for the step before
    if augment is None:
        program.add(gather, x.at, x.row, x.width)
        return x
    height, width, channels = program.network.input_shape
    program.scratch = max(program.scratch, 3 * x.width + (height + 3) * (width + 3) * channels)
    program.add(
        gather_changed, x.at, x.row, height, width, channels, augment.motion, real=float(augment.fill)
    )
    return x


def training(task: Task, layout: Layout, beta: np.ndarray, buffers: np.ndarray, batch: int) -> Step:
    """A program of whole steps."""
    program = Program(task.network, layout, beta, buffers, batch, True)
    f, backs = lower_network(program, entered(program, task.augment))
    slope = program.value(f.width)
    if isinstance(task.loss, Loss):
        assert task.loss.code is not None
        program.add(loss, f.at, f.row, f.width, slope.at, task.loss.code, real=task.loss.power)
    else:
        smoothing = task.loss.smoothing if isinstance(task.loss, SmoothedMultinomial) else 0.0
        program.scratch = max(program.scratch, whole(program.shard) * (f.width + BESIDE))
        program.add(cross_entropy, f.at, f.row, f.width, slope.at, real=smoothing)
    run_back(backs, slope, False)
    if program.later:
        program.wait()
    for operation, numbers, count in program.later:
        program.add(operation, *numbers, real=1.0, count=count)
    links = Links(task.chain)
    stretches = stretches_of(program)
    moved = aligned((layout.size if links.norms else 0,), beta.dtype)
    program.held.append(moved)
    at_moved = moved.ctypes.data if links.norms else 0
    program.scratch = max(program.scratch, _STRETCH, (program.shard * f.width + STEP) * 5 + 8 * STEP)
    edges = [0, *(k + 1 for k in links.norms), len(links.table)]
    for k in range(len(edges) - 1):
        asked = k + 2 < len(edges)
        program.wait()
        program.add(
            update, edges[k], edges[k + 1] - asked, int(k > 0), at_moved, beta.ctypes.data, beta.nbytes, int(asked),
            real=task.alpha, count=len(stretches),
        )  # fmt: skip
    add_rearranged(program)
    return Step(program, links, stretches, np.zeros(len(stretches)))


def add_rearranged(program: Program) -> None:
    """All that is made of weights and stays, anew."""
    staying = [weighed for weighed in program.weighed if weighed.array is not None]
    if staying or program.turned:
        program.wait()
    for weighed in staying:
        add_weights(program, weighed)
    for turned in program.turned:
        _add_turned(program, turned)


def _add_turned(program: Program, turned: Turned) -> None:
    place, array, size = turned.place, turned.array, program.beta.itemsize
    at = program.beta.ctypes.data + (place.offset + turned.first) * size
    numbers = (at, place.stride * size, turned.channels, turned.filters, array.ctypes.data, array.strides[0])
    if len(turned.order) == 1:
        program.add(does.transpose, *numbers, _TURNED, count=-(-turned.channels // _TURNED))
    else:
        program.scratch = max(program.scratch, 2 * WIDE * WIDE)
        program.add(turn_filters, *numbers, program.table(turned.order), count=len(turned.order))


def stretches_of(program: Program) -> np.ndarray:
    """Where parameters are moved together: see `betahat.kernels.network.update`."""
    size, gradients, found = program.beta.itemsize, program.gradients, []
    for name, place in program.layout.places.items():
        for begin in range(0, place.size, _STRETCH):
            offset = (place.offset + begin) * size
            length = min(_STRETCH, place.size - begin) * size // BYTES
            found.append((
                offset, length, gradients.ctypes.data + offset, program.parts[name], gradients.strides[0],
                int(place.penalised),
            ))  # fmt: skip
    return np.array(found, np.int64).reshape(-1, 6)
