"""`betahat warmup`: every kernel compiled ahead, for images, CI and the first fit of a session."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from betahat.cli.output import Report
from betahat.cli.progress import Progress

_WIDE = 400  # columns beyond which Gram matrices take their other path
_ROWS = 1024  # by eight columns, from which compiled coordinate descent pays


def warmup_command(report: Report) -> None:
    """Compile, and say how long it took and where the result lies."""
    from betahat.report.versions import versions

    start = time.perf_counter()
    with Progress("compiling kernels", enabled=not report.as_json):
        compile_kernels()
    seconds = time.perf_counter() - start
    cache = versions()["cache"]
    if report.as_json:
        report.result({"seconds": seconds, "cache": cache})
    elif cache["folder"] is None:
        report.warn(
            "no writable cache folder, so every process compiles anew; set BETAHAT_CACHE_DIR to one that is"
        )
    else:
        report.out.print(
            f"kernels ready in {seconds:.1f} s: {cache['files']} files, {cache['bytes'] / 1e6:.1f} MB in "
            f"{cache['folder']}"
        )


def compile_kernels() -> None:
    """Run each compiled kernel on data of every kind it tells apart, just too large to stay in NumPy."""
    from betahat.kernels.gradient import gradient
    from betahat.kernels.gram import COMPILED_FROM, gram
    from betahat.kernels.irls import EVERYTHING, irls
    from betahat.kernels.running import load
    from betahat.kernels.softmax import GRADIENT, softmax

    load()
    for columns in (8, _WIDE):
        rows = COMPILED_FROM // columns + 1
        for X in _layouts(rows, columns):
            y = np.ones((rows, 1))
            for weight in (None, np.ones(rows)):
                for dtype in (np.float64, np.float32):
                    gram(X, y, weight, dtype=dtype)
                gradient(X, y, np.zeros((1, columns)), np.zeros(1), weight)
            zeros = np.zeros(columns)
            irls(X, y[:, 0], None, None, zeros, zeros, 0.0, 0, 0.0, EVERYTHING)
            softmax(X, y[:, 0], None, None, zeros, np.zeros((2, columns)), np.zeros(2), GRADIENT)
    _compile_sparse_fits()
    _compile_networks()


def _compile_sparse_fits() -> None:
    """What sparse fits ask for: rows' losses, sums of columns, coordinate descent."""
    import scipy.sparse as sp

    from betahat.kernels.column_sums import dense_moments, sparse_gram, sparse_moments, sparse_products
    from betahat.kernels.coordinate import descend_columns, descend_gram
    from betahat.kernels.row_losses import row_losses, shrunk_dual

    rows, ones = _ROWS, np.ones(_ROWS)
    row_losses(ones, ones, 0.0, ones, 1, 0.0)
    shrunk_dual(ones, ones, ones, 1, 0.0, 1.0, 1.0)
    X = np.asfortranarray(np.arange(8.0 * rows).reshape(rows, 8) % 7)
    weights, few = ones / rows, np.ones(8)
    for dtype in (np.float64, np.float32):
        dense_moments(X.astype(dtype, order="F"), weights)
        columns: Any = sp.csc_array(X.astype(dtype))
        sparse_moments(columns, weights)
        sparse_products(columns, ones)
    columns = sp.csc_array(X)
    sparse_products(columns, ones, ones)
    sparse_gram(columns.tocsr(), ones)
    descend_gram(np.eye(8), np.zeros(8), few.copy(), few, few, False, 1, 0.0, compiled=True)
    for matrix in (X, columns):
        order = np.arange(8)
        descend_columns(
            matrix, order, ones, np.zeros(8), few, ones.copy(), few.copy(), few, few, False, 1, 0.0
        )


def _compile_networks() -> None:
    """Every operation that a network may be lowered to, for both types."""
    from betahat.data.augmentation import Augmentation
    from betahat.engines import Rows, Task, TrainingState
    from betahat.engines.cpu import CpuEngine
    from betahat.layers import (
        BatchNorm,
        Columns,
        Conv2d,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        LayerNorm,
        MaxPool2d,
        ReLU,
        Residual,
        Tanh,
    )
    from betahat.losses import SquaredError
    from betahat.losses.multinomial import Multinomial
    from betahat.models.network import Network
    from betahat.solvers.stochastic.named import Adam

    first = Columns((0,), ((1, Embedding(2, 2)),))
    layers = [
        first,
        Dense(4),
        BatchNorm(),
        Tanh(),
        Residual(Dropout(0.5), LayerNorm(), Dense(4)),
        ReLU(),
        Dense(2),
    ]
    images = [
        Conv2d(3, 2, padding=1), ReLU(), Conv2d(3, 2, groups=3, stride=2), BatchNorm(), MaxPool2d(2), Flatten(),
        Dense(2),
    ]  # fmt: skip
    changes = Augmentation(rotate=1, mixup=1)
    for network, augment in (
        (Network(layers, 2), None), (Network(images, (9, 9, 2)), None), (Network(images, (9, 9, 2)), changes)
    ):  # fmt: skip
        rows, order = np.zeros((32, *network.input_shape)), np.arange(32)
        for dtype in (np.float32, np.float64):
            for loss in (SquaredError(), Multinomial(2)):
                task = Task(network, loss, Adam(clip_norm=1.0).chain, dtype=dtype, augment=augment)
                state, engine = TrainingState.begin(task), CpuEngine(task)
                y = np.zeros((32, 2 if isinstance(loss, SquaredError) else 1))
                engine.train(state, Rows(rows, y), order, 16)
                for probabilities in (False, True):
                    engine.predict(state.chain.x, state.buffers, Rows(rows, y), probabilities)


def _layouts(rows: int, columns: int) -> list[np.ndarray[Any, Any]]:
    ramp = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns) % 7
    return [
        np.asarray(ramp, dtype, order=order) for dtype in (np.float64, np.float32) for order in ("C", "F")
    ]
