"""Memory that training takes beyond the images: parameters, gradients, what Adam keeps, and what layers keep for their
backward pass. Each contestant in a process of its own, after a network of the same layers for tiny images has loaded
all code.

`python -m benchmarks.images memory` prints it; `python -m benchmarks.images_memory NETWORK CONTESTANT` one number.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.images_step import BATCH, Ours, Torch, images_of, resnet, small
from benchmarks.memory import peak_bytes
from benchmarks.networks_contestants import has
from betahat.layers import Conv2d, Layer, Residual

STEPS = 4
NETWORKS: dict[str, tuple[str, Callable[[], tuple[list[Layer], tuple[int, int, int]]]]] = {
    "small": ("28 × 28 × 1 → 3 × 3 × 32 → pool → 3 × 3 × 64 → pool → 128 → 10", small),
    "resnet": ("ResNet-9 on 32 × 32 × 3", resnet),
}
CONTESTANTS = {"betahat": "betahat", "first": "PyTorch, channels first", "last": "PyTorch, channels last"}


def made(who: str, layers: list[Layer], X: np.ndarray, y: np.ndarray) -> Any:
    if who == "betahat":
        return Ours(layers, X, y)
    from betahat.models.network import Network

    network = Network(layers, X.shape[1:])
    start = {name: view.copy() for name, view in network.views(network.initial(0, np.float32)).items()}
    return Torch(layers, X, y, start, who == "last", False)


def thin(layers: list[Layer]) -> list[Layer]:
    """The same kinds of layers with few channels."""
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Conv2d):
            layer = replace(layer, filters=16)
        elif isinstance(layer, Residual):
            layer = Residual(*thin(list(layer.layers)))
        found.append(layer)
    return found


def measure(name: str, who: str) -> int:
    """Bytes by which the peak rises."""
    layers, shape = NETWORKS[name][1]()
    few = images_of(shape, 16)
    made(who, thin(layers), *few).train(np.arange(16))
    X, y = images_of(shape, STEPS * BATCH)
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = peak_bytes()
    made(who, layers, X, y).train(np.arange(STEPS * BATCH))
    own = X.nbytes if who != "betahat" else 0  # of PyTorch's own copy of the images
    return peak_bytes() - before - own


def run(quick: bool = False) -> str:
    """A table; quick : of the small network only."""
    if not Path("/proc/self/clear_refs").exists():
        return "Not measured: only Linux tells the peak of a part of a process."
    lines = ["| network | contestant | MB beyond the images | ratio to betahat |", "|---|---|---|---|"]
    for name in list(NETWORKS)[: 1 if quick else None]:
        ours = 0.0
        for who in list(CONTESTANTS)[: None if has("torch") else 1]:
            command = [sys.executable, "-m", "benchmarks.images_memory", name, who]
            found = (
                min(int(subprocess.check_output(command, text=True)) for _ in range(1 if quick else 3)) / 1e6
            )
            ours = ours or found
            lines.append(f"| {NETWORKS[name][0]} | {CONTESTANTS[who]} | {found:.1f} | {found / ours:.2f} |")
    return "\n\n".join([
        f"The peak of {STEPS} steps of {BATCH} images, Adam, float32, two threads, in a process of its own: "
        "parameters, gradients, Adam's memory and all that layers keep, code and images not counted; the least of 3.",
        "\n".join(lines),
    ])  # fmt: skip


if __name__ == "__main__":
    print(measure(*sys.argv[1:]))
