"""How good networks become: MNIST, and real tables. See `benchmarks.networks`."""

from __future__ import annotations

from benchmarks import networks


def run() -> str:
    return networks.run(list(networks.QUALITY))
