"""MNIST, 784 → 100 → 100 → 10 as in scikit-learn's own benchmark: test accuracy against seconds of training."""

from __future__ import annotations

import os
import statistics
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, final

import numpy as np

from benchmarks.networks_contestants import has

TARGET = 0.978
HIDDEN, BATCH, RATE, ALPHA = (100, 100), 200, 1e-3, 1e-4  # scikit-learn's defaults but for the layers
SHOWN = (1, 2, 5, 10, 15, 20, 30)  # epochs


def images(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (n, 784) and digits."""
    folder = Path(os.environ.get("BETAHAT_REFERENCE", Path(__file__).parents[1] / "../shared/data"))
    stored = np.load(folder / "mnist" / f"mnist_{kind}.npz")
    return stored["x"].reshape(len(stored["x"]), -1), stored["y"].astype(np.int64)


class Learner(ABC):
    """What is trained an epoch at a time."""

    @abstractmethod
    def epoch(self) -> None:
        """Once over all rows, in random order."""

    @abstractmethod
    def accuracy(self) -> float:
        """On the test set."""


@final
class Estimator(Learner):
    """An MLPClassifier by `partial_fit`."""

    def __init__(self, make: Any, train: Any, test: Any, seed: int, **parameters: Any) -> None:
        self._model = make(
            hidden_layer_sizes=HIDDEN, batch_size=BATCH, learning_rate_init=RATE, alpha=ALPHA, random_state=seed,
            **parameters,
        )  # fmt: skip
        self._train, self._test = train, test

    def epoch(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model.partial_fit(*self._train, classes=np.arange(10))

    def accuracy(self) -> float:
        return self._model.score(*self._test)


@final
class Torch(Learner):
    """PyTorch, eager, fused Adam, Glorot's start as in the others; the quicker of 1 and 2 threads."""

    def __init__(self, train: Any, test: Any, seed: int) -> None:
        import torch

        self._torch = torch
        torch.manual_seed(seed)
        widths = (784, *HIDDEN, 10)
        layers: list[Any] = []
        for a, b in pairwise(widths):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
            torch.nn.init.xavier_uniform_(layers[-2].weight)
            torch.nn.init.zeros_(layers[-2].bias)
        self._model = torch.nn.Sequential(*layers[:-1])
        self._train = [torch.from_numpy(part) for part in train]
        self._test = [torch.from_numpy(part) for part in test]
        self.threads = self._quicker()
        parameters = self._model.parameters()
        self._optimiser = torch.optim.Adam(parameters, lr=RATE, weight_decay=ALPHA / BATCH, fused=True)

    def _quicker(self) -> int:
        """Tried on a hundred steps of a copy."""
        from copy import deepcopy

        taken = {}
        for threads in (1, 2):
            self._torch.set_num_threads(threads)
            model = deepcopy(self._model)
            optimiser = self._torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
            order = self._torch.randperm(100 * BATCH)
            self._steps(model, optimiser, order)
            start = perf_counter()
            self._steps(model, optimiser, order)
            taken[threads] = perf_counter() - start
        return min(taken, key=lambda threads: taken[threads])

    def _steps(self, model: Any, optimiser: Any, order: Any) -> None:
        X, y = self._train
        for rows in order.split(BATCH):
            optimiser.zero_grad()
            self._torch.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimiser.step()

    def epoch(self) -> None:
        self._torch.set_num_threads(self.threads)
        self._steps(self._model, self._optimiser, self._torch.randperm(len(self._train[1])))

    def accuracy(self) -> float:
        X, y = self._test
        with self._torch.no_grad():
            return float((self._model(X).argmax(dim=1) == y).float().mean())


def contestants(seed: int) -> dict[str, Callable[[], Learner]]:
    from sklearn.neural_network import MLPClassifier

    import betahat as bh

    train, test = images("train"), images("test")
    scaled = [(np.float32(X) / np.float32(255), y) for X, y in (train, test)]
    found: dict[str, Callable[[], Learner]] = {
        "betahat, standardize=False": lambda: Estimator(bh.MLPClassifier, *scaled, seed, standardize=False),
        "betahat, the bytes as they are": lambda: Estimator(bh.MLPClassifier, train, test, seed),
        "scikit-learn": lambda: Estimator(MLPClassifier, *scaled, seed),
    }
    if has("torch"):
        found["PyTorch"] = lambda: Torch(*scaled, seed)
    return found


def curves(seed: int, epochs: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of training so far and accuracy after each epoch, contestants in turn; stops where all have arrived."""
    learners = {name: make() for name, make in contestants(seed).items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in learners}
    for epoch in range(epochs):
        for name, learner in learners.items():
            start = perf_counter()
            learner.epoch()
            spent = (found[name][-1][0] if found[name] else 0.0) + perf_counter() - start
            found[name].append((spent, learner.accuracy()))
        if epoch >= 9 and all(arrival(curve) for curve in found.values()):
            break
    return found


def arrival(curve: list[tuple[float, float]]) -> tuple[int, float] | None:
    """Epochs and seconds until the target."""
    return next(((k + 1, seconds) for k, (seconds, score) in enumerate(curve) if score >= TARGET), None)


def run(quick: bool = False) -> str:
    seeds, epochs = ((0,), 4) if quick else ((0, 1, 2), 30)
    found = [curves(seed, epochs) for seed in seeds]
    lines = [
        f"| contestant | seconds to {TARGET:.1%} | ratio to betahat | epochs | seconds an epoch | best accuracy |",
        "|---|---|---|---|---|---|",
    ]
    ours = None
    for name in found[0]:
        arrivals = [arrival(run[name]) for run in found]
        there = [a for a in arrivals if a is not None]
        seconds = statistics.median(a[1] for a in there) if len(there) == len(arrivals) else None
        ours = seconds if name.startswith("betahat, standardize") else ours
        ratio = f"{seconds / ours:.2f}" if seconds is not None and ours is not None else ""
        each = statistics.median(run[name][-1][0] / len(run[name]) for run in found)
        best = statistics.median(max(score for _, score in run[name]) for run in found)
        lines.append(
            f"| {name} | {f'{seconds:.2f}' if seconds is not None else 'not reached'} | {ratio} | "
            f"{', '.join(str(a[0]) if a else '–' for a in arrivals)} | {each:.3f} | {best:.2%} |"
        )
    names = list(found[0])
    shown = [f"| epoch | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for epoch in (e for e in SHOWN if e <= len(found[0][names[0]])):
        cells = [
            f"{found[0][name][epoch - 1][1]:.2%} at {found[0][name][epoch - 1][0]:.2f} s" for name in names
        ]
        shown.append(f"| {epoch} | {' | '.join(cells)} |")
    return "\n\n".join([
        f"784-{'-'.join(map(str, HIDDEN))}-10, Adam, batches of {BATCH}, α = {ALPHA:g}, rate {RATE:g}, pixels in [0, 1]"
        f" as float32 but where said; {len(seeds)} starts, medians; seconds are of training alone, and epochs of all "
        "contestants took turns.",
        "\n".join(lines),
        f"Test accuracy of the first start (seed {seeds[0]}):",
        "\n".join(shown),
    ])  # fmt: skip
