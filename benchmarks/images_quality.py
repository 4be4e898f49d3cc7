"""How good convolutional networks become. See `benchmarks.images`."""

from __future__ import annotations

from benchmarks import images


def run() -> str:
    return images.run(list(images.QUALITY))
