"""One convolution, forward and all its gradients: our compiled operations beside `torch.nn.functional.conv2d`."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from time import perf_counter
from typing import Any, final

import numpy as np

from benchmarks.networks_contestants import has, look_at_peak, peak, peak_line
from benchmarks.timing import Timing, alternate
from betahat.layers import Conv2d

_WORK, _MOST = 2e9, 6e10  # operations of a call that are wanted, and those of a cell that is left out
_IMAGES = (16, 256)  # of a batch, at least and at most
_LONG = 1e10  # operations of a call that is timed less often
_SECONDS = 0.1  # of a timing
_SCATTER = 1.25  # of rounds, beyond which there are as many again
_WIDE = 32  # channels from which on a share of the peak is asked for


@final
@dataclass(frozen=True)
class Cell:
    """kernel × kernel filters over images of pixels × pixels, padded by half of the kernel."""

    kernel: int
    channels: int
    filters: int
    stride: int
    pixels: int

    @property
    def layer(self) -> Conv2d:
        return Conv2d(self.filters, self.kernel, stride=self.stride, padding=self.kernel // 2)

    @property
    def image(self) -> tuple[int, int, int]:
        return self.pixels, self.pixels, self.channels

    @property
    def each(self) -> int:
        """Operations of an image: the products forwards, of the gradient in the filters, and of that in the input."""
        return 3 * self.layer.flops(self.image)

    @property
    def batch(self) -> int:
        least, most = _IMAGES
        return min(max(1 << max(0, round(math.log2(_WORK / self.each))), least), most)

    @property
    def work(self) -> int:
        return self.each * self.batch

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """x, W, b and ∂J/∂f."""
        rng = np.random.default_rng(0)
        window = (self.kernel, self.kernel, self.channels, self.filters)
        out = (self.batch, *self.layer.output_shape(self.image))
        shapes = (self.batch, *self.image), window, (self.filters,), out
        x, W, b, slope = (rng.standard_normal(shape, np.float32) for shape in shapes)
        return x, W, b, slope


GRID = [
    Cell(kernel, *channels, stride, pixels)
    for kernel, channels, stride, pixels in product(
        (1, 3, 5), ((1, 16), (3, 32), (16, 32), (32, 32), (64, 64), (128, 128), (256, 256)), (1, 2), (7, 14, 28, 64)
    )
    if (kernel, channels[0], stride) != (1, 1, 2)  # there PyTorch 2.13 writes past the end of its memory
]  # fmt: skip


@final
class Ours:
    """A program of the layer alone, as it is within that of a network; parameters move as little as can be."""

    def __init__(self, cell: Cell) -> None:
        from betahat.engines import Task
        from betahat.engines.cpu.chain import Links
        from betahat.engines.cpu.convolve import LoweredConvolution
        from betahat.engines.cpu.layout import WIDE, Layout, row_numbers
        from betahat.engines.cpu.program import Program, Value
        from betahat.engines.cpu.step import add_rearranged, stretches_of
        from betahat.kernels.aligned import aligned
        from betahat.kernels.network import environment as of
        from betahat.kernels.network.update import update
        from betahat.losses.multinomial import Multinomial
        from betahat.models.network import Network
        from betahat.solvers.stochastic.named import SGD

        network, chain = Network([cell.layer], cell.image), SGD(1e-12).chain
        self._task = Task(network, Multinomial(2), chain, dtype=np.float32)
        layout = Layout(network, np.float32)
        beta = aligned((layout.size,), np.float32)
        program = self._program = Program(network, layout, beta, np.zeros(0, np.float32), cell.batch, True)
        x, W, b, slope = cell.arrays
        # few channels come from the data, without gaps
        dense = Value(
            program.rows(row_numbers(math.prod(cell.image), 4), False), 0, 0, cell.image[:2], cell.channels
        )
        dense = replace(dense, pixel=cell.channels, raw=True)
        self._x = dense if cell.channels < WIDE else program.image(cell.image[:2], cell.channels)
        program.wait()
        done = LoweredConvolution(program, cell.layer, cell.image, "0", self._x, 1.0)
        self._f, given = done.f, program.alike(done.f)
        self._dx = done.back(given, True)
        for value in (self._x, self._f, given, self._dx):  # of which nothing else shares the memory
            number = value.memory.number
            program.memories[number] = replace(program.memories[number], kept=True)
        program.wait()
        links, stretches = Links(chain), stretches_of(program)
        for operation, numbers, count in program.later:
            program.add(operation, *numbers, real=1.0, count=count)
        program.scratch = max(program.scratch, 1 << 12)
        program.wait()
        program.add(update, 0, len(links.table), 0, 0, beta.ctypes.data, beta.nbytes, 0, count=len(stretches))
        program.wait()
        add_rearranged(program)
        flat = np.concatenate([W.ravel(), b])
        assert [slot.name for slot in network.layout] == ["0.weight", "0.bias"]
        layout.take(flat, beta)
        program.fill()
        self._put(self._x, x)
        self._put(given, slope)
        self._layout, self._links = layout, links
        self._env = np.zeros(of.SIZE, np.int64)
        self._held = [stretches, links.table.copy(), np.zeros(0)]
        self._env[of.STRETCHES], self._env[of.LINKS] = (a.ctypes.data for a in self._held[:2])
        self._env[of.LINK_COUNT], self._at = len(links.table), of

    def _put(self, value: Any, images: np.ndarray) -> None:
        self._images(value)[..., : images.shape[-1]] = images

    def _images(self, value: Any) -> np.ndarray:
        program, memory = self._program, value.memory
        ops, _ = program.tables
        where = np.argwhere(np.array(program._ops) == memory.at)[
            0
        ]  # what stands for an address, there resolved
        rows = np.ctypeslib.as_array(
            (ctypes.c_float * math.prod(memory.shape)).from_address(int(ops[tuple(where)]))
        )
        return rows.reshape(memory.shape)[:, : value.places * value.pixel].reshape(
            -1, *value.grid, value.pixel
        )

    def run(self, steps: int) -> None:
        from betahat.engines.cpu.running import run_program

        numbers, env = self._links.numbers(0, steps), self._env
        env[self._at.NUMBERS], env[self._at.TOTAL] = numbers.ctypes.data, steps * self._program.batch
        run_program(self._program, self._task, env, [self._held, numbers])

    def found(self) -> list[np.ndarray]:
        """f, ∂J/∂x, ∂J/∂W and ∂J/∂b."""
        program = self._program
        total, flat = program.gradients.sum(axis=0), np.zeros(program.network.size, np.float32)
        self._layout.give(total, flat)
        views = program.network.views(flat)
        images = [self._images(value)[..., : value.channels] for value in (self._f, self._dx)]
        return [*images, views["0.weight"], views["0.bias"]]


@final
class Torch:
    """PyTorch's function and its derivative, on images laid channels first or last."""

    def __init__(self, cell: Cell, last: bool) -> None:
        import torch

        self._torch, self._cell = torch, cell
        form = torch.channels_last if last else torch.contiguous_format
        x, W, b, slope = cell.arrays
        x, slope = (
            torch.from_numpy(a.transpose(0, 3, 1, 2)).contiguous(memory_format=form) for a in (x, slope)
        )
        W = torch.from_numpy(W.transpose(3, 2, 0, 1)).contiguous(memory_format=form)
        self._slope, self._of = slope, [a.requires_grad_() for a in (x, W, torch.from_numpy(b))]
        self._found: list[Any] = []

    def run(self, steps: int) -> None:
        torch, cell = self._torch, self._cell
        torch.set_num_threads(2)
        for _ in range(steps):
            f = torch.nn.functional.conv2d(*self._of, stride=cell.stride, padding=cell.kernel // 2)
            self._found = [f, *torch.autograd.grad(f, self._of, self._slope)]

    def found(self) -> list[np.ndarray]:
        f, dx, dW, db = (a.detach().numpy() for a in self._found)
        return [f.transpose(0, 2, 3, 1), dx.transpose(0, 2, 3, 1), dW.transpose(2, 3, 1, 0), db]


@final
@dataclass(frozen=True)
class Result:
    """Seconds of a call."""

    cell: Cell
    ours: float
    peer: float | None

    @property
    def ratio(self) -> float:
        assert self.peer is not None
        return self.peer / self.ours

    @property
    def share(self) -> float:
        """Of the peak."""
        return self.cell.work / self.ours / peak()

    def __str__(self) -> str:
        beside = "" if self.peer is None else f" / {1e3 * self.peer:.2f} = **{self.ratio:.2f}**"
        return f"{1e3 * self.ours:.2f}{beside}, {self.share:.0%}"


def measure(cell: Cell, rounds: int) -> Result:
    """The same numbers found, then the medians, of the peer's layouts the quicker."""
    made: dict[str, Any] = {"betahat": Ours(cell)}
    if has("torch"):
        made |= {"channels first": Torch(cell, False), "channels last": Torch(cell, True)}
    taken = []
    for it in made.values():
        it.run(1)
        start = perf_counter()
        it.run(1)
        taken.append(perf_counter() - start)
    for it in list(made.values())[1:]:
        for ours, theirs in zip(made["betahat"].found(), it.found(), strict=True):
            scale = float(np.sqrt(np.mean(theirs.astype(np.float64) ** 2)))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * scale)
    steps = max(1, math.ceil(_SECONDS / max(taken)))
    look_at_peak()
    calls: dict[str, Callable[[], object]] = {
        name: (lambda it=it: it.run(steps)) for name, it in made.items()
    }
    timings = alternate(calls, rounds, warm=True)
    if any(max(t.seconds) > _SCATTER * min(t.seconds) for t in timings):
        for timing, more in zip(timings, alternate(calls, rounds, warm=True), strict=True):
            timing.seconds.extend(more.seconds)
    ours, *peers = timings

    def seconds(timing: Timing) -> float:
        return timing.median / steps

    return Result(cell, seconds(ours), min(map(seconds, peers), default=None))


def _mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def table(results: list[Result]) -> str:
    """A row for each layer, a column for each size of images."""
    pixels = sorted({r.cell.pixels for r in results})
    lines = [
        f"| filters | stride | {' | '.join(f'{p} × {p}' for p in pixels)} |",
        f"|---|---|{'---|' * len(pixels)}",
    ]
    rows: dict[tuple[int, ...], dict[int, str]] = {}
    for r in results:
        cell = r.cell
        rows.setdefault((cell.kernel, cell.channels, cell.filters, cell.stride), {})[cell.pixels] = str(r)
    for (kernel, channels, filters, stride), found in rows.items():
        cells = " | ".join(found.get(p, "") for p in pixels)
        lines.append(f"| {kernel} × {kernel}, {channels} → {filters} | {stride} | {cells} |")
    return "\n".join(lines)


def _summary(results: list[Result]) -> str:
    wide = [r for r in results if r.cell.channels >= _WIDE]
    lines = []
    if all(r.peer is not None for r in results):
        worst = min(results, key=lambda r: r.ratio)
        lines += [
            f"PyTorch takes {_mean([r.ratio for r in results]):.2f} times as long, the geometric mean of "
            f"{len(results)} cells; at least {worst.ratio:.2f} ({_name(worst.cell)}); less than 0.9 in "
            f"{sum(r.ratio < 0.9 for r in results)} cells."
        ]
    else:
        lines += ["PyTorch is not installed here."]
    if wide:
        least = min(wide, key=lambda r: r.share)
        lines += [
            f"From {_WIDE} channels on: {_mean([r.share for r in wide]):.0%} of the peak, the geometric mean; at least "
            f"{least.share:.0%} ({_name(least.cell)}); at least 75 % in {sum(r.share >= 0.75 for r in wide)} of "
            f"{len(wide)} cells."
        ]
    return " ".join(lines)


def _name(cell: Cell) -> str:
    return (
        f"{cell.kernel} × {cell.kernel}, {cell.channels} → {cell.filters}, stride {cell.stride}, "
        f"{cell.pixels} pixels"
    )


def run(quick: bool = False) -> str:
    cells = [c for c in GRID if c.each * _IMAGES[0] <= _MOST]
    if quick:
        cells = [c for c in cells if c.pixels == 14 and c.channels in (1, 32)]
    results = [measure(cell, 3 if quick or cell.work > _LONG else 5) for cell in cells]
    return "\n\n".join([
        f"Forward, and the gradients in input, filters and bias; float32, batches of {_IMAGES[0]} to {_IMAGES[1]} "
        "images, padded by half a kernel, two threads. Each cell: ms of ours / of PyTorch's quicker layout = their "
        "ratio, and the share of the peak that ours makes, of operations that count padding in. Left out are cells of "
        f"more than {_MOST:.0e} operations, and 1 × 1 filters of one channel with stride 2, where PyTorch crashes. "
        f"Medians of 5 rounds, 3 of long ones; of twice as many where one of a contestant took {_SCATTER} times as "
        "long as another.",
        table(results),
        _summary(results),
        peak_line(),
    ])  # fmt: skip
