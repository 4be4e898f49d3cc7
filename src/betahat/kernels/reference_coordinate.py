"""What the kernels of coordinate descent must equal, in NumPy; small problems run here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def threshold(z: float, a: float, positive: bool) -> float:
    """sign(z) (|z| − a)₊, or (z − a)₊."""
    if z > a:
        return z - a
    if z < -a and not positive:
        return z + a
    return 0.0


def _cycle(
    beta: np.ndarray, bend: np.ndarray, a: np.ndarray, b: np.ndarray, positive: bool, epochs: int, tolerance: float,
    slope: Callable[[int], float], move: Callable[[int, float], None],
) -> float:  # fmt: skip
    """Epochs over all coordinates, and in between over those that are not zero."""
    total, whole = np.inf, True
    for _ in range(epochs):
        moved = 0.0
        for j in range(len(beta)):
            old, curve = float(beta[j]), float(bend[j] + b[j])
            if (not whole and old == 0.0) or not curve > 0.0:
                continue
            new = threshold(bend[j] * old - slope(j), a[j], positive) / curve
            if new != old:
                beta[j] = new
                move(j, new - old)
                moved += curve * (new - old) ** 2
        if whole:
            total = moved
            if moved <= tolerance:
                return total
        whole = moved <= max(tolerance, 0.01 * total) if not whole else False
    return total


def descend_gram(
    H: np.ndarray, g: np.ndarray, beta: np.ndarray, a: np.ndarray, b: np.ndarray, positive: bool, epochs: int,
    tolerance: float,
) -> float:  # fmt: skip
    """By a Gram matrix (w, w)."""

    def move(j: int, step: float) -> None:
        np.add(g, H[j] * step, out=g)

    return _cycle(beta, H.diagonal(), a, b, positive, epochs, tolerance, lambda j: g[j], move)


def descend_dense(
    X: np.ndarray, columns: np.ndarray, h: np.ndarray, mean: np.ndarray, bend: np.ndarray, q: np.ndarray,
    beta: np.ndarray, a: np.ndarray, b: np.ndarray, positive: bool, epochs: int, tolerance: float,
) -> float:  # fmt: skip
    """By rows of a dense X."""

    def move(j: int, step: float) -> None:
        np.add(q, h * (step * (X[:, columns[j]] - mean[j])), out=q)

    return _cycle(beta, bend, a, b, positive, epochs, tolerance, lambda j: float(X[:, columns[j]] @ q), move)


def descend_sparse(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, columns: np.ndarray, h: np.ndarray, mean: np.ndarray,
    bend: np.ndarray, q: np.ndarray, beta: np.ndarray, a: np.ndarray, b: np.ndarray, positive: bool, epochs: int,
    tolerance: float,
) -> float:  # fmt: skip
    """By rows of a CSC matrix."""

    def part(j: int) -> slice:
        return slice(indptr[columns[j]], indptr[columns[j] + 1])

    def move(j: int, step: float) -> None:
        np.subtract(q, h * (step * mean[j]), out=q)
        rows = indices[part(j)]
        q[rows] += h[rows] * (step * data[part(j)])

    return _cycle(
        beta, bend, a, b, positive, epochs, tolerance, lambda j: float(data[part(j)] @ q[indices[part(j)]]), move
    )  # fmt: skip
