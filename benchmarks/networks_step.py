"""One step of a small network: 54 → 128 → 64 → 7, 256 of 20,000 rows, Adam, float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.networks_contestants import (
    Jax,
    Net,
    Ours,
    Torch,
    estimator,
    has,
    look_at_peak,
    peak,
    peak_line,
    rows_of,
)
from benchmarks.timing import alternate

NET, ROWS = Net(54, (128, 64), 7, 256), 20_000
PARITY = 20  # steps
EPOCHS = 10  # at a time: training goes on for longer than a rested machine needs to find its pace


def run(quick: bool = False) -> str:
    from sklearn.neural_network import MLPClassifier

    import betahat as bh

    X, y = rows_of(NET, ROWS)
    steps = ROWS // NET.batch
    order = np.random.default_rng(1).permutation(ROWS)[: steps * NET.batch]
    epoch_X, epoch_y = X[: len(order)], y[: len(order)]  # estimators take all rows they are given
    contestants: dict[str, Callable[[], object]] = {}
    ours = Ours(NET, X, y)
    start = ours.weights()
    peers = {"betahat engine": ours}
    if has("torch"):
        peers |= {f"PyTorch, {k} thread{'s' * (k > 1)}": Torch(NET, X, y, start, k) for k in (1, 2)}
    if has("jax") and has("optax"):
        peers["JAX, scan over the epoch"] = Jax(NET, X, y, start)
    parity = _parity(peers, order)
    contestants |= {name: lambda peer=peer: peer.train(order) for name, peer in peers.items()}
    contestants["betahat MLPClassifier.partial_fit"] = estimator(bh.MLPClassifier, NET, epoch_X, epoch_y)
    contestants["scikit-learn MLPClassifier.partial_fit"] = estimator(MLPClassifier, NET, epoch_X, epoch_y)
    timings = alternate(contestants, 3 if quick else 15, 1 if quick else EPOCHS)
    look_at_peak()
    reference = timings[0].median
    lines = [
        "| contestant | µs a step, median | best | ratio to betahat's engine | share of peak |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.name} | {1e6 * t.median / steps:.0f} | {1e6 * t.best / steps:.0f} | {t.median / reference:.2f} | "
        f"{NET.flops * steps / t.median / peak():.0%} |"
        for t in timings
    ]
    return "\n\n".join([
        f"{NET}, Adam, float32, {EPOCHS} epochs at a time of {steps} steps over {ROWS:,} rows in random order; "
        f"{NET.flops / 1e6:.1f} million operations a step, which take {1e6 * NET.flops / peak():.0f} µs at peak.",
        "\n".join(lines),
        f"{peak_line()} {parity}",
    ])  # fmt: skip


def _parity(peers: dict[str, Ours | Torch | Jax], order: np.ndarray) -> str:
    """How far weights are apart after the first steps from one start; they train on from there."""
    for peer in peers.values():
        peer.train(order[: PARITY * NET.batch])
    (_, ours), *others = peers.items()
    flat = _flat(ours.weights())
    said = []
    for name, peer in others:
        apart = np.abs(_flat(peer.weights()) - flat) / np.abs(flat).max()
        said.append(f"{apart.max():.0e} at most and {np.median(apart):.0e} in the median ({name})")
    words = ", ".join(said) if said else "no peer is installed"
    return (
        f"After {PARITY} steps from one start over the same batches the weights are apart, relative to the largest, by "
        f"{words}; a ReLU whose input is 0 to rounding may be open in one and closed in another."
    )


def _flat(weights: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    return np.concatenate([part.ravel() for pair in weights for part in pair])
