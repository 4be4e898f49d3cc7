"""Run by test_processors in a process that pretends to be another processor: kernels against their reference."""

import numpy as np

from betahat.kernels import reference, reference_irls, reference_softmax
from betahat.kernels.gradient import gradient
from betahat.kernels.gram import gram
from betahat.kernels.irls import EVERYTHING, irls
from betahat.kernels.pointwise import LOSSES
from betahat.kernels.processor import tile_shape
from betahat.kernels.softmax import softmax

print(tile_shape().name)
rng = np.random.default_rng(0)
for n, p, order, dtype in ((4_001, 37, "C", np.float64), (4_001, 37, "F", np.float64), (400, 400, "C", np.float64),
                           (30_000, 5, "C", np.float32)):  # fmt: skip
    X = np.asarray(rng.standard_normal((n, p)), dtype=dtype, order=order)
    Y, weight = rng.standard_normal((n, 1)), rng.random(n)
    dense = X.astype(np.float64)
    high, low = gram(X, Y, weight)
    expected, _ = reference.gram(dense, Y, weight, np.zeros(p + 1))
    unit = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    assert np.abs((high + low - expected) / unit).max() < 1e-13
    beta, intercept = rng.standard_normal((1, p)), rng.standard_normal(1)
    found, truth = gradient(X, Y, beta, intercept), reference.gradient(dense, Y, beta, intercept, None)
    difference = (found.high - truth.high) + (found.low - truth.low)
    assert np.abs(difference / truth.magnitude).max() < 1e-26
    for code in range(len(LOSSES)):
        y, settings = rng.random(n), (0.1, code, 1.5, EVERYTHING, np.ones(p))
        found = irls(X, y, weight, Y[:, 0], beta[0], beta[0] / p, *settings)
        truth = reference_irls.irls(dense, y, weight, Y[:, 0], beta[0], beta[0] / p, *settings)
        for one, two in zip(found, truth, strict=True):
            scale = truth.magnitude if one is found.gradient else np.abs(two).max()
            assert (np.abs(one - two) <= 1e-12 * scale).all(), (n, p, order, code)
    for classes in (2, 5):
        labels, B = rng.integers(0, classes, n), rng.standard_normal((classes, p + 1)) / p
        rows, where = (X[:, :20], dense[:, :20]) if p > 40 else (X, dense)
        if rows.size < 1 << 17:
            rows, where, labels, weights = (np.repeat(a, 20, axis=0) for a in (rows, where, labels, weight))
        else:
            weights = weight
        q = rows.shape[1]
        settings = (labels, weights, None, beta[0][:q], B[:, :q], B[:, p], EVERYTHING, B[:, : q + 1])
        for one, two in zip(
            softmax(rows, *settings), reference_softmax.softmax(where, *settings), strict=True
        ):
            assert (np.abs(one - two) <= 1e-11 * np.abs(two).max()).all(), (n, p, order, classes)
print("right")
