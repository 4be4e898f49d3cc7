"""Networks of many sizes: a step, beside PyTorch's, and its share of the tile's peak."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import final

import numpy as np

from benchmarks.networks_contestants import Net, Ours, Torch, has, look_at_peak, peak, peak_line, rows_of
from benchmarks.timing import alternate, readable

INPUTS, HIDDEN, DEPTHS, BATCHES = (10, 100, 784), (32, 128, 1024), (1, 2, 4), (32, 256, 4096)
LARGE = Net(784, (1024, 1024), 10, 1024)
_OPERATIONS = 6e9  # of a run that is timed, unless that were too few steps


@final
@dataclass(frozen=True)
class Cell:
    """Seconds a step."""

    net: Net
    ours: float
    peers: dict[str, float]

    @property
    def ratio(self) -> float:
        """Of the best peer to ours."""
        return min(self.peers.values(), default=float("nan")) / self.ours

    @property
    def share(self) -> float:
        return self.net.flops / self.ours / peak()


def cells() -> list[Net]:
    """18 of the 81: every pair of values of two of the four sizes comes twice."""
    found = []
    for shift in (0, 1):
        for i, inputs in enumerate(INPUTS):
            for h, hidden in enumerate(HIDDEN):
                depth, batch = DEPTHS[(i + h + shift) % 3], BATCHES[(i + 2 * h + shift) % 3]
                found.append(Net(inputs, (hidden,) * depth, 10, batch))
    return sorted(found, key=lambda net: net.flops)


def measure(net: Net, rounds: int, operations: float = _OPERATIONS) -> Cell:
    steps = int(
        np.clip(operations // net.flops, 4 if net.batch > 1000 else 16, 100)
    )  # a call is an epoch, not a step
    X, y = rows_of(net, steps * net.batch)
    order = np.random.default_rng(1).permutation(len(X))
    ours = Ours(net, X, y)
    contestants = {"betahat": ours}
    if has("torch"):
        contestants |= {f"PyTorch {k}": Torch(net, X, y, ours.weights(), k) for k in (1, 2)}
    timings = alternate({name: lambda c=c: c.train(order) for name, c in contestants.items()}, rounds)
    look_at_peak()
    medians = {t.name: t.median / steps for t in timings}
    return Cell(net, medians.pop("betahat"), medians)


def row(cell: Cell) -> str:
    theirs = [readable(cell.peers[name]) if name in cell.peers else "" for name in ("PyTorch 1", "PyTorch 2")]
    return f"| {cell.net} | {readable(cell.ours)} | {theirs[0]} | {theirs[1]} | {cell.ratio:.2f} | {cell.share:.0%} |"


HEAD = (
    "| network | betahat | PyTorch, 1 thread | 2 threads | ratio of the better | share of peak |\n"
    "|---|---|---|---|---|---|"
)


def run(quick: bool = False) -> str:
    found = [measure(net, 3, 1e9) if quick else measure(net, 9) for net in cells()]
    ratios = [cell.ratio for cell in found]
    worst = min(found, key=lambda cell: cell.ratio)
    return "\n\n".join([
        "A step of Adam, float32, medians; inputs 10 to 784, hidden layers of 32 to 1,024, one to four of them, "
        "batches of 32 to 4,096.",
        "\n".join([HEAD, *map(row, found)]),
        f"Ratio to PyTorch: geometric mean {exp(sum(map(log, ratios)) / len(ratios)):.2f}, least {worst.ratio:.2f} "
        f"({worst.net}). {peak_line()}",
    ])  # fmt: skip


def run_large(quick: bool = False) -> str:
    cell = measure(LARGE, 3 if quick else 9, 6e10)
    return "\n\n".join([
        f"{LARGE}: {LARGE.flops / 1e9:.1f} billion operations a step.",
        f"{HEAD}\n{row(cell)}",
        f"{LARGE.flops / cell.ours / 1e9:.0f} GFLOP/s. {peak_line()}",
    ])  # fmt: skip
