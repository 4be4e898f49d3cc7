"""Reverse mode beside HIPS autograd: the gradients of five typical functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.timing import alternate, readable


def functions(xp: Any) -> dict[str, tuple[Any, Any]]:
    """name → (function, point), written with the module `xp`; the same numbers each time."""
    rng = np.random.default_rng(1)
    X, y, classes = rng.standard_normal((200, 10)), rng.random(200), np.eye(3)[rng.integers(0, 3, 200)]
    shapes = ((10, 16), (16, 16), (16, 3))
    layers = [(rng.standard_normal(shape) * 0.3, np.zeros(shape[1])) for shape in shapes]
    distances = (X[:30, None, 0] - X[None, :30, 0]) ** 2

    def logistic(beta: Any) -> Any:
        return xp.mean(xp.logaddexp(0.0, X @ beta) - y * (X @ beta))

    def rosenbrock(x: Any) -> Any:
        return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def network(parameters: Any) -> Any:
        h = X
        for W, b in parameters[:-1]:
            h = xp.tanh(h @ W + b)
        W, b = parameters[-1]
        out = h @ W + b
        out = out - xp.max(out, axis=1, keepdims=True)
        return -xp.mean(xp.sum(classes * (out - xp.log(xp.sum(xp.exp(out), axis=1, keepdims=True))), axis=1))

    def gaussian_process(t: Any) -> Any:
        K = xp.exp(t[0]) * xp.exp(-distances / xp.exp(t[1])) + xp.exp(t[2]) * np.eye(30)
        return 0.5 * y[:30] @ xp.linalg.solve(K, y[:30]) + 0.5 * xp.linalg.slogdet(K)[1]

    def recurrence(x: Any) -> Any:
        h = x[0]
        for _ in range(50):
            h = xp.sin(h * x[1]) + x[2] * h
        return h

    return {
        "logistic loss, 200 × 10": (logistic, rng.standard_normal(10)),
        "Rosenbrock in 100": (rosenbrock, rng.standard_normal(100)),
        "network 10-16-16-3": (network, layers),
        "Gaussian process, 30 points": (gaussian_process, np.array([0.1, 0.2, -1.0])),
        "recurrence of 50 steps": (recurrence, np.array([0.3, 0.4, 0.5])),
    }


def run() -> str:
    import autograd
    import autograd.numpy as peer

    import betahat as bh

    lines = ["| gradient of | betahat | autograd | ratio to betahat |", "|---|---|---|---|"]
    theirs = functions(peer)
    for name, (function, point) in functions(np).items():
        ours, other = bh.grad(function), autograd.grad(theirs[name][0])
        for one, two in zip(_numbers(ours(point)), _numbers(other(point)), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
        one, two = alternate({"betahat": lambda: ours(point), "autograd": lambda: other(point)}, 25, 20)  # noqa: B023
        lines.append(
            f"| {name} | {readable(one.median)} | {readable(two.median)} | {two.median / one.median:.2f} |"
        )
    return "\n".join(["The gradients agree to nine digits.", "", *lines])


def _numbers(gradient: Any) -> list[Any]:
    return [part for pair in gradient for part in pair] if isinstance(gradient, list) else [gradient]
