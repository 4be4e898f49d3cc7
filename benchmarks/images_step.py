"""One step of convolutional networks: the same layers, start, images and batches for each contestant; Adam, float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from benchmarks.networks_contestants import RATE, has, look_at_peak, peak, peak_line
from benchmarks.timing import alternate
from betahat.data import Augmentation
from betahat.layers import BatchNorm, Conv2d, Dense, Flatten, GlobalMaxPool, Layer, MaxPool2d, ReLU, Residual

BATCH, CLASSES = 128, 10
CHANGES = Augmentation(shift=2, rotate=10, scale=0.1)
"""Of images, in a run that no peer has a twin of: what augmentation costs."""


def small() -> tuple[list[Layer], tuple[int, int, int]]:
    """28 × 28 × 1 → 3 × 3 × 32 → pool → 3 × 3 × 64 → pool → 128 → 10."""
    layers = [
        Conv2d(32, 3),
        ReLU(),
        MaxPool2d(2),
        Conv2d(64, 3),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Dense(128),
        ReLU(),
    ]
    return [*layers, Dense(CLASSES)], (28, 28, 1)


def _block(channels: int, pool: bool = False) -> list[Layer]:
    layers: list[Layer] = [Conv2d(channels, 3, padding=1, bias=False), BatchNorm(), ReLU()]
    return [*layers, MaxPool2d(2)] if pool else layers


def resnet() -> tuple[list[Layer], tuple[int, int, int]]:
    """ResNet-9 on 32 × 32 × 3."""
    return [
        *_block(64), *_block(128, True), Residual(*_block(128), *_block(128)), *_block(256, True), *_block(512, True),
        Residual(*_block(512), *_block(512)), GlobalMaxPool(), Dense(CLASSES),
    ], (32, 32, 3)  # fmt: skip


def images_of(shape: tuple[int, int, int], n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *shape), np.float32), rng.integers(0, CLASSES, n)


@final
class Ours:
    """Our engine."""

    def __init__(self, layers: list[Layer], X: np.ndarray, y: np.ndarray, augment: Any = None) -> None:
        from betahat.engines import Rows, Task, TrainingState, engine_for
        from betahat.engines.cpu import CpuEngine
        from betahat.losses.multinomial import Multinomial
        from betahat.models.network import Network
        from betahat.solvers.stochastic.named import Adam

        self.network = Network(layers, X.shape[1:])
        chain = Adam(RATE).chain
        self.task = Task(self.network, Multinomial(CLASSES), chain, dtype=np.float32, augment=augment)
        self.engine, self.state = engine_for(self.task), TrainingState.begin(self.task)
        assert isinstance(self.engine, CpuEngine)
        self.rows = Rows(X, y.astype(np.float64))

    def train(self, order: np.ndarray) -> None:
        self.engine.train(self.state, self.rows, order, BATCH)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: view.copy() for name, view in self.network.views(self.state.chain.x).items()}


def _torch_layers(layers: Any, shape: Any, weights: dict[str, np.ndarray], path: str = "") -> list[Any]:
    """PyTorch's modules with our weights."""
    import torch
    from torch import nn

    class Added(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    class Turned(nn.Module):
        """Flat in our order, channels last."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    def put(module: Any, name: str, value: np.ndarray) -> None:
        with torch.no_grad():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))

    found: list[Any] = []
    for k, layer in enumerate(layers):
        name = f"{path}{k}"
        if isinstance(layer, Conv2d):
            padding: Any = layer.padding if isinstance(layer.padding, int) or layer.padding == "same" else 0
            module = nn.Conv2d(shape[-1], layer.filters, layer.kernel_size, padding=padding, bias=layer.bias)
            put(module, "weight", weights[f"{name}.weight"].transpose(3, 2, 0, 1))
        elif isinstance(layer, Dense):
            module = nn.Linear(shape[0], layer.units)
            put(module, "weight", weights[f"{name}.weight"].T)
        elif isinstance(layer, BatchNorm):
            module = nn.BatchNorm2d(shape[-1], eps=layer.epsilon)
            put(module, "weight", weights[f"{name}.scale"])
            put(module, "bias", weights[f"{name}.shift"])
        elif isinstance(layer, Residual):
            module = Added(nn.Sequential(*_torch_layers(layer.layers, shape, weights, f"{name}.residual.")))
        elif isinstance(layer, GlobalMaxPool):
            module = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        else:
            module = {ReLU: nn.ReLU, MaxPool2d: partial(nn.MaxPool2d, 2), Flatten: Turned}[type(layer)]()
        if isinstance(layer, (Conv2d, Dense)) and layer.bias:
            put(module, "bias", weights[f"{name}.bias"])
        found.append(module)
        shape = layer.output_shape(shape)
    return found


def torch_network(layers: list[Layer], shape: tuple[int, ...], weights: dict[str, np.ndarray]) -> Any:
    """PyTorch's network of our weights."""
    import torch

    return torch.nn.Sequential(*_torch_layers(layers, shape, weights))


@final
class Torch:
    """PyTorch with its fused Adam, on images laid channels first or last, eager or compiled."""

    def __init__(
        self, layers: list[Layer], X: np.ndarray, y: np.ndarray, start: Any, last: bool, compiled: bool
    ) -> None:
        import torch

        self._torch = torch
        torch.set_num_threads(2)
        form = torch.channels_last if last else torch.contiguous_format
        model = torch_network(layers, X.shape[1:], start).to(memory_format=form)
        self.model = torch.compile(model) if compiled else model
        self._optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        self._X = torch.from_numpy(X.transpose(0, 3, 1, 2).copy()).to(memory_format=form)
        self._y = torch.from_numpy(y)

    def train(self, order: np.ndarray) -> None:
        torch = self._torch
        torch.set_num_threads(2)
        for rows in torch.from_numpy(order).split(BATCH):
            self._optimiser.zero_grad()
            torch.nn.functional.cross_entropy(self.model(self._X[rows]), self._y[rows]).backward()
            self._optimiser.step()


@final
class Jax:
    """JAX: the small network's epoch as one jitted scan, with optax's Adam."""

    def __init__(self, X: np.ndarray, y: np.ndarray, start: dict[str, np.ndarray]) -> None:
        import jax
        import optax

        jnp, optimiser = jax.numpy, optax.adam(RATE)
        self._jax = jax
        self._X, self._y = jnp.asarray(X), jnp.asarray(y, jnp.int32)
        weights = [jnp.array(value) for value in start.values()]
        self._carry = (weights, optimiser.init(weights))

        def convolved(x: Any, W: Any, b: Any) -> Any:
            f = jax.lax.conv_general_dilated(
                x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            window = (1, 2, 2, 1)
            return jax.lax.reduce_window(jax.nn.relu(f + b), -jnp.inf, jax.lax.max, window, window, "VALID")

        def objective(weights: Any, x: Any, y: Any) -> Any:
            W1, b1, W2, b2, W3, b3, W4, b4 = weights
            x = convolved(convolved(x, W1, b1), W2, b2).reshape(len(x), -1)
            f = jax.nn.relu(x @ W3 + b3) @ W4 + b4
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
        self._carry = self._epoch(self._carry, self._X, self._y, order.reshape(-1, BATCH).astype(np.int32))
        self._jax.block_until_ready(self._carry)


def flops_of(network: Any) -> int:
    """Of a step's products: forwards, the gradients of weights, and back through all but the first layer."""
    each = [
        leaf.layer.flops(leaf.input_shape)
        for leaf in network.leaves
        if isinstance(leaf.layer, (Conv2d, Dense))
    ]
    return BATCH * (3 * sum(each) - each[0])


def compare(title: str, made: Any, steps: int, rounds: int, compiled: bool, jax: bool) -> str:
    layers, shape = made
    X, y = images_of(shape, steps * BATCH)
    ours = Ours(layers, X, y)
    order = np.random.default_rng(1).permutation(len(X))
    contestants: dict[str, Any] = {"betahat": ours}
    contestants[f"betahat, {CHANGES!r}"] = Ours(layers, X, y, CHANGES)
    if has("torch"):
        start = ours.weights()
        for last in (False, True):
            form = "channels last" if last else "channels first"
            contestants[f"PyTorch, {form}"] = Torch(layers, X, y, start, last, False)
            if compiled:
                contestants[f"PyTorch, {form}, compiled"] = Torch(layers, X, y, start, last, True)
    if jax and has("jax") and has("optax"):
        contestants["JAX, scan over the epoch"] = Jax(X, y, ours.weights())
    calls: dict[str, Callable[[], None]] = {n: (lambda c=c: c.train(order)) for n, c in contestants.items()}
    timings = alternate(calls, rounds)
    look_at_peak()
    work, reference = flops_of(ours.network), timings[0]
    lines = [
        "| contestant | ms a step, median | best | ratio to betahat | share of peak |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.name} | {1e3 * t.median / steps:.2f} | {1e3 * t.best / steps:.2f} | {t.median / reference.median:.2f} | "
        f"{work * steps / t.median / peak():.0%} |"
        for t in timings
    ]
    return "\n\n".join([
        f"{title}, batches of {BATCH}, Adam, float32, two threads: {work / 1e9:.2f} billion operations a step, "
        f"{1e3 * work / peak():.1f} ms at peak.",
        "\n".join(lines),
        peak_line(),
    ])  # fmt: skip


def run_small(quick: bool = False) -> str:
    title = "28 × 28 × 1 → 3 × 3 × 32 → ReLU → pool → 3 × 3 × 64 → ReLU → pool → 128 → 10"
    return compare(title, small(), 8, 3 if quick else 15, not quick, True)


def run_resnet(quick: bool = False) -> str:
    return compare("ResNet-9 on 32 × 32 × 3", resnet(), 1, 3 if quick else 7, False, False)
