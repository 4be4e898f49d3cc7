"""Predictions of convolutional networks: many images in batches, and one, beside PyTorch and onnxruntime with the same
weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from benchmarks.images_step import CLASSES, images_of, resnet, small, torch_network
from benchmarks.networks_contestants import has
from benchmarks.timing import Timing, alternate
from betahat.layers import BatchNorm, Conv2d, Dense, Flatten, GlobalMaxPool, Layer, MaxPool2d, ReLU, Residual

BATCH, THREADS = 250, 2


def fitted(layers: list[Layer], shape: tuple[int, int, int]) -> Any:
    """Our estimator after a few steps, on images as they are."""
    import betahat as bh

    X, y = images_of(shape, 256)
    model = bh.NetworkClassifier(
        layers=layers, batch_size=64, standardize=False, random_state=0, dtype="float32"
    )
    return model.partial_fit(X, y, classes=np.arange(CLASSES))


@final
class Graph:
    """An ONNX graph of our layers, channels first, that ends with probabilities."""

    def __init__(self, network: Any, beta: np.ndarray, buffers: np.ndarray) -> None:
        slots = {slot.name: slot.view(buffers) for slot in network.buffer_layout}
        self._arrays: dict[str, np.ndarray] = {**network.views(beta), **slots}
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        height, width, channels = self._shape = network.input_shape
        self.shape = ("n", channels, height, width)
        self.output = self._node("Softmax", self._chain(network.layers, "x", ""), axis=1)

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"f{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, name: str, turn: tuple[int, ...] | None = None) -> str:
        from onnx import numpy_helper

        array = self._arrays[name] if turn is None else self._arrays[name].transpose(turn)
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _chain(self, layers: Any, x: str, path: str) -> str:
        for k, layer in enumerate(layers):
            x = self._layer(layer, x, f"{path}{k}")
        return x

    def _layer(self, layer: Layer, x: str, path: str) -> str:
        if isinstance(layer, Conv2d):
            assert isinstance(layer.padding, int)
            bias = [self._constant(f"{path}.bias")] if layer.bias else []
            return self._node(
                "Conv", x, self._constant(f"{path}.weight", (3, 2, 0, 1)), *bias, pads=[layer.padding] * 4
            )
        if isinstance(layer, Dense):
            return self._node("Gemm", x, self._constant(f"{path}.weight"), self._constant(f"{path}.bias"))
        if isinstance(layer, BatchNorm):
            names = [self._constant(f"{path}.{name}") for name in ("scale", "shift", "mean", "variance")]
            return self._node("BatchNormalization", x, *names, epsilon=layer.epsilon)
        if isinstance(layer, Residual):
            return self._node("Add", x, self._chain(layer.layers, x, f"{path}.residual."))
        if isinstance(layer, Flatten):  # in our order, channels last
            return self._node("Flatten", self._node("Transpose", x, perm=[0, 2, 3, 1]), axis=1)
        if isinstance(layer, GlobalMaxPool):
            return self._node("Flatten", self._node("GlobalMaxPool", x), axis=1)
        if isinstance(layer, MaxPool2d):
            return self._node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        assert isinstance(layer, ReLU)
        return self._node("Relu", x)

    def session(self, threads: int) -> Any:
        """An inference session of onnxruntime, with all its optimisations."""
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper

        entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(self.shape))
        leaves = helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["n", CLASSES])
        graph = helper.make_graph(self._nodes, "network", [entry], [leaves], self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def _torch(network: Any, arrays: Any, X: np.ndarray, last: bool) -> Callable[[], np.ndarray]:
    """PyTorch's probabilities, images channels first or last."""
    import torch

    form = torch.channels_last if last else torch.contiguous_format
    weights, statistics = arrays
    module = torch_network(list(network.layers), network.input_shape, weights)
    norms = [m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    paths = [leaf.path for leaf in network.leaves if isinstance(leaf.layer, BatchNorm)]
    for norm, path in zip(norms, paths, strict=True):
        norm.running_mean.copy_(torch.from_numpy(statistics[f"{path}.mean"].copy()))
        norm.running_var.copy_(torch.from_numpy(statistics[f"{path}.variance"].copy()))
    module = module.eval().to(memory_format=form)
    x = torch.from_numpy(X.transpose(0, 3, 1, 2).copy()).to(memory_format=form)

    def run() -> np.ndarray:
        torch.set_num_threads(THREADS)
        with torch.inference_mode():
            parts = [torch.softmax(module(part), dim=1) for part in x.split(BATCH)]
            return torch.cat(parts).numpy()

    return run


def contestants(model: Any, X: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Name → probabilities of X, ours first."""
    found: dict[str, Callable[[], np.ndarray]] = {}
    if len(X) == 1:
        predictor = model.predictor()
        found["betahat m.predictor()"] = lambda: predictor(X)
    else:
        found["betahat predict_proba"] = lambda: model.predict_proba(X)
    network, state = model._network, model._state
    beta, buffers = state.chain.point, state.buffers
    if has("onnxruntime") and has("onnx"):
        images = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
        graph = Graph(network, beta, buffers)
        for threads in sorted({1, THREADS}):
            session = graph.session(threads)

            def run(session: Any = session) -> np.ndarray:
                parts = [session.run(None, {"x": images[k : k + BATCH]})[0] for k in range(0, len(X), BATCH)]
                return parts[0] if len(parts) == 1 else np.concatenate(parts)

            found[f"onnxruntime, {threads} thread{'s' * (threads > 1)}"] = run
    if has("torch"):
        weights = {name: view.copy() for name, view in network.views(beta).items()}
        statistics = {slot.name: slot.view(buffers) for slot in network.buffer_layout}
        for last in (False, True):
            form = "channels last" if last else "channels first"
            found[f"PyTorch, {form}, {THREADS} threads"] = _torch(network, (weights, statistics), X, last)
    return found


def measure(model: Any, X: np.ndarray, rounds: int, inner: int) -> list[Timing]:
    """Timings, after all have said the same."""
    runs = contestants(model, X)
    expected = model.predict_proba(X)
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-5, err_msg=name)
    return alternate(runs, rounds, inner, warm=True)


def _table(title: str, timings: list[Timing]) -> str:
    ours = timings[0]
    lines = [f"| {title} | median | best | ratio to betahat |", "|---|---|---|---|"]
    lines += [
        f"| {t.name} | {_time(t.median)} | {_time(t.best)} | {t.median / ours.median:.2f} |" for t in timings
    ]
    if len(timings) == 1:
        return "\n".join(lines)
    rest = timings[1:]
    by_median, by_best = min(t.median for t in rest) / ours.median, min(t.best for t in rest) / ours.best
    said = (
        f"The quickest peer takes {by_median:.2f} of our time by medians, {by_best:.2f} by the best of each."
    )
    return "\n".join([*lines, "", said])


def run(quick: bool = False) -> str:
    parts = [
        f"Probabilities from float32 arrays to arrays, with the same weights; several images by {BATCH} at a time, for "
        f"us as the estimator takes them; {THREADS} threads where not said otherwise; our predictor "
        f"has one for the small network."
    ]
    networks = (("small network", small(), 10_000, 300), ("ResNet-9", resnet(), 1_000, 10))
    for name, (layers, shape), images, one in networks:
        model = fitted(layers, shape)
        X, _ = images_of(shape, images // 10 if quick else images)
        title = f"{name}, {' × '.join(map(str, shape))}"
        many = measure(model, X, 3 if quick else 5, 1)
        parts.append(_table(f"{title}, {len(X):,} images", many))
        parts.append(_table(f"{title}, one image", measure(model, X[:1], 5 if quick else 25, one)))
    return "\n\n".join(parts)


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 0.1 else f"{seconds:.2f} s"
