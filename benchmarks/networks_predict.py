"""Prediction: 10,000 rows at once and one row, beside PyTorch and onnxruntime with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.networks_contestants import Net, has, rows_of, torch_model
from benchmarks.timing import Timing, alternate

NETS = (Net(54, (128, 64), 7, 256), Net(784, (100, 100), 10, 200))
MANY = 10_000


def fitted(net: Net) -> Any:
    """Our estimator after an epoch, on inputs as they are."""
    import betahat as bh

    X, y = rows_of(net, 4_000)
    model = bh.MLPClassifier(
        hidden_layer_sizes=net.hidden,
        batch_size=net.batch,
        standardize=False,
        random_state=0,
        dtype="float32",
    )
    return model.partial_fit(X, y, classes=np.arange(net.outputs))


def onnx_session(weights: list[tuple[np.ndarray, np.ndarray]], threads: int) -> Any:
    """Probabilities by onnxruntime."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, name = [], [], "x"
    for k, (W, b) in enumerate(weights):
        constants += [numpy_helper.from_array(W.copy(), f"W{k}"), numpy_helper.from_array(b.copy(), f"b{k}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{k}", f"b{k}"], [f"z{k}"]))
        last = k == len(weights) - 1
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{k}"], ["p" if last else f"h{k}"]))
        name = f"h{k}"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights[0][0])])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", len(weights[-1][1])])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def contestants(model: Any, X: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Name → probabilities of X; the predictor first where one row is asked about."""
    found: dict[str, Callable[[], np.ndarray]] = {}
    if len(X) == 1:
        predictor = model.predictor()
        found["betahat m.predictor()"] = lambda: predictor(X)
    found["betahat predict_proba"] = lambda: model.predict_proba(X)
    weights = list(zip(model.coefs_, model.intercepts_, strict=True))
    for threads in (1, 2):
        many = f"{threads} thread{'s' * (threads > 1)}"
        if has("torch"):
            found[f"PyTorch, {many}"] = _torch(weights, X, threads)
        if has("onnxruntime"):
            session = onnx_session(weights, threads)
            found[f"onnxruntime, {many}"] = lambda session=session: session.run(None, {"x": X})[0]
    found["scikit-learn predict_proba"] = _sklearn(model, X)
    return found


def _torch(weights: Any, X: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import torch

    network = torch_model(weights)

    def run() -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.no_grad():
            return torch.softmax(network(torch.from_numpy(X)), dim=1).numpy()

    return run


def _sklearn(model: Any, X: np.ndarray) -> Callable[[], np.ndarray]:
    """Its own estimator with our weights."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    outputs = len(model.intercepts_[-1])
    hidden = [len(b) for b in model.intercepts_[:-1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MLPClassifier(hidden_layer_sizes=hidden, max_iter=1).fit(
            np.resize(X, (10 * outputs, X.shape[1])), np.arange(10 * outputs) % outputs
        )
    theirs.coefs_ = [W.copy() for W in model.coefs_]
    theirs.intercepts_ = [b.copy() for b in model.intercepts_]
    return lambda: theirs.predict_proba(X)


def measure(net: Net, rows: int, quick: bool) -> list[Timing]:
    """Timings, after all have said the same."""
    model = fitted(net)
    X = rows_of(net, MANY)[0][:rows]
    runs = contestants(model, X)
    expected = model.predict_proba(X)
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-3, atol=1e-5, err_msg=name)
    return alternate(runs, 5 if quick else 25, inner=300 if rows == 1 else 5)


def run(quick: bool = False) -> str:
    parts = []
    for net in NETS:
        for rows in (MANY, 1):
            timings = measure(net, rows, quick)
            reference = timings[0].median
            best = min(t.median for t in timings if not t.name.startswith("betahat"))
            shape = "-".join(map(str, net.widths))
            lines = [
                f"| {shape}, {rows:,} row{'s' * (rows > 1)} | median | best | ratio to betahat |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {t.name} | {_micro(t.median)} | {_micro(t.best)} | {t.median / reference:.2f} |"
                for t in timings
            ]
            parts.append("\n".join(lines))
            parts.append(f"The quickest peer takes {best / reference:.2f} of our time.")
    return "\n\n".join(["Probabilities from float32 arrays to arrays, with the same weights.", *parts])


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs"
