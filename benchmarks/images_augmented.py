"""MNIST by a ConvNetClassifier that sees images moved, turned and scaled, beside the same network in PyTorch."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.images_mnist import UNITS, compare
from benchmarks.images_step import BATCH, CHANGES, torch_network

RATE, STRENGTH = 3e-3, 1e-4  # the estimator's own
_THEIR_SEEDS = 1  # from which the peer trains, which takes its time


def ours(train: Any, test: Any, seed: int, epochs: int) -> tuple[float, float]:
    """Seconds of the whole fit, and accuracy on the test set."""
    model = estimator(seed, epochs)
    start = perf_counter()
    model.fit(*train)
    return perf_counter() - start, model.score(*test)


def estimator(seed: int, epochs: int) -> Any:
    import betahat as bh

    return bh.ConvNetClassifier(
        (32, 64, 128), batch_norm=True, augment=CHANGES, batch_size=BATCH, max_iter=epochs, random_state=seed
    )


def theirs(train: Any, test: Any, seed: int, epochs: int) -> tuple[float, float]:
    """The same network, start, batches, schedule and kinds of changes in PyTorch, channels last."""
    import torch
    from torch.nn import functional

    (X, y), (Z, t) = train, test
    network = estimator(seed, 1).fit(X[:BATCH], y[:BATCH]).network_
    start_at = network.views(network.initial(seed, np.float32))
    model = torch_network(list(network.layers), X.shape[1:], start_at).to(memory_format=torch.channels_last)
    torch.set_num_threads(2)
    chance = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(X) // BATCH)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=STRENGTH / BATCH, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, cycle_momentum=False)

    def uniform(n: int, most: float) -> Any:
        return (torch.rand(n, generator=chance) * 2 - 1) * most

    def changed(images: Any) -> Any:
        """Shifted by whole pixels, turned and scaled about the middle, zeros beyond."""
        n, side = len(images), images.shape[-1]
        angle, size = uniform(n, math.radians(CHANGES.rotate)), 1 / (1 + uniform(n, CHANGES.scale))
        shift = torch.randint(-CHANGES.shift, CHANGES.shift + 1, (n, 2, 1), generator=chance) * (2 / side)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(
            n, 2, 2
        ) * size.view(n, 1, 1)
        grid = functional.affine_grid(torch.cat([turn, shift], 2), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)

    def tensor(part: np.ndarray) -> Any:
        return torch.from_numpy(part.astype(np.float32).transpose(0, 3, 1, 2).copy())

    def scaled(images: Any) -> Any:
        return ((images - UNITS[0]) * UNITS[1]).contiguous(memory_format=torch.channels_last)

    inputs, labels = tensor(X), torch.from_numpy(y)
    start = perf_counter()
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(X))
        for rows in torch.from_numpy(order).split(BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(model(scaled(changed(inputs[rows]))), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    spent = perf_counter() - start
    model.eval()
    with torch.no_grad():
        found = [model(scaled(part)).argmax(dim=1) for part in tensor(Z).split(1000)]
    return spent, float((torch.cat(found).numpy() == t).mean())


def run(quick: bool = False) -> str:
    seeds, epochs = ((0,), 1) if quick else ((0, 1, 2, 3, 4), 10)
    return "\n\n".join([
        f"ConvNetClassifier(channels=(32, 64, 128), batch_norm=True, augment={CHANGES!r}), {epochs} epochs of batches "
        f"of {BATCH}, Adam with one cycle up to {RATE:g}; seconds are those of the whole fit; {len(seeds)} starts, "
        "contestants in turn.",
        compare(ours, theirs, seeds, epochs, _THEIR_SEEDS),
    ])  # fmt: skip
