"""MNIST by a small convolutional network, beside PyTorch: test accuracy, and seconds of training."""

from __future__ import annotations

import statistics
import sys
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.images_step import BATCH, CLASSES, small, torch_network
from benchmarks.networks_contestants import has
from benchmarks.networks_mnist import images

UNITS = (33.3, 1 / 78.6)
"""Mean and 1 / standard deviation of the training set's bytes."""
RATE = 3e-3  # at the top of the one-cycle schedule


def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


def ours(train: Any, test: Any, seed: int, epochs: int) -> tuple[float, float]:
    """Seconds of training, and accuracy on the test set."""
    from betahat.engines import Rows, Task, TrainingState, engine_for
    from betahat.losses.multinomial import Multinomial
    from betahat.models.network import Network
    from betahat.solvers import OneCycle
    from betahat.solvers.stochastic.named import Adam

    (X, y), (Z, t) = train, test
    layers, shape = small()
    schedule = OneCycle(RATE, epochs * -(-len(X) // BATCH))
    task = Task(
        Network(layers, shape), Multinomial(CLASSES), Adam(schedule).chain, dtype=np.float32, seed=seed
    )
    engine, state = engine_for(task), TrainingState.begin(task)
    rows = Rows(X, y.astype(np.float64), None, *(np.full(shape, v) for v in UNITS))
    start = perf_counter()
    for epoch in range(epochs):
        engine.train(state, rows, _order(seed, epoch, len(X)), BATCH)
    spent = perf_counter() - start
    f = engine.predict(state.chain.x, state.buffers, Rows(Z, np.zeros(1), None, rows.centre, rows.scale))
    return spent, float((f.argmax(axis=1) == t).mean())


def theirs(train: Any, test: Any, seed: int, epochs: int) -> tuple[float, float]:
    """The same in PyTorch, channels last."""
    import torch

    from betahat.models.network import Network

    (X, y), (Z, t) = train, test
    layers, shape = small()
    network = Network(layers, shape)
    start_at = network.views(network.initial(seed, np.float32))
    model = torch_network(layers, shape, start_at).to(memory_format=torch.channels_last)
    torch.set_num_threads(2)
    steps = epochs * -(-len(X) // BATCH)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, cycle_momentum=False)

    def tensor(part: np.ndarray) -> Any:
        scaled = (part.astype(np.float32) - UNITS[0]) * np.float32(UNITS[1])
        return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy()).to(memory_format=torch.channels_last)

    inputs, labels = tensor(X), torch.from_numpy(y)
    start = perf_counter()
    for epoch in range(epochs):
        for rows in torch.from_numpy(_order(seed, epoch, len(X))).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    spent = perf_counter() - start
    with torch.no_grad():
        found = model(tensor(Z)).argmax(dim=1).numpy()
    return spent, float((found == t).mean())


def compare(
    ours: Any, theirs: Any, seeds: tuple[int, ...], epochs: int, their_seeds: int | None = None
) -> str:
    """A table of betahat and of PyTorch, where it is there, in turn: (train, test, seed, epochs) → seconds, share.

    their_seeds : how many of the seeds the peer trains from, all where None.
    """
    contestants = {"betahat": ours}
    if has("torch"):
        contestants["PyTorch, channels last"] = theirs
    train, test = ((X.reshape(-1, 28, 28, 1), y) for X, y in (images("train"), images("test")))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for k, seed in enumerate(seeds):
        for name, contestant in contestants.items():
            if contestant is theirs and their_seeds is not None and k >= their_seeds:
                continue
            found[name].append(contestant(train, test, seed, epochs))
            print(f"    seed {seed}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    lines = [
        "| contestant | starts | seconds of training, median | least | most | test accuracy, mean | least | most |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, pairs in found.items():
        seconds, accuracies = [s for s, _ in pairs], [accuracy for _, accuracy in pairs]
        lines.append(
            f"| {name} | {len(pairs)} | {statistics.median(seconds):.1f} | {min(seconds):.1f} | {max(seconds):.1f} | "
            f"{statistics.mean(accuracies):.2%} | {min(accuracies):.2%} | {max(accuracies):.2%} |"
        )
    return "\n".join(lines)


def run(quick: bool = False) -> str:
    seeds, epochs = ((0,), 2) if quick else ((0, 1, 2, 3, 4), 3)
    return "\n\n".join([
        f"The small network, {epochs} epochs of batches of {BATCH}, Adam with one cycle up to {RATE:g}; "
        f"{len(seeds)} starts, contestants in turn.",
        compare(ours, theirs, seeds, epochs),
    ])  # fmt: skip
