"""Iterations against the condition number, by method, beside the textbook rates; fitted when the pages are built."""

from __future__ import annotations

import warnings
from math import log, sqrt
from typing import Any

import numpy as np

import betahat as bh

CONDITIONS = (10, 100, 1000, 10_000)
"""κ of the Hessian, the square of the columns' own."""
COLUMNS, ROWS, DIGITS = 60, 200, 6
METHODS: dict[str, tuple[str, Any]] = {
    "gradient_descent": (r"Gradient descent, $\eta = 1/L$", lambda k: 1 - 1 / k),
    "momentum": (r"Momentum, $\eta = 1/L$, $\sqrt\mu = 1 - 1/\sqrt\kappa$", lambda k: 1 - 1 / sqrt(k)),
    "nesterov": ("Nesterov, with restarts", lambda k: 1 - 1 / sqrt(k)),
    "conjugate_gradient": ("Conjugate gradients", lambda k: (sqrt(k) - 1) / (sqrt(k) + 1)),
    "lbfgs": ("L-BFGS, ten steps of memory", None),
    "bfgs": ("BFGS", None),
    "newton": ("Newton", None),
}
_RATES = {
    "gradient_descent": r"$1 - 1/\kappa$",
    "momentum": r"$1 - 1/\sqrt\kappa$",
    "nesterov": r"$1 - 1/\sqrt\kappa$",
    "conjugate_gradient": r"$\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$",
    "lbfgs": "not by κ alone",
    "bfgs": "ever faster",
    "newton": "one step",
}


def problem(condition: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose Hessian has eigenvalues evenly spread in their logarithms, with all columns of one variance."""
    rng = np.random.default_rng(0)
    H = _with_equal_diagonal(np.geomspace(1, condition, COLUMNS), rng)
    U = np.linalg.qr(np.column_stack([np.ones(ROWS), rng.normal(size=(ROWS, COLUMNS))]))[0][:, 1:]
    X = U @ np.linalg.cholesky(H).T
    values, vectors = np.linalg.eigh(H)
    beta = vectors @ (1 / np.sqrt(values))  # every direction weighs alike in J
    return X, X @ beta + 0.1 * U @ rng.normal(size=COLUMNS)


def _with_equal_diagonal(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A symmetric matrix of these eigenvalues with a constant diagonal, by plane rotations (Bendel & Mickey 1978)."""
    Q = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    H, mean = (Q * values) @ Q.T, values.mean()
    for _ in range(len(values) - 1):
        d = H.diagonal()
        i, j = int(np.argmin(d)), int(np.argmax(d))
        if d[j] - d[i] < 1e-10 * mean:
            break
        a, b, c = H[i, i] - mean, H[i, j], H[j, j] - mean
        t = (b + sqrt(b * b - a * c)) / c  # the tangent that brings one of the two to the mean
        cos = 1 / sqrt(1 + t * t)
        G = np.eye(len(values))
        G[i, i] = G[j, j] = cos
        G[i, j], G[j, i] = -t * cos, t * cos
        H = G @ H @ G.T
    return H / mean


def iterations(method: str, condition: float) -> int | None:
    """How many iterations bring the largest derivative down by 10⁶; None where 100,000 do not."""
    X, y = problem(condition)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.CertificateWarning)  # a budget spent is in the table
        norms = bh.LinearRegression(solver=method, tol=1e-9).fit(X, y).trace_.gradient_norm
    there = np.flatnonzero(norms <= 10.0**-DIGITS * norms[0])
    return int(there[0]) if len(there) else None


def convergence_table() -> str:
    """The table in Markdown: observed iterations, and in brackets those of the textbook rate r, 6 ln 10/(−ln r)."""
    head = ["method", "rate", *(f"$\\kappa$ = {c:,}" for c in CONDITIONS)]
    lines = [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * len(CONDITIONS)]
    for method, (label, rate) in METHODS.items():
        cells = []
        for condition in CONDITIONS:
            seen = iterations(method, condition)
            promised = "" if rate is None else f" ({DIGITS * log(10) / -log(rate(condition)):,.0f})"
            cells.append((f"{seen:,}" if seen is not None else "> 100,000") + promised)
        lines.append(f"| {label} | {_RATES[method]} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(convergence_table())
