"""The same network trained by each contestant: the same rows, order of batches, start, and step (Adam)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from time import perf_counter
from typing import Any, final

import numpy as np

RATE = 1e-3  # of Adam
_peaks: list[float] = []


def has(name: str) -> bool:
    """Whether a peer is installed."""
    return find_spec(name) is not None


@final
@dataclass(frozen=True)
class Net:
    """Dense layers with ReLU between them, softmax and cross-entropy at the end."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    batch: int

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def flops(self) -> int:
        """Of the products of one step: forwards, the gradient of weights, and back through all but the first layer."""
        sizes = [a * b for a, b in pairwise(self.widths)]
        return 2 * self.batch * (3 * sum(sizes) - sizes[0])

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch:,}"


def rows_of(net: Net, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """X float32 and classes that a linear rule says, noise included, so that no network ever gets to a loss of 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, net.inputs), np.float32)
    score = X @ rng.standard_normal((net.inputs, net.outputs), np.float32) / np.sqrt(net.inputs)
    return X, (score + rng.gumbel(size=score.shape)).argmax(axis=1)


@final
class Ours:
    """Our engine on one network."""

    def __init__(self, net: Net, X: np.ndarray, y: np.ndarray) -> None:
        from betahat.engines import Rows, Task, TrainingState, engine_for
        from betahat.layers import Dense, ReLU
        from betahat.losses.multinomial import Multinomial
        from betahat.models.network import Network
        from betahat.solvers.stochastic.named import Adam

        layers = [layer for width in net.hidden for layer in (Dense(width), ReLU())]
        network = Network([*layers, Dense(net.outputs)], net.inputs)
        self.task = Task(network, Multinomial(net.outputs), Adam(RATE).chain, dtype=np.float32)
        self.engine, self.state = engine_for(self.task), TrainingState.begin(self.task)
        self.rows, self.batch = Rows(X, y.astype(np.float64)), net.batch

    def train(self, order: np.ndarray) -> None:
        self.engine.train(self.state, self.rows, order, self.batch)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(inputs, outputs) and (outputs,) of each layer, copies."""
        found = list(self.task.network.views(self.state.chain.x.copy()).values())
        return list(zip(found[::2], found[1::2], strict=True))


@final
class Torch:
    """PyTorch, eager, with its fused Adam."""

    def __init__(self, net: Net, X: np.ndarray, y: np.ndarray, start: Any, threads: int) -> None:
        import torch

        self._torch, self._threads, self._batch = torch, threads, net.batch
        self.model = torch_model(start)
        self._optimiser = torch.optim.Adam(self.model.parameters(), lr=RATE, fused=True)
        self._X, self._y = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))

    def train(self, order: np.ndarray) -> None:
        torch, entropy = self._torch, self._torch.nn.functional.cross_entropy
        torch.set_num_threads(self._threads)
        for rows in torch.from_numpy(order).split(self._batch):
            self._optimiser.zero_grad()
            entropy(self.model(self._X[rows]), self._y[rows]).backward()
            self._optimiser.step()

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
            for layer in self.model
            if hasattr(layer, "weight")
        ]


def torch_model(weights: list[tuple[np.ndarray, np.ndarray]]) -> Any:
    """Linear layers with ReLU between them."""
    import torch

    layers: list[Any] = []
    for W, b in weights:
        layers += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.from_numpy(W.T.copy()))
            layers[-2].bias.copy_(torch.from_numpy(b.copy()))
    return torch.nn.Sequential(*layers[:-1])


@final
class Jax:
    """JAX: a whole epoch as one jitted scan, what it changes donated, with optax's Adam."""

    def __init__(self, net: Net, X: np.ndarray, y: np.ndarray, start: Any) -> None:
        import jax
        import optax

        jnp, optimiser = jax.numpy, optax.adam(RATE)
        self._jax, self._batch = jax, net.batch
        self._X, self._y = jnp.asarray(X), jnp.asarray(y, jnp.int32)
        self._carry = ([(jnp.array(W), jnp.array(b)) for W, b in start],)
        self._carry += (optimiser.init(self._carry[0]),)

        def objective(weights: Any, x: Any, y: Any) -> Any:
            for W, b in weights[:-1]:
                x = jax.nn.relu(x @ W + b)
            f = x @ weights[-1][0] + weights[-1][1]
            return optax.softmax_cross_entropy_with_integer_labels(f, y).mean()

        @partial(jax.jit, donate_argnums=0)
        def epoch(carry: Any, X: Any, y: Any, batches: Any) -> Any:
            def step(carry: Any, rows: Any) -> Any:
                weights, kept = carry
                slope = jax.grad(objective)(weights, X[rows], y[rows])
                update, kept = optimiser.update(slope, kept)
                return (optax.apply_updates(weights, update), kept), None

            return jax.lax.scan(step, carry, batches)[0]

        self._epoch = epoch

    def train(self, order: np.ndarray) -> None:
        batches = order.reshape(-1, self._batch).astype(np.int32)
        self._carry = self._epoch(self._carry, self._X, self._y, batches)
        self._jax.block_until_ready(self._carry)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(np.asarray(W), np.asarray(b)) for W, b in self._carry[0]]


def estimator(make: Any, net: Net, X: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """An epoch by `partial_fit` of an MLPClassifier, ours or scikit-learn's, with its defaults."""
    model = make(hidden_layer_sizes=net.hidden, batch_size=net.batch, random_state=0)
    classes = np.arange(net.outputs)

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.partial_fit(X, y, classes=classes)

    return run


def look_at_peak() -> None:
    """Measure the tile's peak once more, since processors are slow for minutes at times."""
    from betahat.kernels.network.tiles import BYTES, multiply
    from betahat.kernels.team import number_of_threads

    n = 256
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((n, n), np.float32) for _ in range(2))
    C, zeros = np.zeros((n, n), np.float32), np.zeros(n, np.float32)
    row = n * 4

    def once() -> None:
        multiply(
            A.ctypes.data, row, 4, B.ctypes.data, row, C.ctypes.data, row, n, row // BYTES, n, zeros.ctypes.data, 0,
            np.float32(1), C,
        )  # fmt: skip

    once()
    np.testing.assert_allclose(C, A @ B, rtol=1e-3, atol=1e-3)
    best = np.inf
    for _ in range(200):
        start = perf_counter()
        for _ in range(5):
            once()
        best = min(best, (perf_counter() - start) / 5)
    _peaks.append(2 * n**3 / best * number_of_threads())


def peak() -> float:
    """Operations a second of the tile, float32, 256³ in cache, times the threads in use; the most that was seen."""
    if not _peaks:
        look_at_peak()
    return max(_peaks)


def peak_line() -> str:
    """What the peak is, in words."""
    from betahat.kernels.team import number_of_threads

    threads = number_of_threads()
    return (
        f"Peak: {peak() / 1e9:.0f} GFLOP/s, the tile's on 256 × 256 × 256 in cache times {threads} threads."
    )
